//! One list and one watch of each kind, however many pages are open.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

mod api;
mod cursor;
mod lines;
mod look;

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use tokio::time::{sleep, timeout};

pub use api::{Api, Credentials, Url};
pub use look::{BYTES, TOGETHER, look};

use crate::board::Board;
use crate::known::Kind;
use cursor::{Cursor, Learned};
use lines::Lines;

/// For a connection, a head, and the body of a list, each.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server is asked to keep a watch, in seconds: one that is dead without a word is noticed after it.
const WATCH_SECONDS: u64 = 60;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest page of a list, in bytes: a hundred objects, of which one may have 1.5 MiB but few have more than 20 KiB.
const LONGEST_PAGE: usize = 8 << 20;

/// Follows the objects of `kind`, until it is dropped.
pub async fn follow(kind: Kind, api: &Api, board: &Board) {
    let mut cursor = Cursor::new(kind);
    loop {
        let Err(why) = turn(&mut cursor, kind, api, board).await else { continue };
        if board.lost(kind, &why) {
            tracing::warn!(resource = kind.resource().1, %why, "watch: it sees nothing");
        }
        sleep(PAUSE).await;
    }
}

/// One request, and all that comes of it.
async fn turn(cursor: &mut Cursor, kind: Kind, api: &Api, board: &Board) -> Result<(), String> {
    let reply = timeout(PATIENCE, api.get(&cursor.path(api.namespace(), WATCH_SECONDS))).await;
    let reply = reply.map_err(|_| format!("no reply within {} s", PATIENCE.as_secs()))??;
    match reply.status() {
        StatusCode::OK if cursor.lists() => list(cursor, reply, kind, board).await,
        StatusCode::OK => watch(cursor, reply, kind, board).await,
        // What was to be gone on with is too old to be known.
        StatusCode::GONE => {
            cursor.restart();
            Ok(())
        }
        StatusCode::FORBIDDEN => Err("403: its Role does not allow it".to_owned()),
        status => Err(status.to_string()),
    }
}

async fn list(cursor: &mut Cursor, reply: Response<Incoming>, kind: Kind, board: &Board) -> Result<(), String> {
    let body = timeout(PATIENCE, Limited::new(reply.into_body(), LONGEST_PAGE).collect()).await;
    let body = body.map_err(|_| "a list that does not end".to_owned())?.map_err(|error| error.to_string())?;
    if let Some(change) = cursor.page(&body.to_bytes())? {
        board.learn(kind, change);
        board.found(kind);
    }
    Ok(())
}

/// Ends well where the server ends the watch in time: the next one goes on where it ended.
async fn watch(cursor: &mut Cursor, reply: Response<Incoming>, kind: Kind, board: &Board) -> Result<(), String> {
    board.found(kind);
    let mut body = reply.into_body();
    let mut lines = Lines::default();
    loop {
        let frame = timeout(Duration::from_secs(WATCH_SECONDS) + PATIENCE, body.frame()).await;
        let frame = match frame.map_err(|_| "a watch that is silent".to_owned())? {
            None => return Ok(()),
            Some(frame) => frame.map_err(|error| error.to_string())?,
        };
        let Ok(bytes) = frame.into_data() else { continue };
        lines.add(&bytes)?;
        while let Some(line) = lines.next() {
            match cursor.line(&line)? {
                Learned::Change(change) => board.learn(kind, change),
                Learned::Nothing => {}
                Learned::Expired => {
                    cursor.restart();
                    return Ok(());
                }
            }
        }
    }
}
