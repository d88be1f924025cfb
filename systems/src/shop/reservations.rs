//! What two services do with commands of orders: payments, and what is in stock, are reserved and released. Each command may come
//! twice, or late: the same one again says the same, and what was released can't be reserved any more.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use service::app::{Call, Server};
use service::message::body::Body;
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
    /// What a command that reserves has.
    command: Numbers,
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
    migrations: &[Migration { name: "payments", sql: include_str!("payments.sql"), least: 0 }],
    // What costs nothing is paid as well.
    command: &[("order", 1), ("amount", 0)],
    stock: "",
    stocked: |_| Err("payments have none".to_owned()),
    refused: "payment refused",
};

/// What is in stock.
pub(crate) const INVENTORY: Kind = Kind {
    name: "inventory",
    migrations: &[Migration { name: "inventory", sql: include_str!("inventory.sql"), least: 0 }],
    command: &[("order", 1), ("product", 1), ("quantity", 1)],
    stock: "INSERT INTO stock SELECT id, free FROM json_to_record($1::text::json) AS new (id bigint, free bigint) \
            ON CONFLICT DO NOTHING",
    stocked: |value| checked(&value, &[("id", 1), ("free", 0)]),
    refused: "out of stock",
};

/// Members of a JSON object, each a whole number up to [`MOST`], and the least that it may be.
type Numbers = &'static [(&'static str, u64)];

/// Checks that `value` has these `numbers` and no other member.
fn checked(value: &Value, numbers: Numbers) -> Result<String, String> {
    let fits =
        |(name, least): &(&str, u64)| value[*name].as_u64().is_some_and(|number| (*least..=MOST).contains(&number));
    if numbers.iter().all(fits) && value.as_object().is_some_and(|members| members.len() == numbers.len()) {
        return Ok(value.to_string());
    }
    let members: Vec<String> = numbers.iter().map(|(name, least)| format!("{name} from {least}")).collect();
    Err(format!("accepted are whole numbers up to {MOST}: {}", members.join(", ")))
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
    pub(crate) async fn reserve(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { head, body, server, context, .. } = call;
        let value: Value = upload::json(&server.room, &head.headers, body, LONGEST).await?;
        let command = checked(&value, self.kind.command).map_err(Problem::bad)?;
        let order = &value["order"];
        let client = self.database.client().await?;
        let row = client.query_one("SELECT reserve($1::text::json, $2)", &[&command, &self.most]).await;
        let state: String = row.and_then(|row| row.try_get(0)).map_err(Unavailable::from)?;
        let request_id = context.correlation.request_id();
        tracing::info!(service = self.kind.name, order = %order, state, request_id, "reservation: asked for");
        match state.as_str() {
            "reserved" => Ok(answer(order, &state, server)),
            "released" => Err(Problem::new(StatusCode::CONFLICT, "it was released before")),
            _ => Err(Problem::new(StatusCode::CONFLICT, self.kind.refused)),
        }
    }

    /// `POST …/release`: 200, whether there was something to release or not.
    pub(crate) async fn release(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { head, body, server, context, .. } = call;
        let value: Value = upload::json(&server.room, &head.headers, body, LONGEST).await?;
        checked(&value, &[("order", 1)]).map_err(Problem::bad)?;
        let order = value["order"].as_i64();
        let client = self.database.client().await?;
        client.execute("SELECT release($1)", &[&order]).await.map_err(Unavailable::from)?;
        let request_id = context.correlation.request_id();
        tracing::info!(service = self.kind.name, order, request_id, "reservation: released");
        Ok(answer(&value["order"], "released", server))
    }

    /// `GET`: how many there are of each kind, and how much they are.
    pub(crate) async fn totals(&self, server: &Server) -> Result<Response<Body>, Problem> {
        let client = self.database.client().await?;
        let row = client.query_one("SELECT row_to_json(totals)::text FROM totals", &[]).await;
        let totals: String = row.and_then(|row| row.try_get(0)).map_err(Unavailable::from)?;
        Ok(json::written(self.kind.name, &totals, &server.served_by_json))
    }
}

fn answer(order: &Value, state: &str, server: &Server) -> Response<Body> {
    json::named("item", &json!({"order": order, "state": state}), &server.served_by_json)
}
