//! A real Redis: a plain process on a free port of loopback, with its file in a directory of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::port;

/// A Redis that syncs its file before it answers. Killed, and its directory removed, when dropped.
pub struct Redis {
    /// Where it listens, an address of loopback.
    address: &'static str,
    /// Its port, which stays the same over restarts.
    pub port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    /// A size in bytes: its directory is a file system of that size, which only it sees.
    volume: Option<u32>,
    child: Option<Child>,
}

impl Redis {
    /// A running one, with `arguments` besides its own.
    pub fn start(arguments: &[&str]) -> Self {
        let mut redis = Self::stopped(arguments);
        redis.restart();
        redis
    }

    /// A running one at another address of loopback.
    pub fn start_at(address: &'static str, port: u16, arguments: &[&str]) -> Self {
        let mut redis = Self::stopped(arguments);
        (redis.address, redis.port) = (address, port);
        redis.restart();
        redis
    }

    /// One that does not run yet.
    pub fn stopped(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("backend-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self { address: "127.0.0.1", port: port::free(), directory, arguments, volume: None, child: None }
    }

    /// One whose volume has `bytes`, and that is started again when it ends by itself.
    pub fn on_volume(bytes: u32, arguments: &[&str]) -> Self {
        let mut redis = Self::stopped(arguments);
        redis.volume = Some(bytes);
        redis.restart();
        redis
    }

    /// What a program is told to find it.
    pub fn url(&self) -> String {
        format!("redis://{}:{}", self.address, self.port)
    }

    /// Starts it on the file that it left, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let directory = self.directory.to_str().unwrap();
        let port = self.port.to_string();
        let mut arguments: Vec<&str> =
            vec!["redis-server", "--bind", self.address, "--port", &port, "--dir", directory];
        arguments.extend(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no"]);
        arguments.extend(self.arguments.iter().map(String::as_str));
        let mut command = match self.volume {
            None => Command::new(arguments[0]),
            Some(bytes) => {
                // Namespaces of its own: no privilege is needed, the mount and all processes go with the first one. One that
                // ends by itself is started again, as the kubelet does.
                let script = format!(
                    r#"mount -t tmpfs -o size={bytes} none "{directory}" && while :; do "$@"; sleep 0.05; done"#
                );
                let mut command = Command::new("unshare");
                command.args(["--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]);
                command.args(["/bin/sh", "-c", &script, "sh", arguments[0]]);
                command
            }
        };
        command.args(&arguments[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server is installed: apt-get install redis-server"));
        let started = Instant::now();
        while self.try_ask("PING").is_none_or(|reply| reply.starts_with("-LOADING")) {
            assert!(started.elapsed() < Duration::from_secs(20), "it does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends it a signal, by the name that kill(1) takes.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// A file on its volume.
    pub fn on_its_volume(&self, name: &str) -> PathBuf {
        let id = self.child.as_ref().expect("it runs").id();
        let directory = self.directory.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{id}/root")).join(directory).join(name)
    }

    /// Sends a command as a person would type it, and reads what comes back at once.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap()
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect((self.address, self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut reply = [0; 4096];
        let length = stream.read(&mut reply).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&reply[..length]).into_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
