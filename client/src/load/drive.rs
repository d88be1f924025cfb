//! Drives a load: [`Pacer`] says when a request is due, [`Mix`] where it goes, [`Pools`] take it, and what they saw goes into the
//! [`Account`].

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::{pacer::Pacer, pools::Pools, progress, worker::Context};
use crate::ledger::account::Account;
use crate::ledger::run::{Run, RunId};
use crate::ledger::timeline;
use crate::output::tell;
use crate::plan::Plan;
use crate::plan::mix::Mix;
use crate::plan::schedule::Schedule;
use crate::stop::Stop;

/// Runs the load, to its end or until `stop`.
pub(super) async fn drive(plan: Plan, stop: &mut Stop) -> io::Result<(Run, Account)> {
    let schedule = Schedule::new(plan.rate, plan.duration);
    let plan = Rc::new(plan);
    let bin = timeline::bin_width(plan.duration);
    let account = Rc::new(RefCell::new(Account::new(bin)));
    let context = Rc::new(Context {
        plan: Rc::clone(&plan),
        run: RunId::random(),
        start: Cell::new(Instant::now()),
        account: Rc::clone(&account),
        absence: Cell::default(),
    });
    let mut pools = Pools::start(&context).await;
    context.start.set(Instant::now());
    let started = SystemTime::now();
    let progress = progress::show(Rc::clone(&account), context.start.get(), schedule.total());
    let progress = tokio::task::spawn_local(progress);
    let life = tokio::task::spawn_local(Rc::clone(&context).live());

    let stopped_early = send_all(schedule, &context, &pools, stop).await?;
    let due_for = context.now();
    if stopped_early {
        let open = account.borrow().open();
        tell(format_args!("client: stopped; waiting for {open} open requests (stop again to give up on them)"));
    }
    tokio::select! {
        () = pools.finish() => {}
        _ = stop.signalled() => pools.abandon().await,
    }
    life.abort();
    progress.abort();
    // Fails because it was aborted; the wait is for its line on the terminal to be done with.
    drop(progress.await);

    let took = context.now();
    let mut account = account.replace(Account::new(bin));
    account.abandon_open(took);
    account.close(took);
    let run = Run { plan, id: context.run.clone(), planned: schedule.total(), started, took, due_for, stopped_early };
    Ok((run, account))
}

/// Hands out every request when it is due; true when a signal ended it before the last one.
async fn send_all(schedule: Schedule, context: &Context, pools: &Pools, stop: &mut Stop) -> io::Result<bool> {
    let pacer = Pacer::start(schedule, context.start.get())?;
    let mut mix = Mix::new(context.plan.urls.iter().map(|(_, weight)| *weight));
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
