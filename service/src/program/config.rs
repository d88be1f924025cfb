//! Settings that every server has. Environment only, read once at start.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::process::faults::Faults;
use crate::process::identity::{Identity, VERSION};
use crate::process::lifecycle::Timing;
use crate::settings::environment::{Environment, Variable};
use crate::telemetry::log::{Format, Level};

/// The longest head that a server can be set to take, in bytes.
const MOST_HEAD_BYTES: u64 = 64 * 1024;

/// The least that hyper buffers of a connection, in bytes.
const LEAST_BUFFER_BYTES: usize = 8192;

/// The shortest time that a client can be given: less would refuse what is merely far away.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where requests are served.
    pub address: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics_address: SocketAddr,
    /// Who answers.
    pub identity: Identity,
    /// Quiet period and deadline of the drain.
    pub timing: Timing,
    /// Bounds of a connection.
    pub limits: Limits,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Form of log lines.
    pub log_format: Format,
    /// The least severe level that is logged.
    pub log_level: Level,
}

/// Bounds of connections and requests.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a connection may wait for a request.
    pub idle: Duration,
    /// Age at which replies begin to say `Connection: close`; `None` is never. Each connection adds a jitter of 10 %.
    pub max_age: Option<Duration>,
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Requests whose reply has not ended, or of whose body the app takes more, probes aside; further ones are answered 503.
    pub in_flight: usize,
    /// How long a request's head may take from its first byte.
    pub head: Duration,
    /// How long a client may send nothing of a request's body.
    pub body: Duration,
    /// How long a client may take nothing of a reply.
    pub reply: Duration,
    /// What a client has to send of a body, or take of a reply, in a second of waiting for it, on average; 0 is no bound.
    pub bytes_per_second: u32,
    /// The longest request target in bytes; 414 to a longer one.
    pub target_bytes: usize,
    /// The longest request head in bytes, request line included; 431 to a longer one.
    pub head_bytes: usize,
    /// The most header fields of a request; 431 to more.
    pub headers: usize,
    /// The longest request body in bytes; 413 to a longer one.
    pub body_bytes: u64,
    /// The most bytes of all request bodies together that are kept whole.
    pub held_body_bytes: usize,
}

impl Limits {
    /// What hyper buffers of a connection, in each direction, in bytes. A head must fit.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        self.head_bytes.max(LEAST_BUFFER_BYTES)
    }
}

impl Default for Limits {
    /// Those of a server without settings.
    fn default() -> Self {
        limits(&mut Environment::new(&|_| None))
    }
}

impl Config {
    /// Reads the settings of a server whose service is called `service` unless told otherwise.
    pub fn read(environment: &mut Environment, service: &'static str) -> Self {
        let bind: IpAddr = environment.parse(
            Variable {
                name: "BIND_ADDRESS",
                default: "::",
                about: "IP address to listen on; :: is all of both families, or of IPv4 where there is no IPv6",
            },
            "an IP address such as 0.0.0.0 or ::",
            |text| text.parse().ok(),
        );
        let port = port(environment, "PORT", "8000", "port of the service, 0 is any free one");
        let metrics_port = port_other_than(environment, port);
        let identity = identity(environment, service);
        let timing = Timing {
            quiet: environment.seconds(
                Variable {
                    name: "DRAIN_SECONDS",
                    default: "3",
                    about: "after SIGTERM, how long replies say `Connection: close` before connections are closed",
                },
                Duration::ZERO,
            ),
            longest_request: environment.seconds(
                Variable {
                    name: "LONGEST_REQUEST_SECONDS",
                    default: "10",
                    about: "after that, how long requests in flight may take to end",
                },
                Duration::ZERO,
            ),
        };
        Self {
            address: SocketAddr::new(bind, port),
            metrics_address: SocketAddr::new(bind, metrics_port),
            identity,
            timing,
            limits: limits(environment),
            faults: Faults::read(environment),
            log_format: environment.word(
                Variable {
                    name: "LOG_FORMAT",
                    default: "auto",
                    about: "json or human; auto is human on a terminal, else json",
                },
                &[("json", Format::Json), ("human", Format::Human), ("auto", Format::for_stdout())],
            ),
            log_level: environment.word(
                Variable {
                    name: "LOG_LEVEL",
                    default: "info",
                    about: "error, warn, info, debug (adds a line for every request) or trace",
                },
                &Level::ALL,
            ),
        }
    }
}

fn port(environment: &mut Environment, name: &'static str, default: &'static str, about: &'static str) -> u16 {
    let variable = Variable { name, default, about };
    environment.number(variable, 0, u64::from(u16::MAX)) as u16
}

fn port_other_than(environment: &mut Environment, taken: u16) -> u16 {
    let metrics = port(environment, "METRICS_PORT", "9000", "port of /metrics, 0 is any free one");
    if metrics == taken && metrics != 0 {
        environment.refuse("METRICS_PORT", &metrics.to_string(), "a port other than PORT");
    }
    metrics
}

fn identity(environment: &mut Environment, service: &'static str) -> Identity {
    let service = environment.name(Variable {
        name: "SERVICE_NAME",
        default: service,
        about: "name in x-served-by, logs and metrics",
    });
    let pod = environment.optional_name(Variable {
        name: "POD_NAME",
        default: "",
        about: "name of the pod (downward API); empty is the host's name",
    });
    let version = environment.name(VERSION);
    let mut optional = |name, about| {
        let variable = Variable { name, default: "", about };
        environment.optional_name(variable).unwrap_or_default()
    };
    Identity {
        service,
        version,
        pod: pod.unwrap_or_else(host_name),
        namespace: optional("POD_NAMESPACE", "namespace of the pod (downward API)"),
        node: optional("NODE_NAME", "name of the node (downward API)"),
        address: optional("POD_IP", "address of the pod (downward API)"),
        faults: Vec::new(),
    }
}

fn limits(environment: &mut Environment) -> Limits {
    let idle = environment.seconds(
        Variable {
            name: "IDLE_TIMEOUT_SECONDS",
            default: "75",
            about: "how long a connection may wait for a request; keep it above the clients' own",
        },
        SHORTEST_TIMEOUT,
    );
    let max_age = environment.seconds(
        Variable {
            name: "MAX_CONNECTION_AGE_SECONDS",
            default: "60",
            about: "age (+-10 %) at which replies say `Connection: close`; 0 is never",
        },
        Duration::ZERO,
    );
    let mut seconds = |name, default, about| environment.seconds(Variable { name, default, about }, SHORTEST_TIMEOUT);
    let head =
        seconds("HEAD_TIMEOUT_SECONDS", "10", "how long a request's head may take from its first byte; 408 then");
    let body =
        seconds("BODY_TIMEOUT_SECONDS", "10", "how long a client may send nothing of a request's body; 408 then");
    let reply = seconds("REPLY_TIMEOUT_SECONDS", "30", "how long a client may take nothing of a reply; it is cut then");
    let mut number =
        |name, default, (least, most), about| environment.number(Variable { name, default, about }, least, most);
    Limits {
        idle,
        max_age: Some(max_age).filter(|age| !age.is_zero()),
        head,
        body,
        reply,
        bytes_per_second: number(
            "MIN_BYTES_PER_SECOND",
            "256",
            (0, 1 << 20),
            "what a client has to send of a body, or take of a reply, while it is waited for; 0 is no bound",
        ) as u32,
        connections: number(
            "MAX_CONNECTIONS",
            "2048",
            (1, 1_000_000),
            "connections open at once; further ones wait in the backlog",
        ) as usize,
        in_flight: number(
            "MAX_IN_FLIGHT",
            "512",
            (1, 1_000_000),
            "requests answered at once; further ones get 503 and Retry-After, probes never do",
        ) as usize,
        target_bytes: number(
            "MAX_TARGET_BYTES",
            "8192",
            (256, MOST_HEAD_BYTES),
            "longest request target; 414 to a longer one",
        ) as usize,
        head_bytes: number(
            "MAX_HEAD_BYTES",
            "16384",
            (1024, MOST_HEAD_BYTES),
            "longest request head; 431 to a longer one",
        ) as usize,
        headers: number("MAX_HEADERS", "100", (8, 1000), "header fields of a request; 431 to more") as usize,
        body_bytes: number(
            "MAX_BODY_BYTES",
            "1073741824",
            (0, 1 << 50),
            "longest request body; 413 to a longer one. A route of the gateway may set less",
        ),
        held_body_bytes: number(
            "MAX_HELD_BODY_BYTES",
            "8388608",
            (65_536, 1 << 32),
            "memory for bodies that are kept whole, all together. Beyond it the gateway keeps none for another try, the API \
             answers 503",
        ) as usize,
    }
}

/// The host's name, which in a pod is the pod's name. Read from the kernel: the name service is not asked.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let lookup = |name: &str| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        let mut environment = Environment::new(&lookup);
        let config = Config::read(&mut environment, "backend");
        environment.finish().map(|()| config).map_err(|invalid| invalid.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let config = read(&[]).unwrap();
        assert_eq!(config.address.to_string(), "[::]:8000");
        assert_eq!(config.metrics_address.to_string(), "[::]:9000");
        assert_eq!(config.identity.service, "backend");
        assert_eq!(config.timing.quiet, Duration::from_secs(3));
        assert_eq!(config.timing.longest_request, Duration::from_secs(10));
        assert_eq!(config.limits.idle, Duration::from_secs(75));
        assert_eq!(config.limits.max_age, Some(Duration::from_secs(60)));
        assert_eq!(config.limits.in_flight, 512);
        let slow = config.limits;
        assert_eq!([slow.head, slow.body, slow.reply].map(|time| time.as_secs()), [10, 10, 30]);
        assert!(!config.identity.pod.is_empty());
    }

    #[test]
    fn zero_switches_the_connection_age_off() {
        let config = read(&[("MAX_CONNECTION_AGE_SECONDS", "0")]).unwrap();
        assert_eq!(config.limits.max_age, None);
    }

    #[test]
    fn every_bound_is_itself_bounded() {
        for (name, value) in [
            ("MAX_IN_FLIGHT", "0"),
            ("MAX_HEAD_BYTES", "65537"),
            ("MAX_HEADERS", "1001"),
            ("MAX_TARGET_BYTES", "255"),
            ("BODY_TIMEOUT_SECONDS", "0"),
            ("MIN_BYTES_PER_SECOND", "-1"),
        ] {
            let errors = read(&[(name, value)]).unwrap_err();
            assert!(errors.len() == 1 && errors[0].starts_with(name), "{errors:?}");
        }
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let errors = read(&[("BIND_ADDRESS", "localhost"), ("PORT", "tcp://10.96.0.1:8000"), ("LOG_LEVEL", "loud")])
            .unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[1].starts_with("PORT=\"tcp://10.96.0.1:8000\""), "{errors:?}");
    }

    #[test]
    fn the_two_ports_differ() {
        assert!(read(&[("PORT", "9000")]).is_err());
        assert!(read(&[("PORT", "0"), ("METRICS_PORT", "0")]).is_ok());
    }
}
