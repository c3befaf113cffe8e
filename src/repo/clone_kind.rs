//! What kind of clone a repository is, and the command that completes it.

use std::fs;
use std::path::{Path, PathBuf};

use super::RepoError;
use super::regular;
use super::store::Repository;

impl Repository {
    /// Objects are missing that a commit here needs.
    pub(super) fn incomplete(&self, what: String) -> RepoError {
        let next = match self.origin(Self::completion) {
            Ok(next) => next,
            Err(error) => return error,
        };
        RepoError::Incomplete { repository: self.shown().to_owned(), what, next }
    }

    /// No commit has this name.
    pub(super) fn commit_not_found(&self, rev: &str) -> RepoError {
        let next = match self.origin(Self::deepening) {
            Ok(next) => next,
            Err(error) => return error,
        };
        RepoError::CommitNotFound { commit: rev.to_owned(), repository: self.shown().to_owned(), next }
    }

    /// The commit that stands in the place of another one for git (`git replace`). Replacements are not followed here.
    pub fn replacement(&self, commit: &str) -> Option<String> {
        let found = self.git.find_reference(&format!("refs/replace/{commit}")).ok()?;
        found.target().map(|id| id.to_string())
    }

    /// Whether git reads other objects in the place of some (`git replace`).
    pub fn replaces(&self) -> bool {
        self.git.references_glob("refs/replace/*").is_ok_and(|mut found| found.next().is_some())
    }

    /// Whether it has a work tree.
    pub fn has_work_tree(&self) -> bool {
        self.git.workdir().is_some()
    }

    /// What to do for objects that are missing.
    pub(super) fn completion(&self) -> String {
        if let Some(remote) = self.promisor() {
            // A bare clone has no list of what to fetch, and git would fetch one branch only.
            let listed =
                self.git.config().is_ok_and(|config| config.get_string(&format!("remote.{remote}.fetch")).is_ok());
            let branches = if listed { "" } else { " '+refs/heads/*:refs/heads/*'" };
            let command = self.command(&format!("fetch --refetch --no-filter {remote}{branches}"));
            return format!("it is a partial clone, and {command} completes it");
        }
        if let Some(lost) = self.lost_alternate() {
            return format!("it takes objects from {}, which is not there; put that back", lost.display());
        }
        if self.is_shallow() {
            return format!("it is a shallow clone, and {} completes it", self.command("fetch --unshallow"));
        }
        format!("{} brings them if its remote has them; otherwise clone it anew", self.command("fetch --refetch"))
    }

    /// What to do for a commit that is not there.
    fn deepening(&self) -> String {
        if self.git.references().is_ok_and(|mut found| found.next().is_none()) {
            return "it has no commit yet; commit both trees there, or use `assay import folders`".to_owned();
        }
        if self.is_shallow() {
            let command = self.command("fetch --unshallow");
            return format!("it is a shallow clone, whose history is cut off; {command} brings the rest");
        }
        if let Some(lost) = self.lost_alternate() {
            return format!("it takes objects from {}, which is not there; put that back", lost.display());
        }
        "fetch it there, or correct its name (of an instance: base_commit)".to_owned()
    }

    /// Asks the repository that is read, if that is another one.
    fn origin<T>(&self, ask: impl FnOnce(&Self) -> T) -> Result<T, RepoError> {
        match &self.reads {
            Some(reads) => Ok(ask(&Self::open(reads)?)),
            None => Ok(ask(self)),
        }
    }

    fn shown(&self) -> &Path {
        self.reads.as_deref().unwrap_or(&self.path)
    }

    /// A git command for this repository, to be shown.
    pub fn command(&self, arguments: &str) -> String {
        format!("`git -C {} {arguments}`", quoted(self.shown()))
    }

    /// A path as a word of a shell command, to be shown.
    pub fn word(path: &Path) -> String {
        quoted(path)
    }

    /// The remote that promised the objects of a partial clone.
    fn promisor(&self) -> Option<String> {
        let config = self.git.config().ok()?;
        if let Ok(remote) = config.get_string("extensions.partialclone") {
            return Some(remote);
        }
        let mut names = Vec::new();
        let entries = config.entries(Some(r"^remote\..*\.promisor$")).ok()?;
        entries.for_each(|entry| names.extend(entry.name().ok().map(str::to_owned))).ok()?;
        let name = names.into_iter().find(|name| config.get_bool(name).unwrap_or(false))?;
        Some(name.strip_prefix("remote.")?.strip_suffix(".promisor")?.to_owned())
    }

    /// Whether its history is cut off. A linked work tree has the mark in the main repository, where libgit2 does not look.
    fn is_shallow(&self) -> bool {
        fs::metadata(self.git.commondir().join("shallow")).is_ok_and(|data| data.len() > 0)
    }

    /// A store that objects are borrowed from and that is gone.
    fn lost_alternate(&self) -> Option<PathBuf> {
        let objects = self.git.commondir().join("objects");
        let text = regular::text(&objects.join("info/alternates"))?;
        let places = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        places.map(|line| objects.join(line)).find(|place| !place.is_dir())
    }
}

/// A path as a word of a shell command.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The git directory that a work tree's `.git` file names, if it is gone.
pub(super) fn lost_gitfile(path: &Path) -> Option<PathBuf> {
    let target = gitfile(path)?;
    (!target.exists()).then_some(target)
}

fn gitfile(path: &Path) -> Option<PathBuf> {
    let text = regular::text(&path.join(".git"))?;
    Some(path.join(text.strip_prefix("gitdir:")?.trim()))
}

/// What the repository at a path says of an extension of git's format, also if libgit2 cannot open it.
pub(super) fn extension(path: &Path, name: &str) -> Option<String> {
    let folder =
        gitfile(path).unwrap_or_else(|| if path.join(".git").is_dir() { path.join(".git") } else { path.to_owned() });
    let common = match regular::text(&folder.join("commondir")) {
        Some(common) => folder.join(common.trim()),
        None => folder,
    };
    let config = git2::Config::open(&common.join("config")).ok()?;
    config.get_string(&format!("extensions.{name}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_command() {
        for (path, word) in [
            ("/home/a/b-c.git", "/home/a/b-c.git"),
            ("my code", "'my code'"),
            ("it's", r"'it'\''s'"),
            ("$(rm x)", "'$(rm x)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
