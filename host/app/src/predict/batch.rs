//! Many images by several threads: answers in the order of the inputs, a panic is its own image's error.

use anyhow::{Result, anyhow};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

thread_local! {
    /// Where the panic was that ended this thread's work; `Some` while there is work, whose panics print nothing.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` on each of `inputs`, `jobs` at once, and hands the results to `each` in order, as soon as it can.
///
/// A panic of `work` is an error that says where; `each` may end the run.
pub(super) fn run<I: Sync, O: Send>(
    inputs: &[I],
    jobs: NonZeroUsize,
    work: impl Fn(&I) -> Result<O> + Sync,
    mut each: impl FnMut(&I, Result<O>) -> ControlFlow<()>,
) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match PLACE.take() {
            Some(_) => PLACE.set(panic.location().map(ToString::to_string)),
            None => others(panic),
        }));
    });
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(inputs.len()) {
            let (sender, next, ended, work) = (sender.clone(), &next, &ended, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(index) else { return };
                    if ended.load(Ordering::Relaxed) || sender.send((index, contained(work, input))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut shown) = (BTreeMap::new(), 0);
        for (index, result) in results {
            early.insert(index, result);
            while let Some(result) = early.remove(&shown) {
                if each(&inputs[shown], result).is_break() {
                    ended.store(true, Ordering::Relaxed);
                    return;
                }
                shown += 1;
            }
        }
    });
}

fn contained<I, O>(work: impl Fn(&I) -> Result<O>, input: &I) -> Result<O> {
    PLACE.set(Some("an unknown place".to_owned()));
    let result = catch_unwind(AssertUnwindSafe(|| work(input)));
    let place = PLACE.take().unwrap_or_default();
    result.unwrap_or_else(|_| Err(anyhow!("the decoder failed at {place}, a fault of this program: leave the file out")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    #[test]
    fn results_come_in_order_and_a_panic_costs_its_own_input_alone() {
        let inputs: Vec<u64> = (0..60).collect();
        let work = |n: &u64| {
            // Later ones are quicker.
            std::thread::sleep(Duration::from_micros(60 * (60 - n)));
            match n {
                7 => panic!("hostile"),
                9 => Err(anyhow!("bad")),
                _ => Ok(2 * n),
            }
        };
        let mut seen = Vec::new();
        run(&inputs, FOUR, work, |n, result| {
            match (*n, result) {
                (7, Err(error)) => assert!(error.to_string().contains("batch.rs:"), "{error}"),
                (9, Err(error)) => assert_eq!(error.to_string(), "bad"),
                (n, result) => assert_eq!(result.unwrap(), 2 * n),
            }
            seen.push(*n);
            ControlFlow::Continue(())
        });
        assert_eq!(seen, inputs);
    }

    #[test]
    fn whoever_reads_the_results_may_end_the_run() {
        let inputs: Vec<usize> = (0..10_000).collect();
        let done = AtomicUsize::new(0);
        let mut seen = 0;
        let work = |_: &usize| {
            std::thread::sleep(Duration::from_micros(200));
            Ok(done.fetch_add(1, Ordering::Relaxed))
        };
        run(&inputs, FOUR, work, |_, _| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, 3);
        assert!(done.into_inner() < 5_000);
    }

    #[test]
    fn nothing_to_do_is_no_trouble() {
        run(&[] as &[u8], FOUR, |_| Ok(()), |_, _| panic!("nothing comes"));
    }
}
