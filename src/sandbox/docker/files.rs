//! What goes in and out of containers as tar: a job's files and bytecode.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use assay_agent::bytecode;

use super::run::USER;
use crate::sandbox::{FileChange, Job, SUPPORT_DIR};

const STAGE_DIR: &str = "/opt/assay/stage";
/// Files of candidates are a second younger than the base layer's, so that no old bytecode matches them.
pub(crate) const CHANGED_MTIME: u64 = 1_000_000_001;

/// The job's files as a tar: trusted ones root-owned and read-only, changes staged for the prologue.
pub(crate) fn archive(job: &Job) -> io::Result<Option<Vec<u8>>> {
    if job.changes.is_empty() && job.support.is_empty() {
        return Ok(None);
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for (name, content) in &job.support {
        let path = format!("{SUPPORT_DIR}/{name}");
        make_folders(&mut tar, &mut folders, "/opt", &path, 0)?;
        append_file(&mut tar, &path, content, 0o444, 0)?;
    }
    let mut removals = String::new();
    for change in &job.changes {
        let path = match change {
            FileChange::Write { path, .. } | FileChange::Link { path, .. } | FileChange::Remove { path } => path,
        };
        removals.push_str(&format!("rm -rf -- {} || return 1\n", quoted(path)));
    }
    if !job.changes.is_empty() {
        let path = format!("{STAGE_DIR}/remove.sh");
        make_folders(&mut tar, &mut folders, "/opt", &path, 0)?;
        append_file(&mut tar, &path, removals.as_bytes(), 0o444, 0)?;
    }
    for change in &job.changes {
        match change {
            FileChange::Remove { .. } => {}
            FileChange::Write { path, content, executable } => {
                let path = format!("{STAGE_DIR}/tree/{path}");
                make_folders(&mut tar, &mut folders, STAGE_DIR, &path, USER)?;
                append_file(&mut tar, &path, content, if *executable { 0o755 } else { 0o644 }, USER)?;
            }
            FileChange::Link { path, target } => {
                let path = format!("{STAGE_DIR}/tree/{path}");
                make_folders(&mut tar, &mut folders, STAGE_DIR, &path, USER)?;
                let mut header = header(tar::EntryType::Symlink, 0o777, USER);
                header.set_size(0);
                tar.append_link(&mut header, relative(&path), target)?;
            }
        }
    }
    tar.into_inner().map(Some)
}

/// One program of root's, as a tar to unpack in `/`.
pub(crate) fn program(path: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(content.len() + 4096));
    append_file(&mut tar, path, content, 0o755, 0)?;
    tar.into_inner()
}

/// The same beside an empty folder of the jobs' user, with the folders above it.
pub(crate) fn program_beside(path: &str, content: &[u8], folder: &str) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(content.len() + 4096));
    make_folders(&mut tar, &mut BTreeSet::new(), "", &format!("{folder}/"), USER)?;
    append_file(&mut tar, path, content, 0o755, 0)?;
    tar.into_inner()
}

/// Directory entries for every folder of `path` below `top` that has none yet.
fn make_folders(
    tar: &mut tar::Builder<Vec<u8>>,
    made: &mut BTreeSet<String>,
    top: &str,
    path: &str,
    owner: u64,
) -> io::Result<()> {
    let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > top.len()).collect();
    for end in ends {
        if made.insert(path[..end].to_owned()) {
            let mut header = header(tar::EntryType::Directory, 0o755, owner);
            header.set_size(0);
            tar.append_data(&mut header, relative(&path[..end]), io::empty())?;
        }
    }
    Ok(())
}

fn append_file(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], mode: u32, owner: u64) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, mode, owner);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, relative(path), content)
}

pub(crate) fn header(kind: tar::EntryType, mode: u32, owner: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(CHANGED_MTIME);
    header
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// A word that the shell takes as it is.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Out of an archive, the bytecode whose source is in it too, as a tar to unpack in `/`.
pub(crate) fn only_bytecode(mut archive: File, parent: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut sources = BTreeSet::new();
    for entry in tar::Archive::new(&archive).entries()? {
        let path = entry?.path()?.into_owned();
        if bytecode::is_source(&path) {
            sources.insert(path);
        }
    }
    archive.seek(SeekFrom::Start(0))?;
    let mut kept = tar::Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    for entry in tar::Archive::new(&archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(source) = bytecode::source_of(&path).filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        if !sources.contains(&source) {
            continue;
        }
        if let Some(folder) = path.parent()
            && folders.insert(folder.to_owned())
        {
            let mut header = header(tar::EntryType::Directory, 0o755, USER);
            header.set_size(0);
            kept.append_data(&mut header, parent.join(folder), io::empty())?;
        }
        let mut header = header(tar::EntryType::Regular, 0o644, USER);
        header.set_size(entry.size());
        kept.append_data(&mut header, parent.join(&path), &mut entry)?;
    }
    if folders.is_empty() { Ok(None) } else { kept.into_inner().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trial::Limits;

    #[test]
    fn bytecode_is_known_by_its_source() {
        for (path, source) in [
            ("t/a/__pycache__/b.cpython-311.pyc", Some("t/a/b.py")),
            ("t/__pycache__/test_b.cpython-311-pytest-8.4.2.pyc", Some("t/test_b.py")),
            ("t/__pycache__/b.txt", None),
            ("t/b.pyc", None),
        ] {
            assert_eq!(bytecode::source_of(Path::new(path)), source.map(Into::into), "{path}");
        }
    }

    #[test]
    fn of_what_a_warm_up_wrote_only_bytecode_with_a_source_is_kept() {
        let mut tar = tar::Builder::new(tempfile::tempfile().unwrap());
        for path in [
            "testbed/a.py",
            "testbed/__pycache__/a.cpython-311.pyc",
            "testbed/__pycache__/gone.cpython-311.pyc",
            "testbed/x",
        ] {
            let mut header = header(tar::EntryType::Regular, 0o644, 0);
            header.set_size(1);
            tar.append_data(&mut header, path, &b"1"[..]).unwrap();
        }
        let mut file = tar.into_inner().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let kept = only_bytecode(file, Path::new("")).unwrap().unwrap();
        let names: Vec<String> = tar::Archive::new(kept.as_slice())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["testbed/__pycache__", "testbed/__pycache__/a.cpython-311.pyc"]);
    }

    #[test]
    fn any_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn staged_folders_belong_to_the_job_and_trusted_ones_to_root() {
        let job = Job {
            argv: vec!["/bin/true".to_owned()],
            env: Default::default(),
            changes: vec![FileChange::Write { path: "a/b.py".to_owned(), content: b"1"[..].into(), executable: false }],
            support: [("r.py".to_owned(), b"2"[..].into())].into(),
            stdin: Vec::new(),
            limits: Limits::default(),
        };
        let tar = archive(&job).unwrap().unwrap();
        let mut owners = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            owners.insert(entry.path().unwrap().display().to_string(), entry.header().uid().unwrap());
        }
        assert_eq!(owners["opt/assay/support/r.py"], 0);
        assert_eq!(owners["opt/assay/stage/remove.sh"], 0);
        assert_eq!(owners["opt/assay/stage/tree/a"], USER);
        assert_eq!(owners["opt/assay/stage/tree/a/b.py"], USER);
        assert!(!owners.contains_key("opt"));
    }
}
