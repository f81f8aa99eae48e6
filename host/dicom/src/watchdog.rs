//! Ends connections that take too long, however busy they look.
//!
//! A timeout of a socket is renewed by every byte, so one who sends a byte a second is never late. Here the time runs to a
//! deadline, and then the connection is shut from outside.

use std::collections::BTreeMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often deadlines are looked at.
const STEP: Duration = Duration::from_millis(200);

/// Watches connections.
#[derive(Clone, Debug)]
pub struct Watchdog(Arc<Mutex<Watched>>);

#[derive(Debug, Default)]
struct Watched {
    next: u64,
    connections: BTreeMap<u64, (TcpStream, IpAddr, Instant)>,
}

/// A watched connection; dropping it ends the watch.
#[derive(Debug)]
pub struct Guard {
    watchdog: Watchdog,
    number: u64,
}

impl Watchdog {
    /// Starts the thread that watches; it ends with the last of its connections.
    pub fn start() -> Self {
        let watchdog = Self(Arc::default());
        let watched = Arc::downgrade(&watchdog.0);
        std::thread::spawn(move || watch(&watched));
        watchdog
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a connection for `patience`; none where there are `all` connections, or `of_one` of this address.
    pub fn guard(&self, stream: &TcpStream, address: IpAddr, all: usize, of_one: usize, patience: Duration) -> Option<Guard> {
        let mut watched = self.lock();
        let own = watched.connections.values().filter(|(_, other, _)| *other == address).count();
        if watched.connections.len() >= all || own >= of_one {
            return None;
        }
        let stream = stream.try_clone().ok()?;
        watched.next += 1;
        let number = watched.next;
        watched.connections.insert(number, (stream, address, Instant::now() + patience));
        Some(Guard { watchdog: self.clone(), number })
    }
}

fn watch(watched: &Weak<Mutex<Watched>>) {
    loop {
        std::thread::sleep(STEP);
        let Some(watched) = watched.upgrade() else { return };
        let now = Instant::now();
        for (stream, _, deadline) in watched.lock().unwrap_or_else(PoisonError::into_inner).connections.values() {
            if *deadline <= now {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Guard {
    /// From now on the connection has `patience` again.
    pub fn renew(&self, patience: Duration) {
        if let Some((_, _, deadline)) = self.watchdog.lock().connections.get_mut(&self.number) {
            *deadline = Instant::now() + patience;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.watchdog.lock().connections.remove(&self.number);
    }
}
