//! `client hpa`: what a `HorizontalPodAutoscaler` computes, with the numbers of the moment.
//!
//! It reads what kubectl watches, so it needs no access of its own:
//! `kubectl get hpa NAME -o json --watch | client hpa`. The formula and its tolerance:
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Deserializer, Value};

use crate::exit;

/// An object is at most 1.5 MiB in etcd; kubectl indents it.
const MAX_OBJECT: usize = 8 << 20;
/// A ratio this near to 1 changes nothing: the controller's `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;
const HEADING: &str = "   TIME  REPLICAS        CPU  TARGET  FORMULA                              WANTED  REASON";

/// Prints a line for each change of the autoscaler, until standard input ends.
pub(crate) fn run() -> ExitCode {
    let start = Instant::now();
    match follow(io::stdin().lock(), &mut io::stdout().lock(), || start.elapsed()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the table has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => exit::with(exit::NOTHING, error),
    }
}

fn follow(input: impl Read, output: &mut impl Write, clock: impl Fn() -> Duration) -> io::Result<()> {
    let left = Rc::new(Cell::new(MAX_OBJECT));
    let input = BufReader::new(Bounded { input, left: Rc::clone(&left) });
    let mut last = String::new();
    for object in Deserializer::from_reader(input).into_iter::<Value>() {
        left.set(MAX_OBJECT);
        let line = line(&object?).map_err(io::Error::other)?;
        if last.is_empty() {
            writeln!(output, "{HEADING}")?;
        }
        if line != last {
            writeln!(output, "{:>5} s  {line}", clock().as_secs())?;
            output.flush()?;
            last = line;
        }
    }
    if last.is_empty() {
        return Err(io::Error::other("standard input has no autoscaler: kubectl get hpa NAME -o json --watch"));
    }
    Ok(())
}

/// Ends with an error when `left` bytes have been read without an object coming to its end.
struct Bounded<R> {
    input: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("an object of standard input has more than 8 MiB"));
        }
        let most = buffer.len().min(self.left.get());
        let read = self.input.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

/// What an autoscaler says of itself, without the time.
fn line(hpa: &Value) -> Result<String, String> {
    if hpa["kind"] != "HorizontalPodAutoscaler" {
        return Err(format!("{} is no HorizontalPodAutoscaler: name one, kubectl get hpa NAME -o json", hpa["kind"]));
    }
    let number = |pointer: &str| hpa.pointer(pointer).and_then(Value::as_u64);
    let replicas = number("/status/currentReplicas").unwrap_or(0);
    let wanted = number("/status/desiredReplicas").unwrap_or(0);
    let target = utilization(&hpa["spec"]["metrics"], "target");
    let current = utilization(&hpa["status"]["currentMetrics"], "current");
    let least = number("/spec/minReplicas").unwrap_or(1);
    let most = number("/spec/maxReplicas").unwrap_or(least);
    let formula = match (current, target) {
        (Some(current), Some(target)) if target > 0 => formula(replicas, current, target, least, most),
        (None, Some(_)) => "no figures yet".to_owned(),
        _ => "no CPU utilization as its target".to_owned(),
    };
    let percent = |value: Option<u64>| value.map_or_else(|| "<unknown>".to_owned(), |value| format!("{value} %"));
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        line,
        "{replicas:>8}  {:>9}  {:>6}  {formula:<35}  {wanted:>6}  {}",
        percent(current),
        percent(target),
        reasons(hpa)
    );
    line.truncate(line.trim_end().len());
    Ok(line)
}

/// The average CPU utilization in a list of metrics, in per cent of the request.
fn utilization(metrics: &Value, part: &str) -> Option<u64> {
    let metrics = metrics.as_array()?;
    let cpu = metrics.iter().find(|metric| metric["resource"]["name"] == "cpu")?;
    cpu["resource"][part]["averageUtilization"].as_u64()
}

/// `ceil(2 x 90 / 50) = 4`, and what the bounds make of it.
fn formula(replicas: u64, current: u64, target: u64, least: u64, most: u64) -> String {
    let ratio = current as f64 / target as f64;
    if (ratio - 1.0).abs() <= TOLERANCE {
        return format!("{current} / {target} is within 10 % of 1: stay");
    }
    let asked = replicas.saturating_mul(current).div_ceil(target);
    let mut text = format!("ceil({replicas} x {current} / {target}) = {asked}");
    let _ = match asked {
        asked if asked > most => write!(text, ", at most {most}"),
        asked if asked < least => write!(text, ", at least {least}"),
        _ => Ok(()),
    };
    text
}

/// Why it wants what it wants, in the controller's own terms; nothing where nothing is special.
fn reasons(hpa: &Value) -> String {
    let conditions = hpa["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let telling = conditions.iter().filter(|condition| {
        let reason = condition["reason"].as_str().unwrap_or_default();
        match condition["type"].as_str() {
            Some("ScalingLimited") => condition["status"] == "True",
            Some("AbleToScale") => reason != "ReadyForNewScale",
            Some("ScalingActive") => condition["status"] == "False",
            _ => false,
        }
    });
    let names: Vec<_> = telling.filter_map(|condition| condition["reason"].as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hpa(replicas: u64, current: Option<u64>, wanted: u64, reason: &str) -> Value {
        let metrics =
            current.map(|value| json!([{"resource": {"name": "cpu", "current": {"averageUtilization": value}}}]));
        json!({
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 8,
                "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 50}}}],
            },
            "status": {
                "currentReplicas": replicas,
                "desiredReplicas": wanted,
                "currentMetrics": metrics,
                "conditions": [{"type": "AbleToScale", "status": "True", "reason": reason}],
            },
        })
    }

    fn printed(objects: &[Value]) -> String {
        let input: String = objects.iter().map(Value::to_string).collect();
        let mut output = Vec::new();
        follow(input.as_bytes(), &mut output, || Duration::from_secs(7)).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn each_change_is_a_line_with_the_numbers_of_the_moment() {
        let up = hpa(2, Some(90), 4, "SucceededRescale");
        assert_eq!(
            printed(&[hpa(2, None, 0, "SucceededGetScale"), up.clone(), up, hpa(4, Some(5), 4, "ScaleDownStabilized")]),
            "   TIME  REPLICAS        CPU  TARGET  FORMULA                              WANTED  REASON\n    \
             7 s         2  <unknown>    50 %  no figures yet                            0  SucceededGetScale\n    \
             7 s         2       90 %    50 %  ceil(2 x 90 / 50) = 4                     4  SucceededRescale\n    \
             7 s         4        5 %    50 %  ceil(4 x 5 / 50) = 1, at least 2          4  ScaleDownStabilized\n"
        );
    }

    #[test]
    fn the_formula_is_the_controllers() {
        assert_eq!(formula(2, 54, 50, 2, 8), "54 / 50 is within 10 % of 1: stay");
        assert_eq!(formula(2, 45, 50, 2, 8), "45 / 50 is within 10 % of 1: stay");
        assert_eq!(formula(4, 300, 50, 2, 8), "ceil(4 x 300 / 50) = 24, at most 8");
        assert_eq!(formula(3, 40, 50, 2, 8), "ceil(3 x 40 / 50) = 3");
    }

    #[test]
    fn what_is_no_autoscaler_is_named() {
        let refused =
            |input: &str| follow(input.as_bytes(), &mut Vec::new(), || Duration::ZERO).unwrap_err().to_string();
        assert!(refused("{\"kind\":\"List\"}").contains("List"));
        assert!(refused("").contains("has no autoscaler"));
        assert!(refused("hpa").contains("expected"));
        assert!(refused(&format!("\"{}", "x".repeat(MAX_OBJECT))).contains("8 MiB"));
    }
}
