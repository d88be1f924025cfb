//! Looking for a field: where it belongs, under a name that is nearly its own, or somewhere else.

use serde_json::Value;

use crate::judge::finding::Finding;

static NOTHING: Value = Value::Null;

/// The value at an RFC 6901 pointer; null where nothing is.
pub(super) fn at<'a>(document: &'a Value, pointer: &str) -> &'a Value {
    document.pointer(pointer).unwrap_or(&NOTHING)
}

/// A value as a learner would write it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.parse::<i64>().is_ok() => {
            format!("\"{text}\", a text: without quotes it is a number")
        }
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A pointer as one says it: `spec.template.spec.containers[0]`.
pub(super) fn place(pointer: &str) -> String {
    let part = |part: &str| match part.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{part}"),
    };
    let parts: Vec<String> = pointer.split('/').filter(|part| !part.is_empty()).map(part).collect();
    parts.concat().trim_start_matches('.').to_owned()
}

/// The field `name` of what is at `parent`.
///
/// # Errors
/// What was found instead: nothing, a name that is nearly this one, or the field in a place where it means nothing.
pub(super) fn field<'a>(document: &'a Value, parent: &str, name: &str) -> Result<&'a Value, String> {
    let within = at(document, parent);
    match within.get(name) {
        Some(value) if !value.is_null() => return Ok(value),
        _ => {}
    }
    if let Some(near) = within.as_object().and_then(|fields| fields.keys().find(|key| is_near(key, name))) {
        return Err(format!("{near} there, a name that Kubernetes does not know: {name}"));
    }
    match elsewhere(document, "", name) {
        Some(pointer) if pointer != parent => {
            Err(format!("it in {}: it belongs in {}", place(&pointer), place(parent)))
        }
        _ => Err("none".to_owned()),
    }
}

/// A whole number; `default` is what Kubernetes takes where the field is not there.
pub(super) fn number(document: &Value, parent: &str, name: &str, asked: i64, default: i64, what: &str) -> Finding {
    let found = match field(document, parent, name) {
        Ok(value) if value.as_i64() == Some(asked) => None,
        Ok(value) => Some(shown(value)),
        Err(found) if found == "none" && asked == default => None,
        Err(found) if found == "none" => Some(format!("{default}, as {name} is not there")),
        Err(found) => Some(found),
    };
    Finding::unless(what, found)
}

/// The pointer to what has a field of this name, outside of labels and the like.
fn elsewhere(value: &Value, pointer: &str, name: &str) -> Option<String> {
    // Names that mean something in many places are in none of them by mistake.
    if matches!(
        name,
        "name" | "path" | "port" | "number" | "type" | "kind" | "cpu" | "memory" | "service" | "ports" | "selector"
    ) {
        return None;
    }
    match value {
        Value::Object(fields) => {
            if fields.contains_key(name) {
                return Some(pointer.to_owned());
            }
            fields.iter().find_map(|(key, value)| elsewhere(value, &format!("{pointer}/{key}"), name))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| elsewhere(item, &format!("{pointer}/{index}"), name))
        }
        _ => None,
    }
}

/// Whether `written` is `name` with another case, or with one letter too many, too few or wrong.
fn is_near(written: &str, name: &str) -> bool {
    if written == name {
        return false;
    }
    if written.eq_ignore_ascii_case(name) {
        return true;
    }
    let (shorter, longer) = if written.len() < name.len() { (written, name) } else { (name, written) };
    let same = shorter.bytes().zip(longer.bytes()).take_while(|(one, other)| one == other).count();
    let rest = |text: &'_ str, skipped: usize| text.as_bytes()[(same + skipped).min(text.len())..].to_vec();
    match longer.len() - shorter.len() {
        0 => rest(shorter, 1) == rest(longer, 1),
        1 => rest(shorter, 0) == rest(longer, 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_misspelt_or_misplaced() {
        let document =
            json!({"spec": {"periodSecond": 5, "template": {"spec": {"livenessProbe": {}, "containers": [{}]}}}});
        assert!(field(&document, "/spec", "periodSeconds").unwrap_err().contains("periodSecond there"));
        let misplaced = field(&document, "/spec/template/spec/containers/0", "livenessProbe").unwrap_err();
        assert_eq!(misplaced, "it in spec.template.spec: it belongs in spec.template.spec.containers[0]");
        assert_eq!(field(&document, "/spec", "strategy").unwrap_err(), "none");
    }

    #[test]
    fn a_name_is_near_another_by_one_letter_or_by_its_case() {
        for near in ["readinessprobe", "readinessProb", "readinessProbes", "readynessProbe"] {
            assert!(is_near(near, "readinessProbe"), "{near}");
        }
        for far in ["readinessProbe", "livenessProbe", "startupProbe"] {
            assert!(!is_near(far, "readinessProbe"), "{far}");
        }
    }
}
