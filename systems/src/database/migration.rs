//! Brings a database to the schema that this version needs.
//!
//! All that is missing is done in one transaction, so a migration that fails half-way leaves what was there. An advisory lock
//! is held meanwhile: of two pods that start at once, the second waits, and finds it done. A database that is further than this
//! version knows is left as it is: a rollout has pods of two versions at once, so each migration keeps what the version
//! before it reads and writes (expand first, contract a release later). One that takes something away says how much a version must
//! know, and one that knows less serves nothing.

use tokio_postgres::Client;

use super::failure::Unavailable;

/// The key of the lock: it is the database's own, and no other program's here.
const LOCK: i64 = 0x7072_6163;

/// A step of the schema. Its number is its place in the list, from 1.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// How many migrations a version must know to serve on what this one leaves; 0 is any.
    pub(crate) least: i32,
}

/// Does those of `migrations` that the database has not seen. Says how many.
///
/// # Errors
/// [`Unavailable::Ahead`] where the database has seen one that takes more than these.
pub(crate) async fn run(client: &mut Client, migrations: &[Migration]) -> Result<usize, Unavailable> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL statement_timeout = '60s'").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // What waits for a lock on a table has all others wait that come after it: those of the pods that serve. They have longer than this.
    transaction.batch_execute("SET LOCAL lock_timeout = '1s'").await?;
    // Looked for first: whether a column is there is no question that ALTER TABLE asks without its lock.
    let has_table = "SELECT EXISTS (SELECT FROM pg_attribute \
                     WHERE attrelid = to_regclass('migrations') AND attname = 'least' AND NOT attisdropped)";
    if !transaction.query_one(has_table, &[]).await?.try_get(0)? {
        let table = "CREATE TABLE IF NOT EXISTS migrations \
                     (number int PRIMARY KEY, name text NOT NULL, done_at timestamptz NOT NULL DEFAULT now()); \
                     ALTER TABLE migrations ADD COLUMN IF NOT EXISTS least int NOT NULL DEFAULT 0";
        transaction.batch_execute(table).await?;
    }
    let statement = "SELECT coalesce(max(number), 0), coalesce(max(least), 0) FROM migrations";
    let row = transaction.query_one(statement, &[]).await?;
    let (done, least): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
    let known = migrations.len();
    if usize::try_from(least).is_ok_and(|least| least > known) {
        let why = format!(
            "its schema has had {done} migrations and takes a release that knows {least}, and this one knows {known}"
        );
        return Err(Unavailable::Ahead(why));
    }
    let missing = (1_i32..).zip(migrations).filter(|(number, _)| *number > done);
    let mut count = 0;
    for (number, migration) in missing {
        transaction.batch_execute(migration.sql).await?;
        transaction
            .execute(
                "INSERT INTO migrations (number, name, least) VALUES ($1, $2, $3)",
                &[&number, &migration.name, &migration.least],
            )
            .await?;
        count += 1;
    }
    transaction.commit().await?;
    Ok(count)
}
