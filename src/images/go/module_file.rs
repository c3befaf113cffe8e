//! What a `go.mod` says, as far as an environment rests on it. Go itself reads the file and says it as JSON.

use serde::Deserialize;

/// The module's path without its major version, whether it asks for other modules, and what stands in for some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleFile {
    /// Empty if the file does not say it.
    pub path: String,
    pub requires: bool,
    /// Folders that are taken in place of a module, as the file writes them, sorted.
    pub folders: Vec<String>,
}

/// What `go mod edit -json` prints. A list that is empty is `null` there.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    module: Module,
    require: Option<Vec<Module>>,
    replace: Option<Vec<Replace>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replace {
    new: Module,
}

impl ModuleFile {
    /// Reads what `go mod edit -json` prints.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(json: &str) -> Result<Self, serde_json::Error> {
        let Said { module, require, replace } = serde_json::from_str(json)?;
        let replaced = replace.into_iter().flatten().map(|replace| replace.new);
        // A module that stands in for another one has a version, and a folder has none.
        let mut folders: Vec<_> = replaced.filter(|new| new.version.is_none()).map(|new| new.path).collect();
        folders.sort();
        folders.dedup();
        let requires = require.is_some_and(|modules| !modules.is_empty());
        Ok(Self { path: without_major(&module.path).to_owned(), requires, folders })
    }

    /// Whether a module of the cache is another release of this module, or of it under another major version.
    pub fn is_release_of_it(&self, module: &str) -> bool {
        !self.path.is_empty() && without_major(module) == self.path
    }
}

fn without_major(path: &str) -> &str {
    let major = |last: &str| last.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
    match path.rsplit_once('/') {
        Some((rest, last)) if major(last) => rest,
        _ => match path.rsplit_once('.') {
            Some((rest, last)) if path.starts_with("gopkg.in/") && major(last) => rest,
            _ => path,
        },
    }
}

/// A path of the module cache, where capital letters are written as `!` and the small letter.
pub fn unescaped(path: &str) -> String {
    let mut plain = String::new();
    let mut letters = path.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '!' => plain.extend(letters.next().map(|letter| letter.to_ascii_uppercase())),
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go 1.23 says it.
    fn of_path(path: &str) -> ModuleFile {
        let rest = r#""Go": "1.12", "Require": null, "Exclude": null, "Replace": null, "Retract": null"#;
        ModuleFile::read(&format!(r#"{{"Module": {{"Path": "{path}"}}, {rest}}}"#)).unwrap()
    }

    #[test]
    fn a_module_has_a_path_and_may_ask_for_others() {
        let alone = of_path("github.com/pelletier/go-toml");
        assert_eq!(alone, ModuleFile { path: "github.com/pelletier/go-toml".to_owned(), ..ModuleFile::default() });
        let more = r#"{
            "Module": {"Path": "x.org/a/v3"},
            "Require": [{"Path": "x.org/b", "Version": "v1.0.0"}, {"Path": "x.org/c", "Version": "v1.0.0", "Indirect": true}],
            "Replace": [
                {"Old": {"Path": "x.org/c", "Version": "v1.0.0"}, "New": {"Path": "./parts/c"}},
                {"Old": {"Path": "x.org/b"}, "New": {"Path": "../b d"}},
                {"Old": {"Path": "x.org/d"}, "New": {"Path": "x.org/e", "Version": "v1.2.3"}}
            ],
            "Tool": null
        }"#;
        let folders = ["../b d", "./parts/c"].map(str::to_owned).to_vec();
        let expected = ModuleFile { path: "x.org/a".to_owned(), requires: true, folders };
        assert_eq!(ModuleFile::read(more).unwrap(), expected);
        assert!(ModuleFile::read("go: unknown command").is_err());
    }

    #[test]
    fn another_release_of_a_module_is_known_by_its_path() {
        let own = of_path("github.com/Masterminds/semver/v3");
        assert!(own.is_release_of_it(&unescaped("github.com/!masterminds/semver")));
        assert!(own.is_release_of_it("github.com/Masterminds/semver/v2"));
        assert!(!own.is_release_of_it("github.com/Masterminds/sprig"));
        assert!(of_path("gopkg.in/yaml.v2").is_release_of_it("gopkg.in/yaml.v3"));
        assert!(!ModuleFile::default().is_release_of_it(""));
    }
}
