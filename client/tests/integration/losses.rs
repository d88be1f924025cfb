//! Everything that a server can do to a request lands in its own kind of loss, or in none.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::run::{Ledger, load};
use crate::server::{Request, Server, Step};

/// Ten requests, one after the other, over one connection at a time.
fn ten(server: &Server, more: &[&str]) -> Ledger {
    let url = server.url("/api/items");
    let arguments = [&[&url, "--rate", "100", "--duration", "100ms", "--connections", "1"], more].concat();
    let ledger = load(&arguments);
    assert_eq!(ledger.count("/requests/due"), 10);
    ledger
}

/// What is lost of ten requests when the fourth meets `steps`, and all others are answered.
fn lost_to(steps: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> String {
    let server =
        Server::start(move |request| if request.number == 4 { steps(request) } else { vec![request.answer()] });
    // Two, so that a stall of one does not hold up the others.
    let ledger = ten(&server, &["--timeout", "2s", "--connections", "2"]);
    assert_eq!(server.requests().len(), 10, "each request was sent once");
    assert_eq!(ledger.count("/requests/answered") + ledger.count("/requests/lost"), 10);
    ledger.lost()
}

fn text(text: &str) -> Step {
    Step::Send(text.to_owned())
}

#[test]
fn answers_are_not_losses() {
    let server = Server::start(|request| vec![request.answer()]);
    let ledger = ten(&server, &[]);
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.count("/requests/answered"), 10);
    assert_eq!((server.connections(), ledger.count("/connections/opened")), (1, 1));
}

#[test]
fn a_close_before_the_head() {
    assert_eq!(lost_to(|_| vec![Step::Close]), "closed 1");
    assert_eq!(lost_to(|_| vec![text("HTTP/1.1 200 OK\r\nx-a"), Step::Close]), "closed 1");
}

#[test]
fn a_reset_before_the_head() {
    assert_eq!(lost_to(|_| vec![Step::Reset]), "reset 1");
    assert_eq!(lost_to(|_| vec![text("HTTP/1.1 200 OK\r\nx-a"), Step::Reset]), "reset 1");
}

#[test]
fn a_body_that_is_cut() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.";
    assert_eq!(lost_to(move |_| vec![text(half), Step::Close]), "truncated 1");
    assert_eq!(lost_to(move |_| vec![text(half), Step::Reset]), "reset-in-body 1");
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfive.\r\n";
    assert_eq!(lost_to(move |_| vec![text(chunk), Step::Close]), "truncated 1");
    assert_eq!(lost_to(move |_| vec![text(chunk), Step::Reset]), "reset-in-body 1");
}

#[test]
fn what_is_not_http() {
    assert_eq!(lost_to(|_| vec![text("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Step::Stall]), "protocol 1");
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfive\r\n";
    assert_eq!(lost_to(move |_| vec![text(chunk), Step::Stall]), "protocol 1");
    let endless = format!("HTTP/1.1 200 OK\r\nx-a: {}", "a".repeat(600_000));
    assert_eq!(lost_to(move |_| vec![text(&endless), Step::Stall]), "protocol 1");
}

#[test]
fn a_reply_to_somebody_else() {
    let other = "HTTP/1.1 200 OK\r\nx-request-id: another\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(lost_to(move |_| vec![text(other)]), "crossed 1");
}

#[test]
fn statuses_by_class() {
    for (status, expected) in [
        ("503 Service Unavailable", "status-5xx 1"),
        ("404 Not Found", "status-4xx 1"),
        ("302 Found", "status-3xx 1"),
        ("101 Switching Protocols", "status-1xx 1"),
    ] {
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
        assert_eq!(lost_to(move |_| vec![text(&reply)]), expected, "{status}");
    }
}

#[test]
fn a_stall_is_a_timeout_before_the_head_and_within_the_body() {
    assert_eq!(lost_to(|_| vec![Step::Stall]), "timeout 1");
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.";
    assert_eq!(lost_to(move |_| vec![text(half), Step::Stall]), "timeout 1");
}

#[test]
fn replies_of_other_shapes_are_answers() {
    let with_id = |request: &Request, status: &str, rest: &str| {
        let id = request.header("x-request-id");
        text(&format!("HTTP/1.{status}\r\nx-request-id: {id}\r\n{rest}"))
    };
    let chunked = "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert_eq!(lost_to(move |request| vec![with_id(request, "1 200 OK", chunked)]), "");
    assert_eq!(lost_to(move |request| vec![with_id(request, "1 204 No Content", "\r\n")]), "");
    let until_close = "\r\na body without a length";
    assert_eq!(lost_to(move |request| vec![with_id(request, "0 200 OK", until_close), Step::Close]), "");
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
    assert_eq!(lost_to(move |request| vec![text(early), request.answer()]), "");
}

#[test]
fn an_answer_in_pieces_is_an_answer() {
    let pause = || Step::Pause(Duration::from_millis(20));
    let script = move |request: &Request| {
        let id = request.header("x-request-id").to_owned();
        vec![
            text("HTTP/1.1 200 OK\r\nx-requ"),
            pause(),
            text(&format!("est-id: {id}\r\ncontent-length: 4\r\n\r\nbo")),
            pause(),
            text("dy"),
        ]
    };
    assert_eq!(lost_to(script), "");
}

#[test]
fn a_body_without_the_text_asked_for() {
    let server = Server::start(|request| {
        let id = request.header("x-request-id");
        let body = if request.number == 4 { "else" } else { "body" };
        vec![text(&format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: 4\r\n\r\n{body}"))]
    });
    assert_eq!(ten(&server, &["--contains", "od"]).lost(), "wrong-body 1");
}

#[test]
fn an_echo_that_is_not_the_body_sent() {
    let server = Server::start(|request| {
        let id = request.header("x-request-id");
        let body = format!("{id}\n").repeat(32);
        assert_eq!(request.header("content-length"), body.len().to_string());
        assert!(request.head.starts_with("POST "));
        let body = match request.number {
            3 => format!("{body}x"),
            4 => body[1..].to_owned(),
            _ => body,
        };
        vec![text(&format!("HTTP/1.1 200 OK\r\nx-request-id: {id}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))]
    });
    assert_eq!(ten(&server, &["--echo"]).lost(), "wrong-body 2");
}

#[test]
fn an_accepted_status_is_an_answer() {
    let server = Server::start(|_| vec![text("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")]);
    assert_eq!(ten(&server, &[]).lost(), "status-4xx 10");
    let ledger = ten(&server, &["--accept", "429"]);
    assert_eq!(ledger.lost(), "");
    assert_eq!(ledger.sum("/statuses", "/replies"), 10);
    assert_eq!(ledger.count("/requests/unidentified"), 10);
}

#[test]
fn nothing_listens() {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let ledger = load(&[&format!("http://{address}/"), "--rate", "100", "--duration", "100ms"]);
    assert_eq!(ledger.lost(), "connect-refused 10");
    assert_eq!(ledger.count("/connections/opened"), 0);
}

#[test]
fn nobody_accepts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _guard = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // The accept queue holds one more than its backlog; from then on the kernel drops what comes.
    let _queued: Vec<_> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    let ledger = load(&[&format!("http://{address}/"), "--rate", "10", "--duration", "200ms", "--timeout", "200ms"]);
    assert_eq!(ledger.lost(), "connect-timeout 2");
}

#[test]
fn a_name_that_nobody_has() {
    // RFC 6761, section 6.4: .invalid never resolves.
    let ledger = load(&["http://nobody.invalid/", "--rate", "20", "--duration", "100ms", "--timeout", "1s"]);
    assert_eq!(ledger.lost(), "resolve 2");
}

#[test]
fn requests_that_no_connection_was_idle_for() {
    let server = Server::start(|_| vec![Step::Stall]);
    let url = server.url("/");
    let arguments = ["--rate", "20000", "--duration", "100ms", "--connections", "1", "--timeout", "50ms"];
    let ledger = load(&[&[url.as_str()], &arguments[..]].concat());
    // A timeout takes a millisecond at least, and twenty requests come due in each: most are too old when their turn comes.
    let sent = ledger.count("/requests/sent");
    assert!((1..200).contains(&sent), "{sent} of 2000 were sent");
    assert!(ledger.lost().ends_with(&format!("unsent {}", 2000 - sent)), "{}", ledger.lost());
    assert!(ledger.count("/queue/requests") > 1000);
}

#[test]
fn losses_are_listed_with_what_is_known_about_them() {
    let server = Server::start(|request| {
        if request.number <= 5 {
            return vec![request.answer()];
        }
        let half = "HTTP/1.1 200 OK\r\nx-served-by: backend/v2/b-1\r\ncontent-length: 10\r\n\r\nfive.";
        vec![text(half), Step::Close]
    });
    let ledger = ten(&server, &[]);
    assert_eq!(ledger.lost(), "truncated 5");
    let requests = server.requests();
    for (loss, request) in ledger.list("/losses").iter().zip(&requests[5..]) {
        assert_eq!(loss["request_id"], request.header("x-request-id"));
        assert_eq!(loss["peer"], server.address.to_string());
        assert_eq!(loss["status"], 200);
        assert_eq!(loss["served_by"], "backend/v2/b-1");
        assert!(loss["due_seconds"].as_f64().unwrap() <= loss["ended_seconds"].as_f64().unwrap());
    }
    let lost: u64 = ledger.list("/timeline/lost")[0]["counts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert_eq!(lost, 5);
}
