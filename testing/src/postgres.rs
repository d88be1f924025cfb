//! A real PostgreSQL: a plain process on a free port of loopback, with its data in a directory of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::port;

/// Its user, who owns every database.
const USER: &str = "shop";
/// Who it runs as where the test is root, whom it refuses to serve: the user and the group that own nothing.
const NOBODY: u32 = 65_534;

/// A PostgreSQL that lets its user in by a password. Killed, and its directory removed, when dropped.
pub struct Postgres {
    /// Its port, which stays the same over restarts.
    pub port: u16,
    directory: PathBuf,
    /// That of its user by now.
    password: String,
    /// A size in bytes: its data are on a file system of that size, which only it sees.
    volume: Option<u32>,
    child: Option<Child>,
}

impl Postgres {
    /// The password of its user from the start.
    pub const PASSWORD: &str = "right-secret";

    /// A running one with these databases.
    pub fn start(databases: &[&str]) -> Self {
        let mut postgres = Self::stopped();
        postgres.restart();
        postgres.make(databases);
        postgres
    }

    /// A running one whose volume has `bytes`, and that is started again when it ends by itself.
    pub fn on_volume(bytes: u32, databases: &[&str]) -> Self {
        let mut postgres = Self::prepared(Some(bytes));
        postgres.restart();
        postgres.make(databases);
        postgres
    }

    /// One that does not run yet, and has no database.
    pub fn stopped() -> Self {
        let postgres = Self::prepared(None);
        let made = command(&postgres.initdb()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres
    }

    /// A place for one.
    fn prepared(volume: Option<u32>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("systems-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("data")).unwrap();
        let password = directory.join("password");
        fs::write(&password, Self::PASSWORD).unwrap();
        if is_root() {
            for path in [&directory, &directory.join("data"), &password] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        Self { port: port::free(), directory, password: Self::PASSWORD.to_owned(), volume, child: None }
    }

    fn make(&self, databases: &[&str]) {
        for database in databases {
            self.ask("postgres", &format!("CREATE DATABASE {database}"));
        }
    }

    /// What a program is told to find `database`; the password goes beside it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// What makes its data.
    fn initdb(&self) -> Vec<String> {
        let pwfile = format!("--pwfile={}", self.directory.join("password").display());
        let path = self.data().to_str().unwrap().to_owned();
        let (options, user) = (["-A", "scram-sha-256", "--locale=C", "--encoding=UTF8", "--no-sync"], ["-U", USER]);
        let options = user.into_iter().chain(options).map(str::to_owned);
        [program("initdb"), "-D".to_owned(), path, pwfile].into_iter().chain(options).collect()
    }

    /// What serves them.
    fn server(&self) -> Vec<String> {
        let (path, port) = (self.data().to_str().unwrap().to_owned(), self.port.to_string());
        // It ends as a process here, never as a machine: what it wrote is there, synced or not.
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"];
        let settings = settings.into_iter().chain(["log_min_messages=fatal"]);
        let settings = settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]);
        [program("postgres"), "-D".to_owned(), path, "-p".to_owned(), port].into_iter().chain(settings).collect()
    }

    /// Starts it on the data that it left, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let started = Instant::now();
        self.child = Some(self.spawned());
        while !self.psql("postgres", "SELECT 1").status().unwrap().success() {
            assert!(started.elapsed() < Duration::from_secs(60), "it does not answer");
            std::thread::sleep(Duration::from_millis(50));
            // It refuses to start beside processes of the one before, which miss that only after a while.
            if self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                self.child = Some(self.spawned());
            }
        }
    }

    fn spawned(&self) -> Child {
        // What it leaves when it is killed names the process that had the data.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let mut command = self.volume.map_or_else(|| command(&self.server()), |bytes| self.on_its_own_volume(bytes));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Makes its data, and serves them, in namespaces of its own: the mount and all processes go with the first one. One that ends
    /// by itself is started again, as the kubelet does.
    fn on_its_own_volume(&self, bytes: u32) -> Command {
        let quoted = |words: Vec<String>| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let (path, initdb, server) = (self.data(), quoted(self.initdb()), quoted(self.server()));
        let path = path.display();
        // It serves nobody as root, which who makes the mount is in a namespace of its own: there it becomes somebody again.
        let (owner, become_somebody) = if is_root() {
            (
                format!(",uid={NOBODY},gid={NOBODY}"),
                format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --"),
            )
        } else {
            (String::new(), format!("unshare --map-user={NOBODY} --map-group={NOBODY} --"))
        };
        let script = format!(
            "mount -t tmpfs -o size={bytes},mode=0700{owner} none '{path}' && {become_somebody} {initdb} && \
             while :; do rm -f '{path}/postmaster.pid'; {become_somebody} {server}; sleep 0.05; done"
        );
        let mut command = Command::new("unshare");
        command.args((!is_root()).then_some("--map-root-user"));
        command.args(["--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", &script]);
        surrounded(command)
    }

    /// A file on its volume.
    pub fn on_its_volume(&self, name: &str) -> PathBuf {
        let id = self.child.as_ref().expect("it runs").id();
        let directory = self.directory.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{id}/root")).join(directory).join("data").join(name)
    }

    /// Gives its user another password.
    pub fn change_password(&mut self, password: &str) {
        self.ask("postgres", &format!("ALTER USER {USER} PASSWORD '{password}'"));
        password.clone_into(&mut self.password);
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
            .env("PGPASSWORD", &self.password)
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
fn program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: apt-get install postgresql");
    let newest = versions.map(|entry| entry.unwrap().path()).max().expect("it has a version");
    newest.join("bin").join(name).to_str().unwrap().to_owned()
}

/// Runs `words`, a program and its arguments, as nobody where the test is root.
fn command(words: &[String]) -> Command {
    let mut command = if is_root() {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        let mut command = Command::new("setpriv");
        command.args([&user, &group, "--clear-groups", "--", &words[0]]);
        command
    } else {
        Command::new(&words[0])
    };
    command.args(&words[1..]);
    surrounded(command)
}

/// Nothing around it depends on who runs the test.
fn surrounded(mut command: Command) -> Command {
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").current_dir("/");
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(Path::new("/proc/self")).unwrap().uid() == 0
}
