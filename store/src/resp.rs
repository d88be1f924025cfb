//! The wire format of Redis, RESP2 (redis.io, "Redis serialization protocol specification"), without input or output.

/// The deepest nesting of a reply: streams, each with its entries, each with its fields (XREADGROUP).
const DEEPEST: usize = 5;
/// The longest reply in bytes. What is asked for is bounded well below.
pub(crate) const LONGEST: usize = 1 << 20;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: a key or a member that does not exist.
    Nil,
    /// A signed number.
    Integer(i64),
    /// A string of either kind.
    Text(Vec<u8>),
    /// Several replies in one.
    Array(Vec<Value>),
    /// The command was refused: a code in capitals, a space, and an explanation.
    Error(String),
}

/// The peer does not speak the protocol, or says too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Adds a command to `out`: an array of strings, the first of which is its name.
pub(crate) fn encode(command: &[&[u8]], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", command.len()).bytes());
    for part in command {
        out.extend(format!("${}\r\n", part.len()).bytes());
        out.extend_from_slice(part);
        out.extend(b"\r\n");
    }
}

/// The first reply in `bytes` and its length; `None` where it is not complete yet.
///
/// # Errors
/// Where it can't become a reply, or a longer one than [`LONGEST`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
    let mut rest = bytes;
    match value(&mut rest, DEEPEST) {
        Ok(value) => Ok(Some((value, bytes.len() - rest.len()))),
        Err(Stop::Malformed) => Err(Malformed),
        Err(Stop::Incomplete) if bytes.len() > LONGEST => Err(Malformed),
        Err(Stop::Incomplete) => Ok(None),
    }
}

enum Stop {
    Incomplete,
    Malformed,
}

fn value(rest: &mut &[u8], depth: usize) -> Result<Value, Stop> {
    let line = line(rest)?;
    let (kind, content) = line.split_first().ok_or(Stop::Malformed)?;
    match kind {
        b'+' => Ok(Value::Text(content.to_vec())),
        b'-' => Ok(Value::Error(String::from_utf8_lossy(content).into_owned())),
        b':' => number(content).map(Value::Integer),
        b'$' => match length(content)? {
            None => Ok(Value::Nil),
            Some(length) => text(rest, length),
        },
        b'*' => match length(content)? {
            None => Ok(Value::Nil),
            Some(_) if depth == 0 => Err(Stop::Malformed),
            // Grows as elements come: a length alone, which costs the peer nothing, must not reserve memory.
            Some(count) => (0..count).map(|_| value(rest, depth - 1)).collect::<Result<_, _>>().map(Value::Array),
        },
        _ => Err(Stop::Malformed),
    }
}

fn line<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], Stop> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::Incomplete)?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Ok(line)
}

fn text(rest: &mut &[u8], length: usize) -> Result<Value, Stop> {
    let end = rest.get(length..length + 2).ok_or(Stop::Incomplete)?;
    if end != b"\r\n" {
        return Err(Stop::Malformed);
    }
    let text = rest[..length].to_vec();
    *rest = &rest[length + 2..];
    Ok(Value::Text(text))
}

/// A length, where -1 stands for a value that does not exist.
fn length(content: &[u8]) -> Result<Option<usize>, Stop> {
    match number(content)? {
        -1 => Ok(None),
        length => usize::try_from(length).ok().filter(|length| *length <= LONGEST).map(Some).ok_or(Stop::Malformed),
    }
}

fn number(content: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(content).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn replies_by_the_table() {
        for (bytes, value) in [
            ("+OK\r\n", text("OK")),
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("*0\r\n", Value::Array(vec![])),
            (":-7\r\n", Value::Integer(-7)),
            ("$5\r\na\r\nbc\r\n", text("a\r\nbc")),
            ("-OOM used memory\r\n", Value::Error("OOM used memory".into())),
            ("*2\r\n$0\r\n\r\n*1\r\n:1\r\n", Value::Array(vec![text(""), Value::Array(vec![Value::Integer(1)])])),
        ] {
            assert_eq!(decode(bytes.as_bytes()), Ok(Some((value, bytes.len()))), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let deep = "*1\r\n".repeat(DEEPEST + 1);
        for bytes in
            ["\r\n", "?\r\n", ":\r\n", ":x\r\n", "$-2\r\n", "$2\r\nabc\r\n", "$1048577\r\n", "HTTP/1.1\r\n", &deep]
        {
            assert_eq!(decode(bytes.as_bytes()), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(decode(&vec![b'+'; LONGEST + 1]), Err(Malformed));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Integer),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Text),
            "[A-Z]{1,8} [a-z ]{0,20}".prop_map(Value::Error),
        ];
        leaf.prop_recursive(2, 16, 4, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::Array))
    }

    fn written(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Nil => out.extend(b"$-1\r\n"),
            Value::Integer(number) => out.extend(format!(":{number}\r\n").bytes()),
            Value::Error(error) => out.extend(format!("-{error}\r\n").bytes()),
            Value::Text(text) => {
                out.extend(format!("${}\r\n", text.len()).bytes());
                out.extend(text);
                out.extend(b"\r\n");
            }
            Value::Array(values) => {
                out.extend(format!("*{}\r\n", values.len()).bytes());
                for value in values {
                    written(value, out);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_reply_is_read_once_it_is_complete_and_not_before(value in any_value(), after in any::<[u8; 3]>()) {
            let mut bytes = Vec::new();
            written(&value, &mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), Ok(None));
            }
            let length = bytes.len();
            bytes.extend(after);
            prop_assert_eq!(decode(&bytes), Ok(Some((value, length))));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
