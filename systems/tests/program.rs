//! The real program: its own settings. What every program here does with arguments and signals is tested with the backend.

use std::process::{Command, Output};

use serde_json::Value;
use testing::program::Program;

const PROGRAM: &str = env!("CARGO_BIN_EXE_systems");

fn output(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn the_parts_that_a_process_can_be_are_words_of_its_role() {
    let printed = output(&["--settings"], &[]);
    let settings: Vec<Value> = serde_json::from_slice(&printed.stdout).unwrap();
    let role = settings.iter().find(|setting| setting["name"] == "ROLE").unwrap();
    assert_eq!(
        role["words"],
        serde_json::json!(["api", "worker", "users", "products", "orders", "payments", "inventory", "notifications"])
    );
}

#[test]
fn a_worker_without_a_store_and_a_store_that_is_none_exit_64_and_name_what_to_set() {
    for (environment, says) in [
        (&[("ROLE", "worker")][..], "set STORE_URL"),
        (&[("STORE_URL", "http://:hunter2@redis")], "STORE_URL=\"(hidden)\" is not accepted: set it to redis://HOST"),
        (&[("STORE_URL", "redis://a"), ("STORE_PASSWORD_FILE", "/nowhere")], "STORE_PASSWORD_FILE=\"/nowhere\""),
        (&[("VOTE_OPTIONS", "cats")], "VOTE_OPTIONS=\"cats\""),
        (&[("WORKER_CONCURRENCY", "33")], "a whole number from 1 to 32"),
    ] {
        let wrong = output(&[], environment);
        let text = String::from_utf8(wrong.stderr).unwrap();
        assert_eq!((wrong.status.code(), text.lines().count()), (Some(64), 1), "{environment:?}: {text}");
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_variable_that_is_almost_a_setting_is_named_in_the_log_with_that_setting() {
    let links =
        [("STORE_SERVICE_HOST", "10.96.0.9"), ("STORE_PORT", "tcp://10.96.0.9:6379"), ("ROLES_SERVICE_HOST", "a")];
    let wrong = [("DRAIN_SECOND", "hunter2"), ("ROLES_PORT", "1"), ("IDLE_TIMEOUT", "5")];
    let mut program = Program::spawn(&mut Command::new(PROGRAM), &[&links[..], &wrong[..]].concat());
    let mut found = Vec::new();
    for line in program.lines_to("listening") {
        if line["message"].as_str().is_some_and(|message| message.starts_with("unknown setting")) {
            assert_eq!(line["level"], "WARN", "{line}");
            found.push((line["name"].as_str().unwrap().to_owned(), line["nearest"].as_str().unwrap().to_owned()));
        }
        assert!(!line.to_string().contains("hunter2"), "{line}");
    }
    found.sort();
    let expected = [("DRAIN_SECOND", "DRAIN_SECONDS"), ("IDLE_TIMEOUT", "IDLE_TIMEOUT_SECONDS")];
    assert_eq!(found, expected.map(|(name, nearest)| (name.to_owned(), nearest.to_owned())));
}
