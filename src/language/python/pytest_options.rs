//! What a repository's own configuration of pytest names: file patterns, plugins of its own, folders on the path. Pure.

use std::collections::BTreeSet;

use super::paths::{folder, join};
use super::pytest_config::{PLACES, ini_section, section};

/// Options out of every configuration file of a tree that pytest may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunnerOptions {
    /// File names that are collected beside the conventional ones.
    pub patterns: BTreeSet<String>,
    /// Patterns of `python_files` that are more than names, or that do not tell files apart.
    pub others: BTreeSet<String>,
    /// Modules that are loaded as plugins.
    pub plugins: BTreeSet<String>,
    /// Repository paths of other files that options name.
    pub files: BTreeSet<String>,
    /// Folders on the import path.
    pub python_path: BTreeSet<String>,
}

impl RunnerOptions {
    /// Whether pytest may take options from a file of this name.
    pub fn reads(path: &str) -> bool {
        PLACES.contains(&path.rsplit('/').next().unwrap_or(path))
    }

    /// Takes a configuration file in. One that cannot be read names nothing; pytest itself would refuse it.
    pub fn take(&mut self, path: &str, text: &str) {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Versions before 4 read `[pytest]` of `setup.cfg` too.
        let sections: Vec<_> = match name.ends_with(".toml") {
            true => section(name, text).into_iter().collect(),
            false => ["pytest", "tool:pytest"].into_iter().filter_map(|name| ini_section(text, name)).collect(),
        };
        for (key, words) in sections.into_iter().flatten() {
            match key.as_str() {
                "python_files" => {
                    let (names, others) = words.into_iter().partition::<Vec<_>, _>(|word| says_something(word));
                    self.patterns.extend(names);
                    self.others.extend(others);
                }
                "pythonpath" => self.python_path.extend(words.iter().filter_map(|word| inside(folder(path), word))),
                "addopts" => self.take_arguments(folder(path), &words),
                _ => {}
            }
        }
    }

    fn take_arguments(&mut self, dir: &str, words: &[String]) {
        let words: Vec<String> = words.iter().map(|word| word.replace(['"', '\''], "")).collect();
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                _ if word.len() > 2 && (word.starts_with("-p") || word.starts_with("-c")) => {
                    (&word[..2], Some(word[2..].trim_start_matches('=')))
                }
                _ => (word, None),
            };
            match option {
                "-p" => self
                    .plugins
                    .extend(value.or_else(|| words.next()).filter(|name| !name.starts_with("no:")).map(str::to_owned)),
                "-c" | "--config-file" => {
                    self.files.extend(value.or_else(|| words.next()).and_then(|file| inside(dir, file)));
                }
                "--doctest-glob" => self.patterns.extend(
                    value.or_else(|| words.next()).filter(|pattern| says_something(pattern)).map(str::to_owned),
                ),
                _ => {}
            }
        }
    }
}

/// Modules of `pytest_plugins` in a conftest.
pub(crate) fn conftest_plugins(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("pytest_plugins") else { return Vec::new() };
    let Some(rest) = rest.trim_start_matches([' ', '+']).strip_prefix('=') else { return Vec::new() };
    let rest = rest.trim_start();
    let end = match rest.chars().next() {
        Some('[') => rest.find(']'),
        Some('(') => rest.find(')'),
        _ => rest.find('\n'),
    };
    let value = &rest[..end.unwrap_or(rest.len())];
    value.split(['"', '\'']).skip(1).step_by(2).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The repository's own files of a plugin module.
pub(crate) fn plugin_files(module: &str, roots: &BTreeSet<String>, files: &[String]) -> Vec<String> {
    let path = module.replace('.', "/");
    let spots =
        roots.iter().flat_map(|root| [join(root, &format!("{path}.py")), join(root, &format!("{path}/__init__.py"))]);
    spots.filter(|spot| files.contains(spot)).collect()
}

/// A pattern that tells files apart: `*.py` does not.
fn says_something(pattern: &str) -> bool {
    let bare = pattern.strip_suffix(".py").unwrap_or(pattern);
    bare.chars().any(char::is_alphanumeric) && !bare.contains(['/', '[', '?']) && bare != "*.rst" && bare != "*.md"
}

fn inside(dir: &str, word: &str) -> Option<String> {
    let word = word.trim_matches(['"', '\'']).trim_start_matches("./").trim_end_matches('/');
    let plain =
        !word.is_empty() && !word.starts_with('/') && word != "." && !word.contains("..") && !word.contains('$');
    plain.then(|| join(dir, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_every_kind_of_file() {
        let ini = "[tox]\npython_files = no.py\n[pytest]\npython_files =\n    check_*.py  verify_*.py\n    *.py\n\
                   addopts = -p tools.plugin -p no:cacheprovider -c conf/more.ini --doctest-glob='*.spec.txt'\npythonpath = python ./lib\n";
        let toml = "[tool.pytest.ini_options]\npython_files = ['check_*.py', 'verify_*.py']\npythonpath = ['python', 'lib']\n\
                    addopts = ['-ptools.plugin', '--config-file=conf/more.ini', '--doctest-glob=*.spec.txt']\n";
        for (path, text) in [("tox.ini", ini), ("pyproject.toml", toml)] {
            let mut options = RunnerOptions::default();
            options.take(path, text);
            assert_eq!(
                options.patterns,
                ["*.spec.txt", "check_*.py", "verify_*.py"].map(str::to_owned).into(),
                "{path}"
            );
            assert_eq!(
                options.others,
                ["*.py".to_owned()].into_iter().filter(|_| path == "tox.ini").collect(),
                "{path}"
            );
            assert_eq!(options.plugins, ["tools.plugin".to_owned()].into(), "{path}");
            assert_eq!(options.files, ["conf/more.ini".to_owned()].into(), "{path}");
            assert_eq!(options.python_path, ["python", "lib"].map(str::to_owned).into(), "{path}");
        }
    }

    #[test]
    fn plugins_that_a_conftest_names_are_found() {
        assert_eq!(conftest_plugins("pytest_plugins = ['a.b', \"c\"]\nx = 'no'\n"), ["a.b", "c"]);
        assert_eq!(conftest_plugins("pytest_plugins = 'a'\n"), ["a"]);
        assert_eq!(conftest_plugins("import os\n"), Vec::<String>::new());
    }
}
