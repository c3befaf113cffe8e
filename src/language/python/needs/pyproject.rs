//! Requirements in `pyproject.toml`, and in the files of tools that may stand in its place: groups (PEP 735), extras, and those of uv,
//! Poetry, PDM, Hatch, Flit and Pipenv.

use toml::{Table, Value};

use super::entry::{self, Entry};
use super::list_name::{Purpose, purpose};
use super::lists::{List, Lists};
use super::poetry;
use super::requirement::normalised;
use super::tree::Tree;

/// The file.
pub(crate) const FILE: &str = "pyproject.toml";

/// Takes everything that these files declare.
pub(crate) fn read(tree: &Tree, lists: &mut Lists) -> anyhow::Result<()> {
    if let Some(table) = tree.toml(FILE)? {
        project(tree, &table, lists);
        dependency_groups(tree, &table, lists);
        tools(tree, &table, lists);
    }
    if let Some(table) = tree.toml("hatch.toml")? {
        hatch(tree, &table, "hatch.toml", lists);
    }
    if let Some(table) = tree.toml("Pipfile")? {
        pipfile(&table, lists);
    }
    Ok(())
}

/// The table below these keys.
pub(crate) fn below<'t>(table: &'t Table, keys: &[&str]) -> Option<&'t Table> {
    keys.iter().try_fold(table, |at, key| at.get(*key)?.as_table())
}

/// The texts of an array; other items are left out with a word.
fn texts(value: &Value) -> Vec<Entry> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items
        .iter()
        .flat_map(|item| match item {
            Value::String(line) => entry::words(std::slice::from_ref(line), ""),
            other => vec![Entry::left_out(&other.to_string(), "it is not a text")],
        })
        .collect()
}

fn list(kind: &str, name: &str, place: &str, entries: Vec<Entry>) -> Option<List> {
    let told = format!("{kind} {name} of {place}");
    Some(List { name: normalised(name)?, told, purpose: purpose(name), entries })
}

fn project(tree: &Tree, table: &Table, lists: &mut Lists) {
    let Some(project) = below(table, &["project"]) else { return };
    lists.project = project.get("name").and_then(Value::as_str).and_then(normalised);
    let extras = below(project, &["optional-dependencies"]).into_iter().flatten();
    lists.extras.extend(extras.filter_map(|(name, lines)| list("extra", name, FILE, texts(lines))));
    let dynamic = project.get("dynamic").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if !dynamic.into_iter().any(|field| field == "optional-dependencies") {
        return;
    }
    for (name, value) in below(table, &["tool", "setuptools", "dynamic", "optional-dependencies"]).into_iter().flatten()
    {
        let files: Vec<&str> = match value.get("file") {
            Some(Value::String(file)) => vec![file],
            Some(Value::Array(files)) => files.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        match files.iter().all(|file| tree.has(file)) && !files.is_empty() {
            true => {
                let entries = files.iter().map(|file| Entry::File((*file).to_owned())).collect();
                lists.extras.extend(list("extra", name, FILE, entries));
            }
            false => lists.built.extend(normalised(name)),
        }
    }
}

fn dependency_groups(tree: &Tree, table: &Table, lists: &mut Lists) {
    let Some(groups) = table.get("dependency-groups") else { return };
    let Some(groups) = groups.as_table() else {
        tree.note(format!("[dependency-groups] of {FILE} is skipped, because it is not a table"));
        return;
    };
    for (name, value) in groups {
        let Some(items) = value.as_array() else {
            tree.note(format!("group {name} of {FILE} is skipped, because it is not a list"));
            continue;
        };
        let entries = items.iter().flat_map(|item| match item {
            Value::String(line) => entry::words(std::slice::from_ref(line), ""),
            Value::Table(table) if table.len() == 1 && table.contains_key("include-group") => {
                let group = table["include-group"].as_str().and_then(normalised);
                vec![group.map_or_else(|| Entry::left_out(&item.to_string(), "it names no group"), Entry::Group)]
            }
            other => vec![Entry::left_out(&other.to_string(), "it is neither a requirement nor another group")],
        });
        lists.groups.extend(list("group", name, FILE, entries.collect()));
    }
}

fn tools(tree: &Tree, table: &Table, lists: &mut Lists) {
    if let Some(lines) = below(table, &["tool", "uv"]).and_then(|uv| uv.get("dev-dependencies")) {
        lists.groups.extend(list("group", "dev", &format!("[tool.uv] in {FILE}"), texts(lines)));
    }
    for (name, lines) in below(table, &["tool", "pdm", "dev-dependencies"]).into_iter().flatten() {
        lists.groups.extend(list("group", name, &format!("[tool.pdm] in {FILE}"), texts(lines)));
    }
    for (name, lines) in below(table, &["tool", "flit", "metadata", "requires-extra"]).into_iter().flatten() {
        lists.extras.extend(list("extra", name, &format!("[tool.flit] in {FILE}"), texts(lines)));
    }
    if let Some(poetry) = below(table, &["tool", "poetry"]) {
        of_poetry(poetry, lists);
    }
    if let Some(hatch_table) = below(table, &["tool", "hatch"]) {
        hatch(tree, hatch_table, &format!("[tool.hatch] in {FILE}"), lists);
    }
}

fn of_poetry(table: &Table, lists: &mut Lists) {
    let place = format!("[tool.poetry] in {FILE}");
    if lists.project.is_none() {
        lists.project = table.get("name").and_then(Value::as_str).and_then(normalised);
    }
    let requirements = |table: &Table| -> Vec<Entry> {
        let wanted = table.iter().filter(|(name, _)| *name != "python");
        wanted.flat_map(|(name, value)| poetry::entries(name, value)).collect()
    };
    for (name, group) in below(table, &["group"]).into_iter().flatten() {
        let mut entries =
            below(group.as_table().unwrap_or(&Table::new()), &["dependencies"]).map(requirements).unwrap_or_default();
        let included = group.get("include-groups").and_then(Value::as_array).into_iter().flatten();
        entries.extend(included.filter_map(Value::as_str).filter_map(normalised).map(Entry::Group));
        lists.groups.extend(list("group", name, &place, entries));
    }
    if let Some(dev) = below(table, &["dev-dependencies"]) {
        lists.groups.extend(list("group", "dev", &place, requirements(dev)));
    }
    let main = below(table, &["dependencies"]);
    for (name, members) in below(table, &["extras"]).into_iter().flatten() {
        let members = members.as_array().into_iter().flatten().filter_map(Value::as_str);
        let entries = members.flat_map(|member| {
            let found = main.into_iter().flatten().find(|(known, _)| normalised(known) == normalised(member));
            match found {
                Some((known, value)) => poetry::entries(known, value),
                None => vec![Entry::left_out(member, "it is not among the dependencies")],
            }
        });
        lists.extras.extend(list("extra", name, &place, entries.collect()));
    }
    if table.get("package-mode").and_then(Value::as_bool) == Some(false)
        && let Some(main) = main
    {
        let told = format!("dependencies of {place}");
        lists.always.push(List {
            name: "dependencies".to_owned(),
            told,
            purpose: Purpose::Other,
            entries: requirements(main),
        });
    }
}

/// Environments of Hatch: each inherits from its template, which is `default` unless it says otherwise.
fn hatch(tree: &Tree, table: &Table, place: &str, lists: &mut Lists) {
    let Some(all) = below(table, &["envs"]) else { return };
    for (name, value) in all {
        let Some(own) = value.as_table() else {
            tree.note(format!("environment {name} of {place} is skipped, because it is not a table"));
            continue;
        };
        let detached = own.get("detached").and_then(Value::as_bool) == Some(true);
        let template = own.get("template").and_then(Value::as_str).unwrap_or("default");
        let template = all.get(template).and_then(Value::as_table).filter(|_| !detached && template != name);
        let value = |key: &str| own.get(key).or_else(|| template.and_then(|table| table.get(key)));
        let mut entries: Vec<Entry> = Vec::new();
        entries.extend(value("dependencies").map(texts).unwrap_or_default());
        entries.extend(value("extra-dependencies").map(texts).unwrap_or_default());
        let names = |key: &str| -> Vec<String> {
            let names = value(key).and_then(Value::as_array).into_iter().flatten();
            names.filter_map(Value::as_str).filter_map(normalised).collect()
        };
        entries.extend(names("features").into_iter().map(Entry::Extra));
        entries.extend(names("dependency-groups").into_iter().map(Entry::Group));
        let mut found = list("environment", name, place, entries);
        if let Some(found) = found.as_mut().filter(|_| name == "default") {
            found.purpose = Purpose::Development;
        }
        lists.environments.extend(found);
    }
}

fn pipfile(table: &Table, lists: &mut Lists) {
    let requirements =
        |table: &Table| -> Vec<Entry> { table.iter().flat_map(|(name, value)| poetry::entries(name, value)).collect() };
    if let Some(dev) = below(table, &["dev-packages"]) {
        lists.groups.extend(list("group", "dev", "Pipfile", requirements(dev)));
    }
    if let Some(packages) = below(table, &["packages"]) {
        let told = "packages of Pipfile".to_owned();
        lists.always.push(List {
            name: "packages".to_owned(),
            told,
            purpose: Purpose::Other,
            entries: requirements(packages),
        });
    }
}
