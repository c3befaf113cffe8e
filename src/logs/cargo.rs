//! Output of `cargo test`: libtest's lines, one block per test program.

use super::lines::{Line, count};
use super::{AlarmKind, Entry, LogStatus, ParsedLog};

/// A block from `running N tests` to `test result:`.
#[derive(Default)]
struct Block {
    expected: usize,
    entries: Vec<Entry>,
    /// Written `test NAME ... ` and no result yet: what the test printed stands between.
    pending: Option<(String, usize)>,
}

pub(crate) fn parse(lines: &[Line]) -> ParsedLog {
    let mut log = ParsedLog::default();
    let (mut block, mut program): (Option<Block>, String) = (None, String::new());
    for line in lines {
        let text = line.text.trim_end();
        if let Some(expected) = running(text) {
            block = Some(Block { expected, ..Block::default() });
        } else if let Some(summary) = text.strip_prefix("test result: ") {
            match block.take() {
                Some(done) => close(&mut log, done, line.number, summary),
                None => log.alarm(AlarmKind::OutOfPlace, line.number, "a result of tests that nothing started"),
            }
        } else if let Some(name) = text.trim_start().strip_prefix("Running ") {
            program = name.trim_start_matches("unittests ").split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(rest) = text.strip_prefix("test ").filter(|rest| rest.contains(" ... ")) {
            let Some((name, result)) = rest.split_once(" ... ") else { continue };
            let name = name.trim_end_matches(" - should panic");
            match (status(result), &mut block) {
                (Some(status), Some(block)) => block.entries.push(entry(&program, name, status, line.number)),
                (None, Some(block)) => block.pending = Some((name.to_owned(), line.number)),
                (Some(status), None) => log.elsewhere.push(entry(&program, name, status, line.number)),
                (None, None) => {}
            }
        } else if let (Some(status), Some(block)) = (status(text), &mut block)
            && let Some((name, at)) = block.pending.take()
        {
            block.entries.push(entry(&program, &name, status, at));
        }
    }
    log.finished = block.is_none() && !log.entries.is_empty();
    log.entries.extend(block.into_iter().flat_map(|block| block.entries));
    log
}

fn entry(program: &str, name: &str, status: LogStatus, line: usize) -> Entry {
    Entry { names: vec![format!("{program}:{name}"), name.to_owned()], status, line }
}

fn running(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("running ")?;
    let (count, unit) = rest.split_once(' ')?;
    (unit == "tests" || unit == "test").then(|| count.parse().ok())?
}

fn status(text: &str) -> Option<LogStatus> {
    let word = text.trim().split([' ', ',']).next()?;
    match word {
        "ok" => Some(LogStatus::Passed),
        "FAILED" => Some(LogStatus::Failed),
        "ignored" => Some(LogStatus::Skipped),
        _ => None,
    }
}

fn close(log: &mut ParsedLog, block: Block, line: usize, summary: &str) {
    let named = |status| block.entries.iter().filter(|entry| entry.status == status).count();
    let (passed, failed, ignored) = (named(LogStatus::Passed), named(LogStatus::Failed), named(LogStatus::Skipped));
    let said = |word| count(summary, word).unwrap_or(0);
    let agree = passed == said("passed") && failed == said("failed") && ignored == said("ignored");
    if !agree || block.entries.len() > block.expected || summary.starts_with("ok") == (failed > 0) {
        let detail = format!(
            "{passed} ok, {failed} FAILED and {ignored} ignored of {} are named; the runner says: {summary}",
            block.expected
        );
        log.alarm(AlarmKind::TotalsDisagree, line, detail);
    }
    log.entries.extend(block.entries);
}

#[cfg(test)]
mod tests {
    use super::super::{AlarmKind, Found, LogFormat, LogStatus};

    const LOG: &str = "\
   Compiling mixer v0.1.0 (/testbed)
     Running unittests src/lib.rs (target/debug/deps/mixer-0a1b2c3d)

running 4 tests
test ratio::halves ... ok
test ratio::loud ... said something
ok
test ratio::zero - should panic ... FAILED
test ratio::slow ... ignored, takes an hour

failures:

---- ratio::zero stdout ----
note: test did not panic as expected

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/whole.rs (target/debug/deps/whole-11223344)

running 1 test
test halves ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests mixer

running 1 test
test src/lib.rs - ratio (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.41s
";

    #[test]
    fn programs_and_doc_tests_are_read() {
        let log = LogFormat::Cargo.parse(LOG);
        assert!(log.finished && log.alarms.is_empty(), "{log:?}");
        for (name, status) in [
            ("ratio::halves", LogStatus::Passed),
            ("ratio::loud", LogStatus::Passed),
            ("ratio::zero", LogStatus::Failed),
            ("ratio::slow", LogStatus::Skipped),
            ("tests/whole.rs:halves", LogStatus::Passed),
            ("src/lib.rs - ratio (line 3)", LogStatus::Passed),
        ] {
            assert_eq!(log.index().find(name), Found::One(status), "{name}");
        }
        assert_eq!(LogFormat::detect(LOG), Some(LogFormat::Cargo));
    }

    #[test]
    fn printed_results_make_the_counts_differ() {
        let log = LogFormat::Cargo.parse(&LOG.replace("said something\nok", "said\ntest fake ... ok\nok"));
        assert_eq!(log.alarms.first().unwrap().kind, AlarmKind::TotalsDisagree);
        assert!(!LogFormat::Cargo.parse("running 2 tests\ntest a ... ok\n").finished);
    }
}
