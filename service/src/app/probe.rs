//! What the kubelet asks: liveness, readiness and startup.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Response, StatusCode};

use super::Server;
use crate::message::body::Body;

/// A probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/health`: the event loop turns. 200 as long as anything is answered at all: a draining server is no dead one.
    Health,
    /// `/ready`: 200 while serving, else 503.
    Ready,
    /// `/started`: 503 until the server has started.
    Started,
}

impl Probe {
    /// Whether `path` is that of a probe.
    pub fn is_at(path: &str) -> bool {
        matches!(path, "/health" | "/ready" | "/started")
    }

    /// The reply: `{"status":...,"served_by":{...}}`, where the status is the phase's name.
    pub fn answer(self, server: &Server) -> Response<Body> {
        self.answer_if(true, server)
    }

    /// As [`Probe::answer`], and 503 unless `condition` holds as well.
    pub fn answer_if(self, condition: bool, server: &Server) -> Response<Body> {
        let phase = server.phase();
        let passed = condition
            && match self {
                Self::Health => true,
                Self::Ready => server.is_ready(),
                Self::Started => phase.is_started(),
            };
        let body = format!(r#"{{"status":"{}","served_by":{}}}"#, phase.name(), server.served_by_json);
        let status = if passed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Body::from(body).reply(status, &[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")])
    }
}
