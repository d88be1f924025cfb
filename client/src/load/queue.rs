//! Gives each request that is due to the connection that has been idle longest.
//!
//! First idle, first served: at a steady rate every connection is used in turn, as the connections of many users are.
//! When none is idle, requests wait in a bounded backlog, first come, first served.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::oneshot;

/// Hands tickets of type `T` to those who wait for one. For one thread.
pub(crate) struct Queue<T> {
    idle: RefCell<VecDeque<oneshot::Sender<T>>>,
    backlog: RefCell<VecDeque<T>>,
    bound: usize,
    closed: Cell<bool>,
}

impl<T> Queue<T> {
    /// A queue whose backlog holds at most `bound` tickets.
    pub(crate) fn new(bound: usize) -> Self {
        Self { idle: RefCell::default(), backlog: RefCell::default(), bound, closed: Cell::new(false) }
    }

    /// Gives `ticket` to whoever has waited longest, or else to the backlog; hands it back when that is full.
    pub(crate) fn push(&self, mut ticket: T) -> Result<(), T> {
        while let Some(idle) = self.idle.borrow_mut().pop_front() {
            match idle.send(ticket) {
                Ok(()) => return Ok(()),
                Err(back) => ticket = back,
            }
        }
        let mut backlog = self.backlog.borrow_mut();
        if backlog.len() >= self.bound {
            return Err(ticket);
        }
        backlog.push_back(ticket);
        Ok(())
    }

    /// How many wait for a ticket.
    pub(crate) fn idle(&self) -> usize {
        self.idle.borrow().len()
    }

    /// A place in the line; resolves to a ticket, or to an error once the queue is closed and its backlog is empty.
    pub(crate) fn wait(&self) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        if let Some(ticket) = self.backlog.borrow_mut().pop_front() {
            drop(sender.send(ticket));
        } else if !self.closed.get() {
            self.idle.borrow_mut().push_back(sender);
        }
        receiver
    }

    /// No more tickets will come: sends those home who wait.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_is_served_first() {
        let queue = Queue::new(1);
        assert_eq!(queue.idle(), 0);
        let (mut first, mut second) = (queue.wait(), queue.wait());
        assert_eq!(queue.idle(), 2);
        queue.push('a').unwrap();
        queue.push('b').unwrap();
        assert_eq!(first.try_recv(), Ok('a'));
        assert_eq!(second.try_recv(), Ok('b'));
    }

    #[test]
    fn one_who_left_the_line_gets_nothing() {
        let queue = Queue::new(1);
        drop(queue.wait());
        let mut stayed = queue.wait();
        queue.push('a').unwrap();
        assert_eq!(stayed.try_recv(), Ok('a'));
    }

    #[test]
    fn the_backlog_is_bounded_and_in_order() {
        let queue = Queue::new(2);
        queue.push('a').unwrap();
        queue.push('b').unwrap();
        assert_eq!(queue.push('c'), Err('c'));
        assert_eq!(queue.wait().try_recv(), Ok('a'));
        assert_eq!(queue.wait().try_recv(), Ok('b'));
    }

    #[test]
    fn a_closed_queue_still_hands_out_its_backlog() {
        let queue = Queue::new(1);
        queue.push('a').unwrap();
        queue.close();
        assert_eq!(queue.wait().try_recv(), Ok('a'));
        assert!(queue.wait().try_recv().is_err());

        let queue = Queue::<char>::new(1);
        let mut waiting = queue.wait();
        queue.close();
        assert!(waiting.try_recv().is_err());
    }
}
