//! The proxies: this gateway, and peers of other making, each a plain process on loopback in front of one upstream.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client;
use crate::guard;

/// How long a proxy may take to answer its first request.
const START: Duration = Duration::from_secs(20);

/// Settings of the gateway in which it differs from its defaults: the slow cases shall not take minutes.
const GATEWAY: [(&str, &str); 9] = [
    ("BIND_ADDRESS", "127.0.0.1"),
    ("PORT", "0"),
    ("METRICS_PORT", "0"),
    ("LOG_FORMAT", "json"),
    ("HEAD_TIMEOUT_SECONDS", "1"),
    ("BODY_TIMEOUT_SECONDS", "1"),
    ("MAX_BODY_BYTES", "1000000"),
    // The sizes of the corpus are about this bound.
    ("MAX_HEAD_BYTES", "32768"),
    ("DRAIN_SECONDS", "0"),
];

/// The file of the gateway's keys.
const KEYS: &str = "keys";

/// A kind of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The `frontend` of this repository.
    Gateway,
    /// nginx, of Debian.
    Nginx,
    /// `HAProxy`, of Debian.
    Haproxy,
    /// Traefik, the binary that the cluster's ingress controller is.
    Traefik,
}

impl Kind {
    /// All of them, this gateway first.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Nginx, Self::Haproxy, Self::Traefik];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Traefik => "Traefik",
        }
    }

    /// The version that it says it has.
    pub fn version(self) -> io::Result<String> {
        let argument = match self {
            Self::Gateway => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Traefik => "version",
        };
        let output = self.command()?.arg(argument).output().map_err(|error| self.missing(&error))?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let words = || text.split_whitespace().map(|word| word.trim_start_matches("nginx/"));
        let number = words().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        Ok(number.or(words().next_back()).unwrap_or_default().to_owned())
    }

    /// Its configuration: one that forwards every path to `upstream`, one of them only with the key, passes each WebSocket below
    /// `/ws` (`HAProxy` and Traefik pass it everywhere), and gives slow clients two seconds.
    pub fn configuration(self, listen: &str, upstream: &str, folder: &str) -> String {
        let (guarded, header, key) = (guard::PATH, guard::HEADER, guard::KEY);
        let variable = header.replace('-', "_");
        match self {
            Self::Gateway => format!(
                "{{\"upstreams\": {{\"recorder\": {{\"url\": \"http://{upstream}\"}}}},\n \
                 \"routes\": [\n   {{\"path\": \"/\", \"upstream\": \"recorder\"}},\n   \
                 {{\"path\": \"/ws\", \"upstream\": \"recorder\", \"upgrades\": [\"websocket\"]}},\n   \
                 {{\"path\": \"{guarded}\", \"upstream\": \"recorder\", \
                 \"auth\": {{\"apiKey\": {{\"secret\": \"{KEYS}\", \"header\": \"{header}\"}}}}}}]}}\n"
            ),
            Self::Nginx => format!(
                "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n\
                 http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
                 fastcgi_temp_path {folder}/f;\n  uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n  \
                 client_header_timeout 2s;\n  client_body_timeout 2s;\n  \
                 upstream recorder {{ server {upstream}; keepalive 8; }}\n  \
                 proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  \
                 map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}\n  \
                 server {{\n    listen {listen};\n    location / {{\n      proxy_pass http://recorder;\n    }}\n    \
                 location /ws {{\n      proxy_pass http://recorder;\n      proxy_set_header Upgrade $http_upgrade;\n      \
                 proxy_set_header Connection $connection_upgrade;\n    }}\n    \
                 location {guarded} {{\n      if ($http_{variable} != \"{key}\") {{ return 401; }}\n      \
                 proxy_pass http://recorder;\n    }}\n  }}\n}}\n"
            ),
            Self::Haproxy => format!(
                "defaults\n  mode http\n  timeout connect 2s\n  timeout client 2s\n  timeout server 5s\n  \
                 timeout http-request 2s\n  timeout http-keep-alive 10s\n\
                 frontend all\n  bind {listen}\n  \
                 http-request deny deny_status 401 if {{ path_beg {guarded} }} !{{ req.hdr({header}) {key} }}\n  \
                 default_backend recorder\n\
                 backend recorder\n  server recorder {upstream}\n"
            ),
            Self::Traefik => format!(
                "# static\nentryPoints:\n  web:\n    address: \"{listen}\"\n    transport:\n      respondingTimeouts:\n        \
                 readTimeout: 2s\nproviders:\n  file:\n    filename: {folder}/dynamic.yaml\n"
            ),
        }
    }

    /// The second file, where it needs one.
    pub fn dynamic_configuration(self, upstream: &str) -> Option<String> {
        (self == Self::Traefik).then(|| {
            let (guarded, header, key) = (guard::PATH, guard::HEADER, guard::KEY);
            format!(
                "# dynamic\nhttp:\n  routers:\n    all:\n      rule: \"PathPrefix(`/`)\"\n      service: recorder\n    \
                 guarded:\n      rule: \"PathPrefix(`{guarded}`) && !Header(`{header}`, `{key}`)\"\n      \
                 service: recorder\n      middlewares: [nobody]\n  \
                 middlewares:\n    nobody:\n      ipAllowList:\n        sourceRange: [192.0.2.1/32]\n  \
                 services:\n    recorder:\n      loadBalancer:\n        servers:\n          - url: \"http://{upstream}\"\n"
            )
        })
    }

    fn command(self) -> io::Result<Command> {
        Ok(Command::new(match self {
            Self::Gateway => beside("gateway")?,
            // Debian has it where only root looks.
            Self::Nginx => "/usr/sbin/nginx".into(),
            Self::Haproxy => "/usr/sbin/haproxy".into(),
            Self::Traefik => "traefik".into(),
        }))
    }

    fn missing(self, error: &io::Error) -> io::Error {
        let mend = match self {
            Self::Gateway => "build it: cargo build -p hostile",
            Self::Nginx | Self::Haproxy | Self::Traefik => {
                "let 'cluster/prepare test' get it, and put .cluster/bin on PATH"
            }
        };
        io::Error::new(error.kind(), format!("{}: {error}; {mend}", self.name()))
    }
}

/// A running proxy. Ends with its owner.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where the gateway has its metrics.
    pub metrics: Option<SocketAddr>,
    child: Child,
    folder: PathBuf,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`, with `settings` besides its own where it is the gateway, and waits until it
    /// answers.
    pub fn start(kind: Kind, upstream: SocketAddr, settings: &[(&str, &str)]) -> io::Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hostile-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let proxy = match kind {
            Kind::Gateway => gateway(upstream, settings, folder),
            Kind::Nginx | Kind::Haproxy | Kind::Traefik => peer(kind, upstream, folder),
        }?;
        proxy.answers(kind)
    }

    fn answers(mut self, kind: Kind) -> io::Result<Self> {
        let until = Instant::now() + START;
        loop {
            if client::ask("/start", self.address, START)
                .is_ok_and(|reply| reply.is_some_and(|reply| reply.status == 200))
            {
                return Ok(self);
            }
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("{} ended with {status}:\n{log}", kind.name())));
            }
            if Instant::now() > until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} does not answer", kind.name())));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn gateway(upstream: SocketAddr, settings: &[(&str, &str)], folder: PathBuf) -> io::Result<Proxy> {
    let routes = folder.join("routes.json");
    fs::write(&routes, Kind::Gateway.configuration("", &upstream.to_string(), ""))?;
    fs::write(folder.join(KEYS), format!("client:{}\n", guard::KEY))?;
    let mut command = Kind::Gateway.command()?;
    command.env_clear().envs(GATEWAY).env("ROUTES_FILE", routes).env("CREDENTIALS_DIR", &folder);
    command.envs(settings.iter().copied());
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| Kind::Gateway.missing(&error))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no log"))?).lines();
    let listening = lines.by_ref().map_while(Result::ok).find(|line| line.contains("\"listening\""));
    // Nobody reads the rest, and a full pipe would stop it.
    thread::spawn(move || lines.for_each(drop));
    let listening: serde_json::Value = serde_json::from_str(&listening.unwrap_or_default())?;
    let address = |key: &str| {
        let address = listening[key].as_str().and_then(|address| address.parse().ok());
        address.ok_or_else(|| io::Error::other("the gateway does not say where it listens"))
    };
    Ok(Proxy { address: address("address")?, metrics: Some(address("metrics_address")?), child, folder })
}

fn peer(kind: Kind, upstream: SocketAddr, folder: PathBuf) -> io::Result<Proxy> {
    // Free now; a proxy cannot say which port it got.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (listen, upstream) = (address.to_string(), upstream.to_string());
    let file = folder.join("configuration.yaml");
    fs::write(&file, kind.configuration(&listen, &upstream, &folder.display().to_string()))?;
    if let Some(dynamic) = kind.dynamic_configuration(&upstream) {
        fs::write(folder.join("dynamic.yaml"), dynamic)?;
    }
    let mut command = kind.command()?;
    match kind {
        Kind::Nginx => command.arg("-c").arg(&file),
        Kind::Haproxy => command.arg("-db").arg("-f").arg(&file),
        Kind::Gateway | Kind::Traefik => command.arg(format!("--configFile={}", file.display())),
    };
    let log = fs::File::create(folder.join("log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    let child = command.spawn().map_err(|error| kind.missing(&error))?;
    Ok(Proxy { address, metrics: None, child, folder })
}

/// The program `name` of this package: where this one is, or one folder up where this one is a test.
fn beside(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join(name)).find(|program| Path::is_file(program));
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no program {name} beside {}", own.display())))
}

/// The configurations as one text, addresses left open.
pub fn configurations(kinds: &[Kind]) -> String {
    let mut text = String::new();
    for kind in kinds {
        let own = kind.configuration("ADDRESS", "UPSTREAM", "FOLDER");
        let dynamic = kind.dynamic_configuration("UPSTREAM").unwrap_or_default();
        let _ = write!(text, "{}:\n\n", kind.name());
        for line in own.lines().chain(dynamic.lines()) {
            let _ = writeln!(text, "    {line}");
        }
        text.push('\n');
    }
    let settings: Vec<String> = GATEWAY.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let _ = writeln!(text, "The gateway's environment: `{}`, and the key in CREDENTIALS_DIR.", settings.join(" "));
    text
}
