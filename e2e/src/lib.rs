//! End-to-end tests on a real cluster, written as the commands that a person would type.
//!
//! A test opens a [`Namespace`], types commands into its [`Shell`], and looks at what came back. Whatever it made goes
//! with the namespace. The tests share one cluster and one set of node ports, so a namespace is also the lock that lets
//! them run one after the other, whatever the number of test threads.

pub mod condition;
pub mod json;
pub mod load;
pub mod namespace;
pub mod page;
pub mod shell;

pub use condition::{eventually, eventually_within};
pub use load::{Ledger, Load};
pub use namespace::Namespace;
pub use shell::{Background, Output, Shell};
