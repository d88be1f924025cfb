//! The database that a service has for itself: PostgreSQL.
//!
//! # What is promised
//! A request that was answered 2xx is committed, and PostgreSQL commits when its log is on the volume (`synchronous_commit`, on by
//! default). While the database is away, full or misconfigured, each request that needs it is answered 503 with
//! `Retry-After`, and nothing else changes: the process starts without it, stays ready, and goes on by itself when the database
//! is back. `database_reachable` is what to watch.
//!
//! The schema is brought up to date by the first connection of a process, see [`migration`]. Until that has been done, as where it fails or
//! the schema has gone on without this version, no request could be answered: the process is not ready, so that a rollout to it stands
//! still. One that can't connect is ready: then the others can't either.

pub(crate) mod address;
pub(crate) mod failure;
pub(crate) mod migration;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use service::settings::environment::{Environment, Variable};
use service::telemetry::notice::Notice;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

use address::Address;
use failure::Unavailable;
use migration::Migration;

/// How often a database that is away is asked whether it is back.
pub(crate) const CHECK: Duration = Duration::from_secs(1);
/// How long the schema may take to be brought up to date: longer than any of its statements.
const LONGEST_MIGRATION: Duration = Duration::from_secs(65);

/// Where the database is and how it is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub address: Address,
    /// How long it has for each answer.
    pub patience: Duration,
    /// Connections at the same time.
    pub connections: usize,
}

impl Settings {
    /// Reads them; `None` where there is no database.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let address = Address::read(environment);
        let about = "milliseconds that the database has for each answer";
        let patience = environment.milliseconds(Variable::new("DATABASE_TIMEOUT_MS", "2000", about), 10, 60_000);
        let about = "connections to the database, per pod";
        let connections = environment.number(Variable::new("DATABASE_CONNECTIONS", "4", about), 1, 100) as usize;
        address.map(|address| Self { address, patience, connections })
    }
}

/// The database as its users see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Database(Arc<Pool>);

struct Pool {
    settings: Settings,
    migrations: &'static [Migration],
    migrated: OnceCell<()>,
    /// Connections that may be lent.
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Client>>,
    reachable: Gauge,
    failures: Notice,
    /// Whether the schema is one that this version serves on; `None` until a connection was tried for the first time.
    fits: Mutex<Option<bool>>,
}

/// A connection, until it is dropped.
pub(crate) struct Lent {
    client: Option<Client>,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Database {
    /// A database that `migrations` make usable. Nothing is connected yet. `reachable` is 1 while it is there, else 0.
    pub(crate) fn new(settings: Settings, migrations: &'static [Migration], reachable: Gauge) -> Self {
        let places = Arc::new(Semaphore::new(settings.connections));
        let (migrated, idle, failures, fits) = (OnceCell::new(), Mutex::default(), Notice::default(), Mutex::default());
        Self(Arc::new(Pool { settings, migrations, migrated, places, idle, reachable, failures, fits }))
    }

    /// Whether this version may serve on its schema, as far as is known: not before a connection was tried, and it may as long as none
    /// could be made.
    pub(crate) fn fits(&self) -> bool {
        self.0.fits().unwrap_or(false)
    }

    /// Lends a connection to a database whose schema is there.
    ///
    /// # Errors
    /// Where the database is not there or refuses, or all connections are lent for too long.
    pub(crate) async fn client(&self) -> Result<Lent, Unavailable> {
        let patience = self.0.settings.patience;
        let place = timeout(patience, Arc::clone(&self.0.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Unavailable::Unreachable("all connections are busy".to_owned()));
        };
        let client = self.0.connected().await.inspect_err(|failure| self.0.fails(failure))?;
        self.0.reachable.set(1);
        Ok(Lent { client: Some(client), pool: Arc::clone(&self.0), _place: place })
    }

    /// Looks every second whether it is there.
    pub(crate) async fn watch(&self) {
        loop {
            if let Ok(client) = self.client().await
                && let Err(failure) = client.simple_query("").await
            {
                self.0.fails(&failure.into());
            }
            sleep(CHECK).await;
        }
    }
}

impl Pool {
    async fn connected(&self) -> Result<Client, Unavailable> {
        let mut client = match self.take() {
            Some(client) => client,
            None => self.connect().await.inspect_err(|_| _ = self.fits().get_or_insert(true))?,
        };
        let migrate = async || {
            let late = |_| Unavailable::Unreachable("it did not bring its schema up to date in time".to_owned());
            let done =
                timeout(LONGEST_MIGRATION, migration::run(&mut client, self.migrations)).await.map_err(late)??;
            tracing::info!(host = self.settings.address.host(), migrations = done, "database: connected");
            Ok::<_, Unavailable>(())
        };
        let migrated = self.migrated.get_or_try_init(migrate).await;
        *self.fits() = Some(migrated.is_ok());
        migrated?;
        Ok(client)
    }

    /// An idle connection that is still there.
    fn take(&self) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|client| !client.is_closed())
    }

    async fn connect(&self) -> Result<Client, Unavailable> {
        let (client, connection) = self.settings.address.connect(self.settings.patience).await?;
        // Ends with its client. How it ended the client is told by its next query.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    fn fits(&self) -> MutexGuard<'_, Option<bool>> {
        self.fits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fails(&self, failure: &Unavailable) {
        self.reachable.set(0);
        let failure = failure.clone();
        self.failures.happens(move |times| tracing::warn!(%failure, times, "database: no answer"));
    }
}

impl Deref for Lent {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Client {
        self.client.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let client = self.client.take().filter(|client| !client.is_closed());
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(client);
    }
}
