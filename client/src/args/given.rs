//! What a command line gives, option by option, and what each command makes of it.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::parsed::{Ask, Command};
use super::quantity::{count, share};
use crate::plan::mix::WHOLE;
use crate::plan::{Form, Plan};
use crate::request::message::{Message, REQUEST_ID};
use crate::request::url::Url;
use crate::{get, spread, wait};

const MAX_HEADERS: usize = 64;
const MAX_URLS: usize = 64;

/// The values of the options of all commands; what a command has no row for stays empty.
#[derive(Default)]
pub(super) struct Given {
    /// What is no option, in order.
    pub(super) operands: Vec<OsString>,
    pub(super) method: Option<Method>,
    pub(super) headers: HeaderMap,
    pub(super) data: Option<String>,
    pub(super) timeout: Duration,
    pub(super) quiet: bool,
    pub(super) status: Option<StatusCode>,
    pub(super) interval: Duration,
    pub(super) mix: Vec<(Url, u64)>,
    /// What is of `load` alone.
    pub(super) plan: Plan,
    /// What is of `spread` alone.
    pub(super) spread: spread::Options,
}

/// What the values of options may be: each says what is accepted.
impl Given {
    pub(super) fn method(&mut self, text: &str) -> Result<(), String> {
        match text.parse() {
            Ok(Method::CONNECT) | Err(_) => {
                Err("accepted are GET, HEAD, POST and other methods, but not CONNECT".into())
            }
            Ok(method) => {
                self.method = Some(method);
                Ok(())
            }
        }
    }

    pub(super) fn header(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once(':').ok_or("accepted is 'Name: value'")?;
        let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) else {
            return Err("it has characters that a header may not have".into());
        };
        if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            return Err("the client frames its requests itself".into());
        }
        if self.headers.len() >= MAX_HEADERS {
            return Err(format!("at most {MAX_HEADERS} headers are accepted"));
        }
        self.headers.append(name, value);
        Ok(())
    }

    pub(super) fn status(&mut self, text: &str) -> Result<(), String> {
        self.status = Some(status(text)?);
        Ok(())
    }

    pub(super) fn accept(&mut self, text: &str) -> Result<(), String> {
        self.plan.accept.push(status(text)?);
        Ok(())
    }

    pub(super) fn within(&mut self, text: &str) -> Result<(), String> {
        self.spread.within = Some(share(text)? as f64 / WHOLE as f64);
        Ok(())
    }

    pub(super) fn output(&mut self, text: &str) -> Result<(), String> {
        self.plan.output = match text {
            "table" => Form::Table,
            "json" => Form::Json,
            _ => return Err("accepted are table and json".into()),
        };
        Ok(())
    }

    pub(super) fn contains(&mut self, text: &str) -> Result<(), String> {
        if !(1..=4096).contains(&text.len()) {
            return Err("accepted is a text of 1 to 4096 bytes".into());
        }
        self.plan.contains = Some(text.to_owned());
        Ok(())
    }

    pub(super) fn mix(&mut self, text: &str) -> Result<(), String> {
        let (part, url) = text.split_once('=').ok_or("accepted is SHARE=URL, as in 1%=http://backend:8000/slow")?;
        self.mix.push((Url::parse(url)?, share(part)?));
        Ok(())
    }

    pub(super) fn pods(&mut self, text: &str) -> Result<(), String> {
        let (service, pods) = text.split_once('=').ok_or("must be SERVICE=N, such as backend=4")?;
        self.spread.pods.push((service.to_owned(), count(pods, 10_000)?));
        Ok(())
    }
}

/// A status that may be waited for, or accepted.
fn status(text: &str) -> Result<StatusCode, String> {
    match text.parse() {
        Ok(status @ 200..=599) => StatusCode::from_u16(status).map_err(|error| error.to_string()),
        _ => Err("accepted is a status from 200 to 599".into()),
    }
}

pub(super) fn get(mut given: Given) -> Result<Command, String> {
    let (url, timeout, quiet) = (given.url()?, given.timeout, given.quiet);
    Ok(Command::Ask(Ask::Get(get::Options { url, message: given.message(), timeout, quiet })))
}

pub(super) fn wait(mut given: Given) -> Result<Command, String> {
    let (url, status, timeout, interval) = (given.url()?, given.status, given.timeout, given.interval);
    Ok(Command::Ask(Ask::Wait(wait::Options { url, message: given.message(), status, timeout, interval })))
}

pub(super) fn load(mut given: Given) -> Result<Command, String> {
    if given.plan.echo && given.data.is_some() {
        return Err("--echo gives each request a body of its own: leave out --data".into());
    }
    if given.headers.contains_key(REQUEST_ID) {
        return Err("--header x-request-id: load gives each request an id of its own".into());
    }
    if given.plan.echo {
        // There will be one: a POST unless told otherwise.
        given.data = Some(String::new());
    }
    let urls = given.operands.iter().map(|url| parsed_url(url)).collect::<Result<_, _>>()?;
    let (message, timeout) = (given.message(), given.timeout);
    Ok(Command::Ask(Ask::Load(Plan { urls: shares(urls, given.mix)?, message, timeout, ..given.plan })))
}

pub(super) fn spread(mut given: Given) -> Result<Command, String> {
    let ledger = given.operands.pop().ok_or("no ledger given: the file that load --ledger wrote")?.into();
    Ok(Command::Spread(spread::Options { ledger, ..given.spread }))
}

/// Splits what the `--mix` URLs leave evenly among the others.
fn shares(urls: Vec<Url>, mixed: Vec<(Url, u64)>) -> Result<Vec<(Url, u64)>, String> {
    if urls.is_empty() {
        return Err("no URL given".into());
    }
    if urls.len() + mixed.len() > MAX_URLS {
        return Err(format!("too many URLs: at most {MAX_URLS} are accepted"));
    }
    let taken: u64 = mixed.iter().map(|(_, weight)| weight).sum();
    if taken >= WHOLE {
        return Err("--mix: the shares add up to all requests or more, and leave none for the other URLs".into());
    }
    let each = (WHOLE - taken) / urls.len() as u64;
    Ok(urls.into_iter().map(|url| (url, each)).chain(mixed).collect())
}

impl Given {
    fn url(&mut self) -> Result<Url, String> {
        parsed_url(&self.operands.pop().ok_or("no URL given")?)
    }

    fn message(&mut self) -> Message {
        let default = if self.data.is_some() { Method::POST } else { Method::GET };
        Message {
            method: self.method.take().unwrap_or(default),
            headers: std::mem::take(&mut self.headers),
            body: Bytes::from(self.data.take().unwrap_or_default()),
        }
    }
}

#[expect(clippy::unnecessary_debug_formatting, reason = "quotes and escapes show where a bad URL starts and ends")]
fn parsed_url(url: &OsStr) -> Result<Url, String> {
    Url::parse(url.to_str().ok_or_else(|| format!("URL {url:?}: it is not UTF-8"))?)
}
