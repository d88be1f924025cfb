//! What a pod says of itself at `/metrics`: requests in flight, CPU time, how often its limit stopped it, memory.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// What one look at a pod found: figures of this project's programs, which others may lack.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// When, from any moment that is the same for all.
    at: Duration,
    in_flight: Option<f64>,
    cpu_seconds: Option<f64>,
    periods: Option<f64>,
    throttled_periods: Option<f64>,
    memory: Option<f64>,
    memory_limit: Option<f64>,
}

impl Sample {
    /// Reads what `/metrics` said `at` that time, in the Prometheus text format: a figure without labels is a line.
    pub fn read(text: &str, at: Duration) -> Self {
        let figure = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
            value.filter(|value: &f64| value.is_finite() && *value >= 0.0)
        };
        Self {
            at,
            in_flight: figure("http_requests_in_flight"),
            cpu_seconds: figure("process_cpu_seconds_total"),
            periods: figure("container_cpu_periods_total"),
            throttled_periods: figure("container_cpu_throttled_periods_total"),
            memory: figure("container_memory_usage_bytes"),
            memory_limit: figure("container_memory_limit_bytes"),
        }
    }
}

/// The figures of a pod, as they are shown: now, or between the last two looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    in_flight: Option<u64>,
    /// Thousandths of a core.
    cpu_millis: Option<u64>,
    /// Of the periods of its CPU limit, those in which it was stopped.
    throttled_percent: Option<u64>,
    memory_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
}

impl Figures {
    fn between(before: Option<&Sample>, now: &Sample) -> Self {
        // A container that was started again counts from 0.
        let grew = |of: fn(&Sample) -> Option<f64>| Some(of(now)? - of(before?)?).filter(|growth| *growth >= 0.0);
        let share = |part: Option<f64>, whole: Option<f64>, parts: f64| {
            Some(parts * part? / whole.filter(|whole| *whole > 0.0)?)
        };
        let seconds = before.map(|before| now.at.saturating_sub(before.at).as_secs_f64());
        #[expect(clippy::cast_sign_loss, reason = "what is below 0 is no figure")]
        let whole = |figure: Option<f64>| figure.map(|figure| figure.round() as u64);
        Self {
            in_flight: whole(now.in_flight),
            cpu_millis: whole(share(grew(|sample| sample.cpu_seconds), seconds, 1000.0)),
            throttled_percent: whole(share(
                grew(|sample| sample.throttled_periods),
                grew(|sample| sample.periods),
                100.0,
            )),
            memory_bytes: whole(now.memory),
            memory_limit_bytes: whole(now.memory_limit),
        }
    }
}

/// The last look at each pod that could be looked at, by its name.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<String, (Sample, Figures)>);

impl Looks {
    /// Another look, at these pods. Says whether one had been seen before, or is now.
    pub(super) fn learn(&mut self, found: Vec<(String, Sample)>) -> bool {
        let before = std::mem::take(&mut self.0);
        let looks = found.into_iter().map(|(name, sample)| {
            let figures = Figures::between(before.get(&name).map(|(sample, _)| sample), &sample);
            (name, (sample, figures))
        });
        self.0 = looks.collect();
        !(before.is_empty() && self.0.is_empty())
    }

    /// The figures of the pod called `name`.
    pub(super) fn of(&self, name: &str) -> Option<Figures> {
        self.0.get(name).map(|(_, figures)| *figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: u64, cpu: &str, periods: u64, throttled: u64) -> Sample {
        let text = format!(
            "# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight 3\nprocess_cpu_seconds_total {cpu}\n\
             container_cpu_periods_total {periods}.0\ncontainer_cpu_throttled_periods_total {throttled}.0\n\
             container_memory_usage_bytes 7036928\ncontainer_memory_limit_bytes 67108864\nother{{a=\"b\"}} 1\n# EOF\n"
        );
        Sample::read(&text, Duration::from_secs(seconds))
    }

    #[test]
    fn figures_are_of_now_or_between_two_looks() {
        let first = sample(10, "1.5", 100, 10);
        // Before and now, then CPU in thousandths of a core and the share of periods in which it was stopped.
        let table = [
            (None, first, None, None),
            (Some(first), sample(14, "2.5", 140, 20), Some(250), Some(25)),
            (Some(first), sample(14, "1.5", 100, 10), Some(0), None),
            // The container was started again.
            (Some(first), sample(14, "0.1", 2, 0), None, None),
            // A clock that stands still.
            (Some(first), sample(10, "2.5", 140, 20), None, Some(25)),
        ];
        for (before, now, cpu, throttled) in table {
            let figures = Figures::between(before.as_ref(), &now);
            assert_eq!((figures.cpu_millis, figures.throttled_percent), (cpu, throttled), "{before:?} {now:?}");
            assert_eq!((figures.in_flight, figures.memory_bytes), (Some(3), Some(7_036_928)));
            assert_eq!(figures.memory_limit_bytes, Some(67_108_864));
        }
    }

    #[test]
    fn what_is_no_figure_is_none() {
        for text in [
            "",
            "http_requests_in_flight",
            "http_requests_in_flight x",
            "http_requests_in_flight_of 3",
            "http_requests_in_flight -1",
            "http_requests_in_flight NaN",
        ] {
            assert_eq!(Sample::read(text, Duration::ZERO), Sample::default(), "{text}");
        }
    }

    #[test]
    fn a_pod_that_is_not_found_again_is_forgotten() {
        let mut looks = Looks::default();
        assert!(!looks.learn(Vec::new()));
        assert!(looks.learn(vec![("a".to_owned(), sample(1, "1", 1, 0))]));
        assert!(looks.of("a").is_some() && looks.of("b").is_none());
        assert!(looks.learn(Vec::new()));
        assert!(looks.of("a").is_none());
    }
}
