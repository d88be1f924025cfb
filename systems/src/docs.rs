//! The description of this API, with what is voted on in it.

use serde_json::json;
use service::app::docs::{self, Docs};
use service::app::own_path::OwnPath;

use crate::config::Config;
use crate::paths::Handler;

/// The description; what is voted on is filled in at start.
const OPENAPI: &str = include_str!("openapi.json");

pub(crate) fn new(version: &str, config: &Config, table: &[OwnPath<Handler>]) -> Docs {
    let mut value = docs::read(OPENAPI);
    value["components"]["schemas"]["Vote"]["properties"]["option"] = json!({"enum": config.store.votes.options});
    Docs::new(value, version, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::table;
    use service::settings::environment::Environment;
    use testing::description::{assert_describes, described, shown};

    const STORE: (&str, &str) = ("STORE_URL", "redis://store");
    const EVERYTHING: [&[(&str, &str)]; 7] = [
        &[STORE],
        &[("ROLE", "users")],
        &[("ROLE", "products")],
        &[("ROLE", "orders")],
        &[("ROLE", "payments")],
        &[("ROLE", "inventory")],
        &[("ROLE", "notifications")],
    ];

    fn config(pairs: &[(&str, &str)]) -> Config {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Config::read(&mut Environment::new(&lookup))
    }

    #[test]
    fn the_description_and_the_table_name_the_same_paths_and_every_reference_leads_somewhere() {
        let mut all: Vec<OwnPath<Handler>> = Vec::new();
        for own in EVERYTHING.iter().flat_map(|pairs| table(&config(pairs))) {
            if !all.iter().any(|known| known.path == own.path) {
                all.push(own);
            }
        }
        assert_describes(OPENAPI, &all);
    }

    #[test]
    fn what_is_voted_on_is_that_which_is_set_and_shown_where_it_is_switched_on() {
        let plain = config(&[]);
        let docs = new("v7", &plain, &table(&plain));
        assert!(!shown(&docs).contains("/api/jobs"), "{}", shown(&docs));
        assert!(!described(&docs).to_string().contains(r#""Vote":{"#), "{}", described(&docs));
        let all = config(&[STORE]);
        let docs = new("v7", &all, &table(&all));
        let (page, description) = (shown(&docs), described(&docs).to_string());
        assert!(page.contains("v7") && page.contains("GET /api/jobs<") && page.contains("POST /api/jobs<"), "{page}");
        assert!(description.contains(r#""option":{"enum":["cats","dogs"]}"#), "{description}");
        assert!(!page.contains("/api/users"), "{page}");
        assert!(page.contains("<th>503<td>The store can't be reached"), "{page}");
        let described = described(&docs);
        let refused = &described["paths"]["/api/votes"]["post"]["responses"]["400"];
        assert!(refused["description"].as_str().unwrap().starts_with("The body is no vote"), "{refused}");
        assert_eq!(refused["content"]["application/problem+json"]["schema"]["$ref"], "#/components/schemas/Problem");
        assert!(described["components"]["responses"].get("DatabaseAway").is_none(), "{described}");
        let head = &described["paths"]["/api/votes"]["head"];
        assert_eq!(head["operationId"], "countVotesHead");
        assert_eq!(head["responses"]["503"]["headers"]["Retry-After"]["schema"]["minimum"], 1);
        assert!(head["responses"]["503"].get("content").is_none(), "{head}");
    }
}
