//! The description of the API, and a page made from it.

use std::fmt::Write as _;

use hyper::body::Bytes;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use service::app::route::Route;
use service::message::body::Body;

use crate::config::Config;
use crate::items::Resource;
use crate::reply;
use crate::routes::{Handler, item_paths};

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
    /// Describes what `table` routes, as `config` has it.
    pub(crate) fn new(version: &str, config: &Config, table: &[Route<Handler>]) -> Self {
        let mut value: Value = serde_json::from_str(OPENAPI).expect("the description is JSON, which a test holds");
        value["info"]["version"] = version.into();
        for method in ["get", "head"] {
            for (path, most) in [("/api/items", config.delay_max), ("/api/cpu-burn", config.burn_max)] {
                let parameter = &mut value["paths"][path][method]["parameters"][0];
                parameter["schema"]["maximum"] = (most.as_millis() as u64).into();
            }
        }
        rename_items(&mut value, &config.resource);
        if let Some(stored) = &config.store {
            value["components"]["schemas"]["Vote"]["properties"]["option"] = json!({"enum": stored.votes.options});
        }
        if let Some(paths) = value["paths"].as_object_mut() {
            paths.retain(|path, _| table.iter().any(|route| route.path == path));
        }
        drop_unused_schemas(&mut value);
        Self { page: page(&value).into(), description: value.to_string().into() }
    }

    pub(crate) fn page(&self) -> Response<Body> {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
        Body::from(self.page.clone()).reply(StatusCode::OK, &headers)
    }

    pub(crate) fn description(&self) -> Response<Body> {
        reply::json(self.description.clone())
    }
}

/// Has the description say the name and the form of items that are not the knots.
fn rename_items(description: &mut Value, resource: &Resource) {
    let (own, own_one) = item_paths(&resource.name);
    let (knots, knot) = item_paths(&Resource::KNOTS.name);
    for (from, to) in [(knots, own), (knot, own_one)] {
        let operations = description["paths"][from].take();
        description["paths"][to] = operations;
    }
    if resource.document.is_some() {
        let id = json!({"type": "integer", "minimum": 1, "maximum": u32::MAX});
        description["components"]["schemas"]["Knot"] =
            json!({"type": "object", "properties": {"id": id}, "required": ["id"]});
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::table;
    use service::app::route::Methods;
    use service::settings::environment::Environment;

    const EVERYTHING: [(&str, &str); 2] = [("DISCOVERY", "true"), ("STORE_URL", "redis://store")];

    /// What `pairs` set.
    fn config(pairs: &[(&str, &str)]) -> Config {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Config::read(&mut Environment::new(&lookup))
    }

    fn everything() -> Vec<Route<Handler>> {
        table(&config(&EVERYTHING))
    }

    #[test]
    fn the_description_and_the_table_name_the_same_paths() {
        let value: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut described: Vec<&str> = members(&value["paths"]).map(|(p, _)| p.as_str()).collect();
        let table = everything();
        let mut served: Vec<&str> = table.iter().map(|route| route.path).collect();
        described.sort_unstable();
        served.sort_unstable();
        assert_eq!(described, served);
        for (path, operations) in members(&value["paths"]) {
            let methods: Vec<_> = members(operations).map(|(m, _)| m.as_str()).collect();
            let route = table.iter().find(|route| route.path == path).unwrap();
            let taken: &[&str] = match route.methods {
                Methods::Post => &["post"],
                Methods::GetAndPost => &["get", "head", "post"],
                Methods::Get | Methods::Any => &["get", "head"],
            };
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
        let config = config(&[("BURN_DEFAULT_MS", "20"), ("BURN_MAX_MS", "50"), ("DELAY_MAX_MS", "60")]);
        let docs = Docs::new("v7", &config, &table(&config));
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
    fn the_page_shows_every_path_that_is_switched_on_and_the_version() {
        let plain = table(&config(&[]));
        let docs = Docs::new("v7", &config(&[]), &plain);
        let page = String::from_utf8(docs.page.to_vec()).unwrap();
        assert!(page.contains("v7"));
        for route in &plain {
            assert!(page.contains(route.path), "{}", route.path);
        }
        assert!(page.contains("GET /api/items<") && page.contains("POST /api/echo<"), "{page}");
        assert!(!page.contains("/api/jobs") && !page.contains("/api/discovery"), "{page}");
        let description = String::from_utf8(docs.description.to_vec()).unwrap();
        assert!(description.contains(r#""Items":{"#) && !description.contains(r#""Vote":{"#), "{description}");
        let all = Docs::new("v7", &config(&EVERYTHING), &everything());
        let description = String::from_utf8(all.description.to_vec()).unwrap();
        assert!(description.contains(r#""option":{"enum":["cats","dogs"]}"#), "{description}");
        let page = String::from_utf8(all.page.to_vec()).unwrap();
        assert!(page.contains("GET /api/jobs<") && page.contains("POST /api/jobs<"), "{page}");
    }

    #[test]
    fn own_items_are_described_under_their_own_name_and_by_no_more_than_their_id() {
        let config = config(&[("RESOURCE", "users"), ("RESOURCE_DATA", r#"[{"id":1}]"#)]);
        let docs = Docs::new("v7", &config, &table(&config));
        let description: Value = serde_json::from_slice(&docs.description).unwrap();
        assert!(description["paths"]["/api/users/{id}"]["get"].is_object(), "{description}");
        assert!(description["paths"].get("/api/items").is_none(), "{description}");
        assert_eq!(description["components"]["schemas"]["Knot"]["required"], json!(["id"]));
    }
}
