//! The items that are read: knots, or whatever the settings give, under a name of their own.
//!
//! A backend is so the users, the products or the orders of a shop by its settings alone. The data is the deployment's, the
//! same in every pod, and does not change while the process runs.

mod knots;

use std::borrow::Cow;
use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Map, Value};
use service::message::problem::Problem;
use service::message::query;
use service::settings::environment::{Environment, Variable};

use knots::KNOTS;

/// The longest document of items, in bytes: a quarter of what a `ConfigMap` can hold.
pub const LONGEST: u64 = 256 * 1024;
/// The most items of a document.
pub const MOST: usize = 1000;

/// Names under `/api/` that have another meaning.
const TAKEN: [&str; 4] = ["cpu-burn", "discovery", "echo", "faults"];

/// What is served, and under which name.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The last segment of its path: `items` in `/api/items`.
    pub name: Cow<'static, str>,
    /// The items; `None` is the knots.
    pub document: Option<Document>,
}

/// Items as they are given: JSON objects, each with an id of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document(BTreeMap<u32, String>);

impl Resource {
    /// The knots, at `/api/items`.
    pub const KNOTS: Self = Self { name: Cow::Borrowed("items"), document: None };

    /// Reads what is served.
    pub fn read(environment: &mut Environment) -> Self {
        let name = environment.parse(
            Variable::new("RESOURCE", "items", "what is served: GET /api/RESOURCE and /api/RESOURCE/{id}"),
            "1 to 40 lower-case letters, digits and '-', not one of cpu-burn, discovery, echo and faults",
            |text| is_segment(text).then(|| Cow::Owned(text.to_owned())),
        );
        let inline = environment.optional_text(
            "RESOURCE_DATA",
            "its items: a JSON array of objects, each with an id of its own; unset is a set of knots",
        );
        let file = environment.optional_text(
            "RESOURCE_FILE",
            "the same from a file, of at most 256 KiB and 1000 items, read once at start",
        );
        if let (Some(_), Some(file)) = (&inline, &file) {
            environment.refuse("RESOURCE_FILE", file, "nothing where RESOURCE_DATA is set");
        }
        let document = match (inline, file) {
            (Some(text), _) => Document::parse(&text).map_err(|why| ("RESOURCE_DATA", text, why)).map(Some),
            (None, Some(path)) => Document::load(&path).map_err(|why| ("RESOURCE_FILE", path, why)).map(Some),
            (None, None) => Ok(None),
        };
        let document = document.unwrap_or_else(|(variable, value, why)| {
            let accepted =
                format!("a JSON array of at most {MOST} objects, each with a whole number as its \"id\": {why}");
            environment.refuse(variable, &value, &accepted);
            None
        });
        Self { name, document }
    }
}

fn is_segment(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(known) && !TAKEN.contains(&text)
}

impl Document {
    /// Reads `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() as u64 > LONGEST {
            return Err(format!("it has {} bytes, {LONGEST} are the most", text.len()));
        }
        let objects: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if objects.len() > MOST {
            return Err(format!("it has {} items", objects.len()));
        }
        let mut items = BTreeMap::new();
        for (index, object) in objects.into_iter().enumerate() {
            let id = object.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            let id = id
                .filter(|id| *id > 0)
                .ok_or_else(|| format!("item {} has no \"id\" from 1 to {}", index + 1, u32::MAX))?;
            if items.insert(id, Value::Object(object).to_string()).is_some() {
                return Err(format!("two items have the id {id}"));
            }
        }
        Ok(Self(items))
    }

    fn load(path: &str) -> Result<Self, String> {
        let unreadable = |error| format!("the file can't be read: {error}");
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > LONGEST {
            return Err(format!("the file has {length} bytes, {LONGEST} are the most"));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    fn knots() -> Self {
        let text = |knot| serde_json::to_string(knot).expect("strings and numbers serialize");
        Self(KNOTS.iter().map(|knot| (knot.id, text(knot))).collect())
    }
}

/// The reply bodies. The items and who serves them do not change, so each body is made once.
#[derive(Debug)]
pub struct Items {
    all: Bytes,
    one: BTreeMap<u32, Bytes>,
}

impl Items {
    /// The bodies of `document`, or of the knots, with `served_by`, a JSON object.
    pub fn new(document: Option<&Document>, served_by: &str) -> Self {
        let knots = Document::knots();
        let Document(items) = document.unwrap_or(&knots);
        let texts: Vec<&str> = items.values().map(String::as_str).collect();
        let all = format!(r#"{{"items":[{}],"served_by":{served_by}}}"#, texts.join(","));
        let one = |(id, item): (&u32, &String)| (*id, format!(r#"{{"item":{item},"served_by":{served_by}}}"#).into());
        Self { all: all.into(), one: items.iter().map(one).collect() }
    }

    /// The body of all items.
    pub fn all(&self) -> Bytes {
        self.all.clone()
    }

    /// The body of the item whose id is the text `id`.
    ///
    /// # Errors
    /// 400 where it is no id, 404 where no item has it.
    pub fn one(&self, id: &str) -> Result<Bytes, Problem> {
        let number = query::number(id, 1..=u32::MAX.into());
        let bad = || Problem::bad(format!("an item's id is a whole number from 1 to {}", u32::MAX));
        let number = number.ok_or_else(bad)? as u32;
        self.one.get(&number).cloned().ok_or_else(|| {
            let detail = format!("no item has the id {number}; there are {}", self.one.len());
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_by_the_table() {
        let items = Items::new(None, "{}");
        for (id, status) in [
            ("1", 200),
            ("12", 200),
            ("13", 404),
            ("4294967295", 404),
            ("4294967296", 400),
            ("0", 400),
            ("-1", 400),
            ("+1", 400),
            ("%31", 400),
            ("one", 400),
        ] {
            let found = items.one(id).map_or_else(|p| p.status().as_u16(), |_| 200);
            assert_eq!(found, status, "{id}");
        }
    }

    #[test]
    fn own_items_are_found_by_their_own_ids() {
        let document = Document::parse(r#"[{"id":7,"name":"Grace"},{"id":3,"name":"Ada"}]"#).unwrap();
        let items = Items::new(Some(&document), "{}");
        assert_eq!(items.all(), r#"{"items":[{"id":3,"name":"Ada"},{"id":7,"name":"Grace"}],"served_by":{}}"#);
        assert_eq!(items.one("7").unwrap(), r#"{"item":{"id":7,"name":"Grace"},"served_by":{}}"#);
        assert_eq!(items.one("1").unwrap_err().status(), 404);
        assert_eq!(Items::new(Some(&Document::parse("[]").unwrap()), "{}").all(), r#"{"items":[],"served_by":{}}"#);
    }

    #[test]
    fn documents_that_are_refused_say_why() {
        let many = format!("[{}]", vec![r#"{"id":1}"#; MOST + 1].join(","));
        let long = " ".repeat(LONGEST as usize + 1);
        for (text, why) in [
            ("", "EOF"),
            ("{}", "expected a sequence"),
            ("[1]", "expected a map"),
            (r#"[{"name":"Ada"}]"#, "item 1 has no \"id\""),
            (r#"[{"id":1},{"id":0}]"#, "item 2 has no \"id\""),
            (r#"[{"id":"1"}]"#, "item 1 has no \"id\""),
            (r#"[{"id":4294967296}]"#, "item 1 has no \"id\""),
            (r#"[{"id":1},{"id":1}]"#, "two items have the id 1"),
            (&many, "it has 1001 items"),
            (&long, "262145 bytes"),
        ] {
            let error = Document::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
