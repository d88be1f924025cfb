//! The connections of a load, by the host and port that they go to: a request that is due is given to a [`Worker`], each of
//! which owns one connection, through a [`Queue`].

use std::{rc::Rc, time::Duration};

use tokio::task::JoinSet;

use super::origins::origins;
use super::queue::Queue;
use super::worker::{Context, Ticket, Worker};
use crate::request::addresses::Rotation;

/// Requests that may wait for an idle connection, for each host and port.
const MAX_BACKLOG: usize = 65_536;

pub(super) struct Pools {
    queues: Vec<Rc<Queue<Ticket>>>,
    /// For each URL, which queue serves it.
    queue_of: Vec<usize>,
    workers: JoinSet<()>,
}

impl Pools {
    /// Starts the workers, and waits until each is ready for a request, so that the load's first moments are like its last.
    pub(super) async fn start(context: &Rc<Context>) -> Self {
        let (origins, queue_of) = origins(&context.plan);
        let mut workers = JoinSet::new();
        let mut queues = Vec::new();
        for origin in origins {
            let queue = Rc::new(Queue::new(MAX_BACKLOG));
            let addresses = Rc::new(Rotation::new(origin.clone()));
            for _ in 0..context.plan.connections {
                let worker = Worker::new(Rc::clone(context), Rc::clone(&addresses));
                workers.spawn_local(worker.work(Rc::clone(&queue)));
            }
            while queue.idle() < context.plan.connections {
                tokio::task::yield_now().await;
            }
            queues.push(queue);
        }
        Self { queues, queue_of, workers }
    }

    /// Gives request `sequence`, which was due at `due` to the URL of this index, to a connection, or loses it.
    pub(super) fn hand_out(&self, sequence: u64, due: Duration, url: usize, context: &Context) {
        let queue = &self.queues[self.queue_of[url]];
        let late = context.now().saturating_sub(due);
        let ticket = Ticket { sequence, due, url, late, away: context.away(), queued: queue.idle() == 0 };
        context.account.borrow_mut().requests.due += 1;
        if let Err(ticket) = queue.push(ticket) {
            context.lose_unsent(&ticket, "too many requests wait for an idle connection");
        }
    }

    /// Waits until every request that was handed out has ended, which each does by its own timeout.
    pub(super) async fn finish(&mut self) {
        for queue in &self.queues {
            queue.close();
        }
        while self.workers.join_next().await.is_some() {}
    }

    /// Gives up what has not ended.
    pub(super) async fn abandon(&mut self) {
        self.workers.shutdown().await;
    }
}
