//! The paths of the program itself: its probes, the page, and what its routes lead to.

use std::sync::Arc;

use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use service::app::own_path::{self, Methods, OwnPath};
use service::app::probe::Probe;
use service::app::{Reply, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::room::Room;

use crate::body::RequestBody;
use crate::docs;
use crate::page::Page;
use crate::routes::Live;

/// What answers one of them.
#[derive(Debug, Clone, Copy)]
enum Own {
    Probe(Probe),
    Index,
    Asset,
    NoObserver,
    Docs,
    OpenApi,
}

/// Answers the requests that go no further.
pub(crate) struct OwnPaths {
    page: Page,
    version: String,
    table: &'static [OwnPath<Own>],
    ready_needs_upstream: bool,
}

/// Those of the page are the table's where it has a route for them.
const TABLE: &[OwnPath<Own>] = &[
    get("/health", Own::Probe(Probe::Health)),
    // A dead backend must not take the gateway out of its Service, so readiness is the gateway's own.
    get("/ready", Own::Probe(Probe::Ready)),
    get("/started", Own::Probe(Probe::Started)),
    get("/", Own::Index),
    get("/ui/{file}", Own::Asset),
    // A table with an observer has a route for it.
    get("/cluster/events", Own::NoObserver),
    get("/docs", Own::Docs),
    get("/openapi.json", Own::OpenApi),
];
/// How many of them there are without a setting: all but the last two.
const ALWAYS: usize = TABLE.len() - 2;

const fn get(path: &'static str, handler: Own) -> OwnPath<Own> {
    OwnPath { path, methods: Methods::Get, handler }
}

impl OwnPaths {
    /// With `/docs`, if they are asked for; with the fault that `/ready` asks the upstreams, if it `needs` them.
    pub(crate) fn new(version: &str, docs: bool, ready_needs_upstream: bool) -> Self {
        let table = if docs { TABLE } else { &TABLE[..ALWAYS] };
        Self { page: Page::new(), version: version.to_owned(), table, ready_needs_upstream }
    }

    /// Answers `request`, which no route of the table `live` takes.
    pub(crate) async fn answer(&self, server: &Server, request: Request<Incoming>, live: &Live) -> Reply {
        let (own, rest) = match own_path::find(self.table, request.method(), request.uri().path()) {
            Ok(found) => found,
            Err(unrouted) => return unrouted.reply(),
        };
        let result = match own.handler {
            Own::Probe(Probe::Ready) if self.ready_needs_upstream => {
                let upstreams = upstreams_are_ready(live, request.into_body()).await;
                Ok(Probe::Ready.answer_if(upstreams, server))
            }
            Own::Probe(probe) => Ok(probe.answer(server)),
            Own::Index => self.page.answer("index.html", request.headers()),
            Own::Asset => self.page.answer(rest, request.headers()),
            // To an EventSource: no events here.
            Own::NoObserver => Ok(Body::empty().reply(StatusCode::NO_CONTENT, &[])),
            Own::Docs => self.page.answer("docs.html", request.headers()),
            Own::OpenApi => {
                let description = docs::describe(live, &nothing_of(request.into_body()), &self.version).await;
                let json = [(CONTENT_TYPE, "application/json")];
                Ok(Body::from(description.to_string()).reply(StatusCode::OK, &json))
            }
        };
        Reply { route: own.path.into(), result }
    }
}

/// The body of a request that the gateway makes itself, while it answers one with `body`.
fn nothing_of(body: Incoming) -> Arc<RequestBody> {
    RequestBody::new(body, u64::MAX, &Room::new(0))
}

/// Whether all upstreams that are needed answer `/ready` with 200. `body` is that of the request that asks.
async fn upstreams_are_ready(live: &Live, body: Incoming) -> bool {
    let body = nothing_of(body);
    for upstream in live.needed() {
        if !upstream.is_ready(&body).await {
            return false;
        }
    }
    true
}
