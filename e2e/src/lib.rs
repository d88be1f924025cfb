//! End-to-end tests on a real cluster, written as the commands that a person would type.
//!
//! A test opens a [`Namespace`], types commands into its [`Shell`], and looks at what came back. Whatever it made goes
//! with the namespace. A namespace takes a whole cluster with it, with its node ports and nodes, until it is dropped: as
//! many tests run side by side as there are clusters, whatever the number of test threads.
//!
//! What a test does panics where it fails. A program that has to clean up, as the proof has, uses the same by the
//! functions whose names begin with `try_`, and may be interrupted ([`Shell::interrupted_by`]).

// What goes wrong here is the failure of a test, told where it is: what it typed, and all that came back.
#![allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod clusters;
pub mod condition;
pub mod error;
pub mod json;
pub mod ledger;
pub mod load;
pub mod namespace;
pub mod page;
pub mod shell;

pub use condition::{eventually, eventually_within, try_eventually};
pub use error::Error;
pub use ledger::Ledger;
pub use load::Load;
pub use namespace::Namespace;
pub use shell::{Background, Output, Shell};
