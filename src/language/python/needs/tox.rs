//! Requirements in the configuration of tox: `tox.ini`, `setup.cfg`, `tox.toml` and `[tool.tox]`.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::entry::{self, Entry};
use super::ini::Ini;
use super::list_name::{Purpose, purpose};
use super::lists::{List, Lists};
use super::pyproject::{self, below};
use super::requirement::normalised;
use super::tree::Tree;

/// Requirements of all environments, at most.
const MOST_ENTRIES: usize = 100_000;

/// Sections that name one another, at most.
const DEEPEST: usize = 20;

/// Takes what the test environments declare.
pub(crate) fn read(tree: &Tree, lists: &mut Lists) -> anyhow::Result<()> {
    for path in ["tox.ini", "setup.cfg"] {
        if let Some(text) = tree.read(path)? {
            of_ini(&Ini::parse(&text), path, lists);
        }
    }
    if let Some(table) = tree.toml("tox.toml")? {
        of_toml(&table, "tox.toml", lists);
    }
    // What is not TOML was noted where everything else of the file is read.
    let Some(table) = tree.read(pyproject::FILE)?.and_then(|text| text.parse::<Table>().ok()) else { return Ok(()) };
    if let Some(table) = below(&table, &["tool", "tox"]) {
        let place = format!("[tool.tox] in {}", pyproject::FILE);
        match table.get("legacy_tox_ini").and_then(Value::as_str) {
            Some(text) => of_ini(&Ini::parse(text), &place, lists),
            None => of_toml(table, &place, lists),
        }
    }
    Ok(())
}

/// What an environment is for: the base of all is for tests, and so is one that is named after an interpreter.
fn purpose_of(name: &str) -> Purpose {
    match purpose(name) {
        Purpose::Other if is_interpreter(name) => Purpose::Tests,
        said => said,
    }
}

fn is_interpreter(name: &str) -> bool {
    let inner = |rest: &str| rest.chars().all(|letter| letter.is_ascii_digit() || "{},.py".contains(letter));
    name.strip_prefix("py").is_some_and(inner)
}

fn environment(name: &str, place: &str, entries: Vec<Entry>) -> Option<List> {
    let (told, purpose) = match name {
        "" => (format!("testenv of {place}"), Purpose::Tests),
        name => (format!("testenv {name} of {place}"), purpose_of(name)),
    };
    (!entries.is_empty()).then(|| List { name: normalised(name).unwrap_or_default(), told, purpose, entries })
}

fn of_ini(ini: &Ini, place: &str, lists: &mut Lists) {
    let mut left = MOST_ENTRIES;
    for (section, _) in ini.sections() {
        let name = match section.split_once(':') {
            None if section == "testenv" => "",
            Some(("testenv", name)) => name,
            _ => continue,
        };
        let mut deps = Deps { ini, seen: BTreeSet::new(), depth: 0 };
        let mut entries = deps.of(section);
        let names = |key| ini.lines(section, key).iter().flat_map(|line| line.split([',', ' '])).filter_map(normalised);
        entries.extend(names("extras").map(Entry::Extra));
        entries.extend(names("dependency_groups").map(Entry::Group));
        match left.checked_sub(entries.len()) {
            Some(rest) => left = rest,
            None => entries = vec![Entry::left_out(section, "the environments name too many requirements")],
        }
        lists.environments.extend(environment(name, place, entries));
    }
}

/// The requirements of an environment.
struct Deps<'i> {
    ini: &'i Ini,
    /// Sections that were read: one counts once, and none goes round in a circle.
    seen: BTreeSet<String>,
    depth: usize,
}

impl Deps<'_> {
    fn of(&mut self, section: &str) -> Vec<Entry> {
        if self.depth == DEEPEST {
            return vec![Entry::left_out(section, "too many sections name one another")];
        }
        if !self.seen.insert(section.to_owned()) {
            return Vec::new();
        }
        self.depth += 1;
        let ini = self.ini;
        let mut entries = Vec::new();
        for line in ini.lines(section, "deps") {
            let other =
                line.strip_prefix("{[").and_then(|rest| rest.strip_suffix('}')).and_then(|rest| rest.split_once(']'));
            match other {
                Some((other, "deps")) => entries.extend(self.of(other)),
                _ => entries.extend(dep(line)),
            }
        }
        self.depth -= 1;
        entries
    }
}

fn dep(line: &str) -> Vec<Entry> {
    // `factors: requirement` holds in some environments only.
    let (factors, line) = match line.split_once(':') {
        Some((factors, rest)) if rest.starts_with([' ', '\t']) && !factors.contains(['=', '<', '>', '[', ';']) => {
            (factors, rest.trim())
        }
        _ => ("", line),
    };
    if !factors.is_empty() && purpose(factors) != Purpose::Tests {
        return vec![Entry::left_out(line, &format!("it is for {factors} alone"))];
    }
    let line = line
        .replace("{toxinidir}/", "")
        .replace("{tox_root}/", "")
        .replace("{toxinidir}", ".")
        .replace("{tox_root}", ".");
    match line.contains(['{', '}']) {
        true => vec![Entry::left_out(&line, "it holds a variable")],
        false => entry::file(&line, ""),
    }
}

fn of_toml(table: &Table, place: &str, lists: &mut Lists) {
    let base = below(table, &["env_run_base"]).map(|env| ("", env));
    let named = below(table, &["env"]).into_iter().flatten();
    for (name, env) in base.into_iter().chain(named.filter_map(|(name, env)| Some((name.as_str(), env.as_table()?)))) {
        let mut entries: Vec<Entry> = match env.get("deps") {
            Some(Value::String(text)) => entry::file(text, ""),
            Some(Value::Array(items)) => items
                .iter()
                .flat_map(|item| match item.as_str() {
                    Some(line) => entry::file(line, ""),
                    None => vec![Entry::left_out(&item.to_string(), "it is not a text")],
                })
                .collect(),
            _ => Vec::new(),
        };
        let names = |key: &str| {
            env.get(key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter_map(normalised)
        };
        entries.extend(names("extras").map(Entry::Extra));
        entries.extend(names("dependency_groups").map(Entry::Group));
        lists.environments.extend(environment(name, place, entries));
    }
}
