//! What the routes lead to, as the upstreams describe it (OpenAPI 3.1), at the paths that this gateway has for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::header::HeaderMap;
use serde_json::{Map, Value, json};
use service::app::docs::members;

use crate::body::RequestBody;
use crate::routes::{Live, Route};

/// The longest description that is taken from an upstream, in bytes.
const LONGEST: usize = 256 * 1024;

/// The description of all that the table `live` has routes for. `body` is that of the request that asks. What an upstream does
/// not describe, or not at the moment, is left out.
pub(crate) async fn describe(live: &Live, body: &Arc<RequestBody>, version: &str) -> Value {
    let mut known = BTreeMap::new();
    let (mut paths, mut components) = (Map::new(), json!({}));
    for route in &live.table.routes {
        // Of several upstreams that share a route's requests, the first that gets any.
        let Some(upstream) = live.upstream(route, &HeaderMap::new(), 0) else { continue };
        let asked = Arc::as_ptr(upstream) as usize;
        if !known.contains_key(&asked) {
            let place = known.len();
            let text = upstream.fetch("/openapi.json", LONGEST, body).await.unwrap_or_default();
            let mut described: Value = serde_json::from_slice(&text).unwrap_or_default();
            name_apart(&mut described, place);
            for (kind, own) in members(&described["components"]) {
                for (name, component) in members(own) {
                    components[kind][format!("{place}.{name}")] = component.clone();
                }
            }
            known.insert(asked, described);
        }
        add(&mut paths, route, &known[&asked]["paths"]);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "What this gateway has routes for", "version": version},
        "paths": paths,
        "components": components,
    })
}

/// Has what refers to components say that they are those of the upstream at `place`: others may have some of the same names.
fn name_apart(value: &mut Value, place: usize) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| name_apart(member, place)),
        Value::Array(items) => items.iter_mut().for_each(|item| name_apart(item, place)),
        Value::String(text) => {
            if let Some((kind, name)) = text.strip_prefix("#/components/").and_then(|rest| rest.split_once('/')) {
                *text = format!("#/components/{kind}/{place}.{name}");
            }
        }
        _ => {}
    }
}

/// Adds what `route` takes of the upstream's `described` paths, as the gateway calls them.
fn add(paths: &mut Map<String, Value>, route: &Route, described: &Value) {
    let start = route.rewrite.as_deref().unwrap_or(&route.path);
    for (path, operations) in members(described) {
        let Some(rest) = path.strip_prefix(start) else { continue };
        if !(rest.is_empty() || (rest.starts_with('/') && !route.exact)) {
            continue;
        }
        let here = [&route.path, rest].concat();
        let here = paths.entry(if here.is_empty() { "/".to_owned() } else { here }).or_insert_with(|| json!({}));
        for (method, operation) in members(operations) {
            let taken =
                route.methods.is_empty() || route.methods.iter().any(|own| own.as_str().eq_ignore_ascii_case(method));
            // A more specific route came first.
            if taken && here.get(method).is_none() {
                here[method] = operation.clone();
                // It names one operation of the whole document, and two routes may lead to this one.
                here[method].as_object_mut().and_then(|operation| operation.remove("operationId"));
            }
        }
    }
}
