//! The backend: items to read, CPU time to burn so that an autoscaler has something to see, and an echo.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
mod discovery;
mod docs;
pub mod echo;
pub mod faults;
pub mod items;
pub mod paths;
mod slots;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use service::app::docs::Docs;
use service::app::own_path::{self, OwnPath};
use service::app::probe::Probe;
use service::app::{App, Call, Context, Reply, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::{json, query, upload};
use service::process::burn::{self, Burned};
use service::process::identity::Identity;
use service::process::memory::Term;
use service::settings::environment::Environment;
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;

pub use config::Config;
use discovery::Discovery;
use faults::{Fault, Faults};
use items::Items;
use paths::Handler;
use slots::Slots;

/// What a request takes at most besides its head and its body, in bytes: what it is answered with.
const REQUEST_BYTES: u64 = 32 * 1024;
/// What a burn takes, in bytes: the stack of its thread, as far as it is used.
const BURN_BYTES: u64 = 64 * 1024;

/// How long a liveness probe that stands behind the burns waits for a slot; kubelets give up long before.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest pause between two looks for a free slot.
const LOOK: Duration = Duration::from_millis(10);

/// The backend.
pub struct Backend {
    config: Config,
    table: Vec<OwnPath<Handler>>,
    items: Items,
    docs: Docs,
    discovery: Discovery,
    /// Those of requests; `None` where requests begin none.
    faults: Option<Faults>,
    slots: Arc<Slots>,
    refused: Counter,
}

impl App for Backend {
    const NAME: &'static str = "backend";
    const ABOUT: &'static str = "the API: items to read, CPU time to burn, an echo";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        let config = Config::read(environment);
        config.check(environment);
        config
    }

    fn memory(config: &Config, limits: &Limits) -> Vec<Term> {
        vec![
            Term::new(
                "requests that are answered",
                limits.in_flight as u64,
                REQUEST_BYTES + limits.buffer_bytes() as u64,
            ),
            Term::new("burns", config.burn_slots as u64, BURN_BYTES).by("BURN_SLOTS"),
        ]
    }

    fn faults(config: &Config) -> Vec<&'static str> {
        let all = [("health-behind-burn", config.health_behind_burn), ("on-request", config.faults_on_request)];
        all.into_iter().filter_map(|(name, on)| on.then_some(name)).collect()
    }

    fn new(config: Config, identity: &Identity, metrics: &mut Metrics) -> Self {
        let table = paths::table(&config);
        Self {
            items: Items::new(config.resource.document.as_ref(), &identity.json()),
            docs: docs::new(&identity.version, &config, &table),
            table,
            discovery: Discovery::new(),
            faults: config.faults_on_request.then(Faults::default),
            slots: Arc::new(Slots::new(config.burn_slots)),
            refused: metrics.add("burns_refused", "Burns answered 429 because every slot was busy"),
            config,
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

impl Backend {
    async fn respond(&self, handler: Handler, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { id, head, body, server, .. } = call;
        let query = head.uri.query().unwrap_or_default();
        if !matches!(handler, Handler::Probe(_) | Handler::Fault) && self.has(Fault::Slow) {
            tokio::time::sleep(faults::SLOW).await;
        }
        match handler {
            Handler::Items => self.all_items(query::only("delay_ms", query)?).await,
            Handler::Item => query::none(query).and_then(|()| self.items.one(id)).map(json::text),
            Handler::Burn => self.burn(query::only("ms", query)?, server).await,
            Handler::Echo => {
                query::none(query)?;
                upload::read(&server.room, &head.headers, body, echo::LONGEST).await.map(echo::reply)
            }
            Handler::Greeting => query::none(query).map(|()| self.greet()),
            Handler::Discovery => self.discover(query::only("service", query)?, server).await,
            Handler::Fault => query::none(query).and_then(|()| self.begin_fault(id, server)),
            Handler::Docs => query::none(query).map(|()| self.docs.page()),
            Handler::OpenApi => query::none(query).map(|()| self.docs.description()),
            Handler::Probe(Probe::Health) if self.config.health_behind_burn => {
                let slot = tokio::time::timeout(LONGEST_WAIT, self.free_slot()).await.is_ok();
                Ok(Probe::Health.answer_if(slot && !self.has(Fault::Fails(Probe::Health)), server))
            }
            // People and load balancers add what they like to a probe's query; a probe must not fail for that.
            Handler::Probe(probe) => Ok(probe.answer_if(!self.has(Fault::Fails(probe)), server)),
        }
    }

    /// The items, after a delay that uses no CPU: what a slow reply does to a drain needs slow replies.
    async fn all_items(&self, delay_ms: Option<&str>) -> Result<Response<Body>, Problem> {
        if let Some(text) = delay_ms {
            tokio::time::sleep(milliseconds("delay_ms", text, 0, self.config.delay_max)?).await;
        }
        Ok(json::text(self.items.all()))
    }

    fn greet(&self) -> Response<Body> {
        let text = self.config.greeting.clone().unwrap_or_default();
        Body::from(text).reply(StatusCode::OK, &[(CONTENT_TYPE, "text/plain; charset=utf-8")])
    }

    async fn discover(&self, name: Option<&str>, server: &Server) -> Result<Response<Body>, Problem> {
        Ok(json::named("discovery", &self.discovery.look_up(name).await?, &server.served_by_json))
    }

    /// Whether a request began `fault` here, and it lasts.
    fn has(&self, fault: Fault) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.has(fault, Instant::now()))
    }

    fn begin_fault(&self, name: &str, server: &Server) -> Result<Response<Body>, Problem> {
        // Its route is there only where requests may begin one.
        let begun = self.faults.as_ref().map(|faults| faults.begin(name, Instant::now())).transpose()?;
        Ok(json::named("fault", &begun, &server.served_by_json))
    }

    /// Ends when a burn slot was free.
    async fn free_slot(&self) {
        while let Err(wait) = Slots::take(&self.slots, Instant::now(), Duration::ZERO) {
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }

    async fn burn(&self, ms: Option<&str>, server: &Server) -> Result<Response<Body>, Problem> {
        let length = match ms {
            Some(text) => milliseconds("ms", text, 1, self.config.burn_max)?,
            None => self.config.burn_default,
        };
        let slot = Slots::take(&self.slots, Instant::now(), length).map_err(|wait| {
            self.refused.inc();
            let detail = format!("all {} burn slots are busy", self.config.burn_slots);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .header(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)))
        })?;
        let Burned { took, iterations } = burn::run(length, slot)
            .await
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let (ms, served_by) = (took.as_millis(), &server.served_by_json);
        Ok(json::text(format!(r#"{{"burned_ms":{ms},"iterations":{iterations},"served_by":{served_by}}}"#)))
    }
}

/// The time that the query parameter `name` asks for with `text`, from `least` milliseconds to `most`.
fn milliseconds(name: &str, text: &str, least: u64, most: Duration) -> Result<Duration, Problem> {
    let most = most.as_millis() as u64;
    let ms = query::number(text, least..=most).map(Duration::from_millis);
    ms.ok_or_else(|| Problem::bad(format!("the query parameter {name} takes a whole number from {least} to {most}")))
}

/// Rounded up: `Retry-After` has no fractions, and earlier would be too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
