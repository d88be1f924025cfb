//! A small server over real connections, with clients that do exactly what each test says.

mod connections;
mod drain;
mod exposition;
mod faults;
mod refusals;
