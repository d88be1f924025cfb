//! What an API says of itself, held against its own paths.

use http_body_util::BodyExt;
use serde_json::Value;
use service::app::docs::{self, Docs, members};
use service::app::own_path::{Methods, OwnPath};
use service::message::body::Body;

/// Checks that the `OpenAPI` document `description` has the paths and the methods of `table` and no other (HEAD goes without
/// saying, where GET is), and that each reference in it leads somewhere.
#[track_caller]
pub fn assert_describes<H>(description: &str, table: &[OwnPath<H>]) {
    let value = docs::read(description);
    let mut described: Vec<&str> = members(&value["paths"]).map(|(path, _)| path.as_str()).collect();
    let mut served: Vec<&str> = table.iter().map(|own| own.path).collect();
    described.sort_unstable();
    served.sort_unstable();
    assert_eq!(described, served);
    for (path, operations) in members(&value["paths"]) {
        let methods: Vec<_> = members(operations).map(|(method, _)| method.as_str()).collect();
        let own = table.iter().find(|own| own.path == path).unwrap();
        let taken: &[&str] = match own.methods {
            Methods::Post => &["post"],
            Methods::GetAndPost => &["get", "post"],
            Methods::GetAndPut => &["get", "put"],
            Methods::Get | Methods::Any => &["get"],
        };
        assert_eq!(methods, taken, "{path}");
    }
    assert_leads_somewhere(&value, &value);
}

fn assert_leads_somewhere(value: &Value, root: &Value) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        assert!(root.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    for inner in members(value).map(|(_, inner)| inner).chain(value.as_array().into_iter().flatten()) {
        assert_leads_somewhere(inner, root);
    }
}

/// What `docs` describe, to programs.
pub fn described(docs: &Docs) -> Value {
    serde_json::from_slice(&whole(docs.description().into_body())).unwrap()
}

/// What `docs` show, to people.
pub fn shown(docs: &Docs) -> String {
    String::from_utf8(whole(docs.page().into_body())).unwrap()
}

/// The bytes of a body that is there already.
fn whole(body: Body) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(body.collect()).unwrap().to_bytes().to_vec()
}
