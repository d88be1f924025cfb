//! The gateway: from a client's request to the upstream's and back.

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use service::body::Body;
use service::exchange::Context;
use service::problem::Problem;

use crate::upload::RequestBody;
use crate::upstream::Upstream;
use crate::{headers, path};

/// What the prefix of the gateway stands for at the upstream.
const PREFIX: &str = "/api/";

/// Forwards requests to an upstream.
pub struct Proxy {
    upstream: Upstream,
    /// This hop in the Via header of requests.
    via: HeaderValue,
}

impl Proxy {
    /// Forwards to `upstream`; `name` stands for this gateway in the Via header.
    #[must_use]
    pub fn new(upstream: Upstream, name: &str) -> Self {
        // A name that the configuration let through is visible ASCII.
        let via = HeaderValue::try_from(format!("1.1 {name}"));
        Self { upstream, via: via.unwrap_or(HeaderValue::from_static("1.1 gateway")) }
    }

    /// Answers a request for `rest`, the path below the gateway's prefix.
    ///
    /// # Errors
    /// The problem to report: what was refused, or that the upstream gave no reply.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        rest: &str,
        context: &Context,
    ) -> Result<Response<Body>, Problem> {
        if request.method() == Method::TRACE {
            // It would show the client what the gateway adds (RFC 9110, section 9.3.8).
            let detail = "TRACE is not forwarded";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
        }
        path::check(rest)?;
        let (mut head, body) = request.into_parts();
        head.uri = target(rest, head.uri.query())?;
        head.version = Version::HTTP_11;
        headers::to_upstream(&mut head.headers, self.upstream.authority(), &self.via, context);
        match self.upstream.send(head, &RequestBody::new(body)).await {
            Ok(mut response) => {
                headers::strip_hop_by_hop(response.headers_mut());
                *response.version_mut() = Version::HTTP_11;
                Ok(response.map(Body::stream))
            }
            Err(failure) => {
                tracing::warn!(
                    request_id = context.correlation.request_id(),
                    upstream = self.upstream.name(),
                    reason = failure.label(),
                    error = failure.source_text(),
                    "no reply from the upstream"
                );
                Err(failure.problem(self.upstream.name()))
            }
        }
    }

    /// Whether the upstream answers `/ready` with 200. `body` is that of the request that asks.
    pub async fn upstream_is_ready(&self, body: Incoming) -> bool {
        let (mut head, ()) = Request::new(()).into_parts();
        head.uri = Uri::from_static("/ready");
        head.headers.insert(HOST, self.upstream.authority().clone());
        self.upstream.send(head, &RequestBody::new(body)).await.is_ok_and(|reply| reply.status() == StatusCode::OK)
    }
}

/// The target at the upstream, in origin form.
fn target(rest: &str, query: Option<&str>) -> Result<Uri, Problem> {
    let text = match query {
        Some(query) => format!("{PREFIX}{rest}?{query}"),
        None => format!("{PREFIX}{rest}"),
    };
    PathAndQuery::try_from(text)
        .map(Uri::from)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request target cannot be forwarded"))
}
