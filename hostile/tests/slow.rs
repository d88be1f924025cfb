//! Hundreds of slow clients of each kind at once, made by slowhttptest: a normal client does not notice, and nothing stays.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hostile::client;
use hostile::proxy::{Kind, Proxy};
use hostile::recorder::{BIG, Recorder};

/// The longest that a normal client waits for its reply, besides twice what a busy machine takes through a gateway without slow
/// clients.
const PROMPT: Duration = Duration::from_secs(1);
/// The longest that the test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most memory that the gateway ever has. 600 connections with all their buffers full are some 100 MiB.
const MOST_KIB: u64 = 160 * 1024;

/// Slow clients of one kind: 200 within two seconds, for 10 s or until they are all cut.
fn attack(kind: &[&str], url: &str) -> Child {
    let common = ["-c", "200", "-r", "100", "-l", "10", "-p", "5", "-u", url];
    let mut command = Command::new("slowhttptest");
    command.args(kind).args(common).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("slowhttptest: {error}; let 'cluster/prepare test' install it"))
}

/// A sample of the gateway's metrics; 0 where it is not there.
fn metric(metrics: SocketAddr, name: &str) -> u64 {
    let mut stream = TcpStream::connect(metrics).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// The most memory that a process has had.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn slow_clients_are_nobody_elses_concern() {
    let upstream = Recorder::start().unwrap();
    let timeouts = ["HEAD_TIMEOUT_SECONDS", "BODY_TIMEOUT_SECONDS", "REPLY_TIMEOUT_SECONDS"].map(|name| (name, "3"));
    let gateway = Proxy::start(Kind::Gateway, upstream.address, &timeouts).unwrap();
    let calm = Proxy::start(Kind::Gateway, upstream.address, &timeouts).unwrap();
    let metrics = gateway.metrics.unwrap();
    let url = |path: &str| format!("http://{}{path}", gateway.address);
    let mut attacks = [
        attack(&["-H", "-i", "1", "-x", "24"], &url("/a")),
        attack(&["-B", "-i", "1", "-s", "8192", "-x", "10"], &url("/a")),
        attack(&["-X", "-w", "256", "-y", "512", "-n", "1", "-z", "32"], &url(BIG)),
    ];
    let timed = |server| {
        let begun = Instant::now();
        let reply = client::ask("/normal", server, PATIENCE).unwrap().unwrap();
        assert_eq!(reply.status, 200);
        begun.elapsed()
    };
    let (mut asked, mut longest, mut most_open) = (0, [Duration::ZERO; 2], 0);
    while attacks.iter_mut().any(|attack| attack.try_wait().unwrap().is_none()) {
        for (longest, server) in longest.iter_mut().zip([gateway.address, calm.address]) {
            *longest = timed(server).max(*longest);
        }
        asked += 1;
        most_open = most_open.max(metric(metrics, "http_connections"));
        thread::sleep(Duration::from_millis(5));
    }
    let [longest, without] = longest;
    let until = Instant::now() + PATIENCE;
    while metric(metrics, "http_connections") > 0 || metric(metrics, "http_requests_in_flight") > 0 {
        assert!(Instant::now() < until, "connections stay open");
        thread::sleep(Duration::from_millis(20));
    }
    let cut = ["head", "body", "reply"]
        .map(|awaited| metric(metrics, &format!("http_connections_cut_total{{awaited=\"{awaited}\"}}")));
    let peak = peak_kib(gateway.process());
    println!(
        "{asked} normal requests, the longest {longest:?}, past the slow clients {without:?}; {most_open} connections; \
         cut {cut:?}; {peak} KiB"
    );
    // Asked all the while: one that waited for a slow client would not come back before that is cut, after 3 s.
    assert!(asked >= 10, "only {asked} normal requests");
    assert!(longest < PROMPT + 2 * without, "the longest took {longest:?}, and without slow clients {without:?}");
    assert!(most_open > 200, "only {most_open} connections at once: the attack is none");
    assert!(cut.iter().all(|cut| *cut > 50), "cut with a head, a body, a reply: {cut:?}");
    assert!(peak < MOST_KIB, "{peak} KiB");
}
