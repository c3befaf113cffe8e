//! Requirements in the configuration of tox: `tox.ini`, `setup.cfg`, `tox.toml` and `[tool.tox]`.

use toml::{Table, Value};

use super::entry::{self, Entry};
use super::ini::Ini;
use super::list_name::{Purpose, purpose};
use super::lists::{List, Lists};
use super::pyproject::{self, below};
use super::requirement::normalised;
use super::tree::Tree;

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
    for (section, _) in ini.sections() {
        let name = match section.split_once(':') {
            None if section == "testenv" => "",
            Some(("testenv", name)) => name,
            _ => continue,
        };
        let mut entries = deps(ini, section, &mut Vec::new());
        let names = |key| ini.lines(section, key).iter().flat_map(|line| line.split([',', ' '])).filter_map(normalised);
        entries.extend(names("extras").map(Entry::Extra));
        entries.extend(names("dependency_groups").map(Entry::Group));
        lists.environments.extend(environment(name, place, entries));
    }
}

/// The requirements of a section. `open` holds those that are being read, so that none goes round in a circle.
fn deps(ini: &Ini, section: &str, open: &mut Vec<String>) -> Vec<Entry> {
    if open.iter().any(|known| known == section) {
        return Vec::new();
    }
    open.push(section.to_owned());
    let entries = ini.lines(section, "deps").iter().flat_map(|line| dep(ini, line, open)).collect();
    open.pop();
    entries
}

fn dep(ini: &Ini, line: &str, open: &mut Vec<String>) -> Vec<Entry> {
    if let Some((other, "deps")) =
        line.strip_prefix("{[").and_then(|rest| rest.strip_suffix('}')).and_then(|rest| rest.split_once(']'))
    {
        return deps(ini, other, open);
    }
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
