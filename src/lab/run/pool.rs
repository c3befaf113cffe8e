//! A pool of worker threads over a list of tasks.
//!
//! A worker keeps its slot and the trees of its instance. It stays with an instance to the end and then takes the next
//! instance that nobody began. If there is none, it helps with an instance of another worker.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Runs `work` over `tasks` on up to `workers` threads; results come in the order of the tasks. After the first error no
/// new task is taken; the error is returned when the running tasks are done.
pub(crate) fn map<T: Sync, R: Send>(
    workers: usize,
    tasks: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    each(workers, tasks, || (), |(), task| work(task))
}

/// Like [`map`], and each worker keeps something from one task to the next.
pub(crate) fn each<T: Sync, R: Send, K>(
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

/// Runs `work` over groups of tasks. There is one worker for each item of `kept`, and the items stay there for the next call.
///
/// A worker begins with a group that suits its item and stays with that group to the end. Then it takes the first group that
/// no worker began. If there is no such group, it helps with the group that has the most tasks left. After the first error
/// no new task is taken; the error is returned when the running tasks are done.
pub(crate) fn grouped<T: Sync, K: Send>(
    kept: &mut [K],
    groups: &[Vec<T>],
    suits: impl Fn(&K, &T) -> bool + Sync,
    work: impl Fn(&mut K, &T) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let board = Mutex::new(Board { next: vec![0; groups.len()], failed: None });
    std::thread::scope(|scope| {
        for kept in kept.iter_mut() {
            let (board, suits, work) = (&board, &suits, &work);
            scope.spawn(move || {
                let mut at = None;
                loop {
                    let claimed = lock(board).claim(groups, at, |task| suits(kept, task));
                    let Some((group, task)) = claimed else { return };
                    at = Some(group);
                    if let Err(error) = work(kept, &groups[group][task]) {
                        lock(board).failed.get_or_insert(error);
                    }
                }
            });
        }
    });
    let board = board.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    board.failed.map_or(Ok(()), Err)
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Which tasks are taken.
struct Board {
    /// Per group, the first task that nobody took.
    next: Vec<usize>,
    failed: Option<anyhow::Error>,
}

impl Board {
    /// The next task of a worker. `at` is the group that it works on, if it has begun one.
    fn claim<T>(&mut self, groups: &[Vec<T>], at: Option<usize>, suits: impl Fn(&T) -> bool) -> Option<(usize, usize)> {
        if self.failed.is_some() {
            return None;
        }
        let left = |group: &usize| groups[*group].len() - self.next[*group];
        let open = |group: &usize| left(group) > 0;
        let untouched = |group: &usize| open(group) && self.next[*group] == 0;
        let group = at
            .filter(open)
            .or_else(|| (0..groups.len()).filter(open).find(|group| at.is_none() && suits(&groups[*group][0])))
            .or_else(|| (0..groups.len()).find(untouched))
            .or_else(|| (0..groups.len()).filter(open).max_by_key(left))?;
        let task = self.next[group];
        self.next[group] += 1;
        Some((group, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    /// No worker is through with a thousand tasks of this length before it hears of another's error.
    const A_TASK: std::time::Duration = std::time::Duration::from_millis(1);

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
            std::thread::sleep(A_TASK);
            Ok(())
        });
        assert_eq!(result.unwrap_err().to_string(), "no more");
        assert!(taken.load(Ordering::SeqCst) < 1000);
    }

    /// Two workers, and what each of them did in order.
    fn done(groups: &[Vec<(char, u32)>], kept: &mut [(char, Vec<(char, u32)>)]) {
        let together = std::sync::Barrier::new(2);
        let started = |kept: &Vec<(char, u32)>| kept.len() == 1;
        grouped(
            kept,
            groups,
            |(name, _), task| task.0 == *name,
            |(_, done), task| {
                done.push(*task);
                // Both have begun before either goes on.
                if started(done) {
                    together.wait();
                }
                Ok(())
            },
        )
        .unwrap();
    }

    #[test]
    fn a_worker_stays_with_its_group_and_every_task_is_done_once() {
        let groups: Vec<Vec<_>> = ["a", "bb", "ccc"]
            .iter()
            .map(|name| (0..name.len() as u32 * 50).map(|n| (name.chars().next().unwrap(), n)).collect())
            .collect();
        let mut kept = [('-', Vec::new()), ('-', Vec::new())];
        done(&groups, &mut kept);
        let all: Vec<_> = kept.iter().flat_map(|(_, done)| done.clone()).collect();
        assert_eq!(all.len(), 300);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 300);
        let firsts: std::collections::BTreeSet<_> = kept.iter().map(|(_, done)| done[0]).collect();
        assert_eq!(firsts, [('a', 0), ('b', 0)].into(), "each begins with a group of its own");
        for (_, done) in &kept {
            let changes = done.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
            assert!(changes <= 2, "{done:?}");
        }
    }

    #[test]
    fn a_worker_begins_where_what_it_kept_is_of_use() {
        let groups = [vec![('a', 0), ('a', 1)], vec![('b', 0), ('b', 1)]];
        let mut kept = [('b', Vec::new()), ('a', Vec::new())];
        done(&groups, &mut kept);
        assert_eq!((kept[0].1[0].0, kept[1].1[0].0), ('b', 'a'));
    }

    #[test]
    fn an_error_in_a_group_ends_all_of_them() {
        let groups = [(0..1000).collect::<Vec<u32>>()];
        let mut kept = [0, 0];
        let failing = |kept: &mut u32, task: &u32| {
            *kept += 1;
            if *task == 3 {
                bail!("no more")
            }
            std::thread::sleep(A_TASK);
            Ok(())
        };
        assert_eq!(grouped(&mut kept, &groups, |_, _| false, failing).unwrap_err().to_string(), "no more");
        assert!(kept.iter().sum::<u32>() < 1000);
    }
}
