//! Looks at the figures of the pods, at their `/metrics`, while somebody follows: pods are asked, and not the API server, for which that
//! would be one right more, and which has neither requests in flight nor throttling.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::api::send;
use crate::board::Board;
use crate::known::Sample;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(3);
/// For a pod to say what it has to say.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest text of a pod, in bytes.
const LONGEST: usize = 128 << 10;
/// Pods that are asked at a time.
pub const TOGETHER: usize = 8;
/// What one that is asked takes at most, in bytes: its text, in pieces and put together.
pub const BYTES: u64 = 2 * LONGEST as u64;

/// Looks at all pods, again and again, until it is dropped.
pub async fn look(board: &Board) {
    let start = Instant::now();
    loop {
        let mut found = Vec::new();
        for some in board.measurable().chunks(TOGETHER) {
            let mut asked = JoinSet::new();
            for (name, address) in some.iter().cloned() {
                asked.spawn(async move { Some((name, sample(address, start).await?)) });
            }
            found.extend(asked.join_all().await.into_iter().flatten());
        }
        board.measure(found);
        sleep(PAUSE).await;
    }
}

/// What the pod at `address` says, if it does.
async fn sample(address: SocketAddr, start: Instant) -> Option<Sample> {
    let ask = async {
        let request = Request::get("/metrics").header(HOST, address.to_string()).body(Empty::<Bytes>::new()).ok()?;
        let reply = send(TcpStream::connect(address).await.ok()?, request).await.ok()?;
        let body = Limited::new(reply.into_body(), LONGEST);
        Some(body.collect().await.ok()?.to_bytes())
    };
    let text = timeout(PATIENCE, ask).await.ok()??;
    Some(Sample::read(std::str::from_utf8(&text).ok()?, start.elapsed()))
}
