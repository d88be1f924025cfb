//! A product of the shop.

use serde::{Deserialize, Serialize};

use super::catalogue::{Entries, Entry, numbered, within};
use crate::database::migration::Migration;

/// The highest price, in whole units of the shop's money.
const HIGHEST: u64 = 1_000_000_000;

/// A product, as one is added.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Product {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    name: String,
    price: u64,
}

/// What products are to a catalogue.
pub(crate) const PRODUCTS: Entries = Entries {
    name: "products",
    columns: "products.id, products.name, products.price",
    migrations: &[Migration { name: "products", sql: include_str!("products.sql"), least: 0 }],
    insert: "INSERT INTO products (id, name, price) \
             SELECT coalesce(id, nextval(pg_get_serial_sequence('products', 'id'))), name, price \
             FROM json_to_record($1::text::json) AS new (id bigint, name text, price bigint) \
             ON CONFLICT (id) DO NOTHING",
    update: "UPDATE products SET name = new.name, price = new.price \
             FROM json_to_record($1::text::json) AS new (name text, price bigint) \
             WHERE products.id = $2",
    checked: super::catalogue::checked::<Product>,
};

impl Entry for Product {
    fn check(&self) -> Result<(), String> {
        numbered(self.id)?;
        within("name", &self.name, 100)?;
        if self.price > HIGHEST { Err(format!("price is at most {HIGHEST}")) } else { Ok(()) }
    }
}
