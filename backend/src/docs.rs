//! The description of this API, with the settings' bounds in it.

use serde_json::{Value, json};
use service::app::docs::{self, Docs};
use service::app::own_path::OwnPath;

use crate::config::Config;
use crate::items::Resource;
use crate::paths::{Handler, item_paths};

/// The description; the bounds that are settings are filled in at start.
const OPENAPI: &str = include_str!("openapi.json");

pub(crate) fn new(version: &str, config: &Config, table: &[OwnPath<Handler>]) -> Docs {
    let mut value = docs::read(OPENAPI);
    for (path, most) in [("/api/items", config.delay_max), ("/api/cpu-burn", config.burn_max)] {
        let parameter = &mut value["paths"][path]["get"]["parameters"][0];
        parameter["schema"]["maximum"] = (most.as_millis() as u64).into();
    }
    rename_items(&mut value, &config.resource);
    Docs::new(value, version, table)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::table;
    use service::settings::environment::Environment;
    use testing::description::{assert_describes, described, shown};

    const EVERYTHING: [(&str, &str); 3] = [("DISCOVERY", "true"), ("GREETING", "hello"), ("FAULT_ON_REQUEST", "true")];

    fn config(pairs: &[(&str, &str)]) -> Config {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Config::read(&mut Environment::new(&lookup))
    }

    fn everything() -> Vec<OwnPath<Handler>> {
        table(&config(&EVERYTHING))
    }

    #[test]
    fn the_description_and_the_table_name_the_same_paths_and_every_reference_leads_somewhere() {
        assert_describes(OPENAPI, &everything());
    }

    #[test]
    fn the_longest_burn_and_delay_are_those_that_are_set() {
        let config = config(&[("BURN_DEFAULT_MS", "20"), ("BURN_MAX_MS", "50"), ("DELAY_MAX_MS", "60")]);
        let value = described(&new("v7", &config, &table(&config)));
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
        let docs = new("v7", &config(&[]), &plain);
        let page = shown(&docs);
        assert!(page.contains("v7"));
        for own in &plain {
            assert!(page.contains(own.path), "{}", own.path);
        }
        assert!(page.contains("GET /api/items<") && page.contains("POST /api/echo<"), "{page}");
        assert!(!page.contains("/api/discovery"), "{page}");
        let description = described(&docs).to_string();
        assert!(description.contains(r#""Items":{"#) && !description.contains(r#""Discovery":{"#), "{description}");
        let all = new("v7", &config(&EVERYTHING), &everything());
        assert!(described(&all).to_string().contains(r#""Discovery":{"#));
        assert!(shown(&all).contains("GET /api/discovery<"));
    }

    #[test]
    fn own_items_are_described_under_their_own_name_and_by_no_more_than_their_id() {
        let config = config(&[("RESOURCE", "users"), ("RESOURCE_DATA", r#"[{"id":1}]"#)]);
        let description = described(&new("v7", &config, &table(&config)));
        assert!(description["paths"]["/api/users/{id}"]["get"].is_object(), "{description}");
        assert!(description["paths"].get("/api/items").is_none(), "{description}");
        assert_eq!(description["components"]["schemas"]["Knot"]["required"], json!(["id"]));
    }
}
