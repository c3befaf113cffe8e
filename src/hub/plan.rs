//! What is to be done so that a repository holds the dataset. Pure: from the directory's files and the repository's.
//!
//! A commit holds at most [`MOST_OPERATIONS`] operations, names the commit it builds on, and puts README and manifest
//! last: a new dataset is not visible until it is whole. A dataset that replaces another in several commits is mixed on
//! `main` until the last commit; a tag, or `--pr`, shows the new one at once.

use std::collections::{BTreeMap, BTreeSet};

use super::local::LocalFile;
use crate::dataset::select::strangers::ATTRIBUTES;

/// Operations in one commit; the Hub asks for no more and ends a commit after a minute.
pub const MOST_OPERATIONS: usize = 100;
/// Bytes of files in one commit that may travel inside it.
const MOST_INLINE: u64 = 16 << 20;
/// Bytes in one commit, so that what was finished of a very large upload stays.
const MOST_BYTES: u64 = 20 << 30;

/// A repository at one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The commit; `None` in an empty repository.
    pub head: Option<String>,
    pub files: BTreeMap<String, RemoteFile>,
}

/// One of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    pub bytes: u64,
    /// Git's name of what is in git: the file, or the pointer to it.
    pub blob: String,
    /// Of the file, when git holds a pointer.
    pub sha256: Option<String>,
}

/// How much of a repository is the dataset's own, that is, may be removed when the dataset no longer has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It holds a dataset of ours, or an interrupted first upload of this one: these paths of its manifest.
    Ours(BTreeSet<String>),
    /// It holds other things and no manifest of ours.
    Strangers(Vec<String>),
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Commits, in order. The files that make a dataset visible come last.
    pub batches: Vec<Batch>,
    pub unchanged: u64,
    /// Files of the repository that are not the dataset's and stay.
    pub left_alone: Vec<String>,
}

/// One commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub add: Vec<LocalFile>,
    pub delete: Vec<String>,
}

impl Batch {
    pub fn operations(&self) -> usize {
        self.add.len() + self.delete.len()
    }

    pub fn bytes(&self) -> u64 {
        self.add.iter().map(|file| file.bytes).sum()
    }
}

impl Plan {
    pub fn is_done(&self) -> bool {
        self.batches.is_empty()
    }

    pub fn operations(&self) -> usize {
        self.batches.iter().map(Batch::operations).sum()
    }
}

impl Remote {
    /// The repository after a commit.
    pub fn after(&mut self, batch: &Batch, head: String) {
        for path in &batch.delete {
            self.files.remove(path);
        }
        for file in &batch.add {
            let sha256 = (file.needs_pointer() || file.blob.is_none()).then(|| file.sha256.to_string());
            let blob = file.blob.clone().unwrap_or_default();
            self.files.insert(file.path.clone(), RemoteFile { bytes: file.bytes, blob, sha256 });
        }
        self.head = Some(head);
    }
}

/// Whose the repository is. `manifest` is what the repository's own manifest lists, when it has one of ours.
pub fn claim(local: &[LocalFile], remote: &Remote, manifest: Option<BTreeSet<String>>) -> Claim {
    if let Some(listed) = manifest {
        return Claim::Ours(listed);
    }
    let known: BTreeSet<_> = local.iter().map(|file| file.path.as_str()).collect();
    let strangers: Vec<_> =
        remote.files.keys().filter(|path| *path != ATTRIBUTES && !known.contains(path.as_str())).cloned().collect();
    if strangers.is_empty() { Claim::Ours(BTreeSet::new()) } else { Claim::Strangers(strangers) }
}

/// Compares. `ours` are paths that may be removed when the dataset has them no longer; so may be what lies in the top
/// folders of those and of the dataset, since a reader would take it for a part of it.
pub fn plan(local: &[LocalFile], remote: &Remote, ours: &BTreeSet<String>) -> Plan {
    let known: BTreeSet<_> = local.iter().map(|file| file.path.as_str()).collect();
    let folders: BTreeSet<_> =
        known.iter().copied().chain(ours.iter().map(String::as_str)).filter_map(folder).collect();
    let (mut data, mut front, mut unchanged) = (Vec::new(), Vec::new(), 0);
    for file in local {
        if remote.files.get(&file.path).is_some_and(|there| same(file, there)) {
            unchanged += 1;
        } else if folder(&file.path).is_some() {
            data.push(file.clone());
        } else {
            front.push(file.clone());
        }
    }
    let (delete, left_alone) = remote
        .files
        .keys()
        .filter(|path| *path != ATTRIBUTES && !known.contains(path.as_str()))
        .cloned()
        .partition(|path| ours.contains(path) || folder(path).is_some_and(|folder| folders.contains(folder)));
    Plan { batches: batches(data, delete, front), unchanged, left_alone }
}

/// Whether the repository holds exactly this file, in the form the Hub wants.
pub fn same(file: &LocalFile, there: &RemoteFile) -> bool {
    if file.bytes != there.bytes {
        return false;
    }
    match &there.sha256 {
        Some(sha256) => sha256 == file.sha256.as_str(),
        None => !file.needs_pointer() && file.blob.as_ref() == Some(&there.blob),
    }
}

fn folder(path: &str) -> Option<&str> {
    path.split_once('/').map(|(folder, _)| folder)
}

/// Data, then removals, then what makes it visible, in as few commits as the bounds allow.
fn batches(data: Vec<LocalFile>, delete: Vec<String>, front: Vec<LocalFile>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut inline = 0;
    let mut open = |weight: u64, bytes: u64, batches: &mut Vec<Batch>| {
        let fits = batches.last().is_some_and(|batch| {
            batch.operations() < MOST_OPERATIONS
                && inline + weight <= MOST_INLINE
                && batch.bytes() + bytes <= MOST_BYTES
        });
        if !fits {
            batches.push(Batch::default());
            inline = 0;
        }
        inline += weight;
        batches.len() - 1
    };
    for file in data {
        let at = open(weight(&file), file.bytes, &mut batches);
        batches[at].add.push(file);
    }
    for path in delete {
        let at = open(0, 0, &mut batches);
        batches[at].delete.push(path);
    }
    for file in front {
        let at = open(weight(&file), file.bytes, &mut batches);
        batches[at].add.push(file);
    }
    batches
}

fn weight(file: &LocalFile) -> u64 {
    if file.needs_pointer() { 0 } else { file.bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;

    fn file(path: &str, text: &str) -> LocalFile {
        let bytes = text.len() as u64;
        LocalFile {
            path: path.to_owned(),
            bytes,
            sha256: Digest::of(text.as_bytes()),
            blob: Some(format!("git-{text}")),
        }
    }

    fn holding(files: &[LocalFile]) -> Remote {
        let mut remote = Remote::default();
        remote.after(&Batch { add: files.to_vec(), delete: Vec::new() }, "head".to_owned());
        remote.files.insert(ATTRIBUTES.to_owned(), RemoteFile { bytes: 1, blob: "a".to_owned(), sha256: None });
        remote
    }

    fn dataset() -> Vec<LocalFile> {
        vec![file("README.md", "card"), file("manifest.json", "{}"), file("sft/train-0.parquet", "rows")]
    }

    fn adds(plan: &Plan) -> Vec<Vec<&str>> {
        plan.batches.iter().map(|batch| batch.add.iter().map(|file| file.path.as_str()).collect()).collect()
    }

    #[test]
    fn a_small_dataset_is_one_commit_with_the_visible_files_last_and_a_second_time_nothing() {
        let local = dataset();
        let first = plan(&local, &Remote::default(), &BTreeSet::new());
        assert_eq!(adds(&first), [["sft/train-0.parquet", "README.md", "manifest.json"]]);
        let again = plan(&local, &holding(&local), &BTreeSet::new());
        assert!(again.is_done() && again.unchanged == 3);
    }

    #[test]
    fn what_is_not_stored_as_a_pointer_or_differs_is_sent_again() {
        let local = dataset();
        let mut remote = holding(&local);
        remote.files.get_mut("sft/train-0.parquet").unwrap().sha256 = None;
        remote.files.get_mut("README.md").unwrap().blob = "git-other".to_owned();
        assert_eq!(adds(&plan(&local, &remote, &BTreeSet::new())), [["sft/train-0.parquet", "README.md"]]);
        let mut remote = holding(&local);
        remote.files.get_mut("manifest.json").unwrap().bytes = 3;
        assert_eq!(adds(&plan(&local, &remote, &BTreeSet::new())), [["manifest.json"]]);
    }

    #[test]
    fn many_files_are_split_and_removals_come_before_what_is_visible() {
        let mut local = dataset();
        local.extend((0..230).map(|n| file(&format!("sft/train-{n:05}.parquet"), &format!("rows {n}"))));
        local.sort_by(|one, other| one.path.cmp(&other.path));
        let remote = holding(&[file("sft/old.parquet", "old"), file("notes.txt", "theirs"), file("gone/a.bin", "a")]);
        let plan = plan(&local, &remote, &["gone/a.bin".to_owned()].into());
        assert!(plan.batches.iter().all(|batch| batch.operations() <= MOST_OPERATIONS));
        assert_eq!(plan.batches.len(), 3);
        let last = plan.batches.last().unwrap();
        assert_eq!(last.delete, ["gone/a.bin", "sft/old.parquet"]);
        assert_eq!(last.add.last().unwrap().path, "manifest.json");
        assert_eq!(plan.left_alone, ["notes.txt"]);
        assert_eq!(plan.operations(), 231 + 2 + 2);
    }

    #[test]
    fn files_that_travel_inside_a_commit_are_bounded_by_their_bytes() {
        let big = |path: &str| LocalFile { bytes: 9 << 20, ..file(path, path) };
        let local = [big("a/1.json"), big("a/2.json"), big("a/3.parquet"), file("README.md", "card")];
        assert_eq!(
            adds(&plan(&local, &Remote::default(), &BTreeSet::new())),
            [vec!["a/1.json"], vec!["a/2.json", "a/3.parquet", "README.md"]]
        );
    }

    #[test]
    fn a_repository_with_other_things_is_not_ours_and_an_interrupted_first_upload_is() {
        let local = dataset();
        assert_eq!(claim(&local, &holding(&local[2..]), None), Claim::Ours(BTreeSet::new()));
        let theirs = holding(&[file("data/train.parquet", "x")]);
        assert_eq!(claim(&local, &theirs, None), Claim::Strangers(vec!["data/train.parquet".to_owned()]));
        let listed: BTreeSet<_> = ["data/train.parquet".to_owned()].into();
        assert_eq!(claim(&local, &theirs, Some(listed.clone())), Claim::Ours(listed));
    }
}
