//! Finds variables of the environment that look like settings and are none: `DRAIN_SECOND` would otherwise do nothing,
//! without a word.

use super::environment::stem;

/// The most edits by which a name may differ from that of a setting and still be taken for it.
const MOST_EDITS: usize = 3;

/// The setting that was probably meant by each of `names` that is none of the `settings`: one that is spelled almost like it, or
/// the same with another unit or without. Names that Kubernetes makes for the Services of a namespace are left out.
pub(crate) fn misspelled<'n>(settings: &[&'static str], names: &'n [String]) -> Vec<(&'n str, &'static str)> {
    let meant =
        |name: &str| nearest(settings, name).filter(|_| !settings.contains(&name) && !is_service_link(name, names));
    names.iter().filter_map(|name| Some((name.as_str(), meant(name)?))).collect()
}

fn nearest(settings: &[&'static str], name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let edits = |setting: &&'static str| {
        // A short name is near to many a word: one edit in four characters.
        let most = MOST_EDITS.min(setting.len() / 4);
        distance(setting, &upper, most).map(|edits| (edits, *setting))
    };
    let spelled = settings.iter().filter_map(edits).min().map(|(_, setting)| setting);
    spelled.or_else(|| settings.iter().copied().find(|setting| is_unit_left_out(setting, &upper)))
}

/// Whether `name` is that of `setting` but for the unit at its end: `IDLE_TIMEOUT` and `IDLE_TIMEOUT_MS` for
/// `IDLE_TIMEOUT_SECONDS`.
fn is_unit_left_out(setting: &str, name: &str) -> bool {
    stem(setting) != setting && stem(name) == stem(setting)
}

/// Whether Kubernetes made it: for a Service `a-b` it sets `A_B_SERVICE_HOST`, `A_B_SERVICE_PORT` and, with a port's name or
/// number after them, `A_B_SERVICE_PORT_...` and `A_B_PORT...`.
/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>
fn is_service_link(name: &str, names: &[String]) -> bool {
    let services = names.iter().filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
    let mut rests = services.filter_map(|service| name.strip_prefix(service));
    rests.any(|rest| {
        let after = |start: &str| rest.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        rest == "_SERVICE_HOST" || after("_SERVICE_PORT") || after("_PORT")
    })
}

/// The fewest characters to insert, delete or replace, or neighbours to swap, that make `to` of `from`; none where that is more
/// than `most` (optimal string alignment).
fn distance(from: &str, to: &str, most: usize) -> Option<usize> {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    if from.len().abs_diff(to.len()) > most {
        return None;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut least = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    Some(rows[from.len()][to.len()]).filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [&str; 9] = [
        "PORT",
        "METRICS_PORT",
        "DRAIN_SECONDS",
        "IDLE_TIMEOUT_SECONDS",
        "MAX_BODY_BYTES",
        "BACKEND_URL",
        "POD_NAME",
        "LOG_LEVEL",
        "ROLE",
    ];

    fn meant(names: &[&str]) -> Vec<(String, &'static str)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        misspelled(&SETTINGS, &names).into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect()
    }

    #[test]
    fn a_name_that_is_almost_a_setting_is_found_with_that_setting() {
        for (name, setting) in [
            ("DRAIN_SECOND", "DRAIN_SECONDS"),
            ("DRIAN_SECONDS", "DRAIN_SECONDS"),
            ("drain_seconds", "DRAIN_SECONDS"),
            ("DRAIN", "DRAIN_SECONDS"),
            ("DRAIN_MS", "DRAIN_SECONDS"),
            ("IDLE_TIMEOUT", "IDLE_TIMEOUT_SECONDS"),
            ("MAX_BODY", "MAX_BODY_BYTES"),
            ("METRIC_PORT", "METRICS_PORT"),
            ("PORTS", "PORT"),
            ("LOGLEVEL", "LOG_LEVEL"),
        ] {
            assert_eq!(meant(&[name]), [(name.to_owned(), setting)]);
        }
    }

    #[test]
    fn settings_and_names_of_others_are_left_alone() {
        let others =
            ["PATH", "HOME", "HOSTNAME", "TERM", "SHELL", "NODE_ENV", "POD_UID", "LOG_DIR", "RUST_LOG", "MAX_AGE"];
        assert_eq!(meant(&SETTINGS), []);
        assert_eq!(meant(&others), []);
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_left_alone() {
        for service in ["BACKEND", "METRIC", "KUBERNETES", "LOG", "MY_POD", "ROLES"] {
            let ends =
                ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8000_TCP", "PORT_8000_TCP_ADDR"];
            let names = ends.map(|end| format!("{service}_{end}"));
            assert_eq!(meant(&names.each_ref().map(String::as_str)), []);
        }
        // The same name without the host beside it is nobody's but a person's.
        assert_eq!(meant(&["METRIC_PORT"]).len(), 1);
    }

    #[test]
    fn edits_are_counted_up_to_a_bound() {
        for (from, to, edits) in
            [("ROLE", "ROLE", 0), ("ROLE", "RULE", 1), ("ROLE", "ROEL", 1), ("ROLE", "ROLES", 1), ("", "AB", 2)]
        {
            assert_eq!(distance(from, to, 2), Some(edits), "{from} {to}");
            assert_eq!(distance(to, from, 2), Some(edits), "{to} {from}");
        }
        assert_eq!(distance("ROLE", "PORTS", 2), None);
        assert_eq!(distance("ROLE", "ROLE_OF_THE_POD", 2), None);
    }
}
