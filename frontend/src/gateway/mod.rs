//! From a client's request to the upstream's and back: the one place that knows them all.
//!
//! A request that a route takes is checked (`guard`), made the upstream's (`rewrite`), sent, and its reply made the client's
//! (`reply`); or several are sent for it, and their replies put together (`aggregate`).

mod aggregate;
mod guard;
mod reply;
mod rewrite;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Body as _;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use service::app::{Context, Reply};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::room::Room;
use tokio::sync::Semaphore;

use crate::body::RequestBody;
use crate::client::{Client, Networks};
use crate::headers;
use crate::routes::shared_limit::{Judging, SharedLimit};
use crate::routes::{Live, Route, Router, max_forwards};
use crate::tunnel::{self, Tunnels};
use crate::upstream::{Failure, Kind, Source, Upstream};
use aggregate::Asked;
pub(crate) use aggregate::MOST_PARTS_UNDER_WAY;
use guard::Cleared;
use reply::Told;
pub use rewrite::rewrite;

pub(crate) struct Gateway {
    router: Arc<Router>,
    /// For limits of all gateways; `None` without a store.
    shared: Option<Box<SharedLimit>>,
    /// This hop in the Via header of requests that came as HTTP/1.0 and as HTTP/1.1.
    via: [HeaderValue; 2],
    /// Proxies that are believed.
    trusted: Networks,
    tunnels: Arc<Tunnels>,
    /// For parts of replies that are put together.
    places: Semaphore,
}

impl Gateway {
    /// Forwards by the tables of `router`, and counts in `shared` what all gateways limit together; `name` stands for this gateway in the Via header. The proxies of the networks
    /// `trusted` are believed what they say of clients. Each WebSocket becomes one of the `tunnels`.
    pub(crate) fn new(
        (router, shared): (Arc<Router>, Option<SharedLimit>),
        name: &str,
        trusted: Networks,
        tunnels: Arc<Tunnels>,
    ) -> Self {
        // A name that the configuration let through is visible ASCII.
        let via = |version, unnamed| {
            HeaderValue::try_from(format!("{version} {name}")).unwrap_or(HeaderValue::from_static(unnamed))
        };
        let places = Semaphore::new(MOST_PARTS_UNDER_WAY);
        Self {
            router,
            shared: shared.map(Box::new),
            via: [via("1.0", "1.0 gateway"), via("1.1", "1.1 gateway")],
            trusted,
            tunnels,
            places,
        }
    }

    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Client {
        Client::of(&self.trusted, peer.ip(), headers)
    }

    /// What all gateways together say of a request of `peer`; to be put into its extensions before it is answered. None where
    /// `route` does not ask for that.
    pub(crate) fn judging(&self, request: &Request<Incoming>, route: &Route, peer: SocketAddr) -> Option<Judging> {
        let limit = route.rate_limit.as_ref().filter(|limit| limit.global)?;
        guard::judging(request, self.shared.as_deref()?, (route, limit), &self.client(peer, request.headers()))
    }

    /// Answers a request that the route at `place` of the table `live` takes; what is kept of its body takes `room`.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        (live, place): (&Live, usize),
        context: &Context,
        room: &Room,
    ) -> Reply {
        let route = &live.table.routes[place];
        let cors = route.cors.as_ref().map(|cors| (cors, request.headers().get(ORIGIN).cloned()));
        let mut result = self.forward(request, (live, place), context, room).await;
        if let Some((cors, origin)) = cors {
            match &mut result {
                Ok(response) => cors.complete(origin.as_ref(), response.headers_mut()),
                Err(_) => result = result.map_err(|problem| cors.complete_problem(origin.as_ref(), problem)),
            }
        }
        Reply { route: route.label(), result }
    }

    /// The way of a request from here to the upstream and back.
    async fn forward(
        &self,
        request: Request<Incoming>,
        (live, place): (&Live, usize),
        context: &Context,
        room: &Room,
    ) -> Result<Response<Body>, Problem> {
        let route = &live.table.routes[place];
        let sender = self.client(context.peer, request.headers());
        let address = sender.address();
        let Cleared { client, allowance, websocket } =
            guard::check(&request, &self.router, (live, place), &sender, &self.tunnels)?;

        let (mut head, body) = request.into_parts();
        if max_forwards::is_spent(&head.method, &mut head.headers)? {
            return Ok(reply::options(route));
        }
        if body.size_hint().lower() > route.most_request_bytes {
            return Err(too_long(route));
        }
        if !route.aggregate.is_empty() {
            self.rewrite(&mut head, route, &HeaderValue::from_static(""), context, (sender, client))?;
            // In a box, or the memory of every connection would have room for it.
            let mut response = Box::pin(self.put_together(head, (live, route), context, address, room)).await?;
            told(&mut response, route, allowance);
            return Ok(response);
        }
        let upstream = live.upstream(route, &head.headers, self.router.random());
        let upstream = upstream.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the route leads nowhere"))?;
        self.rewrite(&mut head, route, upstream.authority(), context, (sender, client))?;
        let (handshake, tunnel) = websocket.unzip();
        if let Some(handshake) = handshake {
            tunnel::switch(&mut head.headers);
            head.extensions.insert(handshake);
        }

        let body = RequestBody::new(body, route.most_request_bytes, room);
        let mut response = match upstream.send(head, &body, route.persistence.over(upstream.persistence())).await {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let nobody = || Failure::from(Kind::Switched).problem(upstream.name());
                let place = tunnel.ok_or_else(nobody)?;
                let told = Told { context: context.clone(), address, upstream: upstream.name().to_owned() };
                reply::switched(response, &self.tunnels, place, told)
            }
            Ok(response) => reply::received(response, route, upstream.name())?,
            Err(_) if body.is_too_long() => return Err(too_long(route)),
            Err(failure) => {
                log(&failure, upstream, context, address);
                match &route.fallback {
                    Some(fallback) if failure.source() != Source::Client => fallback.reply(),
                    _ => return Err(failure.problem(upstream.name())),
                }
            }
        };
        told(&mut response, route, allowance);
        Ok(response)
    }

    /// Makes the head of a request of a sender, whom `auth` may know as a client, that of the one to the upstream at `authority`.
    fn rewrite(
        &self,
        head: &mut Parts,
        route: &Route,
        authority: &HeaderValue,
        context: &Context,
        (sender, client): (Client, Option<HeaderValue>),
    ) -> Result<(), Problem> {
        if let Some(guard) = &route.auth {
            head.headers.remove(guard.credential());
        }
        let via = &self.via[usize::from(head.version != Version::HTTP_10)];
        rewrite(head, route, authority, via, context, sender)?;
        if let Some(client) = client {
            head.headers.insert(headers::CLIENT, client);
        }
        Ok(())
    }

    /// The reply that `route` puts together, for a request whose head is made for upstreams.
    async fn put_together(
        &self,
        mut head: Parts,
        (live, route): (&Live, &Route),
        context: &Context,
        client: IpAddr,
        room: &Room,
    ) -> Result<Response<Body>, Problem> {
        aggregate::ask_for_json(&mut head);
        let asked = Asked { live, route, head: &head, places: &self.places, room };
        let answered = asked.answer(|failure, upstream| log(failure, upstream, context, client)).await;
        match (answered, &route.fallback) {
            (Err(problem), Some(fallback)) if problem.status().is_server_error() => Ok(fallback.reply()),
            (answered, _) => answered,
        }
    }
}

/// Adds to the reply of `route` what the route says, and what its client may still do.
fn told(response: &mut Response<Body>, route: &Route, allowance: Option<[(HeaderName, HeaderValue); 3]>) {
    for (name, value) in route.response_headers.iter().cloned().chain(allowance.into_iter().flatten()) {
        response.headers_mut().insert(name, value);
    }
}

fn log(failure: &Failure, upstream: &Upstream, context: &Context, client: IpAddr) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = context.correlation.request_id(),
                trace_id = context.correlation.trace_id(),
                client = %client,
                upstream = upstream.name(),
                reason = failure.label(),
                error = failure.cause(),
                "no reply from the upstream"
            )
        };
    }
    // Of an open breaker the upstream says when that begins and ends, and of a full bulkhead a line each would be a flood.
    if failure.source() == Source::Gateway {
        line!(debug);
    } else {
        line!(warn);
    }
}

fn too_long(route: &Route) -> Problem {
    let detail = format!("the request's body is longer than {} bytes", route.most_request_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
