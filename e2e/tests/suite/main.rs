//! The end-to-end tests: one program, so that all of them share the clusters. `e2e/run` starts it twice.
//!
//! What waits more than it works runs side by side, each test that needs a cluster on one of its own. A test whose result other tests could change,
//! or that changes theirs, runs alone: it is marked `#[ignore = "alone: the reason"]`.
//!
//! They begin in the order of their names: a long one at the end would run by itself.

mod artifacts;
mod autoscaling;
mod certificates;
mod classroom;
mod cluster;
mod docker;
mod exercises;
mod gateway;
mod gateway_api;
mod images;
mod load_balancer;
mod local;
mod monitoring;
mod network_policy;
mod observer;
mod pages;
mod phases;
mod proof;
mod release;
mod rollout;
mod stores;
mod systems;
