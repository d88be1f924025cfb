//! `/docs` and `/openapi.json`: what the routes lead to, as the upstreams describe it.

use serde_json::{Value, json};
use testing::scripted::Scripted;

use crate::gateways::{Routed, table};

/// An upstream that answers everything with this description.
async fn describing(description: &str) -> Scripted {
    let length = description.len();
    Scripted::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{description}")).await
}

fn paths(description: &Value) -> Vec<String> {
    description["paths"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn the_gateways_description_is_its_upstreams_at_its_own_paths() {
    let of_items = |summary: &str| {
        let schema = json!({"$ref": "#/components/schemas/Item"});
        let get = json!({"operationId": "list", "summary": summary, "responses": {"200": {"$ref": "#/components/responses/All"}}});
        let all = json!({"description": "All", "content": {"application/json": {"schema": schema}}});
        json!({
            "paths": {"/api/items": {"get": get, "post": {"summary": "One more"}}, "/api/items/{id}": {"get": {}}, "/apis": {"get": {}}, "/docs": {"get": {}}},
            "components": {"schemas": {"Item": {"title": summary}}, "responses": {"All": all}},
        })
    };
    let (one, two) =
        (describing(&of_items("of one").to_string()).await, describing(&of_items("of two").to_string()).await);
    let (none, long) = (
        describing("what I have").await,
        describing(&format!("{{\"paths\":{{\"/api/x\":{{}}}}}}{}", " ".repeat(300_000))).await,
    );
    let routed = Routed::with_docs(&table(
        &[("one", &one), ("two", &two), ("none", &none), ("long", &long)],
        &json!([
            {"path": "/one", "rewrite": "/api", "upstream": "one"},
            {"path": "/two", "rewrite": "/api", "upstream": "two", "methods": ["GET"]},
            {"path": "/two/items", "rewrite": "/api/items", "exact": true, "upstream": "two", "methods": ["POST"]},
            {"path": "/none", "rewrite": "/api", "upstream": "none"},
            {"path": "/long", "rewrite": "/api", "upstream": "long"},
            // Nobody describes what is put together.
            {"path": "/both", "aggregate": {"one": {"upstream": "one", "rewrite": "/api"}, "two": {"upstream": "two"}}},
        ]),
    ));
    let reply = routed.get("/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let description: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(paths(&description), ["/one/items", "/one/items/{id}", "/two/items", "/two/items/{id}"]);
    assert_eq!(description["paths"]["/two/items"]["post"]["summary"], "One more");
    assert!(description["paths"]["/two/items/{id}"]["post"].is_null());
    assert!(description["paths"]["/one/items"]["get"]["operationId"].is_null());
    // Each refers to the components of its own upstream.
    let referred = |value: &Value| description.pointer(&value["$ref"].as_str().unwrap()[1..]).unwrap();
    for service in ["one", "two"] {
        let response = referred(&description["paths"][format!("/{service}/items")]["get"]["responses"]["200"]);
        assert_eq!(referred(&response["content"]["application/json"]["schema"])["title"], format!("of {service}"));
    }
    let page = routed.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn there_is_no_description_unless_it_is_asked_for_and_a_route_for_its_path_comes_first() {
    let one = describing("{}").await;
    let entries = json!([{"path": "/one", "upstream": "one"}]);
    let routed = Routed::start(&table(&[("one", &one)], &entries));
    for path in ["/docs", "/openapi.json"] {
        assert_eq!(routed.get(path).await.status, 404, "{path}");
    }
    assert_eq!(one.connections(), 0);
    let routed = Routed::with_docs(&table(&[("one", &one)], &json!([{"path": "/docs", "upstream": "one"}])));
    assert_eq!(routed.get("/docs").await.text(), "{}");
}
