//! Orders over six services as processes of their own, on a real PostgreSQL and a real Redis: what a customer gets, and what adds up
//! whoever is killed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testing::port;
use testing::postgres::Postgres;
use testing::redis::Redis;
use testing::wire::{Reply, Wire, get, until};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_systems");

/// Who has a database.
const STORED: [&str; 5] = ["users", "products", "orders", "payments", "inventory"];
/// Whom the orders ask, and the variable that says where that is.
const ASKED: [(&str, &str); 4] = [
    ("users", "USER_SERVICE_URL"),
    ("products", "PRODUCT_SERVICE_URL"),
    ("payments", "PAYMENT_SERVICE_URL"),
    ("inventory", "INVENTORY_SERVICE_URL"),
];
/// Items of the product 1, of which there are enough for all, and of 2.
const ENOUGH: u64 = 1_000_000;
const FEW: u64 = 100;
/// No payment may be as much as the product 3 costs.
const DEAR: u64 = 5000;

/// When in a request somebody is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// It has not arrived.
    Before,
    /// It is worked on.
    Inside,
    /// It was done, and its reply is not passed on.
    After,
}

/// What becomes of a request that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    /// Its reply does not.
    Unanswered,
    Kills(&'static str, Moment),
}

/// Says what becomes of a request to a path, to which so many went before.
type Fates = dyn Fn(&str, usize) -> Fate + Send + Sync;

/// A service that is started, killed and started again at the same port.
struct Process {
    child: Child,
    port: u16,
    environment: Vec<(String, String)>,
    log: PathBuf,
}

impl Process {
    fn start(port: u16, environment: Vec<(String, String)>, log: PathBuf) -> Self {
        let child = spawn(port, &environment, &log);
        Self { child, port, environment, log }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(self.port, &self.environment, &self.log);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, environment: &[(String, String)], log: &PathBuf) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    Command::new(PROGRAM)
        .env_clear()
        .envs([("BIND_ADDRESS", "127.0.0.1"), ("METRICS_PORT", "0"), ("DRAIN_SECONDS", "0")])
        .env("PORT", port.to_string())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::from(log))
        .spawn()
        .unwrap()
}

/// All services of the shop. What the orders ask of others passes `fate`, which is told the path and how many went there before.
struct Shop {
    postgres: Postgres,
    redis: Redis,
    processes: Arc<Mutex<BTreeMap<&'static str, Process>>>,
    orders: SocketAddr,
    notifications: SocketAddr,
    directory: PathBuf,
    _proxies: JoinSet<()>,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Shop {
    async fn open(settings: &[(&str, &str)], fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        Self::open_on(Postgres::start(&STORED), settings, fate).await
    }

    async fn open_on(
        postgres: Postgres,
        settings: &[(&str, &str)],
        fate: impl Fn(&str, usize) -> Fate + Send + Sync + 'static,
    ) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("systems-shop-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let redis = Redis::start(&["--appendfsync", "no"]);
        let processes = Arc::new(Mutex::new(BTreeMap::new()));
        let counts: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let fate: Arc<Fates> = Arc::new(fate);
        let mut proxies = JoinSet::new();
        let mut of_orders = Vec::new();
        let ports: BTreeMap<&str, u16> =
            STORED.into_iter().chain(["notifications"]).map(|role| (role, port::free())).collect();
        for (role, variable) in ASKED {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            of_orders.push((variable.to_owned(), format!("http://{}", listener.local_addr().unwrap())));
            let (target, processes, counts, fate) =
                (loopback(ports[role]), Arc::clone(&processes), Arc::clone(&counts), Arc::clone(&fate));
            proxies.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (processes, counts, fate) = (Arc::clone(&processes), Arc::clone(&counts), Arc::clone(&fate));
                    connections.spawn(async move {
                        // Whichever side has ended, the other learns it by the end of the connection.
                        drop(pass(stream, target, &processes, &counts, &*fate).await);
                    });
                }
            });
        }
        for (role, port) in &ports {
            let mut environment = vec![("ROLE".to_owned(), (*role).to_owned())];
            let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
            if STORED.contains(role) {
                set("DATABASE_URL", postgres.url(role));
                set("DATABASE_PASSWORD", Postgres::PASSWORD.to_owned());
            }
            if ["orders", "notifications"].contains(role) {
                set("STORE_URL", redis.url());
            }
            if let Some(seed) = seed(role) {
                let file = directory.join(format!("{role}.json"));
                fs::write(&file, seed.to_string()).unwrap();
                set("RESOURCE_FILE", file.to_str().unwrap().to_owned());
            }
            if *role == "payments" {
                set("PAYMENT_MAX", (DEAR - 1).to_string());
            }
            if *role == "orders" {
                environment.extend(of_orders.clone());
                environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            }
            let process = Process::start(*port, environment, directory.join(role));
            processes.lock().unwrap().insert(*role, process);
        }
        for (role, path) in [
            ("users", "/api/users/1"),
            ("products", "/api/products/3"),
            ("inventory", "/api/inventory"),
            ("payments", "/api/payments"),
            ("orders", "/api/orders"),
            ("notifications", "/api/notifications"),
        ] {
            until(path, async || ask(loopback(ports[role]), path).await.is_ok_and(|reply| reply.status == 200)).await;
        }
        let (orders, notifications) = (loopback(ports["orders"]), loopback(ports["notifications"]));
        Self { postgres, redis, processes, orders, notifications, directory, _proxies: proxies }
    }

    fn kill(&self, role: &'static str) {
        self.processes.lock().unwrap().get_mut(role).unwrap().kill();
    }

    fn restart(&self, role: &'static str) {
        self.processes.lock().unwrap().get_mut(role).unwrap().restart();
    }

    async fn order(&self, body: &Value, headers: &str) -> Reply {
        place(self.orders, body, headers).await.unwrap()
    }

    async fn ends(&self, id: u64, status: &str) -> Value {
        let path = format!("/api/orders/{id}");
        until(&format!("order {id}: {status}"), async || shown(&get(self.orders, &path).await)["status"] == status)
            .await;
        shown(&get(self.orders, &path).await)
    }

    /// Waits until so many notifications were sent and so many events were put aside, and none waits.
    async fn notified(&self, sent: u64, poisoned: u64) {
        let wanted = json!({"sent": sent, "waiting": 0, "poisoned": poisoned});
        let asked = async || json(&get(self.notifications, "/api/notifications").await)["notifications"].clone();
        let started = Instant::now();
        while asked().await != wanted || self.postgres.ask("orders", "SELECT count(*) FROM outbox") != "0" {
            assert!(started.elapsed() < Duration::from_secs(60), "{} {wanted}", asked().await);
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The lines of a service's log with this request id.
    fn lines(&self, role: &str, request_id: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.join(role)).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["request_id"] == request_id).collect()
    }

    /// What is reserved is what the orders say that are confirmed, and nothing else is gone.
    fn assert_adds_up(&self) {
        let ask = |database, statement| self.postgres.ask(database, statement);
        assert_eq!(
            ask("payments", "SELECT order_id, amount FROM payments WHERE state = 'reserved' ORDER BY 1"),
            ask("orders", "SELECT id, amount FROM orders WHERE step = 'confirmed' ORDER BY 1"),
        );
        assert_eq!(
            ask(
                "inventory",
                "SELECT order_id, product, quantity FROM reservations WHERE state = 'reserved' ORDER BY 1"
            ),
            ask("orders", "SELECT id, product_id, quantity FROM orders WHERE step = 'confirmed' ORDER BY 1"),
        );
        let there = "SELECT sum(free) + (SELECT coalesce(sum(quantity), 0) FROM reservations WHERE state = 'reserved') FROM stock";
        assert_eq!(ask("inventory", there), (2 * ENOUGH + FEW).to_string());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What a service has from the start.
fn seed(role: &str) -> Option<Value> {
    match role {
        "users" => Some(json!([{"id": 1, "name": "Ada", "email": "ada@shop.example"}])),
        "products" => Some(json!([
            {"id": 1, "name": "Rope", "price": 15},
            {"id": 2, "name": "Anchor", "price": 120},
            {"id": 3, "name": "Ship", "price": DEAR},
        ])),
        "inventory" => Some(json!([
            {"id": 1, "free": ENOUGH},
            {"id": 2, "free": FEW},
            {"id": 3, "free": ENOUGH},
        ])),
        _ => None,
    }
}

/// Passes the requests of a connection on to `target`, each on a connection of its own, and the replies back.
async fn pass(
    stream: TcpStream,
    target: SocketAddr,
    processes: &Mutex<BTreeMap<&'static str, Process>>,
    counts: &Mutex<BTreeMap<String, usize>>,
    fate: &Fates,
) -> io::Result<()> {
    let kill = |role: &str| {
        let mut processes = processes.lock().unwrap();
        let process = processes.get_mut(role).unwrap();
        process.kill();
        process.restart();
    };
    let mut client = Wire::over(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let line = client.line().await?;
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.parse().unwrap();
            }
            head += &line;
            head += "\r\n";
            if line.is_empty() {
                break;
            }
        }
        let body = client.exactly(length).await?;
        let (method, path) = head.split_once(' ').unwrap();
        let (method, path) = (method.to_owned(), path.split(' ').next().unwrap().to_owned());
        let count = {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(path.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let fate = fate(&path, count);
        if let Fate::Kills(role, Moment::Before) = fate {
            kill(role);
        }
        let mut server = Wire::connect(target).await?;
        server.send([head.as_bytes(), &body].concat()).await?;
        if let Fate::Kills(role, Moment::Inside) = fate {
            kill(role);
        }
        let reply = server.reply(&method).await?;
        match fate {
            Fate::Kills(role, Moment::After) => {
                kill(role);
                return Ok(());
            }
            Fate::Unanswered => return Ok(()),
            _ => {}
        }
        let head = format!("HTTP/1.1 {} Any\r\nContent-Length: {}\r\n\r\n", reply.status, reply.body.len());
        client.send([head.as_bytes(), &reply.body].concat()).await?;
    }
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<Reply> {
    Wire::connect(address).await?.get(path).await
}

async fn place(address: SocketAddr, body: &Value, headers: &str) -> io::Result<Reply> {
    let body = body.to_string();
    let head = format!("POST /api/orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{headers}");
    let mut client = Wire::connect(address).await?;
    client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await?;
    client.reply("POST").await
}

fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{reply:?}"))
}

/// The order in a reply.
fn shown(reply: &Reply) -> Value {
    json(reply)["item"].clone()
}

#[tokio::test]
async fn an_order_comes_with_its_user_and_its_product_and_one_id_follows_it_to_the_notification() {
    let shop = Shop::open(&[], |_, _| Fate::Passes).await;
    let rope = json!({"user_id": 1, "product_id": 1, "quantity": 2});
    let placed = shop.order(&rope, "X-Request-Id: order-me\r\nIdempotency-Key: a\r\n").await;
    assert_eq!((placed.status, placed.header("location")), (201, Some("/api/orders/1")), "{placed:?}");
    let order = shown(&placed);
    assert_eq!((&order["status"], &order["user_email"]), (&json!("PENDING"), &json!("ada@shop.example")), "{order}");
    assert_eq!(order["user"], json!({"id": 1, "name": "Ada", "email": "ada@shop.example"}));
    assert_eq!(order["product"], json!({"id": 1, "name": "Rope", "price": 15}));
    assert_eq!((&order["amount"], &order["degraded"]), (&json!(30), &json!([])), "{order}");
    shop.ends(1, "CONFIRMED").await;
    shop.notified(2, 0).await;
    for (role, message) in [
        ("orders", "order: placed"),
        ("payments", "reservation: asked for"),
        ("inventory", "reservation: asked for"),
        ("orders", "order: ended"),
        ("notifications", "notification: sent"),
    ] {
        let lines = shop.lines(role, "order-me");
        assert!(
            lines.iter().any(|line| line["message"] == message && line["order"].to_string().contains('1')),
            "{role}: {lines:?}"
        );
    }
    let log = fs::read_to_string(shop.directory.join("notifications")).unwrap();
    assert!(!log.contains("connection lost"), "{log}");

    let again = shop.order(&rope, "Idempotency-Key: a\r\n").await;
    assert_eq!((again.status, &shown(&again)["order_id"]), (200, &json!(1)), "{again:?}");
    let other = json!({"user_id": 1, "product_id": 2});
    assert_eq!(shop.order(&other, "Idempotency-Key: a\r\n").await.status, 422);
    for (body, status, says) in [
        (json!({"user_id": 9, "product_id": 1}), 404, "User not found"),
        (json!({"user_id": 1, "product_id": 9}), 404, "Product not found"),
        (json!({"user_id": 1}), 400, "missing field `product_id`"),
        (json!({"user_id": 1, "product_id": 1, "quantity": 0}), 400, "quantity is from 1 to 1000"),
    ] {
        let reply = shop.order(&body, "").await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.text().contains(says), "{body}: {reply:?}");
    }
    let dear = shown(&shop.order(&json!({"user_id": 1, "product_id": 3}), "").await);
    assert_eq!(shop.ends(dear["order_id"].as_u64().unwrap(), "FAILED").await["reason"], "payment refused");
    // 100 are there.
    for _ in 0..6 {
        let anchors = shown(&shop.order(&json!({"user_id": 1, "product_id": 2, "quantity": 20}), "").await);
        let id = anchors["order_id"].as_u64().unwrap();
        until("an end", async || shown(&get(shop.orders, &format!("/api/orders/{id}")).await)["status"] != "PENDING")
            .await;
    }
    let last = shop.postgres.ask("orders", "SELECT step, reason FROM orders ORDER BY id DESC LIMIT 1");
    assert_eq!(last, "failed|out of stock");
    shop.assert_adds_up();
}

#[tokio::test]
async fn an_order_without_its_user_is_poorer_one_without_its_product_is_asked_for_again() {
    let shop = Shop::open(&[], |_, _| Fate::Passes).await;
    let rope = json!({"user_id": 1, "product_id": 1});
    shop.kill("users");
    let placed = shop.order(&rope, "").await;
    assert_eq!((placed.status, &shown(&placed)["degraded"]), (201, &json!(["user"])), "{placed:?}");
    assert_eq!(shop.ends(1, "CONFIRMED").await.get("user_email"), None);
    shop.restart("users");
    shop.kill("products");
    let refused = shop.order(&rope, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")), "{refused:?}");
    assert!(refused.text().contains("products can't be asked what this costs"), "{refused:?}");
    shop.assert_adds_up();
}

#[tokio::test]
async fn an_event_that_nobody_can_read_is_put_aside_and_none_is_lost_while_the_notifications_are_away() {
    let mut shop = Shop::open(&[], |_, _| Fate::Passes).await;
    shop.kill("notifications");
    for _ in 0..2 {
        assert_eq!(shop.order(&json!({"user_id": 1, "product_id": 1}), "").await.status, 201);
    }
    shop.ends(2, "CONFIRMED").await;
    let added = shop.redis.ask("XADD {shop}:events * event Nonsense");
    assert!(added.starts_with('$'), "{added}");
    // The store is away as well: what is to be told waits in the database.
    until("all are told", async || shop.postgres.ask("orders", "SELECT count(*) FROM outbox") == "0").await;
    shop.redis.kill();
    assert_eq!(shop.order(&json!({"user_id": 1, "product_id": 1}), "").await.status, 201);
    shop.ends(3, "CONFIRMED").await;
    assert_eq!(shop.postgres.ask("orders", "SELECT count(*) FROM outbox"), "2");
    shop.redis.restart();
    shop.restart("notifications");
    until("ready", async || ask(shop.notifications, "/ready").await.is_ok_and(|reply| reply.status == 200)).await;
    shop.notified(6, 1).await;
    let aside = shop.redis.ask("XRANGE {shop}:poisoned - +");
    assert!(aside.contains("Nonsense") && aside.contains("expected value"), "{aside}");
}

#[tokio::test]
async fn a_step_that_was_done_and_never_answered_is_released_in_the_end() {
    let silent = |path: &str, _| if path == "/api/inventory/reserve" { Fate::Unanswered } else { Fate::Passes };
    let shop = Shop::open(&[("ORDER_TIMEOUT_SECONDS", "1")], silent).await;
    assert_eq!(shop.order(&json!({"user_id": 1, "product_id": 1, "quantity": 3}), "").await.status, 201);
    let reserved = "SELECT quantity FROM reservations WHERE state = 'reserved'";
    until("it is done", async || shop.postgres.ask("inventory", reserved) == "3").await;
    assert_eq!(shop.ends(1, "FAILED").await["reason"], "no answer in time");
    assert_eq!(shop.postgres.ask("payments", "SELECT state FROM payments"), "released");
    assert_eq!(shop.postgres.ask("inventory", "SELECT state FROM reservations"), "released");
    shop.assert_adds_up();
}

/// Each service that an order passes, and the orders themselves, before, inside and after each step of some order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_orders_none_is_lost_or_double_whoever_is_killed_at_whichever_step() {
    const ORDERS: usize = 1000;
    const CLIENTS: usize = 10;
    let kills = Arc::new(AtomicUsize::new(0));
    let killed = Arc::clone(&kills);
    let shop = Shop::open(&[("ORDER_TIMEOUT_SECONDS", "150")], move |path, count| {
        let role = ASKED.into_iter().map(|(role, _)| role).find(|role| path.split('/').nth(2) == Some(role)).unwrap();
        let moments = [Moment::Before, Moment::Inside, Moment::After];
        // Every seventh, until all were.
        match (count % 7, moments.get(count / 14)) {
            (3, Some(moment)) => {
                killed.fetch_add(1, Ordering::Relaxed);
                Fate::Kills(if count / 7 % 2 == 0 { role } else { "orders" }, *moment)
            }
            _ => Fate::Passes,
        }
    })
    .await;
    let (orders, started) = (shop.orders, Instant::now());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(async move {
            for number in (client..ORDERS).step_by(CLIENTS) {
                let product = if number % 25 == 0 { 3 } else { 1 + u64::from(number % 5 == 1) };
                let body = json!({"user_id": 1, "product_id": product});
                let key = format!("Idempotency-Key: order-{number}\r\n");
                // As a customer would: again, with the same key, until there is an answer.
                while !place(orders, &body, &key).await.is_ok_and(|reply| [200, 201].contains(&reply.status)) {
                    assert!(started.elapsed() < Duration::from_secs(150), "order {number} can't be placed");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    clients.join_all().await;
    let pending = "SELECT count(*) FROM orders WHERE step NOT IN ('confirmed', 'failed')";
    while shop.postgres.ask("orders", pending) != "0" {
        assert!(started.elapsed() < Duration::from_secs(200), "they do not end");
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(kills.load(Ordering::Relaxed), 30, "five commands, three moments, two who are killed");
    let all = shop.postgres.ask("orders", "SELECT count(*), count(DISTINCT key) FROM orders");
    assert_eq!(all, format!("{ORDERS}|{ORDERS}"));
    let few = shop.postgres.ask("orders", "SELECT count(*) FROM orders WHERE step = 'confirmed' AND product_id = 2");
    assert_eq!(few, FEW.to_string());
    let dear = shop.postgres.ask("orders", "SELECT DISTINCT step, reason FROM orders WHERE product_id = 3");
    assert_eq!(dear, "failed|payment refused");
    shop.assert_adds_up();
    // Each was told twice: created, and how it ended.
    shop.notified(2 * ORDERS as u64, 0).await;
}

#[tokio::test]
async fn a_full_volume_is_a_503_for_new_orders_and_none_is_lost_when_there_is_room_again() {
    // Five databases and their log take 110 MiB of it.
    let postgres = Postgres::on_volume(160 << 20, &STORED);
    let shop = Shop::open_on(postgres, &[("ORDER_TIMEOUT_SECONDS", "300")], |_, _| Fate::Passes).await;
    let rope = json!({"user_id": 1, "product_id": 1});
    let mut taken: Vec<u64> = Vec::new();
    for _ in 0..10 {
        taken.push(shown(&shop.order(&rope, "").await)["order_id"].as_u64().unwrap());
    }
    let filler = shop.postgres.on_its_volume("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(60), "{} orders are taken on a full volume", taken.len());
        let reply = shop.order(&rope, "").await;
        if reply.status == 201 {
            taken.push(shown(&reply)["order_id"].as_u64().unwrap());
            continue;
        }
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("2")), "{reply:?}");
        // Where it can't write its log either, it ends and is started again: then it can't be reached.
        if reply.text().contains("its volume is full") {
            break;
        }
    }
    assert_eq!(ask(shop.orders, "/ready").await.unwrap().status, 200, "readiness is the process's own");
    drop(file);
    fs::remove_file(&filler).unwrap();
    until("there is room again", async || shop.order(&rope, "").await.status == 201).await;
    for id in &taken {
        shop.ends(*id, "CONFIRMED").await;
    }
    until("none waits", async || {
        shop.postgres.ask("orders", "SELECT count(*) FROM orders WHERE step NOT IN ('confirmed', 'failed')") == "0"
    })
    .await;
    shop.assert_adds_up();
}
