//! A pool of worker threads over a list of tasks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` over `tasks` on up to `workers` threads; results come in the order of the tasks. The first error stops
/// the taking of new tasks and is returned once the running ones are done.
pub(super) fn map<T: Sync, R: Send>(
    workers: usize,
    tasks: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    each(workers, tasks, || (), |(), task| work(task))
}

/// Like [`map`], with something that each worker keeps from one task to the next.
pub(super) fn each<T: Sync, R: Send, K>(
    workers: usize,
    tasks: &[T],
    keep: impl Fn() -> K + Sync,
    work: impl Fn(&mut K, &T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let done = Mutex::new(Vec::with_capacity(tasks.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                let mut kept = keep();
                while !stopped.load(Ordering::SeqCst) {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(task) = tasks.get(index) else { return };
                    let result = work(&mut kept, task);
                    if result.is_err() {
                        stopped.store(true, Ordering::SeqCst);
                    }
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let tasks: Vec<u32> = (0..100).collect();
        assert_eq!(map(4, &tasks, |task| Ok(task * 2)).unwrap(), (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_stops_the_taking_of_new_tasks() {
        let tasks: Vec<u32> = (0..1000).collect();
        let taken = AtomicUsize::new(0);
        let result = map(2, &tasks, |task| {
            taken.fetch_add(1, Ordering::SeqCst);
            if *task == 3 {
                bail!("no more")
            }
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "no more");
        assert!(taken.load(Ordering::SeqCst) < 1000);
    }
}
