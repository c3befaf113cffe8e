//! Faults of the repository or the machine, and what may be asked of them.

use std::path::PathBuf;

use thiserror::Error;

/// Faults of the repository or the machine. None of them is a fact about a candidate.
#[derive(Debug, Error)]
pub enum RepoError {
    /// What was named is not a repository, or one that cannot be read.
    #[error("{} {why}", path.display())]
    Unopened { path: PathBuf, why: String },
    /// The repository lacks the commit an instance names.
    #[error("commit {commit} is not in {}; {next}", repository.display())]
    CommitNotFound { commit: String, repository: PathBuf, next: String },
    /// The repository lacks objects of a commit that it has.
    #[error("{} lacks objects ({what}); {next}", repository.display())]
    Incomplete { repository: PathBuf, what: String, next: String },
    /// A tree id that this repository does not hold.
    #[error("tree {tree} is not in {}; import the base tree again", repository.display())]
    TreeNotFound { tree: String, repository: PathBuf },
    /// A file that a git tree of ours cannot hold: a name that is not UTF-8, a socket, a nested repository, ...
    #[error("{path}: {why}")]
    Unstorable { path: String, why: String },
    /// A tree whose layout its language cannot read.
    #[error("the layout of tree {tree} cannot be read: {why}")]
    Survey { tree: String, why: String },
    #[error("{} is not an empty directory; give a new one", path.display())]
    NotEmpty { path: PathBuf },
    /// A repository of ours that reads another one ([`super::Repository::beside`]).
    #[error("{} cannot be used: {fault}; it holds nothing that cannot be made again: delete that folder and run again", path.display())]
    Companion { path: PathBuf, fault: git2::Error },
    // What the system said stands in the words themselves. It is not the error's source, so that no chain says it again.
    #[error("{doing} in {}: {fault}", repository.display())]
    Git { doing: &'static str, repository: PathBuf, fault: git2::Error },
    #[error("{doing} {}: {fault}", path.display())]
    Io { doing: &'static str, path: PathBuf, fault: std::io::Error },
}

impl RepoError {
    /// Whether git found a name, a tree or a patch wrong, and not the disk or the object store.
    pub fn is_about_content(&self) -> bool {
        use git2::ErrorClass::{Invalid, Object, Patch, Tree};
        matches!(self, Self::Git { fault, .. } if matches!(fault.class(), Invalid | Tree | Patch | Object))
    }

    /// Whether a repository that was to be opened is itself at fault, and not this machine or the cache.
    pub fn is_about_repository(&self) -> bool {
        use git2::ErrorClass::{NoMemory, Os, Thread};
        match self {
            Self::Unopened { .. }
            | Self::CommitNotFound { .. }
            | Self::Incomplete { .. }
            | Self::TreeNotFound { .. }
            | Self::Unstorable { .. }
            | Self::Survey { .. } => true,
            Self::Git { fault, .. } => !matches!(fault.class(), Os | NoMemory | Thread),
            Self::NotEmpty { .. } | Self::Companion { .. } | Self::Io { .. } => false,
        }
    }

    /// Whether something that a tree names is not in the object store.
    pub fn lacks_objects(&self) -> bool {
        matches!(self, Self::Incomplete { .. })
    }
}

/// Faults for tests elsewhere, which do not know git2.
#[cfg(test)]
pub(crate) mod planted {
    use super::*;

    pub(crate) fn of_git(class: git2::ErrorClass) -> RepoError {
        let fault = git2::Error::new(git2::ErrorCode::GenericError, class, "no such thing");
        RepoError::Git { doing: "writing a tree", repository: PathBuf::from("r.git"), fault }
    }

    /// Git refuses what it was given.
    pub(crate) fn refusal() -> RepoError {
        of_git(git2::ErrorClass::Tree)
    }

    /// The disk or the object store failed.
    pub(crate) fn of_the_machine() -> [RepoError; 2] {
        [of_git(git2::ErrorClass::Os), of_git(git2::ErrorClass::Odb)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::ErrorClass::{Invalid, Net, Object, Odb, Os, Patch, Reference, Tree};

    #[test]
    fn what_the_system_said_stands_in_a_chain_once() {
        let fault = std::io::Error::other("no such device");
        let error = anyhow::Error::from(RepoError::Io { doing: "reading", path: PathBuf::from("a"), fault });
        assert_eq!(format!("{:#}", error.context("b")), "b: reading a: no such device");
    }

    #[test]
    fn what_git_says_of_a_name_or_a_tree_is_told_from_what_it_says_of_the_machine() {
        for (class, content) in [
            (Invalid, true),
            (Tree, true),
            (Patch, true),
            (Object, true),
            (Os, false),
            (Odb, false),
            (Net, false),
            (Reference, false),
        ] {
            assert_eq!(planted::of_git(class).is_about_content(), content, "{class:?}");
        }
        let lacking = RepoError::Incomplete {
            repository: PathBuf::from("r.git"),
            what: "reading a file: object not found".to_owned(),
            next: "clone it anew".to_owned(),
        };
        assert!(lacking.lacks_objects() && !lacking.is_about_content());
        assert_eq!(lacking.to_string(), "r.git lacks objects (reading a file: object not found); clone it anew");
        assert!(!planted::of_git(Odb).lacks_objects());
    }
}
