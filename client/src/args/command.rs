//! A command: its table, the parser that follows the table, and the help that is printed from it.

use std::fmt::{self, Write as _};

use lexopt::{Arg, Parser};

use super::{given::Given, option::Row, parsed::Command};
use crate::{request::cause::Kind, request::message::VERSION};

/// The width of the help, in columns.
const WIDTH: usize = 100;
/// Where the description of an option begins.
const DESCRIPTION: usize = 31;
/// Where the meaning of an entry of a list begins.
const MEANING: usize = 27;

/// A command as it is declared.
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// What is no option.
    pub(super) operands: Operands,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// What it does, in a sentence or two.
    pub(super) about: &'static str,
    pub(super) options: &'static [(&'static str, &'static [Row])],
    /// What else there is to know.
    pub(super) notes: &'static [Note],
    /// Exit status and what it means.
    pub(super) exits: &'static [(&'static str, &'static str)],
    pub(super) examples: &'static [&'static str],
    pub(super) build: fn(Given) -> Result<Command, String>,
}

/// What a command takes besides options.
pub(super) enum Operands {
    None,
    One(&'static str),
    Many(&'static str),
}

pub(super) enum Note {
    Text(&'static str),
    List(&'static [(&'static str, &'static str)]),
    /// How a request can be lost.
    Losses,
}

impl Spec {
    /// Reads the rest of the command line.
    ///
    /// # Errors
    /// One sentence that names the argument, its value and the mend.
    pub(super) fn parse(&self, parser: &mut Parser) -> Result<Command, String> {
        let mut given = Given::default();
        self.rows().try_for_each(|row| row.preset(&mut given))?;
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let row = match &argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(self.help())),
                Arg::Short(short) => self.rows().find(|row| row.short() == Some(*short)),
                Arg::Long(long) => self.rows().find(|row| row.long() == *long),
                Arg::Value(value) => {
                    match self.operands {
                        Operands::One(name) if !given.operands.is_empty() => {
                            return Err(format!("{}: one {name} is accepted", unexpected(&argument)));
                        }
                        Operands::None => return Err(unexpected(&argument)),
                        Operands::One(_) | Operands::Many(_) => given.operands.push(value.clone()),
                    }
                    continue;
                }
            };
            row.ok_or_else(|| unexpected(&argument))?.take(parser, &mut given)?;
        }
        (self.build)(given)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.options.iter().flat_map(|(_, rows)| *rows)
    }

    pub(super) fn help(&self) -> String {
        let mut text = String::new();
        paragraph(&mut text, self.about);
        let options = if self.rows().next().is_some() { " [OPTIONS]" } else { "" };
        line(&mut text, format_args!("Usage: client {}{options}", self.name_with_operands()));
        for (heading, rows) in self.options {
            line(&mut text, format_args!("\n{heading}:"));
            for row in *rows {
                entry(&mut text, DESCRIPTION, &row.entry(), &row.description());
            }
        }
        entry(&mut text, DESCRIPTION, "  -h, --help", "this text");
        text.push('\n');
        for note in self.notes {
            match note {
                Note::Text(words) => paragraph(&mut text, words),
                Note::List(rows) => list(&mut text, rows.iter().copied()),
                Note::Losses => list(&mut text, Kind::ALL.iter().map(|kind| (kind.name(), kind.meaning()))),
            }
        }
        exits(&mut text, self.exits);
        examples(&mut text, self.examples);
        text
    }

    fn name_with_operands(&self) -> String {
        match self.operands {
            Operands::None => self.name.to_owned(),
            Operands::One(operand) => format!("{} {operand}", self.name),
            Operands::Many(operand) => format!("{} {operand}...", self.name),
        }
    }
}

pub(super) fn overview(commands: &[Spec], exit: &[(&str, &str)], example: &[&str]) -> String {
    let mut text = String::new();
    paragraph(
        &mut text,
        "An HTTP client that hides nothing: it never retries, and every connection that breaks is seen.",
    );
    text += "Usage: client COMMAND\n\nCommands:\n";
    for command in commands {
        entry(&mut text, 18, &format!("  {}", command.name_with_operands()), command.summary);
    }
    text += "\nOptions:\n";
    entry(&mut text, 18, "  -h, --help", "this text; 'client COMMAND --help' has each command's options and examples");
    entry(&mut text, 18, "  -V, --version", "version");
    text.push('\n');
    exits(&mut text, exit);
    examples(&mut text, example);
    text
}

pub(super) fn version() -> String {
    format!("client {VERSION}\n")
}

/// Says that there is no such option, or that this is one too many.
#[expect(clippy::unnecessary_debug_formatting, reason = "quotes and escapes show where a bad argument starts and ends")]
pub(super) fn unexpected(argument: &Arg<'_>) -> String {
    match argument {
        Arg::Short(name) => format!("unknown option -{name}"),
        Arg::Long(name) => format!("unknown option --{name}"),
        Arg::Value(value) => format!("unexpected argument {value:?}"),
    }
}

fn exits(text: &mut String, statuses: &[(&str, &str)]) {
    *text += "Exit status:\n";
    for (status, meaning) in statuses {
        entry(text, 11, &format!("  {status}"), meaning);
    }
}

fn examples(text: &mut String, examples: &[&str]) {
    if !examples.is_empty() {
        *text += "\nExamples:\n";
        for example in examples {
            line(text, format_args!("  {example}"));
        }
    }
}

fn list<'a>(text: &mut String, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    for (word, meaning) in rows {
        entry(text, MEANING, &format!("  {word}"), meaning);
    }
    text.push('\n');
}

fn paragraph(text: &mut String, words: &str) {
    entry(text, 0, "", words);
    text.push('\n');
}

/// `name`, and `words` from column `indent` on, in as many lines as they need.
fn entry(text: &mut String, indent: usize, name: &str, words: &str) {
    let mut full = format!("{name:indent$}");
    for word in words.split(' ') {
        if full.len() + word.len() >= WIDTH {
            line(text, format_args!("{full}"));
            full = " ".repeat(indent);
        } else if full.len() > indent {
            full.push(' ');
        }
        full += word;
    }
    line(text, format_args!("{full}"));
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
