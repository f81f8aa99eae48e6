//! Threads for work that would block the async ones: a bounded queue, panics contained, replies by channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Worker threads behind a queue.
///
/// ```
/// use cxr_app::serve::pool::Pool;
/// let pool = Pool::start(2, 8, || |n: u32, _waited| n + 1);
/// let reply = pool.submit(41).unwrap();
/// assert_eq!(reply.blocking_recv().unwrap(), Ok(42));
/// ```
pub struct Pool<I, O> {
    queue: SyncSender<Job<I, O>>,
}

struct Job<I, O> {
    input: I,
    queued: Instant,
    reply: oneshot::Sender<Result<O, Panicked>>,
}

/// The work panicked; the worker goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// The queue is full; the input comes back.
#[derive(Debug)]
pub struct Full<I>(pub I);

/// The reply to a job; dropping it before the job's turn cancels the job.
pub type Reply<O> = oneshot::Receiver<Result<O, Panicked>>;

impl<I: Send + 'static, O: Send + 'static> Pool<I, O> {
    /// Starts `workers` threads and a queue of `capacity` jobs. `prepare` runs once on each thread and returns its work, which gets
    /// an input and the time that it waited. Threads end when the pool is dropped and the queue is empty.
    pub fn start<W>(workers: usize, capacity: usize, prepare: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: FnMut(I, Duration) -> O,
    {
        let (queue, jobs) = sync_channel(capacity);
        let (jobs, prepare) = (Arc::new(Mutex::new(jobs)), Arc::new(prepare));
        for _ in 0..workers {
            let (jobs, prepare) = (Arc::clone(&jobs), Arc::clone(&prepare));
            std::thread::spawn(move || work(&jobs, &mut prepare()));
        }
        Self { queue }
    }

    /// Queues a job without waiting.
    ///
    /// # Errors
    /// [`Full`].
    pub fn submit(&self, input: I) -> Result<Reply<O>, Full<I>> {
        let (reply, receiver) = oneshot::channel();
        match self.queue.try_send(Job { input, queued: Instant::now(), reply }) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Err(Full(job.input)),
        }
    }
}

fn work<I, O>(jobs: &Mutex<Receiver<Job<I, O>>>, work: &mut impl FnMut(I, Duration) -> O) {
    loop {
        // One idle worker waits inside the lock, the others for it.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { input, queued, reply }) = job else { return };
        // Nobody waits any more: the client went or its time ran out.
        if reply.is_closed() {
            continue;
        }
        let output = catch_unwind(AssertUnwindSafe(|| work(input, queued.elapsed())));
        let _ = reply.send(output.map_err(|_| Panicked));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_its_own_job_alone() {
        let pool = Pool::start(1, 4, || |n: u32, _| if n == 0 { panic!("hostile") } else { n });
        let replies: Vec<_> = [1, 0, 2].map(|n| pool.submit(n).unwrap()).into_iter().collect();
        let results: Vec<_> = replies.into_iter().map(|reply| reply.blocking_recv().unwrap()).collect();
        assert_eq!(results, [Ok(1), Err(Panicked), Ok(2)]);
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_abandoned_jobs_are_skipped() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let started = Arc::new(std::sync::Barrier::new(2));
        let ran = Arc::new(Mutex::new(Vec::new()));
        let (at_work, log) = (Arc::clone(&started), Arc::clone(&ran));
        let pool = Pool::start(1, 1, move || {
            let (gate, at_work, log) = (Arc::clone(&gate), Arc::clone(&at_work), Arc::clone(&log));
            move |n: u32, _| {
                log.lock().unwrap().push(n);
                if n == 1 {
                    at_work.wait();
                    gate.lock().unwrap().recv().unwrap();
                }
                n
            }
        });
        let first = pool.submit(1).unwrap();
        started.wait();
        let abandoned = pool.submit(2).unwrap();
        assert_eq!(pool.submit(3).unwrap_err().0, 3);
        drop(abandoned);
        release.send(()).unwrap();
        assert_eq!(first.blocking_recv().unwrap(), Ok(1));
        // The slot is free once the worker has looked at the abandoned job.
        let last = loop {
            match pool.submit(4) {
                Ok(reply) => break reply,
                Err(Full(_)) => std::thread::yield_now(),
            }
        };
        assert_eq!(last.blocking_recv().unwrap(), Ok(4));
        assert_eq!(*ran.lock().unwrap(), [1, 4]);
    }
}
