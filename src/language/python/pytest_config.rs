//! The configuration that pytest takes at the top of a repository: of the files that may hold one, the first that does. Pure.
//!
//! `pytest.ini` and `.pytest.ini` count even if they are empty, then come `pyproject.toml`, `tox.ini` and `setup.cfg`, each
//! if it has a section for pytest.

use std::collections::BTreeMap;

use crate::language::files::Files;

/// Files that may hold it, in the order in which pytest looks.
pub(super) const PLACES: [&str; 7] =
    ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"];

/// Where it stands, and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PytestConfig {
    /// Empty: there is none.
    pub file: String,
    values: BTreeMap<String, Vec<String>>,
}

impl PytestConfig {
    /// The configuration at the top of a tree.
    ///
    /// # Errors
    /// A fault of whoever keeps the files.
    pub fn of(files: &dyn Files) -> anyhow::Result<Self> {
        for place in PLACES {
            let Some(text) = files.text(place)? else { continue };
            if let Some(values) = section(place, &text) {
                let mut config = Self { file: place.to_owned(), values };
                config.take_overrides();
                return Ok(config);
            }
        }
        Ok(Self::default())
    }

    /// The words of a value. `None`: it is not set.
    pub fn words(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// What `addopts` gives to one of these options, in the order in which it stands there.
    pub fn options(&self, names: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut words = self.words("addopts").unwrap_or_default().iter();
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                Some(_) | None => (word.as_str(), None),
            };
            if names.contains(&option) {
                found.extend(value.or_else(|| words.next().map(String::as_str)).map(str::to_owned));
            }
        }
        found
    }

    /// Whether `addopts` holds an option that takes no value.
    pub fn flag(&self, name: &str) -> bool {
        self.words("addopts").unwrap_or_default().iter().any(|word| word == name)
    }

    /// What `-o NAME=VALUE` of `addopts` sets.
    fn take_overrides(&mut self) {
        for text in self.options(&["-o", "--override-ini"]) {
            if let Some((key, value)) = text.split_once('=') {
                self.values.insert(key.to_owned(), split(value));
            }
        }
    }
}

/// Whether a file of this path and text configures pytest.
pub(crate) fn configures(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    PLACES.contains(&name) && section(name, text).is_some()
}

/// The section for pytest in a file of this name. `None`: it has none.
pub(super) fn section(name: &str, text: &str) -> Option<BTreeMap<String, Vec<String>>> {
    match name {
        "pytest.toml" | ".pytest.toml" => Some(toml_section(text, &["pytest"]).unwrap_or_default()),
        "pytest.ini" | ".pytest.ini" => Some(ini_section(text, "pytest").unwrap_or_default()),
        "pyproject.toml" => toml_section(text, &["tool", "pytest", "ini_options"]).or_else(|| {
            // What older versions read stands in a table of it.
            toml_section(text, &["tool", "pytest"]).filter(|values| !values.is_empty())
        }),
        "tox.ini" => ini_section(text, "pytest"),
        "setup.cfg" => ini_section(text, "tool:pytest"),
        _ => None,
    }
}

fn toml_section(text: &str, keys: &[&str]) -> Option<BTreeMap<String, Vec<String>>> {
    // pytest would refuse a file that cannot be read.
    let table = text.parse::<toml::Table>().ok()?;
    let mut at = &table;
    for key in keys {
        at = at.get(*key)?.as_table()?;
    }
    let words = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(split(text)),
        toml::Value::Array(items) => {
            Some(items.iter().filter_map(|item| item.as_str()).map(str::to_owned).collect::<Vec<_>>())
        }
        _ => None,
    };
    Some(at.iter().filter_map(|(key, value)| Some((key.clone(), words(value)?))).collect())
}

/// The values of a section of an ini file. `None`: it has no such section.
pub(super) fn ini_section(text: &str, name: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let mut values: Option<BTreeMap<String, String>> = None;
    let (mut ours, mut key) = (false, None);
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        if let Some(section) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|_| !indented) {
            ours = section.trim() == name;
            key = None;
            if ours {
                values.get_or_insert_default();
            }
            continue;
        }
        let Some(values) = values.as_mut().filter(|_| ours) else { continue };
        if let (true, Some(key)) = (indented, &key) {
            let value: &mut String = values.entry(String::clone(key)).or_default();
            value.push('\n');
            value.push_str(bare);
            continue;
        }
        if let Some(at) = bare.find(['=', ':']) {
            let name = bare[..at].trim().to_owned();
            values.insert(name.clone(), bare[at + 1..].trim().to_owned());
            key = Some(name);
        }
    }
    Some(values?.into_iter().map(|(key, value)| (key, split(&value))).collect())
}

/// Words as a shell parts them. A quote that is not closed ends with the text.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::super::paper::Paper;
    use super::*;

    fn config(files: &[(&str, &str)]) -> PytestConfig {
        PytestConfig::of(&Paper::of(files)).unwrap()
    }

    #[test]
    fn the_first_file_with_a_section_counts() {
        let ini = ("pytest.ini", "");
        let dotted = (".pytest.ini", "[pytest]\ntestpaths = dotted\n");
        let pyproject = ("pyproject.toml", "[project]\nname = 'a'\n[tool.pytest.ini_options]\ntestpaths = ['py']\n");
        let tox = ("tox.ini", "[tox]\nenvlist = a\n[pytest]\ntestpaths: tox more\naddopts: --ignore=x\n");
        let setup = ("setup.cfg", "[tool:pytest]\ntestpaths =\n    set\n    # no\n    up\n");
        let bare = ("pyproject.toml", "[project]\nname = 'a'\n");
        let newer = ("pyproject.toml", "[tool.pytest]\ntestpaths = ['newer']\n");
        for (files, place, paths) in [
            (&[ini, pyproject, tox][..], "pytest.ini", None),
            (&[dotted, pyproject, setup], ".pytest.ini", Some(&["dotted"][..])),
            (&[pyproject, tox, setup], "pyproject.toml", Some(&["py"])),
            (&[newer, tox], "pyproject.toml", Some(&["newer"])),
            (&[bare, tox, setup], "tox.ini", Some(&["tox", "more"])),
            (&[bare, setup], "setup.cfg", Some(&["set", "up"])),
            // Not where pytest reads it.
            (&[("tox.ini", "[tool:pytest]\ntestpaths = a\n"), ("setup.cfg", "[pytest]\ntestpaths = b\n")], "", None),
            (&[("deep/pytest.ini", "[pytest]\ntestpaths = a\n")], "", None),
        ] {
            let found = config(files);
            assert_eq!(found.file, place);
            let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
            assert_eq!(found.words("testpaths"), paths.as_deref(), "{place}");
            assert_eq!(found.options(&["--ignore"]).is_empty(), place != "tox.ini");
        }
    }

    #[test]
    fn options_are_read_with_their_values_however_they_are_written() {
        let ini = "[pytest]\naddopts = -ra --ignore=one --ignore 'two words'\n    --pyargs -o testpaths=\"a b\"\ntestpaths = x\n";
        let toml =
            "[pytest]\naddopts = ['-ra', '--ignore=one', '--ignore', 'two words', '--pyargs', '-o', 'testpaths=a b']\n";
        for file in [("pytest.ini", ini), ("pytest.toml", toml)] {
            let found = config(&[file]);
            assert_eq!(found.options(&["--ignore"]), ["one", "two words"], "{}", file.0);
            assert_eq!(found.options(&["--deselect"]), Vec::<String>::new());
            assert!(found.flag("--pyargs") && !found.flag("-v"));
            assert_eq!(found.words("testpaths").unwrap(), ["a", "b"]);
        }
        assert_eq!(split(r#"a"b c"d 'e\' \ f"#), ["ab cd", "e\\", " f"]);
    }
}
