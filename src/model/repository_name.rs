//! The name of a source repository, however people and datasets write it. Hosts do not tell letters' case apart; they take
//! an address with or without `.git`. Pure.

use std::fmt;
use std::str::FromStr;

/// Pages of a host below a repository's address.
const PAGES: [&str; 13] = [
    "tree", "blob", "commit", "commits", "issues", "pull", "pulls", "releases", "tags", "wiki", "raw", "archive",
    "compare",
];

/// `owner/name` in lower case, or a package's bare name. Two that are equal are one repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The repository that a row names; text that is no name stands for itself.
    pub fn of(repo: &str) -> Self {
        repo.parse().unwrap_or_else(|_| Self(repo.trim().to_lowercase()))
    }

    /// The names of a list with commas.
    ///
    /// # Errors
    /// A name that cannot be read, or no name at all.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let names: Vec<_> = text.split(',').filter(|name| !name.trim().is_empty()).collect();
        if names.is_empty() {
            return Err(unreadable(text));
        }
        names.into_iter().map(str::parse).collect()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its owner.
    pub fn bare(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RepositoryName {
    type Err = String;

    /// Reads `owner/name`, `host/owner/name`, `https://`, `ssh://` and `git@` addresses, pages below them, SWE-smith's
    /// mirrors (`org/owner__name.commit`), `owner__name`, and the bare name of a package.
    fn from_str(text: &str) -> Result<Self, String> {
        read(text).map(|name| Self(name.to_lowercase())).ok_or_else(|| unreadable(text))
    }
}

fn unreadable(text: &str) -> String {
    format!("{text:?} is not the name of a repository; write OWNER/NAME or its address, several with commas")
}

fn read(text: &str) -> Option<String> {
    let (address, path) = path_of(text.trim());
    let path = if address { path.split(['?', '#']).next().unwrap_or(path) } else { path };
    let mut parts: Vec<_> = path.split('/').map(str::trim).filter(|part| !part.is_empty()).collect();
    if !address && parts.len() > 2 && parts[0].contains('.') {
        parts.remove(0);
    }
    // GitLab sets pages off with `-`, GitHub does not.
    if let Some(end) = (2..parts.len()).find(|at| parts[*at] == "-" || PAGES.contains(&parts[*at])) {
        parts.truncate(end);
    }
    let name = parts.pop()?;
    let end = name.len().saturating_sub(".git".len());
    let name = match name.get(end..) {
        Some(suffix) if suffix.eq_ignore_ascii_case(".git") => &name[..end],
        _ => name,
    };
    let good = |part: &&str| {
        let fits = |letter: char| letter.is_alphanumeric() || ['-', '_', '.', '~', '+'].contains(&letter);
        part.chars().all(fits) && part.chars().any(char::is_alphanumeric)
    };
    if !parts.iter().chain([&name]).all(good) || (address && parts.is_empty()) {
        return None;
    }
    if let Some(original) = mirrored(name) {
        return Some(original);
    }
    parts.push(name);
    Some(parts.join("/"))
}

/// Whether it is an address, and its path on the host.
fn path_of(text: &str) -> (bool, &str) {
    if let Some((_, rest)) = text.split_once("://") {
        return (true, rest.split_once('/').map_or("", |(_, path)| path));
    }
    match text.split_once(':') {
        // git@host:owner/name
        Some((host, path)) if !host.contains('/') => (true, path),
        _ => (false, text),
    }
}

/// The repository that a mirror's name stands for: `owner__name`, for SWE-smith with a short commit behind it.
fn mirrored(name: &str) -> Option<String> {
    let (owner, name) = name.split_once("__").filter(|(owner, name)| !owner.is_empty() && !name.is_empty())?;
    let name = match name.rsplit_once('.') {
        Some((name, commit)) if commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
        _ => name,
    };
    Some(format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_repository_is_one_name() {
        for text in [
            "own-er/na.me",
            "Own-er/Na.Me",
            " own-er/na.me\n",
            "own-er/na.me/",
            "own-er/na.me.git",
            "own-er/na.me.GIT/",
            "https://github.com/own-er/na.me",
            "HTTPS://GitHub.com/Own-Er/na.me.git",
            "http://www.github.com/own-er/na.me/",
            "https://user:token@git.example.org:8443/own-er/na.me.git",
            "https://github.com/own-er/na.me/issues/12#comment",
            "https://github.com/own-er/na.me/tree/main?tab=readme",
            "https://gitlab.com/own-er/na.me/-/tree/main",
            "git+https://github.com/own-er/na.me.git",
            "git://github.com/own-er/na.me",
            "git@github.com:own-er/na.me.git",
            "github.com:own-er/na.me",
            "ssh://git@github.com/own-er/na.me.git",
            "ssh://git@github.com:22/own-er/na.me",
            "github.com/own-er/na.me",
            "www.github.com/own-er/na.me.git",
            "own-er__na.me",
            "swesmith/own-er__na.me.0a1b2c3d",
        ] {
            assert_eq!(
                text.parse::<RepositoryName>().as_ref().map(RepositoryName::as_str),
                Ok("own-er/na.me"),
                "{text}"
            );
        }
        let other = [("Jinja2", "jinja2"), ("https://gitlab.com/Group/sub/name", "group/sub/name"), ("a/__b", "a/__b")];
        for (text, name) in other {
            assert_eq!(text.parse::<RepositoryName>().unwrap().as_str(), name);
        }
        assert_ne!(RepositoryName::of("one/name"), RepositoryName::of("other/name"));
        assert_ne!(RepositoryName::of("own/name.github"), RepositoryName::of("own/name"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_how_to_write_one() {
        for text in
            ["", " ", "/", "own er/name", "own/*", "own/name@v1", "https://github.com/own", "../..", ".git", "a,b/c"]
        {
            let why = text.parse::<RepositoryName>().unwrap_err();
            assert!(why.contains("OWNER/NAME") && why.contains(&format!("{text:?}")), "{text}: {why}");
        }
        assert_eq!(RepositoryName::of(" Some Thing ").as_str(), "some thing");
    }

    #[test]
    fn a_list_has_commas_and_each_of_its_names_must_be_readable() {
        let names =
            |text| RepositoryName::list(text).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names("a/b, https://github.com/C/D.git,"), Ok(vec!["a/b".to_owned(), "c/d".to_owned()]));
        assert!(names("a/b,c d").unwrap_err().contains("\"c d\""));
        for nothing in ["", " , "] {
            assert!(names(nothing).is_err());
        }
    }
}
