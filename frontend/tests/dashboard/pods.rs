//! What the page talks to: the real gateway and real backends as plain processes, and a stand-in for a Service.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;
use testing::built::built;

const GATEWAY: &str = env!("CARGO_BIN_EXE_frontend");

/// Asks for any free port.
const ANY_PORT: u16 = 0;

/// Longest wait for a process to become ready, or to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process of this project that serves HTTP, and its log in the tests' directory.
pub(crate) struct Pod {
    process: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
}

impl Pod {
    /// Starts a backend of `version` on any free port.
    pub(crate) fn backend(version: &str, name: &str) -> Self {
        Self::backend_on(ANY_PORT, version, name)
    }

    /// Starts a backend of `version` on `port`.
    pub(crate) fn backend_on(port: u16, version: &str, name: &str) -> Self {
        Self::start_backend(port, version, name, "false")
    }

    /// Starts a backend in which requests may begin faults.
    pub(crate) fn taking_faults(name: &str) -> Self {
        Self::start_backend(ANY_PORT, "v1", name, "true")
    }

    fn start_backend(port: u16, version: &str, name: &str, faults: &str) -> Self {
        let environment = [
            ("VERSION", version),
            // Connections are replaced each second, so that a new endpoint is found soon.
            ("MAX_CONNECTION_AGE_SECONDS", "1"),
            ("NODE_NAME", "node-of-the-test"),
            ("FAULT_ON_REQUEST", faults),
        ];
        Self::start(backend_binary(), port, name, &environment)
    }

    /// The status of its reply to a GET of `path`, such as a kubelet sends to it past the Service.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let mut pod = TcpStream::connect(self.address).expect("it listens");
        write!(pod, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut reply = String::new();
        pod.read_to_string(&mut reply).expect("it answers");
        reply.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Starts the gateway in front of `backend`.
    pub(crate) fn frontend(backend: SocketAddr, name: &str) -> Self {
        let url = format!("http://{backend}");
        Self::start(Path::new(GATEWAY), ANY_PORT, name, &[("BACKEND_URL", &url), ("DOCS", "true")])
    }

    /// Starts the gateway in front of `backend` and of an observer.
    pub(crate) fn observed(backend: SocketAddr, observer: SocketAddr, name: &str) -> Self {
        let [backend, observer] = [backend, observer].map(|address| format!("http://{address}"));
        Self::start(Path::new(GATEWAY), ANY_PORT, name, &[("BACKEND_URL", &backend), ("OBSERVER_URL", &observer)])
    }

    fn start(binary: &Path, port: u16, name: &str, environment: &[(&str, &str)]) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
        let log = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let process = Command::new(binary)
            .env_clear()
            .env("BIND_ADDRESS", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("METRICS_PORT", "0")
            .env("POD_NAME", name)
            .env("DRAIN_SECONDS", "2")
            .env("UPSTREAM_BREAKER_OPEN_SECONDS", "1")
            .env("LOG_FORMAT", "json")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut pod = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        pod.wait_until_ready(&path);
        pod
    }

    /// Ready is what the log says, and what it names as the address is where the process serves.
    fn wait_until_ready(&mut self, log: &Path) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(log).unwrap_or_default();
            let events: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let event = |name: &str| events.iter().find(|event| event["message"] == name);
            if let (Some(listening), Some(_)) = (event("listening"), event("ready")) {
                let address = listening["address"].as_str().and_then(|address| address.parse().ok());
                self.address = address.expect("the log names the address");
                return;
            }
            let ended = self.process.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "it ended with {}: {text}", ended.unwrap_or_default());
            assert!(Instant::now() < deadline, "not ready after {} s: {text}", PATIENCE.as_secs());
            sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM, as a kubelet does, and waits for the end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "SIGTERM was not sent");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(Instant::now() < deadline, "no end {} s after SIGTERM", PATIENCE.as_secs());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stands in for a Kubernetes Service: spreads connections over its endpoints in turn. A connection stays where it is.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    endpoints: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Service {
    /// Starts to listen. Its threads end with the test.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let endpoints = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&endpoints);
        thread::spawn(move || {
            for (turn, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let endpoints = shared.lock().expect("no holder panics").clone();
                if endpoints.is_empty() {
                    continue;
                }
                let Ok(server) = TcpStream::connect(endpoints[turn % endpoints.len()]) else { continue };
                join(&client, &server);
            }
        });
        Self { address, endpoints }
    }

    /// New connections go to `pods` from now on.
    pub(crate) fn set_endpoints(&self, pods: &[&Pod]) {
        *self.endpoints.lock().expect("no holder panics") = pods.iter().map(|pod| pod.address).collect();
    }
}

/// Stands in for the observer: says what a test has the cluster say.
pub(crate) struct Cluster {
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Cluster {
    /// Starts to listen. Its threads end with the test.
    pub(crate) fn start(first: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let said = Arc::new(Mutex::new(first.to_string()));
        let shared = Arc::clone(&said);
        thread::spawn(move || {
            for mut page in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let _ = page.read(&mut [0; 4096]);
                    let mut part =
                        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_owned();
                    while page.write_all(part.as_bytes()).is_ok() {
                        sleep(Duration::from_millis(100));
                        part = format!("data: {}\n\n", shared.lock().expect("no holder panics"));
                    }
                });
            }
        });
        Self { address, said }
    }

    /// From now on it says this.
    pub(crate) fn say(&self, message: &Value) {
        *self.said.lock().expect("no holder panics") = message.to_string();
    }
}

/// Copies both ways between two connections until each side has said its last.
fn join(client: &TcpStream, server: &TcpStream) {
    for (from, to) in [(client, server), (server, client)] {
        to.set_nodelay(true).expect("an open socket takes options");
        let (mut from, mut to) = (from.try_clone().expect("descriptors"), to.try_clone().expect("descriptors"));
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

/// The backend, asked for once a test run.
fn backend_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built(GATEWAY, "backend"))
}
