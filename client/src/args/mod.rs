//! The command line, parsed once into what each command needs. A mistake names the argument, its value and the mend.

#![expect(
    clippy::unnecessary_debug_formatting,
    reason = "in a message, quotes and escapes show where a bad argument starts and ends"
)]

use std::{ffi::OsString, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use lexopt::{Arg, Parser, ValueExt};

use self::quantity::{count, duration, rate, share};
use crate::{
    get,
    load::{self, Output},
    plan::mix::WHOLE,
    request::{
        message::{Message, REQUEST_ID},
        url::Target,
    },
    spread, wait,
};

pub(crate) mod help;
mod quantity;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Headers that a request may be given.
const MAX_HEADERS: usize = 64;
/// URLs that a load may be given.
const MAX_TARGETS: usize = 64;

/// What a command line asks for.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Print this text.
    Print(String),
    /// Run a command.
    Run(Command),
}

/// What to do.
#[expect(clippy::large_enum_variant, reason = "there is one, and it is moved twice")]
#[derive(Debug)]
pub(crate) enum Command {
    /// Something that waits for others, until a signal comes.
    Ask(Ask),
    /// Read the state of an autoscaler from standard input.
    Hpa,
    /// Read a ledger.
    Spread(spread::Options),
}

/// What to wait for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// One request.
    Get(get::Options),
    /// Many requests.
    Load(load::Options),
    /// Requests until one is answered.
    Wait(wait::Options),
    /// Nothing.
    Pause,
}

/// A command line that is not understood.
#[derive(Debug)]
pub(crate) struct UsageError {
    /// One sentence.
    pub(crate) message: String,
    /// The command whose help says more, where it got that far.
    pub(crate) command: Option<&'static str>,
}

/// Parses the arguments that follow the program's name.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let (name, parsed) = match command_name(&mut parser) {
        Ok(Name::Print(text)) => return Ok(Parsed::Print(text)),
        Ok(Name::Get) => ("get", parse_get(&mut parser)),
        Ok(Name::Load) => ("load", parse_load(&mut parser)),
        Ok(Name::Wait) => ("wait", parse_wait(&mut parser)),
        Ok(Name::Pause) => ("pause", parse_pause(&mut parser)),
        Ok(Name::Hpa) => ("hpa", parse_hpa(&mut parser)),
        Ok(Name::Spread) => ("spread", parse_spread(&mut parser)),
        Err(message) => {
            return Err(UsageError { message, command: None });
        }
    };
    parsed.map_err(|message| UsageError { message, command: Some(name) })
}

enum Name {
    Get,
    Load,
    Wait,
    Pause,
    Hpa,
    Spread,
    Print(String),
}

fn command_name(parser: &mut Parser) -> Result<Name, String> {
    const ACCEPTED: &str = "the commands are get, wait, load, spread, hpa and pause";
    let Some(argument) = next(parser)? else {
        return Err(format!("no command given: {ACCEPTED}"));
    };
    match argument {
        Arg::Short('h') | Arg::Long("help") => Ok(Name::Print(help::MAIN.into())),
        Arg::Short('V') | Arg::Long("version") => Ok(Name::Print(help::version())),
        Arg::Value(name) => match name.to_str() {
            Some("get") => Ok(Name::Get),
            Some("load") => Ok(Name::Load),
            Some("wait") => Ok(Name::Wait),
            Some("pause") => Ok(Name::Pause),
            Some("hpa") => Ok(Name::Hpa),
            Some("spread") => Ok(Name::Spread),
            Some("help") => Ok(Name::Print(help::MAIN.into())),
            _ => Err(format!("unknown command {name:?}: {ACCEPTED}")),
        },
        other => Err(unexpected(&other)),
    }
}

fn parse_pause(parser: &mut Parser) -> Result<Parsed, String> {
    alone(parser, Command::Ask(Ask::Pause), help::PAUSE)
}

fn parse_hpa(parser: &mut Parser) -> Result<Parsed, String> {
    alone(parser, Command::Hpa, help::HPA)
}

/// A command that takes no argument.
fn alone(parser: &mut Parser, command: Command, help: &str) -> Result<Parsed, String> {
    match next(parser)? {
        None => Ok(Parsed::Run(command)),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Parsed::Print(help.into())),
        Some(other) => Err(unexpected(&other)),
    }
}

fn parse_spread(parser: &mut Parser) -> Result<Parsed, String> {
    let mut ledger = None;
    let (mut last, mut pods, mut within) = (None, Vec::new(), None);
    while let Some(argument) = next(parser)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(help::SPREAD.into())),
            Arg::Long("last") => {
                last = Some(take(parser, "--last", |text| duration(text, SECOND / 10, HOUR))?);
            }
            Arg::Long("pods") => pods.push(take(parser, "--pods", pods_of)?),
            Arg::Long("within") => within = Some(take(parser, "--within", share)? as f64 / WHOLE as f64),
            Arg::Value(value) if ledger.is_none() => ledger = Some(value.into()),
            other => return Err(unexpected(&other)),
        }
    }
    let ledger = ledger.ok_or("no ledger given: the file that load --ledger wrote")?;
    Ok(Parsed::Run(Command::Spread(spread::Options { ledger, last, pods, within })))
}

/// `SERVICE=N`.
fn pods_of(text: &str) -> Result<(String, usize), String> {
    let (service, pods) = text.split_once('=').ok_or("must be SERVICE=N, such as backend=4")?;
    Ok((service.to_owned(), count(pods, 10_000)?))
}

fn parse_get(parser: &mut Parser) -> Result<Parsed, String> {
    let mut url = None;
    let mut message = MessageBuilder::default();
    let mut timeout = 10 * SECOND;
    let mut quiet = false;
    while let Some(argument) = next(parser)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(help::GET.into())),
            Arg::Short('q') | Arg::Long("quiet") => quiet = true,
            Arg::Long("timeout") => timeout = take(parser, "--timeout", timeouts)?,
            Arg::Short('H') | Arg::Long("header") => message.header(&text(parser, "--header")?)?,
            Arg::Short('X') | Arg::Long("method") => message.method(&text(parser, "--method")?)?,
            Arg::Long("data") => message.data(text(parser, "--data")?),
            Arg::Value(value) => only(&mut url, value)?,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(Parsed::Run(Command::Ask(Ask::Get(get::Options {
        target: target(url)?,
        message: message.build(),
        timeout,
        quiet,
    }))))
}

fn parse_wait(parser: &mut Parser) -> Result<Parsed, String> {
    let mut url = None;
    let mut message = MessageBuilder::default();
    let mut timeout = 60 * SECOND;
    let mut interval = SECOND / 2;
    let mut wanted = None;
    while let Some(argument) = next(parser)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(help::WAIT.into())),
            Arg::Long("timeout") => timeout = take(parser, "--timeout", timeouts)?,
            Arg::Long("interval") => {
                let accepted = |text: &str| duration(text, SECOND / 20, 60 * SECOND);
                interval = take(parser, "--interval", accepted)?;
            }
            Arg::Long("status") => wanted = Some(take(parser, "--status", status)?),
            Arg::Short('H') | Arg::Long("header") => message.header(&text(parser, "--header")?)?,
            Arg::Value(value) => only(&mut url, value)?,
            other => return Err(unexpected(&other)),
        }
    }
    Ok(Parsed::Run(Command::Ask(Ask::Wait(wait::Options {
        target: target(url)?,
        message: message.build(),
        status: wanted,
        timeout,
        interval,
    }))))
}

fn parse_load(parser: &mut Parser) -> Result<Parsed, String> {
    let mut targets = Vec::new();
    let mut mixed = Vec::new();
    let mut message = MessageBuilder::default();
    let mut options = load::Options {
        targets: Vec::new(),
        message: MessageBuilder::default().build(),
        rate: crate::plan::schedule::Rate::per_second(100.0),
        duration: 60 * SECOND,
        connections: 50,
        new_connections: false,
        round_trip: Duration::ZERO,
        timeout: 5 * SECOND,
        accept: Vec::new(),
        contains: None,
        echo: false,
        output: Output::Table,
        ledger: None,
    };
    while let Some(argument) = next(parser)? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Print(help::LOAD.into())),
            Arg::Short('r') | Arg::Long("rate") => options.rate = take(parser, "--rate", rate)?,
            Arg::Short('d') | Arg::Long("duration") => {
                let accepted = |text: &str| duration(text, SECOND / 10, HOUR);
                options.duration = take(parser, "--duration", accepted)?;
            }
            Arg::Short('c') | Arg::Long("connections") => {
                options.connections = take(parser, "--connections", |text| count(text, 10_000))?;
            }
            Arg::Long("new-connections") => options.new_connections = true,
            Arg::Long("round-trip") => {
                let accepted = |text: &str| duration(text, SECOND / 1000, SECOND);
                options.round_trip = take(parser, "--round-trip", accepted)?;
            }
            Arg::Long("timeout") => {
                let accepted = |text: &str| duration(text, SECOND / 1000, 60 * SECOND);
                options.timeout = take(parser, "--timeout", accepted)?;
            }
            Arg::Long("mix") => mixed.push(take(parser, "--mix", mix)?),
            Arg::Long("accept") => options.accept.push(take(parser, "--accept", status)?),
            Arg::Long("echo") => options.echo = true,
            Arg::Long("contains") => options.contains = Some(take(parser, "--contains", contains)?),
            Arg::Short('H') | Arg::Long("header") => message.header(&text(parser, "--header")?)?,
            Arg::Short('X') | Arg::Long("method") => message.method(&text(parser, "--method")?)?,
            Arg::Long("data") => message.data(text(parser, "--data")?),
            Arg::Short('o') | Arg::Long("output") => {
                options.output = take(parser, "--output", output)?;
            }
            Arg::Long("ledger") => {
                options.ledger = Some(parser.value().map_err(|error| error.to_string())?.into());
            }
            Arg::Value(value) => targets.push(target(Some(value))?),
            other => return Err(unexpected(&other)),
        }
    }
    if options.echo {
        if message.body.is_some() {
            return Err("--echo gives each request a body of its own: leave out --data".into());
        }
        // There will be one: a POST unless told otherwise.
        message.data(String::new());
    }
    options.message = message.build();
    if options.message.headers.contains_key(REQUEST_ID) {
        return Err("--header x-request-id: load gives each request an id of its own".into());
    }
    options.targets = shares(targets, mixed)?;
    Ok(Parsed::Run(Command::Ask(Ask::Load(options))))
}

/// Splits what the `--mix` URLs leave evenly among the others.
fn shares(targets: Vec<Target>, mixed: Vec<(Target, u64)>) -> Result<Vec<(Target, u64)>, String> {
    if targets.is_empty() {
        return Err("no URL given".into());
    }
    if targets.len() + mixed.len() > MAX_TARGETS {
        return Err(format!("too many URLs: at most {MAX_TARGETS} are accepted"));
    }
    let taken: u64 = mixed.iter().map(|(_, weight)| weight).sum();
    if taken >= WHOLE {
        return Err("--mix: the shares add up to all requests or more, and leave none for the other URLs".into());
    }
    let each = (WHOLE - taken) / targets.len() as u64;
    let targets = targets.into_iter().map(|target| (target, each));
    Ok(targets.chain(mixed).collect())
}

/// Collects what a request consists of.
#[derive(Default)]
struct MessageBuilder {
    method: Option<Method>,
    headers: HeaderMap,
    body: Option<String>,
}

impl MessageBuilder {
    fn method(&mut self, text: &str) -> Result<(), String> {
        match text.parse() {
            Ok(Method::CONNECT) | Err(_) => {
                Err(format!("--method {text:?}: accepted are GET, HEAD, POST and other methods, but not CONNECT"))
            }
            Ok(method) => {
                self.method = Some(method);
                Ok(())
            }
        }
    }

    fn header(&mut self, text: &str) -> Result<(), String> {
        let refuse = |why: &str| Err(format!("--header {text:?}: {why}"));
        let Some((name, value)) = text.split_once(':') else {
            return refuse("accepted is 'Name: value'");
        };
        let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) else {
            return refuse("it has characters that a header may not have");
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            return refuse("the client frames its requests itself");
        }
        if self.headers.len() >= MAX_HEADERS {
            return refuse(&format!("at most {MAX_HEADERS} headers are accepted"));
        }
        self.headers.append(name, value);
        Ok(())
    }

    fn data(&mut self, text: String) {
        self.body = Some(text);
    }

    fn build(self) -> Message {
        let default = if self.body.is_some() { Method::POST } else { Method::GET };
        Message {
            method: self.method.unwrap_or(default),
            headers: self.headers,
            body: Bytes::from(self.body.unwrap_or_default()),
        }
    }
}

fn next(parser: &mut Parser) -> Result<Option<Arg<'_>>, String> {
    parser.next().map_err(|error| error.to_string())
}

fn unexpected(argument: &Arg<'_>) -> String {
    match argument {
        Arg::Short(name) => format!("unknown option -{name}"),
        Arg::Long(name) => format!("unknown option --{name}"),
        Arg::Value(value) => format!("unexpected argument {value:?}"),
    }
}

fn text(parser: &mut Parser, option: &str) -> Result<String, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.string().map_err(|error| format!("{option}: {error}"))
}

/// The value of `option`, parsed by `parse`, whose error says what is accepted.
fn take<T>(parser: &mut Parser, option: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
    let value = text(parser, option)?;
    parse(&value).map_err(|why| format!("{option} {value:?}: {why}"))
}

fn only(slot: &mut Option<OsString>, value: OsString) -> Result<(), String> {
    match slot {
        None => *slot = Some(value),
        Some(_) => return Err(format!("unexpected argument {value:?}: one URL is accepted")),
    }
    Ok(())
}

fn target(url: Option<OsString>) -> Result<Target, String> {
    let url = url.ok_or("no URL given")?;
    match url.to_str() {
        Some(url) => Target::parse(url),
        None => Err(format!("URL {url:?}: it is not UTF-8")),
    }
}

fn timeouts(text: &str) -> Result<Duration, String> {
    duration(text, SECOND / 1000, HOUR)
}

fn status(text: &str) -> Result<StatusCode, String> {
    match text.parse() {
        Ok(status @ 200..=599) => StatusCode::from_u16(status).map_err(|error| error.to_string()),
        _ => Err("accepted is a status from 200 to 599".into()),
    }
}

fn output(text: &str) -> Result<Output, String> {
    match text {
        "table" => Ok(Output::Table),
        "json" => Ok(Output::Json),
        _ => Err("accepted are table and json".into()),
    }
}

fn contains(text: &str) -> Result<String, String> {
    match text.len() {
        1..=4096 => Ok(text.to_owned()),
        _ => Err("accepted is a text of 1 to 4096 bytes".into()),
    }
}

fn mix(text: &str) -> Result<(Target, u64), String> {
    let (part, url) = text.split_once('=').ok_or("accepted is SHARE=URL, as in 1%=http://backend:8000/slow")?;
    Ok((Target::parse(url)?, share(part)?))
}

#[cfg(test)]
mod tests;
