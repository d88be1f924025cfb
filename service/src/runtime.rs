//! How many threads serve: as many as the CPU quota allows, never as many as the machine has.
//!
//! A thread a core of a 64-core node, in a pod that may use a quarter of one, only adds switches and wakes threads that the
//! kernel then throttles together. Quotas are read from cgroup v2 and v1.

use std::fs;
use std::path::Path;
use std::thread;

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
#[must_use]
pub fn workers(quota: Option<usize>, cores: usize) -> Workers {
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

/// The CPU quota of this process in cores, rounded up.
#[must_use]
pub fn quota() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let read = |controller: &str, group: &str, file: &str| {
        // Inside a container the own group is mounted as the root, and the path that the kernel names may not exist.
        let own = root.join(controller).join(group.trim_start_matches('/'));
        fs::read_to_string(own.join(file)).or_else(|_| fs::read_to_string(root.join(controller).join(file))).ok()
    };
    if let Some(text) = read("", group_of(&groups, None), "cpu.max") {
        return quota_v2(&text);
    }
    let group = group_of(&groups, Some("cpu"));
    let quota = read("cpu", group, "cpu.cfs_quota_us")?;
    let period = read("cpu", group, "cpu.cfs_period_us")?;
    quota_v1(&quota, &period)
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

/// The cores of the machine that this process may run on.
#[must_use]
pub fn cores() -> usize {
    // An error means that the number cannot be read; one worker always works.
    thread::available_parallelism().map_or(1, usize::from)
}

/// The path of this process in the unified hierarchy (`None`) or that of a v1 controller, from `/proc/self/cgroup`: lines
/// of `id:controllers:path`, where the unified hierarchy is `0::path` (cgroups(7)).
fn group_of<'a>(groups: &'a str, controller: Option<&str>) -> &'a str {
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let found = match controller {
            None => id == "0" && controllers.is_empty(),
            Some(name) => controllers.split(',').any(|c| c == name),
        };
        found.then_some(path)
    });
    path.unwrap_or("/")
}

/// `cpu.max`: "quota period" in microseconds, or "max period".
fn quota_v2(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

/// `cpu.cfs_quota_us` and `cpu.cfs_period_us`; -1 is no quota.
fn quota_v1(quota: &str, period: &str) -> Option<usize> {
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<usize> {
    let quota: usize = quota.parse().ok()?;
    let period: usize = period.parse().ok()?;
    (period > 0).then(|| quota.div_ceil(period))
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

    #[test]
    fn quotas_of_both_cgroup_versions_are_rounded_up() {
        assert_eq!(quota_v2("25000 100000\n"), Some(1));
        assert_eq!(quota_v2("100000 100000\n"), Some(1));
        assert_eq!(quota_v2("110000 100000\n"), Some(2));
        assert_eq!(quota_v2("max 100000\n"), None);
        assert_eq!(quota_v2("garbage"), None);
        assert_eq!(quota_v2("1 0"), None);
        assert_eq!(quota_v1("150000\n", "100000\n"), Some(2));
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
    }

    #[test]
    fn the_own_group_is_found_in_both_hierarchies() {
        let v1 = "5:cpu,cpuacct:/kube/pod1\n4:memory:/other\n0::/\n";
        assert_eq!(group_of(v1, Some("cpu")), "/kube/pod1");
        assert_eq!(group_of(v1, Some("cpuset")), "/");
        assert_eq!(group_of("0::/kubepods.slice/a:b\n", None), "/kubepods.slice/a:b");
        assert_eq!(group_of("", None), "/");
    }
}
