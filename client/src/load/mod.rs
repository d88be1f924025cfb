//! `client load`: an open loop of requests, and an account of what became of each.
//!
//! [`pacer`] says when a request is due; the request is given to a [`worker`], each of which owns one connection,
//! through a [`Queue`]; what the worker saw goes into the [`Ledger`].

use std::{
    cell::{Cell, RefCell},
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use tokio::task::JoinSet;

use self::worker::{Context, Ticket, Worker};
use self::{pacer::Pacer, queue::Queue};
use crate::{
    ledger::{account::Ledger, atomic_file::AtomicFile, json, table, timeline},
    output::{self, tell},
    plan::{
        mix::Mix,
        schedule::{Rate, Schedule},
    },
    request::{
        addresses::Rotation,
        message::Message,
        url::{Origin, Target},
    },
    stop::Stop,
};

mod limits;
mod pacer;
mod progress;
mod queue;
mod worker;

/// Exit status of a load that this process may not have: as for other values out of bounds.
const EXIT_BOUND: u8 = 64;
/// Exit status when a request was lost.
const EXIT_LOST: u8 = 1;
/// Exit status when the load could not be run, or its ledger not be written.
const EXIT_FAILED: u8 = 2;
/// Requests that may wait for an idle connection, for each host and port.
const MAX_BACKLOG: usize = 65_536;

/// What `load` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where to, with weights that add up to about [`crate::plan::mix::WHOLE`].
    pub(crate) targets: Vec<(Target, u64)>,
    /// What every request has in common.
    pub(crate) message: Message,
    /// How often.
    pub(crate) rate: Rate,
    /// For how long requests come due.
    pub(crate) duration: Duration,
    /// Connections to each host and port.
    pub(crate) connections: usize,
    /// A connection for each request instead of kept ones.
    pub(crate) new_connections: bool,
    /// How far away the client pretends to be: the time from here to the server and back.
    pub(crate) round_trip: Duration,
    /// From the intended start of a request; what is not complete by then is lost.
    pub(crate) timeout: Duration,
    /// Statuses that count as an answer, besides 200 to 299.
    pub(crate) accept: Vec<StatusCode>,
    /// Text that every answer's body must contain.
    pub(crate) contains: Option<String>,
    /// Each request has a body of its own, which every answer's body must be.
    pub(crate) echo: bool,
    /// Form of the ledger on standard output.
    pub(crate) output: Output,
    /// File for the ledger as JSON, in addition.
    pub(crate) ledger: Option<PathBuf>,
}

/// The form of the ledger on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What is known about a run besides its ledger.
pub(crate) struct Run {
    /// What was asked for.
    pub(crate) options: Rc<Options>,
    /// First part of every request's id.
    pub(crate) id: String,
    /// Requests that the schedule has.
    pub(crate) planned: u64,
    /// When the first request was due.
    pub(crate) started: SystemTime,
    /// From then to the end of the last request.
    pub(crate) took: Duration,
    /// From then to the last request that came due.
    pub(crate) due_for: Duration,
    /// Whether a signal ended it.
    pub(crate) stopped_early: bool,
}

impl Run {
    /// The `x-request-id` of request `sequence`.
    pub(crate) fn request_id(&self, sequence: u64) -> String {
        request_id(&self.id, sequence)
    }

    /// The rate that was kept, in requests a second.
    pub(crate) fn sent_per_second(&self, ledger: &Ledger) -> f64 {
        // The last request is due one interval before the end of the time that the schedule covers.
        let covered = self.due_for.as_secs_f64() + 1.0 / self.options.rate.as_f64();
        (ledger.sent as f64 / covered * 10.0).round() / 10.0
    }
}

/// Runs the load, and prints its ledger.
pub(crate) async fn run(options: Options, mut stop: Stop) -> ExitCode {
    let (origins, _) = origins(&options);
    if let Err(error) = limits::admit(options.connections * origins.len()) {
        tell(format_args!("client: --connections: {error}"));
        return ExitCode::from(EXIT_BOUND);
    }
    // A ledger that has nowhere to go is found out before the load, not after it.
    let file = match options.ledger.as_deref().map(AtomicFile::at).transpose() {
        Ok(file) => file,
        Err(error) => return failed(&unwritten(&options, &error)),
    };
    let (run, ledger) = match drive(options, &mut stop).await {
        Ok(done) => done,
        Err(error) => return failed(&error.to_string()),
    };
    match deliver(&run, &ledger, file) {
        Err(error) => failed(&format!("standard output: {error}")),
        Ok(Delivered::Elsewhere) => ExitCode::from(EXIT_FAILED),
        Ok(Delivered::AsAsked) if ledger.lost > 0 => ExitCode::from(EXIT_LOST),
        Ok(Delivered::AsAsked) => ExitCode::SUCCESS,
    }
}

fn unwritten(options: &Options, error: &io::Error) -> String {
    let path = options.ledger.as_deref().unwrap_or(Path::new(""));
    format!("--ledger {}: {error}", path.display())
}

fn failed(why: &str) -> ExitCode {
    tell(format_args!("client: {why}"));
    ExitCode::from(EXIT_FAILED)
}

/// Where the ledger went.
enum Delivered {
    AsAsked,
    /// To standard output, because its file could not be written.
    Elsewhere,
}

/// The file first: whatever becomes of what is printed, it is there.
fn deliver(run: &Run, ledger: &Ledger, file: Option<AtomicFile>) -> io::Result<Delivered> {
    let json = json::json(run, ledger)?;
    if let Some(file) = file
        && let Err(error) = file.write(json.as_bytes())
    {
        tell(format_args!("client: {}; the ledger is on standard output instead", unwritten(&run.options, &error)));
        return output::print(&json).map(|()| Delivered::Elsewhere);
    }
    let text = match run.options.output {
        Output::Table => table::table(run, ledger),
        Output::Json => json,
    };
    output::print(&text).map(|()| Delivered::AsAsked)
}

async fn drive(options: Options, stop: &mut Stop) -> io::Result<(Run, Ledger)> {
    let schedule = Schedule::new(options.rate, options.duration);
    let options = Rc::new(options);
    let bin = timeline::bin_width(options.duration);
    let ledger = Rc::new(RefCell::new(Ledger::new(bin)));
    let context = Rc::new(Context {
        options: Rc::clone(&options),
        run: run_id(),
        start: Cell::new(Instant::now()),
        ledger: Rc::clone(&ledger),
    });
    let mut pools = Pools::start(&context).await;
    context.start.set(Instant::now());
    let started = SystemTime::now();
    let progress = progress::show(Rc::clone(&ledger), context.start.get(), schedule.total());
    let progress = tokio::task::spawn_local(progress);

    let stopped_early = send_all(schedule, &context, &pools, stop).await?;
    let due_for = context.now();
    if stopped_early {
        let open = ledger.borrow().open();
        tell(format_args!("client: stopped; waiting for {open} open requests (stop again to give up on them)"));
    }
    tokio::select! {
        () = pools.finish() => {}
        _ = stop.signalled() => pools.abandon().await,
    }
    progress.abort();
    // Fails because it was aborted; the wait is for its line on the terminal to be done with.
    drop(progress.await);

    let took = context.now();
    let mut ledger = ledger.replace(Ledger::new(bin));
    ledger.abandon_open(took);
    ledger.close(took);
    let run =
        Run { options, id: context.run.clone(), planned: schedule.total(), started, took, due_for, stopped_early };
    Ok((run, ledger))
}

/// Hands out every request when it is due; true when a signal ended it before the last one.
async fn send_all(schedule: Schedule, context: &Context, pools: &Pools, stop: &mut Stop) -> io::Result<bool> {
    let pacer = Pacer::start(schedule, context.start.get())?;
    let mut mix = Mix::new(context.options.targets.iter().map(|(_, weight)| *weight));
    let mut next = 0;
    while next < schedule.total() {
        tokio::select! {
            () = pacer.tick() => {}
            _ = stop.signalled() => return Ok(true),
        }
        while next < schedule.due_by(context.now()) {
            pools.hand_out(next, schedule.due(next), mix.next(), context);
            next += 1;
        }
    }
    Ok(false)
}

/// The connections, by the host and port that they go to.
struct Pools {
    queues: Vec<Rc<Queue<Ticket>>>,
    /// For each target, which queue serves it.
    queue_of: Vec<usize>,
    workers: JoinSet<()>,
}

impl Pools {
    /// Starts the workers, and waits until each is ready for a request, so that the load's first moments are like its last.
    async fn start(context: &Rc<Context>) -> Self {
        let options = &context.options;
        let (origins, queue_of) = origins(options);
        let mut workers = JoinSet::new();
        let mut queues = Vec::new();
        for origin in origins {
            let queue = Rc::new(Queue::new(MAX_BACKLOG));
            let addresses = Rc::new(Rotation::new(origin.clone()));
            for _ in 0..options.connections {
                let worker = Worker::new(Rc::clone(context), Rc::clone(&addresses));
                workers.spawn_local(worker.work(Rc::clone(&queue)));
            }
            while queue.idle() < options.connections {
                tokio::task::yield_now().await;
            }
            queues.push(queue);
        }
        Self { queues, queue_of, workers }
    }

    fn hand_out(&self, sequence: u64, due: Duration, target: usize, context: &Context) {
        let queue = &self.queues[self.queue_of[target]];
        let late = context.now().saturating_sub(due);
        let ticket = Ticket { sequence, due, target, late, queued: queue.idle() == 0 };
        context.ledger.borrow_mut().due += 1;
        if let Err(ticket) = queue.push(ticket) {
            context.lose_unsent(&ticket, "too many requests wait for an idle connection");
        }
    }

    /// Waits until every request that was handed out has ended, which each does by its own timeout.
    async fn finish(&mut self) {
        for queue in &self.queues {
            queue.close();
        }
        while self.workers.join_next().await.is_some() {}
    }

    /// Gives up what has not ended.
    async fn abandon(&mut self) {
        self.workers.shutdown().await;
    }
}

/// The hosts and ports that the targets are at, each once; and for each target, which of them it is at.
fn origins(options: &Options) -> (Vec<&Origin>, Vec<usize>) {
    let mut origins: Vec<&Origin> = Vec::new();
    let mut origin_of = Vec::new();
    for (target, _) in &options.targets {
        let known = origins.iter().position(|&origin| *origin == target.origin);
        origin_of.push(known.unwrap_or(origins.len()));
        if known.is_none() {
            origins.push(&target.origin);
        }
    }
    (origins, origin_of)
}

fn request_id(run: &str, sequence: u64) -> String {
    format!("{run}-{sequence}")
}

/// Tells this run's requests from those of all other runs: 32 random bits, from the keys that `HashMap` draws.
fn run_id() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08x}", random as u32)
}
