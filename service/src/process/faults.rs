//! Faults on purpose: what a rehearsal switches on to see which rule of the cluster catches it.
//!
//! Each is a setting of its own, off unless it is set. One that is on is announced by a log line `fault` at the start, and by
//! its name in the `served_by` object of JSON replies, so that nobody takes a rehearsed failure for a real one. Faults that
//! only one app can have are settings of that app, named the same way ([`crate::app::App::faults`]).

use std::convert::Infallible;
use std::future::pending;
use std::thread;
use std::time::{Duration, Instant};

/// What is allocated at a time: 1 MiB.
const MIB: usize = 1 << 20;
/// Where allocating stops, in MiB: a machine without a memory limit must survive the rehearsal.
const MOST_MIB: u64 = 4096;

crate::settings! {
    /// The faults of a server. [`Faults::default`] has none.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Faults {
        /// fault: how long /started, /ready and all but the probes answer 503
        start: Duration = seconds("FAULT_START_SECONDS", "0", Duration::ZERO);
        /// fault: /ready answers 503 for good
        never_ready: bool = switch("FAULT_NEVER_READY");
        /// fault: the process exits 1 after so long; 0 is at once, unset is never
        crash_after: Option<Duration> = optional_seconds("FAULT_CRASH_AFTER_SECONDS");
        /// fault: the drain closes connections without `Connection: close` before
        no_close_notice: bool = switch("FAULT_NO_CLOSE_NOTICE");
        /// fault: SIGTERM and SIGINT are ignored
        ignore_term: bool = switch("FAULT_IGNORE_TERM");
        /// fault: memory allocated and kept, in MiB a second, up to 4096 MiB
        memory_mib_per_second: u64 = number("FAULT_MEMORY_MIB_PER_SECOND", "0", 0, 1024);
    }
}

impl Faults {
    /// Names of those that are on, as in `served_by` and in the log.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("slow-start", !self.start.is_zero()),
            ("never-ready", self.never_ready),
            ("crash", self.crash_after.is_some()),
            ("no-close-notice", self.no_close_notice),
            ("ignore-term", self.ignore_term),
            ("memory", self.memory_mib_per_second > 0),
        ];
        all.into_iter().filter_map(|(name, on)| on.then_some(name)).collect()
    }

    /// Ends when the process, which started just now, is to crash; never without that fault.
    pub(crate) async fn crash(&self) {
        match self.crash_after {
            None => pending().await,
            Some(after) => tokio::time::sleep(after).await,
        }
        tracing::error!(fault = "crash", "the process ends, as its settings ask for");
    }

    /// Starts to allocate, on a thread of its own: requests are answered until the memory limit ends the process.
    pub(crate) fn allocate(&self) {
        let (rate, started) = (self.memory_mib_per_second, Instant::now());
        if rate == 0 {
            return;
        }
        thread::spawn(move || -> Infallible {
            let mut held: Vec<Vec<u8>> = Vec::new();
            loop {
                while (held.len() as u64) < due(rate, started.elapsed()) {
                    // Not zeros: those the kernel gives without memory behind them.
                    held.push(vec![0xa5; MIB]);
                }
                thread::sleep(Duration::from_millis(100));
            }
        });
    }
}

/// How many MiB are to be held after `elapsed` at `rate` MiB a second.
fn due(rate: u64, elapsed: Duration) -> u64 {
    let due = u128::from(rate) * elapsed.as_millis() / 1000;
    due.min(u128::from(MOST_MIB)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::Environment;
    use std::ffi::OsString;

    fn read(pairs: &[(&str, &str)]) -> Result<Faults, Vec<String>> {
        let lookup = |name: &str| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        let mut environment = Environment::new(&lookup);
        let faults = Faults::read(&mut environment);
        environment.finish().map(|()| faults).map_err(|invalid| invalid.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn no_setting_is_no_fault() {
        assert_eq!(read(&[]), Ok(Faults::default()));
        assert!(Faults::default().names().is_empty());
    }

    #[test]
    fn each_setting_is_one_fault() {
        for (variable, value, name) in [
            ("FAULT_START_SECONDS", "0.5", "slow-start"),
            ("FAULT_NEVER_READY", "true", "never-ready"),
            ("FAULT_CRASH_AFTER_SECONDS", "0", "crash"),
            ("FAULT_NO_CLOSE_NOTICE", "true", "no-close-notice"),
            ("FAULT_IGNORE_TERM", "true", "ignore-term"),
            ("FAULT_MEMORY_MIB_PER_SECOND", "8", "memory"),
        ] {
            assert_eq!(read(&[(variable, value)]).unwrap().names(), [name], "{variable}");
        }
    }

    #[test]
    fn off_can_be_said() {
        let off = [("FAULT_START_SECONDS", "0"), ("FAULT_NEVER_READY", "false"), ("FAULT_MEMORY_MIB_PER_SECOND", "0")];
        assert_eq!(read(&off), Ok(Faults::default()));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (variable, value) in [
            ("FAULT_START_SECONDS", "-1"),
            ("FAULT_NEVER_READY", "yes"),
            ("FAULT_CRASH_AFTER_SECONDS", "86401"),
            ("FAULT_MEMORY_MIB_PER_SECOND", "1025"),
        ] {
            let errors = read(&[(variable, value)]).unwrap_err();
            assert!(errors[0].starts_with(&format!("{variable}=\"{value}\" is not accepted")), "{errors:?}");
        }
    }

    #[test]
    fn memory_grows_with_time_up_to_a_bound() {
        assert_eq!(due(8, Duration::from_millis(100)), 0);
        assert_eq!(due(8, Duration::from_millis(2500)), 20);
        assert_eq!(due(1024, Duration::MAX), MOST_MIB);
    }
}
