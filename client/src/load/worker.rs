//! One worker owns one connection, and makes the requests that are given to it, one after the other.
//!
//! A connection is opened when a request needs it, so that a failure to connect is that request's loss. One that is
//! found closed while it is idle is replaced before the next request, and costs none: nothing had been written. From
//! the moment that a request is given to the connection nothing is excused: when the server closes in that very
//! moment, the request is lost.

use std::cell::{Cell, RefCell};
use std::future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONNECTION, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::absence::{Absence, BEAT};
use super::queue::Queue;
use crate::ledger::account::{Account, Loss};
use crate::ledger::run::RunId;
use crate::ledger::served;
use crate::plan::Plan;
use crate::request::addresses::Rotation;
use crate::request::cause::{Cause, Kind};
use crate::request::connection::{ClientConnection, SendError, says_close};
use crate::request::deadline::within;
use crate::request::message::REQUEST_ID;

/// As much of a body is searched for the text that it must contain.
const MAX_SEARCHED: usize = 1024 * 1024;
/// How often the id stands in a body of `--echo`.
const OWN_LINES: usize = 32;

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// Its number, from 0.
    pub(super) sequence: u64,
    /// When it was due, from the start.
    pub(super) due: Duration,
    pub(super) url: usize,
    /// How much later than that it was handed out.
    pub(super) late: Duration,
    /// How long this process had been away by then.
    pub(super) away: Duration,
    pub(super) queued: bool,
}

/// What all workers of a load share.
pub(super) struct Context {
    pub(super) plan: Rc<Plan>,
    pub(super) run: RunId,
    pub(super) start: Cell<Instant>,
    pub(super) account: Rc<RefCell<Account>>,
    pub(super) absence: Cell<Absence>,
}

impl Context {
    /// Time from the start.
    pub(super) fn now(&self) -> Duration {
        self.start.get().elapsed()
    }

    /// How long this process has been away, all times together.
    pub(super) fn away(&self) -> Duration {
        self.absence.get().until(self.now())
    }

    pub(super) async fn live(self: Rc<Self>) {
        loop {
            tokio::time::sleep(BEAT).await;
            let mut absence = self.absence.get();
            absence.beat(self.now());
            self.absence.set(absence);
        }
    }

    fn request_id(&self, ticket: &Ticket) -> String {
        self.run.request(ticket.sequence)
    }

    /// A body that no other request has: its id in some lines, a few hundred bytes.
    fn own_body(&self, ticket: &Ticket) -> Bytes {
        Bytes::from((self.request_id(ticket) + "\n").repeat(OWN_LINES))
    }

    fn request(&self, ticket: &Ticket) -> Request<Full<Bytes>> {
        let (url, _) = &self.plan.urls[ticket.url];
        let mut request = self.plan.message.to(url);
        if let Ok(id) = HeaderValue::try_from(self.request_id(ticket)) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        if self.plan.echo {
            *request.body_mut() = Full::new(self.own_body(ticket));
        }
        if self.plan.new_connections {
            let close = HeaderValue::from_static("close");
            request.headers_mut().insert(CONNECTION, close);
        }
        request
    }

    /// Enters a request that no connection was idle for.
    pub(super) fn lose_unsent(&self, ticket: &Ticket, why: &str) {
        self.lose(ticket, Cause::new(Kind::Unsent, why), Seen::nothing());
    }

    fn lose(&self, ticket: &Ticket, cause: Cause, seen: Seen) {
        self.account.borrow_mut().lose(Loss {
            sequence: ticket.sequence,
            due: ticket.due,
            ended: self.now(),
            cause,
            peer: seen.peer,
            status: seen.status,
            served_by: seen.served_by,
        });
    }
}

/// How far a request got, for the entry of its loss.
struct Seen {
    /// What its timeout means at this stage.
    timeout: Kind,
    peer: Option<SocketAddr>,
    status: Option<StatusCode>,
    served_by: Option<String>,
}

impl Seen {
    fn nothing() -> Self {
        Self { timeout: Kind::Resolve, peer: None, status: None, served_by: None }
    }
}

/// The owner of one connection.
pub(super) struct Worker {
    context: Rc<Context>,
    addresses: Rc<Rotation>,
    /// Idle while it is here. Taken out for a request, and put back only after a complete reply.
    connection: Option<ClientConnection>,
}

impl Worker {
    pub(super) fn new(context: Rc<Context>, addresses: Rc<Rotation>) -> Self {
        Self { context, addresses, connection: None }
    }

    /// Makes requests until `queue` is closed and empty.
    pub(super) async fn work(mut self, queue: Rc<Queue<Ticket>>) {
        while let Some(ticket) = self.next(&queue).await {
            self.serve(&ticket).await;
        }
    }

    /// Waits for a request, and keeps an eye on the idle connection.
    async fn next(&mut self, queue: &Queue<Ticket>) -> Option<Ticket> {
        let mut ticket = queue.wait();
        loop {
            tokio::select! {
                // First, so that a close that is known by now is noticed before the request is written.
                biased;
                () = closed(&mut self.connection) => self.closed_idle(),
                ticket = &mut ticket => return ticket.ok(),
            }
        }
    }

    fn closed_idle(&mut self) {
        self.connection = None;
        self.context.account.borrow_mut().connections.closed_idle += 1;
    }

    async fn serve(&mut self, ticket: &Ticket) {
        let context = Rc::clone(&self.context);
        let late = context.now().saturating_sub(ticket.due);
        // The wait for a connection is the server's time, which keeps them busy; all else is this client's, and so is its absence.
        let away = context.away().saturating_sub(ticket.away);
        let lag = if ticket.queued { (ticket.late + away).min(late) } else { late };
        let waited = late.saturating_sub(lag);
        let timeout = context.plan.timeout;
        {
            let mut account = context.account.borrow_mut();
            account.lag.record(lag);
            if ticket.queued {
                account.queued += 1;
                account.queue_wait.record(waited);
            }
            if waited < timeout {
                account.requests.sent += 1;
            }
        }
        if waited >= timeout {
            return context.lose_unsent(ticket, "no connection became idle in time");
        }
        let mut seen = Seen::nothing();
        let deadline = context.start.get() + ticket.due + lag + timeout;
        let outcome = within(deadline.into(), timeout, self.exchange(ticket, &mut seen)).await;
        if !outcome.lag.is_zero() {
            context.account.borrow_mut().lag.record(outcome.lag);
        }
        match outcome.done {
            Some(Ok(headers)) => {
                let now = context.now();
                context.account.borrow_mut().answer(ticket.due, now, &headers);
            }
            Some(Err(cause)) => context.lose(ticket, cause, seen),
            None => {
                let after = format!("after {} s", timeout.as_secs_f64());
                context.lose(ticket, Cause::new(seen.timeout, after), seen);
            }
        }
    }

    /// Makes the request, and checks the reply; the headers of the right one.
    async fn exchange(&mut self, ticket: &Ticket, seen: &mut Seen) -> Result<HeaderMap, Cause> {
        let request = self.context.request(ticket);
        let (connection, reply) = self.send(request, seen).await?;
        let (head, body) = reply.into_parts();
        seen.status = Some(head.status);
        seen.served_by = served_by(&head.headers);
        self.check_owner(ticket, &head)?;
        let body = self.read(body).await?;
        self.keep(connection, &head);
        self.check(ticket, &head, &body)?;
        Ok(head.headers)
    }

    /// Sends over the kept connection, or over a new one when there is none that is open.
    async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
        seen: &mut Seen,
    ) -> Result<(ClientConnection, Response<Incoming>), Cause> {
        loop {
            let kept = self.connection.take();
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.open(seen).await?,
            };
            seen.peer = Some(connection.peer);
            seen.timeout = Kind::Timeout;
            match connection.send(request).await {
                Ok(reply) => return Ok((connection, reply)),
                Err(SendError::Unwritten(back)) if was_kept => {
                    self.closed_idle();
                    request = *back;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn open(&self, seen: &mut Seen) -> Result<ClientConnection, Cause> {
        seen.timeout = Kind::Resolve;
        let addresses = self.addresses.next().await?;
        seen.peer = addresses.first().copied().filter(|_| addresses.len() == 1);
        seen.timeout = Kind::ConnectTimeout;
        let connection = ClientConnection::open(&addresses, self.context.plan.round_trip).await?;
        self.context.account.borrow_mut().connections.opened += 1;
        Ok(connection)
    }

    fn check_owner(&self, ticket: &Ticket, head: &Parts) -> Result<(), Cause> {
        match head.headers.get(REQUEST_ID) {
            None => self.context.account.borrow_mut().requests.unidentified += 1,
            Some(id) if id.as_bytes() == self.context.request_id(ticket).as_bytes() => {}
            Some(id) => {
                let whose = format!("x-request-id: {}", id.as_bytes().escape_ascii());
                return Err(Cause::new(Kind::Crossed, whose));
            }
        }
        Ok(())
    }

    /// Reads the body to its end; returns as much of it as is to be searched.
    async fn read(&self, mut body: Incoming) -> Result<Vec<u8>, Cause> {
        let plan = &self.context.plan;
        let searched = if plan.contains.is_some() || plan.echo { MAX_SEARCHED } else { 0 };
        let mut start = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Cause::in_body(&error))?;
            if let Some(data) = frame.data_ref() {
                let room = searched.saturating_sub(start.len()).min(data.len());
                start.extend_from_slice(&data[..room]);
            }
        }
        Ok(start)
    }

    /// After a complete reply: keeps the connection, unless either side said that this was its last.
    fn keep(&mut self, connection: ClientConnection, head: &Parts) {
        if self.context.plan.new_connections {
            return;
        }
        if says_close(head.version, &head.headers) {
            self.context.account.borrow_mut().connections.closed_announced += 1;
            return;
        }
        self.connection = Some(connection);
    }

    fn check(&self, ticket: &Ticket, head: &Parts, body: &[u8]) -> Result<(), Cause> {
        let plan = &self.context.plan;
        let status = head.status;
        *self.context.account.borrow_mut().statuses.entry(status.as_u16()).or_default() += 1;
        if !status.is_success() && !plan.accept.contains(&status) {
            return Err(Cause::new(Kind::of_status(status), status.to_string()));
        }
        if let Some(text) = &plan.contains
            && !body.windows(text.len()).any(|window| window == text.as_bytes())
        {
            return Err(Cause::new(Kind::WrongBody, ""));
        }
        if plan.echo && body != self.context.own_body(ticket) {
            return Err(Cause::new(Kind::WrongBody, format!("{} bytes", body.len())));
        }
        Ok(())
    }
}

async fn closed(connection: &mut Option<ClientConnection>) {
    match connection {
        Some(connection) => connection.closed().await,
        None => future::pending().await,
    }
}

fn served_by(headers: &HeaderMap) -> Option<String> {
    let hops: Vec<_> = served::hops(headers).iter().map(|hop| hop.text).collect();
    (!hops.is_empty()).then(|| hops.join(", "))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local, yield_now};
    use tokio::time;

    use super::*;
    use crate::{plan::mix::WHOLE, request::url::Url};

    /// Answers one request a connection, and closes it without a notice.
    async fn answer_and_close(listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_close_that_is_noticed_while_idle_costs_nothing_and_is_counted() {
        const REQUESTS: u64 = 4;
        const LONG: Duration = Duration::from_secs(60);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let addresses = Rc::new(Rotation::new(url.origin.clone()));
        let plan = Plan { urls: vec![(url, WHOLE)], timeout: LONG, ..Plan::default() };
        let context = Rc::new(Context {
            plan: Rc::new(plan),
            run: RunId::random(),
            start: Cell::new(Instant::now()),
            account: Rc::new(RefCell::new(Account::new(LONG))),
            absence: Cell::default(),
        });
        let load = async {
            let server = spawn_local(answer_and_close(listener));
            let queue = Rc::new(Queue::new(1));
            let worker = spawn_local(Worker::new(Rc::clone(&context), addresses).work(Rc::clone(&queue)));
            for sequence in 0..REQUESTS {
                let (due, late, away) = (context.now(), Duration::ZERO, Duration::ZERO);
                let ticket = Ticket { sequence, due, url: 0, late, away, queued: false };
                queue.push(ticket).unwrap();
                while context.account.borrow().connections.closed_idle == sequence {
                    yield_now().await;
                }
            }
            queue.close();
            worker.await.unwrap();
            server.abort();
        };
        time::timeout(LONG, LocalSet::new().run_until(load)).await.expect("every close is noticed");
        let account = context.account.borrow();
        assert_eq!((account.requests.answered, account.requests.lost), (REQUESTS, 0));
        assert_eq!((account.connections.opened, account.connections.closed_idle), (REQUESTS, REQUESTS));
    }
}
