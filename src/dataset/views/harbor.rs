//! Harbor task directories: one per instance that has a ready image, in `tar.zst` shards (the Hub dislikes many small
//! files). `tests/test.sh` runs the expected tests inside the container that the agent worked in: it is what Harbor's
//! runners call, and weaker than this tool's own verification.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use zstd::stream::write::Encoder;

use crate::dataset::files::shard::{Shard, partial_name, shard_name};
use crate::model::admission::Admission;
use crate::model::instance::Instance;

const NAME: &str = "tasks";

/// Writes `<directory>/tasks-00000-of-00001.tar.zst` and on.
pub(crate) struct HarborWriter {
    directory: PathBuf,
    shard_bytes: u64,
    open: Option<tar::Builder<Encoder<'static, BufWriter<File>>>>,
    written: u64,
    shards: Vec<Shard>,
}

impl HarborWriter {
    pub fn create(directory: &Path, shard_bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let mut this =
            Self { directory: directory.to_owned(), shard_bytes, open: None, written: 0, shards: Vec::new() };
        this.open()?;
        Ok(this)
    }

    fn open(&mut self) -> Result<()> {
        let path = partial_name(&self.directory, NAME, self.shards.len());
        let open = || Encoder::new(BufWriter::new(File::create(&path)?), 3);
        self.open = Some(tar::Builder::new(open().with_context(|| format!("cannot create {}", path.display()))?));
        self.written = 0;
        self.shards.push(Shard { path, rows: 0 });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let close = || {
            let file = open.into_inner()?.finish()?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
        };
        close().with_context(|| format!("cannot write {}", self.directory.display()))
    }

    /// Adds a task. False: the instance has no ready image, or its runner is not pytest.
    pub fn push(&mut self, instance: &Instance, admission: &Admission) -> Result<bool> {
        let Some(files) = task(instance, admission) else { return Ok(false) };
        if self.written >= self.shard_bytes {
            self.close()?;
            self.open()?;
        }
        let folder = instance.instance_id.replace(['/', '\\'], "__");
        for (name, mode, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(mode);
            let path = format!("{folder}/{name}");
            let builder = self.open.as_mut().context("the shard is closed")?;
            builder
                .append_data(&mut header, &path, content.as_bytes())
                .with_context(|| format!("cannot add {path} to {}", self.directory.display()))?;
            self.written += content.len() as u64;
        }
        if let Some(shard) = self.shards.last_mut() {
            shard.rows += 1;
        }
        Ok(true)
    }

    /// Makes the files appear under their final names.
    pub fn finish(mut self) -> Result<Vec<Shard>> {
        self.close()?;
        let count = self.shards.len();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let path = self.directory.join(shard_name(NAME, index, count, "tar.zst"));
            std::fs::rename(&shard.path, &path).with_context(|| format!("cannot write {}", path.display()))?;
            shard.path = path;
        }
        Ok(self.shards)
    }
}

/// Whether an instance can be a task: it has a ready image, and pytest runs its tests.
pub(crate) fn fits(instance: &Instance) -> bool {
    instance.environment.image.is_some() && instance.environment.framework == "pytest"
}

/// Files of a task: name, mode, content. `tests/seen_once.txt` names those of the expected tests that base and gold ran once, if
/// there are any.
fn task(instance: &Instance, admission: &Admission) -> Option<Vec<(&'static str, u32, String)>> {
    let environment = &instance.environment;
    let image = environment.image.as_ref().filter(|_| fits(instance))?;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let toml = format!(
        "schema_version = \"1.0\"\n\n[task]\nname = {}\n\n[metadata]\nrepo = {}\nbase_commit = {}\nlicense = {}\n\n\
         [agent]\ntimeout_sec = 3600.0\n\n[verifier]\ntimeout_sec = {}.0\n\n[environment]\ndocker_image = {}\n",
        quoted(&format!("assay/{}", instance.instance_id)),
        quoted(&instance.repo),
        quoted(&instance.base_commit),
        quoted(instance.license.as_deref().unwrap_or("")),
        environment.timeout_s.unwrap_or(1800),
        quoted(image),
    );
    let tests: String =
        admission.fail_to_pass.iter().chain(&admission.pass_to_pass).map(|id| format!("{id}\n")).collect();
    let seen_once: String = admission.seen_once().map(|id| format!("{id}\n")).collect();
    let workdir = shell(&environment.workdir);
    let python = shell(environment.python.as_deref().unwrap_or("python"));
    let test = format!(
        "#!/bin/sh\n# Lays the trusted tests over the tree, runs every expected test, and writes the reward.\n\
         mkdir -p /logs/verifier\ncd {workdir} || exit 1\nreward=0\n\
         if git apply --whitespace=nowarn /tests/test.patch && tr '\\n' '\\0' < /tests/expected.txt | \
         xargs -0 {python} -m pytest -p no:cacheprovider -q\n\
         then reward=1\nfi\necho \"$reward\" > /logs/verifier/reward.txt\n"
    );
    let solve = format!("#!/bin/sh\ncd {workdir} && git apply --whitespace=nowarn /solution/gold.patch\n");
    let mut files = vec![
        ("task.toml", 0o644, toml),
        ("instruction.md", 0o644, instance.problem_statement.clone()),
        ("environment/Dockerfile", 0o644, format!("FROM {image}\n")),
        ("tests/test.sh", 0o755, test),
        ("tests/test.patch", 0o644, instance.test_patch.clone()),
        ("tests/expected.txt", 0o644, tests),
        ("solution/solve.sh", 0o755, solve),
        ("solution/gold.patch", 0o644, instance.patch.clone()),
    ];
    if !seen_once.is_empty() {
        files.push(("tests/seen_once.txt", 0o644, seen_once));
    }
    Some(files)
}

fn shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::digest::Digest;
    use crate::model::trial::Limits;

    #[test]
    fn a_task_names_the_expected_tests_that_were_seen_once() {
        let instance: Instance = serde_json::from_value(json!({
            "format": crate::model::format::INSTANCE, "instance_id": "a", "repo": "o/r", "base_commit": "c", "problem_statement": "p",
            "patch": "", "test_patch": "", "environment": {"framework": "pytest", "image": "example/image"},
        }))
        .unwrap();
        let admission = |once: bool| -> Admission {
            let split = |id: &str, once: bool| json!({"files": [id], "expected": [id], "once": once});
            serde_json::from_value(json!({
                "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": null,
                "fail_to_pass": ["f"], "pass_to_pass": ["p"], "gold_files": [], "framework": "pytest/1", "repeats": 3,
                "limits": Limits::default(), "trials": [], "splits": [split("f", false), split("p", once)],
            }))
            .unwrap()
        };
        let file = |once: bool, name: &str| {
            let files = task(&instance, &admission(once)).unwrap();
            files.into_iter().find(|(path, ..)| *path == name).map(|(.., content)| content)
        };
        assert_eq!(file(true, "tests/seen_once.txt").as_deref(), Some("p\n"));
        assert_eq!(file(false, "tests/seen_once.txt"), None);
        assert_eq!(file(true, "tests/expected.txt").as_deref(), Some("f\np\n"));
    }
}
