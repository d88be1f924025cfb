//! How many threads serve: as many as the CPU quota allows, never as many as the machine has.
//!
//! A thread a core of a 64-core node, in a pod that may use a quarter of one, only adds switches and wakes threads that the
//! kernel then throttles together.

use tokio::runtime::{Builder, Runtime};

/// How the runtime is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// Everything on the calling thread: no locks contended, no thread woken.
    Current,
    /// That many worker threads.
    Many(usize),
}

/// The workers for a CPU quota in cores, rounded up (`None` is no quota), on a machine with `cores`.
pub(crate) fn workers(quota: Option<usize>, cores: usize) -> Workers {
    let cores = cores.max(1);
    let usable = match quota {
        Some(quota) => quota.clamp(1, cores),
        None => cores,
    };
    match usable {
        1 => Workers::Current,
        many => Workers::Many(many),
    }
}

/// A runtime for `workers`.
///
/// # Errors
/// Where the operating system refuses threads or its event queue.
pub fn build(workers: Workers) -> std::io::Result<Runtime> {
    let mut builder = match workers {
        Workers::Current => Builder::new_current_thread(),
        Workers::Many(count) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(count);
            builder
        }
    };
    // Blocking threads resolve names and burn CPU, both bounded by their callers; this bounds what a mistake could start.
    builder.enable_all().max_blocking_threads(64).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_follow_the_quota() {
        let table = [
            (Some(1), 64, Workers::Current),
            (Some(2), 64, Workers::Many(2)),
            (Some(8), 4, Workers::Many(4)),
            (Some(0), 4, Workers::Current),
            (None, 4, Workers::Many(4)),
            (None, 1, Workers::Current),
            (None, 0, Workers::Current),
        ];
        for (quota, cores, expected) in table {
            assert_eq!(workers(quota, cores), expected, "{quota:?} of {cores}");
        }
    }
}
