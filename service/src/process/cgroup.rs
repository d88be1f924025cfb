//! What the kernel's control group says of this container: its CPU limit, how often that limit stopped it, its memory.
//!
//! Both versions of the interface are read: `cgroup-v2.rst` and `scheduler/sched-bwc.rst` of the kernel's documentation. The
//! files are read when somebody asks, and kept open by nobody.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::usage::expose;

/// From here on a v1 memory limit means none: the kernel rounds "unlimited" down to a page below 2^63.
const UNLIMITED: u64 = 1 << 62;

/// The control groups of this process.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Where the hierarchies are mounted.
    root: PathBuf,
    /// `/proc/self/cgroup`.
    groups: String,
}

/// How often and how long the CPU limit stopped every thread of the container (`cpu.stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttling {
    /// Periods (usually of 100 ms) in which the container ran, where it has a limit.
    pub(crate) periods: u64,
    /// Those in which it used up its quota and was stopped.
    pub(crate) throttled_periods: u64,
    /// Time for which it was stopped, summed over the CPUs that it ran on.
    pub(crate) throttled: Duration,
}

impl Cgroup {
    /// That of this process; empty where the kernel has none.
    pub(crate) fn own() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self { root: "/sys/fs/cgroup".into(), groups }
    }

    /// The CPU quota in cores, rounded up; `None` is no limit.
    pub(crate) fn quota(&self) -> Option<usize> {
        if let Some(text) = self.read(None, "cpu.max") {
            return quota_v2(&text);
        }
        let quota = self.read(Some("cpu"), "cpu.cfs_quota_us")?;
        let period = self.read(Some("cpu"), "cpu.cfs_period_us")?;
        ratio(&quota, &period)
    }

    fn throttling(&self) -> Option<Throttling> {
        let text = self.read(None, "cpu.stat").or_else(|| self.read(Some("cpu"), "cpu.stat"))?;
        throttling(&text)
    }

    /// Bytes that count against the memory limit, page cache included.
    fn memory_used(&self) -> Option<u64> {
        let text = self.read(None, "memory.current").or_else(|| self.read(Some("memory"), "memory.usage_in_bytes"))?;
        text.trim().parse().ok()
    }

    pub(crate) fn memory_limit(&self) -> Option<u64> {
        let text = self.read(None, "memory.max").or_else(|| self.read(Some("memory"), "memory.limit_in_bytes"))?;
        memory_limit(&text)
    }

    /// A file of the unified hierarchy (`None`) or of a v1 controller. Inside a container the own group is mounted as the
    /// root, and the path that the kernel names may not exist.
    fn read(&self, controller: Option<&str>, file: &str) -> Option<String> {
        let root = self.root.join(controller.unwrap_or_default());
        let own = root.join(group_of(&self.groups, controller).trim_start_matches('/'));
        fs::read_to_string(own.join(file)).or_else(|_| fs::read_to_string(root.join(file))).ok()
    }
}

impl Collector for Cgroup {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(Throttling { periods, throttled_periods, throttled }) = self.throttling() {
            let counters = [
                ("container_cpu_periods", "Periods of the CPU limit", periods as f64),
                (
                    "container_cpu_throttled_periods",
                    "Periods in which the CPU limit stopped the container",
                    throttled_periods as f64,
                ),
                (
                    "container_cpu_throttled_seconds",
                    "Time for which the CPU limit stopped the container",
                    throttled.as_secs_f64(),
                ),
            ];
            for (name, help, value) in counters {
                expose(&mut encoder, name, help, &ConstCounter::new(value))?;
            }
        }
        let gauges = [
            ("container_memory_usage_bytes", "Memory that counts against the limit", self.memory_used()),
            ("container_memory_limit_bytes", "Where the container is OOM-killed", self.memory_limit()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                expose(&mut encoder, name, help, &ConstGauge::new(value))?;
            }
        }
        Ok(())
    }
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
    let (quota, period) = text.split_once(' ')?;
    ratio(quota, period)
}

/// As `cpu.cfs_quota_us` and `cpu.cfs_period_us` have them; -1 is no quota.
fn ratio(quota: &str, period: &str) -> Option<usize> {
    let quota: usize = quota.trim().parse().ok()?;
    let period: usize = period.trim().parse().ok()?;
    (period > 0).then(|| quota.div_ceil(period))
}

/// `cpu.stat`, which counts throttled time in microseconds (v2) or nanoseconds (v1). `None` where it has no such lines: the
/// root group, or a kernel without bandwidth control.
fn throttling(text: &str) -> Option<Throttling> {
    let value = |wanted: &str| {
        let (_, value) = text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == wanted)?;
        value.trim().parse::<u64>().ok()
    };
    let throttled = value("throttled_usec")
        .map(Duration::from_micros)
        .or_else(|| value("throttled_time").map(Duration::from_nanos))?;
    Some(Throttling { periods: value("nr_periods")?, throttled_periods: value("nr_throttled")?, throttled })
}

/// `memory.max` ("max" is none) or `memory.limit_in_bytes` (a number beyond all memory is none).
fn memory_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn quotas_of_both_versions_are_rounded_up() {
        assert_eq!(quota_v2("25000 100000\n"), Some(1));
        assert_eq!(quota_v2("100000 100000\n"), Some(1));
        assert_eq!(quota_v2("110000 100000\n"), Some(2));
        assert_eq!(quota_v2("max 100000\n"), None);
        assert_eq!(quota_v2("garbage"), None);
        assert_eq!(quota_v2("1 0"), None);
        assert_eq!(ratio("150000\n", "100000\n"), Some(2));
        assert_eq!(ratio("-1\n", "100000\n"), None);
    }

    #[test]
    fn the_own_group_is_found_in_both_hierarchies() {
        let v1 = "5:cpu,cpuacct:/kube/pod1\n4:memory:/other\n0::/\n";
        assert_eq!(group_of(v1, Some("cpu")), "/kube/pod1");
        assert_eq!(group_of(v1, Some("cpuset")), "/");
        assert_eq!(group_of("0::/kubepods.slice/a:b\n", None), "/kubepods.slice/a:b");
        assert_eq!(group_of("", None), "/");
    }

    #[test]
    fn throttling_by_the_table() {
        let found = |periods, throttled_periods, micros| {
            Some(Throttling { periods, throttled_periods, throttled: Duration::from_micros(micros) })
        };
        let v2 = "usage_usec 900\nuser_usec 600\nsystem_usec 300\n";
        let table = [
            ("nr_periods 40\nnr_throttled 12\nthrottled_time 1500000\n", found(40, 12, 1500)),
            (
                &format!("{v2}nr_periods 7\nnr_throttled 3\nthrottled_usec 2500\nnr_bursts 0\nburst_usec 0\n"),
                found(7, 3, 2500),
            ),
            // The root group of v2 has no limit to be throttled by.
            (v2, None),
            ("nr_periods 7\nthrottled_usec 2500\n", None),
            ("nr_periods x\nnr_throttled 3\nthrottled_usec 2500\n", None),
            ("nr_periods 7\nnr_throttled 3\nthrottled_usec -1\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(throttling(text), expected, "{text}");
        }
    }

    #[test]
    fn no_memory_limit_is_none() {
        assert_eq!(memory_limit("268435456\n"), Some(256 << 20));
        assert_eq!(memory_limit("max\n"), None);
        assert_eq!(memory_limit("9223372036854771712\n"), None);
    }

    /// What is exposed where these files are there, one of them in a container's own mount, one below the group's path.
    fn exposed(name: &str, groups: &str, files: &[(&str, &str)]) -> String {
        let root = std::env::temp_dir().join(format!("cgroup-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Cgroup { root: root.clone(), groups: groups.to_owned() }));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        fs::remove_dir_all(root).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn both_versions_expose_the_same() {
        let expected = "container_cpu_periods_total 40.0\ncontainer_cpu_throttled_periods_total 12.0\n\
                        container_cpu_throttled_seconds_total 1.5\n\
                        container_memory_usage_bytes 1000\ncontainer_memory_limit_bytes 2000";
        let v2 = [
            ("cpu.stat", "nr_periods 40\nnr_throttled 12\nthrottled_usec 1500000\n"),
            ("pod/memory.current", "1000\n"),
            ("pod/memory.max", "2000\n"),
        ];
        assert_eq!(exposed("v2", "0::/pod\n", &v2), expected);
        let v1 = [
            ("cpu/cpu.stat", "nr_periods 40\nnr_throttled 12\nthrottled_time 1500000000\n"),
            ("memory/pod/memory.usage_in_bytes", "1000\n"),
            ("memory/pod/memory.limit_in_bytes", "2000\n"),
        ];
        assert_eq!(exposed("v1", "3:cpu,cpuacct:/gone\n4:memory:/pod\n", &v1), expected);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_not_exposed() {
        assert_eq!(exposed("none", "", &[]), "");
    }
}
