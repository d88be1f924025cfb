//! What a service of the shop has from the start: a file, of which what is missing is added.

use std::fs::File;
use std::io::Read;

use serde_json::Value;
use service::settings::environment::Environment;

/// The longest file, in bytes: a quarter of what a `ConfigMap` can hold.
const LONGEST: u64 = 256 * 1024;

/// The variable that names the file.
pub(crate) const VARIABLE: &str = "RESOURCE_FILE";
/// What the file is.
pub(crate) const ACCEPTED: &str = "a file with a JSON array of at most 256 KiB";

/// Reads the file; empty where there is none.
pub(crate) fn read(environment: &mut Environment) -> Vec<Value> {
    let about =
        "users, products: a JSON array of those that are there from the start, of at most 256 KiB, read once at start";
    let Some(path) = environment.optional_text(VARIABLE, about) else { return Vec::new() };
    parse(&path).unwrap_or_else(|why| {
        environment.refuse(VARIABLE, &path, &format!("{ACCEPTED}: {why}"));
        Vec::new()
    })
}

fn parse(path: &str) -> Result<Vec<Value>, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("it can't be read: {error}"))?;
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| format!("it can't be read: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err("it is longer".to_owned());
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
