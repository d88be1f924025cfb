//! Where each request of a connection ends, followed on the bytes themselves.
//!
//! hyper repairs some requests that RFC 9112 wants refused, and its repair cannot be seen in the headers that it hands out:
//! of `Content-Length` beside `Transfer-Encoding` it drops the length (section 6.3 allows that, and calls it a likely
//! attack), of equal lengths it keeps one, a line that ends with LF alone is a line (2.2), and of a target with a fragment
//! it cuts the fragment off (3.2 has none). A proxy in front of this server may read each of them differently, and then the
//! two disagree about which bytes are a request. So the bytes pass by here before hyper gets them.
//!
//! This does not parse a second time: it finds the ends of lines, looks at the two fields that say how long a body is, and
//! counts. What is refused is noted with the number of its request, hyper hands that request out as any other, and the
//! reply is the refusal, after which the connection ends. What hyper refuses itself (spaces before a colon, folded lines, a
//! bare CR, NUL, `Content-Length: +5`, a coding other than chunked at the end) never gets that far, and ends the connection
//! as well. Where the two understood a body differently, the number would be wrong: so whatever is not exactly as the
//! grammar has it is refused here, too, and nothing behind it is followed.

use hyper::StatusCode;

/// The longest line that says anything about a body, its end included. What of a longer one comes behind this is not looked
/// at, and not kept: hyper keeps the head already, and a connection would take twice as much.
const LONGEST_LINE: usize = 512;

/// What is to come of a body whose length is not known.
pub(crate) const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// What is wrong with the request, for people.
    pub(crate) detail: &'static str,
}

/// What of a request is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nothing has been sent of it.
    Nothing,
    /// Some of its head has come.
    Head,
    /// Its head is complete, its body is not.
    Body,
}

/// A follower of one connection's requests.
#[derive(Debug)]
pub(crate) struct Framing {
    expected: Expected,
    /// The line whose end has not come.
    line: Line,
    /// What the head being read says about the body.
    head: Head,
    /// The number of the request that is being read, from 1; 0 before the first.
    request: u64,
    /// What may still come of the body being read.
    allowed: u64,
    longest_body: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    RequestLine,
    Field,
    Content(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    /// A trailer, or the empty line that ends the message.
    Trailer,
    /// A request was refused: what follows belongs to nobody.
    Over,
}

/// A line as far as it has come.
#[derive(Debug, Default)]
struct Line {
    /// Its start, up to [`LONGEST_LINE`].
    start: Vec<u8>,
    length: usize,
    /// Its last two bytes.
    end: [u8; 2],
    /// Of a request line: its target has begun.
    in_target: bool,
    /// Of a request line: why it is refused.
    spoiled: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// A follower of a connection on which nothing has come, and on which a body may have `longest_body` bytes.
    pub(crate) fn new(longest_body: u64) -> Self {
        Self {
            expected: Expected::RequestLine,
            line: Line::default(),
            head: Head::default(),
            request: 0,
            allowed: 0,
            longest_body,
        }
    }

    /// The number of the request whose bytes came last, from 1; 0 before the first.
    pub(crate) fn request(&self) -> u64 {
        self.request
    }

    /// What of a request is to come next.
    pub(crate) fn awaited(&self) -> Part {
        match self.expected {
            Expected::RequestLine if self.line.length == 0 => Part::Nothing,
            Expected::RequestLine | Expected::Field => Part::Head,
            Expected::Over => Part::Nothing,
            _ => Part::Body,
        }
    }

    /// How many bytes of the body being read are to come: 0 outside a body, [`UNKNOWN`] where only its end will tell.
    pub(crate) fn left(&self) -> u64 {
        match self.expected {
            Expected::RequestLine | Expected::Field => 0,
            Expected::Content(left) => left,
            _ => UNKNOWN,
        }
    }

    /// Follows the next `bytes` of the connection.
    ///
    /// # Errors
    /// Why the request being read is refused. It is the last: what follows is ignored.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            match self.expected {
                Expected::Over => return Ok(()),
                Expected::Content(left) => {
                    self.expected = pass(&mut bytes, left).map_or(Expected::RequestLine, Expected::Content);
                }
                Expected::Chunk(left) => {
                    self.expected = pass(&mut bytes, left).map_or(Expected::ChunkEnd, Expected::Chunk);
                }
                _ => {
                    if let Err(refusal) = self.follow_line(&mut bytes) {
                        self.expected = Expected::Over;
                        self.line = Line::default();
                        return Err(refusal);
                    }
                }
            }
        }
        Ok(())
    }

    fn follow_line(&mut self, bytes: &mut &[u8]) -> Result<(), Refusal> {
        let end = memchr::memchr(b'\n', bytes);
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        *bytes = rest;
        if self.expected == Expected::RequestLine {
            self.line.check_target(part);
        }
        match end {
            None => {
                self.line.add(part);
                Ok(())
            }
            // A line that has come whole need not be copied.
            Some(_) if self.line.length == 0 => {
                let spoiled = std::mem::take(&mut self.line).spoiled;
                self.take(part, part.len(), part.ends_with(b"\r\n"), spoiled)
            }
            Some(_) => {
                self.line.add(part);
                let Line { start, length, end, spoiled, .. } = std::mem::take(&mut self.line);
                self.take(&start, length, end == *b"\r\n", spoiled)
            }
        }
    }

    /// Takes a line of `length` bytes, its end included, of which at least the first [`LONGEST_LINE`] are in `start`.
    fn take(
        &mut self,
        start: &[u8],
        length: usize,
        ends_with_crlf: bool,
        spoiled: Option<&'static str>,
    ) -> Result<(), Refusal> {
        // The request of a line that is refused must have its number by then.
        if self.expected == Expected::RequestLine && start != b"\r\n" {
            self.request += 1;
        }
        if !ends_with_crlf {
            return Err(bad("a line ends with LF alone"));
        }
        let is_long = length > LONGEST_LINE;
        let line = if is_long { &start[..LONGEST_LINE] } else { &start[..length - 2] };
        match self.expected {
            // Empty lines before a request are what some old clients send after a body (RFC 9112, section 2.2).
            Expected::RequestLine if line.is_empty() => {}
            Expected::RequestLine => {
                self.head = Head::default();
                self.expected = Expected::Field;
                if let Some(detail) = spoiled {
                    return Err(bad(detail));
                }
            }
            Expected::Field if line.is_empty() => self.expected = self.body()?,
            Expected::Field => self.head.take(line, is_long)?,
            Expected::ChunkSize if is_long => return Err(bad("the line with the size of a chunk is too long")),
            Expected::ChunkSize => {
                let size = chunk_size(line).ok_or(bad("the size of a chunk is malformed"))?;
                self.allowed = self.allowed.checked_sub(size).ok_or(TOO_LONG)?;
                self.expected = if size == 0 { Expected::Trailer } else { Expected::Chunk(size) };
            }
            Expected::ChunkEnd if line.is_empty() => self.expected = Expected::ChunkSize,
            Expected::ChunkEnd => return Err(bad("a chunk is longer than its size")),
            Expected::Trailer if line.is_empty() => self.expected = Expected::RequestLine,
            Expected::Trailer | Expected::Content(_) | Expected::Chunk(_) | Expected::Over => {}
        }
        Ok(())
    }

    /// What comes after the head that has just ended.
    fn body(&mut self) -> Result<Expected, Refusal> {
        self.allowed = self.longest_body;
        match (self.head.length, self.head.chunked) {
            (Some(length), _) if length > self.longest_body => Err(TOO_LONG),
            (Some(0) | None, false) => Ok(Expected::RequestLine),
            (Some(length), false) => Ok(Expected::Content(length)),
            (_, true) => Ok(Expected::ChunkSize),
        }
    }
}

impl Line {
    fn add(&mut self, part: &[u8]) {
        let kept = part.len().min(LONGEST_LINE - self.start.len());
        self.start.extend_from_slice(&part[..kept]);
        self.length += part.len();
        self.end = match part {
            [.., a, b] => [*a, *b],
            [b] => [self.end[1], *b],
            [] => self.end,
        };
    }

    /// Looks at a part of a request line. A target is in visible ASCII, and a fragment is none of it (RFC 9112, section 3.2).
    fn check_target(&mut self, part: &[u8]) {
        if !part.is_ascii() {
            self.spoiled.get_or_insert("the request target has bytes that are not ASCII");
        }
        // A method may hold the sign.
        let target = match part.iter().position(|b| *b == b' ') {
            _ if self.in_target => part,
            Some(space) => &part[space..],
            None => return,
        };
        self.in_target = true;
        if target.contains(&b'#') {
            self.spoiled.get_or_insert("the request target has a fragment");
        }
    }
}

impl Head {
    /// Takes one field of a head; of one that `is_long`, the start.
    fn take(&mut self, line: &[u8], is_long: bool) -> Result<(), Refusal> {
        const LENGTH: &[u8] = b"content-length:";
        const CODING: &[u8] = b"transfer-encoding:";
        // Most fields are told from both by their first letter.
        if !matches!(line.first(), Some(b'C' | b'c' | b'T' | b't')) {
            return Ok(());
        }
        let (length, coding) = (value_of(LENGTH, line), value_of(CODING, line));
        if is_long && (length.is_some() || coding.is_some()) {
            return Err(bad("the field that tells the body's length is too long"));
        }
        if let Some(value) = length {
            let length = number(value, 10).ok_or(bad("the Content-Length is not a number"))?;
            if self.length.replace(length).is_some() {
                return Err(bad("more than one Content-Length"));
            }
        } else if let Some(value) = coding {
            if !value.eq_ignore_ascii_case(b"chunked") || self.chunked {
                // RFC 9112, section 6.1: 501 to a coding that is not understood.
                let detail = "the only transfer coding that is understood is chunked, once";
                return Err(Refusal { status: StatusCode::NOT_IMPLEMENTED, detail });
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err(bad("both Content-Length and Transfer-Encoding"));
        }
        Ok(())
    }
}

/// Passes over content of which `left` bytes are to come; how many still are.
fn pass(bytes: &mut &[u8], left: u64) -> Option<u64> {
    let passed = left.min(bytes.len() as u64);
    *bytes = &bytes[passed as usize..];
    Some(left - passed).filter(|left| *left > 0)
}

const TOO_LONG: Refusal = Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, detail: "the request's body is too long" };

const fn bad(detail: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, detail }
}

/// The value of the field `name`, which ends with its colon, if `line` is one.
fn value_of<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| trim(value))
}

/// `value` without the spaces and tabs around it.
fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// One digit or more, up to 2^64 - 1.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// `chunk-size [ chunk-ext ]` of RFC 9112, section 7.1: hexadecimal digits, up to 2^64 - 1.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(digits);
    let extension = trim(rest);
    let plain = !extension.contains(&b'\r') && (extension.is_empty() || extension.starts_with(b";"));
    number(digits, 16).filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests began in `bytes`, and the status of the refusal that ended them, whatever the parts they come in.
    fn follow(bytes: &[u8]) -> (u64, u16) {
        let whole = follow_in_parts_of(bytes.len().max(1), bytes);
        for size in [1, 2, 3, 7] {
            assert_eq!(follow_in_parts_of(size, bytes), whole, "in parts of {size}: {}", bytes.escape_ascii());
        }
        whole
    }

    fn follow_in_parts_of(size: usize, bytes: &[u8]) -> (u64, u16) {
        let mut framing = Framing::new(1000);
        for part in bytes.chunks(size) {
            if let Err(refusal) = framing.follow(part) {
                assert_eq!(framing.follow(b"GET / HTTP/1.1\r\n\r\n"), Ok(()), "it went on after a refusal");
                return (framing.request(), refusal.status.as_u16());
            }
        }
        (framing.request(), 0)
    }

    fn head(fields: &str) -> Vec<u8> {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
    }

    #[test]
    fn requests_are_counted_whatever_their_bodies_hold() {
        let inner = "GET /inner HTTP/1.1\r\n\r\n";
        let sized = [head(&format!("Content-Length: {}\r\n", inner.len())), inner.into()].concat();
        let chunk = format!("{:x} ;a=b\r\n{inner}\r\n0\r\nx-sum: 1\r\n\r\n", inner.len());
        let chunked = [head("Transfer-Encoding: chunked\r\n"), chunk.into()].concat();
        let all = [head(""), sized, chunked, b"\r\n".to_vec(), head("Content-Length: 0\r\n"), head("")].concat();
        assert_eq!(follow(&all), (5, 0));
    }

    #[test]
    fn what_two_could_read_differently_is_refused() {
        for (fields, status) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
            ("transfer-encoding:chunked\r\nCONTENT-LENGTH:\t5 \r\n", 400),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
            ("Content-Length: 5, 5\r\n", 400),
            ("Content-Length: +5\r\n", 400),
            ("Content-Length:\r\n", 400),
            ("Content-Length: 18446744073709551616\r\n", 400),
            ("Content-Length: 1001\r\n", 413),
            ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding: xchunked\r\n", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501),
            ("x: y\n", 400),
        ] {
            assert_eq!(follow(&head(fields)), (1, status), "{fields:?}");
            assert_eq!(follow(&[head(""), head(fields)].concat()), (2, status), "the second: {fields:?}");
        }
        for line in ["GET /#a HTTP/1.1\r\n", "GET /\u{e9} HTTP/1.1\r\n", "GET / HTTP/1.1\n"] {
            assert_eq!(follow(line.as_bytes()), (1, 400), "{line:?}");
        }
    }

    #[test]
    fn what_is_left_of_a_body_is_known_where_its_length_is() {
        for (bytes, left) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n", 0),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 5),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", 3),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", UNKNOWN),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0),
        ] {
            let mut framing = Framing::new(1000);
            framing.follow(bytes.as_bytes()).unwrap();
            assert_eq!(framing.left(), left, "{bytes:?}");
        }
    }

    #[test]
    fn a_long_line_is_followed_and_not_kept() {
        let long = "x".repeat(10 * LONGEST_LINE);
        for (request, expected) in [
            (format!("GET /{long} HTTP/1.1\r\nx: {long}\r\nCookie: {long}\r\n\r\n"), (1, 0)),
            (format!("GET /{long}# HTTP/1.1\r\n\r\n"), (1, 400)),
            (format!("GET /{long} HTTP/1.1\r\nx: {long}\n\r\n"), (1, 400)),
            (format!("GET / HTTP/1.1\r\nContent-Length: {}5\r\n\r\n", "0".repeat(LONGEST_LINE)), (1, 400)),
            (format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;{long}\r\nhello"), (1, 400)),
        ] {
            assert_eq!(follow(request.as_bytes()), expected, "{}", &request[..20]);
            let mut framing = Framing::new(1000);
            for part in request.as_bytes().chunks(100) {
                let _ = framing.follow(part);
                assert!(framing.line.start.capacity() <= 2 * LONGEST_LINE);
            }
        }
    }

    #[test]
    fn a_method_may_hold_what_a_target_may_not() {
        assert_eq!(follow(b"A#B / HTTP/1.1\r\n\r\n"), (1, 0));
    }

    #[test]
    fn chunks_are_as_the_grammar_has_them() {
        let chunked = |body: &str| follow(&[head("Transfer-Encoding: chunked\r\n"), body.into()].concat()).1;
        for body in ["5\r\nhello\r\n0\r\n\r\n", "005;a=\"b;c\"\r\nhello\r\n0 \t;x\r\n\r\n", "3E8\r\n"] {
            assert_eq!(chunked(body), 0, "{body:?}");
        }
        for body in [
            "5\nhello\r\n",
            "5\r\nhello\n",
            "5\r\nhello!\r\n",
            "\r\n",
            "0x5\r\n",
            "-1\r\n",
            "+5\r\n",
            "5 5\r\n",
            ";a\r\n",
            "5;a\n\r\n",
            "5;a\rb\r\n",
            "10000000000000000\r\n",
            "0\r\nx: y\n\r\n",
        ] {
            assert_eq!(chunked(body), 400, "{body:?}");
        }
        assert_eq!(chunked("3E8\r\n".to_owned().as_str()), 0);
        assert_eq!(chunked("3E9\r\n"), 413);
        assert_eq!(chunked(&format!("3E8\r\n{}\r\n1\r\n", "x".repeat(1000))), 413);
    }

    #[test]
    fn what_is_awaited_follows_the_bytes() {
        let mut framing = Framing::new(1000);
        for (bytes, awaited) in [
            ("", Part::Nothing),
            ("\r\n", Part::Nothing),
            ("P", Part::Head),
            ("OST / HTTP/1.1\r\n", Part::Head),
            ("Content-Length: 2\r\n\r\n", Part::Body),
            ("a", Part::Body),
            ("b", Part::Nothing),
        ] {
            framing.follow(bytes.as_bytes()).unwrap();
            assert_eq!(framing.awaited(), awaited, "{bytes:?}");
        }
    }
}
