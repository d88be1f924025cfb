//! An upstream that does exactly what a test says, byte by byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A good reply.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An upstream that runs.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// Runs `script` on every connection, with the connection's number from 0.
    pub async fn start<F>(script: impl Fn(usize, Upstream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same at an address of the test's choice.
    pub async fn start_at<F>(address: &str, script: impl Fn(usize, Upstream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(number, Upstream { stream }));
            }
        });
        Self { address, connections }
    }

    /// Answers every request with the bytes of `reply`, and keeps the connection.
    pub async fn answering(reply: impl Into<String>) -> Self {
        let reply = Arc::new(reply.into());
        Self::start(move |_, mut upstream| {
            let reply = Arc::clone(&reply);
            async move {
                while upstream.head().await.is_some() {
                    upstream.send(reply.as_str()).await;
                }
            }
        })
        .await
    }

    /// Notes each head that it gets, and answers it with what `reply` says of its number, from 0.
    pub async fn noting(reply: impl Fn(usize) -> String + Send + Sync + 'static) -> (Self, Heads) {
        Self::noting_at("127.0.0.1:0", reply).await
    }

    /// The same at an address of the test's choice.
    pub async fn noting_at(address: &str, reply: impl Fn(usize) -> String + Send + Sync + 'static) -> (Self, Heads) {
        let (heads, reply) = (Heads::default(), Arc::new(reply));
        let noted = Arc::clone(&heads);
        let upstream = Self::start_at(address, move |_, mut upstream| {
            let (noted, reply) = (Arc::clone(&noted), Arc::clone(&reply));
            async move {
                while let Some(head) = upstream.head().await {
                    let number = noted.lock().unwrap().len();
                    noted.lock().unwrap().push(head);
                    upstream.send(&reply(number)).await;
                }
            }
        });
        (upstream.await, heads)
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The heads that an upstream got, in lower case.
pub type Heads = Arc<Mutex<Vec<String>>>;

/// The upstream's end of one connection.
pub struct Upstream {
    /// For what is below bytes: its ends, its options.
    pub stream: TcpStream,
}

impl Upstream {
    /// Reads a request's head, to its empty line and no further; `None` at the end of the connection.
    pub async fn head(&mut self) -> Option<String> {
        let (mut head, mut there) = (Vec::new(), [0; 4096]);
        while !head.ends_with(b"\r\n\r\n") {
            let length = self.stream.peek(&mut there).await.ok().filter(|length| *length > 0)?;
            let (before, from) = (head.len(), head.len().saturating_sub(3));
            head.extend(&there[..length]);
            if let Some(end) = head[from..].windows(4).position(|four| four == b"\r\n\r\n") {
                head.truncate(from + end + 4);
            }
            self.stream.read_exact(&mut there[..head.len() - before]).await.ok()?;
        }
        Some(String::from_utf8(head).unwrap().to_lowercase())
    }

    /// Closes the connection with RST instead of FIN, once it is dropped.
    pub fn reset(&self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Sends these bytes, if they are taken.
    pub async fn send(&mut self, bytes: &str) {
        // A gateway that has given up already is part of some tests.
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }
}
