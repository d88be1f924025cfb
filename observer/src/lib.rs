//! The observer: what the cluster says of the pods, Deployments and autoscalers of its namespace, and what happens to them, as rows for
//! a page. It asks the API server once, however many pages are open, and changes nothing.

// They panic where nobody reads what they print.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod board;
pub mod config;
mod feed;
pub mod known;
mod paths;
pub mod watch;

use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use service::app::docs::{self, Docs};
use service::app::own_path;
use service::app::{App, Context, Reply, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::{json, query};
use service::process::identity::Identity;
use service::process::lifecycle::Phase;
use service::process::memory::Term;
use service::settings::environment::Environment;
use service::settings::limits::Limits;
use service::telemetry::metrics::Metrics;
use tokio::sync::Semaphore;

use board::Board;
use config::Config;
use feed::{Feed, Source};
use paths::{Handler, TABLE};
use watch::Api;

/// The description of this API.
const OPENAPI: &str = include_str!("openapi.json");
/// What a request takes at most besides its head, in bytes.
const REQUEST_BYTES: u64 = 32 * 1024;
/// What a kind is taken to need, in bytes: a page of its list as text and read, of a hundred objects of some 10 KiB. Nothing holds larger ones
/// to that but the bound of a page; they are the cluster's own, not a client's.
const KIND_BYTES: u64 = 4 << 20;
/// After how many seconds one that found no place may ask again.
const RETRY_SECONDS: u64 = 5;

/// The program.
pub struct Observer {
    config: Config,
    namespace: String,
    docs: Docs,
    board: Arc<Board>,
    places: Arc<Semaphore>,
}

impl App for Observer {
    const NAME: &'static str = "observer";
    const ABOUT: &'static str = "what the cluster says of the pods of its namespace, from one watch for all pages";
    type Config = Config;

    fn configure(environment: &mut Environment) -> Config {
        Config::read(environment)
    }

    fn memory(config: &Config, limits: &Limits) -> Vec<Term> {
        let bytes = REQUEST_BYTES + limits.buffer_bytes() as u64;
        vec![
            Term::new("requests that are answered", limits.in_flight as u64, bytes),
            Term::new("kinds that are watched", config.kinds().len() as u64, KIND_BYTES),
            Term::new("pods that are asked for their figures", watch::TOGETHER as u64, watch::BYTES),
            Term::new("pages that follow", config.streams as u64, bytes).by("MAX_STREAMS"),
        ]
    }

    fn new(config: Config, identity: &Identity, _metrics: &mut Metrics) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.streams)),
            namespace: if identity.namespace.is_empty() { "default".to_owned() } else { identity.namespace.clone() },
            docs: Docs::new(docs::read(OPENAPI), &identity.version, TABLE),
            board: Arc::new(Board::new(&config.kinds())),
            config,
        }
    }

    async fn work(self: Arc<Self>, server: Arc<Server>) {
        let mut phase = server.phases();
        tokio::select! {
            () = self.watch() => {}
            _ = phase.wait_for(|phase| !matches!(phase, Phase::Starting | Phase::Serving)) => {}
        }
    }

    async fn answer(&self, server: &Server, request: Request<Incoming>, _context: &Context) -> Reply {
        let head = request.into_parts().0;
        let (own, _) = match own_path::find(TABLE, &head.method, head.uri.path()) {
            Ok(found) => found,
            Err(unrouted) => return unrouted.reply(),
        };
        let result = self.respond(own.handler, head.uri.query().unwrap_or_default(), server);
        Reply { route: own.path.into(), result }
    }
}

impl Observer {
    /// Follows every kind, until it is dropped. Without credentials it goes on, and says so: a page has less to show then, not nothing.
    async fn watch(&self) {
        let api = match Api::new(self.config.api.clone(), &self.config.credentials, self.namespace.clone()) {
            Ok(api) => Arc::new(api),
            Err(why) => {
                tracing::warn!(%why, "watch: it sees nothing");
                for kind in self.config.kinds() {
                    self.board.lost(kind, &why);
                }
                return self.board.write().await;
            }
        };
        let mut kinds = tokio::task::JoinSet::new();
        for kind in self.config.kinds() {
            let (api, board) = (Arc::clone(&api), Arc::clone(&self.board));
            kinds.spawn(async move { watch::follow(kind, &api, &board).await });
        }
        let board = Arc::clone(&self.board);
        kinds.spawn(async move { watch::look(&board).await });
        self.board.write().await;
    }

    fn respond(&self, handler: Handler, query: &str, server: &Server) -> Result<Response<Body>, Problem> {
        // People and load balancers add what they like to a probe's query; a probe must not fail for that.
        if let Handler::Probe(probe) = handler {
            return Ok(probe.answer(server));
        }
        query::none(query)?;
        match handler {
            Handler::Probe(probe) => Ok(probe.answer(server)),
            Handler::Docs => Ok(self.docs.page()),
            Handler::OpenApi => Ok(self.docs.description()),
            Handler::Rows => {
                let mut text = br#"{"cluster":"#.to_vec();
                text.extend_from_slice(&self.board.json());
                text.extend_from_slice(format!(r#","served_by":{}}}"#, server.served_by_json).as_bytes());
                Ok(json::text(text))
            }
            Handler::Events => {
                let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
                    Problem::busy(format!("{} pages follow already", self.config.streams), RETRY_SECONDS)
                })?;
                let source = Source { written: self.board.events(), phase: server.phases(), _place: place };
                let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
                Ok(Body::stream(Feed::new(source)).reply(StatusCode::OK, &headers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::description::assert_describes;

    #[test]
    fn the_description_and_the_table_name_the_same_paths() {
        assert_describes(OPENAPI, TABLE);
    }
}
