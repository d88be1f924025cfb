//! Whether each request was done once: the ids of a ledger against the log lines of the backends.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::commands::Error;
use crate::ledger::Ledger;
use crate::load::Stream;
use crate::release::Release;

/// Compares the ledgers of loads of which nothing was lost with the logs of the backends, which log each request.
///
/// # Errors
/// If a request was not answered exactly once, or the logs can't be read.
pub(crate) fn check(release: &Release, ledgers: &[(Stream, Ledger)]) -> Result<(), Error> {
    release.say("the ids of the ledgers against the logs of the backends");
    let mut seen = Sightings::default();
    for pod in release.pods("backend")? {
        seen.count(&release.commands.stdout(&format!("kubectl logs {}", pod.name))?);
    }
    for (stream, ledger) in ledgers {
        seen.each_once(&ledger.run, ledger.requests.due).map_err(|error| format!("{}: {error}", stream.name()))?;
    }
    let requests: u64 = ledgers.iter().map(|(_, ledger)| ledger.requests.due).sum();
    release.say(&format!("each of {requests} requests was answered by a backend once"));
    Ok(())
}

/// How often the backends say that they answered each request.
#[derive(Debug, Default)]
pub(crate) struct Sightings(BTreeMap<String, u32>);

impl Sightings {
    /// Counts the request lines in what a pod logged; a line that is no JSON object is not one.
    pub(crate) fn count(&mut self, log: &str) {
        for line in log.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line["message"] == "request"
                && let Some(id) = line["request_id"].as_str()
            {
                *self.0.entry(id.to_owned()).or_default() += 1;
            }
        }
    }

    /// Compares with a load of `requests` whose ids begin with `run`, all of them answered.
    ///
    /// # Errors
    /// How many ids were not seen, and how many more than once, each with an example.
    pub(crate) fn each_once(&self, run: &str, requests: u64) -> Result<(), String> {
        let (mut missing, mut repeated) = (Vec::new(), Vec::new());
        for sequence in 0..requests {
            let id = format!("{run}-{sequence}");
            match self.0.get(&id).copied().unwrap_or(0) {
                0 => missing.push(id),
                1 => {}
                _ => repeated.push(id),
            }
        }
        if missing.is_empty() && repeated.is_empty() {
            return Ok(());
        }
        let example = |ids: &[String]| ids.first().map_or_else(String::new, |id| format!(" ({id} for one)"));
        Err(format!(
            "of {requests} requests answered, {}{} were not seen by a backend, {}{} more than once",
            missing.len(),
            example(&missing),
            repeated.len(),
            example(&repeated)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_missing_or_seen_twice_is_told() {
        let line = |id: &str| format!("{{\"message\":\"request\",\"request_id\":\"{id}\"}}\n");
        let mut seen = Sightings::default();
        seen.count(&(line("a-0") + "no json\n{\"message\":\"ready\"}\n" + &line("a-1")));
        assert_eq!(seen.each_once("a", 2), Ok(()));
        let error = seen.each_once("a", 3).unwrap_err();
        assert!(error.contains("1 (a-2 for one) were not seen"), "{error}");
        seen.count(&line("a-1"));
        let error = seen.each_once("a", 2).unwrap_err();
        assert!(error.contains("1 (a-1 for one) more than once"), "{error}");
    }
}
