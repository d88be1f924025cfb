//! What two services do with commands of orders: payments, and what is in stock, are reserved and released. Each command may come
//! twice, or late: the same one again says the same, and what was released can't be reserved any more.

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use service::app::{Context, Server};
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::{json, upload};
use tokio::time::sleep;

use crate::database::failure::Unavailable;
use crate::database::migration::Migration;
use crate::database::{CHECK, Database};

/// The highest number of an order, a product or an amount: what JSON of any program holds.
pub(crate) const MOST: u64 = 1 << 53;
/// The longest command, in bytes.
const LONGEST: usize = 1024;

/// What is reserved.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The last part of its path but one.
    pub(crate) name: &'static str,
    /// What makes its tables and functions.
    pub(crate) migrations: &'static [Migration],
    /// Reads a command that reserves.
    pub(crate) checked: fn(Value) -> Result<String, String>,
    /// Adds what `$1` is as JSON to what there is to reserve, unless it is there.
    pub(crate) stock: &'static str,
    /// Reads what that is.
    pub(crate) stocked: fn(Value) -> Result<String, String>,
    /// Why a command is refused.
    pub(crate) refused: &'static str,
}

/// Payments: the money of a customer, as if somebody else kept it.
pub(crate) const PAYMENTS: Kind = Kind {
    name: "payments",
    migrations: &[Migration { name: "payments", sql: include_str!("payments.sql") }],
    checked: checked::<Payment>,
    stock: "",
    stocked: |_| Err("payments have none".to_owned()),
    refused: "payment refused",
};

/// What is in stock.
pub(crate) const INVENTORY: Kind = Kind {
    name: "inventory",
    migrations: &[Migration { name: "inventory", sql: include_str!("inventory.sql") }],
    checked: checked::<Items>,
    stock: "INSERT INTO stock SELECT id, free FROM json_to_record($1::text::json) AS new (id bigint, free bigint) \
            ON CONFLICT DO NOTHING",
    stocked: checked::<Stock>,
    refused: "out of stock",
};

/// A command whose numbers are whole ones from 1, as its type says which it has.
trait Numbers: serde::Serialize + serde::de::DeserializeOwned {
    fn numbers(&self) -> Vec<u64>;
}

#[derive(Debug, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    order: u64,
    amount: u64,
}

#[derive(Debug, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Items {
    order: u64,
    product: u64,
    quantity: u64,
}

#[derive(Debug, serde::Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    id: u64,
    free: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    order: u64,
}

impl Numbers for Payment {
    fn numbers(&self) -> Vec<u64> {
        // What costs nothing is paid as well.
        vec![self.order, self.amount.saturating_add(1)]
    }
}

impl Numbers for Items {
    fn numbers(&self) -> Vec<u64> {
        vec![self.order, self.product, self.quantity]
    }
}

impl Numbers for Stock {
    fn numbers(&self) -> Vec<u64> {
        vec![self.id, self.free.saturating_add(1)]
    }
}

fn checked<N: Numbers>(value: Value) -> Result<String, String> {
    let command: N = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if !command.numbers().iter().all(|number| (1..=MOST).contains(number)) {
        return Err(format!("its numbers are from 1 to {MOST}"));
    }
    serde_json::to_string(&command).map_err(|error| error.to_string())
}

/// A service that reserves.
pub(crate) struct Reservations {
    kind: &'static Kind,
    database: Database,
    /// What there is from the start.
    stock: Vec<String>,
    /// The most that one payment may be.
    most: i64,
}

impl Reservations {
    pub(crate) fn new(kind: &'static Kind, database: Database, stock: Vec<String>, most: u64) -> Self {
        Self { kind, database, stock, most: most.cast_signed() }
    }

    /// Makes the tables, adds what there is from the start, and watches whether the database stays.
    pub(crate) async fn work(&self) {
        while self.add_stock().await.is_err() {
            sleep(CHECK).await;
        }
        self.database.watch().await;
    }

    async fn add_stock(&self) -> Result<(), Unavailable> {
        let client = self.database.client().await?;
        for item in &self.stock {
            client.execute(self.kind.stock, &[item]).await?;
        }
        Ok(())
    }

    /// `POST …/reserve`: 200 where it is reserved, now or before; 409 where it can't be.
    pub(crate) async fn reserve(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        server: &Server,
        context: &Context,
    ) -> Result<Response<Body>, Problem> {
        let value: Value = upload::json(&server.room, headers, body, LONGEST).await?;
        let order = value["order"].clone();
        let command = (self.kind.checked)(value).map_err(Problem::bad)?;
        let client = self.database.client().await?;
        let row = client.query_one("SELECT reserve($1::text::json, $2)", &[&command, &self.most]).await;
        let state: String = row.and_then(|row| row.try_get(0)).map_err(Unavailable::from)?;
        let request_id = context.correlation.request_id();
        tracing::info!(service = self.kind.name, order = %order, state, request_id, "reservation: asked for");
        match state.as_str() {
            "reserved" => Ok(answer(&order, &state, server)),
            "released" => Err(Problem::new(StatusCode::CONFLICT, "it was released before")),
            _ => Err(Problem::new(StatusCode::CONFLICT, self.kind.refused)),
        }
    }

    /// `POST …/release`: 200, whether there was something to release or not.
    pub(crate) async fn release(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        server: &Server,
        context: &Context,
    ) -> Result<Response<Body>, Problem> {
        let Release { order } = upload::json(&server.room, headers, body, LONGEST).await?;
        if !(1..=MOST).contains(&order) {
            return Err(Problem::bad(format!("an order is a whole number from 1 to {MOST}")));
        }
        let client = self.database.client().await?;
        client.execute("SELECT release($1)", &[&order.cast_signed()]).await.map_err(Unavailable::from)?;
        let request_id = context.correlation.request_id();
        tracing::info!(service = self.kind.name, order, request_id, "reservation: released");
        Ok(answer(&json!(order), "released", server))
    }

    /// `GET`: how many there are of each kind, and how much they are.
    pub(crate) async fn totals(&self, server: &Server) -> Result<Response<Body>, Problem> {
        let client = self.database.client().await?;
        let row = client.query_one("SELECT row_to_json(totals)::text FROM totals", &[]).await;
        let totals: String = row.and_then(|row| row.try_get(0)).map_err(Unavailable::from)?;
        Ok(json::text(format!(r#"{{"{}":{totals},"served_by":{}}}"#, self.kind.name, server.served_by_json)))
    }
}

fn answer(order: &Value, state: &str, server: &Server) -> Response<Body> {
    json::named("item", &json!({"order": order, "state": state}), &server.served_by_json)
}
