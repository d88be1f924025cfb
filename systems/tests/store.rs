//! Votes and jobs on a real Redis, with workers as processes of their own, and with everything that can fail failing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service::settings::environment::Environment;
use systems::Systems;
use systems::config::Config;
use testing::program::{Program, address};
use testing::redis::Redis;
use testing::running::{BRIEF, Running, WIDE, start};
use testing::wire::{Reply, Wire, get, until};

/// Settings that make a test wait no longer than it has to.
const QUICK: [(&str, &str); 2] = [("WORKER_POLL_MS", "5"), ("JOBS_MAX_TRIES", "3")];
/// The lease of a worker that is to be missed soon. A machine that is busy elsewhere may let a worker wait for longer than this:
/// it loses its job then, and a try, so it is for those that are to lose it.
const SHORT_LEASE: (&str, &str) = ("WORKER_LEASE_SECONDS", "0.6");

/// An API in this process.
fn api(redis: &Redis, settings: &[(&str, &str)]) -> Running {
    let url = redis.url();
    let pairs = [settings, &[("STORE_URL", url.as_str())]].concat();
    let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
    let mut environment = Environment::new(&lookup);
    let config = Config::read(&mut environment);
    environment.finish().unwrap();
    start::<Systems>(config, BRIEF, WIDE)
}

/// A worker, or another program, as a process of its own.
struct Process {
    program: Program,
    address: SocketAddr,
    metrics: SocketAddr,
}

fn process(redis: &Redis, settings: &[(&str, &str)]) -> Process {
    let url = redis.url();
    let environment = [&[("STORE_URL", url.as_str())], settings].concat();
    process_by(&mut Command::new(env!("CARGO_BIN_EXE_systems")), &environment)
}

fn process_by(command: &mut Command, settings: &[(&str, &str)]) -> Process {
    let environment = [&[("DRAIN_SECONDS", "0")], &QUICK[..], settings].concat();
    let mut program = Program::spawn(command, &environment);
    let listening = program.line("listening");
    let (address, metrics) = (address(&listening, "address"), address(&listening, "metrics_address"));
    Process { program, address, metrics }
}

fn worker(redis: &Redis, settings: &[(&str, &str)]) -> Process {
    process(redis, &[&[("ROLE", "worker")], settings].concat())
}

async fn post(client: &mut Wire, path: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{headers}");
    client.send(format!("{head}Content-Length: {length}\r\n\r\n{body}")).await.unwrap();
    client.reply("POST").await.unwrap()
}

async fn submit(address: SocketAddr, body: &str) -> u64 {
    let reply = post(&mut Wire::connect(address).await.unwrap(), "/api/jobs", "", body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let id = json(&reply)["id"].as_u64().unwrap();
    assert_eq!(reply.header("location"), Some(format!("/api/jobs/{id}").as_str()));
    id
}

async fn vote(address: SocketAddr, option: &str, voter: &str) -> Reply {
    let body = json!({"option": option, "voter": voter}).to_string();
    post(&mut Wire::connect(address).await.unwrap(), "/api/votes", "", &body).await
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

async fn job(address: SocketAddr, id: u64) -> Value {
    json(&get(address, &format!("/api/jobs/{id}")).await)["job"].clone()
}

async fn in_state(address: SocketAddr, id: u64, state: &str) -> Value {
    until(&format!("job {id} is {state}"), async || job(address, id).await["state"] == state).await;
    job(address, id).await
}

async fn counts(address: SocketAddr) -> Value {
    json(&get(address, "/api/jobs").await)["jobs"].clone()
}

async fn metric(address: SocketAddr, name: &str) -> u64 {
    let text = get(address, "/metrics").await.text().to_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    value.parse().unwrap()
}

/// 503 as it should be: a problem that says what is wrong, and when to come back.
fn assert_busy(reply: &Reply, says: &str) {
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("2")), "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.text().contains(says), "{reply:?}");
}

#[tokio::test]
async fn votes_are_counted_by_a_worker_and_each_voter_has_one() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let votes = async || json(&get(api.address, "/api/votes").await);
    assert_eq!(votes().await["votes"], json!({"cats": 0, "dogs": 0}));
    for (option, voter) in [("cats", "ada"), ("cats", "bob"), ("dogs", "cyd"), ("dogs", "ada"), ("dogs", "ada")] {
        let reply = vote(api.address, option, voter).await;
        assert_eq!((reply.status, json(&reply)["vote"]["voter"].as_str()), (202, Some(voter)));
    }
    assert_eq!(votes().await["waiting"], 5);
    let worker = worker(&redis, &[]);
    until("all are counted", async || votes().await["waiting"] == 0).await;
    assert_eq!(votes().await["votes"], json!({"cats": 1, "dogs": 2}));
    until("its metrics say so", async || metric(worker.metrics, "votes_tallied_total").await == 5).await;
    assert_eq!(vote(api.address, "birds", "ada").await.status, 400);
    assert_eq!(vote(api.address, "cats", "").await.status, 400);

    let page = get(api.address, "/votes").await;
    assert!(page.text().contains("<output>2</output>") && page.text().contains("value=dogs"), "{page:?}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    let script = get(api.address, "/votes.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
}

#[tokio::test]
async fn jobs_of_every_kind_are_done() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let worker = worker(&redis, &[]);
    for (body, result) in [
        (r#"{"kind":"sum-of-squares","n":1000}"#, json!({"sum": 333_833_500})),
        (r#"{"kind":"word-count","text":"one \"two\" três"}"#, json!({"words": 3})),
        (r#"{"kind":"fail","times":1}"#, json!({"failed": 1})),
    ] {
        let id = submit(api.address, body).await;
        let job = in_state(api.address, id, "done").await;
        assert_eq!((&job["result"], &job["error"]), (&result, &Value::Null), "{job}");
    }
    let id = submit(api.address, r#"{"kind":"burn","ms":20}"#).await;
    assert!(in_state(api.address, id, "done").await["result"]["burned_ms"].as_u64().unwrap() >= 20);
    assert_eq!(counts(api.address).await, json!({"queued": 0, "running": 0, "done": 4, "dead": 0}));
    assert_eq!(metric(worker.metrics, "jobs_done_total").await, 4);
    assert_eq!(metric(worker.metrics, "store_reachable").await, 1);
    // A worker serves its probes and nothing else.
    for (path, status) in [("/ready", 200), ("/health", 200), ("/api/items", 404), ("/api/jobs", 404), ("/docs", 404)] {
        assert_eq!(get(worker.address, path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_job_is_refused() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let mut client = Wire::connect(api.address).await.unwrap();
    let long = format!(r#"{{"kind":"word-count","text":"{}"}}"#, "x".repeat(33_000));
    for (body, status) in
        [("", 400), ("[]", 400), (r#"{"kind":"sleep"}"#, 400), (r#"{"kind":"burn","ms":0}"#, 400), (&long, 413)]
    {
        assert_eq!(post(&mut client, "/api/jobs", "", body).await.status, status, "{body}");
    }
    client
        .send("POST /api/jobs HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
        .await
        .unwrap();
    assert_eq!(client.reply("POST").await.unwrap().status, 415);
    for (path, status) in [
        ("/api/jobs/0", 400),
        ("/api/jobs/x", 400),
        ("/api/jobs/9223372036854775808", 400),
        ("/api/jobs/9223372036854775807", 404),
        ("/api/jobs?x=1", 400),
        ("/api/jobs/dead/1", 405),
    ] {
        assert_eq!(client.get(path).await.unwrap().status, status, "{path}");
    }
    assert_eq!(post(&mut client, "/api/jobs/dead/1", "", "").await.status, 404);
    assert_eq!(client.ask("PUT", "/api/jobs", "").await.unwrap().header("allow"), Some("GET, HEAD, POST, OPTIONS"));
}

#[tokio::test]
async fn a_post_that_is_sent_again_with_its_key_is_one_job() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let mut client = Wire::connect(api.address).await.unwrap();
    let (body, key) = (r#"{"kind":"word-count","text":"a"}"#, "Idempotency-Key: \"k-1\"\r\n");
    let first = json(&post(&mut client, "/api/jobs", key, body).await)["id"].clone();
    assert_eq!(json(&post(&mut client, "/api/jobs", key, body).await)["id"], first);
    assert_eq!(post(&mut client, "/api/jobs", key, r#"{"kind":"fail"}"#).await.status, 422);
    let other = json(&post(&mut client, "/api/jobs", "Idempotency-Key: k-2\r\n", body).await)["id"].clone();
    assert_ne!(other, first);
    assert_eq!(post(&mut client, "/api/jobs", "Idempotency-Key: a b\r\n", body).await.status, 400);
    assert_eq!(post(&mut client, "/api/jobs", &key.repeat(2), body).await.status, 400);
    assert_eq!(counts(api.address).await["queued"], 2);
    // The key is kept with the job, and goes with it.
    let _worker = worker(&redis, &[("JOBS_KEEP_SECONDS", "1")]);
    until("both are gone", async || redis.ask("KEYS *:k*") == "*0\r\n").await;
    until("all are gone", async || redis.ask("KEYS *:job:*") == "*0\r\n").await;
    assert_eq!(counts(api.address).await["done"], 2);
}

#[tokio::test]
async fn a_full_queue_sends_away_for_a_moment() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[("QUEUE_MAX", "2"), ("VOTERS_MAX", "1")]);
    let mut client = Wire::connect(api.address).await.unwrap();
    for _ in 0..2 {
        submit(api.address, r#"{"kind":"fail"}"#).await;
        assert_eq!(vote(api.address, "cats", "ada").await.status, 202);
    }
    assert_busy(&post(&mut client, "/api/jobs", "", r#"{"kind":"fail"}"#).await, "2 jobs wait already");
    assert_busy(&vote(api.address, "cats", "ada").await, "2 votes wait already");
    let _worker = worker(&redis, &[]);
    until("votes are counted", async || vote(api.address, "dogs", "ada").await.status == 202).await;
    until("a vote is counted", async || vote(api.address, "dogs", "bob").await.text().contains("no more voters")).await;
}

/// Two workers on one job: the one that was late gets nothing of it, whatever it says.
#[tokio::test]
async fn a_job_whose_worker_was_late_is_done_by_another_and_has_one_result() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let id = submit(api.address, r#"{"kind":"burn","ms":1500}"#).await;
    let late = worker(&redis, &[SHORT_LEASE, ("WORKER_CONCURRENCY", "1")]);
    in_state(api.address, id, "running").await;
    // Stopped, it renews nothing; it goes on when another has the job.
    late.program.signal("-STOP");
    let other = worker(&redis, &[]);
    until("the other has it", async || job(api.address, id).await["tries"] == 2).await;
    late.program.signal("-CONT");
    let done = in_state(api.address, id, "done").await;
    assert_eq!(done["tries"], 2);
    until("the late one has given up", async || metric(late.metrics, "jobs_lost_total").await == 1).await;
    until("the other has counted", async || {
        let done = metric(late.metrics, "jobs_done_total").await + metric(other.metrics, "jobs_done_total").await;
        done == 1
    })
    .await;
    assert_eq!(job(api.address, id).await["result"], done["result"]);
    assert_eq!(counts(api.address).await, json!({"queued": 0, "running": 0, "done": 1, "dead": 0}));
}

#[tokio::test]
async fn a_lease_is_renewed_for_as_long_as_the_work_takes() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let lease = [("WORKER_LEASE_SECONDS", "1.5")];
    let workers = [worker(&redis, &lease), worker(&redis, &lease)];
    // More than two leases long.
    let id = submit(api.address, r#"{"kind":"burn","ms":3500}"#).await;
    let done = in_state(api.address, id, "done").await;
    assert_eq!(done["tries"], 1);
    for worker in &workers {
        assert_eq!(metric(worker.metrics, "jobs_lost_total").await, 0);
    }
}

#[tokio::test]
async fn a_worker_killed_in_mid_job_loses_nothing() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let id = submit(api.address, r#"{"kind":"burn","ms":1000}"#).await;
    let mut killed = worker(&redis, &[SHORT_LEASE, ("WORKER_CONCURRENCY", "1")]);
    in_state(api.address, id, "running").await;
    killed.program.child.kill().unwrap();
    let _other = worker(&redis, &[]);
    let done = in_state(api.address, id, "done").await;
    assert_eq!(done["tries"], 2);
    assert_eq!(counts(api.address).await["done"], 1);
}

#[tokio::test]
async fn a_poisonous_job_becomes_a_dead_letter_and_can_be_put_back() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let _worker = worker(&redis, &[]);
    let id = submit(api.address, r#"{"kind":"fail"}"#).await;
    let healthy = submit(api.address, r#"{"kind":"word-count","text":""}"#).await;
    in_state(api.address, healthy, "done").await;
    let mut client = Wire::connect(api.address).await.unwrap();
    for _ in 0..2 {
        let dead = in_state(api.address, id, "dead").await;
        assert_eq!((&dead["tries"], &dead["error"]), (&json!(3), &json!("it fails on purpose, in try 3")), "{dead}");
        let listed = json(&client.get("/api/jobs/dead").await.unwrap())["dead"].clone();
        assert_eq!(listed, json!([{"id": id, "kind": "fail", "tries": 3, "error": dead["error"]}]));
        let back = post(&mut client, &format!("/api/jobs/dead/{id}"), "", "").await;
        assert_eq!((back.status, back.header("location")), (202, Some(format!("/api/jobs/{id}").as_str())));
    }
    in_state(api.address, id, "dead").await;
    assert_eq!(post(&mut client, &format!("/api/jobs/dead/{healthy}"), "", "").await.status, 404);
}

#[tokio::test]
async fn of_too_many_dead_letters_the_oldest_go() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    let _worker = worker(&redis, &[("JOBS_DEAD_MAX", "2"), ("JOBS_MAX_TRIES", "1"), ("WORKER_CONCURRENCY", "1")]);
    let first = submit(api.address, r#"{"kind":"fail"}"#).await;
    in_state(api.address, first, "dead").await;
    for _ in 0..2 {
        submit(api.address, r#"{"kind":"fail"}"#).await;
    }
    until("it is gone", async || get(api.address, &format!("/api/jobs/{first}")).await.status == 404).await;
    until("two are left", async || counts(api.address).await["dead"] == 2).await;
}

/// SIGTERM: what can be finished is finished, what can't is given back at once, and either way nothing is cut.
#[tokio::test]
async fn a_worker_that_is_asked_to_stop_finishes_or_gives_back() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    // The store is told in the last of these seconds, of which a busy machine takes some.
    let long_lease = [("WORKER_LEASE_SECONDS", "60"), ("WORKER_CONCURRENCY", "1"), ("LONGEST_REQUEST_SECONDS", "4")];

    let short = submit(api.address, r#"{"kind":"burn","ms":300}"#).await;
    let mut worker_1 = worker(&redis, &long_lease);
    in_state(api.address, short, "running").await;
    let waiting = submit(api.address, r#"{"kind":"burn","ms":60000}"#).await;
    worker_1.program.signal("-TERM");
    assert_eq!(worker_1.program.line("exit")["clean"], true);
    assert_eq!(worker_1.program.child.wait().unwrap().code(), Some(0));
    assert_eq!(job(api.address, short).await["state"], "done");
    assert_eq!(job(api.address, waiting).await["state"], "queued", "it was taken during the drain");

    let mut worker_2 = worker(&redis, &long_lease);
    in_state(api.address, waiting, "running").await;
    worker_2.program.signal("-TERM");
    assert_eq!(worker_2.program.line("job: given back")["id"], waiting);
    assert_eq!(worker_2.program.child.wait().unwrap().code(), Some(0));
    let back = job(api.address, waiting).await;
    assert_eq!((&back["state"], &back["tries"]), (&json!("queued"), &json!(0)), "{back}");
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_with_a_killed_redis() {
    let mut redis = Redis::start(&[]);
    let api = api(&redis, &[("STORE_TIMEOUT_MS", "2000")]);
    let address = api.address;
    let load = tokio::spawn(async move {
        let mut client = Wire::connect(address).await.unwrap();
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        while acknowledged.len() < 400 {
            let reply = post(&mut client, "/api/jobs", "", r#"{"kind":"word-count","text":"a"}"#).await;
            if reply.status == 202 {
                acknowledged.push(json(&reply)["id"].as_u64().unwrap());
            } else {
                assert_busy(&reply, "the store can't be reached");
                refused += 1;
            }
        }
        (acknowledged, refused)
    });
    for some in [100, 200] {
        until("some jobs", async || counts(address).await["queued"].as_u64() >= Some(some)).await;
        redis.kill();
        until("503", async || get(address, "/api/jobs").await.status == 503).await;
        assert_eq!(get(address, "/ready").await.status, 200, "readiness is the process's own");
        assert_eq!(get(address, "/votes").await.status, 200, "the page waits for the store to come back");
        redis.restart();
    }
    let (acknowledged, refused) = load.await.unwrap();
    assert!(refused > 0);
    for id in acknowledged {
        assert_eq!(job(address, id).await["state"], "queued", "job {id} is lost");
    }
}

/// Under `always`, Redis ends itself when its volume is full, as often as it is started; under `everysec` it lives on.
#[tokio::test]
async fn a_full_volume_is_a_503_until_there_is_room_whatever_redis_makes_of_it() {
    for (fsync, ends) in [("always", true), ("everysec", false)] {
        let redis = Redis::on_volume(4 << 20, &["--appendfsync", fsync]);
        let api = api(&redis, &[]);
        let id = submit(api.address, r#"{"kind":"fail"}"#).await;
        let rest = redis.on_its_volume("rest");
        // The error is that the volume is full, which is the purpose.
        let _ = std::fs::write(&rest, vec![0; 4 << 20]);
        let body = format!(r#"{{"kind":"word-count","text":"{}"}}"#, "x".repeat(2000));
        let mut client = Wire::connect(api.address).await.unwrap();
        let says = if ends { "can't be reached" } else { "takes no writes" };
        until("503", async || post(&mut client, "/api/jobs", "", &body).await.status == 503).await;
        until(says, async || post(&mut client, "/api/jobs", "", &body).await.text().contains(says)).await;
        if !ends {
            assert_eq!(job(api.address, id).await["state"], "queued", "it can be read");
        }
        std::fs::remove_file(&rest).unwrap();
        until("202", async || post(&mut client, "/api/jobs", "", &body).await.status == 202).await;
        assert_eq!(job(api.address, id).await["state"], "queued", "it is lost");
    }
}

#[tokio::test]
async fn a_full_memory_is_a_503_until_there_is_room() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    submit(api.address, r#"{"kind":"fail"}"#).await;
    redis.ask("CONFIG SET maxmemory 1");
    let mut client = Wire::connect(api.address).await.unwrap();
    let refused = post(&mut client, "/api/jobs", "", r#"{"kind":"fail"}"#).await;
    assert_busy(&refused, "takes no writes");
    assert_eq!(counts(api.address).await["queued"], 1, "nothing of it was written");
    redis.ask("CONFIG SET maxmemory 0");
    submit(api.address, r#"{"kind":"fail"}"#).await;
}

#[tokio::test]
async fn a_wrong_password_is_a_503_and_a_log_line_that_names_the_variable_and_not_the_value() {
    let redis = Redis::start(&["--requirepass", "right-secret"]);
    let api = api(&redis, &[("STORE_PASSWORD", "right-secret")]);
    submit(api.address, r#"{"kind":"fail"}"#).await;
    for password in ["wrong-secret", ""] {
        let mut wrong = process(&redis, &[("STORE_PASSWORD", password)]);
        let line = wrong.program.line("store: not connected").to_string();
        assert!(line.contains("STORE_PASSWORD") && !line.contains("wrong-secret"), "{line}");
        assert_busy(&get(wrong.address, "/api/jobs").await, "refuses the password");
        assert_eq!(metric(wrong.metrics, "store_reachable").await, 0);
        assert_eq!(get(wrong.address, "/ready").await.status, 200);
    }
}

/// The store and the service have the same Secret, and each its own way to read it.
#[tokio::test]
async fn a_secret_that_ends_with_a_line_end_opens_the_store_whichever_way_that_reads_it() {
    let path = std::env::temp_dir().join(format!("systems-line-end-{}", std::process::id()));
    for (of_the_store, secret) in [("hunter2\n", "hunter2\n"), ("hunter2", "hunter2\n"), ("hunter2", "hunter2\r\n")] {
        std::fs::write(&path, secret).unwrap();
        let redis = Redis::start(&["--requirepass", of_the_store]);
        for setting in [("STORE_PASSWORD_FILE", path.to_str().unwrap()), ("STORE_PASSWORD", secret)] {
            let api = api(&redis, &[setting]);
            until(&format!("{of_the_store:?} by {setting:?}"), async || {
                get(api.address, "/api/jobs").await.status == 200
            })
            .await;
        }
    }
    std::fs::remove_file(path).unwrap();
}

/// As managed stores hand them out: a user, and a password with characters that a URL can't hold.
#[tokio::test]
async fn a_user_and_a_password_in_the_url_are_said_to_the_store() {
    let redis = Redis::start(&["--user", "sh:op", "on", ">p@ss/%:", "~*", "&*", "+@all", "--requirepass", "p@ss"]);
    let at = format!("127.0.0.1:{}", redis.port);
    for (userinfo, status) in [
        ("sh%3Aop:p%40ss%2F%25%3A", 200),
        ("default:p%40ss", 200),
        (":p%40ss", 200),
        ("sh%3Aop:p%40ss", 503),
        ("default:p%2540ss", 503),
    ] {
        let api = api(&redis, &[("STORE_URL", &format!("redis://{userinfo}@{at}/2"))]);
        let decided = async || get(api.address, "/api/jobs").await;
        until(userinfo, async || decided().await.status == status).await;
        if status == 503 {
            assert_busy(&decided().await, "refuses the password");
        }
    }
}

/// A name that leads to 127.0.0.2, and the API as a process that sees it in a file of hosts of its own.
struct Name(std::path::PathBuf);

impl Name {
    fn new(name: &str) -> Self {
        let hosts = Self(std::env::temp_dir().join(format!("systems-hosts-{name}-{}", std::process::id())));
        hosts.leads_to("127.0.0.2");
        hosts
    }

    /// The file stays the same one: it is mounted.
    fn leads_to(&self, address: &str) {
        std::fs::write(&self.0, format!("{address} store.test\n")).unwrap();
    }

    fn api(&self, port: u16) -> Process {
        let script = format!("mount --bind {} /etc/hosts && exec \"$0\"", self.0.display());
        let mut command = Command::new("/usr/bin/unshare");
        let program = env!("CARGO_BIN_EXE_systems");
        command.args(["--map-root-user", "--mount", "/bin/sh", "-c", &script, program]);
        command.env("PATH", "/usr/bin:/bin");
        let url = format!("redis://store.test:{port}");
        process_by(&mut command, &[("STORE_URL", &url), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")])
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An old primary, the replica that has its vote and is the new primary, and an API that finds the old one by its name.
async fn failed_over(name: &str) -> (Redis, Redis, Name, Process) {
    let port = Redis::stopped(&[]).port;
    let old = Redis::start_at("127.0.0.2", port, &[]);
    let new = Redis::start_at("127.0.0.3", port, &["--replicaof", "127.0.0.2", &port.to_string()]);
    let name = Name::new(name);
    let first = name.api(port);
    until("a first vote", async || vote(first.address, "cats", "ada").await.status == 202).await;
    until("the replica is in step", async || new.ask("INFO replication").contains("master_link_status:up")).await;
    until("it is copied", async || new.ask("DBSIZE").trim_end() != ":0").await;
    new.ask("REPLICAOF NO ONE");
    (old, new, name, first)
}

#[tokio::test]
async fn after_a_failover_writes_go_to_the_new_primary() {
    let (old, new, name, first) = failed_over("failover").await;
    old.ask(&format!("REPLICAOF 127.0.0.3 {}", new.port));
    // The name is late, as it is when it is a Service's or a managed store's.
    let refused = vote(first.address, "dogs", "bob").await;
    assert_busy(&refused, "can't be reached");
    name.leads_to("127.0.0.3");
    until("a vote after it", async || vote(first.address, "dogs", "bob").await.status == 202).await;
    drop(old);
    let votes = json(&get(first.address, "/api/votes").await);
    assert_eq!(votes["waiting"], 2, "what was acknowledged before it is there: {votes}");
}

/// Nobody writes, so nobody is refused: the old primary would go on to answer from what it has.
#[tokio::test]
async fn after_a_failover_reads_come_from_the_new_primary() {
    let (old, new, name, first) = failed_over("reads").await;
    // Cut off: it keeps what it has.
    old.ask("REPLICAOF 127.0.0.9 9");
    name.leads_to("127.0.0.3");
    let other = api(&new, &[]);
    until("a vote at the new one", async || vote(other.address, "dogs", "bob").await.status == 202).await;
    until("it is seen", async || json(&get(first.address, "/api/votes").await)["waiting"] == 2).await;
}

#[tokio::test]
async fn a_changed_password_is_read_anew() {
    let redis = Redis::start(&["--requirepass", "new-secret"]);
    let path = std::env::temp_dir().join(format!("systems-password-{}", std::process::id()));
    std::fs::write(&path, "old-secret\n").unwrap();
    let api = api(&redis, &[("STORE_PASSWORD_FILE", path.to_str().unwrap())]);
    until("503", async || get(api.address, "/api/jobs").await.status == 503).await;
    std::fs::write(&path, "new-secret\n").unwrap();
    until("200", async || get(api.address, "/api/jobs").await.status == 200).await;
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_store_that_comes_late_or_hangs_is_waited_for() {
    let mut redis = Redis::stopped(&[]);
    let api = api(&redis, &[("STORE_TIMEOUT_MS", "100")]);
    let mut worker = worker(&redis, &[]);
    worker.program.line("store: not connected");
    until("503", async || get(api.address, "/api/votes").await.status == 503).await;
    assert_eq!(get(worker.address, "/ready").await.status, 200);
    redis.restart();
    until("200", async || get(api.address, "/api/votes").await.status == 200).await;
    let id = submit(api.address, r#"{"kind":"word-count","text":"a b"}"#).await;
    in_state(api.address, id, "done").await;
    redis.signal("-STOP");
    let asked = Instant::now();
    assert_busy(&get(api.address, "/api/votes").await, "can't be reached");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    redis.signal("-CONT");
    until("200", async || get(api.address, "/api/votes").await.status == 200).await;
}

/// Somebody who flushes the scripts, or all data, stops nothing.
#[tokio::test]
async fn flushed_scripts_are_sent_again() {
    let redis = Redis::start(&[]);
    let api = api(&redis, &[]);
    submit(api.address, r#"{"kind":"fail"}"#).await;
    redis.ask("SCRIPT FLUSH");
    submit(api.address, r#"{"kind":"fail"}"#).await;
    redis.ask("FLUSHALL");
    assert_eq!(counts(api.address).await["queued"], 0);
    assert_eq!(submit(api.address, r#"{"kind":"fail"}"#).await, 1);
}

/// Ten thousand jobs from 32 clients, three workers, of which one after the other is killed and replaced meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_jobs_none_is_lost_while_workers_die() {
    const JOBS: usize = 10_000;
    const CLIENTS: usize = 32;
    let redis = Redis::start(&[]);
    let api = api(&redis, &[("QUEUE_MAX", "20000"), ("STORE_TIMEOUT_MS", "5000")]);
    let address = api.address;
    let more = [("WORKER_CONCURRENCY", "8"), ("JOBS_MAX_TRIES", "20"), ("STORE_TIMEOUT_MS", "5000")];
    let settings = [&more[..], &[("WORKER_POLL_MS", "50"), SHORT_LEASE]].concat();
    let mut workers: Vec<Process> = (0..3).map(|_| worker(&redis, &settings)).collect();
    let began = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await.unwrap();
                let mut submitted = BTreeMap::new();
                for number in (client..JOBS).step_by(CLIENTS) {
                    let text = "a ".repeat(number % 7);
                    let body = json!({"kind": "word-count", "text": text}).to_string();
                    let reply = post(&mut wire, "/api/jobs", "", &body).await;
                    assert_eq!(reply.status, 202, "{reply:?}");
                    submitted.insert(json(&reply)["id"].as_u64().unwrap(), number % 7);
                }
                submitted
            })
        })
        .collect();
    for round in 0..6_u64 {
        let some = (round + 1) * 1200;
        until("some are done", async || counts(address).await["done"].as_u64() >= Some(some)).await;
        let killed = &mut workers[round as usize % 3];
        killed.program.child.kill().unwrap();
        *killed = worker(&redis, &settings);
    }
    let mut submitted = BTreeMap::new();
    for client in clients {
        submitted.extend(client.await.unwrap());
    }
    assert_eq!(submitted.len(), JOBS, "an id was given twice");
    until("all are done", async || counts(address).await["done"] == JOBS).await;
    let took = began.elapsed();
    println!("{JOBS} jobs in {took:?}: {:.0} a second", JOBS as f64 / took.as_secs_f64());
    let submitted: Vec<(u64, usize)> = submitted.into_iter().collect();
    let readers: Vec<_> = submitted
        .chunks(JOBS / CLIENTS + 1)
        .map(<[_]>::to_vec)
        .map(|part| {
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await.unwrap();
                for (id, words) in part {
                    let job = json(&wire.get(&format!("/api/jobs/{id}")).await.unwrap())["job"].clone();
                    assert_eq!(job["result"], json!({"words": words}), "{job}");
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(counts(address).await, json!({"queued": 0, "running": 0, "done": JOBS, "dead": 0}));
}
