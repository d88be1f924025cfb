//! `/docs` and `/openapi.json`: the description of an API, and a page made from it.

use std::fmt::Write as _;

use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value};

use super::own_path::OwnPath;
use crate::message::body::Body;
use crate::message::json;

/// Styles of the page. No script, nothing from elsewhere.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}\
code{background:#8882;padding:.1rem .3rem;border-radius:.2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem;border-bottom:1px solid #8884}:root{color-scheme:light dark}";

/// What every server has: its probes and these two, and what all replies are made of.
const COMMON: &str = include_str!("openapi.json");

/// Reads `text`, the description of a program's own paths, and adds what every server has. A reference with a description beside it
/// becomes what it refers to, so described.
///
/// # Panics
///
/// If `text` is not JSON.
pub fn read(text: &str) -> Value {
    let [mut description, own] = [COMMON, text].map(|text| serde_json::from_str(text).expect("a test reads it"));
    merge(&mut description, own);
    let root = description.clone();
    spell_out(&mut description, &root);
    description
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn spell_out(value: &mut Value, root: &Value) {
    if let Some(own) = value.get("description").filter(|_| value.get("$ref").is_some()).cloned() {
        *value = referred(value, root).clone();
        value["description"] = own;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| spell_out(member, root)),
        Value::Array(items) => items.iter_mut().for_each(|item| spell_out(item, root)),
        _ => {}
    }
}

/// Both, made once.
pub struct Docs {
    page: Bytes,
    description: Bytes,
}

impl Docs {
    /// Describes those paths of `description`, an `OpenAPI` document, that `table` has, as they are in `version`. What has GET has
    /// HEAD, which need not be in it.
    pub fn new<H>(mut description: Value, version: &str, table: &[OwnPath<H>]) -> Self {
        description["info"]["version"] = version.into();
        if let Some(paths) = description["paths"].as_object_mut() {
            paths.retain(|path, _| table.iter().any(|own| own.path == path));
        }
        add_heads(&mut description);
        drop_unused(&mut description);
        Self { page: page(&description).into(), description: description.to_string().into() }
    }

    /// The page, for people.
    pub fn page(&self) -> Response<Body> {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
        Body::from(self.page.clone()).reply(StatusCode::OK, &headers)
    }

    /// The description, for programs.
    pub fn description(&self) -> Response<Body> {
        json::text(self.description.clone())
    }
}

/// Describes HEAD as what GET answers, without its body (RFC 9110 9.3.2).
fn add_heads(description: &mut Value) {
    let root = description.clone();
    for operations in description["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(mut head) = operations.get("get").cloned() else { continue };
        head["operationId"] = format!("{}Head", text(&head["operationId"])).into();
        head["summary"] = "The headers of GET, without a body".into();
        for response in head["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            *response = referred(response, &root).clone();
            response.as_object_mut().and_then(|response| response.remove("content"));
        }
        operations["head"] = head;
    }
}

/// What `value` is, or what it refers to within `root`.
fn referred<'a>(value: &'a Value, root: &'a Value) -> &'a Value {
    let found = value["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    found.unwrap_or(value)
}

/// Drops the components that nothing refers to any more, and then those that only they referred to.
fn drop_unused(description: &mut Value) {
    loop {
        let text = description.to_string();
        let mut dropped = false;
        for (kind, components) in description["components"].as_object_mut().into_iter().flatten() {
            let Some(components) = components.as_object_mut() else { continue };
            let before = components.len();
            components.retain(|name, _| text.contains(&format!("\"#/components/{kind}/{name}\"")));
            dropped |= components.len() < before;
        }
        if !dropped {
            return;
        }
    }
}

/// The page: what each path does, its parameters and its replies. The text is the description's, which holds no markup.
fn page(description: &Value) -> String {
    let info = &description["info"];
    let title = text(&info["title"]);
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title} <small>{}</small></h1><p>{}</p>\
         <p>The same for programs: <a href=/openapi.json>openapi.json</a></p>",
        text(&info["version"]),
        text(&info["description"]),
    );
    for (path, operations) in members(&description["paths"]) {
        // HEAD, where it is, is GET without a body.
        for (method, operation) in members(operations).filter(|(method, _)| *method != "head") {
            section(&mut html, path, method, operation, description);
        }
    }
    html
}

fn section(html: &mut String, path: &str, method: &str, operation: &Value, root: &Value) {
    let method = method.to_uppercase();
    let _ = write!(html, "<h2><code>{method} {path}</code></h2><p>{}</p>", text(&operation["summary"]));
    html.push_str("<table>");
    if let Some(body) = operation["requestBody"]["description"].as_str() {
        let _ = write!(html, "<tr><th>body<td>{body}");
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = referred(parameter, root);
        let _ = write!(html, "<tr><th>{}<td>{}", text(&parameter["name"]), text(&parameter["description"]));
    }
    for (status, response) in members(&operation["responses"]) {
        let _ = write!(html, "<tr><th>{status}<td>{}", text(&referred(response, root)["description"]));
    }
    html.push_str("</table>");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The members of an object; none of what is no object.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
