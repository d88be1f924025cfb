//! What became of a case: what both sides saw, whether they agree, and whether it is what was expected.

use std::fmt::Write as _;

use crate::client::{End, Heard};
use crate::corpus::Case;
use crate::guard;
use crate::recorder::{Record, Seen};

/// The target of the request that another client makes behind each case.
pub const AFTER: &str = "/after";

/// One case through one proxy, seen from both sides.
#[derive(Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What its client heard.
    pub heard: Heard,
    /// What the upstream saw, the request behind the case aside.
    pub record: Record,
    /// What the upstream saw of that request, by what its client was told.
    pub after: Option<String>,
}

impl Outcome {
    /// Whether a request of the case reached the upstream; the marker is none of them.
    pub fn is_forwarded(&self) -> bool {
        let broken = self.record.ambiguous.len() + self.record.malformed.len();
        broken > 0 || self.own().next().is_some()
    }

    /// What is against the grammar in a request that reached the upstream, while its end is certain.
    pub fn malformed(&self) -> Option<&str> {
        self.record.malformed.first().map(String::as_str)
    }

    /// How the proxy and the upstream disagree about what the client sent, if they do: the upstream saw other requests than
    /// those whose replies the client got, or one whose end is uncertain, or one that it could take for the guarded path, of
    /// a client without the key, or the next client's request went astray.
    pub fn disagreement(&self) -> Option<String> {
        if let Some((seen, how)) = self.guard_is_passed() {
            let request = format!("{} {}", seen.method, seen.target);
            return Some(format!("no key, and the upstream got {request}, which is {} {how}", guard::PATH));
        }
        if let Some(what) = self.record.ambiguous.first() {
            return Some(format!("the upstream got {what}"));
        }
        match self.after.as_deref() {
            Some("GET /after") => {}
            Some(other) => return Some(format!("the next client got the reply to {other}")),
            None => return Some("the next client got no reply".into()),
        }
        let relayed = self.heard.replies.iter().filter_map(|reply| reply.saw.as_ref()).map(|(number, _)| *number);
        let relayed: Vec<u64> = relayed.chain(self.heard.marker).collect();
        let seen = self.record.seen.iter().filter(|seen| seen.is_answered());
        let seen: Vec<u64> = seen.map(|seen| seen.number).collect();
        // Who goes away hears nothing; and a request that is no good gets no reply.
        if self.heard.end == End::Left || !self.record.malformed.is_empty() || relayed == seen {
            return None;
        }
        let requests: Vec<String> =
            self.record.seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        Some(format!("the upstream saw {requests:?}, and {} of its replies reached the client", relayed.len()))
    }

    /// The request that an upstream could take for the guarded path, if no request of the case has the key for it, and how.
    pub fn guard_is_passed(&self) -> Option<(&Seen, &'static str)> {
        let has_key = self.case.bytes.windows(guard::KEY.len()).any(|bytes| bytes == guard::KEY.as_bytes());
        self.own().filter(|_| !has_key).find_map(|seen| Some((seen, guard::reading(&seen.target)?)))
    }

    /// In what the outcome differs from what the case expects of this gateway; nothing if it does not.
    pub fn surprises(&self) -> String {
        let mut surprises = String::new();
        let statuses: Vec<u16> = self.heard.replies.iter().map(|reply| reply.status).collect();
        let ended = match self.heard.end {
            End::Open => self.case.expect.open,
            End::Closed | End::Left => !self.case.expect.open,
            End::Silent => false,
        };
        if statuses != self.case.expect.statuses || !ended {
            let _ = write!(surprises, "\n  heard {statuses:?} {:?}, not {:?}", self.heard.end, self.case.expect);
        }
        if let Some(what) = self.malformed() {
            let _ = write!(surprises, "\n  malformed at the upstream: {what}");
        }
        let found: Vec<(&str, &str, &[u8])> =
            self.own().map(|seen| (seen.method.as_str(), seen.target.as_str(), &seen.body[..])).collect();
        let wanted: Vec<(&str, &str, &[u8])> = self
            .case
            .upstream
            .iter()
            .map(|wanted| (wanted.method.as_str(), wanted.target.as_str(), &wanted.body[..]))
            .collect();
        if found != wanted {
            let _ = write!(surprises, "\n  upstream {found:?}, not {wanted:?}");
        }
        let headers = self.own().last().map_or(&[][..], |seen| &seen.headers);
        let of = |wanted: &str| -> Vec<&str> {
            headers.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
        };
        for (name, value) in &self.case.sees {
            if of(name) != [value] {
                let _ = write!(surprises, "\n  {name} is {:?}, not {value:?}", of(name));
            }
        }
        for name in self.case.hides.iter().filter(|name| !of(name).is_empty()) {
            let _ = write!(surprises, "\n  {name} is {:?}, and should not be there", of(name));
        }
        surprises
    }

    /// The case's own requests at the upstream.
    fn own(&self) -> impl Iterator<Item = &Seen> {
        self.record.seen.iter().filter(|seen| Some(seen.number) != self.heard.marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Reply;

    fn seen(number: u64, target: &str) -> Seen {
        Seen { number, method: "GET".into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    fn outcome(seen: Vec<Seen>, replies: &[(u16, Option<u64>)], marker: Option<u64>) -> Outcome {
        let reply = |(status, number): &(u16, Option<u64>)| Reply {
            status: *status,
            saw: number.map(|number| (number, String::new())),
        };
        let end = if marker.is_some() { End::Open } else { End::Closed };
        Outcome {
            case: Case::default(),
            heard: Heard { replies: replies.iter().map(reply).collect(), marker, end },
            record: Record { seen, ..Record::default() },
            after: Some("GET /after".into()),
        }
    }

    #[test]
    fn each_request_at_the_upstream_has_its_reply_at_the_client() {
        let both = || vec![seen(1, "/a"), seen(2, "/marker")];
        assert_eq!(outcome(both(), &[(200, Some(1))], Some(2)).disagreement(), None);
        assert_eq!(outcome(vec![], &[(400, None)], None).disagreement(), None);
        let smuggled = vec![seen(1, "/a"), seen(2, "/smuggled")];
        assert!(outcome(smuggled, &[(200, Some(1))], None).disagreement().unwrap().contains("/smuggled"));
        assert!(outcome(both(), &[(200, Some(2))], None).disagreement().is_some(), "the reply to another request");
        let mut astray = outcome(both(), &[(200, Some(1))], Some(2));
        astray.after = Some("GET /smuggled".into());
        assert!(astray.disagreement().is_some());
        let mut malformed = outcome(both(), &[(200, Some(1))], Some(2));
        malformed.record.malformed.push("a control character".into());
        assert_eq!((malformed.disagreement(), malformed.malformed().is_some()), (None, true));
        malformed.record.ambiguous.push("both lengths".into());
        assert!(malformed.disagreement().is_some() && malformed.is_forwarded());
    }

    #[test]
    fn the_guarded_path_at_the_upstream_is_a_disagreement_unless_the_client_has_the_key() {
        let mut passed = outcome(vec![seen(1, "/%6Frders")], &[(200, Some(1))], None);
        let disagreement = passed.disagreement().unwrap();
        assert_eq!(disagreement, "no key, and the upstream got GET /%6Frders, which is /orders decoded");
        passed.case.bytes = format!("GET /%6Frders HTTP/1.1\r\nx-api-key: {}\r\n\r\n", guard::KEY).into();
        assert_eq!(passed.disagreement(), None);
    }

    #[test]
    fn surprises_name_what_differs() {
        let mut outcome = outcome(vec![seen(1, "/a"), seen(2, "/marker")], &[(200, Some(1))], Some(2));
        let surprises = outcome.surprises();
        assert!(surprises.contains("heard [200] Open") && surprises.contains("/a"), "{surprises}");
        let parsed = crate::corpus::parse("f", "case a\nrfc 1\n> x\nexpect 200 open\nupstream GET /a\nsees x: y\n");
        outcome.case = parsed.unwrap().remove(0);
        assert_eq!(outcome.surprises(), "\n  x is [], not \"y\"");
    }
}
