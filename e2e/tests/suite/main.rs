//! The end-to-end tests: one program, so that all of them share the clusters. `e2e/run` starts it twice.
//!
//! What waits more than it works runs side by side, each test that needs a cluster on one of its own. What counts a load's losses, or looks
//! at the whole machine, runs apart from them, two at a time: it is marked `#[ignore = "apart: the reason"]`.

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
mod registry;
mod release;
mod rollout;
mod stores;
mod systems;
