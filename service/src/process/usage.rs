//! Figures of this process from `/proc`, read when the metrics are asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// `/proc` counts time in hundredths of a second on every architecture that Linux has today (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Collects memory, CPU time and open files of this process.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(bytes) = read("status").as_deref().and_then(resident_bytes) {
            expose(&mut encoder, "process_resident_memory_bytes", "Resident memory", &ConstGauge::new(bytes))?;
        }
        if let Some(seconds) = read("stat").as_deref().and_then(cpu_seconds) {
            let seconds = ConstCounter::new(seconds);
            expose(&mut encoder, "process_cpu_seconds", "CPU time used, user and system", &seconds)?;
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let files = ConstGauge::new(files.count() as u64);
            expose(&mut encoder, "process_open_fds", "Open file descriptors", &files)?;
        }
        Ok(())
    }
}

/// Encodes `value`, which was read just now.
pub(super) fn expose(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    value: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    let metric = encoder.encode_descriptor(name, help, None, value.metric_type())?;
    value.encode(metric)
}

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{name}")).ok()
}

/// `VmRSS` of `/proc/self/status`, which unlike `statm` needs no page size.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Fields 14 and 15 of `/proc/self/stat`. The second field, the command, may hold spaces and parentheses itself.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1234 * 1024));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn cpu_time_survives_an_odd_command_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    fn this_kernel_has_them() {
        assert!(read("status").as_deref().and_then(resident_bytes).unwrap() > 0);
        assert!(read("stat").as_deref().and_then(cpu_seconds).is_some());
    }
}
