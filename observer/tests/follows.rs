//! The observer against an API server that says what a test wants, byte by byte.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use observer::Observer;
use observer::config::Config;
use observer::watch::{Credentials, Url};
use serde_json::{Value, json};
use testing::running::{BRIEF, Running, WIDE, start};
use testing::scripted::{Scripted, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// An API server: lists of nothing but the pods that a test names, and watches that say what it is told.
struct ApiServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    pods: Lines,
}

/// Lines for the watch of the pods.
type Lines = UnboundedSender<String>;

impl ApiServer {
    async fn start(lists: &[Value]) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let lists = Arc::new(Mutex::new(lists.iter().cloned().collect::<VecDeque<_>>()));
        let (pods, lines) = unbounded_channel();
        let lines = Arc::new(tokio::sync::Mutex::new(lines));
        let noted = Arc::clone(&asked);
        let server = Scripted::start(move |_, upstream| {
            serve(upstream, Arc::clone(&noted), Arc::clone(&lists), Arc::clone(&lines))
        });
        Self { address: server.await.address, asked, pods }
    }

    fn say(&self, kind: &str, object: &Value) {
        self.pods.send(json!({"type": kind, "object": object}).to_string()).unwrap();
    }

    fn asked(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.contains(part)).count()
    }
}

async fn serve(
    mut upstream: Upstream,
    asked: Arc<Mutex<Vec<String>>>,
    lists: Arc<Mutex<VecDeque<Value>>>,
    lines: Arc<tokio::sync::Mutex<UnboundedReceiver<String>>>,
) {
    let Some(head) = upstream.head().await else { return };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(path.clone());
    let pods = path.contains("/pods?");
    if !path.contains("watch=true") {
        let next = lists.lock().unwrap().pop_front().filter(|_| pods);
        let items = next.unwrap_or_else(|| json!([]));
        let list = json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string();
        return upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len())).await;
    }
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    if !pods {
        return std::future::pending().await;
    }
    while let Some(line) = lines.lock().await.recv().await {
        upstream.send(&format!("{:x}\r\n{line}\n\r\n", line.len() + 1)).await;
        if line.contains("\"ERROR\"") {
            return upstream.send("0\r\n\r\n").await;
        }
    }
}

fn pod(name: &str, version: u64) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": version.to_string()}, "spec": {"nodeName": "node1"}})
}

fn observer(api: SocketAddr, streams: usize) -> Running {
    observer_of(api, streams, false)
}

/// One that follows the `nodes` too, or does not.
fn observer_of(api: SocketAddr, streams: usize, nodes: bool) -> Running {
    let api = Url::parse(&format!("http://{api}")).unwrap();
    start::<Observer>(Config { api, credentials: Credentials(PathBuf::new()), nodes, streams }, BRIEF, WIDE)
}

/// A reply that stays open.
struct Page {
    stream: TcpStream,
    text: String,
}

impl Page {
    async fn open(at: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let mut request = String::new();
        write!(request, "GET {path} HTTP/1.1\r\nHost: observer\r\nConnection: close\r\n\r\n").unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until `part` has come. Says whether the reply ended before.
    async fn until(&mut self, part: &str) -> bool {
        let read = async {
            while !self.text.contains(part) {
                let mut bytes = [0; 4096];
                let n = self.stream.read(&mut bytes).await.unwrap();
                if n == 0 {
                    return false;
                }
                self.text.push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
            true
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {part} in {}", self.text))
    }
}

#[tokio::test]
async fn every_page_is_told_of_each_change_and_the_api_is_asked_once() {
    let api = ApiServer::start(&[json!([pod("first", 1)])]).await;
    let observer = observer(api.address, 10);
    let mut pages = Vec::new();
    for _ in 0..5 {
        let mut page = Page::open(observer.address, "/api/cluster/events").await;
        assert!(page.until("\"name\":\"first\"").await);
        pages.push(page);
    }
    api.say("ADDED", &pod("second", 2));
    for page in &mut pages {
        assert!(page.until("\"name\":\"second\"").await);
        assert!(page.text.contains("text/event-stream"), "{}", page.text);
    }
    assert_eq!(api.asked("/api/v1/namespaces/default/pods?limit="), 1);
    assert_eq!(api.asked("/api/v1/namespaces/default/pods?watch="), 1);
    assert_eq!(api.asked(""), 12, "a list and a watch of six kinds");
    let mut once = Page::open(observer.address, "/api/cluster").await;
    assert!(once.until("\"served_by\":{").await);
    assert!(once.text.contains("\"unseen\":{}"), "{}", once.text);
}

#[tokio::test]
async fn nodes_are_asked_for_where_that_is_set_and_in_no_namespace() {
    let api = ApiServer::start(&[]).await;
    let without = observer_of(api.address, 1, false);
    let mut page = Page::open(without.address, "/api/cluster/events").await;
    assert!(page.until("\"unseen\":{}").await);
    assert!(page.text.contains("\"nodes\":[]"), "{}", page.text);
    assert_eq!(api.asked("/nodes?"), 0);
    let with = observer_of(api.address, 1, true);
    let mut page = Page::open(with.address, "/api/cluster/events").await;
    assert!(page.until("\"unseen\":{}").await);
    assert_eq!(api.asked("/api/v1/nodes?limit="), 1);
}

#[tokio::test]
async fn pods_are_asked_for_their_figures_while_somebody_follows_and_no_other_time() {
    let (metrics, asked) = Scripted::noting(|number| {
        let text = format!("http_requests_in_flight {number}\ncontainer_memory_usage_bytes 7036928\n");
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    })
    .await;
    let mut measured = pod("measured", 1);
    measured["spec"]["containers"] = json!([{"ports": [{"name": "metrics", "containerPort": metrics.address.port()}]}]);
    measured["status"] = json!({"phase": "Running", "podIP": "127.0.0.1"});
    let api = ApiServer::start(&[json!([measured])]).await;
    let observer = observer(api.address, 10);
    let mut once = Page::open(observer.address, "/api/cluster").await;
    assert!(once.until("\"served_by\":{").await);
    assert_eq!(asked.lock().unwrap().len(), 0);
    let mut page = Page::open(observer.address, "/api/cluster/events").await;
    assert!(page.until("\"figures\":{\"in_flight\":1,").await, "it is asked again");
    assert!(page.text.contains("\"memory_bytes\":7036928"), "{}", page.text);
    assert!(asked.lock().unwrap().iter().all(|head| head.starts_with("get /metrics http/1.1\r\n")));
    // Who no longer follows leaves no figures behind.
    drop(page);
    let forgotten = async {
        loop {
            let mut once = Page::open(observer.address, "/api/cluster").await;
            once.until("\"served_by\":{").await;
            if once.text.contains("\"figures\":null") {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, forgotten).await.expect("the figures are forgotten");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_a_new_list_and_what_went_meanwhile_is_gone() {
    let api = ApiServer::start(&[json!([pod("first", 1)])]).await;
    let observer = observer(api.address, 10);
    let mut page = Page::open(observer.address, "/api/cluster/events").await;
    assert!(page.until("\"name\":\"first\"").await);
    page.text.clear();
    api.say("ERROR", &json!({"code": 410, "message": "too old resource version"}));
    assert!(page.until("\"pods\":[],").await);
    assert_eq!(api.asked("/pods?limit="), 2);
}

#[tokio::test]
async fn pages_beyond_the_bound_are_refused_and_a_place_is_free_again_when_one_leaves() {
    let api = ApiServer::start(&[]).await;
    let observer = observer(api.address, 1);
    let mut page = Page::open(observer.address, "/api/cluster/events").await;
    assert!(page.until("data: ").await);
    let mut other = Page::open(observer.address, "/api/cluster/events").await;
    assert!(other.until("1 pages follow already").await);
    assert!(other.text.starts_with("HTTP/1.1 503"), "{}", other.text);
    drop(page);
    let free = async {
        loop {
            let mut page = Page::open(observer.address, "/api/cluster/events").await;
            page.until("\r\n\r\n").await;
            if page.text.starts_with("HTTP/1.1 200") {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, free).await.expect("the place is free again");
}

#[tokio::test]
async fn what_can_not_be_seen_is_told_with_the_reason() {
    let refuse = Scripted::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let observer = observer(refuse.address, 10);
    let mut page = Page::open(observer.address, "/api/cluster/events").await;
    assert!(page.until("\"pods\":\"403: its Role does not allow it\"").await);
}

#[tokio::test]
async fn a_drain_ends_what_pages_follow() {
    let api = ApiServer::start(&[]).await;
    let observer = observer(api.address, 10);
    let mut page = Page::open(observer.address, "/api/cluster/events").await;
    assert!(page.until("data: ").await);
    let Running { stop, ended, .. } = observer;
    stop.ask();
    assert!(!page.until("this never comes").await);
    assert!(timeout(PATIENCE, ended).await.unwrap().unwrap(), "something was left in flight");
}
