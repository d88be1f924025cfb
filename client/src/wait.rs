//! `client wait`: asks until the reply is the one that was asked for.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep_until};

use crate::exit;
use crate::output::{draw, tell};
use crate::request::cause::{Cause, Kind};
use crate::request::connection::ClientConnection;
use crate::request::deadline::within;
use crate::request::message::Message;
use crate::request::url::Url;

/// One try takes at most this long, so that a server that stalls is asked again.
const LONGEST_TRY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) url: Url,
    pub(crate) message: Message,
    /// The status to wait for; any of 200 to 299 when none is given.
    pub(crate) status: Option<StatusCode>,
    pub(crate) timeout: Duration,
    /// From the start of one try to the start of the next.
    pub(crate) interval: Duration,
}

/// Asks, over a new connection each time, until the status is right or the time is over.
pub(crate) async fn run(options: Options) -> ExitCode {
    let start = Instant::now();
    let deadline = start + options.timeout;
    let mut progress = Progress::new(&options.url.text);
    let mut tries = 0u64;
    loop {
        let tried_at = Instant::now();
        tries += 1;
        let until = deadline.min(tried_at + LONGEST_TRY);
        let answer = within(until, LONGEST_TRY, ask(&options)).await.done;
        let answer = answer.unwrap_or_else(|| Err(Cause::new(Kind::Timeout, "")));
        let words = match &answer {
            Ok(status) => status.to_string(),
            Err(cause) => cause.to_string(),
        };
        let taken = start.elapsed().as_secs_f64();
        if let Ok(status) = answer
            && options.status.map_or(status.is_success(), |asked| asked == status)
        {
            let summary = format!("{words} after {taken:.1} s");
            progress.finish(&summary);
            return ExitCode::SUCCESS;
        }
        progress.show(&words, taken);
        sleep_until(deadline.min(tried_at + options.interval)).await;
        if Instant::now() >= deadline {
            let limit = options.timeout.as_secs_f64();
            progress.finish(&format!("gave up after {limit} s; last of {tries} tries: {words}"));
            return ExitCode::from(match answer {
                Ok(_) => exit::NOT_AS_ASKED,
                Err(_) => exit::NOTHING,
            });
        }
    }
}

async fn ask(options: &Options) -> Result<StatusCode, Cause> {
    let mut connection = ClientConnection::open_any(&options.url.origin).await?;
    let reply = connection.send(options.message.to(&options.url)).await?;
    let status = reply.status();
    let mut body = reply.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| Cause::in_body(&error))?;
    }
    Ok(status)
}

/// One line on standard error: rewritten in place on a terminal, else written again when the answer changes.
struct Progress<'a> {
    url: &'a str,
    terminal: bool,
    shown: String,
}

impl<'a> Progress<'a> {
    fn new(url: &'a str) -> Self {
        Self { url, terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    fn show(&mut self, answer: &str, seconds: f64) {
        if self.terminal {
            draw(format_args!("\r\x1b[K{}: {answer}, {seconds:.0} s", self.url));
        } else if self.shown != answer {
            tell(format_args!("{}: {answer}", self.url));
        }
        answer.clone_into(&mut self.shown);
    }

    fn finish(&mut self, summary: &str) {
        let erase = if self.terminal { "\r\x1b[K" } else { "" };
        tell(format_args!("{erase}{}: {summary}", self.url));
    }
}
