//! Settings that every server has. Environment only, read once at start.

use std::net::{IpAddr, SocketAddr};

use tracing::level_filters::LevelFilter;

use crate::process::faults::Faults;
use crate::process::identity::Identity;
use crate::process::lifecycle::Timing;
use crate::settings::environment::{Environment, Variable};
use crate::settings::limits::Limits;
use crate::telemetry::log::{self, Format};

/// Settings of a server.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// Where requests are served.
    pub(super) address: SocketAddr,
    /// Where `/metrics` is served.
    pub(super) metrics_address: SocketAddr,
    pub(super) identity: Identity,
    /// Quiet period and deadline of the drain.
    pub(super) timing: Timing,
    pub(super) limits: Limits,
    /// What goes wrong on purpose.
    pub(super) faults: Faults,
    pub(super) log_format: Format,
    /// The least severe level that is logged.
    pub(super) log_level: LevelFilter,
}

impl Config {
    /// Reads the settings of a server whose service is called `service` unless told otherwise.
    pub(super) fn read(environment: &mut Environment, service: &'static str) -> Self {
        let bind: IpAddr = environment.parse(
            Variable::new(
                "BIND_ADDRESS",
                "::",
                "IP address to listen on; :: is all of both families, or of IPv4 where there is no IPv6",
            ),
            "an IP address such as 0.0.0.0 or ::",
            |text| text.parse().ok(),
        );
        let port = port(environment, "PORT", "8000", "port of the service, 0 is any free one");
        let metrics_port = self::port(environment, "METRICS_PORT", "9000", "port of /metrics, 0 is any free one");
        if metrics_port == port && port != 0 {
            environment.refuse("METRICS_PORT", &port.to_string(), "a port other than PORT");
        }
        let identity = Identity::read(environment, service);
        let timing = Timing::read(environment);
        Self {
            address: SocketAddr::new(bind, port),
            metrics_address: SocketAddr::new(bind, metrics_port),
            identity,
            timing,
            limits: Limits::read(environment),
            faults: Faults::read(environment),
            log_format: Format::read(environment),
            log_level: log::level(environment),
        }
    }
}

fn port(environment: &mut Environment, name: &'static str, default: &'static str, about: &'static str) -> u16 {
    let variable = Variable::new(name, default, about);
    environment.number(variable, 0, u64::from(u16::MAX)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::time::Duration;

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
