//! Request bodies within limits of size, time and memory.

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// More bytes than allowed, which are these.
    TooLarge(usize),
    /// Not all of it by the deadline, or nothing for a while.
    TooLate,
    /// Other uploads hold the memory.
    NoMemory,
    /// The connection or its framing broke.
    Broken,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Interrupted {}

/// Longest silence within a body.
const SILENCE: Duration = Duration::from_secs(15);

/// The time that a body has to arrive. What the server's own work takes in between is not the client's.
pub(super) struct Arrival {
    begun: Instant,
    limit: Duration,
    own: Mutex<Duration>,
}

impl Arrival {
    /// Begins now.
    pub(super) fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), limit, own: Mutex::default() })
    }

    /// Does the server's own work, which does not count.
    pub(super) async fn pause<T>(&self, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = work.await;
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) += started.elapsed();
        done
    }

    fn own(&self) -> Duration {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When all must be there, or something again after the silence that began at `since`, when `own` had gone by.
    fn deadline(&self, since: Instant, own: Duration) -> Instant {
        let now = self.own();
        (self.begun + self.limit + now).min(since + SILENCE + (now - own))
    }
}

/// A body's chunks until its end, `limit` bytes, the end of the time for its `arrival` or a silence.
pub(super) fn chunks(body: Body, limit: usize, arrival: Arc<Arrival>) -> impl Stream<Item = Result<Bytes, Interrupted>> + Send {
    let state = (body.into_data_stream(), 0usize, arrival);
    stream::unfold(Some(state), move |state| async move {
        let (mut rest, read, arrival) = state?;
        let (since, own) = (Instant::now(), arrival.own());
        let next = loop {
            let deadline = arrival.deadline(since, own);
            let next = timeout_at(deadline, rest.next()).await;
            // A chunk may be waited for when the server's work begins: its time is known at its end.
            if next.is_err() && arrival.deadline(since, own) > deadline {
                continue;
            }
            break next;
        };
        let chunk = match next {
            Err(_) => return Some((Err(Interrupted::TooLate), None)),
            Ok(None) => return None,
            Ok(Some(Err(_))) => return Some((Err(Interrupted::Broken), None)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        let read = read + chunk.len();
        if read > limit {
            return Some((Err(Interrupted::TooLarge(limit)), None));
        }
        Some((Ok(chunk), Some((rest, read, arrival))))
    })
}

/// A file in memory, and the part of the upload memory that it takes.
#[derive(Debug)]
pub(super) struct Upload {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    _memory: Option<OwnedSemaphorePermit>,
}

/// An answer in memory, and the part of the memory that it takes, until it is sent.
struct Held {
    text: String,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Memory for uploads and answers, all requests together.
#[derive(Clone)]
pub(super) struct Memory(Arc<Semaphore>);

/// Bytes a permit stands for.
const GRAIN: usize = 4096;

impl Memory {
    /// `bytes` in all.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / GRAIN)))
    }

    /// Bytes in no use.
    pub(super) fn free(&self) -> usize {
        self.0.available_permits() * GRAIN
    }

    /// Holds an answer until it is sent.
    pub(super) fn hold(&self, text: String) -> Result<Bytes, Interrupted> {
        let grains = text.len().div_ceil(GRAIN) as u32;
        let memory = Arc::clone(&self.0).try_acquire_many_owned(grains).map_err(|_| Interrupted::NoMemory)?;
        Ok(Bytes::from_owner(Held { text, _memory: memory }))
    }

    /// Collects chunks; `hint` is the expected size.
    pub(super) async fn collect<E: Into<Interrupted>>(
        &self,
        mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
        hint: usize,
    ) -> Result<Upload, Interrupted> {
        // What a client says costs little until it sends it, whatever the allocator.
        let mut bytes = Vec::with_capacity(hint.min(1 << 14));
        let mut memory = None::<OwnedSemaphorePermit>;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(Into::into)?;
            bytes.extend_from_slice(&chunk);
            let held = memory.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let missing = bytes.len().div_ceil(GRAIN) - held;
            if missing > 0 {
                let more = Arc::clone(&self.0).try_acquire_many_owned(missing as u32).map_err(|_| Interrupted::NoMemory)?;
                match &mut memory {
                    Some(memory) => memory.merge(more),
                    None => memory = Some(more),
                }
            }
        }
        Ok(Upload { bytes, _memory: memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn soon() -> Arc<Arrival> {
        Arrival::new(Duration::from_millis(50))
    }

    #[test]
    fn size_time_and_memory_are_bounded() {
        run(async {
            let memory = Memory::new(4 * GRAIN);
            let read = |body: Body| memory.collect(Box::pin(chunks(body, 100_000, soon())), 0);
            let held = read(Body::from(vec![7; 3 * GRAIN])).await.unwrap();
            assert_eq!((held.bytes.len(), memory.free()), (3 * GRAIN, GRAIN));
            assert_eq!(read(Body::from(vec![7; GRAIN + 1])).await.unwrap_err(), Interrupted::NoMemory);
            drop(held);
            assert_eq!(memory.free(), 4 * GRAIN);
            assert_eq!(read(Body::from(vec![7; 100_001])).await.unwrap_err(), Interrupted::TooLarge(100_000));
            let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
            assert_eq!(read(silent).await.unwrap_err(), Interrupted::TooLate);
            let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]));
            assert_eq!(read(broken).await.unwrap_err(), Interrupted::Broken);
            assert!(read(Body::empty()).await.unwrap().bytes.is_empty());
        });
    }

    #[test]
    fn the_servers_own_work_is_not_the_clients_time() {
        run(async {
            let arrival = Arrival::new(Duration::from_millis(200));
            let late = async {
                tokio::time::sleep(Duration::from_millis(350)).await;
                Ok::<_, std::io::Error>(Bytes::from_static(b"late"))
            };
            let body = Body::from_stream(stream::once(async { Ok(Bytes::from_static(b"early")) }).chain(stream::once(late)));
            let mut chunks = Box::pin(chunks(body, 100, Arc::clone(&arrival)));
            assert_eq!(chunks.next().await.unwrap().unwrap(), "early");
            // The next chunk is asked for, as a parser of forms does that looks for the end of a part, and then there is work.
            assert!(chunks.next().now_or_never().is_none());
            arrival.pause(tokio::time::sleep(Duration::from_millis(300))).await;
            assert_eq!(chunks.next().await.unwrap().unwrap(), "late");
            // Without work in between it is too late.
            let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
            let mut chunks = Box::pin(super::chunks(body, 100, soon()));
            assert_eq!(chunks.next().await.unwrap().unwrap_err(), Interrupted::TooLate);
        });
    }

    #[test]
    fn answers_are_counted_until_they_are_sent() {
        let memory = Memory::new(4 * GRAIN);
        let answer = memory.hold("x".repeat(2 * GRAIN + 1)).unwrap();
        assert_eq!((answer.len(), memory.free()), (2 * GRAIN + 1, GRAIN));
        assert_eq!(memory.hold("x".repeat(2 * GRAIN)).unwrap_err(), Interrupted::NoMemory);
        drop(answer);
        assert_eq!(memory.free(), 4 * GRAIN);
    }
}
