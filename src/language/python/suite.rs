//! Which test files a project's own configuration leaves out of its suite. In: the files of a tree. Out: two rules, each a table of
//! what it leaves out and why.
//!
//! The first rule is the runner's configuration. For pytest it stands at the top of the repository: `testpaths` (if it names
//! nothing, pytest looks everywhere), `norecursedirs`, `python_files`, and `--ignore`, `--ignore-glob` and `--deselect` of
//! `addopts`; and in conftest files: `collect_ignore` and `collect_ignore_glob`. What `-k`, `-m`, a condition or a plugin takes out
//! only a run can tell; the run of gold does. For unittest it is the command that starts it.
//!
//! The second rule leaves nested projects out.

use std::collections::BTreeMap;

use super::ignored::Ignored;
use super::paths::{above, join};
use super::pytest_config::PytestConfig;
use super::wildcard::{fits, fnmatch, glob};
use super::{discover, nested};
use crate::language::files::Files;
use crate::language::suite::{Question, is_at};

/// Folders that pytest does not look into unless it is told otherwise.
const NO_RECURSE: [&str; 9] = ["*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"];

/// What is left out, rule by rule.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn left_out(files: &dyn Files, question: Question<'_>) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
    let paths = files.trusted()?;
    let (configured, starts) = match question.runner {
        "pytest" => {
            let config = PytestConfig::of(files)?;
            let rules = Rules { starts: starts(&config, &paths), ignored: Ignored::of(files, &paths)?, config };
            let out = |path: &String| Some((path.clone(), rules.why(path)?));
            (question.collected.iter().filter_map(out).collect(), rules.starts)
        }
        "unittest" => (discover::left_out(files, question.collected)?, Vec::new()),
        _ => (BTreeMap::new(), Vec::new()),
    };
    let projects = nested::projects(files, &paths, question.changed, &starts)?;
    let inside = |path: &&String| projects.iter().any(|project| is_at(project, path));
    let own = question.collected.iter().filter(inside).map(|path| (path.clone(), nested::WHY.to_owned()));
    Ok(vec![configured, own.collect()])
}

/// Files and folders that `testpaths` names. Empty: pytest looks everywhere.
fn starts(config: &PytestConfig, paths: &[String]) -> Vec<String> {
    let wanted = config.words("testpaths").unwrap_or_default();
    let mut all: Vec<&str> = paths.iter().map(String::as_str).collect();
    all.extend(paths.iter().flat_map(|path| above(path)).filter(|dir| !dir.is_empty()));
    all.sort_unstable();
    all.dedup();
    let mut found = Vec::new();
    for word in wanted {
        let path = word.trim_start_matches("./").trim_end_matches('/');
        if path.is_empty() || path == "." || path.starts_with('/') || path.contains("..") || path.contains('$') {
            // The top itself, or a place that is not plain.
            return Vec::new();
        }
        let mut of_word: Vec<_> =
            all.iter().filter(|known| **known == path || glob(path, known)).map(|known| (*known).to_owned()).collect();
        if of_word.is_empty() && config.flag("--pyargs") {
            of_word = module(path, &all);
        }
        found.extend(of_word);
    }
    found
}

/// The places of a dotted name.
fn module(dotted: &str, all: &[&str]) -> Vec<String> {
    let path = dotted.replace('.', "/");
    let spots = ["", "src", "lib"].map(|root| join(root, &path));
    let spots = spots.iter().flat_map(|spot| [spot.clone(), format!("{spot}.py")]);
    spots.filter(|spot| all.contains(&spot.as_str())).collect()
}

/// What pytest's configuration says about a tree.
struct Rules {
    config: PytestConfig,
    starts: Vec<String>,
    ignored: Ignored,
}

impl Rules {
    /// What leaves a test file out; `None` if nothing does.
    fn why(&self, path: &str) -> Option<String> {
        let file = &self.config.file;
        let set = |key: &str| self.config.words(key).map(|words| words.join(" "));
        let start = self.starts.iter().filter(|start| is_at(start, path)).min_by_key(|start| start.len());
        if start.is_none() && !self.starts.is_empty() {
            return Some(format!("testpaths = {} ({file})", set("testpaths").unwrap_or_default()));
        }
        if start.is_some_and(|start| start == path) {
            return None;
        }
        let start = start.map_or("", String::as_str);
        // What is named is looked into, whatever it is called.
        let mut visited: Vec<&str> = above(path).take_while(|dir| *dir != start).collect();
        for dir in &visited {
            if let Some(pattern) = self.no_recurse(dir) {
                let stated = if self.config.words("norecursedirs").is_some() { file } else { "pytest's own" };
                return Some(format!("norecursedirs = {pattern} ({stated})"));
            }
        }
        visited.push(path);
        visited.iter().find_map(|place| self.ignores(place)).or_else(|| self.deselects(path)).or_else(|| {
            let patterns = self.config.words("python_files").filter(|_| path.ends_with(".py"))?;
            let fits = patterns.iter().any(|pattern| fits(pattern, path));
            (!fits).then(|| format!("python_files = {} ({file})", patterns.join(" ")))
        })
    }

    fn no_recurse(&self, dir: &str) -> Option<String> {
        match self.config.words("norecursedirs") {
            Some(own) => own.iter().find(|pattern| fits(pattern, dir)).cloned(),
            None => NO_RECURSE.iter().find(|pattern| fits(pattern, dir)).map(|pattern| (*pattern).to_owned()),
        }
    }

    fn ignores(&self, place: &str) -> Option<String> {
        let file = &self.config.file;
        let bare = |value: &str| value.trim_start_matches("./").trim_end_matches('/').to_owned();
        let named = self.config.options(&["--ignore"]).into_iter().find(|value| bare(value) == place);
        let patterns = || self.config.options(&["--ignore-glob"]).into_iter();
        let fitting = || patterns().find(|value| fnmatch(&format!("/{}", bare(value)), &format!("/{place}")));
        let told = |option: &str, value: String| format!("{option}={value} ({file})");
        named
            .map(|value| told("--ignore", value))
            .or_else(|| fitting().map(|value| told("--ignore-glob", value)))
            .or_else(|| self.ignored.why(place))
    }

    /// `--deselect` takes beginnings of test ids; one without a test's name takes whole files.
    fn deselects(&self, path: &str) -> Option<String> {
        let mut values = self.config.options(&["--deselect"]).into_iter();
        let value =
            values.find(|value| !value.is_empty() && !value.contains("::") && path.starts_with(value.as_str()))?;
        Some(format!("--deselect={value} ({})", self.config.file))
    }
}

#[cfg(test)]
#[path = "suite_tests.rs"]
mod tests;
