//! `/docs` and `/openapi.json`: the description of an API, and a page made from it.

use std::fmt::Write as _;

use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::route::Route;
use crate::message::body::Body;
use crate::message::json;

/// Styles of the page. No script, nothing from elsewhere.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}\
code{background:#8882;padding:.1rem .3rem;border-radius:.2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem;border-bottom:1px solid #8884}:root{color-scheme:light dark}";

/// Both, made once.
pub struct Docs {
    page: Bytes,
    description: Bytes,
}

impl Docs {
    /// Describes those paths of `description`, an `OpenAPI` document, that `table` routes, as they are in `version`.
    #[must_use]
    pub fn new<H>(mut description: Value, version: &str, table: &[Route<H>]) -> Self {
        description["info"]["version"] = version.into();
        if let Some(paths) = description["paths"].as_object_mut() {
            paths.retain(|path, _| table.iter().any(|route| route.path == path));
        }
        drop_unused_schemas(&mut description);
        Self { page: page(&description).into(), description: description.to_string().into() }
    }

    /// The page, for people.
    #[must_use]
    pub fn page(&self) -> Response<Body> {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
        Body::from(self.page.clone()).reply(StatusCode::OK, &headers)
    }

    /// The description, for programs.
    #[must_use]
    pub fn description(&self) -> Response<Body> {
        json::text(self.description.clone())
    }
}

/// Drops the schemas that nothing refers to any more, and then those that only they referred to.
fn drop_unused_schemas(description: &mut Value) {
    loop {
        let text = description.to_string();
        let Some(schemas) = description["components"]["schemas"].as_object_mut() else { return };
        let before = schemas.len();
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
        if schemas.len() == before {
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
            section(&mut html, path, method, operation);
        }
    }
    html
}

fn section(html: &mut String, path: &str, method: &str, operation: &Value) {
    let method = method.to_uppercase();
    let _ = write!(html, "<h2><code>{method} {path}</code></h2><p>{}</p>", text(&operation["summary"]));
    html.push_str("<table>");
    if let Some(body) = operation["requestBody"]["description"].as_str() {
        let _ = write!(html, "<tr><th>body<td>{body}");
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = write!(html, "<tr><th>{}<td>{}", text(&parameter["name"]), text(&parameter["description"]));
    }
    for (status, response) in members(&operation["responses"]) {
        let _ = write!(html, "<tr><th>{status}<td>{}", text(&response["description"]));
    }
    html.push_str("</table>");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
