//! What became of every request of a load. Pure: it is told when things happened and never reads a clock.
//!
//! The account balances at all times: due = answered + lost + still open, and each lost request has exactly one kind.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use contract::ledger::{Connections, Requests};
use contract::served_by::Hop;
use http::{HeaderMap, StatusCode};

use super::{histogram::Histogram, served, timeline::Series};
use crate::request::cause::{Cause, Kind};

/// Losses that are listed one by one; all are counted.
const MAX_LISTED: usize = 10_000;
/// Different services, versions and pods that are told apart. A cluster of this practice has tens.
const MAX_SERVERS: usize = 1000;

#[derive(Default)]
pub(crate) struct Account {
    /// Width of the timeline's bins.
    pub(crate) bin: Duration,
    /// All requests, by what became of them so far.
    pub(crate) requests: Requests,
    /// Complete replies, right or wrong, by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) losses: BTreeMap<Kind, Tally>,
    pub(crate) listed: Vec<Loss>,
    /// Who answered, by their entry in `x-served-by`.
    servers: HashMap<String, Server>,
    /// From the intended start of a request to the end of its answer.
    pub(crate) latency: Histogram,
    /// This client's own lateness: from when a request was due to when it was given to an idle connection or put into the
    /// queue, while it was there and this client was away, and from when its time was over to when this client looked.
    pub(crate) lag: Histogram,
    /// From when a request was put into the queue to when a connection became idle, for those that had to wait, less the time in
    /// which this client was away.
    pub(crate) queue_wait: Histogram,
    /// Requests that found no idle connection.
    pub(crate) queued: u64,
    pub(crate) connections: Connections,
    /// The longest time without an answer, and when it began.
    pub(crate) longest_gap: (Duration, Duration),
    last_answer: Duration,
}

/// How often something happened, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    pub(crate) timeline: Series,
}

impl Tally {
    fn add(&mut self, count: u64, now: Duration) {
        if self.count == 0 {
            self.first = now;
        }
        self.count += count;
        self.last = now;
    }

    fn record(&mut self, now: Duration, bin: Duration) {
        self.add(1, now);
        self.timeline.record(now, bin);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Loss {
    /// Its number in the schedule, from 0.
    pub(crate) sequence: u64,
    pub(crate) due: Duration,
    /// When its loss was noticed.
    pub(crate) ended: Duration,
    pub(crate) cause: Cause,
    /// The far end of its connection, where it had one.
    pub(crate) peer: Option<SocketAddr>,
    /// The status of the reply, where a head arrived.
    pub(crate) status: Option<StatusCode>,
    /// Who sent that head, as in `x-served-by`.
    pub(crate) served_by: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) pod: String,
    /// Answers that it had a hand in, when they were complete.
    pub(crate) answers: Tally,
}

impl Server {
    pub(crate) fn by_name(&self, other: &Self) -> Ordering {
        (&self.service, &self.version, &self.pod).cmp(&(&other.service, &other.version, &other.pod))
    }

    /// As by name, but for the pods of a version, which come in the order in which they answered first.
    pub(crate) fn by_first_answer(&self, other: &Self) -> Ordering {
        fn order(of: &Server) -> impl Ord + '_ {
            (&of.service, &of.version, of.answers.first, &of.pod)
        }
        order(self).cmp(&order(other))
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.service, &self.version) == (&other.service, &other.version)
    }

    /// How many answers there are of all `servers`, and when the first and the last was complete.
    pub(crate) fn together(servers: &[&Self]) -> (u64, Duration, Duration) {
        let answers = || servers.iter().map(|server| &server.answers);
        let first = answers().map(|answers| answers.first).min().unwrap_or_default();
        let last = answers().map(|answers| answers.last).max().unwrap_or_default();
        (answers().map(|answers| answers.count).sum(), first, last)
    }
}

impl Account {
    pub(crate) fn new(bin: Duration) -> Self {
        Self { bin, ..Self::default() }
    }

    /// Counts a complete, right reply to the request that was due at `due`, complete at `now`.
    pub(crate) fn answer(&mut self, due: Duration, now: Duration, headers: &HeaderMap) {
        self.requests.answered += 1;
        self.latency.record(now.saturating_sub(due));
        self.end_gap(now);
        let hops = served::hops(headers);
        if hops.is_empty() {
            self.requests.unattributed += 1;
        }
        for hop in hops {
            self.answer_of(hop, now);
        }
    }

    fn answer_of(&mut self, hop: Hop<'_>, now: Duration) {
        if !self.servers.contains_key(hop.text) {
            if self.servers.len() >= MAX_SERVERS {
                self.requests.unattributed += 1;
                return;
            }
            let server = Server {
                service: hop.service.to_owned(),
                version: hop.version.to_owned(),
                pod: hop.pod.to_owned(),
                answers: Tally::default(),
            };
            self.servers.insert(hop.text.to_owned(), server);
        }
        if let Some(server) = self.servers.get_mut(hop.text) {
            server.answers.record(now, self.bin);
        }
    }

    pub(crate) fn lose(&mut self, loss: Loss) {
        self.requests.lost += 1;
        self.losses.entry(loss.cause.kind).or_default().record(loss.ended, self.bin);
        if self.listed.len() < MAX_LISTED {
            self.listed.push(loss);
        }
    }

    pub(crate) fn servers(&self, compare: fn(&Server, &Server) -> Ordering) -> Vec<&Server> {
        let mut servers: Vec<_> = self.servers.values().collect();
        servers.sort_unstable_by(|a, b| compare(a, b));
        servers
    }

    /// Requests that came due and have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.requests.due - self.requests.answered - self.requests.lost
    }

    /// Counts what is still open as lost: the load ends here.
    pub(crate) fn abandon_open(&mut self, now: Duration) {
        let open = self.open();
        if open > 0 {
            self.requests.lost += open;
            self.losses.entry(Kind::Abandoned).or_default().add(open, now);
        }
    }

    /// Ends the account: the time since the last answer counts as a gap as well.
    pub(crate) fn close(&mut self, now: Duration) {
        if self.requests.due > 0 {
            self.end_gap(now);
        }
    }

    fn end_gap(&mut self, now: Duration) {
        let gap = now.saturating_sub(self.last_answer);
        if gap > self.longest_gap.0 {
            self.longest_gap = (gap, self.last_answer);
        }
        self.last_answer = now;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const BIN: Duration = Duration::from_millis(100);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn served(by: &str) -> HeaderMap {
        HeaderMap::from_iter([(contract::served_by::NAME.try_into().unwrap(), HeaderValue::from_str(by).unwrap())])
    }

    fn loss(kind: Kind, ended: Duration) -> Loss {
        Loss { sequence: 0, due: ended, ended, cause: Cause::new(kind, ""), peer: None, status: None, served_by: None }
    }

    #[test]
    fn answers_are_counted_for_every_hop() {
        let mut account = Account::new(BIN);
        account.answer(ms(0), ms(5), &served("backend/v1/b1, frontend/v1/f1"));
        account.answer(ms(10), ms(250), &served("backend/v2/b2, frontend/v1/f1"));
        account.answer(ms(20), ms(260), &HeaderMap::new());
        assert_eq!(account.requests.answered, 3);
        assert_eq!(account.requests.unattributed, 1);
        let frontend = &account.servers["frontend/v1/f1"];
        assert_eq!((frontend.answers.count, frontend.answers.first, frontend.answers.last), (2, ms(5), ms(250)));
        assert_eq!(frontend.answers.timeline.trimmed().1, [1, 0, 1]);
        assert_eq!(account.servers["backend/v2/b2"].answers.first, ms(250));
        assert_eq!(account.latency.max(), ms(240));
    }

    #[test]
    fn the_longest_gap_may_be_at_either_end() {
        let mut account = Account::new(BIN);
        account.requests.due = 2;
        account.answer(ms(0), ms(300), &HeaderMap::new());
        assert_eq!(account.longest_gap, (ms(300), ms(0)));
        account.answer(ms(0), ms(400), &HeaderMap::new());
        assert_eq!(account.longest_gap, (ms(300), ms(0)));
        account.close(ms(900));
        assert_eq!(account.longest_gap, (ms(500), ms(400)));
    }

    #[test]
    fn losses_have_a_kind_a_first_and_a_last() {
        let mut account = Account::new(BIN);
        account.lose(loss(Kind::Reset, ms(100)));
        account.lose(loss(Kind::Reset, ms(450)));
        account.lose(loss(Kind::Timeout, ms(900)));
        let reset = &account.losses[&Kind::Reset];
        assert_eq!((reset.count, reset.first, reset.last), (2, ms(100), ms(450)));
        assert_eq!(reset.timeline.trimmed().1, [1, 0, 0, 1]);
        assert_eq!(account.requests.lost, 3);
        assert_eq!(account.listed.len(), 3);
    }

    #[test]
    fn what_is_open_at_the_end_is_lost() {
        let mut account = Account::new(BIN);
        account.requests.due = 5;
        account.answer(ms(0), ms(1), &HeaderMap::new());
        account.lose(loss(Kind::Reset, ms(2)));
        account.abandon_open(ms(10));
        assert_eq!(account.losses[&Kind::Abandoned].count, 3);
        assert_eq!(account.requests.due, account.requests.answered + account.requests.lost);
    }

    #[test]
    fn a_server_that_invents_pods_does_not_grow_the_ledger() {
        let mut account = Account::new(BIN);
        for pod in 0..MAX_SERVERS + 7 {
            account.answer(ms(0), ms(1), &served(&format!("a/v1/{pod}")));
            account.lose(loss(Kind::Reset, ms(1)));
        }
        assert_eq!(account.servers.len(), MAX_SERVERS);
        assert_eq!(account.requests.unattributed, 7);
        for _ in 0..MAX_LISTED {
            account.lose(loss(Kind::Reset, ms(1)));
        }
        assert_eq!(account.listed.len(), MAX_LISTED);
        assert_eq!(account.requests.lost as usize, MAX_LISTED + MAX_SERVERS + 7);
    }
}
