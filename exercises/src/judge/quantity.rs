//! Quantities of CPU and memory, as Kubernetes writes them.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use serde_json::Value;

use crate::judge::field::{field, shown};
use crate::judge::finding::Finding;

const UNITS: [(&str, f64); 12] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("", 1.0),
];

fn amount(text: &str) -> Option<f64> {
    let (digits, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    digits.parse::<f64>().ok().filter(|amount| amount.is_finite()).map(|amount| amount * unit)
}

/// Whether `resources.KIND.RESOURCE` of the container at `container` is `asked`.
pub(super) fn judge(document: &Value, container: &str, kind: &str, resource: &str, asked: &str) -> Finding {
    let what = format!("{kind} of {asked} {resource}");
    let found = field(document, container, "resources")
        .and_then(|_| field(document, &format!("{container}/resources"), kind))
        .and_then(|_| field(document, &format!("{container}/resources/{kind}"), resource));
    let found = match found {
        Err(found) => return Finding::lacks(what, found),
        Ok(Value::String(text)) => text.clone(),
        Ok(other) => shown(other),
    };
    let (Some(is), Some(wanted)) = (amount(&found), amount(asked)) else {
        return Finding::lacks(
            what,
            format!("{found}, which is no quantity: a number, and m, Mi or the like behind it"),
        );
    };
    if (is - wanted).abs() <= wanted * 1e-9 {
        return Finding::holds(what);
    }
    let why = match resource {
        "cpu" if is >= 10.0 => ", whole CPUs: an m behind it makes thousandths of them",
        "memory" if found.ends_with('m') => ": m is a thousandth, here of a byte",
        "memory" if found.ends_with('M') => ": M is 1,000,000 bytes, Mi 1,048,576",
        "memory" if is < 1_048_576.0 => ", bytes: Mi behind it makes 1,048,576 of each",
        _ => "",
    };
    Finding::lacks(what, format!("{found}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_many_spellings() {
        for (one, other) in
            [("100m", "0.1"), ("128Mi", "134217728"), ("128Mi", "131072Ki"), ("1", "1000m"), ("1k", "1e3")]
        {
            assert_eq!(amount(one), amount(other), "{one} {other}");
        }
        assert_eq!(amount("128MB"), None);
        assert_eq!(amount("much"), None);
    }
}
