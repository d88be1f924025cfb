//! The client's side of a case: it sends bytes, and hears replies until the connection ends or the marker is answered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::corpus::{Case, Then};
use crate::recorder::SAW;

/// The request behind a case, on its connection.
const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: proxy.test\r\n\r\n";
/// What the recorder saw of it.
const MARKER_SEEN: &str = "GET /marker";

/// A final reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status; 0 where it has none, as in HTTP/0.9.
    pub status: u16,
    /// What the recorder saw, if the reply is the recorder's: the number of the request, and what it was.
    pub saw: Option<(u64, String)>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The marker was answered.
    Open,
    /// The server closed the connection.
    Closed,
    /// Nothing came any more.
    Silent,
    /// The client itself went away.
    Left,
}

/// What the client heard.
#[derive(Debug)]
pub struct Heard {
    /// The replies, that to the marker aside.
    pub replies: Vec<Reply>,
    /// The number of the marker at the recorder.
    pub marker: Option<u64>,
    /// How it ended.
    pub end: End,
}

/// Plays the client's side of `case`, and waits for no reply longer than `patience`.
pub fn play(case: &Case, server: SocketAddr, patience: Duration) -> io::Result<Heard> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(patience))?;
    // A server that refuses early may close before it has all. What counts is what it says.
    match case.then {
        Then::Marker => drop(stream.write_all(&[&case.bytes, MARKER].concat())),
        Then::Stall => drop(stream.write_all(&case.bytes)),
        Then::Close => {
            let _ = stream.write_all(&case.bytes);
            return Ok(Heard { replies: Vec::new(), marker: None, end: End::Left });
        }
        Then::Drip(pause) => drip(&mut stream, &case.bytes, Duration::from_millis(pause), patience),
    }
    Ok(hear(&mut stream, patience))
}

/// Sends `bytes` one by one, its last line over and over, until the server has had enough.
fn drip(stream: &mut TcpStream, bytes: &[u8], pause: Duration, patience: Duration) {
    let until = Instant::now() + patience;
    let last = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (start, rest) = bytes.split_at(last);
    if stream.write_all(start).is_err() || stream.set_nonblocking(true).is_err() {
        return;
    }
    for byte in rest.iter().cycle() {
        // A byte to read, or the end, is what is waited for.
        let ended = !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if ended || Instant::now() > until || stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    let _ = stream.set_nonblocking(false);
}

/// Asks for `target` on a connection of its own; the reply, if there is one.
pub fn ask(target: &str, server: SocketAddr, patience: Duration) -> io::Result<Option<Reply>> {
    let mut stream = TcpStream::connect(server)?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: proxy.test\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes());
    Ok(hear(&mut stream, patience).replies.pop())
}

fn hear(stream: &mut TcpStream, patience: Duration) -> Heard {
    let mut heard = Heard { replies: Vec::new(), marker: None, end: End::Closed };
    let mut buffer = Vec::new();
    let mut part = vec![0; 64 * 1024];
    let mut ended = false;
    let until = Instant::now() + patience;
    loop {
        while let Some((reply, length)) = reply(&buffer, ended) {
            buffer.drain(..length);
            match reply.saw {
                Some((number, saw)) if saw == MARKER_SEEN => {
                    heard.marker = Some(number);
                    heard.end = End::Open;
                    return heard;
                }
                _ if (100..200).contains(&reply.status) => {}
                _ => heard.replies.push(reply),
            }
        }
        if ended {
            return heard;
        }
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut part)) {
            Ok(length @ 1..) => buffer.extend(&part[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                heard.end = End::Silent;
                return heard;
            }
            Ok(0) | Err(_) => ended = true,
        }
    }
}

/// The first reply in `buffer` and its length, if it is complete; at the end of the connection one without a length is.
fn reply(buffer: &[u8], ended: bool) -> Option<(Reply, usize)> {
    let rest = || ended.then_some(buffer.len()).filter(|length| *length > 0);
    if !buffer.starts_with(b"HTTP/") {
        // HTTP/0.9: a body alone, and the recorder's says what it saw.
        let saw = saw(&String::from_utf8_lossy(buffer));
        return rest().map(|length| (Reply { status: 0, saw }, length));
    }
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
    let status: u16 = text.split(' ').nth(1)?.parse().unwrap_or(0);
    let header = |wanted: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    let length = match (header("content-length"), status) {
        (_, 100..=199 | 204 | 304) => head,
        (Some(length), _) => head + length.parse::<usize>().ok()?,
        (None, _) if header("transfer-encoding").is_some() => {
            head + buffer[head..].windows(5).position(|window| window == b"0\r\n\r\n")? + 5
        }
        (None, _) => rest()?,
    };
    let saw = header(SAW).and_then(saw);
    (buffer.len() >= length).then_some((Reply { status, saw }, length))
}

/// The number of a request and what it was, as the recorder tells them.
fn saw(text: &str) -> Option<(u64, String)> {
    let (number, saw) = text.split_once(' ')?;
    Some((number.parse().ok()?, saw.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        let saw = |text: &str, ended| reply(text.as_bytes(), ended).map(|(reply, length)| (reply.status, length));
        assert_eq!(saw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", false), Some((200, 40)));
        assert_eq!(saw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", true), None);
        assert_eq!(saw("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nbad", false), None);
        assert_eq!(saw("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nbad", true), Some((400, 42)));
        assert_eq!(saw("HTTP/1.1 100 Continue\r\n\r\nHTTP", false), Some((100, 25)));
        assert_eq!(saw("plain text", true), Some((0, 10)));
        let (reply, _) = reply(b"HTTP/1.1 200 OK\r\nX-Saw: 7 GET /a\r\nContent-Length: 0\r\n\r\n", false).unwrap();
        assert_eq!(reply.saw, Some((7, "GET /a".into())));
    }
}
