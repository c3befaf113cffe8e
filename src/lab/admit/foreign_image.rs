//! Instances that name an image of others: the base tree is recorded from the image's work directory, then the image is
//! sealed without its history.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::images::environment_error::EnvironmentError;
use crate::images::foreign::{ReadyImage, ReadyRequest};
use crate::images::inspector::{Wanted, remembered};
use crate::images::order::Order;
use crate::images::phases::Phases;
use crate::images::reference::moved;
use crate::images::toolchain::Toolchain;
use crate::images::{Images, toolchain};
use crate::lab::companion;
use crate::model::digest::Digest;
use crate::model::instance::Instance;
use crate::repo::{Recorded, Repository};
use crate::sandbox::SealedImage;

/// Raised when work directories are recorded differently.
const LAYOUT: u32 = 1;
/// Lines shorter than this stand in many files.
const TELLING: usize = 12;
/// A larger file is neither a patch nor a copy of a source file.
const LARGEST_ANSWER: u64 = 4 << 20;

/// An image of others and what was recorded of it.
pub(crate) struct Ready {
    pub image: ReadyImage,
    /// The recorded base tree, as a commit of the instance's repository.
    pub commit: String,
    /// Files of the work directory that git does not track.
    rest: PathBuf,
}

/// Gold, as far as sealing must know it.
pub(crate) struct Gold<'a> {
    pub repository: &'a Repository,
    pub base: &'a str,
    pub tested_gold: &'a str,
    pub patch: &'a str,
}

/// Records the image's work directory, or finds what was recorded, and puts the tree into the instance's repository, which
/// is made if it is not there.
pub(crate) fn record(
    images: &dyn Images,
    instance: &Instance,
    reference: &str,
    repository: &Path,
    say: &dyn Fn(&str),
    phases: &Phases,
) -> anyhow::Result<Ready> {
    let image = phases.time("getting the image", || images.foreign(reference, say, phases))?;
    if let Some(before) = moved(images.cache(), images.kind(), &image)? {
        let now = &image.image_id;
        say(&format!(
            "{reference} names another image than before ({now}, before {before}); what was admitted with the old one is not used"
        ));
    }
    let workdir = &instance.environment.workdir;
    if let Some(volume) = image.volumes.iter().find(|volume| overlap(volume, workdir)) {
        bail!("the image {reference} declares a volume at {volume}; what is there is not part of any image");
    }
    let repository = companion::open_or_make(images.cache(), repository)?;
    let name = Digest::of_json(&(LAYOUT, &image.image_id, workdir, &instance.base_commit));
    let folder = images.cache().directory("recorded", name.as_str(), |making| {
        say(&format!("recording {workdir} of {reference}"));
        let rest = making.join("rest");
        fs::create_dir(&rest).with_context(|| format!("cannot make {}", rest.display()))?;
        phases.time("reading the work directory", || images.read_workdir(&image, workdir, &rest))?;
        let store = Repository::create_bare(&making.join("repository"))?;
        let recorded = || store.record(&rest, &instance.base_commit, Some(&repository));
        let recorded = phases.time("recording it in git", recorded)?;
        keep_rest(&rest, &recorded)?;
        fs::write(making.join("commit"), &recorded.commit).context("cannot write the recorded commit")?;
        Ok::<(), Fault>(())
    });
    let folder = folder.map_err(|Fault(error)| error)?;
    let commit = fs::read_to_string(folder.join("commit"))
        .with_context(|| format!("cannot read {}; delete that folder and run again", folder.display()))?;
    let store = Repository::open(&folder.join("repository"))?;
    let commit = phases.time("recording it in git", || repository.fetch_tree_from(&store, commit.trim()))?;
    Ok(Ready { image, commit, rest: folder.join("rest") })
}

/// Seals the image with the instance's tested base in it. `env` holds the variables of instance and tool chain.
pub(crate) fn seal(
    images: &dyn Images,
    toolchain: &dyn Toolchain,
    ready: &Ready,
    order: &Order,
    gold: &Gold,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<SealedImage> {
    let environment = order.environment;
    let inspector = toolchain.inspector().ok_or_else(|| {
        EnvironmentError::Unsupported(format!(
            "an image of others cannot be used for {} projects, because it cannot be looked into; remove environment.image",
            toolchain.language()
        ))
    })?;
    for path in gold.repository.changed_paths(gold.base, gold.tested_gold)? {
        // Git does not track it in the image, and the change brings it, so the answer would lie beside the tree.
        let left = gold.repository.read(gold.base, &path)?.is_none() && ready.rest.join(&path).exists();
        if left {
            return Err(EnvironmentError::AnswerInImage { path: format!("{path} (untracked)") }.into());
        }
    }
    let lines = telling_lines(gold.patch);
    let wanted = Wanted {
        workdir: &environment.workdir,
        tool: environment.tool(),
        runner: &environment.framework,
        modules: order.modules,
        lines: &lines,
    };
    let look = || order.phases.time("looking into the image", || images.look(inspector, &ready.image, &wanted));
    let mut found = remembered(images.cache(), images.kind(), inspector.question(), &ready.image, &wanted, look)?;
    found.answers.extend(answers_beside(&ready.rest, &environment.workdir, &lines)?);
    let name = toolchain.tool_name();
    (order.say)(&format!("uses {} ({name} {}) with {}", found.tool, found.version, found.runner));
    for removed in found.histories.iter().chain(&found.answers) {
        (order.say)(&format!("takes {removed} out of the image"));
    }
    if let Some(path) = other_release(gold, &found.copies)? {
        return Err(EnvironmentError::AnswerInImage { path }.into());
    }
    let start_up = inspector.start_up(&found, &environment.workdir, env);
    let request = ReadyRequest {
        image: &ready.image,
        found: &found,
        workdir: &environment.workdir,
        tree_id: order.layer_tree,
        rest: &ready.rest,
        start_up: &start_up,
    };
    let sealed = images.seal_foreign(inspector, &request, order);
    sealed.with_context(|| format!("cannot seal the image {}", ready.image.reference))
}

/// Whether one path is the other or above it.
fn overlap(a: &str, b: &str) -> bool {
    Path::new(a).starts_with(b) || Path::new(b).starts_with(a)
}

/// Files of the work directory that git does not track and that hold all of some lines, as paths in the image.
fn answers_beside(rest: &Path, workdir: &str, lines: &[String]) -> anyhow::Result<Vec<String>> {
    let mut answers = Vec::new();
    if lines.is_empty() {
        return Ok(answers);
    }
    for entry in walkdir::WalkDir::new(rest).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() || entry.metadata()?.len() > LARGEST_ANSWER {
            continue;
        }
        let text = fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        let text = String::from_utf8_lossy(&text);
        if lines.iter().all(|line| text.contains(line.as_str())) {
            answers.push(format!("{workdir}/{}", entry.path().strip_prefix(rest)?.display()));
        }
    }
    Ok(answers)
}

/// Removes what belongs to the tree, every git store, and compiled files, which could stand for files that a candidate changes.
fn keep_rest(rest: &Path, recorded: &Recorded) -> anyhow::Result<()> {
    let caches: Vec<&str> = toolchain::all().iter().flat_map(|one| one.cache_folders()).copied().collect();
    let mut walk = walkdir::WalkDir::new(rest).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let kind = entry.file_type();
        let name = entry.file_name().to_string_lossy();
        let inside = entry.path().strip_prefix(rest)?.to_string_lossy().into_owned();
        if kind.is_dir() {
            if name == ".git" || caches.iter().any(|cache| name == *cache) {
                fs::remove_dir_all(entry.path()).with_context(|| format!("cannot remove {inside}"))?;
                walk.skip_current_dir();
            }
        } else if name == ".git" || recorded.tracked.contains(&inside) {
            fs::remove_file(entry.path()).with_context(|| format!("cannot remove {inside}"))?;
        }
    }
    Ok(())
}

/// An installed module that is not what the tree holds: another release, or a fork.
fn other_release(gold: &Gold, copies: &BTreeMap<String, String>) -> anyhow::Result<Option<String>> {
    let paths = gold.repository.paths(gold.tested_gold)?;
    for (copy, id) in copies {
        let ending = format!("/{copy}");
        let same = paths.iter().filter(|path| *path == copy || path.ends_with(&ending));
        let mut known = false;
        let mut equal = false;
        for path in same {
            known = true;
            equal |= gold.repository.blob_id(gold.base, path)?.as_ref() == Some(id);
        }
        if known && !equal {
            return Ok(Some(format!("{copy} (installed)")));
        }
    }
    Ok(None)
}

/// The longest lines that a patch adds; a file that has all of them has the answer.
fn telling_lines(patch: &str) -> Vec<String> {
    let added = patch.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++"));
    let mut lines: Vec<String> = added.map(|line| line[1..].trim().to_owned()).collect();
    lines.retain(|line| line.len() >= TELLING);
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    lines.truncate(8);
    lines
}

/// Any error, the cache's own included.
struct Fault(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_added_lines_tell_an_answer() {
        let patch =
            "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,3 @@\n-    return 1\n+    return compute(value)\n+\n+    x = 1\n";
        assert_eq!(telling_lines(patch), ["return compute(value)"]);
    }
}
