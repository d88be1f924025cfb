//! Users and products on a real PostgreSQL, with everything that can fail failing.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use testing::postgres::Postgres;
use testing::program::{Program, address, refusal};
use testing::redis::Redis;
use testing::wire::{Reply, Wire, get, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_systems");

/// A service as a process of its own.
struct Process {
    program: Program,
    address: SocketAddr,
    metrics: SocketAddr,
}

fn start(postgres: &Postgres, role: &str, settings: &[(&str, &str)]) -> Process {
    let url = postgres.url(role);
    let given = [("ROLE", role), ("DATABASE_URL", url.as_str()), ("DRAIN_SECONDS", "0")];
    let password = [("DATABASE_PASSWORD", Postgres::PASSWORD)];
    let password =
        if settings.iter().any(|(name, _)| name.starts_with("DATABASE_PASSWORD")) { &[][..] } else { &password };
    let mut program = Program::spawn(&mut Command::new(PROGRAM), &[&given, password, settings].concat());
    let listening = program.line("listening");
    let (address, metrics) = (address(&listening, "address"), address(&listening, "metrics_address"));
    Process { program, address, metrics }
}

async fn send(address: SocketAddr, method: &str, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n");
    let mut client = Wire::connect(address).await.unwrap();
    client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await.unwrap();
    client.reply(method).await.unwrap()
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> Reply {
    send(address, "POST", path, body).await
}

/// What the cache is said to have done, which has `users` to keep.
async fn cached(users: &Process, path: &str) -> (String, Value) {
    let reply = get(users.address, path).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (reply.header("cache-status").unwrap_or("none").to_owned(), json(&reply)["item"].clone())
}

/// How many entries were looked for in the cache with this result.
async fn looked_for(users: &Process, result: &str) -> u64 {
    let text = get(users.metrics, "/metrics").await.text().to_owned();
    let series = format!("cache_requests_total{{result=\"{result}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

async fn is_answered(address: SocketAddr, path: &str, status: u16) {
    until(&format!("{path}: {status}"), async || get(address, path).await.status == status).await;
}

/// 503 as it should be: a problem that says what is wrong, and when to come back.
fn assert_busy(reply: &Reply, says: &str) {
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("2")), "{reply:?}");
    assert!(reply.text().contains(says), "{reply:?}");
}

#[tokio::test]
async fn users_and_products_are_added_listed_and_found_each_in_a_database_of_its_own() {
    let postgres = Postgres::start(&["users", "products"]);
    let (users, products) = (start(&postgres, "users", &[]), start(&postgres, "products", &[]));
    let ada = json!({"id": 7, "name": "Ada", "email": "ada@shop.example"});
    is_answered(users.address, "/api/users", 200).await;
    let added = post(users.address, "/api/users", &ada).await;
    assert_eq!((added.status, added.header("location")), (201, Some("/api/users/7")), "{added:?}");
    assert_eq!(json(&get(users.address, "/api/users/7").await)["item"], ada);
    let grace = json!({"name": "Grace", "email": "grace@shop.example"});
    let id = json(&post(users.address, "/api/users", &grace).await)["item"]["id"].as_u64().unwrap();
    assert!(id >= 1_000_000, "{id}: one that is given takes none of those that are asked for");
    let all = json(&get(users.address, "/api/users").await);
    assert_eq!((&all["items"][0]["name"], &all["items"][1]["id"]), (&json!("Ada"), &json!(id)), "{all}");

    let rope = json!({"id": 7, "name": "Rope", "price": 15});
    is_answered(products.address, "/api/products", 200).await;
    assert_eq!(json(&post(products.address, "/api/products", &rope).await)["item"], rope);
    assert_eq!(postgres.ask("users", "SELECT count(*) FROM users"), "2");
    assert_eq!(postgres.ask("products", "SELECT count(*) FROM products"), "1");
    for (service, path) in [(&users, "/api/products"), (&products, "/api/users"), (&users, "/api/jobs")] {
        assert_eq!(get(service.address, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_user_or_no_product_is_refused() {
    let postgres = Postgres::start(&["users", "products"]);
    let (users, products) = (start(&postgres, "users", &[]), start(&postgres, "products", &[]));
    is_answered(users.address, "/api/users/1", 404).await;
    is_answered(products.address, "/api/products/1", 404).await;
    let long = "x".repeat(101);
    for (address, path, body, status, says) in [
        (users.address, "/api/users", json!({"name": "Ada"}), 400, "missing field `email`"),
        (users.address, "/api/users", json!({"name": "Ada", "email": "ada"}), 400, "an @"),
        (users.address, "/api/users", json!({"name": long, "email": "a@b"}), 400, "1 to 100 characters"),
        (users.address, "/api/users", json!({"name": "A\u{0}", "email": "a@b"}), 400, "1 to 100 characters"),
        (users.address, "/api/users", json!({"id": 0.5, "name": "A", "email": "a@b"}), 400, "expected u32"),
        (users.address, "/api/users", json!({"id": 0, "name": "A", "email": "a@b"}), 400, "id is from 1"),
        (products.address, "/api/products", json!({"name": "Rope", "price": -1}), 400, "expected u64"),
        (products.address, "/api/products", json!({"name": "Rope", "price": 1_000_000_001}), 400, "at most 1000000000"),
        (products.address, "/api/products", json!({"name": "Rope", "price": 1, "stock": 1}), 400, "unknown field"),
    ] {
        let reply = post(address, path, &body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.text().contains(says), "{body}: {reply:?}");
    }
    let rope = json!({"id": 1, "name": "Rope", "price": 15});
    assert_eq!(post(products.address, "/api/products", &rope).await.status, 201);
    assert_eq!(post(products.address, "/api/products", &rope).await.status, 409);
    for (path, status) in
        [("/api/users/0", 400), ("/api/users/x", 400), ("/api/users/4294967296", 400), ("/api/users?a=b", 400)]
    {
        assert_eq!(get(users.address, path).await.status, status, "{path}");
    }
}

/// Eight at once, on a database that has nothing: each migration is done once.
#[tokio::test]
async fn pods_that_start_at_once_make_the_schema_once_and_plant_what_is_there_from_the_start() {
    let postgres = Postgres::start(&["users"]);
    let file = std::env::temp_dir().join(format!("systems-seed-{}", std::process::id()));
    std::fs::write(
        &file,
        r#"[{"id":1,"name":"Ada","email":"ada@shop.example"},{"id":2,"name":"Grace","email":"g@a"}]"#,
    )
    .unwrap();
    let settings = [("RESOURCE_FILE", file.to_str().unwrap())];
    let pods: Vec<Process> = (0..8).map(|_| start(&postgres, "users", &settings)).collect();
    for pod in &pods {
        is_answered(pod.address, "/api/users/2", 200).await;
    }
    assert_eq!(postgres.ask("users", "SELECT number, name FROM migrations"), "1|users");
    assert_eq!(postgres.ask("users", "SELECT count(*) FROM users"), "2");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_schema_that_is_further_than_this_version_is_left_alone_and_one_that_fails_half_way_too() {
    let postgres = Postgres::start(&["users"]);
    // Somebody's table has the name: the migration fails, and the table of migrations goes with it.
    postgres.ask("users", "CREATE TABLE users (nothing int)");
    let mut pod = start(&postgres, "users", &[]);
    let line = pod.program.line("database: no answer").to_string();
    assert!(line.contains("already exists"), "{line}");
    assert_busy(&get(pod.address, "/api/users").await, "refuses the command");
    assert_eq!(
        get(pod.address, "/ready").await.status,
        503,
        "it could answer nothing: a rollout to it is to stand still"
    );
    assert_eq!(postgres.ask("users", "SELECT to_regclass('migrations') IS NULL"), "t");
    postgres.ask("users", "DROP TABLE users");
    is_answered(pod.address, "/api/users", 200).await;
    is_answered(pod.address, "/ready", 200).await;
    // The next version has added a column, and a pod of this one still writes what it knows.
    postgres
        .ask("users", "ALTER TABLE users ADD phone text; INSERT INTO migrations (number, name) VALUES (2, 'phone')");
    let old = start(&postgres, "users", &[]);
    is_answered(old.address, "/api/users", 200).await;
    for pod in [&pod, &old] {
        assert_eq!(post(pod.address, "/api/users", &json!({"name": "Ada", "email": "a@b"})).await.status, 201);
    }
    assert_eq!(postgres.ask("users", "SELECT count(*), max(number) FROM users, migrations"), "4|2");
}

/// Users in this release of their table.
fn release(postgres: &Postgres, number: &str) -> Process {
    start(postgres, "users", &[("USERS_SCHEMA", number)])
}

/// The names of all users, as a pod answers them.
async fn names(pod: &Process) -> Vec<String> {
    let reply = get(pod.address, "/api/users").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    json(&reply)["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

/// Adds a user of this name, or gives it to the one that has this id.
async fn write(address: SocketAddr, method: &str, path: &str, name: &str) {
    let reply = send(address, method, path, &json!({"name": name, "email": "a@b"})).await;
    assert!(matches!(reply.status, 200 | 201) && json(&reply)["item"]["name"] == name, "{reply:?}");
}

/// Starts two pods of a release at once, while one of the release before is asked all the time, and nothing fails of that.
async fn rolled_out(postgres: &Postgres, number: &str, before: &Process) -> [Process; 2] {
    let (address, first) =
        (before.address, format!("/api/users/{}", json(&get(before.address, "/api/users").await)["items"][0]["id"]));
    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (ends, counted) = (Arc::clone(&done), Arc::clone(&count));
    let load = tokio::spawn(async move {
        while !ends.load(Ordering::Relaxed) {
            write(address, "PUT", &first, "Ada").await;
            assert_eq!(get(address, &first).await.status, 200);
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let some_more = async || {
        let before = count.load(Ordering::Relaxed);
        until("some writes", async || load.is_finished() || count.load(Ordering::Relaxed) > before + 5).await;
    };
    some_more().await;
    let pods = [release(postgres, number), release(postgres, number)];
    for pod in &pods {
        is_answered(pod.address, "/api/users", 200).await;
    }
    some_more().await;
    done.store(true, Ordering::Relaxed);
    load.await.unwrap();
    pods
}

/// The columns of the users' table, in order.
const COLUMNS: &str = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute \
                       WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped";

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_renamed_by_expand_and_contract_while_pods_of_two_releases_serve() {
    let postgres = Postgres::start(&["users"]);
    let old = release(&postgres, "1");
    is_answered(old.address, "/api/users", 200).await;
    write(old.address, "POST", "/api/users", "Ada").await;
    assert_eq!(postgres.ask("users", COLUMNS), "id name email");

    // Expand: pods of both releases read what either writes, whichever column it knows.
    let [both, other] = rolled_out(&postgres, "2", &old).await;
    assert_eq!(postgres.ask("users", COLUMNS), "id name email full_name");
    write(old.address, "POST", "/api/users", "Grace").await;
    write(both.address, "POST", "/api/users", "Edsger").await;
    write(old.address, "PUT", "/api/users/1000002", "Edsger W.").await;
    write(other.address, "PUT", "/api/users/1000001", "Grace H.").await;
    for pod in [&old, &both, &other] {
        assert_eq!(names(pod).await, ["Ada", "Grace H.", "Edsger W."]);
    }
    assert_eq!(postgres.ask("users", "SELECT count(*) FROM users WHERE name = full_name"), "3");

    // Back is harmless as long as both columns are there.
    drop(old);
    let old = release(&postgres, "1");
    is_answered(old.address, "/ready", 200).await;
    assert_eq!(names(&old).await, ["Ada", "Grace H.", "Edsger W."]);

    // Contract, when nobody asks for the old column any more.
    drop(old);
    let [new, _] = rolled_out(&postgres, "3", &both).await;
    assert_eq!(postgres.ask("users", COLUMNS), "id email full_name");
    write(both.address, "PUT", "/api/users/1000001", "Grace").await;
    write(new.address, "PUT", "/api/users/1000002", "Edsger").await;
    for pod in [&both, &other, &new] {
        assert_eq!(names(pod).await, ["Ada", "Grace", "Edsger"]);
    }
    // Back by one is harmless; back by two serves nothing, is never ready and says so, and the others serve on.
    let back = release(&postgres, "2");
    assert_eq!(names(&back).await, ["Ada", "Grace", "Edsger"]);
    let mut old = release(&postgres, "1");
    assert_eq!(get(old.address, "/ready").await.status, 503, "nor before it has asked");
    let failure = old.program.line("database: no answer").to_string();
    assert!(failure.contains("takes a release that knows 2, and this one knows 1"), "{failure}");
    assert_busy(&get(old.address, "/api/users").await, "this release is too old for its database");
    assert_eq!(get(old.address, "/ready").await.status, 503);
    assert_eq!(get(old.address, "/health").await.status, 200);
    assert_eq!(names(&new).await, ["Ada", "Grace", "Edsger"]);
    let done = "SELECT string_agg(number || ' ' || name, ', ' ORDER BY number) FROM migrations";
    assert_eq!(postgres.ask("users", done), "1 users, 2 users: full_name beside name, 3 users: full_name alone");
}

#[tokio::test]
async fn a_column_that_is_renamed_in_one_step_is_missed_by_the_pods_that_still_serve() {
    let postgres = Postgres::start(&["users"]);
    let old = release(&postgres, "1");
    is_answered(old.address, "/api/users", 200).await;
    write(old.address, "POST", "/api/users", "Ada").await;
    let new = release(&postgres, "3");
    is_answered(new.address, "/api/users", 200).await;
    assert_eq!(names(&new).await, ["Ada"]);
    let grace = json!({"name": "Grace", "email": "a@b"});
    for (method, path) in
        [("GET", "/api/users"), ("GET", "/api/users/1000000"), ("POST", "/api/users"), ("PUT", "/api/users/1000000")]
    {
        assert_busy(&send(old.address, method, path, &grace).await, "the database refuses the command");
    }
    assert_eq!(get(old.address, "/ready").await.status, 200, "it was when it started");
    assert_eq!(names(&new).await, ["Ada"]);
}

#[tokio::test]
async fn a_dump_delays_a_new_schema_and_nobody_else_and_a_copy_that_is_restored_gets_it_again() {
    let postgres = Postgres::start(&["users"]);
    let old = release(&postgres, "1");
    is_answered(old.address, "/api/users", 200).await;
    // The locks of a dump.
    let mut url: tokio_postgres::Config = postgres.url("users").parse().unwrap();
    let (mut client, connection) = url.password(Postgres::PASSWORD).connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let dump = client.transaction().await.unwrap();
    dump.batch_execute("LOCK TABLE users, migrations IN ACCESS SHARE MODE").await.unwrap();
    let again = release(&postgres, "1");
    is_answered(again.address, "/api/users", 200).await;
    let mut new = release(&postgres, "2");
    let failure = new.program.line("database: no answer").to_string();
    assert!(failure.contains("lock timeout"), "{failure}");
    for _ in 0..2 {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'";
        until("a lock that waits", async || postgres.ask("users", waits) == "1").await;
        assert_eq!(get(old.address, "/api/users").await.status, 200);
        assert_eq!(get(new.address, "/ready").await.status, 503);
    }
    dump.rollback().await.unwrap();
    is_answered(new.address, "/ready", 200).await;
    assert_eq!(postgres.ask("users", COLUMNS), "id name email full_name");

    // A copy has the tables alone.
    postgres.ask("users", "DROP TABLE users, migrations");
    is_answered(release(&postgres, "2").address, "/api/users", 200).await;
    assert_eq!(postgres.ask("users", COLUMNS), "id name email full_name");
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_with_a_killed_postgres() {
    let mut postgres = Postgres::start(&["users"]);
    let pod = start(&postgres, "users", &[]);
    let address = pod.address;
    is_answered(address, "/api/users", 200).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let load = tokio::spawn(async move {
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        while acknowledged.len() < 300 {
            let reply = post(address, "/api/users", &json!({"name": "Ada", "email": "ada@shop.example"})).await;
            if reply.status == 201 {
                acknowledged.push(json(&reply)["item"]["id"].as_u64().unwrap());
                counted.store(acknowledged.len(), Ordering::Relaxed);
            } else {
                assert_busy(&reply, "the database can't be reached");
                refused += 1;
            }
        }
        (acknowledged, refused)
    });
    for some in [50, 150] {
        until("some users", async || count.load(Ordering::Relaxed) >= some).await;
        postgres.kill();
        is_answered(address, "/api/users", 503).await;
        let away = async || get(pod.metrics, "/metrics").await.text().contains("\ndatabase_reachable 0\n");
        until("database_reachable 0", away).await;
        postgres.restart();
    }
    let (acknowledged, refused) = load.await.unwrap();
    assert!(refused > 0);
    let there = postgres.ask("users", "SELECT id FROM users");
    let there: std::collections::BTreeSet<u64> = there.lines().map(|line| line.parse().unwrap()).collect();
    assert!(acknowledged.iter().all(|id| there.contains(id)), "{acknowledged:?} {there:?}");
}

#[tokio::test]
async fn a_password_that_is_wrong_is_a_503_and_one_that_is_changed_is_read_anew() {
    let postgres = Postgres::start(&["users"]);
    let file = std::env::temp_dir().join(format!("systems-password-{}", std::process::id()));
    std::fs::write(&file, "wrong-secret\n").unwrap();
    let mut pod = start(&postgres, "users", &[("DATABASE_PASSWORD_FILE", file.to_str().unwrap())]);
    let line = pod.program.line("database: no answer").to_string();
    assert!(line.contains("DATABASE_PASSWORD") && !line.contains("wrong-secret"), "{line}");
    assert_busy(&get(pod.address, "/api/users").await, "refuses the password");
    std::fs::write(&file, format!("{}\n", Postgres::PASSWORD)).unwrap();
    is_answered(pod.address, "/api/users", 200).await;
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn users_are_read_through_a_cache_that_pods_share_and_that_forgets_what_changes() {
    let (postgres, redis) = (Postgres::start(&["users"]), Redis::start(&[]));
    let url = redis.url();
    // However busy the machine: the cache is not given up.
    let settings = [("STORE_URL", url.as_str()), ("CACHE_TIMEOUT_MS", "1000")];
    let (one, other) = (start(&postgres, "users", &settings), start(&postgres, "users", &settings));
    is_answered(one.address, "/api/users", 200).await;
    let ada = json!({"id": 7, "name": "Ada", "email": "ada@shop.example"});
    assert_eq!(post(one.address, "/api/users", &ada).await.status, 201);
    assert_eq!(get(one.address, "/api/users/8").await.status, 404);
    until("it is stored", async || cached(&one, "/api/users/7").await.0 == "redis; hit").await;
    assert_eq!(cached(&other, "/api/users/7").await, ("redis; hit".to_owned(), ada.clone()));
    let lasts: u64 = redis.ask("PTTL cache:users:7").trim().trim_start_matches(':').parse().unwrap();
    assert!((1..=60_000).contains(&lasts), "{lasts}");
    // It is the cache that answers, and not the database.
    postgres.ask("users", "UPDATE users SET name = 'Nobody' WHERE id = 7");
    assert_eq!(cached(&other, "/api/users/7").await.1["name"], "Ada");
    // What is added is found, although it was looked for before.
    let grace = json!({"id": 8, "name": "Grace", "email": "grace@shop.example"});
    assert_eq!(post(one.address, "/api/users", &grace).await.status, 201);
    assert_eq!(cached(&other, "/api/users/8").await.1["name"], "Grace");

    // What changes is forgotten, and who has read it before does not put the old one back.
    let changed = json!({"name": "Ada L.", "email": "ada@shop.example"});
    let reply = send(other.address, "PUT", "/api/users/7", &changed).await;
    assert_eq!((reply.status, &json(&reply)["item"]["name"]), (200, &json!("Ada L.")), "{reply:?}");
    let (status, item) = cached(&one, "/api/users/7").await;
    assert_eq!((status.as_str(), &item["name"]), ("redis; fwd=miss", &json!("Ada L.")));
    assert_eq!(redis.ask("SET cache:users:7 old NX"), "$-1\r\n", "its place is marked");
    until("it is stored again", async || {
        let (status, item) = cached(&one, "/api/users/7").await;
        assert_eq!(item["name"], "Ada L.");
        status == "redis; hit"
    })
    .await;
    assert!(looked_for(&one, "hit").await >= 1 && looked_for(&one, "miss").await >= 3);
    for (path, body, status) in [
        ("/api/users/9", json!({"name": "Ada", "email": "a@b"}), 404),
        ("/api/users/7", json!({"id": 8, "name": "Ada", "email": "a@b"}), 400),
        ("/api/users/7", json!({"id": 7, "name": "Ada"}), 400),
        ("/api/users/x", json!({"name": "Ada", "email": "a@b"}), 400),
    ] {
        let reply = send(one.address, "PUT", path, &body).await;
        assert_eq!(reply.status, status, "{path} {body}: {reply:?}");
    }
}

#[tokio::test]
async fn a_cache_that_is_away_slow_or_full_of_nonsense_costs_no_reply() {
    let (postgres, mut redis) = (Postgres::start(&["users"]), Redis::start(&[]));
    let url = redis.url();
    // The connection itself is given up late: it is the cache's own patience that ends.
    let settings = [("STORE_URL", url.as_str()), ("STORE_TIMEOUT_MS", "10000")];
    let users = start(&postgres, "users", &settings);
    is_answered(users.address, "/api/users", 200).await;
    let ada = json!({"id": 7, "name": "Ada", "email": "ada@shop.example"});
    assert_eq!(post(users.address, "/api/users", &ada).await.status, 201);
    let becomes = async |status: &str| {
        until(status, async || {
            let (said, item) = cached(&users, "/api/users/7").await;
            assert_eq!(item, ada);
            said == status
        })
        .await;
    };
    becomes("redis; hit").await;
    redis.signal("-STOP");
    let asked = std::time::Instant::now();
    assert_eq!(cached(&users, "/api/users/7").await.0, "redis; fwd=miss; detail=unavailable");
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{:?}", asked.elapsed());
    let changed = send(users.address, "PUT", "/api/users/7", &ada).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    redis.signal("-CONT");
    becomes("redis; hit").await;
    redis.kill();
    becomes("redis; fwd=miss; detail=unavailable").await;
    until("store_reachable 0", async || get(users.metrics, "/metrics").await.text().contains("\nstore_reachable 0\n"))
        .await;
    assert_eq!(get(users.address, "/ready").await.status, 200, "readiness is the process's own");
    redis.restart();
    becomes("redis; hit").await;
    redis.ask("SET cache:users:7 {nonsense");
    assert_eq!(cached(&users, "/api/users/7").await, ("redis; fwd=miss; detail=unavailable".to_owned(), ada.clone()));
    assert!(looked_for(&users, "error").await >= 3);
}

/// It asks for a password when a connection opens, and never after that.
#[tokio::test]
async fn a_password_that_postgres_itself_changes_meets_only_new_connections_and_is_read_anew() {
    let mut postgres = Postgres::start(&["users"]);
    let file = std::env::temp_dir().join(format!("systems-rotated-{}", std::process::id()));
    std::fs::write(&file, Postgres::PASSWORD).unwrap();
    // One connection, which its own looking and all requests share.
    let settings = [
        ("DATABASE_PASSWORD_FILE", file.to_str().unwrap()),
        ("DATABASE_TIMEOUT_MS", "20000"),
        ("DATABASE_CONNECTIONS", "1"),
    ];
    let pod = start(&postgres, "users", &settings);
    is_answered(pod.address, "/api/users", 200).await;
    let add = async || post(pod.address, "/api/users", &json!({"name": "Ada", "email": "ada@shop.example"})).await;
    postgres.change_password("next-secret");
    for _ in 0..10 {
        assert_eq!(add().await.status, 201, "connections that are open stay so");
    }
    // All of them end before the Secret has the new one: then the service says so, to its clients and in its log.
    postgres.ask("users", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    until("the password is refused", async || {
        let reply = add().await;
        // One that ends under a request can't be reached.
        assert_busy(&reply, "the database");
        reply.text().contains("refuses the password")
    })
    .await;
    assert_eq!(get(pod.address, "/ready").await.status, 200, "readiness is the process's own");
    std::fs::write(&file, "next-secret").unwrap();
    until("the new one is taken", async || add().await.status == 201).await;
    let there: u64 = postgres.ask("users", "SELECT count(*) FROM users").parse().unwrap();
    assert!(there >= 11, "{there}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn wrong_settings_exit_64_and_name_what_to_set() {
    let file = std::env::temp_dir().join(format!("systems-wrong-seed-{}", std::process::id()));
    std::fs::write(&file, r#"[{"name":"Rope","price":1},{"name":"Rope"}]"#).unwrap();
    let database = ("DATABASE_URL", "postgres://shop:hunter2@a/b");
    for (environment, says) in [
        (&[("ROLE", "users")][..], "set DATABASE_URL"),
        (
            &[("DATABASE_URL", "mysql://shop:hunter2@a/b")],
            "DATABASE_URL=\"(hidden)\" is not accepted: set it to postgres://",
        ),
        (
            &[("ROLE", "users"), database, ("USERS_SCHEMA", "4")],
            "USERS_SCHEMA=\"4\" is not accepted: set it to 1, 2 or 3",
        ),
        (&[("ROLE", "products"), database, ("RESOURCE_FILE", "/nowhere")], "RESOURCE_FILE=\"/nowhere\""),
        (&[("ROLE", "products"), database, ("RESOURCE_FILE", file.to_str().unwrap())], "\"number 2\""),
    ] {
        let text = refusal(PROGRAM, environment);
        assert!(text.contains(says) && !text.contains("hunter2"), "{environment:?}: {text}");
    }
    std::fs::remove_file(file).unwrap();
}
