//! What can be set of an upstream: by the environment for all of them, by a table for each. Both are read here, within the same
//! bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use service::calls::backoff::MOST_RETRIES;
use service::calls::breaker::{MOST_FAILURES, Threshold};
use service::calls::origin::Origin;
use service::settings::environment::{self, Environment, Variable};

use crate::mistakes::Section;
use crate::upstream::budget::{Allowance, MOST_PERCENT};
use crate::upstream::bulkhead::MOST_IN_FLIGHT;

/// The shortest time that an upstream can be given: less would fail what is merely far away.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest, in seconds.
const LONGEST: f64 = environment::LONGEST.as_secs_f64();
/// The times that an upstream can be given, in seconds.
const SECONDS: RangeInclusive<f64> = SHORTEST.as_secs_f64()..=LONGEST;

/// An upstream as a table describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where it is.
    pub origin: Origin,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// What is done about its failures.
    pub resilience: Resilience,
}

service::settings! {
    /// What an upstream has where the table says nothing.
    #[derive(Debug, Clone, Copy)]
    pub struct Defaults {
        /// How long to wait.
        timeouts: Timeouts = part(Timeouts::checked);
        /// What is done about failures.
        resilience: Resilience = part(Resilience::read);
    }
}

service::settings! {
    /// How long to wait for an upstream.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Timeouts {
        /// age at which a connection is not used again, so that new pods get their share; 0 is never
        max_age: Option<Duration> = seconds_or_never("UPSTREAM_MAX_AGE_SECONDS", "30");
        /// to resolve the name and connect
        connect: Duration = seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "1", SHORTEST);
        /// silence of the upstream: before its reply's head, and between parts of the body
        attempt: Duration = seconds("UPSTREAM_TRY_TIMEOUT_SECONDS", "4", SHORTEST);
        /// until the reply's head, over all tries; time spent waiting for the client's body does not count
        overall: Duration = seconds("UPSTREAM_TIMEOUT_SECONDS", "5", SHORTEST);
        /// how long an unused connection is kept; must be below the upstream's IDLE_TIMEOUT_SECONDS
        idle: Duration = seconds("UPSTREAM_IDLE_SECONDS", "30", SHORTEST);
    }
}

service::settings! {
    /// What is done about failures of an upstream, and about its slowness.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Resilience {
        /// requests that it may have at once, so that one that is slow does not take all of MAX_IN_FLIGHT; 0 is any number
        in_flight: u32 = number("UPSTREAM_MAX_IN_FLIGHT", "0", 0, u64::from(MOST_IN_FLIGHT));
        /// tries after the first, where they are safe: nothing was sent, or the method is idempotent and the body was kept
        retries: u32 = number("UPSTREAM_RETRIES", "3", 0, u64::from(MOST_RETRIES));
        /// Retries of all requests together.
        budget: Allowance = part(Allowance::read);
        /// When it is no longer asked; without terms it always is.
        breaker: Option<Threshold> = part(threshold);
    }
}

impl Timeouts {
    /// Reads them; one try has to fit into all of them.
    fn checked(environment: &mut Environment) -> Self {
        let timeouts = Self::read(environment);
        let [attempt, overall] = [timeouts.attempt, timeouts.overall].map(|time| time.as_secs_f64());
        if attempt > overall {
            let accepted = format!("at most UPSTREAM_TIMEOUT_SECONDS, which is {overall}");
            environment.refuse("UPSTREAM_TRY_TIMEOUT_SECONDS", &attempt.to_string(), &accepted);
        }
        timeouts
    }
}

impl Allowance {
    fn read(environment: &mut Environment) -> Self {
        let about = "retries of all requests together, in percent of those of the last 10 s; 10 a second besides are always free";
        let percent = Variable::new("UPSTREAM_RETRY_BUDGET_PERCENT", "20", about);
        Self { percent: environment.number(percent, 0, u64::from(MOST_PERCENT)) as u32, ..Self::default() }
    }
}

fn threshold(environment: &mut Environment) -> Option<Threshold> {
    let about = "requests in a row without a reply, retries included, after which the upstream is not asked for a while; 0 is never";
    let failures = Variable::new("UPSTREAM_BREAKER_FAILURES", "5", about);
    let failures = environment.number(failures, 0, u64::from(MOST_FAILURES)) as u32;
    let about = "how long it is not asked, until one request finds out whether it is back";
    let open = Variable::new("UPSTREAM_BREAKER_OPEN_SECONDS", "30", about);
    let open = environment.seconds(open, SHORTEST);
    (failures > 0).then_some(Threshold { failures, open })
}

/// How long and how often one request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    /// For one try, until the reply's head; also between parts of its body.
    pub attempt: Duration,
    /// For all tries.
    pub overall: Duration,
    /// Tries after the first, at most [`MOST_RETRIES`].
    pub retries: u32,
}

impl Persistence {
    /// One try has to fit into all of them.
    pub(crate) fn check(self, section: &mut Section) {
        let (attempt, overall) = (self.attempt.as_secs_f64(), self.overall.as_secs_f64());
        if attempt > overall {
            let text = format!("tryTimeoutSeconds {attempt} is above timeoutSeconds {overall}");
            section.mistake(format!("{text}: lower the one or raise the other"));
        }
    }
}

/// What of an upstream's [`Persistence`] is different for the requests of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) attempt: Option<Duration>,
    pub(crate) overall: Option<Duration>,
    pub(crate) retries: Option<u32>,
}

impl Overrides {
    /// Those of a table.
    pub(crate) fn read(
        section: &mut Section,
        attempt: Option<f64>,
        overall: Option<f64>,
        retries: Option<u32>,
    ) -> Self {
        Self {
            attempt: section.seconds("tryTimeoutSeconds", attempt, SECONDS),
            overall: section.seconds("timeoutSeconds", overall, SECONDS),
            retries: section.within("retries", retries, 0..=MOST_RETRIES),
        }
    }

    /// These over the `usual` ones.
    pub(crate) fn over(self, usual: Persistence) -> Persistence {
        Persistence {
            attempt: self.attempt.unwrap_or(usual.attempt),
            overall: self.overall.unwrap_or(usual.overall),
            retries: self.retries.unwrap_or(usual.retries),
        }
    }
}

/// An upstream as a table has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Entry {
    url: String,
    connect_timeout_seconds: Option<f64>,
    try_timeout_seconds: Option<f64>,
    timeout_seconds: Option<f64>,
    idle_seconds: Option<f64>,
    max_age_seconds: Option<f64>,
    retries: Option<u32>,
    retry_budget_percent: Option<u32>,
    breaker_failures: Option<u32>,
    breaker_open_seconds: Option<f64>,
    max_in_flight: Option<u32>,
}

impl Entry {
    /// Checks it; what it does not say is as the `defaults` have it.
    pub(crate) fn check(self, section: &mut Section, defaults: Defaults) -> Option<Settings> {
        let Defaults { timeouts, resilience } = defaults;
        let Overrides { attempt, overall, retries } =
            Overrides::read(section, self.try_timeout_seconds, self.timeout_seconds, self.retries);
        let mut seconds = |key, given| section.seconds(key, given, SECONDS);
        let connect = seconds("connectTimeoutSeconds", self.connect_timeout_seconds);
        let idle = seconds("idleSeconds", self.idle_seconds);
        let open = seconds("breakerOpenSeconds", self.breaker_open_seconds);
        let max_age = section.seconds("maxAgeSeconds", self.max_age_seconds, 0.0..=LONGEST);
        let percent = section.within("retryBudgetPercent", self.retry_budget_percent, 0..=MOST_PERCENT);
        let in_flight = section.within("maxInFlight", self.max_in_flight, 0..=MOST_IN_FLIGHT);
        let failures = section.within("breakerFailures", self.breaker_failures, 0..=MOST_FAILURES);
        let failures = failures.unwrap_or(resilience.breaker.map_or(0, |threshold| threshold.failures));
        let open = open.unwrap_or(resilience.breaker.unwrap_or_default().open);
        let accepted = "accepted is http://HOST or http://HOST:PORT without a path";
        let origin = section.need(Origin::parse(&self.url), || format!("url {:?}: {accepted}", self.url));
        let settings = Settings {
            origin: origin?,
            timeouts: Timeouts {
                connect: connect.unwrap_or(timeouts.connect),
                attempt: attempt.unwrap_or(timeouts.attempt),
                overall: overall.unwrap_or(timeouts.overall),
                idle: idle.unwrap_or(timeouts.idle),
                max_age: max_age.or(timeouts.max_age).filter(|age| !age.is_zero()),
            },
            resilience: Resilience {
                in_flight: in_flight.unwrap_or(resilience.in_flight),
                retries: retries.unwrap_or(resilience.retries),
                budget: Allowance { percent: percent.unwrap_or(resilience.budget.percent), ..resilience.budget },
                breaker: (failures > 0).then_some(Threshold { failures, open }),
            },
        };
        settings.persistence().check(section);
        Some(settings)
    }
}

impl Settings {
    /// How long and how often a request is tried where its route says nothing else.
    pub(crate) fn persistence(&self) -> Persistence {
        let Timeouts { attempt, overall, .. } = self.timeouts;
        Persistence { attempt, overall, retries: self.resilience.retries }
    }

    /// As a table has it, with nothing left to defaults.
    pub(crate) fn document(&self) -> Value {
        let Timeouts { connect, attempt, overall, idle, max_age } = self.timeouts;
        let Resilience { in_flight, retries, budget, breaker } = self.resilience;
        json!({
            "url": format!("http://{}", self.origin.authority),
            "connectTimeoutSeconds": connect.as_secs_f64(),
            "tryTimeoutSeconds": attempt.as_secs_f64(),
            "timeoutSeconds": overall.as_secs_f64(),
            "idleSeconds": idle.as_secs_f64(),
            "maxAgeSeconds": max_age.unwrap_or_default().as_secs_f64(),
            "retries": retries,
            "retryBudgetPercent": budget.percent,
            "breakerFailures": breaker.map_or(0, |threshold| threshold.failures),
            "breakerOpenSeconds": breaker.unwrap_or_default().open.as_secs_f64(),
            "maxInFlight": in_flight,
        })
    }
}
