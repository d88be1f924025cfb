//! `/metrics`, and what an app shows of itself, on a port of its own, so that no Service or Ingress exposes it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::listener;
use crate::app::{App, Server};
use crate::connection::stream::Stream;
use crate::connection::{self, closing};
use crate::exchange::traffic::Traffic;
use crate::message::body::Body;
use crate::settings::limits::Limits;
use crate::telemetry::metrics::CONTENT_TYPE as OPEN_METRICS;

/// Scrapers open at once. More than a few is a mistake or an attack.
const CONNECTIONS: usize = 16;
/// How long a scraper may wait between requests; above the usual minute between scrapes.
const IDLE: Duration = Duration::from_secs(75);

/// Serves the metrics of `server`, and what `app` shows, until dropped. It does not drain: a scraper asks again.
pub async fn serve<A: App>(listener: TcpListener, server: Arc<Server>, app: Arc<A>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let limits = Limits { idle: IDLE, ..Limits::default() };
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (mut socket, _) = listener::accept(&listener).await;
        let (server, app) = (Arc::clone(&server), Arc::clone(&app));
        tokio::spawn(async move {
            let (traffic, requests) = (Traffic::default(), AtomicU64::new(0));
            let service = service_fn(|request: Request<Incoming>| {
                let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
                let refusal = traffic.refusal_of(number);
                let mut response = match refusal {
                    Some(refusal) => Body::empty().reply(refusal.status, &[]),
                    None => answer(&server, &*app, request.method(), request.uri().path()),
                };
                if refusal.is_some() || !request.body().is_end_stream() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                async { Ok::<_, Infallible>(response) }
            });
            // Scrapers are held to the pace of all other clients. One that goes away early is no event.
            let stream = TokioIo::new(Stream::new(&mut socket, &limits, &traffic, None));
            let mut connection = connection::http1(&limits).serve_connection(stream, service);
            let _ = connection::to_its_end(&mut connection, &traffic, || false).await;
            drop(connection);
            if traffic.ends_early(requests.into_inner()) {
                closing::read_on(&socket, server.phases()).await;
            }
            drop(slot);
        });
    }
}

fn answer<A: App>(server: &Server, app: &A, method: &Method, path: &str) -> Response<Body> {
    let content = match path {
        "/metrics" => {
            server.metrics.render().map(|text| (OPEN_METRICS, text)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
        }
        path => app.inspect(path).map(|text| ("application/json", text)).ok_or(StatusCode::NOT_FOUND),
    };
    match content {
        Ok((content_type, text)) if method == Method::GET || method == Method::HEAD => {
            Body::from(text).reply(StatusCode::OK, &[(CONTENT_TYPE, content_type)])
        }
        Ok(_) => Body::empty().reply(StatusCode::METHOD_NOT_ALLOWED, &[(ALLOW, "GET, HEAD")]),
        Err(status) => Body::empty().reply(status, &[]),
    }
}
