//! The route table: which requests go to which upstream, and how.
//!
//! It is a JSON document, read as a whole and checked as a whole: a table with one mistake does not replace the one in
//! force, and every mistake is named with its place and its mend.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Reading;
use crate::mistakes::Section;
use crate::routes::fallback::Fallback;
use crate::routes::path::Path;
use crate::routes::route::{self, Route};
use crate::routes::{host, methods, split};
use crate::upstream::{self, Defaults, Overrides, Settings};

/// The longest document that is read.
pub(super) const MOST_BYTES: usize = 256 * 1024;
/// The most routes, and the most upstreams.
const MOST_ENTRIES: usize = 256;

/// A table that was checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Where requests can go, by name.
    pub(super) upstreams: BTreeMap<String, Settings>,
    /// The first that matches wins: sorted, the most specific first.
    pub routes: Vec<Route>,
}

/// What a table says to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Match<'t> {
    /// This route, and its place among the routes.
    Route(usize, &'t Route),
    /// There are routes for this host and path, but none for the method; they take these, each once.
    OtherMethods(Vec<Method>),
    /// This route, and another one if the path is read as some programs do: nobody can say what it may do.
    Unclear,
    /// No route.
    None,
}

/// Why a document is no table: each mistake with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    upstreams: BTreeMap<String, upstream::Entry>,
    routes: Vec<route::Entry>,
}

impl Table {
    /// The table of a gateway that was given none: `/proxy/...` leads to `/api/...` of one upstream, called `backend`, and where there
    /// is an `observer`, `/cluster` to its `/api/cluster`: nothing, while it is out of reach.
    pub fn of_one(backend: Settings, observer: Option<Settings>) -> Self {
        let route = |path: &str, rewrite: &str, name: &str| Route {
            path: path.into(),
            rewrite: Some(rewrite.into()),
            shares: split::only(name),
            most_request_bytes: u64::MAX,
            most_reply_bytes: u64::MAX,
            ..Route::default()
        };
        let mut table = Self {
            upstreams: BTreeMap::from([("backend".into(), backend)]),
            routes: vec![route("/proxy", "/api", "backend")],
        };
        if let Some(observer) = observer {
            table.upstreams.insert("observer".into(), observer);
            let fallback = Some(Fallback::nothing());
            table.routes.push(Route { fallback, ..route("/cluster", "/api/cluster", "observer") });
        }
        table
    }

    /// Reads and checks `json`, and the secrets that it names.
    ///
    /// # Errors
    /// Every mistake in it; of a document that is no JSON, or not of this form, the first. Nothing of what a secret holds.
    pub fn parse(json: &[u8], defaults: Defaults, secrets: &mut Reading) -> Result<Self, Refused> {
        if json.len() > MOST_BYTES {
            return Err(Refused(vec![format!("the table has {} bytes, and {MOST_BYTES} are accepted", json.len())]));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let document: Document = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| Refused(vec![format!("{}: {}", error.path(), error.inner())]))?;
        deserializer.end().map_err(|error| Refused(vec![format!("after the table: {error}")]))?;
        let mut mistakes = Vec::new();
        let table = document.check(defaults, secrets, &mut mistakes);
        if mistakes.is_empty() { Ok(table) } else { Err(Refused(mistakes)) }
    }

    /// The same, where it asks for no more than there is: limits of all gateways for a store, which they `have`.
    ///
    /// # Errors
    /// What to set.
    pub fn within_reach(self, have_store: bool) -> Result<Self, Refused> {
        let is_global = |route: &Route| route.rate_limit.as_ref().is_some_and(|limit| limit.global);
        match self.routes.iter().find(|route| is_global(route)) {
            Some(route) if !have_store => {
                let mend = "set STORE_URL to the Redis that all gateways share, or leave global out";
                Err(Refused(vec![format!("{}: rateLimit.global: there is no store: {mend}", route.path)]))
            }
            _ => Ok(self),
        }
    }

    /// The table as a document: of the form that [`Table::parse`] reads, with nothing left to defaults. Of secrets it has
    /// the names.
    pub fn document(&self) -> Value {
        let upstreams: Map<String, Value> =
            self.upstreams.iter().map(|(name, settings)| (name.clone(), settings.document())).collect();
        let routes: Vec<Value> = self.routes.iter().map(Route::document).collect();
        json!({"upstreams": upstreams, "routes": routes})
    }

    /// What is done with a request of `method` for `path` at `host` (with or without a port).
    pub fn find(&self, method: &Method, host: &str, path: &Path<'_>) -> Match<'_> {
        let host = host::name(host);
        let found = self.find_as(method, &host, path.as_str());
        let Match::Route(place, _) = found else { return found };
        let same = |other| matches!(self.find_as(method, &host, other), Match::Route(at, _) if at == place);
        if path.others().all(same) { found } else { Match::Unclear }
    }

    /// As [`Table::find`], whatever else the path could be.
    fn find_as(&self, method: &Method, host: &str, path: &str) -> Match<'_> {
        let mut others = Vec::new();
        let mut passed: Option<&Route> = None;
        for (place, route) in self.routes.iter().enumerate().filter(|(_, route)| route.takes_host(host)) {
            if !route.takes_path(path) {
                let close = route.is_a_slash_from(path) && route.takes_method(method);
                passed = passed.or(close.then_some(route));
            } else if !route.takes_method(method) {
                others.extend(&route.methods);
            } else if !route.exact && passed.is_some_and(|passed| passed.restricts_more_than(route)) {
                return Match::Unclear;
            } else {
                return Match::Route(place, route);
            }
        }
        if others.is_empty() { Match::None } else { Match::OtherMethods(methods::each_once(others)) }
    }
}

impl Document {
    fn check(self, defaults: Defaults, secrets: &mut Reading, mistakes: &mut Vec<String>) -> Table {
        for (list, count) in [("upstreams", self.upstreams.len()), ("routes", self.routes.len())] {
            if count > MOST_ENTRIES {
                mistakes.push(format!("{list}: {count} entries, and {MOST_ENTRIES} are accepted"));
            }
        }
        let upstreams: BTreeMap<String, Settings> = self
            .upstreams
            .into_iter()
            .filter_map(|(name, entry)| {
                let settings = entry.check(&mut Section::new(format!("upstreams.{name}"), mistakes), defaults)?;
                Some((name, settings))
            })
            .collect();
        let mut routes: Vec<Route> = Vec::new();
        for (index, entry) in self.routes.into_iter().enumerate() {
            let name = format!("routes[{index}]");
            let route = entry.check(&mut Section::new(name.clone(), mistakes), secrets);
            // What an upstream has by itself was checked there.
            let own = route.persistence != Overrides::default();
            for (to, settings) in upstreams.iter().filter(|(to, _)| own && route.upstreams().any(|name| name == *to)) {
                let section = &mut Section::new(format!("{name}, for the upstream {to}"), mistakes);
                route.persistence.over(settings.persistence()).check(section);
            }
            let mut section = Section::new(name, mistakes);
            for name in route.upstreams().filter(|name| !upstreams.contains_key(*name)) {
                let known: Vec<&str> = upstreams.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                section.mistake(format!("there is no upstream {name:?}, and there are: {known}"));
            }
            if let Some(other) = routes.iter().position(|other| other.is_ambiguous_with(&route)) {
                section.mistake(format!("takes requests that routes[{other}] takes, and neither is more specific"));
            }
            routes.push(route);
        }
        routes.sort_by_key(Route::rank);
        Table { upstreams, routes }
    }
}
