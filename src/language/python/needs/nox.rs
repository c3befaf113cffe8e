//! Requirements in `noxfile.py`: what sessions that look like tests install, as far as it is written down.

use tree_sitter::Node;

use super::super::canary::children;
use super::super::syntax::{Source, below};
use super::entry::{self, Entry};
use super::list_name::purpose;
use super::lists::{List, Lists};
use super::requirement::normalised;
use super::script::{Literal, Names, Script, arguments, keywords};
use super::tree::Tree;

const FILE: &str = "noxfile.py";

/// Takes what the sessions install.
pub(crate) fn read(tree: &Tree, lists: &mut Lists) -> anyhow::Result<()> {
    let Some(text) = tree.read(FILE)? else { return Ok(()) };
    let Some(script) = Script::parse(text) else {
        tree.note(format!("{FILE} is skipped, because it is not Python 3"));
        return Ok(());
    };
    let (source, names) = (script.source(), script.names());
    for definition in children(script.root()).into_iter().filter(|node| node.kind() == "decorated_definition") {
        let Some(session) = Session::of(&source, &names, definition) else { continue };
        let entries = session.entries(&source, &names);
        if !entries.is_empty() {
            let told = format!("session {} of {FILE}", session.name);
            let name = normalised(&session.name).unwrap_or_default();
            lists.environments.push(List { name, told, purpose: purpose(&session.name), entries });
        }
    }
    Ok(())
}

struct Session<'t> {
    name: String,
    /// What its body calls the session.
    object: String,
    body: Node<'t>,
}

impl<'t> Session<'t> {
    fn of(source: &Source, names: &Names, definition: Node<'t>) -> Option<Self> {
        let function =
            definition.child_by_field_name("definition").filter(|node| node.kind() == "function_definition")?;
        let decorators = children(definition)
            .into_iter()
            .filter(|node| node.kind() == "decorator")
            .filter_map(|node| children(node).pop());
        let decorator = decorators.into_iter().find(|node| {
            let called = if node.kind() == "call" { source.called(*node) } else { source.dotted(*node) };
            called == "session" || called.ends_with(".session")
        })?;
        let named = keywords(source, decorator).into_iter().find(|(name, _)| *name == "name");
        let named = named.and_then(|(_, value)| names.value(source, value)?.text().map(str::to_owned));
        let own = source.of(function.child_by_field_name("name")?).to_owned();
        let first = children(function.child_by_field_name("parameters")?).into_iter().next()?;
        let object = below(first).into_iter().find(|node| node.kind() == "identifier")?;
        Some(Self {
            name: named.unwrap_or(own),
            object: source.of(object).to_owned(),
            body: function.child_by_field_name("body")?,
        })
    }

    fn entries(&self, source: &Source, names: &Names) -> Vec<Entry> {
        let mut entries = Vec::new();
        for call in below(self.body).into_iter().filter(|node| node.kind() == "call") {
            let on_session = source.dotted(call.child_by_field_name("function").unwrap_or(call))
                == format!("{}.{}", self.object, source.method(call));
            let words = || words(source, names, call);
            match source.method(call) {
                // `nox.project.dependency_groups(PYPROJECT, "test")`.
                "dependency_groups" => {
                    let literals = arguments(call).into_iter().skip(1).filter_map(|node| names.value(source, node));
                    entries.extend(literals.filter_map(|name| normalised(name.text()?)).map(Entry::Group));
                }
                "install" if on_session => entries.extend(entry::words(&words(), "")),
                "run" | "run_install" | "run_always" if on_session => entries.extend(command(&words())),
                _ => {}
            }
        }
        entries
    }
}

/// The arguments of a call that are texts which are written down, or lists of them.
fn words(source: &Source, names: &Names, call: Node) -> Vec<String> {
    let mut words = Vec::new();
    for argument in arguments(call) {
        let argument =
            if argument.kind() == "list_splat" { children(argument).pop().unwrap_or(argument) } else { argument };
        match names.value(source, argument) {
            Some(Literal::Text(text)) => words.push(text),
            Some(list @ Literal::List(_)) => words.extend(list.lines().unwrap_or_default()),
            Some(Literal::Table(_)) | None => {}
        }
    }
    words
}

/// Groups and extras that a command of another tool installs: `uv sync --group test`, `pip install .[test]`.
fn command(words: &[String]) -> Vec<Entry> {
    let is = |names: &[&str]| words.iter().take(3).any(|word| names.contains(&word.as_str()));
    if !is(&["uv", "poetry", "pdm", "pip", "hatch"]) || !is(&["sync", "install", "run", "add"]) {
        return Vec::new();
    }
    if is(&["pip"])
        && let Some(at) = words.iter().position(|word| word == "install")
    {
        return entry::words(&words[at + 1..], "");
    }
    let mut entries = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let kind: fn(String) -> Entry = match option {
            "--group" | "--with" | "--only" | "--only-group" | "-G" => Entry::Group,
            "--extra" | "--extras" | "-E" => Entry::Extra,
            _ => continue,
        };
        let names = value.or_else(|| rest.next()).unwrap_or_default();
        entries.extend(names.split([',', ' ']).filter_map(normalised).map(kind));
    }
    entries
}
