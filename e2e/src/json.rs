//! Reading what `-o json` printed.

use serde_json::Value;

/// The value at an RFC 6901 pointer.
///
/// # Panics
/// If there is none; the message shows the whole value.
#[track_caller]
#[must_use]
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer} in {value:#}"))
}

/// The string at a pointer.
///
/// # Panics
/// If there is none.
#[track_caller]
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_else(|| panic!("no string at {pointer} in {value:#}"))
}

/// The whole number at a pointer; 0 if nothing is there, as Kubernetes leaves zeros out.
#[must_use]
pub fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The list at a pointer; empty if nothing is there.
#[must_use]
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
