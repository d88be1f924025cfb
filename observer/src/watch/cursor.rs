//! Where a list or a watch is, and what is asked for next.
//!
//! A list comes in pages and ends with a version; a watch goes on from a version, and each thing that it says has the next one. Where the
//! server does not know a version any more (410), it begins again with a list.

use serde::Deserialize;
use serde_json::Value;

use crate::known::{Change, Kind};

/// Objects in a page of a list.
const PAGE: usize = 100;
/// Objects of a list that are read.
const MOST: usize = 1000;

/// A cursor over the objects of one kind.
#[derive(Debug)]
pub(super) struct Cursor {
    kind: Kind,
    at: At,
}

#[derive(Debug)]
enum At {
    /// In a list: behind the page that gave this token, with what the pages before it had.
    List { after: Option<String>, found: Vec<Value> },
    /// All up to this version is known.
    Watch { version: String },
}

/// What a line of a watch said.
#[derive(Debug, PartialEq)]
pub(super) enum Learned {
    Change(Change),
    Nothing,
    /// The version is too old.
    Expired,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    resource_version: String,
    #[serde(rename = "continue")]
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    metadata: Metadata,
    items: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Cursor {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, at: Self::start() }
    }

    fn start() -> At {
        At::List { after: None, found: Vec::new() }
    }

    /// Begins again.
    pub(super) fn restart(&mut self) {
        self.at = Self::start();
    }

    /// Whether a list is what comes next.
    pub(super) fn lists(&self) -> bool {
        matches!(self.at, At::List { .. })
    }

    /// The path and query of the next request, in `namespace`; a watch is to last for `seconds`.
    pub(super) fn path(&self, namespace: &str, seconds: u64) -> String {
        let (group, resource) = self.kind.resource();
        let path = if self.kind.namespaced() {
            format!("{group}/namespaces/{namespace}/{resource}")
        } else {
            format!("{group}/{resource}")
        };
        match &self.at {
            At::List { after: None, .. } => format!("{path}?limit={PAGE}"),
            At::List { after: Some(after), .. } => format!("{path}?limit={PAGE}&continue={after}"),
            At::Watch { version } => {
                format!("{path}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}")
            }
        }
    }

    /// Takes a page of the list; the last one gives all objects.
    ///
    /// # Errors
    /// Where it is no page of a list.
    pub(super) fn page(&mut self, body: &[u8]) -> Result<Option<Change>, String> {
        let At::List { after, found } = &mut self.at else { return Err("a list that nobody asked for".to_owned()) };
        let page: Page = serde_json::from_slice(body).map_err(|error| format!("no list: {error}"))?;
        found.extend(page.items.unwrap_or_default());
        match page.metadata.after.filter(|token| !token.is_empty()) {
            Some(token) if found.len() < MOST => {
                *after = Some(plain(&token)?);
                Ok(None)
            }
            _ => {
                let found = std::mem::take(found);
                self.at = At::Watch { version: plain(&page.metadata.resource_version)? };
                Ok(Some(Change::All(found)))
            }
        }
    }

    /// Takes a line of the watch.
    ///
    /// # Errors
    /// Where it is no line of a watch, or tells of a failure.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Learned, String> {
        let Line { kind, object } =
            serde_json::from_slice(line).map_err(|error| format!("no line of a watch: {error}"))?;
        if kind == "ERROR" {
            return match object["code"].as_u64() {
                Some(410) => Ok(Learned::Expired),
                _ => Err(format!("a watch that failed: {}", object["message"])),
            };
        }
        let version = plain(object["metadata"]["resourceVersion"].as_str().unwrap_or_default())?;
        self.at = At::Watch { version };
        Ok(match kind.as_str() {
            "ADDED" | "MODIFIED" => Learned::Change(Change::Set(object)),
            "DELETED" => Learned::Change(Change::Gone(object)),
            _ => Learned::Nothing,
        })
    }
}

/// `text`, if it can stand in a query as it is. Tokens and versions are opaque, but made of these.
fn plain(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte);
    if !text.is_empty() && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(cursor: &mut Cursor, page: &Value) -> Result<Option<Change>, String> {
        cursor.page(page.to_string().as_bytes())
    }

    fn line(cursor: &mut Cursor, kind: &str, object: &Value) -> Result<Learned, String> {
        cursor.line(json!({"type": kind, "object": object}).to_string().as_bytes())
    }

    #[test]
    fn a_list_goes_page_by_page_and_a_watch_goes_on_from_its_version_and_from_each_line() {
        let mut cursor = Cursor::new(Kind::Deployments);
        let path = |cursor: &Cursor| cursor.path("shop", 60);
        assert_eq!(path(&cursor), "/apis/apps/v1/namespaces/shop/deployments?limit=100");
        let first =
            page(&mut cursor, &json!({"metadata": {"resourceVersion": "7", "continue": "abc="}, "items": [{"a": 1}]}));
        assert_eq!(first, Ok(None));
        assert_eq!(path(&cursor), "/apis/apps/v1/namespaces/shop/deployments?limit=100&continue=abc=");
        let last = page(&mut cursor, &json!({"metadata": {"resourceVersion": "7"}, "items": [{"a": 2}]}));
        assert_eq!(last, Ok(Some(Change::All(vec![json!({"a": 1}), json!({"a": 2})]))));
        let watch = "/apis/apps/v1/namespaces/shop/deployments?watch=true&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion=";
        assert_eq!(path(&cursor), format!("{watch}7"));
        let object = |version: &str| json!({"metadata": {"resourceVersion": version}});
        let table = [
            ("ADDED", "8", Learned::Change(Change::Set(object("8")))),
            ("MODIFIED", "9", Learned::Change(Change::Set(object("9")))),
            ("DELETED", "10", Learned::Change(Change::Gone(object("10")))),
            ("BOOKMARK", "20", Learned::Nothing),
        ];
        for (kind, version, learned) in table {
            assert_eq!(line(&mut cursor, kind, &object(version)), Ok(learned));
            assert_eq!(path(&cursor), format!("{watch}{version}"));
        }
    }

    #[test]
    fn a_version_that_is_too_old_begins_a_list_and_another_failure_is_told() {
        let mut cursor = Cursor::new(Kind::Pods);
        page(&mut cursor, &json!({"metadata": {"resourceVersion": "7"}, "items": null})).unwrap();
        assert_eq!(line(&mut cursor, "ERROR", &json!({"code": 410, "message": "too old"})), Ok(Learned::Expired));
        let failed = line(&mut cursor, "ERROR", &json!({"code": 500, "message": "etcd"}));
        assert_eq!(failed, Err("a watch that failed: \"etcd\"".to_owned()));
        cursor.restart();
        assert_eq!(cursor.path("default", 60), "/api/v1/namespaces/default/pods?limit=100");
    }

    #[test]
    fn a_list_without_an_end_is_read_so_far() {
        let mut cursor = Cursor::new(Kind::Events);
        let endless = json!({"metadata": {"resourceVersion": "7", "continue": "more"}, "items": vec![json!({}); 100]});
        let pages = (1..100).find(|_| page(&mut cursor, &endless).unwrap().is_some());
        assert_eq!(pages, Some(10));
    }

    #[test]
    fn what_would_be_another_request_is_refused() {
        for strange in ["", "7&watch=false", "7 HTTP/1.1", "../pods"] {
            let mut cursor = Cursor::new(Kind::Pods);
            assert!(
                page(&mut cursor, &json!({"metadata": {"resourceVersion": strange}, "items": []})).is_err(),
                "{strange}"
            );
        }
        for strange in ["", "7", "{}", "{\"type\":3}"] {
            assert!(Cursor::new(Kind::Pods).line(strange.as_bytes()).is_err(), "{strange}");
        }
    }
}
