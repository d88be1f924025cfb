//! The description of the API, and a page made from it.

use std::fmt::Write as _;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use service::body::Body;

use crate::Config;

/// The description; its version and the bounds that are settings are filled in at start.
const OPENAPI: &str = include_str!("openapi.json");

/// Styles of the page. No script, nothing from elsewhere.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}\
code{background:#8882;padding:.1rem .3rem;border-radius:.2rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.2rem .6rem;border-bottom:1px solid #8884}:root{color-scheme:light dark}";

/// `/docs` and `/openapi.json`, made once.
pub(crate) struct Docs {
    page: Bytes,
    description: Bytes,
}

impl Docs {
    pub(crate) fn new(version: &str, config: Config) -> Self {
        let mut value: Value = serde_json::from_str(OPENAPI).expect("the description is JSON, which a test holds");
        value["info"]["version"] = version.into();
        for method in ["get", "head"] {
            for (path, most) in [("/api/items", config.delay_max), ("/api/cpu-burn", config.burn_max)] {
                let parameter = &mut value["paths"][path][method]["parameters"][0];
                parameter["schema"]["maximum"] = (most.as_millis() as u64).into();
            }
        }
        Self { page: page(&value).into(), description: value.to_string().into() }
    }

    pub(crate) fn page(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.page.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        );
        response
    }

    pub(crate) fn description(&self) -> Response<Body> {
        crate::json(self.description.clone())
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
        let Some((method, operation)) = members(operations).find(|(method, _)| *method != "head") else { continue };
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
    html
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::TABLE;
    use service::route::Methods;
    use std::time::Duration;

    const CONFIG: Config = Config {
        burn_slots: 2,
        burn_default: Duration::from_millis(20),
        burn_max: Duration::from_millis(50),
        delay_max: Duration::from_millis(60),
        health_behind_burn: false,
    };

    #[test]
    fn the_description_and_the_table_name_the_same_paths() {
        let value: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described: Vec<&str> = members(&value["paths"]).map(|(p, _)| p.as_str()).collect();
        let mut served: Vec<&str> = TABLE.iter().map(|route| route.path).collect();
        described.sort_unstable();
        served.sort_unstable();
        assert_eq!(described, served);
        for (path, operations) in members(&value["paths"]) {
            let methods: Vec<_> = members(operations).map(|(m, _)| m.as_str()).collect();
            let route = TABLE.iter().find(|route| route.path == path).unwrap();
            let taken: &[&str] = if route.methods == Methods::Post { &["post"] } else { &["get", "head"] };
            assert_eq!(methods, taken, "{path}");
        }
    }

    #[test]
    fn every_reference_in_the_description_leads_somewhere() {
        fn walk(value: &Value, root: &Value) {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(root.pointer(pointer).is_some(), "{reference}");
            }
            for (_, inner) in members(value) {
                walk(inner, root);
            }
            for inner in value.as_array().into_iter().flatten() {
                walk(inner, root);
            }
        }
        let value: Value = serde_json::from_str(OPENAPI).unwrap();
        walk(&value, &value);
    }

    #[test]
    fn the_longest_burn_and_delay_are_those_that_are_set() {
        let docs = Docs::new("v7", CONFIG);
        let value: Value = serde_json::from_slice(&docs.description).unwrap();
        for method in ["get", "head"] {
            for (path, name, most) in [("/api/cpu-burn", "ms", 50), ("/api/items", "delay_ms", 60)] {
                let parameter = &value["paths"][path][method]["parameters"][0];
                assert_eq!(parameter["name"], name, "{method}");
                assert_eq!(parameter["schema"]["maximum"], most, "{method} {path}");
            }
        }
    }

    #[test]
    fn the_page_shows_every_path_and_the_version() {
        let docs = Docs::new("v7", CONFIG);
        let page = String::from_utf8(docs.page.to_vec()).unwrap();
        assert!(page.contains("v7"));
        for route in TABLE {
            assert!(page.contains(route.path), "{}", route.path);
        }
        assert!(page.contains("GET /api/items<") && page.contains("POST /api/echo<"), "{page}");
    }
}
