//! The two systems that need a store, the votes and the jobs: wired, and routed to.

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, Response};
use service::app::Server;
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::message::query;
use service::process::lifecycle::Phase;
use service::telemetry::metrics::Metrics;
use tokio::sync::watch;

use crate::config::{Role, StoreSettings};
use crate::jobs;
use crate::jobs::queue::Queue;
use crate::routes::Stored;
use crate::store::Store;
use crate::votes::Votes;
use crate::worker::Worker;

/// Votes and jobs, with their store.
pub(crate) struct Systems {
    queue: Queue,
    votes: Votes,
    /// In a process that is one.
    worker: Option<Arc<Worker>>,
}

impl Systems {
    /// Connects to the store, and notes the metrics.
    pub(crate) fn start(settings: StoreSettings, role: Role, metrics: &mut Metrics) -> Self {
        let reachable = metrics.add("store_reachable", "1 while the store is connected and answers");
        let store = Store::start(settings.address, settings.patience, reachable);
        let queue = Queue::new(store.clone(), settings.jobs);
        let votes = Votes::new(store, settings.votes);
        let worker = (role == Role::Worker)
            .then(|| Arc::new(Worker::new(settings.worker, queue.clone(), votes.clone(), metrics)));
        Self { queue, votes, worker }
    }

    /// Works until `phase` says that the server ends; nothing to do in a process that is no worker.
    pub(crate) async fn work(&self, phase: watch::Receiver<Phase>) {
        if let Some(worker) = self.worker.clone() {
            worker.run(phase).await;
        }
    }

    /// Answers a request to `stored`, whose path holds `id`.
    pub(crate) async fn answer(
        &self,
        stored: Stored,
        id: &str,
        head: &Parts,
        body: Incoming,
        server: &Server,
    ) -> Result<Response<Body>, Problem> {
        let served_by = &server.served_by_json;
        query::none(head.uri.query().unwrap_or_default())?;
        match (stored, &head.method) {
            (Stored::Votes, &Method::POST) => self.votes.vote(&server.room, &head.headers, body, served_by).await,
            (Stored::Votes, _) => self.votes.counts(served_by).await,
            (Stored::VotesPage, _) => Ok(self.votes.page(&server.identity).await),
            (Stored::VotesScript, _) => Ok(Votes::script()),
            (Stored::Jobs, &Method::POST) => {
                jobs::submit(&self.queue, &server.room, &head.headers, body, served_by).await
            }
            (Stored::Jobs, _) => jobs::counts(&self.queue, served_by).await,
            (Stored::DeadJobs, _) => jobs::dead(&self.queue, served_by).await,
            (Stored::PutBack, _) => jobs::put_back(&self.queue, id, served_by).await,
            (Stored::Job, _) => jobs::status(&self.queue, id, served_by).await,
        }
    }
}
