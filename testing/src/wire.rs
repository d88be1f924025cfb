//! A client that writes and reads bytes: it retries nothing and hides nothing, so that a test sees what was on the wire.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest that a test waits for anything. A failure, never a pace.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Wire {
    /// For what is below bytes: its ends, its options.
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header that occurs once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} occurs twice");
        value
    }

    /// Names and values of all headers except those that differ from reply to reply, sorted.
    pub fn stable_headers(&self) -> Vec<(String, String)> {
        let varying = ["date", "x-request-id"];
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| !varying.contains(&name.as_str()));
        headers.sort();
        headers
    }

    /// Whether the server ends the connection after it.
    pub fn says_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// The body, which is text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Wire {
    /// Opens a connection that sends at once.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// A client of a connection that is open already.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Sends these bytes, and no other.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a request without a body and reads the reply.
    pub async fn ask(&mut self, method: &str, path: &str, headers: &str) -> io::Result<Reply> {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await?;
        self.reply(method).await
    }

    /// A GET without headers of its own.
    pub async fn get(&mut self, path: &str) -> io::Result<Reply> {
        self.ask("GET", path, "").await
    }

    /// Reads one final reply to `method`, informational ones skipped. The end of the connection is an error.
    pub async fn reply(&mut self, method: &str) -> io::Result<Reply> {
        loop {
            let (status, headers) = self.head().await?;
            let mut reply = Reply { status, headers, body: Vec::new() };
            if (100..200).contains(&status) {
                continue;
            }
            if method != "HEAD" && status != 204 && status != 304 {
                reply.body = self.body(&reply).await?;
            }
            return Ok(reply);
        }
    }

    /// Reads a reply's status and headers.
    pub async fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Ok((status, headers.collect()))
    }

    async fn body(&mut self, reply: &Reply) -> io::Result<Vec<u8>> {
        if let Some(length) = reply.header("content-length") {
            return self.exactly(length.parse().unwrap()).await;
        }
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"), "{reply:?}");
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
            body.extend(self.exactly(size).await?);
            assert_eq!(self.line().await?, "");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads a line, and leaves its end out.
    pub async fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                break at;
            }
            self.more().await?;
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Ok(String::from_utf8(line[..end].to_vec()).unwrap())
    }

    /// Reads `length` bytes.
    pub async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads until the other side ends the connection; what it sent before that.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.more().await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the test waited too long"))?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// One request on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    Wire::connect(address).await.unwrap().get(path).await.unwrap()
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited too long for: {what}");
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
