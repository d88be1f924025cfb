//! Jobs: submitted by a request, done by a worker, asked for by later requests.

pub(crate) mod kind;
pub(crate) mod queue;

use hyper::header::{HeaderMap, HeaderName};
use hyper::{Response, StatusCode};
use service::app::Call;
use service::message::body::Body;
use service::message::json;
use service::message::problem::Problem;
use service::message::{query, upload};

use kind::Kind;
use queue::{PutBack, Queue, Submitted};
use store::unavailable::RETRY_SECONDS;

/// The longest description of a job, in bytes: room for the longest text with every character escaped.
const LONGEST: usize = 32 * 1024;
/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 128;
const LISTED: usize = 100;
/// The header that makes a repeated POST the same job (draft-ietf-httpapi-idempotency-key-header). Taken as it is, quotes
/// included.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `POST /api/jobs`: 202, once the store has the job.
pub(crate) async fn submit(queue: &Queue, call: Call<'_>) -> Result<Response<Body>, Problem> {
    let Call { head, body, server, .. } = call;
    let kind: Kind = upload::json(&server.room, &head.headers, body, LONGEST).await?;
    kind.check().map_err(Problem::bad)?;
    let id = match queue.submit(&kind, idempotency_key(&head.headers)?).await? {
        Submitted::New(id) | Submitted::Same(id) => id,
        Submitted::Other => {
            let detail = "this Idempotency-Key belongs to another job: use a new one for each job";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        Submitted::Full => return Err(too_many(queue)),
    };
    Ok(accepted(id, &server.served_by_json))
}

/// `GET /api/jobs`: how many there are in each state.
pub(crate) async fn counts(queue: &Queue, served_by: &str) -> Result<Response<Body>, Problem> {
    Ok(json::named("jobs", &queue.counts().await?, served_by))
}

/// `GET /api/jobs/{id}`.
pub(crate) async fn status(queue: &Queue, id: &str, served_by: &str) -> Result<Response<Body>, Problem> {
    let id = parse_id(id)?;
    let job = queue.status(id).await?.ok_or_else(|| {
        let detail =
            format!("no job has the id {id}; one that is done is kept for {} s", queue.bounds().keep.as_secs());
        Problem::new(StatusCode::NOT_FOUND, detail)
    })?;
    Ok(json::named("job", &job, served_by))
}

/// `GET /api/jobs/dead`: the newest dead letters.
pub(crate) async fn dead(queue: &Queue, served_by: &str) -> Result<Response<Body>, Problem> {
    Ok(json::named("dead", &queue.dead(LISTED).await?, served_by))
}

/// `POST /api/jobs/dead/{id}`: the dead letter is a job again, with all its tries.
pub(crate) async fn put_back(queue: &Queue, id: &str, served_by: &str) -> Result<Response<Body>, Problem> {
    let id = parse_id(id)?;
    match queue.put_back(id).await? {
        PutBack::Queued => Ok(accepted(id, served_by)),
        PutBack::NoDeadLetter => Err(Problem::new(StatusCode::NOT_FOUND, format!("no dead letter has the id {id}"))),
        PutBack::Full => Err(too_many(queue)),
    }
}

fn accepted(id: u64, served_by: &str) -> Response<Body> {
    json::made(StatusCode::ACCEPTED, format!("/api/jobs/{id}"), json::named("id", &id, served_by))
}

fn too_many(queue: &Queue) -> Problem {
    Problem::busy(format!("{} jobs wait already", queue.queued()), RETRY_SECONDS)
}

/// The Idempotency-Key of a request, where it has one.
///
/// # Errors
/// 400 where it has two, or none that fits.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(key), more) = (keys.next(), keys.next()) else { return Ok(None) };
    let visible = |text: &&str| (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let key = key.to_str().ok().filter(visible).filter(|_| more.is_none());
    key.map(Some).ok_or_else(|| {
        let detail = format!("Idempotency-Key is given once, with 1 to {LONGEST_KEY} visible ASCII characters");
        Problem::bad(detail)
    })
}

fn parse_id(id: &str) -> Result<u64, Problem> {
    // What the store counts with is a signed number.
    const MOST: u64 = i64::MAX as u64;
    query::number(id, 1..=MOST).ok_or_else(|| Problem::bad(format!("a job's id is a whole number from 1 to {MOST}")))
}
