//! Orders: placed by a request, carried through their steps by the pods of this service, told to others as events.
//!
//! # What is promised
//! An order that was answered 201 ends CONFIRMED, with its payment and its items reserved, or FAILED, with neither, whoever is killed
//! in between; the same Idempotency-Key places one. What happened to it goes into the `outbox` in the transaction in which it
//! happened, and from there to the stream in the store, at least once and, within a day, not twice.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use service::app::{Call, Server};
use service::message::body::Body;
use service::message::correlation::{Correlation, random};
use service::message::problem::Problem;
use service::message::{json, query, upload};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Row;

use super::catalogue::one;
use super::notifications::EVENTS;
use super::peer::{OVERALL, Peer, Silent};
use super::reservations::MOST;
use super::saga::{Outcome, Saga, Step};
use crate::database::Database;
use crate::database::failure::Unavailable;
use crate::database::migration::Migration;
use crate::jobs::idempotency_key;
use crate::script::Script;
use store::Store;

/// What makes the tables and functions.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration { name: "orders", sql: include_str!("orders.sql"), least: 0 }];

/// The longest order, in bytes.
const LONGEST: usize = 1024;
/// The most of a product in one order.
const MOST_ITEMS: u64 = 1000;
/// Orders that a pod has in hand at the same time.
const LANES: usize = 3;
/// How long an order stays in the hand of a pod that is not heard of any more: longer than a command takes.
const LEASE: Duration = OVERALL.saturating_add(Duration::from_secs(1));
/// The pause between two looks for orders, or for events, where there was none.
const POLL: Duration = Duration::from_millis(100);
/// Events that may wait in the store; further ones wait in the database.
const MOST_EVENTS: &[u8] = b"100000";
/// Events that are told in one step.
const TOLD_AT_ONCE: i64 = 50;

/// Who is asked.
pub(crate) struct Peers {
    pub(crate) users: Peer,
    pub(crate) products: Peer,
    pub(crate) payments: Peer,
    pub(crate) inventory: Peer,
}

pub(crate) struct Orders {
    database: Database,
    peers: Peers,
    /// Where events go.
    store: Option<Store>,
    /// How long an order tries to be confirmed.
    patience: Duration,
    placed: Notify,
}

/// An order as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    user_id: u64,
    product_id: u64,
    #[serde(default = "single")]
    quantity: u64,
}

fn single() -> u64 {
    1
}

/// An order in one's hand.
struct Taken {
    id: i64,
    turn: i64,
    saga: Saga,
    product: i64,
    quantity: i64,
    amount: i64,
    correlation: Correlation,
}

impl Orders {
    pub(crate) fn new(database: Database, peers: Peers, store: Option<Store>, patience: Duration) -> Self {
        Self { database, peers, store, patience, placed: Notify::new() }
    }

    /// Carries orders through their steps and tells what happened, until it is dropped: whatever it does then, another pod
    /// does again.
    pub(crate) async fn work(self: Arc<Self>) {
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            lanes.spawn(Arc::clone(&self).lane());
        }
        if let Some(store) = self.store.clone() {
            lanes.spawn(Arc::clone(&self).tell(store));
        }
        self.database.watch().await;
    }

    /// `POST /api/orders`: 201, once the order is in the database; 200 where it was there already.
    pub(crate) async fn place(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { head, body, server, context, .. } = call;
        let wanted: Wanted = upload::json(&server.room, &head.headers, body, LONGEST).await?;
        wanted.check().map_err(Problem::bad)?;
        let correlation = &context.correlation;
        let key = idempotency_key(&head.headers)?.map_or_else(new_key, |key| format!("given {key}"));
        if let Some(placed) = self.find_by_key(&key).await? {
            return wanted.answer_again(&placed, server);
        }
        let (user, product) =
            (format!("/api/users/{}", wanted.user_id), format!("/api/products/{}", wanted.product_id));
        let (user, product) =
            tokio::join!(self.peers.users.get(&user, correlation), self.peers.products.get(&product, correlation));
        // Without the user the order is poorer, not lost; without the product nobody knows what it costs.
        let user = item(user, "User not found")?;
        let Some(product) = item(product, "Product not found")? else {
            return Err(Problem::busy("products can't be asked what this costs: order again in a moment", 2));
        };
        let price = product["price"].as_u64().filter(|price| *price <= MOST / MOST_ITEMS);
        let price = price.ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "the product has no price"))?;
        let new = json!({
            "key": key, "user_id": wanted.user_id, "product_id": wanted.product_id, "quantity": wanted.quantity,
            "amount": price * wanted.quantity, "buyer": user, "product": product,
            "request_id": correlation.request_id(), "traceparent": correlation.traceparent.to_str().unwrap_or_default(),
        });
        let Some((id, shown)) = self.add(&new).await? else {
            let placed = self.find_by_key(&key).await?;
            return placed
                .map_or_else(|| Err(Problem::busy("order again", 1)), |placed| wanted.answer_again(&placed, server));
        };
        tracing::info!(order = id, request_id = correlation.request_id(), "order: placed");
        self.placed.notify_one();
        Ok(json::made(StatusCode::CREATED, format!("/api/orders/{id}"), one(&shown, server)))
    }

    /// `GET /api/orders/{id}`.
    pub(crate) async fn show(&self, id: &str, server: &Server) -> Result<Response<Body>, Problem> {
        let bad = || Problem::bad(format!("an order's id is a whole number from 1 to {MOST}"));
        let id = query::number(id, 1..=MOST).ok_or_else(bad)?;
        let client = self.database.client().await?;
        let row = client.query_opt("SELECT shown(orders) FROM orders WHERE id = $1", &[&id.cast_signed()]).await;
        let row = row.map_err(Unavailable::from)?;
        let row = row.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("no order has the id {id}")))?;
        Ok(one(&row.try_get::<_, String>(0).map_err(Unavailable::from)?, server))
    }

    /// `GET /api/orders`: how many there are in each state.
    pub(crate) async fn counts(&self, server: &Server) -> Result<Response<Body>, Problem> {
        let row = self.database.client().await?.query_one("SELECT counts()", &[]).await;
        let counts: String = row.and_then(|row| row.try_get(0)).map_err(Unavailable::from)?;
        Ok(json::written("orders", &counts, &server.served_by_json))
    }

    async fn add(&self, new: &Value) -> Result<Option<(i64, String)>, Unavailable> {
        let patience = self.patience.as_millis() as i64;
        let statement = "SELECT placed.id, shown(placed) FROM place($1::text::json, $2) placed";
        let row = self.database.client().await?.query_opt(statement, &[&new.to_string(), &patience]).await?;
        Ok(row.map(|row| Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?)
    }

    async fn find_by_key(&self, key: &str) -> Result<Option<String>, Unavailable> {
        let statement = "SELECT shown(orders) FROM orders WHERE key = $1";
        let row = self.database.client().await?.query_opt(statement, &[&key]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Does one step of an order after the other.
    async fn lane(self: Arc<Self>) {
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = timeout(POLL, self.placed.notified()).await;
                }
                // The database says itself what is wrong with it.
                Err(_) => sleep(POLL).await,
            }
        }
    }

    /// Does a step of the order that waits longest. Says whether there was one.
    async fn step(&self) -> Result<bool, Unavailable> {
        let Some(taken) = self.take().await? else { return Ok(false) };
        let started = Instant::now();
        let (outcome, why) = self.command(&taken).await;
        let now = started.elapsed();
        let next = taken.saga.after(outcome, now);
        let request_id = taken.correlation.request_id();
        if self.end(&taken, next, next.due.saturating_sub(now), why).await? == 0 {
            tracing::warn!(order = taken.id, request_id, "order: another has it in hand by now");
        } else if next.step.is_last() {
            tracing::info!(order = taken.id, state = next.step.name(), request_id, "order: ended");
        }
        Ok(true)
    }

    /// Takes an order, on whose clock it is 0 now.
    async fn take(&self) -> Result<Option<Taken>, Unavailable> {
        let statement = "SELECT id, turn, step, tries, deadline_ms - now_ms(), product_id, quantity, amount, request_id, traceparent \
                         FROM take($1)";
        let lease = LEASE.as_millis() as i64;
        let row = self.database.client().await?.query_opt(statement, &[&lease]).await?;
        let Some(row) = row else { return Ok(None) };
        let taken = taken(&row)?;
        taken.map(Some).ok_or_else(|| Unavailable::Refused("an order is in a state of another version".to_owned()))
    }

    /// Sends the command of an order's step. The outcome, and why it is refused.
    async fn command(&self, taken: &Taken) -> (Outcome, Option<&'static str>) {
        let order = taken.id;
        let (peer, path, command, refused) = match taken.saga.step {
            Step::ReservePayment => {
                let command = json!({"order": order, "amount": taken.amount});
                (&self.peers.payments, "/api/payments/reserve", command, "payment refused")
            }
            Step::ReserveInventory => {
                let command = json!({"order": order, "product": taken.product, "quantity": taken.quantity});
                (&self.peers.inventory, "/api/inventory/reserve", command, "out of stock")
            }
            Step::ReleaseInventory => {
                (&self.peers.inventory, "/api/inventory/release", json!({"order": order}), "inventory does not answer")
            }
            Step::ReleasePayment => {
                (&self.peers.payments, "/api/payments/release", json!({"order": order}), "payments do not answer")
            }
            // No order that has ended is taken.
            Step::Confirmed | Step::Failed => return (Outcome::Unknown, None),
        };
        match peer.post(path, &command, &taken.correlation).await {
            Ok((status, _)) if status.is_success() => (Outcome::Done, None),
            Ok((StatusCode::CONFLICT, _)) => (Outcome::Refused, Some(refused)),
            // A mistake of one of the two programs: another version may know better.
            Ok((status, value)) => {
                tracing::warn!(order, peer = peer.name, path, %status, detail = %value["detail"], "order: not understood");
                (Outcome::Unknown, None)
            }
            Err(_) => (Outcome::Unknown, None),
        }
    }

    /// Writes how far an order is by now, and that it is due after `wait`; says how many that changed.
    async fn end(&self, taken: &Taken, next: Saga, wait: Duration, why: Option<&str>) -> Result<i64, Unavailable> {
        let gave_up = matches!(
            (taken.saga.step, next.step),
            (Step::ReservePayment, Step::ReleasePayment) | (Step::ReserveInventory, Step::ReleaseInventory)
        );
        let why = if gave_up { Some("no answer in time") } else { why };
        let (tries, wait) = (i64::from(next.tries), wait.as_millis() as i64);
        let statement = "SELECT step($1, $2, $3, $4, now_ms() + $5, $6)";
        let client = self.database.client().await?;
        let row =
            client.query_one(statement, &[&taken.id, &taken.turn, &next.step.name(), &tries, &wait, &why]).await?;
        Ok(row.try_get(0)?)
    }

    /// Tells one event after the other.
    async fn tell(self: Arc<Self>, store: Store) {
        loop {
            if !matches!(self.tell_some(&store).await, Ok(1..)) {
                sleep(POLL).await;
            }
        }
    }

    /// Tells the oldest events. Says how many; one that the store did not take is told again later, in its turn.
    async fn tell_some(&self, store: &Store) -> Result<usize, Unavailable> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let statement = "SELECT id, event_id::text, event FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED";
        let rows = transaction.query(statement, &[&TOLD_AT_ONCE]).await?;
        let mut told: Vec<i64> = Vec::new();
        for row in &rows {
            let (event_id, event): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
            if store.run(Script::Publish, EVENTS, &[event_id.as_bytes(), event.as_bytes(), MOST_EVENTS]).await.is_err()
            {
                break;
            }
            told.push(row.try_get(0)?);
        }
        transaction.execute("DELETE FROM outbox WHERE id = ANY($1)", &[&told]).await?;
        transaction.commit().await?;
        Ok(told.len())
    }
}

impl Wanted {
    fn check(&self) -> Result<(), String> {
        for (name, number) in [("user_id", self.user_id), ("product_id", self.product_id)] {
            if !(1..=u64::from(u32::MAX)).contains(&number) {
                return Err(format!("{name} is a whole number from 1 to {}", u32::MAX));
            }
        }
        let fits = (1..=MOST_ITEMS).contains(&self.quantity);
        if fits { Ok(()) } else { Err(format!("quantity is from 1 to {MOST_ITEMS}")) }
    }

    /// Answers with the order that was placed before with this key.
    fn answer_again(&self, placed: &str, server: &Server) -> Result<Response<Body>, Problem> {
        let same: Value = serde_json::from_str(placed).unwrap_or_default();
        let asked = [("user_id", self.user_id), ("product_id", self.product_id), ("quantity", self.quantity)];
        if asked.iter().any(|(name, number)| same[name] != *number) {
            let detail = "this Idempotency-Key belongs to another order: use a new one for each order";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        Ok(one(placed, server))
    }
}

/// A key of its own for an order that came with none; no other begins so.
fn new_key() -> String {
    format!("own {:016x}{:016x}", random(), random())
}

/// What a peer says of one that is asked for; `None` where it says nothing.
fn item(asked: Result<(StatusCode, Value), Silent>, missing: &str) -> Result<Option<Value>, Problem> {
    match asked {
        Ok((StatusCode::OK, mut value)) => Ok(Some(value["item"].take())),
        Ok((StatusCode::NOT_FOUND, _)) => Err(Problem::new(StatusCode::NOT_FOUND, missing)),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// The order in `row`; `None` where its step has a name that this version does not know.
fn taken(row: &Row) -> Result<Option<Taken>, tokio_postgres::Error> {
    let Some(step) = Step::named(row.try_get(2)?) else { return Ok(None) };
    let (tries, left): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
    let deadline = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    let saga = Saga { step, tries: u32::try_from(tries).unwrap_or(u32::MAX), due: Duration::ZERO, deadline };
    let (request_id, traceparent): (&str, &str) = (row.try_get(8)?, row.try_get(9)?);
    let mut headers = HeaderMap::new();
    for (name, value) in [(contract::REQUEST_ID, request_id), ("traceparent", traceparent)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok(Some(Taken {
        id: row.try_get(0)?,
        turn: row.try_get(1)?,
        saga,
        product: row.try_get(5)?,
        quantity: row.try_get(6)?,
        amount: row.try_get(7)?,
        correlation: Correlation::of(&headers),
    }))
}
