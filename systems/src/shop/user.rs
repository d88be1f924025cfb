//! A user of the shop.

use serde::{Deserialize, Serialize};

use super::catalogue::{Entries, Entry, numbered, within};
use crate::database::migration::Migration;

/// A user, as one is added.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    name: String,
    email: String,
}

/// The releases of the table: a name is in the column `name`, then in `name` and `full_name`, then in `full_name` alone.
const MIGRATIONS: &[Migration] = &[
    Migration { name: "users", sql: include_str!("users.sql"), least: 0 },
    // Whoever knows only `name` goes on with it.
    Migration { name: "users: full_name beside name", sql: include_str!("users-expand.sql"), least: 0 },
    Migration { name: "users: full_name alone", sql: include_str!("users-contract.sql"), least: 2 },
];

/// Users of the release that knows so many of the migrations, and has a name in this column.
macro_rules! users {
    ($known:literal, $column:literal) => {
        &Entries {
            name: "users",
            columns: concat!("users.id, users.", $column, " AS name, users.email"),
            migrations: MIGRATIONS.split_at($known).0,
            insert: concat!(
                "INSERT INTO users (id, ",
                $column,
                ", email) SELECT coalesce(id, nextval(pg_get_serial_sequence('users', 'id'))), name, email \
                 FROM json_to_record($1::text::json) AS new (id bigint, name text, email text) \
                 ON CONFLICT (id) DO NOTHING"
            ),
            update: concat!(
                "UPDATE users SET ",
                $column,
                " = new.name, email = new.email \
                 FROM json_to_record($1::text::json) AS new (name text, email text) WHERE users.id = $2"
            ),
            checked: super::catalogue::checked::<User>,
        }
    };
}

/// What users are to a catalogue, in each release of their table.
pub(super) const RELEASES: [(&str, &Entries); 3] =
    [("1", users!(1, "name")), ("2", users!(2, "full_name")), ("3", users!(3, "full_name"))];

impl Entry for User {
    fn check(&self) -> Result<(), String> {
        numbered(self.id)?;
        within("name", &self.name, 100)?;
        within("email", &self.email, 254)?;
        let parts = self.email.split_once('@').filter(|(before, after)| !before.is_empty() && !after.is_empty());
        parts.map(|_| ()).ok_or_else(|| "email has text before and after an @".to_owned())
    }
}
