//! The systems with state: votes and jobs, each an API and the workers that do what it has taken, and the services of a shop. What
//! they know is kept in the `store` or in the `database`, so that any pod answers and none is missed.
//!
//! What is asked is in `jobs`, `votes` and `shop`, what is done without being asked in the `worker`.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
mod database;
mod docs;
mod jobs;
mod paths;
mod script;
mod shop;
mod votes;
mod worker;

use std::sync::Arc;

use hyper::{Method, Request, Response, StatusCode};
use service::app::docs::Docs;
use service::app::own_path::{self, OwnPath};
use service::app::probe::Probe;
use service::app::{App, Call, Context, Reply, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::query;
use service::process::identity::Identity;
use service::process::lifecycle::Phase;
use service::process::memory::Term;
use service::settings::environment::Environment;
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;

use config::{Config, Role, StoreSettings};
use jobs::queue::Queue;
use paths::{Handler, Stored};
use script::Script;
use shop::Shop;
use store::Store;
use store::address::Address;
use votes::Votes;
use worker::Worker;

/// What a request takes at most besides its head and its body, in bytes: what it asks of the store, and the reply.
const REQUEST_BYTES: u64 = 32 * 1024;

/// The program.
pub struct Systems {
    table: Vec<OwnPath<Handler>>,
    docs: Docs,
    kept: Option<Kept>,
    shop: Option<Shop>,
}

/// What is kept in a store.
struct Kept {
    queue: Queue,
    votes: Votes,
    /// In a process that is one.
    worker: Option<Arc<Worker>>,
}

impl App for Systems {
    const NAME: &'static str = "systems";
    const ABOUT: &'static str = "the systems with state: votes and jobs, their workers, and the services of a shop";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        let config = Config::read(environment);
        config.check(environment);
        config
    }

    fn memory(_config: &Config, limits: &Limits) -> Vec<Term> {
        let bytes = REQUEST_BYTES + limits.buffer_bytes() as u64;
        vec![Term::new("requests that are answered", limits.in_flight as u64, bytes)]
    }

    fn new(config: Config, identity: &Identity, metrics: &mut Metrics) -> Self {
        let table = paths::table(&config);
        Self {
            docs: docs::new(&identity.version, &config, &table),
            table,
            kept: config
                .store
                .address
                .clone()
                .filter(|_| !matches!(config.role, Role::Shop(_)))
                .map(|address| Kept::start(address, config.store.clone(), config.role, metrics)),
            shop: if let Role::Shop(part) = config.role {
                let store = config.store.address.map(|address| (address, config.store.patience));
                let (database, seed, settings) = (config.database, config.seed, config.shop);
                Shop::start(part, shop::Kept { store, database, seed, settings }, metrics)
            } else {
                None
            },
        }
    }

    async fn work(self: Arc<Self>, server: Arc<Server>) {
        if let Some(worker) = self.kept.as_ref().and_then(|kept| kept.worker.clone()) {
            worker.run(server.phases()).await;
        }
        if let Some(shop) = &self.shop {
            let mut phase = server.phases();
            tokio::select! {
                () = shop.work() => {}
                _ = phase.wait_for(|phase| !matches!(phase, Phase::Starting | Phase::Serving)) => {}
            }
        }
    }

    async fn answer(&self, server: &Server, request: Request<Incoming>, context: &Context) -> Reply {
        let (head, body) = request.into_parts();
        let (own, id) = match own_path::find(&self.table, &head.method, head.uri.path()) {
            Ok(found) => found,
            Err(unrouted) => return unrouted.reply(),
        };
        let result = self.respond(own.handler, Call { id, head: &head, body, server, context }).await;
        Reply { route: own.path.into(), result }
    }
}

impl Systems {
    async fn respond(&self, handler: Handler, call: Call<'_>) -> Result<Response<Body>, Problem> {
        // People and load balancers add what they like to a probe's query; a probe must not fail for that.
        if let Handler::Probe(probe) = handler {
            let ready = probe != Probe::Ready || self.shop.as_ref().is_none_or(Shop::is_ready);
            return Ok(probe.answer_if(ready, call.server));
        }
        query::none(call.head.uri.query().unwrap_or_default())?;
        match (handler, &self.kept, &self.shop) {
            (Handler::Docs, _, _) => Ok(self.docs.page()),
            (Handler::OpenApi, _, _) => Ok(self.docs.description()),
            (Handler::Stored(stored), Some(kept), _) => kept.answer(stored, call).await,
            (Handler::Shop(asked), _, Some(shop)) => shop.answer(asked, call).await,
            // Without a store or a database the table has no path that leads here.
            _ => Err(Problem::new(StatusCode::NOT_FOUND, "no such path")),
        }
    }
}

impl Kept {
    /// Connects to the store, and notes the metrics.
    fn start(address: Address, settings: StoreSettings, role: Role, metrics: &mut Metrics) -> Self {
        let reachable = metrics.add("store_reachable", "1 while the store is connected and answers");
        let store = Store::start(address, settings.patience, reachable, &Script::SOURCES);
        let queue = Queue::new(store.clone(), settings.jobs, settings.queued);
        let votes = Votes::new(store, settings.votes, settings.queued);
        let worker = (role == Role::Worker)
            .then(|| Arc::new(Worker::new(settings.worker, queue.clone(), votes.clone(), metrics)));
        Self { queue, votes, worker }
    }

    async fn answer(&self, stored: Stored, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { id, head, server, .. } = call;
        let served_by = &server.served_by_json;
        match (stored, &head.method) {
            (Stored::Votes, &Method::POST) => self.votes.vote(call).await,
            (Stored::Votes, _) => self.votes.counts(served_by).await,
            (Stored::VotesPage, _) => Ok(self.votes.page(&server.identity).await),
            (Stored::VotesScript, _) => Ok(Votes::script()),
            (Stored::Jobs, &Method::POST) => jobs::submit(&self.queue, call).await,
            (Stored::Jobs, _) => jobs::counts(&self.queue, served_by).await,
            (Stored::DeadJobs, _) => jobs::dead(&self.queue, served_by).await,
            (Stored::PutBack, _) => jobs::put_back(&self.queue, id, served_by).await,
            (Stored::Job, _) => jobs::status(&self.queue, id, served_by).await,
        }
    }
}
