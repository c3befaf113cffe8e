//! A repository of the test Hub: a bare git repository, with what the Hub keeps beside it.

use std::collections::BTreeMap;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Signature, TreeWalkMode, TreeWalkResult};

pub struct Repository {
    git: git2::Repository,
    pub private: bool,
    /// Somebody else's: there, but for no token of the tests.
    pub hidden: bool,
    /// Title and state of each pull request, from number 1.
    pub pull_requests: Vec<(String, String)>,
    /// Operations of each commit.
    pub operations: Vec<usize>,
}

/// A file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub oid: String,
    /// Of the file, not of the pointer.
    pub size: u64,
    /// Of a file that git holds a pointer to.
    pub sha256: Option<String>,
    pub pointer_size: u64,
}

/// What a commit does to a path.
pub enum Change {
    Write(Vec<u8>),
    Delete,
}

impl Repository {
    pub fn init(path: &Path, private: bool) -> Self {
        let git = git2::Repository::init_bare(path).unwrap();
        let repository = Self { git, private, hidden: false, pull_requests: Vec::new(), operations: Vec::new() };
        let attributes = Change::Write(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n".to_vec());
        repository.commit("refs/heads/main", "initial commit", vec![(".gitattributes".to_owned(), attributes)]);
        repository
    }

    /// The commit that a branch, pull request, tag or commit id names.
    pub fn resolve(&self, revision: &str) -> Option<String> {
        for name in [format!("refs/heads/{revision}"), format!("refs/tags/{revision}"), revision.to_owned()] {
            if let Ok(id) = self.git.refname_to_id(&name) {
                return Some(id.to_string());
            }
        }
        let id = Oid::from_str(revision).ok()?;
        self.git.find_commit(id).ok().map(|commit| commit.id().to_string())
    }

    /// The reference that commits to this revision move.
    pub fn branch(revision: &str) -> String {
        if revision.starts_with("refs/") { revision.to_owned() } else { format!("refs/heads/{revision}") }
    }

    pub fn commit(&self, reference: &str, message: &str, changes: Vec<(String, Change)>) -> String {
        let parent = self.git.refname_to_id(reference).ok().map(|id| self.git.find_commit(id).unwrap());
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => self.git.find_tree(self.git.treebuilder(None).unwrap().write().unwrap()).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, change) in changes {
            match change {
                Change::Write(bytes) => update.upsert(path, self.git.blob(&bytes).unwrap(), FileMode::Blob),
                Change::Delete => update.remove(path),
            };
        }
        let tree = self.git.find_tree(update.create_updated(&self.git, &base).unwrap()).unwrap();
        let author = Signature::now("tester", "tester@example.com").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        self.git.commit(Some(reference), &author, &author, message, &tree, &parents).unwrap().to_string()
    }

    /// Somebody else's commit to main.
    pub fn other_commit(&mut self, path: &str) {
        self.commit("refs/heads/main", "somebody else", vec![(path.to_owned(), Change::Write(b"theirs".to_vec()))]);
    }

    /// Removes somebody else's file again.
    pub fn remove(&mut self, path: &str) {
        self.commit("refs/heads/main", "removed again", vec![(path.to_owned(), Change::Delete)]);
    }

    /// The commit before the last one.
    pub fn parent_of(&self, revision: &str) -> String {
        let commit = self.git.find_commit(Oid::from_str(&self.resolve(revision).unwrap()).unwrap()).unwrap();
        commit.parent_id(0).unwrap().to_string()
    }

    pub fn entries(&self, revision: &str) -> BTreeMap<String, Entry> {
        let commit = self.resolve(revision).unwrap_or_else(|| panic!("no revision {revision}"));
        let tree = self.git.find_commit(Oid::from_str(&commit).unwrap()).unwrap().tree().unwrap();
        let mut entries = BTreeMap::new();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                let blob = self.git.find_blob(entry.id()).unwrap();
                let path = format!("{}{}", folder, entry.name().unwrap());
                entries.insert(path, entry_of(entry.id().to_string(), blob.content()));
            }
            TreeWalkResult::Ok
        })
        .unwrap();
        entries
    }

    pub fn content(&self, oid: &str) -> Vec<u8> {
        self.git.find_blob(Oid::from_str(oid).unwrap()).unwrap().content().to_vec()
    }

    pub fn messages(&self, revision: &str) -> Vec<String> {
        let mut walk = self.git.revwalk().unwrap();
        walk.push(Oid::from_str(&self.resolve(revision).unwrap()).unwrap()).unwrap();
        let message = |id: Oid| self.git.find_commit(id).unwrap().message().unwrap().to_owned();
        walk.map(|id| message(id.unwrap())).collect()
    }

    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for name in self.git.tag_names(None).unwrap().iter() {
            let name = name.unwrap().unwrap_or_default().to_owned();
            tags.insert(name.clone(), self.resolve(&name).unwrap());
        }
        tags
    }

    /// Makes a branch.
    pub fn branch_off(&self, name: &str) {
        assert!(self.point(&format!("refs/heads/{name}"), &self.resolve("main").unwrap()));
    }

    pub fn branches(&self) -> Vec<String> {
        let branches = self.git.branches(Some(git2::BranchType::Local)).unwrap();
        branches.map(|branch| branch.unwrap().0.name().unwrap().unwrap_or_default().to_owned()).collect()
    }

    /// Points a new reference at a commit; `false` if it is there.
    pub fn point(&self, reference: &str, commit: &str) -> bool {
        self.git.reference(reference, Oid::from_str(commit).unwrap(), false, "").is_ok()
    }
}

/// The pointer that git holds for a large file.
pub fn pointer(sha256: &str, size: u64) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

fn entry_of(oid: String, content: &[u8]) -> Entry {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    match (field("oid sha256:"), field("size ")) {
        (Some(sha256), Some(size)) if text.starts_with("version https://git-lfs") => Entry {
            oid,
            size: size.parse().unwrap(),
            sha256: Some(sha256.to_owned()),
            pointer_size: content.len() as u64,
        },
        _ => Entry { oid, size: content.len() as u64, sha256: None, pointer_size: 0 },
    }
}
