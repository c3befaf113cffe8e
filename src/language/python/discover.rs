//! Which files `unittest discover` finds as the project starts it: from `tox.ini`, `noxfile.py`, a makefile, `setup.cfg` or
//! `pyproject.toml`, if the command is plain there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{above, join};
use super::wildcard::fnmatch;
use crate::language::files::Files;
use crate::language::suite::is_at;

const PLACES: [&str; 6] = ["tox.ini", "noxfile.py", "Makefile", "makefile", "setup.cfg", "pyproject.toml"];

/// A command that looks for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Discovery {
    place: &'static str,
    /// Folder, empty for the top.
    start: String,
    pattern: String,
}

/// Files that no such command finds, with what leaves them out. Without a plain command nothing is left out.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn left_out(files: &dyn Files, collected: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let commands = commands(files)?;
    let Some(first) = commands.first() else { return Ok(BTreeMap::new()) };
    let paths = files.trusted()?;
    let paths: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let start = if first.start.is_empty() { "." } else { &first.start };
    let why = match commands.as_slice() {
        [_] => format!("unittest discover -s {start} -p {} ({})", first.pattern, first.place),
        _ => format!("{} commands of unittest discover, e.g. -s {start} ({})", commands.len(), first.place),
    };
    let found = |path: &String| commands.iter().any(|command| command.finds(path, &paths));
    Ok(collected.iter().filter(|path| !found(path)).map(|path| (path.clone(), why.clone())).collect())
}

/// Files that one of these commands finds. Without a plain command, none.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(super) fn found(files: &dyn Files) -> anyhow::Result<BTreeSet<String>> {
    let commands = commands(files)?;
    let paths = files.trusted()?;
    let all: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let is_found = |path: &&str| path.ends_with(".py") && commands.iter().any(|command| command.finds(path, &all));
    Ok(all.iter().copied().filter(is_found).map(str::to_owned).collect())
}

/// The commands of a tree, if all are plain.
fn commands(files: &dyn Files) -> anyhow::Result<Vec<Discovery>> {
    let mut commands = Vec::new();
    for place in PLACES {
        let Some(text) = files.text(place)? else { continue };
        for line in text.lines().filter(|line| line.contains("unittest")) {
            if line.trim_start().starts_with(['#', ';']) || line.contains("import unittest") {
                continue;
            }
            match discovery(place, line) {
                Some(found) => commands.push(found),
                // Who starts it in another way may find anything.
                None => return Ok(Vec::new()),
            }
        }
    }
    Ok(commands)
}

impl Discovery {
    /// Below the folder where it starts, it goes into packages alone. Who starts at the top is not held to that.
    fn finds(&self, path: &str, paths: &BTreeSet<&str>) -> bool {
        let package = |dir: &&str| paths.contains(join(dir, "__init__.py").as_str());
        let mut between = above(path).take_while(|dir| *dir != self.start);
        is_at(&self.start, path)
            && fnmatch(&self.pattern, path.rsplit('/').next().unwrap_or(path))
            && (self.start.is_empty() || between.all(|dir| package(&dir)))
    }
}

/// The command of a line. `None`: it is not plain.
fn discovery(place: &'static str, line: &str) -> Option<Discovery> {
    // A call that goes on in the next line.
    if place == "noxfile.py" && !line.trim_end().ends_with(')') {
        return None;
    }
    let bare: String = line.chars().map(|c| if "\"'(),[]".contains(c) { ' ' } else { c }).collect();
    let words: Vec<_> = bare.split_ascii_whitespace().collect();
    let module = words.windows(2).position(|pair| pair == ["-m", "unittest"])?;
    let mut words = words.into_iter().skip(module + 2).peekable();
    let mut found = Discovery { place, start: String::new(), pattern: "test*.py".to_owned() };
    let named = words.next_if_eq(&"discover").is_some();
    let mut positional = 0;
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if word.starts_with("--") => (option, Some(value)),
            Some(_) | None => (word, None),
        };
        let mut value = || value.or_else(|| words.next());
        match option {
            "-s" | "--start-directory" => found.start = plain_folder(value()?)?,
            "-p" | "--pattern" => found.pattern = value()?.to_owned(),
            "-t" | "--top-level-directory" => drop(plain_folder(value()?)?),
            "-v" | "--verbose" | "-q" | "--quiet" | "-b" | "--buffer" | "-c" | "--catch" | "-f" | "--failfast"
            | "{posargs}" => {}
            "&&" | ";" | "||" | "|" | "#" => break,
            word if named && !word.starts_with('-') => {
                positional += 1;
                match positional {
                    1 => found.start = plain_folder(word)?,
                    2 => word.clone_into(&mut found.pattern),
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    found.pattern.chars().all(|c| c.is_alphanumeric() || "_-.*?".contains(c)).then_some(found)
}

/// A folder that is written as it is.
fn plain_folder(word: &str) -> Option<String> {
    let path = word.trim_start_matches("./").trim_end_matches('/');
    let plain = path.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    (plain && !path.starts_with('/') && !path.contains("..")).then(|| if path == "." { "" } else { path }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;

    const TESTS: [&str; 5] =
        ["src/test_a.py", "tests/deep/test_b.py", "tests/flat/test_c.py", "tests/test_d.py", "tests/test_it_e.py"];

    /// The files that are left, and the first reason.
    fn left(more: &[(&str, &str)]) -> (Vec<String>, Option<String>) {
        let init = ("tests/deep/__init__.py", "");
        let files: Vec<_> = TESTS.iter().map(|path| (*path, "")).chain([init]).chain(more.iter().copied()).collect();
        let tests = TESTS.map(str::to_owned);
        let out = left_out(&Paper::of(&files), &tests).unwrap();
        (tests.into_iter().filter(|path| !out.contains_key(path)).collect(), out.into_values().next())
    }

    #[test]
    fn a_plain_command_says_where_tests_are_looked_for() {
        let tox = "[testenv]\ncommands =\n    python -m unittest discover -s tests -v {posargs}\n";
        let (files, why) = left(&[("tox.ini", tox)]);
        assert_eq!(files, [TESTS[1], TESTS[3], TESTS[4]]);
        assert_eq!(why.unwrap(), "unittest discover -s tests -p test*.py (tox.ini)");
        let nox = "def tests(session):\n    session.run(\"python\", \"-m\", \"unittest\", \"discover\", \"tests\", \"test_it*.py\")\n";
        assert_eq!(left(&[("noxfile.py", nox)]).0, [TESTS[4]]);
        let (files, why) =
            left(&[("Makefile", "test:\n\tpython3 -m unittest discover --start-directory=./src\n"), ("tox.ini", tox)]);
        assert_eq!(files, [TESTS[0], TESTS[1], TESTS[3], TESTS[4]]);
        assert!(why.unwrap().starts_with("2 commands of unittest discover"));
    }

    #[test]
    fn without_a_plain_command_nothing_is_left_out() {
        for line in [
            "python -m unittest discover -s {toxinidir}/tests",
            "python -m unittest tests.test_d",
            "python -m unittest discover -s $(TESTS)",
            "python -m unittest discover -k fast",
            "python -m unittest",
            "python -m unittest discover -v",
            "python -m pytest tests",
            "./run.sh unittest",
            "coverage run -m unittest-xml",
        ] {
            assert_eq!(left(&[("Makefile", &format!("test:\n\t{line}\n"))]).0, TESTS, "{line}");
        }
        // Files that no pattern of `discover` finds, and lines that name the module and start nothing.
        let others = ["checks/all.py", "pkg/a_test.py"].map(str::to_owned);
        for (place, text) in [
            ("Makefile", "unittest:\n\t./run.sh\n"),
            ("tox.ini", "[testenv:unittest]\ncommands = ./run.sh\n"),
            ("tox.ini", "[testenv]\ndeps = unittest-xml-reporting\ncommands = ./run.sh\n"),
            ("tox.ini", "[testenv]\ndescription = run unittests\n"),
            (
                "noxfile.py",
                "    session.run(\n        \"python\", \"-m\", \"unittest\", \"discover\",\n        \"-s\", \"checks\",\n    )\n",
            ),
        ] {
            assert!(left_out(&Paper::of(&[(place, text)]), &others).unwrap().is_empty(), "{place}: {text}");
        }
    }
}
