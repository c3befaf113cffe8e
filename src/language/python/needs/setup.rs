//! Requirements in `setup.cfg` and `setup.py`. A script is read and not run.

use tree_sitter::Node;

use super::super::syntax::{Source, below};
use super::entry::{self, Entry};
use super::ini::Ini;
use super::list_name::{Purpose, purpose};
use super::lists::{List, Lists};
use super::requirement::normalised;
use super::script::{Literal, Names, Script, keywords};
use super::tree::Tree;

/// Takes everything that these files declare.
pub(crate) fn read(tree: &Tree, lists: &mut Lists) -> anyhow::Result<()> {
    if let Some(text) = tree.read("setup.cfg")? {
        of_cfg(&Ini::parse(&text), lists);
    }
    if let Some(text) = tree.read("setup.py")? {
        match Script::parse(text) {
            Some(script) => of_script(&script, lists),
            None => tree.note("setup.py is skipped, because it is not Python 3".to_owned()),
        }
    }
    Ok(())
}

/// What a tree says of the versions of Python: bounds, and the file that has them.
pub(crate) fn python_requires(tree: &Tree) -> anyhow::Result<Option<(String, &'static str)>> {
    if let Some(text) = tree.read("setup.cfg")?
        && let [bounds, ..] = Ini::parse(&text).lines("options", "python_requires")
    {
        return Ok(Some((bounds.clone(), "python_requires in setup.cfg")));
    }
    let Some(script) = tree.read("setup.py")?.and_then(Script::parse) else { return Ok(None) };
    let bounds = Setup::of(&script).and_then(|setup| setup.value("python_requires"));
    Ok(bounds.and_then(|bounds| Some((bounds.text()?.to_owned(), "python_requires in setup.py"))))
}

/// Whether the packaging of a tree names what it requires at run time, as far as these two files tell.
pub(crate) fn names_requirements(tree: &Tree) -> anyhow::Result<bool> {
    let holds = |text: Option<String>| text.is_some_and(|text| text.contains("install_requires"));
    Ok(holds(tree.read("setup.cfg")?) || holds(tree.read("setup.py")?))
}

fn list(kind: &str, name: &str, place: &str, lines: &[String]) -> Option<List> {
    let entries = entry::file(&lines.join("\n"), "");
    Some(List { name: normalised(name)?, told: format!("{kind} {name} of {place}"), purpose: purpose(name), entries })
}

fn tests_require(place: &str, lines: &[String]) -> List {
    let entries = entry::file(&lines.join("\n"), "");
    List {
        name: "tests-require".to_owned(),
        told: format!("tests_require of {place}"),
        purpose: Purpose::Tests,
        entries,
    }
}

fn of_cfg(ini: &Ini, lists: &mut Lists) {
    const PLACE: &str = "setup.cfg";
    if lists.project.is_none() {
        lists.project = ini.lines("metadata", "name").first().and_then(|name| normalised(name));
    }
    // The second is pbr's.
    let sections = ["options.extras_require", "extras"].into_iter().filter_map(|name| ini.section(name));
    for (name, lines) in sections.flatten() {
        match lines.iter().any(|line| line.starts_with("file:")) {
            false => lists.extras.extend(list("extra", name, PLACE, lines)),
            true => lists
                .extras
                .extend(list("extra", name, PLACE, &[]).map(|list| List { entries: of_files(lines), ..list })),
        }
    }
    let lines = ini.lines("options", "tests_require");
    lists.environments.extend((!lines.is_empty()).then(|| tests_require(PLACE, lines)));
}

/// `file: a.txt, b.txt`.
fn of_files(lines: &[String]) -> Vec<Entry> {
    let names = lines.iter().flat_map(|line| line.trim_start_matches("file:").split(','));
    names.filter_map(|name| entry::inside("", name.trim())).map(Entry::File).collect()
}

/// The call of `setup` in a script.
struct Setup<'s> {
    source: Source<'s>,
    names: Names,
    call: Node<'s>,
}

impl<'s> Setup<'s> {
    fn of(script: &'s Script) -> Option<Self> {
        let source = script.source();
        let call = script.calls().into_iter().find(|call| source.method(*call) == "setup")?;
        Some(Self { names: script.names(), source, call })
    }

    fn argument(&self, name: &str) -> Option<Node<'s>> {
        keywords(&self.source, self.call).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The value of an argument, if it is written down.
    fn value(&self, name: &str) -> Option<Literal> {
        self.names.value(&self.source, self.argument(name)?)
    }
}

fn of_script(script: &Script, lists: &mut Lists) {
    const PLACE: &str = "setup.py";
    let Some(setup) = Setup::of(script) else { return };
    if lists.project.is_none() {
        lists.project = setup.value("name").and_then(|name| normalised(name.text()?));
    }
    if let Some(lines) = setup.value("tests_require").and_then(|value| value.lines()) {
        lists.environments.push(tests_require(PLACE, &lines));
    }
    match setup.value("extras_require") {
        Some(Literal::Table(extras)) => {
            for (name, lines) in extras {
                match lines.lines() {
                    Some(lines) => lists.extras.extend(list("extra", &name, PLACE, &lines)),
                    None => lists.built.extend(normalised(&name)),
                }
            }
        }
        _ => {
            let keys = keys(script, &setup);
            lists.guessed.extend(keys.iter().filter(|key| !lists.built.contains(key)).cloned());
            lists.built.extend(keys);
        }
    }
}

/// Names that extras of a script may have whose values are not written down: every key that it holds. Those that are none are dropped
/// once the project is built.
fn keys(script: &Script, setup: &Setup) -> Vec<String> {
    if setup.argument("extras_require").is_none() && !keywords(&setup.source, setup.call).is_empty() {
        // `setup(**settings)` has no names either.
        return Vec::new();
    }
    let key = |node: Node| match node.kind() {
        "pair" => setup.names.value(&setup.source, node.child_by_field_name("key")?)?.text().and_then(normalised),
        "subscript" => {
            setup.names.value(&setup.source, node.child_by_field_name("subscript")?)?.text().and_then(normalised)
        }
        _ => None,
    };
    let mut keys: Vec<String> = below(script.root()).into_iter().filter_map(key).collect();
    keys.sort();
    keys.dedup();
    keys
}
