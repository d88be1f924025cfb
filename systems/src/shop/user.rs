//! A user of the shop.

use serde::{Deserialize, Serialize};

use super::catalogue::{Entry, Kind, numbered, within};
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

/// What users are to a catalogue.
pub(crate) const USERS: Kind = Kind {
    name: "users",
    migrations: &[Migration { name: "users", sql: include_str!("users.sql") }],
    insert: "INSERT INTO users (id, name, email) \
             SELECT coalesce(id, nextval(pg_get_serial_sequence('users', 'id'))), name, email \
             FROM json_to_record($1::text::json) AS new (id bigint, name text, email text) \
             ON CONFLICT (id) DO NOTHING RETURNING id, row_to_json(users)::text",
    update: "UPDATE users SET name = new.name, email = new.email \
             FROM json_to_record($1::text::json) AS new (name text, email text) \
             WHERE users.id = $2 RETURNING row_to_json(users)::text",
    checked: super::catalogue::checked::<User>,
};

impl Entry for User {
    fn check(&self) -> Result<(), String> {
        numbered(self.id)?;
        within("name", &self.name, 100)?;
        within("email", &self.email, 254)?;
        let parts = self.email.split_once('@').filter(|(before, after)| !before.is_empty() && !after.is_empty());
        parts.map(|_| ()).ok_or_else(|| "email has text before and after an @".to_owned())
    }
}
