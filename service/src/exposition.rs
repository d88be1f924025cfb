//! `/metrics` on a port of its own, so that no Service or Ingress exposes it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::body::Body;
use crate::metrics::CONTENT_TYPE as OPEN_METRICS;
use crate::server::Server;
use crate::{connection, listener};

/// Scrapers open at once. More than a few is a mistake or an attack.
const CONNECTIONS: usize = 64;
/// How long a scraper may wait between requests; above the usual minute between scrapes.
const IDLE: Duration = Duration::from_secs(75);

/// Serves the metrics of `server` until dropped. It does not drain: a scraper asks again.
pub async fn serve(listener: TcpListener, server: Arc<Server>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (stream, _) = listener::accept(&listener).await;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<_>| {
                let response = answer(&server, request.method(), request.uri().path());
                async { Ok::<_, Infallible>(response) }
            });
            // A scraper that goes away early is no event.
            let _ = connection::http1(IDLE).serve_connection(TokioIo::new(stream), service).await;
            drop(slot);
        });
    }
}

fn answer(server: &Server, method: &Method, path: &str) -> Response<Body> {
    let is_get = method == Method::GET || method == Method::HEAD;
    match (path, server.metrics.render()) {
        ("/metrics", Ok(text)) if is_get => {
            let mut response = Response::new(Body::from(text));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
            response
        }
        ("/metrics", Ok(_)) => {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        ("/metrics", Err(_)) => status(StatusCode::INTERNAL_SERVER_ERROR),
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
