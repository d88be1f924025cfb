//! What a request must get past before an upstream hears of it: who it is of, how many there may be, and what it asks for.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Body;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use service::message::problem::Problem;

use crate::client::Client;
use crate::headers;
use crate::routes::rate_limit::PerClient;
use crate::routes::shared_limit::{Judged, Judging, SharedLimit};
use crate::routes::{Live, Route, Router, cors};
use crate::tunnel::{Handshake, Place, Tunnels};

/// What is known of a request that may go on.
pub(super) struct Cleared {
    /// The client that the route's `auth` knows it by.
    pub(super) client: Option<HeaderValue>,
    /// What its client may still do, as headers of the reply.
    pub(super) allowance: Option<[(HeaderName, HeaderValue); 3]>,
    /// The WebSocket that it opens, and the place of its tunnel.
    pub(super) websocket: Option<(Handshake, Place)>,
}

/// What all gateways together say of a request of `sender` on a route with a `limit` of them all, for [`check`] to find in its
/// extensions; none where that is nobody's request, which `check` refuses.
pub(super) fn judging<B>(
    request: &Request<B>,
    shared: &SharedLimit,
    (route, limit): (&Route, &PerClient),
    sender: &Client,
) -> Option<Judging> {
    let client = client(request, route).ok()?;
    let key = limit.key(request.headers(), client.as_ref(), sender.address());
    Some(shared.judging(route, limit.quota, &key))
}

/// The client that a request is of, where `route` asks for one.
fn client<B>(request: &Request<B>, route: &Route) -> Result<Option<HeaderValue>, Problem> {
    route.auth.as_ref().map(|guard| guard.admit(request.headers(), since_1970())).transpose()
}

/// Checks a request of `sender` that the route at `row` of `live`, the table in force at `router`, takes.
///
/// # Errors
/// 401 or 400 without who it is of, 429 where there were too many, 501 for TRACE; for a WebSocket 400, 403, 426 or 503.
pub(super) fn check<B: Body>(
    request: &Request<B>,
    router: &Router,
    (live, row): (&Live, usize),
    sender: &Client,
    tunnels: &Tunnels,
) -> Result<Cleared, Problem> {
    let route = &live.table.routes[row];
    let client = client(request, route)?;
    let allowance = limit(request, router, (live, row), client.as_ref(), sender.address())?;
    if request.method() == Method::TRACE {
        // It would show the client what the gateway adds (RFC 9110, section 9.3.8).
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "TRACE is not forwarded"));
    }
    let handshake = if route.websocket { Handshake::of(request)? } else { None };
    let websocket = match handshake {
        Some(handshake) => Some((handshake, place(request, route, sender, tunnels)?)),
        None => None,
    };
    Ok(Cleared { client, allowance, websocket })
}

/// Counts the request where the route limits its clients.
fn limit<B>(
    request: &Request<B>,
    router: &Router,
    (live, row): (&Live, usize),
    client: Option<&HeaderValue>,
    address: IpAddr,
) -> Result<Option<[(HeaderName, HeaderValue); 3]>, Problem> {
    let Some(limit) = &live.table.routes[row].rate_limit else { return Ok(None) };
    let by_all = request.extensions().get().and_then(|Judged(verdict)| *verdict);
    let by_itself = || live.judge(row, &limit.key(request.headers(), client, address), router.now());
    let Some(verdict) = by_all.or_else(by_itself) else { return Ok(None) };
    let allowance = limit.allowance(verdict);
    if verdict.admitted {
        return Ok(Some(allowance));
    }
    let detail = "this client has made as many requests as it may for now";
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
    let problem = problem.header(RETRY_AFTER, headers::seconds(verdict.retry_after));
    Err(allowance.into_iter().fold(problem, |problem, (name, value)| problem.header(name, value)))
}

/// The place of the tunnel that a handshake asks for.
fn place<B>(request: &Request<B>, route: &Route, sender: &Client, tunnels: &Tunnels) -> Result<Place, Problem> {
    if !cors::is_welcome(request.headers(), sender.host(request.headers()), route.cors.as_ref()) {
        let detail = "pages of this origin may not open a WebSocket here: cors.origins of the route names others";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    tunnels.place().ok_or_else(|| Problem::busy("too many WebSockets are open: try again later", 1))
}

/// The time as tokens have it. A clock before 1970 is at its beginning.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
