//! What a `go.mod` says, as far as an environment rests on it.

/// The module's path without its major version, and whether it asks for other modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleFile {
    /// Empty if the file does not say it.
    pub path: String,
    pub requires: bool,
}

impl ModuleFile {
    /// Reads the text. Lines that are not understood say nothing; Go itself refuses them later.
    pub fn read(text: &str) -> Self {
        let mut file = Self::default();
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or_default();
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["module", path] => file.path = without_major(path.trim_matches('"')).to_owned(),
                ["require", ..] => file.requires = true,
                _ => {}
            }
        }
        file
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

    #[test]
    fn a_module_has_a_path_and_may_ask_for_others() {
        let alone = ModuleFile::read("module github.com/pelletier/go-toml\n\ngo 1.12\n");
        assert_eq!(alone, ModuleFile { path: "github.com/pelletier/go-toml".to_owned(), requires: false });
        let block = ModuleFile::read("module \"x.org/a/v3\" // ours\nrequire (\n\tx.org/b v1.0.0\n)\n");
        assert_eq!(block, ModuleFile { path: "x.org/a".to_owned(), requires: true });
        assert!(ModuleFile::read("module a\nrequire x.org/b v1.0.0\n").requires);
    }

    #[test]
    fn another_release_of_a_module_is_known_by_its_path() {
        let own = ModuleFile::read("module github.com/Masterminds/semver/v3\n");
        assert!(own.is_release_of_it(&unescaped("github.com/!masterminds/semver")));
        assert!(own.is_release_of_it("github.com/Masterminds/semver/v2"));
        assert!(!own.is_release_of_it("github.com/Masterminds/sprig"));
        assert!(ModuleFile::read("module gopkg.in/yaml.v2").is_release_of_it("gopkg.in/yaml.v3"));
        assert!(!ModuleFile::default().is_release_of_it(""));
    }
}
