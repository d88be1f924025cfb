//! A server: accepts connections, serves them, and drains when asked to stop; and its port of metrics.
//!
//! Knows `connection` and what is below it.

pub mod exposition;
pub mod listener;

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::app::{App, Server};
use crate::connection;
use crate::process::lifecycle::{Event, Phase};

/// Asks a server to stop. The first request starts the drain, the second ends its quiet period.
#[derive(Debug, Clone)]
pub struct Stop(mpsc::Sender<()>);

/// The server's end of [`Stop`].
#[derive(Debug)]
pub struct Stopping(mpsc::Receiver<()>);

/// A handle to stop a server with, and what to give the server.
pub fn stop() -> (Stop, Stopping) {
    // Two requests mean all that any number of them could.
    let (sender, receiver) = mpsc::channel(2);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Asks once.
    pub fn ask(&self) {
        // A full channel holds both requests already; a closed one belongs to a server that has stopped.
        let _ = self.0.try_send(());
    }
}

impl Stopping {
    async fn asked(&mut self) {
        if self.0.recv().await.is_none() {
            pending::<()>().await;
        }
    }
}

impl Server {
    /// Serves `app` on `listener` until asked to stop, then drains. True if every request in flight had ended.
    pub async fn run<A: App>(self: Arc<Self>, listener: TcpListener, app: Arc<A>, mut stopping: Stopping) -> bool {
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        // Each connection holds a receiver, and so does the app's own work; the channel is closed when the last one has ended.
        let (open, connection) = watch::channel(());
        let work = Arc::clone(&app).work(Arc::clone(&self));
        tokio::spawn(async move {
            work.await;
            drop(connection);
        });
        let mut listener = Some(listener);
        let mut beginning = pin!(async {
            if !self.faults.start.is_zero() {
                tokio::time::sleep(self.faults.start).await;
            }
            app.begin().await;
        });
        // Where there is nothing to wait for it is ready before its first connection.
        tokio::select! {
            biased;
            () = &mut beginning => self.happens(Event::Started),
            () = ready(()) => {}
        }
        loop {
            let phase = self.phase();
            if !phase.is_accepting()
                && let Some(listener) = listener.take()
            {
                for (stream, peer) in listener::take_waiting(listener) {
                    let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
                    self.spawn(&app, stream, peer, (slot, open.subscribe()));
                }
            }
            let event = tokio::select! {
                () = stopping.asked() => Event::Terminate,
                () = passed(phase.deadline()) => Event::Tick,
                () = &mut beginning, if phase == Phase::Starting => Event::Started,
                () = open.closed(), if listener.is_none() => Event::Idle,
                (stream, peer, slot) = next(listener.as_ref(), &slots) => {
                    self.spawn(&app, stream, peer, (slot, open.subscribe()));
                    continue;
                }
            };
            self.happens(event);
            if let Phase::Stopped { clean } = self.phase() {
                return clean;
            }
        }
    }

    fn spawn<A: App>(
        self: &Arc<Self>,
        app: &Arc<A>,
        stream: TcpStream,
        peer: SocketAddr,
        held: (OwnedSemaphorePermit, watch::Receiver<()>),
    ) {
        let (server, app) = (Arc::clone(self), Arc::clone(app));
        let phase = self.phase.subscribe();
        self.metrics.accepted.inc();
        self.metrics.connections.inc();
        tokio::spawn(async move {
            connection::serve(Arc::clone(&server), app, stream, peer, phase).await;
            server.metrics.connections.dec();
            drop(held);
        });
    }

    /// Moves to the phase after `event`, and logs the move.
    fn happens(&self, event: Event) {
        let before = self.phase();
        let phase = before.next(event, Instant::now().into_std(), self.timing);
        if phase == before {
            return;
        }
        self.phase.send_replace(phase);
        let in_flight = self.metrics.requests_in_flight();
        let connections = self.metrics.connections_open();
        match phase {
            Phase::Starting => {}
            Phase::Serving => tracing::info!("ready"),
            Phase::Draining { .. } => tracing::info!(
                in_flight,
                connections,
                seconds = self.timing.quiet.as_secs_f64(),
                close_notice = !self.faults.no_close_notice,
                "draining: asked to stop; replies say Connection: close where close_notice is true"
            ),
            Phase::Closing { .. } => tracing::info!(
                in_flight,
                connections,
                seconds = self.timing.longest_request.as_secs_f64(),
                "closing: nothing is accepted, requests in flight may end"
            ),
            Phase::Stopped { clean: true } => tracing::info!(in_flight, connections, "drained"),
            Phase::Stopped { clean: false } => tracing::warn!(
                in_flight,
                connections,
                "the deadline has passed, what is left is cut: raise LONGEST_REQUEST_SECONDS if requests take longer"
            ),
        }
    }
}

async fn passed(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// The next connection, once there is room for one: beyond the limit, connections wait in the kernel's backlog.
async fn next(listener: Option<&TcpListener>, slots: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let Some(listener) = listener else {
        return pending().await;
    };
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        return pending().await; // Only a closed semaphore fails, and nobody closes it.
    };
    let (stream, peer) = listener::accept(listener).await;
    (stream, peer, slot)
}
