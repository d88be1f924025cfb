//! How long this process was away: stopped, or starved, and so not there to take a reply and send what waits for its connection.

use std::time::Duration;

/// From one sign of life to the next.
pub(super) const BEAT: Duration = Duration::from_millis(50);

/// What is known from signs of life, which come every [`BEAT`] while the process runs. Times are from the start of the load.
#[derive(Clone, Copy, Default)]
pub(super) struct Absence {
    before: Duration,
    last_beat: Duration,
}

impl Absence {
    pub(super) fn beat(&mut self, now: Duration) {
        *self = Self { before: self.until(now), last_beat: now };
    }

    /// How long the process was away until `now`, all times together. A timer is a little late without that: silence of up to two
    /// beats is none.
    pub(super) fn until(&self, now: Duration) -> Duration {
        let silent = now.saturating_sub(self.last_beat);
        self.before + if silent > 2 * BEAT { silent.saturating_sub(BEAT) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_absence_whether_or_not_it_has_ended() {
        let mut absence = Absence::default();
        for beat in 1..=10 {
            absence.beat(beat * (BEAT + Duration::from_millis(1)));
        }
        let last = 10 * (BEAT + Duration::from_millis(1));
        assert_eq!(absence.until(last + 2 * BEAT), Duration::ZERO);
        assert_eq!(absence.until(last + 30 * BEAT), 29 * BEAT);
        absence.beat(last + 30 * BEAT);
        assert_eq!(absence.until(last + 31 * BEAT), 29 * BEAT);
        absence.beat(last + 40 * BEAT);
        assert_eq!(absence.until(last + 40 * BEAT), (29 + 9) * BEAT);
    }
}
