//! What a list of requirements is made of, and how pip reads words and files of it.

use super::requirement::{AN_ADDRESS, Requirement, normalised};

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Requirement(Requirement),
    /// A group of `pyproject.toml`.
    Group(String),
    /// An extra of the project itself.
    Extra(String),
    /// A requirement file, by its path in the tree.
    File(String),
    /// A file of constraints, by its path in the tree.
    Constraints(String),
    /// What is not taken, and why.
    LeftOut(String, String),
}

impl Entry {
    /// A requirement line without options.
    pub fn line(line: &str) -> Option<Self> {
        let line = line.split(" --").next().unwrap_or(line).trim();
        match own_path(line) {
            Some(extras) => extras,
            None if line.is_empty() => None,
            None => Some(match Requirement::parse(line) {
                Ok(requirement) => Self::Requirement(requirement),
                Err(why) if why == AN_ADDRESS => Self::left_out(line, &why),
                Err(_) if is_place(line) => Self::left_out(line, "it is a path or an address and not a name"),
                Err(why) => Self::left_out(line, &why),
            }),
        }
    }

    pub fn left_out(what: &str, why: &str) -> Self {
        Self::LeftOut(what.to_owned(), why.to_owned())
    }
}

/// Entries for `.` and `.[a,b]`: the project itself is there anyway, its extras are wanted. None: it is something else.
fn own_path(line: &str) -> Option<Option<Entry>> {
    let rest = line.strip_prefix("./").or_else(|| line.strip_prefix('.'))?;
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // One entry stands for one extra; `words` and `file` part a list before they ask.
        Some((extra, "")) => Some(normalised(extra).map(Entry::Extra)),
        _ if rest.is_empty() => Some(None),
        _ => None,
    }
}

fn is_place(line: &str) -> bool {
    line.contains("://") || line.contains('/') || line.ends_with(".whl")
}

/// Several extras in one line become a line for each.
fn spread(line: &str) -> Vec<String> {
    let inner = ["./[", ".["].iter().find_map(|start| line.strip_prefix(start)).and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(extras) => extras.split(',').map(|extra| format!(".[{}]", extra.trim())).collect(),
        None => vec![line.to_owned()],
    }
}

/// What words mean to `pip install`. `folder` is where paths begin, as a path in the tree.
pub(crate) fn words(words: &[String], folder: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        let (option, value) = parted(word);
        match option {
            "-r" | "--requirement" | "-c" | "--constraint" => {
                let Some(file) = value.or_else(|| rest.next()) else { continue };
                entries.push(match inside(folder, file) {
                    None => Entry::left_out(&format!("{option} {file}"), "the tree has no such file"),
                    Some(path) if matches!(option, "-r" | "--requirement") => Entry::File(path),
                    Some(path) => Entry::Constraints(path),
                });
            }
            "-e" | "--editable" => entries.extend(value.or_else(|| rest.next()).into_iter().flat_map(editable)),
            "--group" => entries.extend(value.or_else(|| rest.next()).and_then(normalised).map(Entry::Group)),
            "--extra" => entries.extend(value.or_else(|| rest.next()).and_then(normalised).map(Entry::Extra)),
            "--hash" | "-U" | "--upgrade" | "-q" | "--quiet" => {}
            _ if word.starts_with('-') => {
                let with_value =
                    ["-i", "-f", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", "--no-binary"];
                let value = value.or_else(|| with_value.contains(&option).then(|| rest.next()).flatten());
                let whole = value.map_or_else(|| option.to_owned(), |value| format!("{option} {value}"));
                entries.push(Entry::left_out(&whole, "it is an option"));
            }
            _ => entries.extend(spread(word).iter().filter_map(|line| Entry::line(line))),
        }
    }
    entries
}

/// The entries of a requirement file's text.
pub(crate) fn file(text: &str, folder: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        let line = without_comment(line.trim_start_matches('\u{feff}').trim());
        if line.starts_with('-') {
            // `-rfile` and `-r file`.
            let parts: Vec<String> = line.splitn(2, [' ', '\t']).map(|part| part.trim().to_owned()).collect();
            entries.extend(words(&parts, folder));
        } else if !line.is_empty() {
            entries.extend(spread(line).iter().filter_map(|line| Entry::line(line)));
        }
    }
    entries
}

/// Whether a requirement file names the project itself, as `-e .` or `.[extra]`.
pub(crate) fn installs_the_project(text: &str) -> bool {
    text.lines().any(|line| {
        let line = without_comment(line.trim());
        let option = ["-e", "--editable"].iter().find_map(|option| line.strip_prefix(option));
        let what = option.map_or(line, |rest| rest.trim_start_matches('=').trim());
        own_path(what).is_some()
    })
}

/// An editable install: only the project itself has its code here.
fn editable(what: &str) -> Vec<Entry> {
    let own: Vec<Option<Option<Entry>>> = spread(what).iter().map(|line| own_path(line)).collect();
    match own.iter().all(Option::is_some) {
        true => own.into_iter().flatten().flatten().collect(),
        false => vec![Entry::left_out(&format!("-e {what}"), "it is a path or an address and not a name")],
    }
}

/// An option and the value that is written together with it.
fn parted(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option, Some(value)),
        _ if word.len() > 2 && ["-r", "-c", "-e"].iter().any(|short| word.starts_with(short)) => {
            (&word[..2], Some(word[2..].trim()))
        }
        _ => (word, None),
    }
}

/// A path of the tree out of one that begins in a folder of it; None if it leaves the tree.
pub(crate) fn inside(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains("://") {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// A `#` at the start or after a blank begins a comment.
fn without_comment(line: &str) -> &str {
    let end = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    end.map_or(line, |(at, _)| &line[..at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entries: &[Entry]) -> Vec<String> {
        let tell = |entry: &Entry| match entry {
            Entry::Requirement(requirement) => requirement.line.clone(),
            Entry::Group(name) => format!("group {name}"),
            Entry::Extra(name) => format!("extra {name}"),
            Entry::File(path) => format!("file {path}"),
            Entry::Constraints(path) => format!("constraints {path}"),
            Entry::LeftOut(what, why) => format!("not {what}: {why}"),
        };
        entries.iter().map(tell).collect()
    }

    #[test]
    fn a_requirement_file_is_read_line_by_line() {
        let text = "# head\n-r base.txt\n-c ../constraints.txt\n--requirement=more.in\n-e .\n-e .[test,Extra_b]\n.[all]\n\
                    --index-url https://x.org/simple\npytest==8.1.1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via x\n\
                    foo>=1 ; python_version < '3.9'  # why\ngit+https://x.org/y.git#egg=y\n./vendor/z\nbar @ https://x.org/bar.whl\n\
                    -e git+https://x.org/y.git#egg=y\nodd>=\n-r ../../out.txt\n";
        assert_eq!(
            told(&file(text, "requirements")),
            [
                "file requirements/base.txt",
                "constraints constraints.txt",
                "file requirements/more.in",
                "extra test",
                "extra extra-b",
                "extra all",
                "not --index-url https://x.org/simple: it is an option",
                "pytest==8.1.1",
                "foo>=1 ; python_version < '3.9'",
                "not git+https://x.org/y.git#egg=y: it is a path or an address and not a name",
                "not ./vendor/z: it is a path or an address and not a name",
                "not bar @ https://x.org/bar.whl: it is an address and not a name; --with takes it",
                "not -e git+https://x.org/y.git#egg=y: it is a path or an address and not a name",
                "not odd>=: it is not a requirement",
                "not -r ../../out.txt: the tree has no such file",
            ]
        );
    }

    #[test]
    fn words_are_read_as_pip_does() {
        let given =
            ["-r", "tests/requirements.txt", "-e", ".[test]", "pytest", "--group", "Dev", "--no-deps", "-cx.txt", "."];
        assert_eq!(
            told(&words(&given.map(str::to_owned), "")),
            [
                "file tests/requirements.txt",
                "extra test",
                "pytest",
                "group dev",
                "not --no-deps: it is an option",
                "constraints x.txt"
            ]
        );
    }
}
