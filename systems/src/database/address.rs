//! Where the database is, and how to get into it: `DATABASE_URL` and the password beside it.

use std::str::FromStr;
use std::time::Duration;

use service::settings::environment::{Environment, Variable};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, NoTls, Socket, tls::NoTlsStream};

use super::failure::Unavailable;
use store::password::{Names, Password};

const ACCEPTED: &str = "postgres://USER@HOST/DATABASE, with [:PASSWORD] behind USER and [:PORT] behind HOST";
const NAMES: Names = Names {
    url: "DATABASE_URL",
    given: Variable::new("DATABASE_PASSWORD", "", "password of the database"),
    file: ("DATABASE_PASSWORD_FILE", "file with the password of the database, read for each connection"),
};

/// A database to connect to. Shown, it hides its password.
#[derive(Debug, Clone)]
pub struct Address {
    config: Config,
    password: Password,
}

impl Address {
    /// Reads where the database is; `None` where there is none.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let url =
            Variable::new("DATABASE_URL", "", "postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE: where its data is");
        let config = environment.parse_secret(url, ACCEPTED, |text| {
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() { Some(None) } else { parse(text).map(Some) }
        });
        let in_url = config
            .as_ref()
            .and_then(|config| config.get_password())
            .map_or(Password::None, |secret| Password::Given(secret.to_vec()));
        let password = Password::read_beside(environment, &NAMES, config.is_some().then_some(in_url))?;
        config.map(|config| Self { config, password })
    }

    pub(crate) fn host(&self) -> &str {
        match self.config.get_hosts() {
            [Host::Tcp(host), ..] => host,
            _ => "",
        }
    }

    /// Opens a connection, whose statements may each take as long as `patience`; so may the connecting.
    ///
    /// # Errors
    /// Where the database is not there, or does not let this service in.
    pub(crate) async fn connect(
        &self,
        patience: Duration,
    ) -> Result<(Client, Connection<Socket, NoTlsStream>), Unavailable> {
        let mut config = self.config.clone();
        // Without the second one, a pod that is gone in the middle of a transaction would hold its rows until TCP has noticed.
        let ms = patience.as_millis();
        config
            .application_name("systems")
            .connect_timeout(patience)
            .keepalives_idle(Duration::from_secs(10))
            .options(format!("-c statement_timeout={ms} -c idle_in_transaction_session_timeout={}", ms * 2));
        let passwords = self.password.read().map_err(|error| Unavailable::Password(error.to_string()))?;
        let mut refused = None;
        for password in passwords.iter().map(Some).chain(passwords.is_empty().then_some(None)) {
            if let Some(password) = password {
                config.password(password);
            }
            match tokio::time::timeout(patience, config.connect(NoTls)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => match Unavailable::from(error) {
                    failure @ Unavailable::Password(_) => refused = Some(failure),
                    failure => return Err(failure),
                },
                Err(_) => return Err(Unavailable::Unreachable("it did not answer in time".to_owned())),
            }
        }
        Err(refused.unwrap_or_else(|| Unavailable::Password("no password is set".to_owned())))
    }
}

/// One host over TCP, a user and a database.
fn parse(url: &str) -> Option<Config> {
    let scheme = url.split_once("://")?.0;
    let config = Config::from_str(url).ok().filter(|_| matches!(scheme, "postgres" | "postgresql"))?;
    let one_host = matches!(config.get_hosts(), [Host::Tcp(_)]) && config.get_ports().len() < 2;
    // This service speaks no TLS, and does not pretend to.
    let plain = matches!(config.get_ssl_mode(), SslMode::Prefer | SslMode::Disable);
    let named = config.get_user().is_some_and(|user| !user.is_empty())
        && config.get_dbname().is_some_and(|name| !name.is_empty());
    (one_host && plain && named).then_some(config)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Address>, String> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        let mut environment = Environment::new(&lookup);
        let address = Address::read(&mut environment);
        let invalid = |invalid: Vec<_>| invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        environment.finish().map(|()| address).map_err(invalid)
    }

    #[test]
    fn urls_by_the_table() {
        for (url, host, port, database) in [
            ("postgres://shop@users-db:5432/users", "users-db", Some(5432), "users"),
            ("postgresql://shop@users-db/users", "users-db", Some(5432), "users"),
            ("postgres://shop:p%40ss@[::1]:7/a\n", "::1", Some(7), "a"),
            ("postgres://shop@a/b?sslmode=disable", "a", Some(5432), "b"),
        ] {
            let address = read(&[("DATABASE_URL", url)]).unwrap().unwrap();
            assert_eq!((address.host(), address.config.get_ports().first().copied()), (host, port), "{url}");
            assert_eq!(address.config.get_dbname(), Some(database), "{url}");
        }
        for url in [
            "users-db",
            "redis://a@b/c",
            "postgres://shop@users-db",
            "postgres://users-db/users",
            "postgres://shop@/users",
            "postgres://shop@a,b/users",
            "postgres://shop@a:x/users",
            "postgres://shop@a/users?sslmode=require",
            "postgres://shop@%2Frun%2Fpostgresql/users",
        ] {
            let error = read(&[("DATABASE_URL", url)]).unwrap_err();
            assert!(error.starts_with("DATABASE_URL=\"(hidden)\" is not accepted"), "{url}: {error}");
        }
        assert!(read(&[]).unwrap().is_none());
    }

    #[test]
    fn a_password_has_one_source_and_is_never_shown() {
        let given = read(&[("DATABASE_URL", "postgres://a@b/c"), ("DATABASE_PASSWORD", "hunter2")]).unwrap().unwrap();
        assert_eq!(given.password.read().unwrap(), [b"hunter2"]);
        let in_url = read(&[("DATABASE_URL", "postgres://a:hunter2@b/c")]).unwrap().unwrap();
        assert_eq!(in_url.password.read().unwrap(), [b"hunter2"]);
        for shown in [given, in_url] {
            assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
        }
        let twice =
            read(&[("DATABASE_URL", "postgres://a:hunter2@b/c"), ("DATABASE_PASSWORD", "hunter3")]).unwrap_err();
        assert!(twice.contains("one password") && !twice.contains("hunter"), "{twice}");
    }
}
