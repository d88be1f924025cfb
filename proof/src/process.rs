//! Processes of the cluster as this machine sees them, for what kubectl can't do to them: SIGKILL, SIGSTOP, SIGCONT.

use std::fs;

use e2e::Error;
use e2e::shell::signal;

/// The process of a pod's container: the cgroup of a container has the pod's unique id in its path, and the process has
/// the name of the program.
pub(crate) fn of_pod(uid: &str, program: &str) -> Result<u32, Error> {
    let folder = format!("/pod{uid}/");
    only(&format!("process {program} of pod {uid}"), |process| {
        read(process, "comm").trim() == program && read(process, "cgroup").contains(&folder)
    })
}

/// The kubelet of a node, by the folder of its state.
pub(crate) fn kubelet(folder: &str) -> Result<u32, Error> {
    let argument = format!("--root-dir={folder}");
    only(&format!("kubelet with {argument}"), |process| {
        let line = read(process, "cmdline");
        let mut arguments = line.split('\0');
        arguments.next().is_some_and(|program| program.ends_with("/kubelet"))
            && arguments.any(|given| given == argument)
    })
}

/// A process that stands still until this is dropped, if not before.
#[derive(Debug)]
pub(crate) struct Stopped(u32);

impl Stopped {
    /// Stops a process.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn stop(process: u32) -> Result<Self, Error> {
        send("STOP", process)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT", &self.0.to_string());
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// If it is not there.
pub(crate) fn send(name: &str, process: u32) -> Result<(), Error> {
    if signal(name, &process.to_string()) {
        Ok(())
    } else {
        Err(Error::Failed(format!("SIG{name} can't be sent to process {process}")))
    }
}

fn only(what: &str, is_it: impl Fn(u32) -> bool) -> Result<u32, Error> {
    let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let found: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&process| is_it(process))
        .collect();
    match found[..] {
        [process] => Ok(process),
        [] => Err(Error::Failed(format!("no {what} on this machine: the cluster must run here"))),
        _ => Err(Error::Failed(format!("more than one {what}: {found:?}"))),
    }
}

/// A file of a process; empty if the process has ended meanwhile.
fn read(process: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn state(process: u32) -> String {
        let stat = read(process, "stat");
        stat.rsplit(") ").next().unwrap_or_default().chars().take(1).collect()
    }

    #[test]
    fn a_stopped_process_goes_on_when_dropped() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stopped = Stopped::stop(child.id()).unwrap();
        while state(child.id()) != "T" {}
        drop(stopped);
        while state(child.id()) == "T" {}
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert!(of_pod("no-such-uid", "backend").unwrap_err().to_string().contains("no-such-uid"));
        assert!(kubelet("/nowhere").unwrap_err().to_string().contains("/nowhere"));
    }
}
