//! Poetry's way to write requirements, in PEP 508. Pipenv writes tables alike.

use std::str::FromStr;

use pep508_rs::pep440_rs::Version;
use toml::{Table, Value};

use super::entry::Entry;
use super::requirement::Requirement;

/// A dependency by its name and what stands beside it: a version, a table, or several tables for several markers.
pub(crate) fn entries(name: &str, value: &Value) -> Vec<Entry> {
    match value {
        Value::String(version) => vec![entry(name, version, &Table::new())],
        Value::Table(table) => vec![of_table(name, table)],
        Value::Array(tables) => tables
            .iter()
            .map(|table| match table.as_table() {
                Some(table) => of_table(name, table),
                None => Entry::left_out(name, "it has no version that can be read"),
            })
            .collect(),
        _ => vec![Entry::left_out(name, "it has no version that can be read")],
    }
}

fn of_table(name: &str, table: &Table) -> Entry {
    if let Some(place) = ["git", "path", "url", "file", "ref", "hg"].iter().find(|key| table.contains_key(**key)) {
        return Entry::left_out(&format!("{name} ({place})"), "it is a path or an address and not a name");
    }
    entry(name, table.get("version").and_then(Value::as_str).unwrap_or("*"), table)
}

fn entry(name: &str, version: &str, table: &Table) -> Entry {
    let Some(alternatives) = bounds(version) else {
        return Entry::left_out(&format!("{name} {version}"), "it has no version that can be read");
    };
    // PEP 508 knows no "or" between versions.
    let version = if let [one] = &alternatives[..] { one.as_str() } else { "" };
    let extras: Vec<&str> =
        table.get("extras").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let mut markers: Vec<String> =
        table.get("markers").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    if let Some(alternatives) = table.get("python").and_then(Value::as_str).and_then(bounds) {
        let or: Vec<String> =
            alternatives.iter().map(|bounds| marker(bounds)).filter(|marker| !marker.is_empty()).collect();
        markers.extend((!or.is_empty()).then(|| or.join(" or ")));
    }
    let markers = match &markers[..] {
        [] => String::new(),
        [one] => format!(" ; {one}"),
        more => format!(" ; {}", more.iter().map(|marker| format!("({marker})")).collect::<Vec<_>>().join(" and ")),
    };
    let line = format!("{name}{extras}{version}{markers}");
    match Requirement::parse(&line) {
        Ok(requirement) => Entry::Requirement(requirement),
        Err(why) => Entry::left_out(&line, &why),
    }
}

/// Bounds as PEP 440 has them, one for each alternative; empty for any version. None if a version cannot be read.
pub(crate) fn bounds(text: &str) -> Option<Vec<String>> {
    text.split('|')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(conjunction)
        .collect::<Option<Vec<_>>>()
        .filter(|all| !all.is_empty())
}

/// Bounds that hold together, with commas or blanks between them.
fn conjunction(text: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match parts.last_mut() {
            // `>= 1.0`: the version stands apart from its operator.
            Some(last) if !last.is_empty() && last.chars().all(|letter| "<>=!~^".contains(letter)) => {
                last.push_str(word)
            }
            _ => parts.push(word.to_owned()),
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| one(part)).collect::<Option<_>>()?;
    Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(","))
}

fn one(text: &str) -> Option<String> {
    if text == "*" {
        return Some(String::new());
    }
    if let Some(version) = text.strip_prefix('^') {
        return between(version, |release| release.iter().position(|part| *part != 0).unwrap_or(release.len() - 1));
    }
    if let Some(version) = text.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        return between(version, |release| release.len().min(2) - 1);
    }
    if text.starts_with(['<', '>', '!', '~']) || text.starts_with("==") {
        return Some(text.to_owned());
    }
    let version = text.trim_start_matches('=').trim();
    // `1.2.*` is as good as a version here.
    Version::from_str(version.trim_end_matches(".*")).ok()?;
    Some(format!("=={version}"))
}

/// From a version to the one that has the part at `place` raised by one, and nothing behind it.
fn between(version: &str, place: impl Fn(&[u64]) -> usize) -> Option<String> {
    let version = Version::from_str(version.trim()).ok()?;
    let release = version.release();
    let place = place(release);
    let mut upper = release[..=place].to_vec();
    upper[place] += 1;
    Some(format!(">={version},<{}", Version::new(upper)))
}

/// Bounds of Python versions as a marker.
fn marker(bounds: &str) -> String {
    let one = |bound: &str| {
        let at = bound.find(|letter: char| letter.is_ascii_digit()).unwrap_or(bound.len());
        format!("python_full_version {} '{}'", bound[..at].trim(), bound[at..].trim())
    };
    bounds.split(',').filter(|bound| !bound.is_empty()).map(one).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_pep_440_has_them() {
        for (given, expected) in [
            ("^1.2.3", ">=1.2.3,<2"),
            ("^0.2.3", ">=0.2.3,<0.3"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0.0", ">=0.0,<0.1"),
            ("^0", ">=0,<1"),
            ("^1", ">=1,<2"),
            ("^1.0.0-beta.1", ">=1.0.0b1,<2"),
            ("~1.2.3", ">=1.2.3,<1.3"),
            ("~1.2", ">=1.2,<1.3"),
            ("~1", ">=1,<2"),
            ("~=1.2", "~=1.2"),
            ("*", ""),
            ("1.2.*", "==1.2.*"),
            ("1.2.3", "==1.2.3"),
            ("=1.2.3", "==1.2.3"),
            (">=1.2 <2.0", ">=1.2,<2.0"),
            (">= 1.2, < 2.0", ">=1.2,<2.0"),
            (">=1.2,!=1.3,<2", ">=1.2,!=1.3,<2"),
        ] {
            assert_eq!(bounds(given), Some(vec![expected.to_owned()]), "{given}");
        }
        assert_eq!(bounds("^2.7 || ^3.6"), Some(vec![">=2.7,<3".to_owned(), ">=3.6,<4".to_owned()]));
        for bad in ["", "latest", "^new"] {
            assert_eq!(bounds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_dependency_becomes_a_requirement() {
        let table: Table = "a = '^1.2'\nb = {version = '*', extras = ['x', 'y'], markers = \"sys_platform == 'linux'\", python = '^3.8'}\n\
             c = {git = 'https://x.org/c.git'}\nd = [{version = '<2', python = '<3.8'}, {version = '>=2', python = '>=3.8'}]\n\
             e = '^1 || ^3'\nf = 1\n"
            .parse()
            .unwrap();
        let lines: Vec<String> = table
            .iter()
            .flat_map(|(name, value)| entries(name, value))
            .map(|entry| match entry {
                Entry::Requirement(requirement) => requirement.line,
                Entry::LeftOut(what, why) => format!("not {what}: {why}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            lines,
            [
                "a>=1.2,<2",
                "b[x,y] ; (sys_platform == 'linux') and (python_full_version >= '3.8' and python_full_version < '4')",
                "not c (git): it is a path or an address and not a name",
                "d<2 ; python_full_version < '3.8'",
                "d>=2 ; python_full_version >= '3.8'",
                "e",
                "not f: it has no version that can be read",
            ]
        );
    }
}
