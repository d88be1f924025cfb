//! The gateway: from a client's request to the upstream's and back.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use service::body::Body;
use service::exchange::Context;
use service::problem::Problem;

use crate::router::{Live, Router};
use crate::table::Route;
use crate::upload::RequestBody;
use crate::{headers, path};

/// Forwards requests as the route table says.
pub struct Proxy {
    router: Arc<Router>,
    /// This hop in the Via header of requests.
    via: HeaderValue,
}

impl Proxy {
    /// Forwards by the tables of `router`; `name` stands for this gateway in the Via header.
    #[must_use]
    pub fn new(router: Arc<Router>, name: &str) -> Self {
        // A name that the configuration let through is visible ASCII.
        let via = HeaderValue::try_from(format!("1.1 {name}"));
        Self { router, via: via.unwrap_or(HeaderValue::from_static("1.1 gateway")) }
    }

    /// The table in force now.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.router.live()
    }

    /// Answers a request that `route`, of the table `live`, takes.
    ///
    /// # Errors
    /// The problem to report: what was refused, or that the upstream gave no reply.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        live: &Live,
        route: &Route,
        context: &Context,
    ) -> Result<Response<Body>, Problem> {
        if request.method() == Method::TRACE {
            // It would show the client what the gateway adds (RFC 9110, section 9.3.8).
            let detail = "TRACE is not forwarded";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
        }
        let (mut head, body) = request.into_parts();
        path::check(head.uri.path().strip_prefix('/').unwrap_or_default())?;
        let upstream = live.upstream(route, &head.headers, self.router.random());
        let upstream = upstream.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the route leads nowhere"))?;
        head.uri = target(&route.target(head.uri.path()), head.uri.query())?;
        head.version = Version::HTTP_11;
        headers::to_upstream(&mut head.headers, upstream.authority(), &self.via, context);
        for (name, value) in &route.request_headers {
            head.headers.insert(name, value.clone());
        }
        match upstream.send(head, &RequestBody::new(body)).await {
            Ok(mut response) => {
                headers::strip_hop_by_hop(response.headers_mut());
                for (name, value) in &route.response_headers {
                    response.headers_mut().insert(name, value.clone());
                }
                *response.version_mut() = Version::HTTP_11;
                Ok(response.map(Body::stream))
            }
            Err(failure) => {
                tracing::warn!(
                    request_id = context.correlation.request_id(),
                    upstream = upstream.name(),
                    reason = failure.label(),
                    error = failure.source_text(),
                    "no reply from the upstream"
                );
                Err(failure.problem(upstream.name()))
            }
        }
    }

    /// Whether all upstreams answer `/ready` with 200. `body` is that of the request that asks.
    pub async fn upstreams_are_ready(&self, body: Incoming) -> bool {
        let body = RequestBody::new(body);
        for upstream in self.live().upstreams() {
            let (mut head, ()) = Request::new(()).into_parts();
            head.uri = Uri::from_static("/ready");
            head.headers.insert(HOST, upstream.authority().clone());
            if !upstream.send(head, &body).await.is_ok_and(|reply| reply.status() == StatusCode::OK) {
                return false;
            }
        }
        true
    }
}

/// The target at the upstream, in origin form.
fn target(path: &str, query: Option<&str>) -> Result<Uri, Problem> {
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    PathAndQuery::try_from(text)
        .map(Uri::from)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the request target cannot be forwarded"))
}
