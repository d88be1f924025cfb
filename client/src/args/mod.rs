//! The command line, parsed once into what each command needs. A mistake names the argument, its value and the mend.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

use self::command::{Spec, overview, unexpected, version};
use self::commands::{COMMANDS, EXAMPLES, EXITS};
pub(crate) use self::parsed::{Ask, Command};

mod command;
mod commands;
mod given;
mod option;
mod parsed;
mod quantity;

#[derive(Debug)]
pub(crate) struct UsageError {
    /// One sentence.
    pub(crate) message: String,
    /// The command whose help says more, where it got that far.
    pub(crate) command: Option<&'static str>,
}

/// Parses the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(arguments);
    match command(&mut parser) {
        Ok(Asked::Command(spec)) => {
            spec.parse(&mut parser).map_err(|message| UsageError { message, command: Some(spec.name) })
        }
        Ok(Asked::Print(text)) => Ok(Command::Print(text)),
        Err(message) => Err(UsageError { message, command: None }),
    }
}

enum Asked {
    Command(&'static Spec),
    Print(String),
}

#[expect(clippy::unnecessary_debug_formatting, reason = "quotes and escapes show where a bad argument starts and ends")]
fn command(parser: &mut Parser) -> Result<Asked, String> {
    let accepted = || {
        let names: Vec<_> = COMMANDS.iter().map(|spec| spec.name).collect();
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        format!("the commands are {} and {last}", others.join(", "))
    };
    let Some(argument) = parser.next().map_err(|error| error.to_string())? else {
        return Err(format!("no command given: {}", accepted()));
    };
    match &argument {
        Arg::Short('h') | Arg::Long("help") => Ok(Asked::Print(overview(COMMANDS, EXITS, EXAMPLES))),
        Arg::Short('V') | Arg::Long("version") => Ok(Asked::Print(version())),
        Arg::Value(name) if name == "help" => Ok(Asked::Print(overview(COMMANDS, EXITS, EXAMPLES))),
        Arg::Value(name) => {
            let spec = COMMANDS.iter().find(|spec| name == spec.name);
            spec.map(Asked::Command).ok_or_else(|| format!("unknown command {name:?}: {}", accepted()))
        }
        other => Err(unexpected(other)),
    }
}

#[cfg(test)]
mod tests;
