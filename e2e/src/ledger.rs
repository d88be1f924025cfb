//! The client's ledger, and what tests ask of it.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use contract::ledger::Requests;

const SHOWN: usize = 20;

/// What became of every request of a load.
#[derive(Clone, Debug)]
pub struct Ledger(contract::ledger::Ledger);

impl Deref for Ledger {
    type Target = contract::ledger::Ledger;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Ledger {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Ledger {
    /// Reads what a load printed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let ledger: contract::ledger::Ledger = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Requests { due, answered, lost, .. } = ledger.requests;
        if answered + lost != due {
            return Err(format!("{answered} answered and {lost} lost are not {due} due"));
        }
        Ok(Self(ledger))
    }

    /// Whether a version of a service answered.
    pub fn saw(&self, service: &str, version: &str) -> bool {
        let named = self.services.iter().filter(|entry| entry.service == service);
        named.flat_map(|entry| &entry.versions).any(|entry| entry.version == version)
    }

    /// Asserts that every request was answered, and enough of them were sent to mean something.
    #[track_caller]
    pub fn assert_nothing_lost(&self, at_least: u64) {
        let shown = &self.losses[..self.losses.len().min(SHOWN)];
        assert_eq!(
            self.requests.lost,
            0,
            "requests were lost: {}; the first of them: {shown:#?}",
            self.losses_by_kind()
        );
        assert!(self.requests.sent >= at_least, "only {} requests were sent, not {at_least}", self.requests.sent);
    }

    /// `v1 v2` or, where the services differ, `backend v1 v2, frontend v1`.
    pub fn versions(&self) -> String {
        let by_service: Vec<(&str, String)> = self
            .services
            .iter()
            .map(|service| {
                let versions: BTreeSet<&str> = service.versions.iter().map(|version| &*version.version).collect();
                (&*service.service, versions.into_iter().collect::<Vec<_>>().join(" "))
            })
            .collect();
        match by_service.split_first() {
            None => "none".to_owned(),
            Some(((_, first), rest)) if rest.iter().all(|(_, versions)| versions == first) => first.clone(),
            Some(_) => {
                by_service.iter().map(|(name, versions)| format!("{name} {versions}")).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// `2 closed, 1 timeout`; empty if nothing was lost.
    pub fn losses_by_kind(&self) -> String {
        self.lost.iter().map(|lost| format!("{} {}", lost.requests, lost.kind)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use contract::ledger::{Lost, Service, Version};

    use super::*;

    fn sample() -> contract::ledger::Ledger {
        let service = |name: &str, versions: &[&str]| Service {
            service: name.to_owned(),
            versions: versions
                .iter()
                .map(|version| Version { version: (*version).to_owned(), ..Version::default() })
                .collect(),
        };
        contract::ledger::Ledger {
            requests: Requests { due: 42, sent: 42, answered: 40, lost: 2, ..Requests::default() },
            lost: vec![Lost { kind: "closed".to_owned(), requests: 2, ..Lost::default() }],
            services: vec![service("backend", &["v2", "v1"]), service("frontend", &["v1"])],
            ..Default::default()
        }
    }

    fn parsed(ledger: &contract::ledger::Ledger) -> Result<Ledger, String> {
        Ledger::parse(&serde_json::to_string(ledger).unwrap())
    }

    #[test]
    fn a_ledger_tells_who_answered_and_what_was_lost() {
        let mut ledger = parsed(&sample()).unwrap();
        assert!(ledger.saw("backend", "v2") && !ledger.saw("frontend", "v2"));
        assert_eq!(ledger.losses_by_kind(), "2 closed");
        assert_eq!(ledger.versions(), "backend v1 v2, frontend v1");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "v1 v2");
        ledger.services.pop();
        assert_eq!(ledger.versions(), "none");
    }

    #[test]
    #[should_panic(expected = "requests were lost: 2 closed")]
    fn a_loss_fails_the_assertion() {
        parsed(&sample()).unwrap().assert_nothing_lost(1);
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_refused() {
        let mut ledger = sample();
        ledger.requests.due = 43;
        let error = parsed(&ledger).unwrap_err();
        assert!(error.contains("43 due"), "{error}");
    }
}
