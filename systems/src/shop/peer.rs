//! Another service of the shop: asked with a limit for each try and for all, again after 100, 200 and 400 ms, and not at all for half a
//! minute after five requests in a row that brought nothing.
//!
//! What is asked here may be asked twice: it reads, or it is a command that does nothing more when it comes again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use service::calls::backoff::{self, MOST_RETRIES};
use service::calls::breaker::{Admission, Breaker, Outcome, Pass, Threshold};
use service::calls::origin::Origin;
use service::message::correlation::{Correlation, random};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// For one try.
const ATTEMPT: Duration = Duration::from_secs(2);
/// For all tries.
pub(crate) const OVERALL: Duration = Duration::from_secs(5);
/// Connections that are kept.
const MOST_IDLE: usize = 16;
/// The longest reply, in bytes.
const LONGEST: usize = 64 * 1024;

/// A service that is asked.
pub(crate) struct Peer {
    /// What it is called in replies and logs.
    pub(crate) name: &'static str,
    origin: Origin,
    breaker: Mutex<Breaker>,
    /// What the breaker counts from.
    epoch: Instant,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// It gave no answer; and why, for the log.
#[derive(Debug)]
pub(crate) struct Silent(String);

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Peer {
    pub(crate) fn new(name: &'static str, origin: Origin) -> Self {
        let breaker = Mutex::new(Breaker::new(Threshold::default()));
        Self { name, origin, breaker, epoch: Instant::now(), idle: Mutex::default() }
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// As [`Peer::ask`].
    pub(crate) async fn get(&self, path: &str, correlation: &Correlation) -> Result<(StatusCode, Value), Silent> {
        self.ask(self.request(&Method::GET, path, Bytes::new(), correlation), correlation).await
    }

    /// Sends a command to `path`.
    ///
    /// # Errors
    /// As [`Peer::ask`].
    pub(crate) async fn post(
        &self,
        path: &str,
        command: &Value,
        correlation: &Correlation,
    ) -> Result<(StatusCode, Value), Silent> {
        self.ask(self.request(&Method::POST, path, command.to_string().into(), correlation), correlation).await
    }

    /// Asks, with what ties the log lines of all services together.
    ///
    /// # Errors
    /// Where no reply below 500 came in time, whether what was asked for was done or not.
    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        correlation: &Correlation,
    ) -> Result<(StatusCode, Value), Silent> {
        let admission = self.breaker().admit(self.epoch.elapsed());
        let Admission::Admitted(pass) = admission else {
            return Err(Silent("it is not asked: its last requests failed".to_owned()));
        };
        // Until it is told, so that who is given up in the middle of a trial leaves no breaker half open for good.
        let mut told = Told { peer: self, pass, outcome: Outcome::Unknown };
        let asked = timeout(OVERALL, self.tries(&request)).await;
        let asked = asked.unwrap_or_else(|_| Err(Silent(format!("no answer within {} s", OVERALL.as_secs()))));
        told.outcome = if asked.is_ok() { Outcome::Success } else { Outcome::Failure };
        if let Err(why) = &asked {
            tracing::warn!(peer = self.name, path = request.uri().path(), %why, request_id = correlation.request_id(), "peer: no answer");
        }
        asked
    }

    async fn tries(&self, request: &Request<Full<Bytes>>) -> Result<(StatusCode, Value), Silent> {
        let mut retry = 0;
        loop {
            let tried = timeout(ATTEMPT, self.attempt(request.clone())).await;
            let failure = match tried.unwrap_or_else(|_| Err(format!("silent for {} s", ATTEMPT.as_secs()))) {
                Ok((status, value)) if status.as_u16() < 500 => return Ok((status, value)),
                Ok((status, _)) => format!("it answers {status}"),
                Err(failure) => failure,
            };
            if retry == MOST_RETRIES {
                return Err(Silent(failure));
            }
            sleep(backoff::wait(retry, random() as u32)).await;
            retry += 1;
        }
    }

    fn request(&self, method: &Method, path: &str, body: Bytes, correlation: &Correlation) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().expect("a path of this program's own");
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(&self.origin.authority).expect("it was parsed as one"));
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        correlation.pass_on(headers);
        request
    }

    async fn attempt(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Value), String> {
        let mut connection = match self.kept() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let reply = connection.send_request(request).await.map_err(|error| error.to_string())?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), LONGEST).collect().await.map_err(|error| error.to_string())?;
        let value =
            serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("its reply is no JSON: {error}"))?;
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        Ok((status, value))
    }

    /// A connection that was kept, and that its other end has not closed.
    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(SendRequest::is_ready)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect((self.origin.host.as_str(), self.origin.port));
        let stream = stream.await.map_err(|error| error.to_string())?;
        // A failure shows in the first request.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // Ends with its sender. How it ended is told by the request on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that the breaker let through.
struct Told<'p> {
    peer: &'p Peer,
    pass: Pass,
    outcome: Outcome,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.peer.breaker().record(self.pass, self.outcome, self.peer.epoch.elapsed());
    }
}
