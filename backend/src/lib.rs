//! The backend: items to read, CPU time to burn so that an autoscaler has something to see, and an echo.

pub mod burn;
mod docs;
pub mod echo;
pub mod items;
pub mod query;
pub mod routes;
pub mod slots;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use service::body::Body;
use service::environment::{Environment, Variable};
use service::exchange::{Context, Reply};
use service::identity::Identity;
use service::metrics::Metrics;
use service::probe::Probe;
use service::problem::Problem;
use service::route::{Resolution, resolve};
use service::server::{App, Server};

use burn::Burned;
use docs::Docs;
use echo::Echo;
use items::Items;
use routes::{Endpoint, TABLE};
use slots::Slots;

/// The most of an unwanted request body that is read, so that the reply reaches its sender: a connection that is closed
/// with bytes unread is reset, and a reset discards the reply.
const UNWANTED_BYTES: usize = 64 * 1024;
/// How long to wait for an unwanted body.
const UNWANTED_WAIT: Duration = Duration::from_secs(1);

/// How long a liveness probe that stands behind the burns waits for a slot; kubelets give up long before.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest pause between two looks for a free slot.
const LOOK: Duration = Duration::from_millis(10);

/// The backend's own settings.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Burns at the same time, 1 to 64.
    pub burn_slots: usize,
    /// Length of a burn that does not ask for one.
    pub burn_default: Duration,
    /// The longest burn.
    pub burn_max: Duration,
    /// The longest delay of a list of items.
    pub delay_max: Duration,
    /// Fault: `/health` needs a burn slot for its answer, so that a busy pod looks like a dead one.
    pub health_behind_burn: bool,
}

/// The backend.
pub struct Backend {
    config: Config,
    items: Items,
    docs: Docs,
    echo: Echo,
    slots: Arc<Slots>,
    refused: Counter,
}

impl App for Backend {
    const NAME: &'static str = "backend";
    const ABOUT: &'static str = "the API: items to read, CPU time to burn, and an echo";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        let slots = Variable {
            name: "BURN_SLOTS",
            default: "2",
            about: "burns at the same time; further ones are answered 429",
        };
        let default = Variable {
            name: "BURN_DEFAULT_MS",
            default: "100",
            about: "milliseconds of a burn that does not ask for a length",
        };
        let max = Variable {
            name: "BURN_MAX_MS",
            default: "10000",
            about: "the longest burn in milliseconds; keep it within LONGEST_REQUEST_SECONDS",
        };
        let delay_max = Variable {
            name: "DELAY_MAX_MS",
            default: "10000",
            about: "the longest delay of a list of items in milliseconds; keep it within LONGEST_REQUEST_SECONDS",
        };
        let delay_max = environment.number(delay_max, 0, 600_000);
        let burn_slots = environment.number(slots, 1, 64) as usize;
        let burn_default = environment.number(default, 1, 600_000);
        let burn_max = environment.number(max, 1, 600_000);
        if burn_default > burn_max {
            let accepted = format!("at most BURN_MAX_MS, which is {burn_max}");
            environment.refuse(default.name, &burn_default.to_string(), &accepted);
        }
        Config {
            burn_slots,
            burn_default: Duration::from_millis(burn_default),
            burn_max: Duration::from_millis(burn_max),
            delay_max: Duration::from_millis(delay_max),
            health_behind_burn: environment
                .switch("FAULT_HEALTH_BEHIND_BURN", "fault: /health waits for a free burn slot before it answers"),
        }
    }

    fn faults(config: &Config) -> Vec<&'static str> {
        if config.health_behind_burn { vec!["health-behind-burn"] } else { Vec::new() }
    }

    fn new(config: Config, identity: &Identity, metrics: &mut Metrics) -> Self {
        let refused = Counter::default();
        metrics.registry().register("burns_refused", "Burns answered 429 because every slot was busy", refused.clone());
        Self {
            config,
            items: Items::new(&identity.json()),
            docs: Docs::new(&identity.version, config),
            echo: Echo::new(),
            slots: Arc::new(Slots::new(config.burn_slots)),
            refused,
        }
    }

    async fn answer(&self, server: &Server, request: Request<Incoming>, _context: &Context) -> Reply {
        let (head, mut body) = request.into_parts();
        let resolution = resolve(TABLE, &head.method, head.uri.path());
        let wants_body = matches!(&resolution, Resolution::Found(route, _) if route.endpoint == Endpoint::Echo);
        if !wants_body {
            discard_body(&mut body).await;
        }
        let (route, id) = match resolution {
            Resolution::Found(route, id) => (route, id),
            Resolution::Unrouted(unrouted) => return unrouted.reply(),
        };
        let result = self.respond(route.endpoint, id, &head, body, server).await;
        Reply { route: route.path.into(), result }
    }
}

impl Backend {
    async fn respond(
        &self,
        endpoint: Endpoint,
        id: &str,
        head: &Parts,
        body: Incoming,
        server: &Server,
    ) -> Result<Response<Body>, Problem> {
        let query = head.uri.query().unwrap_or_default();
        match endpoint {
            Endpoint::Items => self.all_items(query::only("delay_ms", query)?).await,
            Endpoint::Item => query::none(query).and_then(|()| self.items.one(id)).map(json),
            Endpoint::Burn => self.burn(query::only("ms", query)?, server).await,
            // Read whatever the query is: a body left unread would take the reply with it.
            Endpoint::Echo => {
                self.echo.answer(&head.headers, body).await.and_then(|echo| query::none(query).map(|()| echo))
            }
            Endpoint::Docs => query::none(query).map(|()| self.docs.page()),
            Endpoint::OpenApi => query::none(query).map(|()| self.docs.description()),
            Endpoint::Probe(Probe::Health) if self.config.health_behind_burn => {
                let slot = tokio::time::timeout(LONGEST_WAIT, self.free_slot()).await.is_ok();
                Ok(Probe::Health.answer_if(slot, server))
            }
            // People and load balancers add what they like to a probe's query; a probe must not fail for that.
            Endpoint::Probe(probe) => Ok(probe.answer(server)),
        }
    }

    /// The items, after a delay that uses no CPU: what a slow reply does to a drain needs slow replies.
    async fn all_items(&self, delay_ms: Option<&str>) -> Result<Response<Body>, Problem> {
        if let Some(text) = delay_ms {
            tokio::time::sleep(milliseconds("delay_ms", text, 0, self.config.delay_max)?).await;
        }
        Ok(json(self.items.all()))
    }

    /// Ends when a burn slot was free.
    async fn free_slot(&self) {
        while let Err(wait) = Slots::take(&self.slots, Instant::now(), Duration::ZERO) {
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }

    async fn burn(&self, ms: Option<&str>, server: &Server) -> Result<Response<Body>, Problem> {
        #[derive(Serialize)]
        struct Report<'a> {
            burned_ms: u64,
            iterations: u64,
            served_by: &'a Identity,
        }
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
        let report = Report { burned_ms: took.as_millis() as u64, iterations, served_by: &server.identity };
        let text = serde_json::to_vec(&report).expect("numbers and strings serialize");
        Ok(json(text))
    }
}

/// The time that the query parameter `name` asks for with `text`, from `least` milliseconds to `most`.
fn milliseconds(name: &str, text: &str, least: u64, most: Duration) -> Result<Duration, Problem> {
    let most = most.as_millis() as u64;
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(ms) if digits && (least..=most).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the query parameter {name} takes a whole number from {least} to {most}"),
        )),
    }
}

/// Rounded up: `Retry-After` has no fractions, and earlier would be too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Reads a request body that no endpoint wants, within bounds; whether that was all of it.
async fn discard_body(body: &mut Incoming) -> bool {
    if hyper::body::Body::is_end_stream(body) {
        return true;
    }
    let whole = Limited::new(body, UNWANTED_BYTES).collect();
    // However it ends, the request is answered; a larger or slower body then costs its sender the connection.
    tokio::time::timeout(UNWANTED_WAIT, whole).await.is_ok_and(|read| read.is_ok())
}

fn json(body: impl Into<hyper::body::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
