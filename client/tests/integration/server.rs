//! A TCP server that does exactly what a test says, down to the byte and the close, and remembers what it was sent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One step of what the server does after it has read a request.
pub(crate) enum Step {
    /// Write these bytes.
    Send(String),
    /// Close the connection (FIN).
    Close,
    /// Reset the connection (RST).
    Reset,
    /// Keep the connection open and never do anything again.
    Stall,
    /// Do nothing for this long: to meet the client at a certain moment, not to wait for it.
    Pause(Duration),
}

/// A request as the server read it.
#[derive(Clone)]
pub(crate) struct Request {
    /// Which of all requests it is, from 1.
    pub(crate) number: usize,
    /// The head, with its empty line.
    pub(crate) head: String,
}

impl Request {
    /// The value of a header, empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| of(line)).and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value)
    }

    /// A reply that is right: status 200, this request's id, `headers` (each with its line end), a short body.
    pub(crate) fn answer_with(&self, headers: &str) -> Step {
        let id = self.header("x-request-id");
        Step::Send(format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\n{headers}content-length: 4\r\n\r\nbody"))
    }

    /// A reply that is right.
    pub(crate) fn answer(&self) -> Step {
        self.answer_with("")
    }
}

/// The server, and what it saw.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Request>,
}

impl Server {
    /// Starts a server that follows `script` after each request.
    pub(crate) fn start(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), script)
    }

    /// The same on a listener of the test.
    pub(crate) fn start_on(
        listener: TcpListener,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                seen.lock().unwrap().connections += 1;
                // A client that goes away ends the conversation; that is the client's test to judge.
                thread::spawn(move || drop(converse(&mut stream.unwrap(), &seen, &*script)));
            }
        });
        Self { address, seen }
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Requests read so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// A URL on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn converse(stream: &mut TcpStream, seen: &Mutex<Seen>, script: &dyn Fn(&Request) -> Vec<Step>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let head = peek_head(stream)?;
        let request = {
            let mut seen = seen.lock().unwrap();
            let request = Request { number: seen.requests.len() + 1, head: String::from_utf8(head.clone()).unwrap() };
            seen.requests.push(request.clone());
            request
        };
        let steps = script(&request);
        // Closing a socket with unread bytes in it makes Linux send RST instead of FIN, and nothing else does in std.
        let unread = usize::from(steps.iter().any(|step| matches!(step, Step::Reset)));
        let body = request.header("content-length").parse().unwrap_or(0);
        stream.read_exact(&mut vec![0; head.len() + body - unread])?;
        for step in steps {
            match step {
                Step::Send(text) => stream.write_all(text.as_bytes())?,
                Step::Close | Step::Reset => return Ok(()),
                Step::Stall => loop {
                    thread::park();
                },
                Step::Pause(time) => thread::sleep(time),
            }
        }
    }
}

/// Waits for a whole head, and leaves it in the socket's buffer.
fn peek_head(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.peek(&mut buffer)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = buffer[..length].windows(4).position(|window| window == b"\r\n\r\n") {
            buffer.truncate(end + 4);
            return Ok(buffer);
        }
        thread::yield_now();
    }
}
