//! Request bodies within limits of size, time and memory.

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

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

/// A body's chunks until its end, `limit` bytes, `deadline` or a silence.
pub(super) fn chunks(body: Body, limit: usize, deadline: Instant) -> impl Stream<Item = Result<Bytes, Interrupted>> + Send {
    let state = (body.into_data_stream(), 0usize);
    stream::unfold(Some(state), move |state| async move {
        let (mut rest, read) = state?;
        let next = timeout_at(deadline.min(Instant::now() + SILENCE), rest.next()).await;
        let chunk = match next {
            Err(_) => return Some((Err(Interrupted::TooLate), None)),
            Ok(None) => return None,
            Ok(Some(Err(_))) => return Some((Err(Interrupted::Broken), None)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        let read = read + chunk.len();
        if read > limit {
            // A client that is still writing would miss an early answer: listen a little longer.
            let drain = async { while rest.next().await.is_some_and(|chunk| chunk.is_ok()) {} };
            let _ = timeout(Duration::from_secs(2), drain).await;
            return Some((Err(Interrupted::TooLarge(limit)), None));
        }
        Some((Ok(chunk), Some((rest, read))))
    })
}

/// A file in memory, and the part of the upload memory that it takes.
#[derive(Debug)]
pub(super) struct Upload {
    /// Its content.
    pub(super) bytes: Vec<u8>,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Memory for uploads, all requests together.
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

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
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
}
