//! What a reply means to who asked: of the kind that was expected, or not written by this program.

use crate::resp::Value;
use crate::unavailable::Unavailable;

/// The elements of a list that has as many.
///
/// # Errors
/// Where it is none.
pub fn fields<const N: usize>(reply: Value) -> Result<[Value; N], Unavailable> {
    match reply {
        Value::Array(fields) => fields.try_into().map_err(|_| strange()),
        _ => Err(strange()),
    }
}

/// Text.
///
/// # Errors
/// Where it is none.
pub fn text(value: &Value) -> Result<&str, Unavailable> {
    match value {
        Value::Text(text) => std::str::from_utf8(text).map_err(|_| strange()),
        _ => Err(strange()),
    }
}

/// A number that is no less than 0; those that Redis keeps in strings are text.
///
/// # Errors
/// Where it is none.
pub fn number(value: &Value) -> Result<u64, Unavailable> {
    match value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| strange()),
        value => text(value)?.parse().map_err(|_| strange()),
    }
}

/// The same, where nothing stands for 0.
///
/// # Errors
/// Where it is none.
pub fn count(value: &Value) -> Result<u64, Unavailable> {
    if *value == Value::Nil { Ok(0) } else { number(value) }
}

/// 1 or 0.
///
/// # Errors
/// Where it is neither.
pub fn yes(reply: &Value) -> Result<bool, Unavailable> {
    match reply {
        Value::Integer(1) => Ok(true),
        Value::Integer(0) => Ok(false),
        _ => Err(strange()),
    }
}

/// Somebody else writes under these keys, or another version of the scripts did.
#[must_use]
pub fn strange() -> Unavailable {
    Unavailable::Refused("its data is not what was written by this program".to_owned())
}
