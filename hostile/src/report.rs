//! The outcomes side by side, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::guard;
use crate::judge::Outcome;
use crate::proxy::{Kind, configurations};

/// All outcomes of one proxy.
#[derive(Debug)]
pub struct Column {
    /// The proxy.
    pub kind: Kind,
    /// Its version.
    pub version: String,
    /// What became of the cases, in their order.
    pub outcomes: Vec<Outcome>,
}

impl Column {
    fn of(&self, family: &str) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| outcome.case.family == family)
    }
}

/// The page.
pub fn page(columns: &[Column]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&table(columns));
    page.push_str(&findings(columns));
    let kinds: Vec<Kind> = columns.iter().map(|column| column.kind).collect();
    let _ = write!(page, "\n## Their configurations\n\n{CONFIGURED}\n{}", configurations(&kinds));
    page
}

const INTRODUCTION: &str = "\
# Hostile requests

`make hostile` sends every case of `hostile/corpus/` through this gateway and three peers, and writes this page. Behind each
stands an upstream that parses as strictly as RFC 9112 has it. `cargo test -p hostile` sends them through the gateway alone,
and fails if one is not answered as its case says, or if a single disagreement shows; it also has slowhttptest open 600 slow
connections (heads, bodies, and readers of a long reply), while a normal client's longest wait for a reply must stay within a
second more than twice its longest wait at a gateway that has no slow clients.

- forwarded: a request of the case reached the upstream, as it was or repaired.
- refused: none did; the client got an error, or the end of its connection.
- malformed: one did, and is against the grammar, though its end is certain: a control character in a value, a target that is
  not ASCII, no Host.
- disagreement: the upstream saw other requests than those whose replies the client got, or got one whose end or fields two
  servers could read differently, or the next client's request through the same proxy went astray; or it got, without the key
  that each proxy asks for at /orders, a path that a server could read as /orders: decoded once, its dot segments and double
  slashes resolved, its parameters left out. Letter case is none of that, nor are dots at the end.

To forward is not wrong in itself: many cases are odd and harmless, and the RFC lets a recipient repair some of the others. A
disagreement is what a request can be smuggled through, if the server behind reads it as the sender wants it to. What a peer
forwards and this gateway refuses is often a choice: an empty segment or an encoded slash in a path, for one.

";

const CONFIGURED: &str = "\
The smallest that forwards all paths over kept connections, /orders only with the key, and WebSockets below /ws, with short
timeouts for the slow cases; all else is the default of its maker. ADDRESS, UPSTREAM and FOLDER are what each run chooses. Each lane of the runner has a
process of its own, which is why nginx runs without a master. How much of a request a peer has passed on when it finds its
trailers wrong is a race: such counts differ by a few from run to run.
";

fn table(columns: &[Column]) -> String {
    let mut families: Vec<&str> = Vec::new();
    for outcome in columns.iter().flat_map(|column| &column.outcomes) {
        if !families.contains(&outcome.case.family) {
            families.push(outcome.case.family);
        }
    }
    let mut table = String::from("| family | cases |");
    for column in columns {
        let _ = write!(table, " {} {} |", column.kind.name(), column.version);
    }
    let _ = writeln!(table, "\n|---|---:|{}", "---:|".repeat(columns.len()));
    for family in families {
        let cases = columns.first().map_or(0, |column| column.of(family).count());
        row(&mut table, family, cases, columns, |outcome| outcome.case.family == family);
    }
    let cases = columns.first().map_or(0, |column| column.outcomes.len());
    row(&mut table, "**all**", cases, columns, |_| true);
    table.push_str("\nEach column: forwarded / refused / malformed / **disagreements**.\n");
    table
}

fn row(table: &mut String, name: &str, cases: usize, columns: &[Column], of: impl Fn(&Outcome) -> bool) {
    let _ = write!(table, "| {name} | {cases} |");
    for column in columns {
        let outcomes: Vec<&Outcome> = column.outcomes.iter().filter(|outcome| of(outcome)).collect();
        let forwarded = outcomes.iter().filter(|outcome| outcome.is_forwarded()).count();
        let disagreements = outcomes.iter().filter(|outcome| outcome.disagreement().is_some()).count();
        let malformed = outcomes.iter().filter(|outcome| outcome.malformed().is_some()).count();
        let refused = outcomes.len() - forwarded;
        let _ = write!(table, " {forwarded} / {refused} / {malformed} / **{disagreements}** |");
    }
    table.push('\n');
}

fn findings(columns: &[Column]) -> String {
    let mut text = String::from("\n## What was found\n");
    for column in columns {
        let _ = writeln!(text, "\n{}:\n", column.kind.name());
        let before = text.len();
        let mut passed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for outcome in &column.outcomes {
            if let Some((seen, how)) = outcome.guard_is_passed() {
                passed.entry(how).or_default().push(format!("`{}`", seen.target));
                continue;
            }
            let (what, kind) = match (outcome.disagreement(), outcome.malformed()) {
                (Some(what), _) => (what, "**disagreement**"),
                (None, Some(what)) => (format!("the upstream got {what}"), "malformed"),
                (None, None) => continue,
            };
            let case = &outcome.case;
            let _ = writeln!(text, "- {kind}: {}, `{}` (RFC {}): {what}", case.family, case.name, case.rfc);
        }
        for (how, targets) in passed {
            let path = guard::PATH;
            let _ =
                writeln!(text, "- **disagreement**: no key, and the upstream got {path} {how}: {}", targets.join(" "));
        }
        if text.len() == before {
            text.push_str("nothing.\n");
        }
    }
    text
}
