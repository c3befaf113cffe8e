//! The part of a harness's log that the test command wrote, between the markers that SWE-bench and its relatives print.

use super::{Alarm, AlarmKind};

/// Markers of the SWE-bench family, as constants of that format.
const START: &str = ">>>>> Start Test Output";
const END: &str = ">>>>> End Test Output";

/// Marks of a harness that gave up before or while it ran the tests.
const GAVE_UP: [&str; 4] =
    [">>>>> Patch Apply Failed", ">>>>> Reset Failed", ">>>>> Tests Errored", ">>>>> Tests Timed Out"];

/// The test command's part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub text: String,
    /// Lines of the log before it.
    pub before: usize,
    /// Exit status that the harness noted behind the section.
    pub exit: Option<i32>,
    /// What the harness says went wrong before the tests could speak.
    pub gave_up: Option<&'static str>,
    /// The start marker stands there and no end marker behind it: the log was cut.
    pub cut: bool,
    pub alarms: Vec<Alarm>,
}

impl Section {
    /// Whether nothing stands between the markers but what a shell echoes: the output came by another way, as in logs that put
    /// the standard output first and the errors, which hold the markers, behind it.
    pub fn is_bare(&self) -> bool {
        let said = |line: &str| !line.trim().is_empty() && !line.starts_with('+');
        self.before > 0 && !self.cut && !self.text.lines().any(said)
    }

    /// The whole log in the place of the part between the markers.
    pub fn whole(self, log: &str) -> Self {
        Self { text: log.to_owned(), before: 0, ..self }
    }
}

/// Finds the section. A log without markers is its own section.
pub fn section(log: &str) -> Section {
    let lines: Vec<_> = log.split('\n').collect();
    let mut found = Section { gave_up: GAVE_UP.into_iter().find(|mark| own_line(&lines, mark)), ..Section::default() };
    let starts = places(&lines, START, &mut found.alarms);
    let ends = places(&lines, END, &mut found.alarms);
    for (name, places) in [("start", &starts), ("end", &ends)] {
        for again in places.iter().skip(1) {
            let detail = format!("the {name} marker stands again");
            found.alarms.push(Alarm { kind: AlarmKind::MarkerRepeated, line: again + 1, detail });
        }
    }
    let Some(&start) = starts.last() else {
        found.text = log.to_owned();
        return found;
    };
    let end = ends.iter().copied().rfind(|end| *end > start);
    found.cut = end.is_none();
    found.before = start + 1;
    found.text = lines[start + 1..end.unwrap_or(lines.len())].join("\n");
    found.exit = end.and_then(|end| lines[end + 1..].iter().rev().find_map(|line| exit_status(line)));
    found
}

/// Whether a line is the marker, plain or as a shell that echoes its commands writes it.
fn is_marker(line: &str, marker: &str) -> bool {
    let line = line.trim_end();
    let bare = line.strip_prefix("+ : ").or_else(|| line.strip_prefix("+ echo ")).unwrap_or(line);
    bare.trim_matches('\'') == marker
}

fn own_line(lines: &[&str], marker: &str) -> bool {
    lines.iter().any(|line| is_marker(line, marker))
}

/// Lines that are the marker; lines that hold it among other things are alarms.
fn places(lines: &[&str], marker: &str, alarms: &mut Vec<Alarm>) -> Vec<usize> {
    let mut places = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(marker)) {
        if is_marker(line, marker) {
            places.push(index);
        } else {
            let detail = format!("a marker inside a line: {:?}", line.chars().take(80).collect::<String>());
            alarms.push(Alarm { kind: AlarmKind::MarkerRepeated, line: index + 1, detail });
        }
    }
    places
}

/// A status in a line such as `SWEBENCH_TEST_EXIT_CODE=1` or `exit code: 1`.
fn exit_status(line: &str) -> Option<i32> {
    let lower = line.to_ascii_lowercase().replace(['_', '-'], " ");
    let at = ["exit code", "exit status"].iter().find_map(|mark| lower.find(mark).map(|at| at + mark.len()))?;
    let rest = lower[at..].trim_start_matches([' ', ':', '=', '\'', '"']);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_stands_between_the_markers_and_the_status_behind_it() {
        let log = "+ git diff\n+ : '>>>>> Start Test Output'\n+ pytest\nPASSED a\n+ : '>>>>> End Test Output'\n+ echo 'TEST_EXIT_CODE=1'\n";
        let found = section(log);
        assert_eq!((&*found.text, found.before, found.exit), ("+ pytest\nPASSED a", 2, Some(1)));
        assert!(found.alarms.is_empty() && !found.cut);
        assert_eq!(section("PASSED a\n").text, "PASSED a\n");
    }

    #[test]
    fn a_candidate_that_writes_markers_itself_is_noticed() {
        let own = ">>>>> Start Test Output\nPASSED a\n>>>>> End Test Output\nFAILED a\n>>>>> End Test Output\n";
        let found = section(own);
        assert_eq!(found.text.lines().last(), Some("FAILED a"), "up to the last end, not the first");
        assert_eq!(found.alarms[0].line, 5);
        let in_diff = "+x = '>>>>> End Test Output'\n>>>>> Start Test Output\na\n>>>>> End Test Output\n";
        assert_eq!(section(in_diff).alarms[0].kind, AlarmKind::MarkerRepeated);
    }

    #[test]
    fn a_cut_log_and_one_whose_harness_gave_up_say_so() {
        assert!(section(">>>>> Start Test Output\nPASSED a\n").cut);
        assert_eq!(section("x\n>>>>> Patch Apply Failed\n").gave_up, Some(">>>>> Patch Apply Failed"));
        assert_eq!(section("print('>>>>> Tests Errored')\n").gave_up, None);
    }
}
