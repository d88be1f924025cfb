//! The frontend: a streaming gateway to the backend, and the dashboard page.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod auth;
pub mod body;
pub mod client;
pub mod gateway;
mod page;
pub mod random;
pub mod routes;
pub mod tunnel;
pub mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, HOST, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use service::app::probe::Probe;
use service::app::route::{self, Methods, Route, Unrouted};
use service::app::{App, Context, Reply, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::process::identity::Identity;
use service::process::memory::Term;
use service::settings::environment::{Environment, Variable};
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;

use auth::credentials::Credentials;
use client::network::Networks;
use gateway::Proxy;
use page::Page;
use routes::path::Path;
use routes::router::{Live, Router, Source};
use routes::table::{Defaults, Match, Table, Target};
use routes::{cors, rate_limit, router};
use tunnel::Tunnels;
use upstream::backoff::MOST_RETRIES;
use upstream::{Origin, Resilience, SHORTEST, Timeouts, breaker, budget, endpoint, pool};

/// The frontend.
pub struct Frontend {
    page: Page,
    proxy: Proxy,
    tunnels: Arc<Tunnels>,
    ready_needs_upstream: bool,
}

/// The frontend's own settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which requests go where.
    pub routes: Source,
    /// Fault: `/ready` asks the upstreams' `/ready`, so that one dead service takes down all in front of it.
    pub ready_needs_upstream: bool,
    /// Proxies that are believed what they say of clients.
    pub trusted_proxies: Networks,
    /// What a WebSocket may cost, and how many there may be.
    pub tunnels: tunnel::Terms,
}

/// What answers a path that is the frontend's own.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Probe(Probe),
    Index,
    Asset,
}

/// The paths of the frontend itself. No route can take a probe's, or the table could make the pod unready; those of the page
/// are the table's where it has a route for them.
const TABLE: &[Route<Endpoint>] = &[
    get("/health", Endpoint::Probe(Probe::Health)),
    // A dead backend must not take the gateway out of its Service, so readiness is the gateway's own.
    get("/ready", Endpoint::Probe(Probe::Ready)),
    get("/started", Endpoint::Probe(Probe::Started)),
    get("/", Endpoint::Index),
    get("/ui/{file}", Endpoint::Asset),
];

const fn get(path: &'static str, handler: Endpoint) -> Route<Endpoint> {
    Route { path, methods: Methods::Get, handler }
}

impl App for Frontend {
    const NAME: &'static str = "frontend";
    const ABOUT: &'static str = "the gateway to the backend, and the dashboard page";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        let backend = environment.parse(
            Variable {
                name: "BACKEND_URL",
                default: "http://127.0.0.1:8000",
                about: "where /proxy/... leads without ROUTES_FILE: /proxy/items is /api/items there",
            },
            "http://HOST or http://HOST:PORT without a path, such as http://backend:8000",
            Origin::parse,
        );
        let defaults = Defaults { timeouts: timeouts(environment), resilience: resilience(environment) };
        let Defaults { timeouts, resilience } = defaults;
        let one = Table::of_one(Target { origin: backend, timeouts, resilience });
        let file = environment.optional_text(
            "ROUTES_FILE",
            "route table, JSON, read again when its content changes; it replaces BACKEND_URL",
        );
        let file = file.map(PathBuf::from);
        let directory = environment.optional_text(
            "CREDENTIALS_DIR",
            "directory of the secrets that the route table names, each a file, read again when its content changes",
        );
        let credentials = directory.map(|directory| Credentials::in_directory(directory.into())).unwrap_or_default();
        let table = file.as_ref().map_or(Ok(one), |file| router::read(file, &credentials, defaults));
        let table = table.unwrap_or_else(|refused| {
            let value = file.as_ref().map_or_else(String::new, |file| file.display().to_string());
            environment.refuse(
                "ROUTES_FILE",
                &value,
                &format!("a file with a route table, and this one is none: {refused}"),
            );
            Table::default()
        });
        Config {
            routes: Source { file, credentials, defaults, table },
            ready_needs_upstream: environment.switch(
                "FAULT_READY_NEEDS_UPSTREAM",
                "fault: /ready asks the upstreams' /ready, and answers 503 without them",
            ),
            trusted_proxies: environment.parse(
                Variable {
                    name: "TRUSTED_PROXIES",
                    default: "",
                    about: "networks of proxies in front, such as 10.244.0.0/16,fd00::/8: their X-Forwarded-For, -Proto and \
                            -Host, or Forwarded, are believed",
                },
                Networks::ACCEPTED,
                Networks::parse,
            ),
            tunnels: tunnel::Terms::read(environment),
        }
    }

    fn memory(config: &Config, limits: &Limits) -> Vec<Term> {
        let in_flight = limits.in_flight as u64;
        let clients =
            config.routes.table.routes.iter().filter_map(|route| Some(route.rate_limit.as_ref()?.terms.clients));
        vec![
            Term::new(
                "requests on their way to upstreams",
                in_flight,
                2 * limits.buffer_bytes() as u64 + endpoint::CONNECTION_BYTES,
            ),
            Term::new(
                "idle connections to upstreams",
                in_flight.min(pool::MOST_IDLE as u64),
                endpoint::CONNECTION_BYTES,
            ),
            Term::new("clients of rate limits", clients.sum::<usize>() as u64, rate_limit::CLIENT_BYTES as u64),
            // Besides the connection of the client.
            Term::new("tunnels", config.tunnels.most.min(limits.connections) as u64, tunnel::BYTES_OF_A_TUNNEL as u64)
                .by("MAX_TUNNELS"),
        ]
    }

    fn faults(config: &Config) -> Vec<&'static str> {
        if config.ready_needs_upstream { vec!["ready-needs-upstream"] } else { Vec::new() }
    }

    fn new(config: Config, identity: &Identity, metrics: &mut Metrics) -> Self {
        let router = Router::start(config.routes, metrics);
        let tunnels = Tunnels::new(config.tunnels, metrics);
        Self {
            page: Page::new(),
            proxy: Proxy::new(router, &identity.service, config.trusted_proxies, Arc::clone(&tunnels)),
            tunnels,
            ready_needs_upstream: config.ready_needs_upstream,
        }
    }

    fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        self.proxy.client(peer, headers).address()
    }

    /// `/routes` has the route table in force.
    fn inspect(&self, path: &str) -> Option<String> {
        (path == "/routes").then(|| self.proxy.live().table.document().to_string())
    }

    /// Tells how many tunnels a drain finds, and how many its quiet period has left.
    async fn work(self: Arc<Self>, server: Arc<Server>) {
        let mut phases = server.phases();
        // An error means that the server is gone.
        if phases.wait_for(|phase| phase.sends_away()).await.is_ok() {
            let open = self.tunnels.open();
            tracing::info!(open, "draining WebSockets: their ends have the quiet period to close them");
        }
        if phases.wait_for(|phase| !phase.is_accepting()).await.is_ok() {
            let open = self.tunnels.open();
            tracing::info!(open, "closing WebSockets");
        }
    }

    async fn answer(&self, server: &Server, mut request: Request<Incoming>, context: &Context) -> Reply {
        let raw = request.uri().path().to_owned();
        if raw == "*" {
            let own = route::find(TABLE, request.method(), &raw);
            return self.answer_own(server, request, own).await;
        }
        let path = match Path::read(&raw).and_then(|path| gateway::respell(&mut request, &path).map(|()| path)) {
            Ok(path) => path,
            Err(problem) => return Reply::unrouted(problem),
        };
        let own = route::find(TABLE, request.method(), path.as_str());
        if Probe::is_at(path.as_str()) {
            return self.answer_own(server, request, own).await;
        }
        let live = self.proxy.live();
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if let Some(reply) = preflight(&live, &request, host, &path) {
            return reply;
        }
        match live.table.find(request.method(), host, &path) {
            Match::Route(..) if path.others().any(Probe::is_at) => unclear(),
            Match::Route(place, route) => {
                let result = self.proxy.answer(request, &live, place, (context, &server.room)).await;
                Reply { route: route.label(), result }
            }
            Match::OtherMethods(methods) => not_allowed(&methods),
            Match::Unclear => unclear(),
            Match::None => self.answer_own(server, request, own).await,
        }
    }
}

impl Frontend {
    async fn answer_own(
        &self,
        server: &Server,
        request: Request<Incoming>,
        own: Result<(&Route<Endpoint>, &str), Unrouted>,
    ) -> Reply {
        let (route, rest) = match own {
            Ok(found) => found,
            Err(unrouted) => return unrouted.reply(),
        };
        let result = match route.handler {
            Endpoint::Probe(Probe::Ready) if self.ready_needs_upstream => {
                let upstreams = self.proxy.upstreams_are_ready(request.into_body()).await;
                Ok(Probe::Ready.answer_if(upstreams, server))
            }
            Endpoint::Probe(probe) => Ok(probe.answer(server)),
            Endpoint::Index => self.page.answer("index.html", request.headers()),
            Endpoint::Asset => self.page.answer(rest, request.headers()),
        };
        Reply { route: route.path.into(), result }
    }
}

/// The answer to a browser that asks what it may do, where the route of what it wants to do has one.
fn preflight<B>(live: &Live, request: &Request<B>, host: &str, path: &Path<'_>) -> Option<Reply> {
    let method = cors::preflight_for(request.method(), request.headers())?;
    let Match::Route(_, route) = live.table.find(&method, host, path) else { return None };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = route.cors.as_ref()?.preflight(&method, request.headers());
    Some(Reply { route: route.label(), result: Ok(response) })
}

/// The routes of this path take other methods: these.
fn not_allowed(methods: &[Method]) -> Reply {
    let methods = cors::list(methods.iter().map(Method::as_str));
    let detail = format!("this path takes {}", methods.to_str().unwrap_or_default());
    Reply::unrouted(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).header(ALLOW, methods))
}

/// Which route the path is for depends on who reads it.
fn unclear() -> Reply {
    let detail = "some programs would take the path for that of another route, so it is not forwarded";
    Reply::unrouted(Problem::new(StatusCode::BAD_REQUEST, detail))
}

fn timeouts(environment: &mut Environment) -> Timeouts {
    let max_age = Variable {
        name: "UPSTREAM_MAX_AGE_SECONDS",
        default: "30",
        about: "age at which a connection is not used again, so that new pods get their share; 0 is never",
    };
    let max_age = Some(environment.seconds(max_age, Duration::ZERO)).filter(|age| !age.is_zero());
    let mut seconds = |name, default, about| {
        let variable = Variable { name, default, about };
        environment.seconds(variable, SHORTEST)
    };
    let timeouts = Timeouts {
        connect: seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "1", "to resolve the name and connect"),
        attempt: seconds(
            "UPSTREAM_TRY_TIMEOUT_SECONDS",
            "4",
            "silence of the upstream: before its reply's head, and between parts of the body",
        ),
        overall: seconds(
            "UPSTREAM_TIMEOUT_SECONDS",
            "5",
            "until the reply's head, over all tries; time spent waiting for the client's body does not count",
        ),
        idle: seconds(
            "UPSTREAM_IDLE_SECONDS",
            "30",
            "how long an unused connection is kept; must be below the upstream's IDLE_TIMEOUT_SECONDS",
        ),
        max_age,
    };
    if timeouts.attempt > timeouts.overall {
        let accepted = format!("at most UPSTREAM_TIMEOUT_SECONDS, which is {}", timeouts.overall.as_secs_f64());
        let value = timeouts.attempt.as_secs_f64().to_string();
        environment.refuse("UPSTREAM_TRY_TIMEOUT_SECONDS", &value, &accepted);
    }
    timeouts
}

fn resilience(environment: &mut Environment) -> Resilience {
    let mut number = |name, default, most, about| environment.number(Variable { name, default, about }, 0, most) as u32;
    let retries = number(
        "UPSTREAM_RETRIES",
        "3",
        u64::from(MOST_RETRIES),
        "tries after the first, where they are safe: nothing was sent, or the method is idempotent and the body was kept",
    );
    let percent = number(
        "UPSTREAM_RETRY_BUDGET_PERCENT",
        "20",
        u64::from(budget::MOST_PERCENT),
        "retries of all requests together, in percent of those of the last 10 s; 10 a second besides are always free",
    );
    let failures = number(
        "UPSTREAM_BREAKER_FAILURES",
        "5",
        u64::from(breaker::MOST_FAILURES),
        "requests in a row without a reply, retries included, after which the upstream is not asked for a while; 0 is never",
    );
    let open = Variable {
        name: "UPSTREAM_BREAKER_OPEN_SECONDS",
        default: "30",
        about: "how long it is not asked, until one request finds out whether it is back",
    };
    let open = environment.seconds(open, SHORTEST);
    Resilience {
        retries,
        budget: budget::Terms { percent, ..budget::Terms::default() },
        breaker: (failures > 0).then_some(breaker::Terms { failures, open }),
    }
}
