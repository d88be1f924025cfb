//! `WebSockets` through the gateway: with a client and a server that others wrote, and byte by byte where it matters what is a
//! tunnel and what is not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontend::tunnel::Bounds;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use service::process::lifecycle::Timing;
use testing::port;
use testing::running::BRIEF;
use testing::scripted::Scripted;
use testing::websocket::{ACCEPT, HANDSHAKE, KEY};
use testing::wire::{PATIENCE, Wire, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::gateways::Routed;

type Socket = WebSocketStream<TcpStream>;

/// The fields of each handshake, by name and value.
type Asked = Arc<Mutex<Vec<Vec<(String, String)>>>>;

/// A WebSocket server that sends each message back, chooses the protocol `chat` if it is offered, and says at a message
/// `close` that it is going away. What it was asked with is noted.
struct Echo {
    address: SocketAddr,
    asked: Asked,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream, Arc::clone(&noted)));
            }
        });
        Self { address, asked }
    }

    /// The last handshake's fields, sorted.
    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

async fn echo(stream: TcpStream, asked: Asked) {
    #[allow(clippy::result_large_err)] // The library's own type.
    let note = |request: &server::Request, mut response: server::Response| {
        let fields = request.headers().iter();
        let fields = fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let mut fields: Vec<_> = fields.collect();
        fields.push(("target".into(), request.uri().to_string()));
        fields.sort();
        asked.lock().unwrap().push(fields);
        if request.headers().contains_key("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && message.to_text().unwrap() == "close" {
            let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason: "so long".into() })).await;
        } else if message.is_text() || message.is_binary() {
            let _ = socket.send(message).await;
        }
    }
}

/// A gateway on which `/ws` leads to `upstream` with `WebSockets`, and all else without.
fn gateway(upstream: SocketAddr, route: &Value, bounds: Bounds) -> Routed {
    timed_gateway(upstream, route, bounds, BRIEF)
}

fn timed_gateway(upstream: SocketAddr, route: &Value, bounds: Bounds, timing: Timing) -> Routed {
    let mut socket = json!({"path": "/ws", "upstream": "one", "upgrades": ["websocket"]});
    socket.as_object_mut().unwrap().extend(route.as_object().unwrap().clone());
    let table = json!({
        "upstreams": {"one": {"url": format!("http://{upstream}")}},
        "routes": [socket, {"path": "/", "upstream": "one"}],
    });
    Routed::with_tunnels(&table, &[("keys", "shop:0123456789abcdef")], bounds, timing)
}

async fn open(gateway: &Routed, headers: &[(&'static str, &str)]) -> Result<(Socket, Response), Error> {
    let address = gateway.gateway.address;
    let mut request = format!("ws://{address}/ws/room?a=b").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client_async(request, TcpStream::connect(address).await.unwrap()).await
}

async fn opened(gateway: &Routed) -> Socket {
    open(gateway, &[]).await.unwrap().0
}

/// The status that a handshake is refused with.
async fn refused(gateway: &Routed, headers: &[(&'static str, &str)]) -> u16 {
    match open(gateway, headers).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

async fn next(socket: &mut Socket) -> Option<Result<Message, Error>> {
    timeout(PATIENCE, socket.next()).await.expect("something comes")
}

async fn echoes(socket: &mut Socket, text: &str) -> bool {
    socket.send(Message::text(text)).await.unwrap();
    next(socket).await.is_some_and(|message| message.is_ok_and(|message| message == Message::text(text)))
}

/// Waits until the metrics have this line.
async fn counted(gateway: &Routed, line: &str) {
    until(line, async || gateway.counts(line)).await;
}

#[tokio::test]
async fn messages_pings_and_the_closing_handshake_pass_both_ways() {
    let upstream = Echo::start().await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    let (mut socket, response) = open(&gateway, &[("sec-websocket-protocol", "chat")]).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert!(response.headers()["x-served-by"].to_str().unwrap().starts_with("frontend/"));
    counted(&gateway, "tunnels 1").await;
    counted(&gateway, "upstream_requests_in_flight{upstream=\"one\"} 0").await;
    assert!(echoes(&mut socket, "hello").await);
    // Far more than all buffers take.
    let long = Message::binary(vec![7; 5 << 20]);
    let (mut sink, mut stream) = socket.split();
    let (sent, came) = tokio::join!(sink.send(long.clone()), stream.next());
    sent.unwrap();
    assert!(came.unwrap().unwrap() == long);
    let mut socket = sink.reunite(stream).unwrap();
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), Message::Pong("are you there".into()));
    // The server closes, and the reason is its own.
    socket.send(Message::text("close")).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "so long"));
    assert!(next(&mut socket).await.is_none(), "the connection ends without an error");
    drop(socket);
    counted(&gateway, "tunnels 0").await;

    // The client closes.
    let mut socket = opened(&gateway).await;
    socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "done".into() })).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut socket).await else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Normal, "done"));
    assert!(next(&mut socket).await.is_none());
    drop(socket);
    counted(&gateway, "tunnels_ended_total{reason=\"closed\"} 2").await;
    assert!(gateway.counts("tunnels_opened_total 2"));
}

#[tokio::test]
async fn the_upstream_is_asked_for_a_websocket_and_nothing_else() {
    let upstream = Echo::start().await;
    let gateway = gateway(upstream.address, &json!({"rewrite": "/api"}), Bounds::default());
    let more = [
        ("connection", "keep-alive, Upgrade, X-Secret, HTTP2-Settings"),
        ("upgrade", "h2c, WebSocket"),
        ("http2-settings", "AAMA"),
        ("x-secret", "1"),
        ("x-forwarded-for", "6.6.6.6"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-protocol", "chat, other"),
        ("cookie", "a=b"),
        ("keep-alive", "timeout=9"),
        ("x-request-id", "mine"),
    ];
    drop(open(&gateway, &more).await.unwrap());
    let mut asked = upstream.asked();
    asked.retain(|(name, _)| !["sec-websocket-key", "traceparent", "host"].contains(&name.as_str()));
    let asked: Vec<String> = asked.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        asked,
        [
            "connection: Upgrade",
            "cookie: a=b",
            "sec-websocket-extensions: permessage-deflate",
            "sec-websocket-protocol: chat, other",
            "sec-websocket-version: 13",
            "target: /api/room?a=b",
            "upgrade: websocket",
            "via: 1.1 frontend",
            "x-forwarded-for: 127.0.0.1",
            &format!("x-forwarded-host: {}", gateway.gateway.address),
            "x-forwarded-proto: http",
            "x-request-id: mine",
        ]
    );
}

fn first_lines(heads: &Mutex<Vec<String>>) -> Vec<String> {
    heads.lock().unwrap().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
}

fn saying(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno")
}

/// Sends a handshake with a request right behind it, as a client that takes the handshake for done does.
async fn handshake_and_a_request(gateway: &Routed, more: &str) -> Wire {
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}{more}\r\n{hidden}")).await.unwrap();
    client
}

#[tokio::test]
async fn behind_a_refused_handshake_the_connection_stays_in_http() {
    let (upstream, heads) = Scripted::noting(|number| saying(["403 Forbidden", "200 OK"][number % 2])).await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    let mut client = handshake_and_a_request(&gateway, "").await;
    for status in [403, 200] {
        let reply = client.reply("GET").await.unwrap();
        assert_eq!((reply.status, reply.text()), (status, "no"));
        assert_eq!((reply.header("upgrade"), reply.header("connection")), (None, None));
    }
    assert_eq!(first_lines(&heads), ["get /ws http/1.1", "get /hidden http/1.1"], "the second passed by the table");
    assert!(!heads.lock().unwrap()[1].contains("upgrade"));
    assert_eq!(client.get("/ws").await.unwrap().status, 403);
    assert!(gateway.counts("tunnels_opened_total 0"));
}

#[tokio::test]
async fn a_reply_101_that_is_not_the_answer_to_the_handshake_is_none() {
    type Reply = fn(usize) -> String;
    let wrong: [(&str, Reply); 7] = [
        ("protocol", |_| switching("h2c", "Upgrade", ACCEPT, "")),
        ("connection", |_| switching("websocket", "keep-alive", ACCEPT, "")),
        ("accept", |_| switching("websocket", "Upgrade", KEY, "")),
        ("length", |_| switching("websocket", "Upgrade", ACCEPT, "Content-Length: 2\r\n")),
        ("nominated", |_| switching("websocket", "Upgrade, Sec-WebSocket-Accept", ACCEPT, "")),
        ("version", |_| switching("websocket", "Upgrade", ACCEPT, "").replacen("HTTP/1.1", "HTTP/1.0", 1)),
        ("bare", |_| "HTTP/1.1 101 Switching Protocols\r\n\r\n".into()),
    ];
    for (name, reply) in wrong {
        let (upstream, heads) = Scripted::noting(reply).await;
        let gateway = gateway(upstream.address, &json!({"retries": 3}), Bounds::default());
        let mut client = handshake_and_a_request(&gateway, "").await;
        for _ in 0..2 {
            assert_eq!(client.reply("GET").await.unwrap().status, 502, "{name}");
        }
        assert_eq!(first_lines(&heads), ["get /ws http/1.1", "get /hidden http/1.1"], "{name}: nothing is tried again");
        assert_eq!(upstream.connections(), 2, "{name}: a connection that has switched is not used again");
        assert!(gateway.counts("upstream_failures_total{upstream=\"one\",reason=\"switched\"} 2"), "{name}");
        assert!(gateway.counts("tunnels_opened_total 0"));
    }
}

fn switching(protocol: &str, connection: &str, accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: {connection}\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn nobody_who_did_not_ask_for_it_gets_a_tunnel() {
    let (upstream, _) = Scripted::noting(|_| switching("websocket", "Upgrade", ACCEPT, "")).await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    // A request as any other, where WebSockets are passed; a handshake where they are not.
    for (path, headers) in [("/ws", ""), ("/other", HANDSHAKE), ("/wsx", HANDSHAKE)] {
        assert_eq!(gateway.ask("GET", path, headers).await.status, 502, "{path}");
    }
    let mut old = Wire::connect(gateway.gateway.address).await.unwrap();
    old.send(format!("GET /ws HTTP/1.0\r\nHost: test\r\n{HANDSHAKE}\r\n")).await.unwrap();
    assert_eq!(old.reply("GET").await.unwrap().status, 502);
    assert!(gateway.counts("tunnels_opened_total 0"));
}

#[tokio::test]
async fn what_the_reply_switches_behind_is_passed_on_and_what_came_early_too() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await.unwrap();
        upstream.send(&format!("{}first", switching("WebSocket", "upgrade", ACCEPT, "X-Kept: 1\r\n"))).await;
        let mut early = [0; 5];
        upstream.stream.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"early");
        // The client has closed its direction; this one goes on.
        assert_eq!(upstream.stream.read(&mut [0; 9]).await.unwrap(), 0);
        upstream.send("last").await;
    })
    .await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\nearly")).await.unwrap();
    let (status, headers) = client.head().await.unwrap();
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = ["connection", "date", "sec-websocket-accept", "upgrade", "x-kept", "x-request-id", "x-served-by"];
    assert_eq!((status, &names[..]), (101, &expected[..]));
    assert!(headers.contains(&("connection".into(), "Upgrade".into())));
    assert_eq!(client.exactly(5).await.unwrap(), b"first");
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await.unwrap(), b"last");
    counted(&gateway, "tunnels_ended_total{reason=\"closed\"} 1").await;
}

#[tokio::test]
async fn a_handshake_is_sent_again_only_if_nobody_can_have_got_it() {
    let upstream = Scripted::start(|_, mut upstream| async move { drop(upstream.head().await) }).await;
    let gateway = gateway(upstream.address, &json!({"retries": 3}), Bounds::default());
    assert_eq!(gateway.ask("GET", "/ws", HANDSHAKE).await.status, 502);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.ask("GET", "/ws", "").await.status, 502);
    assert_eq!(upstream.connections(), 1 + 4, "a request without a handshake is");

    let nobody = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let gateway = self::gateway(nobody, &json!({"retries": 2}), Bounds::default());
    assert_eq!(gateway.ask("GET", "/ws", HANDSHAKE).await.status, 502);
    assert!(gateway.counts("upstream_retries_total{upstream=\"one\",decision=\"made\"} 2"));
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_before_the_upstream_hears_of_it() {
    let (upstream, heads) = Scripted::noting(|_| saying("200 OK")).await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    let body = "Content-Length: 5\r\n\r\nhello";
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}{body}")).await.unwrap();
    assert_eq!(client.reply("GET").await.unwrap().status, 400);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}{chunked}")).await.unwrap();
    assert_eq!(client.reply("GET").await.unwrap().status, 400);
    let other_version = HANDSHAKE.replace("Version: 13", "Version: 1337");
    let reply = gateway.ask("GET", "/ws", &other_version).await;
    assert_eq!((reply.status, reply.header("sec-websocket-version")), (426, Some("13")));
    let without_key = HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key");
    assert_eq!(gateway.ask("GET", "/ws", &without_key).await.status, 400);
    assert!(heads.lock().unwrap().is_empty());
    // Another protocol, or none, is no handshake at all.
    for headers in [HANDSHAKE.replace("websocket\r\n", "h2c\r\n"), HANDSHAKE.replace(", Upgrade", "")] {
        assert_eq!(gateway.ask("GET", "/ws", &headers).await.status, 200);
    }
    assert!(!heads.lock().unwrap().iter().any(|head| head.contains("upgrade")), "{heads:?}");
}

#[tokio::test]
async fn who_may_not_ask_may_not_open_one() {
    let upstream = Echo::start().await;
    let route = json!({
        "auth": {"apiKey": {"secret": "keys"}},
        "rateLimit": {"requests": 2, "periodSeconds": 3600, "byClient": true},
        "cors": {"origins": ["https://shop.example"]},
    });
    let gateway = gateway(upstream.address, &route, Bounds::default());
    assert_eq!(refused(&gateway, &[]).await, 401);
    let key = ("x-api-key", "0123456789abcdef");
    let from = |origin| [key, ("origin", origin)];
    assert_eq!(refused(&gateway, &from("https://evil.example")).await, 403);
    assert!(open(&gateway, &from("https://shop.example")).await.is_ok());
    assert_eq!(refused(&gateway, &from("https://shop.example")).await, 429);
    let asked = upstream.asked();
    assert!(asked.contains(&("x-auth-client".into(), "shop".into())), "{asked:?}");
    assert!(!asked.iter().any(|(name, _)| name == "x-api-key"));

    // Without `cors`, pages of the same host only.
    let gateway = self::gateway(upstream.address, &json!({}), Bounds::default());
    let own = format!("http://{}", gateway.gateway.address);
    assert!(open(&gateway, &[("origin", &own)]).await.is_ok());
    assert_eq!(refused(&gateway, &[("origin", "https://shop.example")]).await, 403);
}

#[tokio::test]
async fn one_too_many_gets_503_and_a_place_is_free_when_one_has_ended() {
    let upstream = Echo::start().await;
    let gateway = gateway(upstream.address, &json!({}), Bounds { most: 1, ..Bounds::default() });
    let mut first = opened(&gateway).await;
    let Err(Error::Http(response)) = open(&gateway, &[]).await else { panic!("there was a place") };
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(upstream.asked.lock().unwrap().len(), 1, "the upstream was not asked");
    // Requests have places of their own.
    assert_eq!(gateway.get("/health").await.status, 200);
    assert!(echoes(&mut first, "still here").await);
    drop(first);
    counted(&gateway, "tunnels 0").await;
    assert!(echoes(&mut opened(&gateway).await, "the next").await);

    // Nor does a refused handshake keep its place.
    let (upstream, _) = Scripted::noting(|_| saying("403 Forbidden")).await;
    let gateway = self::gateway(upstream.address, &json!({}), Bounds { most: 1, ..Bounds::default() });
    for _ in 0..3 {
        assert_eq!(refused(&gateway, &[]).await, 403);
    }
}

#[tokio::test]
async fn an_idle_one_ends_and_so_does_one_that_has_lasted_too_long() {
    let upstream = Echo::start().await;
    let short = Duration::from_millis(300);
    for (name, bounds) in [
        ("idle", Bounds { idle: short, ..Bounds::default() }),
        ("expired", Bounds { longest: short, ..Bounds::default() }),
    ] {
        let gateway = gateway(upstream.address, &json!({}), bounds);
        let mut socket = opened(&gateway).await;
        assert!(!matches!(next(&mut socket).await, Some(Ok(_))), "{name}: the connection ends");
        counted(&gateway, &format!("tunnels_ended_total{{reason=\"{name}\"}} 1")).await;
        counted(&gateway, "tunnels 0").await;
    }
}

#[tokio::test]
async fn at_a_drain_tunnels_have_the_quiet_period_and_are_gone_before_the_deadline() {
    let upstream = Echo::start().await;
    let timing = Timing { quiet: Duration::from_secs(600), longest_request: Duration::from_secs(60) };
    let gateway = timed_gateway(upstream.address, &json!({}), Bounds::default(), timing);
    let mut leaving = opened(&gateway).await;
    let mut staying = opened(&gateway).await;
    gateway.gateway.stop.ask();
    until("the drain", async || gateway.get("/ready").await.status == 503).await;
    // Nothing is refused yet, and a reply 101 doesn't say that the connection closes.
    let mut late = opened(&gateway).await;
    assert!(echoes(&mut late, "so late").await);
    drop(late);
    // One end closes in its own words, the other is told nothing and goes on.
    leaving.send(Message::text("close")).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = next(&mut leaving).await else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    drop(leaving);
    counted(&gateway, "tunnels_ended_total{reason=\"closed\"} 2").await;
    assert!(echoes(&mut staying, "still here").await);
    // Asked again, the server ends the quiet period.
    gateway.gateway.stop.ask();
    assert!(!matches!(next(&mut staying).await, Some(Ok(_))), "the connection ends");
    drop(staying);
    let ended = gateway.gateway.server.phases();
    until("the end", async || ended.borrow().name() == "stopped").await;
    assert!(matches!(*ended.borrow(), service::process::lifecycle::Phase::Stopped { clean: true }));
    counted(&gateway, "tunnels_ended_total{reason=\"drained\"} 1").await;
}

#[tokio::test]
async fn ends_that_do_not_close_hold_no_drain_up() {
    let upstream = Scripted::start(|_, mut upstream| async move {
        upstream.head().await.unwrap();
        upstream.send(&switching("websocket", "Upgrade", ACCEPT, "")).await;
        std::future::pending::<()>().await;
    })
    .await;
    let timing = Timing { quiet: Duration::from_millis(50), longest_request: Duration::from_secs(60) };
    let gateway = timed_gateway(upstream.address, &json!({}), Bounds::default(), timing);
    let mut client = Wire::connect(gateway.gateway.address).await.unwrap();
    client.send(format!("GET /ws HTTP/1.1\r\nHost: test\r\n{HANDSHAKE}\r\n")).await.unwrap();
    assert_eq!(client.head().await.unwrap().0, 101);
    gateway.gateway.stop.ask();
    let ended = gateway.gateway.server.phases();
    until("the end", async || ended.borrow().name() == "stopped").await;
    assert!(matches!(*ended.borrow(), service::process::lifecycle::Phase::Stopped { clean: true }));
    assert_eq!(client.rest().await.unwrap(), b"");
}

#[tokio::test]
async fn an_open_one_is_a_connection_and_no_request_in_flight() {
    let upstream = Echo::start().await;
    let gateway = gateway(upstream.address, &json!({}), Bounds::default());
    let mut socket = opened(&gateway).await;
    assert!(echoes(&mut socket, "hello").await);
    counted(&gateway, "http_requests_in_flight 0").await;
    assert!(gateway.counts("http_connections 1"));
    drop(socket);
    counted(&gateway, "http_connections 0").await;
}
