//! The upstream: it records each request, as strictly as RFC 9112 has it, and answers what it saw.
//!
//! What it does not understand without doubt it calls malformed and closes the connection: another server behind the same
//! proxy may have understood it otherwise.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The header of its replies: the number of the request and what it was, such as `7 GET /a`.
pub const SAW: &str = "x-saw";
/// A path of which the reply's body is so long that no socket buffer takes it.
pub const BIG: &str = "/big";
/// Its length, a multiple of that of a part.
const BIG_BYTES: usize = 32 << 20;
/// What is written of it at once.
static PART: [u8; 64 << 10] = [b'x'; 64 << 10];
/// What a path ends with whose reply is 101, but not the answer to a WebSocket's handshake; and the reply's fields. What comes
/// behind it on the connection is read as requests: it is what a proxy lets through that takes the connection for a tunnel.
const SWITCHING: [(&str, &str); 3] = [
    ("/101-bare", ""),
    ("/101-h2c", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    (
        "/101-accept",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
    ),
];
/// The most of a request that a reply tells of, in characters.
const LONGEST_SHOWN: usize = 100;
/// The longest line that it reads.
const LONGEST_LINE: u64 = 1 << 20;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number, from 1.
    pub number: u64,
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What came since it was last asked.
#[derive(Debug, Default)]
pub struct Record {
    /// Complete requests.
    pub seen: Vec<Seen>,
    /// What makes the end of others uncertain.
    pub ambiguous: Vec<String>,
    /// What else is wrong with others.
    pub malformed: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    record: Record,
    requests: u64,
    /// Connections on which a request has begun and not ended.
    busy: usize,
}

/// A running recorder.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
}

impl Recorder {
    /// Listens on a free port of loopback, for as long as the process lives.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let recorder = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(recorder)
    }

    /// What came since the last time, once no request is half there; one that stays so for `patience` is left out.
    pub fn take(&self, patience: Duration) -> Record {
        let state = self.shared.lock();
        let idle = self.shared.idle.wait_timeout_while(state, patience, |state| state.busy > 0);
        let (mut state, _) = idle.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.record)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Broken {
    /// The connection ended.
    Cut,
    /// Two servers could disagree about where it ends, or what its fields are.
    Ambiguous(String),
    /// It is against the grammar otherwise.
    Malformed(String),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

fn malformed<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::Malformed(what.into()))
}

fn ambiguous<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::Ambiguous(what.into()))
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    // A byte that can be read begins a request.
    while reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
        shared.lock().busy += 1;
        let request = request(&mut reader);
        let (reply, parts, last) = {
            let mut state = shared.lock();
            state.busy -= 1;
            shared.idle.notify_all();
            match request {
                Ok(mut seen) => {
                    state.requests += 1;
                    seen.number = state.requests;
                    let parts = if seen.target == BIG { BIG_BYTES / PART.len() } else { 0 };
                    let reply = reply(&seen);
                    let last = seen.headers.iter().any(|(name, value)| name == "connection" && value == "close");
                    state.record.seen.push(seen);
                    (reply, parts, last)
                }
                Err(Broken::Ambiguous(what)) => return state.record.ambiguous.push(what),
                Err(Broken::Malformed(what)) => return state.record.malformed.push(what),
                Err(Broken::Cut) => return,
            }
        };
        let written = std::iter::once(&reply[..]).chain(std::iter::repeat_n(&PART[..], parts));
        if written.map(|bytes| (&mut &*stream).write_all(bytes)).any(|written| written.is_err()) || last {
            return;
        }
    }
}

impl Seen {
    /// The fields of the reply to it, if that is a 101.
    fn switches(&self) -> Option<&'static str> {
        SWITCHING.iter().find(|(path, _)| self.target.ends_with(path)).map(|(_, fields)| *fields)
    }

    /// Whether its reply is one that a proxy passes on.
    pub fn is_answered(&self) -> bool {
        self.switches().is_none()
    }
}

/// The reply, of a long one the head.
fn reply(seen: &Seen) -> Vec<u8> {
    if let Some(fields) = seen.switches() {
        return format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n").into_bytes();
    }
    // No proxy must find the header too long.
    let what: String = format!("{} {}", seen.method, seen.target).chars().take(LONGEST_SHOWN).collect();
    let saw = format!("{} {what}", seen.number);
    let (length, body) = match (seen.method.as_str(), seen.target.as_str()) {
        ("HEAD", _) => (0, ""),
        (_, BIG) => (BIG_BYTES, ""),
        _ => (saw.len(), saw.as_str()),
    };
    format!("HTTP/1.1 200 OK\r\n{SAW}: {saw}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn request(reader: &mut impl BufRead) -> Result<Seen, Broken> {
    let line = text(reader)?;
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1" | "HTTP/1.0"] = parts[..] else {
        return match parts.len() {
            3 => malformed(format!("request line {}", shown(&line))),
            _ => ambiguous(format!("request line {}", shown(&line))),
        };
    };
    if !is_token(method) || !target.bytes().all(|b| b.is_ascii_graphic()) || target.contains('#') {
        return malformed(format!("request line {}", shown(&line)));
    }
    let mut headers = Vec::new();
    loop {
        let line = text(reader)?;
        if line.is_empty() {
            break;
        }
        match line.split_once(':') {
            Some((name, value)) if is_token(name) => {
                headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
            }
            _ => return ambiguous(format!("field {}", shown(&line))),
        }
    }
    let body = body(reader, &headers)?;
    Ok(Seen { number: 0, method: method.to_owned(), target: target.to_owned(), headers, body })
}

fn body(reader: &mut impl BufRead, headers: &[(String, String)]) -> Result<Vec<u8>, Broken> {
    let all = |wanted: &str| -> Vec<&str> {
        headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    };
    if all("host").len() != 1 {
        return malformed(format!("{} Host fields", all("host").len()));
    }
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Ok(Vec::new()),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            let Ok(length) = length.parse() else { return ambiguous(format!("Content-Length {length}")) };
            exactly(reader, length)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => chunks(reader),
        (lengths, codings) => ambiguous(format!("Content-Length {lengths:?} with Transfer-Encoding {codings:?}")),
    }
}

fn chunks(reader: &mut impl BufRead) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    loop {
        let line = text(reader)?;
        let digits = line.split(';').next().unwrap_or_default().trim_end_matches([' ', '\t']);
        let hexadecimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = u64::from_str_radix(digits, 16).ok().filter(|_| hexadecimal);
        let Some(size) = size else { return ambiguous(format!("chunk size {}", shown(&line))) };
        if size == 0 {
            break;
        }
        body.extend(exactly(reader, size)?);
        if !text(reader)?.is_empty() {
            return ambiguous("a chunk longer than its size");
        }
    }
    loop {
        let trailer = text(reader)?;
        if trailer.is_empty() {
            return Ok(body);
        }
        if !trailer.split_once(':').is_some_and(|(name, _)| is_token(name)) {
            return malformed(format!("trailer {}", shown(&trailer)));
        }
    }
}

fn exactly(reader: &mut impl BufRead, length: u64) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(Broken::Cut) }
}

/// A line without its CRLF, of which no byte is a control character but a tab.
fn text(reader: &mut impl BufRead) -> Result<String, Broken> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Err(Broken::Cut);
    }
    let bare = !line.ends_with(b"\r\n");
    line.truncate(line.len() - if bare { 1 } else { 2 });
    let is_bad = |b: &u8| b.is_ascii_control() && *b != b'\t';
    let (bad, cr) = (line.iter().any(is_bad), line.contains(&b'\r'));
    let line: String = line.into_iter().map(char::from).collect();
    match (bare, cr, bad) {
        (true, ..) => ambiguous(format!("bare LF behind {}", shown(&line))),
        (_, true, _) => ambiguous(format!("bare CR in {}", shown(&line))),
        (_, _, true) => malformed(format!("a control character in {}", shown(&line))),
        _ => Ok(line),
    }
}

/// The start of a line, for people.
fn shown(line: &str) -> String {
    let start: String = line.chars().take(LONGEST_SHOWN).collect();
    format!("\"{}\"", start.escape_default())
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &str) -> Result<Seen, String> {
        request(&mut bytes.as_bytes()).map_err(|broken| match broken {
            Broken::Cut => "cut".into(),
            Broken::Ambiguous(what) => format!("ambiguous: {what}"),
            Broken::Malformed(what) => format!("malformed: {what}"),
        })
    }

    #[test]
    fn it_takes_what_the_grammar_has() {
        let seen = parse("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhix").unwrap();
        assert_eq!((seen.method.as_str(), seen.target.as_str(), &seen.body[..]), ("PUT", "/a", &b"hi"[..]));
        let chunked = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\nx: y\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().body, b"hi");
    }

    #[test]
    fn it_takes_nothing_else() {
        for (bytes, what) in [
            ("GET  /a HTTP/1.1\r\n", "ambiguous: request line"),
            ("GET /a HTTP/1.2\r\n", "malformed: request line"),
            ("GET /a#b HTTP/1.1\r\n", "malformed: request line"),
            ("GET /a HTTP/1.1\n", "ambiguous: bare LF"),
            ("GET /a HTTP/1.1\r\nHost: a\rb\r\n", "ambiguous: bare CR"),
            ("GET /a HTTP/1.1\r\nHost: a\0b\r\n", "malformed: a control"),
            ("GET /a HTTP/1.1\r\nHost : a\r\n", "ambiguous: field"),
            ("GET /a HTTP/1.1\r\nHost: a\r\n b\r\n", "ambiguous: field"),
            ("GET /a HTTP/1.1\r\n\r\n", "malformed: 0 Host"),
            ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "ambiguous: Content-Length"),
            (
                "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "ambiguous: Content",
            ),
            ("GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "ambiguous: "),
            ("GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\n", "ambiguous: chunk size"),
            ("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nhi", "cut"),
        ] {
            let found = parse(bytes).unwrap_err();
            assert!(found.starts_with(what), "{bytes:?}: {found}");
        }
    }
}
