//! A real PostgreSQL: a plain process on a free port of loopback, with its data in a directory of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Its user, who owns every database.
const USER: &str = "shop";
/// Who it runs as where the test is root, whom it refuses to serve: the user and the group that own nothing.
const NOBODY: u32 = 65_534;

/// A PostgreSQL that lets its user in by a password. Killed, and its directory removed, when dropped.
pub struct Postgres {
    /// Its port, which stays the same over restarts.
    pub port: u16,
    directory: PathBuf,
    child: Option<Child>,
}

impl Postgres {
    /// The password of its user.
    pub const PASSWORD: &str = "right-secret";

    /// A running one with these databases.
    pub fn start(databases: &[&str]) -> Self {
        let mut postgres = Self::stopped();
        postgres.restart();
        for database in databases {
            postgres.ask("postgres", &format!("CREATE DATABASE {database}"));
        }
        postgres
    }

    /// One that does not run yet, and has no database.
    pub fn stopped() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("systems-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let password = directory.join("password");
        fs::write(&password, Self::PASSWORD).unwrap();
        if is_root() {
            for path in [&directory, &password] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let postgres = Self { port, directory, child: None };
        let (data, password) = (postgres.data(), format!("--pwfile={}", password.display()));
        let made = unprivileged("initdb")
            .arg("-D")
            .arg(data)
            .args(["-U", USER, "-A", "scram-sha-256", &password, "--locale=C", "--encoding=UTF8", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres
    }

    /// What a program is told to find `database`; the password goes beside it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts it on the data that it left, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        // What it leaves when it is killed names the process that had the data.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        // It ends as a process here, never as a machine: what it wrote is there, synced or not.
        let child = unprivileged("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "log_min_messages=fatal"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let started = Instant::now();
        while !self.psql("postgres", "SELECT 1").status().unwrap().success() {
            assert!(started.elapsed() < Duration::from_secs(60), "it does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it, with all its connections, as the kernel would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
        // The processes of its connections end when they miss it; nothing starts on the data before that.
        let started = Instant::now();
        while TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "its processes do not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What `statement` says in `database`: a row a line, `|` between its columns.
    pub fn ask(&self, database: &str, statement: &str) -> String {
        let output = self.psql(database, statement).output().unwrap();
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn psql(&self, database: &str, statement: &str) -> Command {
        let mut command = Command::new(program("psql"));
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "-d", database, "-XAtqc", statement])
            .env("PGPASSWORD", Self::PASSWORD)
            .stdin(Stdio::null());
        if statement == "SELECT 1" {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A program of the newest PostgreSQL here: Debian has them outside of the PATH.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: apt-get install postgresql");
    let newest = versions.map(|entry| entry.unwrap().path()).max().expect("it has a version");
    newest.join("bin").join(name)
}

fn unprivileged(name: &str) -> Command {
    let mut command = if is_root() {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        let mut command = Command::new("setpriv");
        command.args([&user, &group, "--clear-groups", "--"]).arg(program(name));
        command
    } else {
        Command::new(program(name))
    };
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(Path::new("/proc/self")).unwrap().uid() == 0
}
