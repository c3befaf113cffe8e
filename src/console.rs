//! The only door to the terminal: messages, progress, tables and results.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::verdict::VerdictStatus;

/// Without a terminal, a stage says where it is this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// Where messages and progress go: standard error. Results go to standard output. A clone is the same console.
#[derive(Clone, Debug)]
pub struct Console {
    live: bool,
    current: Arc<Mutex<Option<Arc<Shown>>>>,
}

impl Default for Console {
    fn default() -> Self {
        Self { live: std::io::stderr().is_terminal(), current: Arc::default() }
    }
}

impl Console {
    /// A line for people.
    pub fn say(&self, message: impl AsRef<str>) {
        let current = lock(&self.current);
        match current.as_ref().and_then(|shown| shown.bar.as_ref()) {
            Some(bar) => bar.suspend(|| eprintln!("{}", message.as_ref())),
            None => eprintln!("{}", message.as_ref()),
        }
    }

    /// A result on standard output. A closed pipe (`| head`) is not an error.
    pub fn print(&self, text: impl AsRef<str>) {
        let mut out = std::io::stdout().lock();
        let _closed_pipe = writeln!(out, "{}", text.as_ref());
    }

    /// Starts a stage of `total` steps.
    pub fn stage(&self, name: &'static str, total: u64) -> Stage<'_> {
        let bar = self.live.then(|| {
            let style = ProgressStyle::with_template("{prefix:>10} {bar:30} {pos}/{len}{msg}, {per_sec}, eta {eta}");
            let bar = ProgressBar::new(total).with_prefix(name);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let progress = Mutex::new(Progress::new(Instant::now()));
        let shown = Arc::new(Shown { name, total, bar, progress });
        *lock(&self.current) = Some(shown.clone());
        Stage { console: self, shown }
    }

    /// A run for an instance is done.
    pub fn ran(&self, instance: &str) {
        self.update(|progress| {
            progress.runs += 1;
            if let Some(left) = progress.to_come.get_mut(instance) {
                *left = left.saturating_sub(1);
            }
        });
    }

    /// Runs that are likely to come for an instance; they are counted until what this gives is dropped.
    pub fn expect_runs(&self, instance: &str, runs: u64) -> Expected<'_> {
        self.update(|progress| {
            progress.to_come.insert(instance.to_owned(), runs);
        });
        Expected { console: self, instance: instance.to_owned() }
    }

    /// Changes the stage at hand, if there is one, and shows it.
    fn update(&self, change: impl FnOnce(&mut Progress)) {
        let shown = lock(&self.current).clone();
        let Some(shown) = shown else { return };
        let line = shown.change(change);
        if let Some(line) = line {
            self.say(line);
        }
    }
}

/// Runs that are expected for an instance.
#[derive(Debug)]
pub struct Expected<'a> {
    console: &'a Console,
    instance: String,
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.console.update(|progress| {
            progress.to_come.remove(&self.instance);
        });
    }
}

/// A stage as people see it.
#[derive(Debug)]
struct Shown {
    name: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    progress: Mutex<Progress>,
}

/// How far a stage is.
#[derive(Debug)]
struct Progress {
    done: u64,
    runs: u64,
    /// Runs that are to come for the instances under way, if all goes well.
    to_come: BTreeMap<String, u64>,
    counts: BTreeMap<VerdictStatus, u64>,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    fn new(started: Instant) -> Self {
        Self { done: 0, runs: 0, to_come: BTreeMap::new(), counts: BTreeMap::new(), started, last_line: started }
    }

    /// What stands behind the number of steps.
    fn summary(&self) -> String {
        let mut text: String =
            self.counts.iter().map(|(status, count)| format!(", {count} {status:?}").to_lowercase()).collect();
        if self.runs > 0 {
            text += &format!(", {} runs", self.runs);
        }
        let to_come: u64 = self.to_come.values().sum();
        if to_come > 0 {
            text += &format!(" and about {to_come} to come for what is under way");
        }
        text
    }

    fn line(&self, name: &str, total: u64) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = self.done as f64 / elapsed.max(0.001);
        let counted = format!("{name} {}/{total}{}", self.done, self.summary());
        if self.done == 0 {
            return format!("{counted}, for {elapsed:.0} s");
        }
        let left = (total.saturating_sub(self.done)) as f64 / rate.max(0.001);
        format!("{counted}, {rate:.1}/s, about {left:.0} s left")
    }
}

impl Shown {
    /// Changes the progress. Gives a line for people who have no bar, now and then.
    fn change(&self, change: impl FnOnce(&mut Progress)) -> Option<String> {
        let mut progress = lock(&self.progress);
        change(&mut progress);
        if let Some(bar) = &self.bar {
            bar.set_message(progress.summary());
            bar.set_position(progress.done);
            return None;
        }
        if progress.last_line.elapsed() < PLAIN_INTERVAL {
            return None;
        }
        progress.last_line = Instant::now();
        Some(progress.line(self.name, self.total))
    }
}

/// A stage under way; shared by the workers.
#[derive(Debug)]
pub struct Stage<'a> {
    console: &'a Console,
    shown: Arc<Shown>,
}

impl Stage<'_> {
    /// One step is done.
    pub fn step(&self) {
        self.change(|progress| progress.done += 1);
    }

    /// The number of steps that are done in all; it never counts back.
    pub fn advance_to(&self, done: u64) {
        self.change(|progress| progress.done = progress.done.max(done));
    }

    /// One step is done and came to a verdict.
    pub fn judged(&self, status: VerdictStatus) {
        self.change(|progress| {
            *progress.counts.entry(status).or_default() += 1;
            progress.done += 1;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(line) = self.shown.change(change) {
            self.console.say(line);
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.shown.bar {
            bar.finish_and_clear();
        }
        *lock(&self.console.current) = None;
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Text of others as one line that cannot control a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Lays out rows of text in columns; the first row is the heading. Columns of numbers are set to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<_> =
        (0..columns).map(|c| rows.iter().map(|r| cell(r, c).chars().count()).max().unwrap_or(0)).collect();
    let numeric: Vec<_> = (0..columns)
        .map(|c| rows.iter().skip(1).all(|row| cell(row, c).parse::<f64>().is_ok() || cell(row, c).is_empty()))
        .collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<_> = (0..columns)
            .map(|c| {
                let (value, width) = (cell(row, c), widths[c]);
                if numeric[c] { format!("{value:>width$}") } else { format!("{value:<width$}") }
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_counts_runs_and_those_that_are_to_come() {
        let console = Console { live: false, current: Arc::default() };
        let stage = console.stage("admit", 3);
        let summary = || lock(&stage.shown.progress).summary();
        assert_eq!(summary(), "");
        console.ran("a");
        assert_eq!(summary(), ", 1 runs");
        assert!(lock(&stage.shown.progress).line("admit", 3).starts_with("admit 0/3, 1 runs, for 0 s"));
        let first = console.expect_runs("a", 12);
        let second = console.expect_runs("b", 2);
        console.ran("a");
        assert_eq!(summary(), ", 2 runs and about 13 to come for what is under way");
        drop(first);
        drop(second);
        stage.judged(VerdictStatus::Verified);
        assert_eq!(summary(), ", 1 verified, 2 runs");
        assert!(lock(&stage.shown.progress).line("admit", 3).contains("/s, about "));
        drop(stage);
        console.ran("a");
    }

    #[test]
    fn a_table_lines_up_words_left_and_numbers_right() {
        let rows = [vec!["skill", "rows"], vec!["repair", "7"], vec!["test", "12"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|s| s.to_string()).collect()).collect();
        assert_eq!(table(&rows), "skill   rows\nrepair     7\ntest      12");
    }
}
