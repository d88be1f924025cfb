//! The replies of the gateway: the upstream's as the client gets it, and those that it makes itself.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Limited;
use hyper::body::Body as _;
use hyper::header::ALLOW;
use hyper::{Method, Response, StatusCode, Version};
use service::app::Context;
use service::message::body::Body;
use service::message::problem::Problem;
use tokio::time::Instant;

use crate::headers;
use crate::routes::Route;
use crate::tunnel::{self, Passed, Place, Reason, Tunnels};
use crate::upstream::{self, ReplyBody};

/// The upstream's reply as the client gets it.
pub(super) fn received(
    mut response: Response<ReplyBody>,
    route: &Route,
    upstream: &str,
) -> Result<Response<Body>, Problem> {
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

/// The upstream's reply 101, behind which one of the `tunnels` begins.
pub(super) fn switched(
    mut reply: Response<ReplyBody>,
    tunnels: &Arc<Tunnels>,
    place: Place,
    told: Told,
) -> Response<Body> {
    let upstream = upstream::switched(hyper::upgrade::on(&mut reply));
    headers::strip_hop_by_hop(reply.headers_mut());
    tunnel::switch(reply.headers_mut());
    *reply.version_mut() = Version::HTTP_11;
    let (mut head, body) = reply.into_parts();
    let begun = Instant::now();
    let tunnel = tunnels.to(upstream, place, body, move |reason, passed| told.ended(reason, passed, begun));
    head.extensions.insert(tunnel);
    Response::from_parts(head, Body::empty())
}

/// What the log tells of a tunnel.
pub(super) struct Told {
    pub(super) context: Context,
    pub(super) address: IpAddr,
    pub(super) upstream: String,
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

/// The answer to OPTIONS of the gateway itself: what `route` takes.
pub(super) fn options(route: &Route) -> Response<Body> {
    let methods = route.allowed();
    // One that takes any method takes these for sure.
    let usual = [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    let methods = if methods.is_empty() { &usual[..] } else { &methods[..] };
    let mut response = Body::empty().reply(StatusCode::NO_CONTENT, &[]);
    response.headers_mut().insert(ALLOW, headers::list(methods.iter().map(Method::as_str)));
    response
}
