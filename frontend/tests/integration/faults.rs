//! What upstreams do wrong on the wire, one by one: what the client gets, in which time, what is tried again, and that the
//! next request gets its own reply.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frontend::upstream::{Resilience, Timeouts};
use testing::running::Running;
use testing::scripted::{Scripted, Upstream};
use testing::wire::{Wire, until};

use crate::gateways::{PATIENT, PLAIN, assert_problem, gateway_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use Act::{Endless, HalfClose, Hold, Reset, Send, Serve};
use Seen::{Cut, Problem, Reply};

/// Timeouts of the upstreams that stall; what fails otherwise has to show long before those of [`PATIENT`].
const HASTY: Timeouts =
    Timeouts { attempt: Duration::from_millis(500), overall: Duration::from_millis(2500), ..PATIENT };
/// Far above [`HASTY`] for a busy machine, and below [`PATIENT`].
const SOON: Duration = Duration::from_secs(5);

const RETRYING: Resilience = Resilience { retries: 1, ..PLAIN };

/// What an upstream does to its first connection, once it has read a request. At the end it closes.
#[derive(Debug, Clone)]
enum Act {
    Send(String),
    /// Sends this for as long as it is taken.
    Endless(&'static str),
    /// Waits for the gateway to end the connection.
    Hold,
    /// Ends the connection with RST.
    Reset,
    /// Ends its own direction, and waits for the gateway to end the other.
    HalfClose,
    /// Answers every request from now on, as an upstream should.
    Serve,
}

/// What the client gets.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    /// A problem of the gateway's own, and the reason that is counted.
    Problem(u16, &'static str),
    /// The upstream's reply: its status and body.
    Reply(u16, String),
    /// A head, and the end of the connection before the end of the body; the reason that is counted.
    Cut(&'static str),
}

struct Fault {
    name: String,
    method: &'static str,
    acts: Vec<Act>,
    seen: Seen,
}

fn send(text: impl Into<String>) -> Act {
    Send(text.into())
}

fn fault<const N: usize>(name: impl Into<String>, acts: [Act; N], seen: Seen) -> Fault {
    Fault { name: name.into(), method: "GET", acts: acts.into(), seen }
}

fn of_head(fault: Fault) -> Fault {
    Fault { method: "HEAD", ..fault }
}

/// Before the reply's head was complete: another try may be made.
fn before_the_head() -> Vec<Fault> {
    let part = "HTTP/1.1 200 OK\r\nContent-Le";
    let broken = || Problem(502, "broken");
    let late = || Problem(504, "timeout");
    vec![
        fault("closed", [], broken()),
        fault("reset", [Reset], broken()),
        fault("half closed", [HalfClose], broken()),
        fault("silent", [Hold], late()),
        fault("closed within the status line", [send("HTTP/1.1 2")], broken()),
        fault("closed within the head", [send(part)], broken()),
        fault("reset within the head", [send(part), Reset], broken()),
        fault("half closed within the head", [send(part), HalfClose], broken()),
        fault("silent within the head", [send(part), Hold], late()),
        fault("silent after 103", [send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), Hold], late()),
        fault("closed after 100", [send("HTTP/1.1 100 Continue\r\n\r\n")], broken()),
        fault("103 without end", [Endless("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")], late()),
        fault("100 without end", [Endless("HTTP/1.1 100 Continue\r\n\r\n")], late()),
    ]
}

/// Heads that are no HTTP, or can be read in two ways.
fn malformed_heads() -> Vec<Fault> {
    let malformed = || Problem(502, "malformed");
    let head = |status: &str, fields: &str| send(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 2\r\n\r\nok"));
    let field = |text: &str| head("200 OK", text);
    let of_status = |status| {
        of_head(fault(
            format!("{status}, in reply to HEAD"),
            [send(format!("HTTP/1.1 {status}\r\nContent-Length: 2, 3\r\n\r\n")), Serve],
            malformed(),
        ))
    };
    let chunked = "\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    [
        ("another protocol", send("SSH-2.0-nope\r\n\r\n")),
        ("bytes", send("\0\u{1}\u{2}\u{3}\r\n\r\n")),
        ("no status line", send("Content-Length: 2\r\n\r\nok")),
        ("a body alone", send("<html>hello</html>\r\n\r\n")),
        ("status 99", head("99 Low", "")),
        ("status 099", head("099 Low", "")),
        ("status 1000", head("1000 High", "")),
        ("status in letters", head("two OK", "")),
        ("HTTP/2.0", send("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok")),
        ("HTTP/0.9", send("HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok")),
        ("a folded field", field("x-a: b\r\n c\r\n")),
        ("a bare CR", field("x-a: b\rc\r\n")),
        ("NUL in a value", field("x-a: b\0c\r\n")),
        ("NUL in a name", field("x\0a: b\r\n")),
        ("a space before the colon", field("x-a : b\r\n")),
        ("a field without a colon", field("x-a\r\n")),
        ("a long field", field(&format!("x-a: {}\r\n", "x".repeat(200_000)))),
        ("many fields", field(&"x-a: b\r\n".repeat(101))),
        ("the same length twice", field("Content-Length: 2\r\n")),
        ("the same length twice in one field", send("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok")),
        ("lengths that differ", field("Content-Length: 3\r\n")),
        ("lengths that differ in one field", send("HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok")),
        ("a negative length", send("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")),
        ("a length with a sign", send("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok")),
        ("a length above 2^64", send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok")),
        ("a coding not asked for", send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked{chunked}"))),
        ("a coding without chunks", send("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok")),
        (
            "chunks and a length",
            send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked{chunked}")),
        ),
        (
            "chunks twice",
            send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked{chunked}")),
        ),
        ("chunks in HTTP/1.0", send(format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked{chunked}"))),
    ]
    .into_iter()
    .map(|(name, act)| fault(name, [act, Serve], malformed()))
    .chain(["200 OK", "304 Not Modified"].map(of_status))
    .collect()
}

/// After the head: the client has it already, so all that is left is to cut the connection.
fn within_the_body() -> Vec<Fault> {
    let length = || send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    let chunks = |rest: &str| send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n{rest}"));
    let head = || send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    let broken = || Cut("body_broken");
    let silent = || Cut("body_timeout");
    vec![
        fault("closed after the head", [head()], broken()),
        fault("reset after the head", [head(), Reset], broken()),
        fault("silent after the head", [head(), Hold], silent()),
        fault("closed within the body", [length()], broken()),
        fault("half closed within the body", [length(), HalfClose], broken()),
        fault("reset within the body", [length(), Reset], broken()),
        fault("silent within the body", [length(), Hold], silent()),
        fault("closed before the last chunk", [chunks("")], broken()),
        fault("reset before the last chunk", [chunks(""), Reset], broken()),
        fault("silent before the last chunk", [chunks(""), Hold], silent()),
        fault("closed within a chunk", [chunks("a\r\nhalf")], broken()),
        fault("closed within a chunk's size", [chunks("1")], broken()),
        fault("closed within the end", [chunks("0\r\n")], broken()),
        fault("silent within the end", [chunks("0\r\n"), Hold], silent()),
        fault("a size that is none", [chunks("zz\r\nhalf\r\n0\r\n\r\n"), Serve], broken()),
        fault("a negative size", [chunks("-4\r\nhalf\r\n0\r\n\r\n"), Serve], broken()),
        fault("no size", [chunks("\r\nhalf\r\n0\r\n\r\n"), Serve], broken()),
        fault("a huge size", [chunks("fffffffffffffffff\r\nhalf\r\n0\r\n\r\n"), Serve], broken()),
        fault("no line end behind a chunk", [chunks("4\r\nhalf0\r\n\r\n"), Serve], broken()),
        fault(
            "a long extension",
            [chunks(&format!("4;{}\r\nhalf\r\n0\r\n\r\n", "x".repeat(100_000))), Serve],
            broken(),
        ),
        fault("long trailers", [chunks(&format!("0\r\nx-a: {}\r\n\r\n", "x".repeat(200_000))), Serve], broken()),
        fault("reset in a body without a length", [send("HTTP/1.0 200 OK\r\n\r\nhalf"), Reset], broken()),
    ]
}

/// Replies that are odd and good, and connections that may not be used again after them.
fn good_replies() -> Vec<Fault> {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let reply = |status, body: &str| Reply(status, body.to_owned());
    let same = |name: &str, text: String| fault(name, [send(text), Serve], reply(200, "ok"));
    let field = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
    vec![
        same("a reply in parts after 100", format!("HTTP/1.1 100 Continue\r\n\r\n{ok}")),
        same("102", format!("HTTP/1.1 102 Processing\r\n\r\n{ok}")),
        same("103 thrice", format!("{}{ok}", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(3))),
        same("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok".into()),
        same("an empty reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok".into()),
        same("says close, and stays", field("Connection: close\r\n")),
        fault("says keep-alive, and closes", [send(field("Connection: keep-alive\r\n"))], reply(200, "ok")),
        fault("says keep-alive, and resets", [send(field("Connection: keep-alive\r\n")), Reset], reply(200, "ok")),
        same(
            "HTTP/1.0 with keep-alive",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok".into(),
        ),
        same("HTTP/1.0 with a length, and stays", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".into()),
        fault("HTTP/1.0 until the end", [send("HTTP/1.0 200 OK\r\n\r\nok")], reply(200, "ok")),
        fault("HTTP/1.1 until the end", [send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok")], reply(200, "ok")),
        fault("half closed after the reply", [send(ok), HalfClose], reply(200, "ok")),
        same(
            "trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n2\r\nok\r\n0\r\nx-a: b\r\n\r\n"
                .into(),
        ),
        // The connection is out of step from here on: whoever used it again would get another's reply.
        same("two replies", format!("{ok}{poison}")),
        same("more bytes than the length", format!("{ok}more")),
        same(
            "a reply behind the last chunk",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{poison}"),
        ),
        fault(
            "204 with a body",
            [send(format!("HTTP/1.1 204 No Content\r\nContent-Length: {}\r\n\r\n{poison}", poison.len())), Serve],
            reply(204, ""),
        ),
        fault(
            "304 with a body",
            [send(format!("HTTP/1.1 304 Not Modified\r\nContent-Length: {}\r\n\r\n{poison}", poison.len())), Serve],
            reply(304, ""),
        ),
        of_head(fault(
            "HEAD with a body",
            [send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{poison}", poison.len())), Serve],
            reply(200, ""),
        )),
        of_head(fault(
            "HEAD with chunks",
            [
                send(format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{poison}\r\n0\r\n\r\n",
                    poison.len()
                )),
                Serve,
            ],
            reply(200, ""),
        )),
    ]
}

impl Fault {
    fn stalls(&self) -> bool {
        self.acts.iter().any(|act| matches!(act, Hold | Endless(_))) && !matches!(self.seen, Reply(..))
    }

    /// An upstream with this fault on its first connection, a gateway in front of it, and the requests that reach it.
    async fn start(&self, resilience: Resilience) -> (Running, SocketAddr, Arc<Mutex<Vec<String>>>) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (acts, noted) = (self.acts.clone(), Arc::clone(&requests));
        let upstream = Scripted::start(move |number, mut upstream| {
            let (acts, noted) = (acts.clone(), Arc::clone(&noted));
            async move {
                if number == 0 {
                    let Some(request) = request(&mut upstream).await else { return };
                    noted.lock().unwrap().push(request);
                    for act in acts {
                        act.play(&mut upstream, &noted).await;
                    }
                } else {
                    Serve.play(&mut upstream, &noted).await;
                }
            }
        })
        .await;
        let timeouts = if self.stalls() { HASTY } else { PATIENT };
        (gateway_with(upstream.address, timeouts, resilience), upstream.address, requests)
    }

    /// Checks what a client gets for a request of `method`, and that the next one gets its own reply.
    async fn check(&self, gateway: &Running, upstream: SocketAddr, method: &str, expected: &Seen) {
        let name = format!("{} {method}", self.name);
        let mut client = Wire::connect(gateway.address).await.unwrap();
        let body = if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
        let began = Instant::now();
        client.send(format!("{method} /proxy/first HTTP/1.1\r\nHost: test\r\n{body}")).await.unwrap();
        match (expected, client.reply(method).await) {
            (Problem(status, reason), Ok(reply)) => {
                assert_eq!(reply.status, *status, "{name}: {}", reply.text());
                assert_eq!(reply.body.is_empty(), method == "HEAD", "{name}");
                assert_problem(gateway, upstream, &reply).await;
                assert!(*status != 504 || began.elapsed() >= HASTY.attempt, "{name}: {:?}", began.elapsed());
                assert_eq!(failures(gateway), [(*reason).to_owned()], "{name}");
            }
            (Reply(status, body), Ok(reply)) => {
                assert_eq!((reply.status, reply.text()), (*status, body.as_str()), "{name}");
                assert_eq!(failures(gateway), [""; 0], "{name}");
            }
            (Cut(reason), Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{name}: {error}");
                assert_eq!(failures(gateway), [(*reason).to_owned()], "{name}");
                until("the exchange to end", async || gateway.server.metrics.requests_in_flight() == 0).await;
                client = Wire::connect(gateway.address).await.unwrap();
            }
            (_, seen) => panic!("{name}: {expected:?} is expected, and not {seen:?}"),
        }
        assert!(began.elapsed() < SOON, "{name}: {:?}", began.elapsed());
        for path in ["second", "third"] {
            let next = client.get(&format!("/proxy/{path}")).await;
            let next = next.unwrap_or_else(|error| panic!("{name}: the {path} request: {error}"));
            assert_eq!((next.status, next.text()), (200, format!("get /api/{path}").as_str()), "{name}");
        }
    }
}

impl Act {
    async fn play(self, upstream: &mut Upstream, noted: &Mutex<Vec<String>>) {
        match self {
            Send(text) => upstream.send(&text).await,
            Endless(text) => while upstream.stream.write_all(text.as_bytes()).await.is_ok() {},
            Hold => drop(upstream.stream.read_u8().await),
            Reset => upstream.reset(),
            HalfClose => {
                upstream.stream.shutdown().await.unwrap();
                let _ = upstream.stream.read_u8().await;
            }
            Serve => {
                while let Some(request) = request(upstream).await {
                    let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
                    let body = if request.starts_with("head") { "" } else { &request };
                    upstream.send(&(reply + body)).await;
                    noted.lock().unwrap().push(request);
                }
            }
        }
    }
}

/// Reads a request with its body; its method and path.
async fn request(upstream: &mut Upstream) -> Option<String> {
    let head = upstream.head().await?;
    if head.contains("content-length: 2") {
        upstream.stream.read_exact(&mut [0; 2]).await.ok()?;
    }
    // Who has once answered in HTTP/1.0 is asked in HTTP/1.0.
    head.lines().next()?.split_once(" http/1.").map(|(request, _)| request.to_owned())
}

/// The reasons of failures that were counted.
fn failures(gateway: &Running) -> Vec<String> {
    let metrics = gateway.metrics();
    let lines =
        metrics.lines().filter_map(|line| line.strip_prefix("upstream_failures_total{upstream=\"backend\",reason=\""));
    lines.filter_map(|rest| rest.strip_suffix("\"} 1")).map(str::to_owned).collect()
}

async fn check_each(faults: Vec<Fault>) {
    for fault in faults {
        let (gateway, upstream, _) = fault.start(PLAIN).await;
        fault.check(&gateway, upstream, fault.method, &fault.seen).await;

        // With a retry an idempotent request gets its reply from the next connection, unless it has had a head already.
        let (gateway, upstream, requests) = fault.start(RETRYING).await;
        let (expected, tries) = match &fault.seen {
            Problem(..) if fault.method == "HEAD" => (Reply(200, String::new()), 2),
            Problem(..) => (Reply(200, "get /api/first".to_owned()), 2),
            other => (other.clone(), 1),
        };
        fault.check(&gateway, upstream, fault.method, &expected).await;
        assert_eq!(asked(&requests), tries, "{}", fault.name);

        // What may have been done is not done twice.
        if fault.method == "GET" {
            let (gateway, upstream, requests) = fault.start(RETRYING).await;
            fault.check(&gateway, upstream, "POST", &fault.seen).await;
            assert_eq!(asked(&requests), 1, "{}", fault.name);
        }
    }
}

fn asked(requests: &Mutex<Vec<String>>) -> usize {
    requests.lock().unwrap().iter().filter(|request| request.ends_with("/api/first")).count()
}

#[tokio::test]
async fn before_the_head_the_client_gets_a_problem_or_another_try() {
    check_each(before_the_head()).await;
}

#[tokio::test]
async fn a_head_that_is_no_http_is_not_passed_on() {
    check_each(malformed_heads()).await;
}

#[tokio::test]
async fn within_the_body_the_client_sees_that_its_end_is_missing() {
    check_each(within_the_body()).await;
}

#[tokio::test]
async fn an_odd_reply_arrives_and_leaves_nothing_behind_for_the_next_request() {
    check_each(good_replies()).await;
}

#[tokio::test]
async fn a_reply_before_the_end_of_the_upload_takes_nothing_from_the_next_request() {
    let upstream = Scripted::start(|number, mut upstream| async move {
        if number == 0 {
            upstream.head().await.unwrap();
            upstream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
            if upstream.stream.read_exact(&mut [0; 1000]).await.is_err() {
                return;
            }
        }
        Serve.play(&mut upstream, &Mutex::default()).await;
    })
    .await;
    let gateway = gateway_with(upstream.address, PATIENT, PLAIN);
    let mut client = Wire::connect(gateway.address).await.unwrap();
    client.send("POST /proxy/first HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nsome").await.unwrap();
    let reply = client.reply("POST").await.unwrap();
    assert_eq!((reply.status, reply.text()), (413, "no"));
    client.send("x".repeat(996)).await.unwrap();
    let next = client.get("/proxy/second").await.unwrap();
    assert_eq!((next.status, next.text()), (200, "get /api/second"));
}

/// The upstream closes with the body unread, so that the gateway's writes fail while the reply is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_to_a_body_that_the_upstream_does_not_read_arrives() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await.unwrap();
        upstream.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno").await;
    })
    .await;
    let gateway = gateway_with(upstream.address, PATIENT, PLAIN);
    let bytes = 4 << 20;
    for time in 0..50 {
        let mut client = Wire::connect(gateway.address).await.unwrap();
        client
            .send(format!("POST /proxy/first HTTP/1.1\r\nHost: test\r\nContent-Length: {bytes}\r\n\r\n"))
            .await
            .unwrap();
        // The gateway does not read it to its end either.
        let _ = client.send(vec![b'x'; bytes]).await;
        let reply = client.reply("POST").await.unwrap();
        assert_eq!((reply.status, reply.text()), (413, "no"), "the {time}th time");
    }
}
