//! What is kept by its id, listed, read, added to and changed: users, and products. Each kind has a table of its own, in a database of its
//! own.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::app::{Call, Server};
use service::message::body::Body;
use service::message::problem::Problem;
use service::message::{json, query, upload};

use crate::database::failure::Unavailable;
use crate::database::migration::Migration;
use crate::database::{CHECK, Database};
use crate::shop::cache::{Cache, Found};

/// Whether an entry comes from the cache (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// The longest description of an entry, in bytes.
const LONGEST: usize = 4096;
/// Entries in one list.
const LISTED: i64 = 1000;

/// What a catalogue keeps.
#[derive(Debug)]
pub struct Entries {
    /// Its table, and the last part of its path.
    pub(crate) name: &'static str,
    /// What an entry is of a row, the table's name before each column.
    pub(crate) columns: &'static str,
    /// What makes the table.
    pub(crate) migrations: &'static [Migration],
    /// Adds the entry that `$1` is as JSON; nothing where its id is taken.
    pub(crate) insert: &'static str,
    /// Makes the entry with the id `$2` that which `$1` is as JSON, whatever id that names; nothing where there is none.
    pub(crate) update: &'static str,
    /// What is right of an entry, as JSON; else what is wrong with it.
    pub(crate) checked: fn(Value) -> Result<String, String>,
}

/// An entry as it is added.
pub(crate) trait Entry: Serialize + DeserializeOwned {
    /// Checks that it asks for no more than it may.
    ///
    /// # Errors
    /// What it may ask for.
    fn check(&self) -> Result<(), String>;
}

/// Reads an entry strictly.
pub(crate) fn checked<E: Entry>(value: Value) -> Result<String, String> {
    let entry: E = serde_json::from_value(value).map_err(|error| error.to_string())?;
    entry.check()?;
    serde_json::to_string(&entry).map_err(|error| error.to_string())
}

/// Checks that the field `name` has 1 to `most` characters, none of them a control character.
pub(crate) fn within(name: &str, text: &str, most: usize) -> Result<(), String> {
    let fits = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(format!("{name} has 1 to {most} characters")) }
}

/// Checks the id that an entry asks for.
pub(crate) fn numbered(id: Option<u32>) -> Result<(), String> {
    if id == Some(0) { Err(format!("id is from 1 to {}", u32::MAX)) } else { Ok(()) }
}

pub(crate) struct Catalogue {
    entries: &'static Entries,
    database: Database,
    /// What was read lately; `None` without a store.
    cache: Option<Cache>,
    /// What is added at start, unless it is there.
    seed: Vec<String>,
}

impl Catalogue {
    pub(crate) fn new(entries: &'static Entries, database: Database, cache: Option<Cache>, seed: Vec<String>) -> Self {
        Self { entries, database, cache, seed }
    }

    /// Whether this release may serve on the schema of its database, as far as is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.database.fits()
    }

    /// Makes the table and adds the seed as soon as the database is there, and watches whether it stays. Several pods may do so
    /// at once.
    pub(crate) async fn work(&self) {
        while self.add_all().await.is_err() {
            tokio::time::sleep(CHECK).await;
        }
        self.database.watch().await;
    }

    async fn add_all(&self) -> Result<u64, Unavailable> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let mut added = 0;
        for entry in &self.seed {
            added += transaction.execute(self.entries.insert, &[entry]).await?;
        }
        transaction.commit().await?;
        Ok(added)
    }

    /// Answers a request to all entries.
    pub(crate) async fn answer_all(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { head, body, server, .. } = call;
        if head.method != Method::POST {
            let list = self.list().await?.join(",");
            return Ok(json::written("items", &format!("[{list}]"), &server.served_by_json));
        }
        let value: Value = upload::json(&server.room, &head.headers, body, LONGEST).await?;
        let entry = (self.entries.checked)(value).map_err(Problem::bad)?;
        let Some((id, added)) = self.add(&entry).await? else {
            return Err(Problem::new(StatusCode::CONFLICT, "this id is taken: leave it out, and one is given"));
        };
        Ok(json::made(StatusCode::CREATED, format!("/api/{}/{id}", self.entries.name), one(&added, server)))
    }

    /// Answers a request to one entry.
    pub(crate) async fn answer_one(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { id, head, body, server, .. } = call;
        let bad = || Problem::bad(format!("an id is a whole number from 1 to {}", u32::MAX));
        let number = query::number(id, 1..=u32::MAX.into()).ok_or_else(bad)?;
        let missing =
            || Problem::new(StatusCode::NOT_FOUND, format!("{} has none with the id {number}", self.entries.name));
        let id = number.cast_signed();
        if head.method == Method::PUT {
            let value: Value = upload::json(&server.room, &head.headers, body, LONGEST).await?;
            if value.get("id").is_some_and(|named| *named != number) {
                return Err(Problem::bad("the id is that of the path: leave it out, or name the same"));
            }
            let entry = (self.entries.checked)(value).map_err(Problem::bad)?;
            return Ok(one(&self.change(id, &entry).await?.ok_or_else(missing)?, server));
        }
        let Some(cache) = &self.cache else { return Ok(one(&self.find(id).await?.ok_or_else(missing)?, server)) };
        let (found, status) = match cache.find(self.entries.name, id).await {
            Found::Hit(entry) => (Some(entry), "redis; hit"),
            Found::Away => (self.find(id).await?, "redis; fwd=miss; detail=unavailable"),
            Found::Miss(place) => match self.find(id).await? {
                Some(entry) if cache.leave(&place, &entry).await => (Some(entry), "redis; fwd=miss; stored"),
                found => (found, "redis; fwd=miss"),
            },
        };
        let mut response = one(&found.ok_or_else(missing)?, server);
        response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status));
        Ok(response)
    }

    async fn list(&self) -> Result<Vec<String>, Unavailable> {
        let Entries { name, columns, .. } = self.entries;
        let rows = format!("SELECT {columns} FROM {name} ORDER BY id LIMIT $1");
        let statement = format!("SELECT row_to_json(entry)::text FROM ({rows}) entry");
        let rows = self.database.client().await?.query(&statement, &[&LISTED]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn find(&self, id: i64) -> Result<Option<String>, Unavailable> {
        let Entries { name, columns, .. } = self.entries;
        let statement =
            format!("SELECT row_to_json(entry)::text FROM (SELECT {columns} FROM {name} WHERE id = $1) entry");
        let row = self.database.client().await?.query_opt(&statement, &[&id]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn change(&self, id: i64, entry: &str) -> Result<Option<String>, Unavailable> {
        let changed = self.update(id, entry).await;
        // Whatever came of it: of a lost connection nobody knows whether the change was made.
        if let Some(cache) = &self.cache {
            cache.forget(self.entries.name, id).await;
        }
        changed
    }

    async fn update(&self, id: i64, entry: &str) -> Result<Option<String>, Unavailable> {
        let statement = self.returning(self.entries.update);
        let row = self.database.client().await?.query_opt(&statement, &[&entry, &id]).await?;
        Ok(row.map(|row| row.try_get(1)).transpose()?)
    }

    async fn add(&self, entry: &str) -> Result<Option<(i64, String)>, Unavailable> {
        let statement = self.returning(self.entries.insert);
        let row = self.database.client().await?.query_opt(&statement, &[&entry]).await?;
        Ok(row.map(|row| Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?)
    }

    /// `change`, answered by the id and the entry that it left.
    fn returning(&self, change: &str) -> String {
        let columns = self.entries.columns;
        format!("WITH entry AS ({change} RETURNING {columns}) SELECT id, row_to_json(entry)::text FROM entry")
    }
}

pub(super) fn one(entry: &str, server: &Server) -> Response<Body> {
    json::written("item", entry, &server.served_by_json)
}
