//! Faults of the repository or the machine, and what may be asked of them.

use std::path::PathBuf;

use thiserror::Error;

/// Faults of the repository or the machine. None of them is a fact about a candidate.
#[derive(Debug, Error)]
pub enum RepoError {
    /// The repository lacks the commit an instance names.
    #[error("commit {commit} is not in {}; fetch it there, or correct the instance's base_commit", repository.display())]
    CommitNotFound { commit: String, repository: PathBuf },
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
    #[error("{doing} in {}: {source}", repository.display())]
    Git { doing: &'static str, repository: PathBuf, source: git2::Error },
    #[error("{doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
}

impl RepoError {
    /// Whether git found a name, a tree or a patch wrong, and not the disk or the object store.
    pub fn is_about_content(&self) -> bool {
        use git2::ErrorClass::{Invalid, Object, Patch, Tree};
        matches!(self, Self::Git { source, .. } if matches!(source.class(), Invalid | Tree | Patch | Object))
    }

    /// Whether something that a tree names is not in the object store.
    pub fn lacks_objects(&self) -> bool {
        matches!(self, Self::Git { source, .. } if source.code() == git2::ErrorCode::NotFound)
    }
}

/// Faults for tests elsewhere, which do not know git2.
#[cfg(test)]
pub(crate) mod planted {
    use super::*;

    pub(crate) fn of_git(class: git2::ErrorClass) -> RepoError {
        let source = git2::Error::new(git2::ErrorCode::GenericError, class, "no such thing");
        RepoError::Git { doing: "writing a tree", repository: PathBuf::from("r.git"), source }
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
        let source = git2::Error::new(git2::ErrorCode::NotFound, Odb, "object not found");
        let lacking = RepoError::Git { doing: "reading", repository: PathBuf::from("r.git"), source };
        assert!(lacking.lacks_objects() && !lacking.is_about_content());
        assert!(!planted::of_git(Odb).lacks_objects());
    }
}
