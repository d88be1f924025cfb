//! `client get`: one request, one reply.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::exit;
use crate::output::{draw, tell};
use crate::request::cause::{Cause, Kind};
use crate::request::connection::ClientConnection;
use crate::request::deadline::within;
use crate::request::message::Message;
use crate::request::url::Url;

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) url: Url,
    pub(crate) message: Message,
    /// For all of it: name, connection, request and reply.
    pub(crate) timeout: Duration,
    /// The body alone, without the head on standard error.
    pub(crate) quiet: bool,
}

/// Makes the request; the head goes to standard error and the body, byte for byte, to standard output.
pub(crate) async fn run(options: Options) -> ExitCode {
    let exchanged = within(Instant::now() + options.timeout, options.timeout, exchange(&options)).await;
    let outcome = exchanged.done.unwrap_or_else(|| {
        let after = format!("after {} s", options.timeout.as_secs_f64());
        Err(Cause::new(Kind::Timeout, after).into())
    });
    match outcome {
        Ok(status) if status.as_u16() < 400 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(exit::NOT_AS_ASKED),
        Err(Fault::Output(error)) => exit::not_printed(&error),
        Err(Fault::Reply(cause)) => exit::with(exit::NOTHING, format_args!("{}: {cause}", options.url.text)),
    }
}

/// What went wrong.
enum Fault {
    Reply(Cause),
    Output(io::Error),
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self::Reply(cause)
    }
}

async fn exchange(options: &Options) -> Result<http::StatusCode, Fault> {
    let mut connection = ClientConnection::open_any(&options.url.origin).await?;
    let reply = connection.send(options.message.to(&options.url)).await.map_err(Cause::from)?;
    if !options.quiet {
        draw(head(&reply, &connection));
    }
    let status = reply.status();
    print_body(reply.into_body(), options.quiet).await?;
    Ok(status)
}

fn head(reply: &Response<Incoming>, connection: &ClientConnection) -> String {
    let mut head = format!("connected to {}\n{:?} {}\n", connection.peer, reply.version(), reply.status());
    for (name, value) in reply.headers() {
        // Escaped: whatever the server sent, a terminal shows it and does not obey it.
        // Writing to a string does not fail.
        let _ = writeln!(head, "{name}: {}", value.as_bytes().escape_ascii());
    }
    head.push('\n');
    head
}

async fn print_body(mut body: Incoming, quiet: bool) -> Result<(), Fault> {
    let mut last = b'\n';
    let mut stdout = io::stdout().lock();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Cause::in_body(&error))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        last = data.last().copied().unwrap_or(last);
        // The body's pieces come when they come: what is there can be seen.
        match stdout.write_all(data).and_then(|()| stdout.flush()) {
            Ok(()) => {}
            // The reader has gone, `| head` for one; the reply itself is sound.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Fault::Output(error)),
        }
    }
    if last != b'\n' && !quiet {
        // Keeps the prompt off the body's last line and the body as it was.
        tell("");
    }
    Ok(())
}
