//! The only door to the terminal: messages, progress, tables and results.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::verdict::VerdictStatus;

/// Without a terminal, a stage says where it is this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(60);

/// Where messages and progress go: standard error. Results go to standard output. A clone is the same console.
#[derive(Clone, Debug)]
pub struct Console {
    live: bool,
    current: Arc<Mutex<Option<ProgressBar>>>,
}

impl Default for Console {
    fn default() -> Self {
        Self { live: std::io::stderr().is_terminal(), current: Arc::default() }
    }
}

impl Console {
    /// A line for people.
    pub fn say(&self, message: impl AsRef<str>) {
        let bar = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match bar.as_ref() {
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
        *self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = bar.clone();
        Stage {
            console: self,
            name,
            total,
            bar,
            done: AtomicU64::new(0),
            started: Instant::now(),
            counts: Mutex::default(),
            last_line: Mutex::new(Instant::now()),
        }
    }
}

/// A stage under way; shared by the workers.
#[derive(Debug)]
pub struct Stage<'a> {
    console: &'a Console,
    name: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    done: AtomicU64,
    started: Instant,
    counts: Mutex<BTreeMap<VerdictStatus, u64>>,
    last_line: Mutex<Instant>,
}

impl Stage<'_> {
    /// One step is done.
    pub fn step(&self) {
        self.show(self.done.fetch_add(1, Ordering::Relaxed) + 1);
    }

    fn show(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if last.elapsed() >= PLAIN_INTERVAL {
            *last = Instant::now();
            self.console.say(self.line(done));
        }
    }

    /// The number of steps that are done in all; it never counts back.
    pub fn advance_to(&self, done: u64) {
        let before = self.done.fetch_max(done, Ordering::Relaxed);
        if before < done {
            self.show(done);
        }
    }

    /// One step is done and came to a verdict.
    pub fn judged(&self, status: VerdictStatus) {
        let message = {
            let mut counts = self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *counts.entry(status).or_default() += 1;
            summary(&counts)
        };
        if let Some(bar) = &self.bar {
            bar.set_message(message);
        }
        self.step();
    }

    fn line(&self, done: u64) -> String {
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = done as f64 / elapsed.max(0.001);
        let left = (self.total.saturating_sub(done)) as f64 / rate.max(0.001);
        let counts = self.counts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        format!("{} {done}/{}{}, {rate:.1}/s, about {left:.0} s left", self.name, self.total, summary(&counts))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        *self.console.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = None;
    }
}

fn summary(counts: &BTreeMap<VerdictStatus, u64>) -> String {
    counts.iter().map(|(status, count)| format!(", {count} {status:?}").to_lowercase()).collect()
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
    fn a_table_lines_up_words_left_and_numbers_right() {
        let rows = [vec!["skill", "rows"], vec!["repair", "7"], vec!["test", "12"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|s| s.to_string()).collect()).collect();
        assert_eq!(table(&rows), "skill   rows\nrepair     7\ntest      12");
    }
}
