//! The cases: what is sent, what this gateway must make of it, and where the RFC says so.
//!
//! A family is a file of `corpus/`, which [`FORMAT`] describes. A case that varies in one place stands for one case for each
//! of the values.

use std::fmt;

/// The form of a corpus file.
pub const FORMAT: &str = "\
# a comment
case a name                     begins a case
rfc 9112 6.3                    document and section
vary one | two                  makes one case for each value, which stands where {} does in lines and in `upstream`
> a line                        sent with CRLF behind it; \\r \\n \\t \\s \\0 \\\\ \\xHH stand for bytes, \\(3*ab) for ababab
>> a line                       sent as it is
then stall                      nothing more is sent, and the server has to end it
then drip 20                    the rest goes byte by byte, one each 20 ms
then close                      the client goes away
expect 400 closed               statuses of the replies, and whether the connection then is open or closed
upstream none                   no request reaches the upstream
upstream GET /a body            this one does; a line for each, in order
sees name: value                with this header, of the last request
hides name                      without it
";

const FILES: [(&str, &str); 13] = [
    ("lengths", include_str!("../corpus/lengths.txt")),
    ("codings", include_str!("../corpus/codings.txt")),
    ("chunks", include_str!("../corpus/chunks.txt")),
    ("lines", include_str!("../corpus/lines.txt")),
    ("targets", include_str!("../corpus/targets.txt")),
    ("guarded paths", include_str!("../corpus/guarded.txt")),
    ("hosts", include_str!("../corpus/hosts.txt")),
    ("methods and versions", include_str!("../corpus/methods.txt")),
    ("headers of a hop", include_str!("../corpus/hop.txt")),
    ("expectations and upgrades", include_str!("../corpus/upgrades.txt")),
    ("WebSockets", include_str!("../corpus/websockets.txt")),
    ("sizes", include_str!("../corpus/sizes.txt")),
    ("slow and early", include_str!("../corpus/slow.txt")),
];

/// One case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The family that it is of.
    pub family: &'static str,
    /// Its name, which no other has.
    pub name: String,
    /// Document and section that say what is right, such as `9112 6.3`.
    pub rfc: String,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// How it goes on.
    pub then: Then,
    /// What this gateway answers.
    pub expect: Expect,
    /// What it lets through.
    pub upstream: Vec<Wanted>,
    /// Headers that the last request at the upstream has.
    pub sees: Vec<(String, String)>,
    /// Headers that it has not.
    pub hides: Vec<String>,
}

/// What follows the bytes of a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Then {
    /// A plain request on the same connection: its reply shows whether both sides still agree.
    #[default]
    Marker,
    /// Nothing.
    Stall,
    /// The bytes themselves go one by one, with so many milliseconds between them, and then again from the start.
    Drip(u64),
    /// The end of the connection.
    Close,
}

/// What the client must hear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// Statuses of final replies, that to the marker aside.
    pub statuses: Vec<u16>,
    /// The marker was answered.
    pub open: bool,
}

/// A request that must reach the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its method.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A mistake in a corpus file.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    family: &'static str,
    line: usize,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "family {}, line {}: {}", self.family, self.line, self.what)
    }
}

/// All cases.
pub fn all() -> Result<Vec<Case>, Mistake> {
    let mut cases = Vec::new();
    for (family, text) in FILES {
        cases.extend(parse(family, text)?);
    }
    Ok(cases)
}

/// The lines of one case, and where it begins.
struct Block<'a> {
    name: &'a str,
    number: usize,
    lines: Vec<(usize, &'a str)>,
}

/// The cases of one file.
pub fn parse(family: &'static str, text: &str) -> Result<Vec<Case>, Mistake> {
    let mut blocks: Vec<Block> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let number = index + 1;
        match (line.strip_prefix("case "), blocks.last_mut()) {
            (Some(name), _) => blocks.push(Block { name, number, lines: Vec::new() }),
            (None, Some(block)) => block.lines.push((number, line)),
            (None, None) => return Err(Mistake { family, line: number, what: "a line before the first case".into() }),
        }
    }
    let mut cases = Vec::new();
    for block in blocks {
        let vary = block.lines.iter().find_map(|(_, line)| line.strip_prefix("vary "));
        let values: Vec<&str> = vary.map_or_else(|| vec![""], |values| values.split(" | ").collect());
        for value in values {
            let case = case(family, &block, value).map_err(|(line, what)| Mistake { family, line, what })?;
            cases.push(case);
        }
    }
    Ok(cases)
}

fn case(family: &'static str, block: &Block, value: &str) -> Result<Case, (usize, String)> {
    let name = if value.is_empty() { block.name.to_owned() } else { format!("{}: {value}", block.name) };
    let mut case = Case { family, name, ..Case::default() };
    let mut expected = false;
    for &(number, line) in &block.lines {
        let mistake = |what: &str| (number, format!("{what}: {line:?}"));
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.replace("{}", value);
        match key {
            "vary" => {}
            "rfc" => case.rfc = rest,
            ">" | ">>" => {
                case.bytes.extend(unescape(&rest).ok_or_else(|| mistake("an escape that is none"))?);
                case.bytes.extend(if key == ">" { &b"\r\n"[..] } else { b"" });
            }
            "then" => case.then = then(&rest).ok_or_else(|| mistake("no way to go on"))?,
            "expect" => {
                case.expect = expect(&rest).ok_or_else(|| mistake("no expectation"))?;
                expected = true;
            }
            "upstream" if rest == "none" => {}
            "upstream" => case.upstream.push(wanted(&rest).ok_or_else(|| mistake("no request"))?),
            "sees" => {
                let (name, value) = rest.split_once(": ").ok_or_else(|| mistake("no header"))?;
                case.sees.push((name.to_owned(), value.to_owned()));
            }
            "hides" => case.hides.push(rest),
            _ => return Err(mistake("a key that is none")),
        }
    }
    if case.rfc.is_empty() || case.bytes.is_empty() && case.then == Then::Marker || !expected {
        return Err((block.number, "a case needs rfc, expect, and something to send".into()));
    }
    Ok(case)
}

fn then(text: &str) -> Option<Then> {
    match text.split_once(' ') {
        None if text == "stall" => Some(Then::Stall),
        None if text == "close" => Some(Then::Close),
        Some(("drip", pause)) => pause.parse().ok().map(Then::Drip),
        _ => None,
    }
}

fn expect(text: &str) -> Option<Expect> {
    let (statuses, end) = text.rsplit_once(' ').unwrap_or(("", text));
    let statuses: Option<Vec<u16>> = statuses.split_terminator(' ').map(|status| status.parse().ok()).collect();
    let open = match end {
        "open" => true,
        "closed" => false,
        _ => return None,
    };
    statuses.map(|statuses| Expect { statuses, open })
}

fn wanted(text: &str) -> Option<Wanted> {
    let mut parts = text.splitn(3, ' ');
    let mut word = || String::from_utf8(unescape(parts.next()?)?).ok();
    Some(Wanted { method: word()?, target: word()?, body: unescape(parts.next().unwrap_or_default())? })
}

/// The bytes that `text` stands for.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next()?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            's' => bytes.push(b' '),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = &rest[2..];
            }
            '(' => {
                let (repeated, after) = rest.split_once(')')?;
                let (times, text) = repeated.split_once('*')?;
                let text = unescape(text)?;
                bytes.extend(text.repeat(times.parse().ok()?));
                rest = after;
            }
            _ => return None,
        }
    }
    bytes.extend(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_what_its_lines_say() {
        let text = "# none\ncase odd\nrfc 9112 6.3\nvary +5 | -5\n> POST /a HTTP/1.1\n> Content-Length: {}\n>\n>> a\\x00\\(2*b\\r)\n\
                    expect 400 closed\nupstream POST /{} a\\sb\nsees x: y\nhides z\n";
        let cases = parse("f", text).unwrap();
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[1].name, "odd: -5");
        assert_eq!(cases[1].bytes, b"POST /a HTTP/1.1\r\nContent-Length: -5\r\n\r\na\0b\rb\r");
        assert_eq!(cases[1].expect, Expect { statuses: vec![400], open: false });
        let wanted = Wanted { method: "POST".into(), target: "/-5".into(), body: b"a b".into() };
        assert_eq!((&cases[1].upstream[..], cases[1].then), (&[wanted][..], Then::Marker));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, expected) in [
            ("> a\n", "line 1: a line before the first case"),
            ("case a\nrfc 1\n> \\q\nexpect open\n", "line 3: an escape that is none"),
            ("case a\nrfc 1\n> a\nexpect ajar\n", "line 4: no expectation"),
            ("case a\nrfc 1\n> a\n", "line 1: a case needs"),
            ("case a\nsend a\n", "line 2: a key that is none"),
            ("case a\nthen drip\n", "line 2: no way to go on"),
        ] {
            let mistake = parse("f", text).unwrap_err().to_string();
            assert!(mistake.contains(expected), "{mistake}");
        }
    }

    #[test]
    fn the_corpus_is_large_and_every_name_its_own() {
        let cases = all().unwrap_or_else(|mistake| panic!("{mistake}"));
        assert!(cases.len() >= 200, "{}", cases.len());
        let mut names: Vec<(&str, &str)> = cases.iter().map(|case| (case.family, case.name.as_str())).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
    }
}
