//! A small app that the server's own tests run.

use std::time::Duration;

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response, StatusCode};
use service::app::probe::Probe;
use service::app::{App, Context, Reply, Server};
use service::message::body::{Body, BodyError};
use service::message::incoming::Incoming;
use service::process::identity::Identity;
use service::settings::environment::Environment;
use service::telemetry::metrics::Metrics;

/// Greets; some of its paths are slow, fail, keep what they get, or have no end.
pub struct Sample;

impl App for Sample {
    const NAME: &'static str = "sample";
    const ABOUT: &'static str = "what the tests serve";
    type Config = ();

    fn configure(_: &mut Environment) {}

    fn new((): (), _: &Identity, _: &mut Metrics) -> Self {
        Self
    }

    async fn answer(&self, server: &Server, request: Request<Incoming>, _: &Context) -> Reply {
        let response = match request.uri().path() {
            "/ready" => Probe::Ready.answer(server),
            "/started" => Probe::Started.answer(server),
            "/health" => Probe::Health.answer(server),
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Response::new(Body::from("slow"))
            }
            "/failing" => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
            // An app that answers, and keeps the request's body without reading it.
            "/kept" => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    drop(request);
                });
                Response::new(Body::from("kept"))
            }
            "/endless" => Response::new(Body::stream(Endless)),
            "/echo" => {
                let body = request.into_body().collect().await.unwrap_or_default();
                Response::new(Body::from(body.to_bytes()))
            }
            "/streamed" => {
                let body: UnsyncBoxBody<Bytes, BodyError> =
                    Full::new(Bytes::from("streamed")).map_err(Into::into).boxed_unsync();
                Response::new(Body::stream(body))
            }
            _ => Response::new(Body::from("hello")),
        };
        Reply { route: "/sample".into(), result: Ok(response) }
    }
}

/// A body without an end.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 16 * 1024])))))
    }
}
