//! The gateway: from a client's request to the upstream's and back.

mod headers;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Limited;
use hyper::body::Body as _;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use service::app::Context;
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::room::Room;
use tokio::time::Instant;

use crate::auth;
use crate::body::replay::RequestBody;
use crate::client::forwarded::Client;
use crate::client::network::Networks;
use crate::routes::path::Path;
use crate::routes::rate_limit::Verdict;
use crate::routes::router::{Live, Router};
use crate::routes::table::{ClientKey, Fallback, Route};
use crate::routes::{cors, max_forwards};
use crate::tunnel::handshake::{self, Handshake};
use crate::tunnel::{Passed, Place, Reason, Tunnels};
use crate::upstream::failure::Failure;
use crate::upstream::reply::Download;

/// Forwards requests as the route table says.
pub struct Proxy {
    router: Arc<Router>,
    /// This hop in the Via header of requests that came as HTTP/1.0 and as HTTP/1.1.
    via: [HeaderValue; 2],
    /// Proxies that are believed.
    trusted: Networks,
    tunnels: Arc<Tunnels>,
}

impl Proxy {
    /// Forwards by the tables of `router`; `name` stands for this gateway in the Via header. The proxies of the networks
    /// `trusted` are believed what they say of clients. Each WebSocket becomes one of the `tunnels`.
    #[must_use]
    pub fn new(router: Arc<Router>, name: &str, trusted: Networks, tunnels: Arc<Tunnels>) -> Self {
        // A name that the configuration let through is visible ASCII.
        let via = |version, unnamed| {
            HeaderValue::try_from(format!("{version} {name}")).unwrap_or(HeaderValue::from_static(unnamed))
        };
        Self { router, via: [via("1.0", "1.0 gateway"), via("1.1", "1.1 gateway")], trusted, tunnels }
    }

    /// This hop, to which a request of `version` came (RFC 9110, section 7.6.3).
    fn via(&self, version: Version) -> &HeaderValue {
        &self.via[usize::from(version != Version::HTTP_10)]
    }

    /// Who a request with `headers` that came from `peer` is of.
    #[must_use]
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Client {
        Client::of(&self.trusted, peer.ip(), headers)
    }

    /// The table in force now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.router.live()
    }

    /// Answers a request that the route at `place` of the table `live` takes; what is kept of its body takes `room`.
    ///
    /// # Errors
    /// The problem to report: what was refused, or that the upstream gave no reply.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        live: &Live,
        place: usize,
        (context, room): (&Context, &Room),
    ) -> Result<Response<Body>, Problem> {
        let Some(cors) = &live.table.routes[place].cors else {
            return self.forward(request, live, place, (context, room)).await;
        };
        let origin = request.headers().get(ORIGIN).cloned();
        match self.forward(request, live, place, (context, room)).await {
            Ok(mut response) => {
                cors.complete(origin.as_ref(), response.headers_mut());
                Ok(response)
            }
            // Without these the page could not even read what went wrong.
            Err(problem) => {
                let mut headers = HeaderMap::new();
                cors.complete(origin.as_ref(), &mut headers);
                Err(headers.iter().fold(problem, |problem, (name, value)| problem.header(name.clone(), value.clone())))
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        live: &Live,
        place: usize,
        (context, room): (&Context, &Room),
    ) -> Result<Response<Body>, Problem> {
        let route = &live.table.routes[place];
        let guard = route.auth.as_ref();
        let sender = self.client(context.peer, request.headers());
        let client = guard.map(|guard| guard.admit(request.headers(), since_1970())).transpose()?;
        let verdict = self.judge(&request, client.as_ref(), live, place, &sender);
        if let Some(refused) = verdict.filter(|verdict| !verdict.admitted) {
            let detail = "this client has made as many requests as it may for now";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
            let problem = problem.header(RETRY_AFTER, seconds(refused.retry_after));
            return Err(allowance(route, refused)
                .into_iter()
                .fold(problem, |problem, (name, value)| problem.header(name, value)));
        }
        if request.method() == Method::TRACE {
            // It would show the client what the gateway adds (RFC 9110, section 9.3.8).
            let detail = "TRACE is not forwarded";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
        }
        let handshake = if route.websocket { Handshake::of(&request)? } else { None };
        let tunnel = handshake.as_ref().map(|_| self.place(&request, route, &sender)).transpose()?;
        let (mut head, body) = request.into_parts();
        if max_forwards::is_spent(&head.method, &mut head.headers)? {
            return Ok(options(route));
        }
        let length = body.size_hint().lower();
        if length > route.most_request_bytes {
            return Err(too_long(route.most_request_bytes));
        }
        let upstream = live.upstream(route, &head.headers, self.router.random());
        let upstream = upstream.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the route leads nowhere"))?;
        if let Some(guard) = guard {
            head.headers.remove(guard.credential());
        }
        let (address, via) = (sender.address(), self.via(head.version));
        rewrite(&mut head, route, upstream.authority(), via, context, sender)?;
        if let Some(client) = client {
            head.headers.insert(auth::CLIENT, client);
        }
        if let Some(handshake) = handshake {
            handshake::switch(&mut head.headers);
            head.extensions.insert(handshake);
        }
        let body = RequestBody::new(body, route.most_request_bytes, room);
        let mut response = match upstream.send(head, &body, route.persistence.over(upstream.persistence())).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let place = tunnel.ok_or_else(|| Failure::Switched("nobody asked for it").problem(upstream.name()))?;
                let told = Told { context: context.clone(), address, upstream: upstream.name().to_owned() };
                self.switched(response, place, told)
            }
            Ok(response) => received(response, route, upstream.name())?,
            Err(_) if body.is_too_long() => return Err(too_long(route.most_request_bytes)),
            Err(failure) => {
                macro_rules! line {
                    ($level:ident) => {
                        tracing::$level!(
                            request_id = context.correlation.request_id(),
                            trace_id = context.correlation.trace_id(),
                            client = %address,
                            upstream = upstream.name(),
                            reason = failure.label(),
                            error = failure.source_text(),
                            "no reply from the upstream"
                        )
                    };
                }
                // Nobody was asked; the upstream says when that begins and ends.
                if matches!(failure, Failure::Open(_)) {
                    line!(debug);
                } else {
                    line!(warn);
                }
                match &route.fallback {
                    Some(fallback) if failure.is_of_the_upstream() => degraded(fallback),
                    _ => return Err(failure.problem(upstream.name())),
                }
            }
        };
        let allowance = verdict.into_iter().flat_map(|verdict| allowance(route, verdict));
        for (name, value) in route.response_headers.iter().cloned().chain(allowance) {
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }

    /// The place of the tunnel that a handshake asks for.
    fn place<B>(&self, request: &Request<B>, route: &Route, sender: &Client) -> Result<Place, Problem> {
        if !handshake::is_welcome(request.headers(), sender.host(request.headers()), route.cors.as_ref()) {
            let detail = "pages of this origin may not open a WebSocket here: cors.origins of the route names others";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        self.tunnels.place().ok_or_else(|| {
            let detail = "too many WebSockets are open: try again later";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header(RETRY_AFTER, HeaderValue::from_static("1"))
        })
    }

    /// The reply 101 to the client, behind which its tunnel begins.
    fn switched(&self, mut reply: Response<Download>, place: Place, told: Told) -> Response<Body> {
        let upstream = hyper::upgrade::on(&mut reply);
        headers::strip_hop_by_hop(reply.headers_mut());
        handshake::switch(reply.headers_mut());
        *reply.version_mut() = Version::HTTP_11;
        let (mut head, download) = reply.into_parts();
        let begun = Instant::now();
        let tunnel =
            self.tunnels.to(upstream, place, download, move |reason, passed| told.ended(reason, passed, begun));
        head.extensions.insert(tunnel);
        Response::from_parts(head, Body::empty())
    }

    fn judge<B>(
        &self,
        request: &Request<B>,
        client: Option<&HeaderValue>,
        live: &Live,
        place: usize,
        sender: &Client,
    ) -> Option<Verdict> {
        let limit = live.table.routes[place].rate_limit.as_ref()?;
        let named = match &limit.client {
            ClientKey::Address => None,
            ClientKey::Client => client,
            ClientKey::Header(name) => request.headers().get(name),
        };
        // Which no address is: whoever names itself like the address of another must not use up what that one may do.
        let named = named.map(|name| [b"=", name.as_bytes()].concat());
        let client = named.unwrap_or_else(|| sender.address().to_string().into_bytes());
        live.judge(place, &client, self.router.now())
    }

    /// Whether all upstreams answer `/ready` with 200. `body` is that of the request that asks.
    pub async fn upstreams_are_ready(&self, body: Incoming) -> bool {
        let body = RequestBody::new(body, u64::MAX, &Room::new(0));
        for upstream in self.live().upstreams() {
            let (mut head, ()) = Request::new(()).into_parts();
            head.uri = Uri::from_static("/ready");
            head.headers.insert(HOST, upstream.authority().clone());
            let reply = upstream.send(head, &body, upstream.persistence()).await;
            if !reply.is_ok_and(|reply| reply.status() == StatusCode::OK) {
                return false;
            }
        }
        true
    }
}

/// What the log tells of a tunnel.
struct Told {
    context: Context,
    address: IpAddr,
    upstream: String,
}

impl Told {
    fn ended(&self, reason: Reason, passed: Passed, begun: Instant) {
        tracing::debug!(
            request_id = self.context.correlation.request_id(),
            trace_id = self.context.correlation.trace_id(),
            client = %self.address,
            upstream = self.upstream,
            reason = reason.label(),
            bytes_up = passed.up,
            bytes_down = passed.down,
            seconds = begun.elapsed().as_secs_f64(),
            "a WebSocket has ended"
        );
    }
}

/// Gives `request` the spelling of its `path` that the gateway goes by, if it is another.
///
/// # Errors
/// 400 where that would be too long for a target.
pub fn respell<B>(request: &mut Request<B>, path: &Path<'_>) -> Result<(), Problem> {
    if request.uri().path() != path.as_str() {
        let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
        *request.uri_mut() = origin_form([path.as_str(), &query].concat())?;
    }
    Ok(())
}

/// Makes the head of a request of `sender` that `route` takes, its path in the spelling of [`Path`], that of the request to
/// the upstream at `authority`; `via` names this hop.
///
/// # Errors
/// 400 where the target is none that can be sent.
pub fn rewrite(
    head: &mut Parts,
    route: &Route,
    authority: &HeaderValue,
    via: &HeaderValue,
    context: &Context,
    sender: Client,
) -> Result<(), Problem> {
    head.uri = origin_form(route.target(head.uri.path(), head.uri.query()))?;
    head.version = Version::HTTP_11;
    headers::to_upstream(&mut head.headers, authority, via, context, sender);
    for (name, value) in &route.request_headers {
        head.headers.insert(name, value.clone());
    }
    Ok(())
}

/// The upstream's reply as the client gets it.
fn received(mut response: Response<Download>, route: &Route, upstream: &str) -> Result<Response<Body>, Problem> {
    headers::strip_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    if route.most_reply_bytes == u64::MAX {
        return Ok(response.map(Body::stream));
    }
    if response.body().size_hint().lower() > route.most_reply_bytes {
        let detail = format!("upstream {upstream} sent a reply that is longer than {} bytes", route.most_reply_bytes);
        return Err(Problem::new(StatusCode::BAD_GATEWAY, detail).upstream(upstream));
    }
    // Of a body without a length the end is cut off, and the client can tell.
    let most = usize::try_from(route.most_reply_bytes).unwrap_or(usize::MAX);
    Ok(response.map(|body| Body::stream(Limited::new(body, most))))
}

/// The reply that stands in for the upstream's; `x-degraded` says that it does.
fn degraded(fallback: &Fallback) -> Response<Body> {
    let mut response = Response::new(Body::from(fallback.body.clone()));
    *response.status_mut() = fallback.status;
    response.headers_mut().insert(CONTENT_TYPE, fallback.content_type.clone());
    response.headers_mut().insert(HeaderName::from_static("x-degraded"), HeaderValue::from_static("fallback"));
    response
}

/// The answer to OPTIONS of the gateway itself: what `route` takes.
fn options(route: &Route) -> Response<Body> {
    let methods = route.allowed();
    // One that takes any method takes these for sure.
    let usual = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    let methods = if methods.is_empty() { &usual[..] } else { &methods[..] };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, cors::list(methods.iter().map(Method::as_str)));
    response
}

/// The time as tokens have it. A clock before 1970 is at its beginning.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn too_long(most: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request's body is longer than {most} bytes"))
}

/// What a client may still do, as headers (draft-ietf-httpapi-ratelimit-headers-03, the form that clients know).
fn allowance(route: &Route, verdict: Verdict) -> [(HeaderName, HeaderValue); 3] {
    let limit = route.rate_limit.as_ref().map_or(0, |limit| limit.terms.limit);
    [
        (HeaderName::from_static("ratelimit-limit"), limit.into()),
        (HeaderName::from_static("ratelimit-remaining"), verdict.remaining.into()),
        (HeaderName::from_static("ratelimit-reset"), seconds(verdict.reset)),
    ]
}

/// Whole seconds, rounded up: who comes back a moment too early is refused again.
fn seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(time.as_millis().div_ceil(1000) as u64)
}

/// `target`, a path and perhaps a query, as the target of a request.
fn origin_form(target: String) -> Result<Uri, Problem> {
    PathAndQuery::try_from(target)
        .map(Uri::from)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request target cannot be forwarded"))
}
