//! Instances that name an image of others: the base tree is recorded from the image's work directory, then the image is
//! sealed without its history.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::image_request::{Order, docker_of};
use crate::images::cache::Cache;
use crate::images::foreign::{ReadyImage, ReadyRequest};
use crate::images::python::inspect;
use crate::images::python::inspect::Wanted;
use crate::images::python::interpreter::EnvironmentError;
use crate::images::seal_foreign_host as host_ready;
use crate::images::unpacked;
use crate::model::digest::Digest;
use crate::model::instance::Instance;
use crate::repo::{Recorded, Repository};
use crate::sandbox::{Engine, SandboxError, SealedImage};

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
    /// Where the project is imported from, below the work directory.
    pub import_root: &'a str,
}

/// The image of a reference; pulled if it is not here.
fn image(engine: &Engine, cache: &Cache, reference: &str, say: &dyn Fn(&str)) -> anyhow::Result<ReadyImage> {
    let mut say = |message: &str| say(message);
    if let Some(docker) = docker_of(engine) {
        return Ok(docker.ready_image(cache, reference, &mut say)?);
    }
    let known = unpacked::find(cache, reference)?;
    let unpacked = match known {
        Some(unpacked) => unpacked,
        None => {
            unpacked::pull(cache, reference, &mut say).with_context(|| {
                format!(
                    "the image {reference} is not unpacked here; `assay image pull --from FILE {reference}` takes it from an \
                     archive of docker save or an OCI layout"
                )
            })?
        }
    };
    Ok(unpacked.ready(cache)?)
}

/// Records the image's work directory, or finds what was recorded, and puts the tree into the instance's repository, which
/// is made if it is not there.
pub(crate) fn record(
    engine: &Engine,
    cache: &Path,
    instance: &Instance,
    reference: &str,
    repository: &Path,
    say: &dyn Fn(&str),
) -> anyhow::Result<Ready> {
    let cache = Cache::open(cache)?;
    let image = image(engine, &cache, reference, say)?;
    let workdir = &instance.environment.workdir;
    if let Some(volume) = image.volumes.iter().find(|volume| overlap(volume, workdir)) {
        bail!("the image {reference} declares a volume at {volume}; what is there is not part of any image");
    }
    let repository = match repository.exists() {
        true => Repository::open(repository)?,
        false => Repository::create_bare(repository)?,
    };
    let name = Digest::of_json(&(LAYOUT, &image.image_id, workdir, &instance.base_commit));
    let folder = cache.directory("recorded", name.as_str(), |making| {
        say(&format!("recording {workdir} of {reference}"));
        let rest = making.join("rest");
        fs::create_dir(&rest).with_context(|| format!("cannot make {}", rest.display()))?;
        match docker_of(engine) {
            Some(docker) => docker.read_workdir(&image, workdir, &rest)?,
            None => host_ready::read_workdir(&image, workdir, &rest)?,
        }
        let store = Repository::create_bare(&making.join("repository"))?;
        let recorded = store.record(&rest, &instance.base_commit, Some(&repository))?;
        keep_rest(&rest, &recorded)?;
        fs::write(making.join("commit"), &recorded.commit).context("cannot write the recorded commit")?;
        Ok::<(), Fault>(())
    });
    let folder = folder.map_err(|Fault(error)| error)?;
    let commit = fs::read_to_string(folder.join("commit"))
        .with_context(|| format!("cannot read {}; delete that folder and run again", folder.display()))?;
    let commit = repository.fetch_tree_from(&Repository::open(&folder.join("repository"))?, commit.trim())?;
    Ok(Ready { image, commit, rest: folder.join("rest") })
}

/// Seals the image with the instance's tested base in it.
pub(crate) fn seal(
    engine: &Engine,
    cache: &Path,
    ready: &Ready,
    order: &Order,
    gold: &Gold,
) -> anyhow::Result<SealedImage> {
    let cache = Cache::open(cache)?;
    let environment = order.environment;
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
        python: environment.python.as_deref(),
        runner: &environment.framework,
        modules: &order.modules,
        lines: &lines,
    };
    let kind = if docker_of(engine).is_some() { "docker" } else { "unpacked" };
    let mut found = inspect::remembered(&cache, kind, &ready.image, &wanted, || match docker_of(engine) {
        Some(docker) => docker.look(&ready.image, &wanted),
        None => host_ready::look(engine.sandbox(), &ready.image, &ready.rest, &wanted),
    })?;
    found.answers.extend(answers_beside(&ready.rest, &environment.workdir, &lines)?);
    (order.say)(&format!("uses {} (Python {}) with {}", found.python, found.version, found.runner));
    for removed in found.histories.iter().chain(&found.answers) {
        (order.say)(&format!("takes {removed} out of the image"));
    }
    if let Some(path) = other_release(gold, &found.copies)? {
        return Err(EnvironmentError::AnswerInImage { path }.into());
    }
    let request = ReadyRequest {
        image: &ready.image,
        found: &found,
        workdir: &environment.workdir,
        import_root: gold.import_root,
        tree_id: order.layer_tree,
        rest: &ready.rest,
    };
    let layer = |folder: &Path| (order.checkout)(order.layer_tree, folder);
    let warm = |image: &SealedImage| -> Result<SealedImage, SandboxError> {
        (order.say)("running the suite once for warm bytecode");
        let job = (order.warm_job)(image)
            .map_err(|error| SandboxError::Failed { doing: "preparing the warm-up run", why: format!("{error:#}") })?;
        engine.sandbox().warm(image, &job)
    };
    let mut say = |message: &str| (order.say)(message);
    let sealed = match docker_of(engine) {
        Some(docker) => docker.seal_ready(&cache, &request, layer, warm, &mut say),
        None => host_ready::seal(&cache, engine.sandbox(), &request, layer, warm, &mut say),
    };
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

/// Removes what belongs to the tree, every git store, and bytecode, which could stand for files that a candidate changes.
fn keep_rest(rest: &Path, recorded: &Recorded) -> anyhow::Result<()> {
    let mut walk = walkdir::WalkDir::new(rest).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        let kind = entry.file_type();
        let name = entry.file_name().to_string_lossy();
        let inside = entry.path().strip_prefix(rest)?.to_string_lossy().into_owned();
        if kind.is_dir() {
            if name == ".git" || name == "__pycache__" {
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
fn other_release(gold: &Gold, copies: &std::collections::BTreeMap<String, String>) -> anyhow::Result<Option<String>> {
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
