//! Numbers with units, within bounds.

use std::time::Duration;

use crate::plan::{mix::WHOLE, schedule::Rate};

/// Requests a second that this client keeps up with on one core.
pub(super) const MAX_RATE: f64 = 20_000.0;
/// The least that is told apart from no load.
pub(super) const MIN_RATE: f64 = 0.01;

/// `1.5s`, `250ms`, `2m`, `1h`; seconds without a unit.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let refuse = || {
        Err(format!("accepted is a time from {} to {}, such as 500ms, 10s, 2m or 1h", written(least), written(most)))
    };
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, unit) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds))).unwrap_or((text, 1.0));
    let Some(number) = decimal(number) else {
        return refuse();
    };
    match Duration::try_from_secs_f64(number * unit) {
        Ok(duration) if (least..=most).contains(&duration) => Ok(duration),
        _ => refuse(),
    }
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match decimal(number) {
        Some(rate) if (MIN_RATE..=MAX_RATE).contains(&rate) => Ok(Rate::per_second(rate)),
        _ => Err(format!("accepted is a number of requests a second from {MIN_RATE} to {MAX_RATE}")),
    }
}

/// A whole number from 1 to `most`.
pub(super) fn count(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        _ => Err(format!("accepted is a whole number from 1 to {most}")),
    }
}

/// `0.01` or `1%`, as a weight out of [`WHOLE`].
pub(super) fn share(text: &str) -> Result<u64, String> {
    let (number, of) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let weight = decimal(number).map(|number| number / of * WHOLE as f64);
    match weight {
        #[expect(clippy::cast_sign_loss, reason = "within 1 and WHOLE")]
        Some(weight) if (1.0..WHOLE as f64).contains(&weight) => Ok(weight.round() as u64),
        _ => Err("accepted is a share above 0 and below 1, such as 0.2 or 20%".into()),
    }
}

/// Digits with at most one point: no sign, exponent, infinity or NaN, all of which `f64` would take.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain && text.len() <= 20 { text.parse().ok() } else { None }
}

pub(super) fn written(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_a_unit() {
        let of = |text| duration(text, Duration::ZERO, Duration::from_secs(3600));
        for (text, ms) in
            [("10s", 10_000), ("10", 10_000), ("0.5", 500), ("250ms", 250), ("1.5m", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!(of(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1e3s", "inf", "NaN", "1 s", "1d", "1h1m", "61m", "1..2"] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_bounds_are_named() {
        let error = duration("2h", Duration::from_millis(100), Duration::from_secs(3600));
        assert_eq!(error.unwrap_err(), "accepted is a time from 100ms to 1h, such as 500ms, 10s, 2m or 1h");
    }

    #[test]
    fn rates_are_bounded() {
        assert_eq!(rate("1000"), Ok(Rate::per_second(1000.0)));
        assert_eq!(rate("0.5/s"), Ok(Rate::per_second(0.5)));
        for text in ["0", "0.001", "20001", "-1", "fast", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_fractions_or_percents() {
        assert_eq!(share("1%"), Ok(10_000));
        assert_eq!(share("0.01"), Ok(10_000));
        for text in ["0", "0%", "1", "100%", "150%", "x", "%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(count("800", 10_000), Ok(800));
        for text in ["0", "10001", "1.5", "-3", "many"] {
            assert!(count(text, 10_000).is_err(), "{text}");
        }
    }
}
