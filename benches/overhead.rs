//! What a verdict costs beyond the bare test command, on the demo's real instances, interleaved so that ratios hold.
//!
//! Run the demo first, then: `cargo bench --bench overhead -- assay-demo [cell|container] [rounds]`

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::python::build::Ground;
use swe_assay::inside::images::python::docker::{ImageRequest, docker_build};
use swe_assay::inside::images::python::environment::Environments;
use swe_assay::inside::images::python::recipe::Recipe;
use swe_assay::inside::images::python::resolution::Wishes;
use swe_assay::inside::images::seal_host::seal_host;
use swe_assay::inside::intake::repository_path;
use swe_assay::inside::journal::RunDir;
use swe_assay::inside::model::admission::Admission;
use swe_assay::inside::model::instance::Instance;
use swe_assay::inside::model::trial::TestPlan;
use swe_assay::inside::repo::Repository;
use swe_assay::inside::runner;
use swe_assay::inside::sandbox::Sandbox as _;
use swe_assay::inside::sandbox::cell::Cell;
use swe_assay::inside::sandbox::docker::Docker;
use swe_assay::inside::sandbox::{
    Backing, ENVIRONMENT_DIR, FileChange, Job, LAYER_MTIME, SandboxError, SealedImage, Slot,
};

fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some(demo) = words.first().map(PathBuf::from) else {
        println!("name a demo directory: cargo bench --bench overhead -- assay-demo [cell|container] [rounds]");
        return Ok(());
    };
    let container = words.get(1).is_some_and(|word| word == "container");
    let rounds: usize = words.get(2).map_or(Ok(8), |word| word.parse()).context("rounds is a number")?;
    let run = RunDir::existing(&demo.join("run"))?;
    let instances: Vec<Instance> = run.read_lines("instances.jsonl")?;
    let admissions: Vec<Admission> = run.read_lines("admissions.jsonl")?;
    println!("instance                       tests   bare ms   assay ms   beyond ms   (medians of {rounds})");
    for admission in admissions.iter().filter(|admission| admission.admitted()) {
        let instance = instances.iter().find(|instance| instance.instance_id == admission.instance_id);
        let instance = instance.context("an admitted instance is in instances.jsonl")?;
        measure(&demo, instance, admission, container, rounds)?;
    }
    Ok(())
}

fn measure(demo: &Path, instance: &Instance, admission: &Admission, container: bool, rounds: usize) -> Result<()> {
    let trees = admission.trees.as_ref().context("an admitted instance has trees")?;
    let repository = Repository::open(&repository_path(demo, &instance.repo))?;
    let environment = &instance.environment;
    let recipe = Recipe::find(environment.recipe.as_deref().unwrap_or("python-pytest"))?;
    let environments = Environments::open(Cache::open(&Cache::default_place()?)?, environment.python.as_deref())?;
    let quiet = &mut |_: &str| ();
    let checkout = |tree: &str, folder: &Path| Ok(repository.checkout(tree, folder, LAYER_MTIME)?);
    let cell = Cell::new(PathBuf::from(env!("CARGO_BIN_EXE_assay")), Arc::default()).with_network();
    let build = |image: &SealedImage, job: &Job| cell.slot(image)?.run(job);
    let ground = Ground { version: instance.version.as_deref(), workshop: Some(&build) };
    let base = |folder: &Path| checkout(&trees.base, folder);
    let project = environments.project(recipe.project, &trees.base, ground, base, quiet)?.metadata;
    let wishes = Wishes::new(&recipe, &environment.requirements, &project.requires);
    let (made, _) = environments.provision(&wishes, Some(&project), "/testbed", quiet)?;
    let layer = |folder: &Path| checkout(&trees.tested_base, folder);
    let cold = |_: &SealedImage| -> Result<SealedImage, SandboxError> {
        Err(SandboxError::Failed { doing: "looking for the sealed image", why: "run the demo first".to_owned() })
    };
    let host = seal_host(environments.cache(), &made, &trees.tested_base, layer, cold)?;
    let (mut slot, image): (Box<dyn Slot>, _) = if container {
        let docker = Docker::connect()?;
        let request =
            ImageRequest { wishes: &wishes, project: Some(&project), tree_id: &trees.tested_base, workdir: "/testbed" };
        let (build, _) = docker_build(&docker, &environments, &request, quiet)?;
        let image = docker.seal(environments.cache(), &build, &trees.tested_base, layer, cold, quiet)?;
        (docker.slot(&image)?, image)
    } else {
        (Cell::new(PathBuf::from(env!("CARGO_BIN_EXE_assay")), Arc::default()).slot(&host)?, host.clone())
    };
    let adapter = runner::by_name(&environment.framework).context("a known framework")?;
    let plan = TestPlan {
        framework: admission.framework.clone(),
        files: admission.splits.iter().flat_map(|split| split.files.clone()).collect(),
        ..TestPlan::default()
    };
    let bare =
        Bare::prepare(&host, &repository.changes(&trees.tested_base, &trees.tested_gold)?, &project.import_root)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let expected = admission.fail_to_pass.len() + admission.pass_to_pass.len();
    for _ in 0..rounds {
        without.push(bare.run(&adapter.command(&bare.python, &bare.workdir, &plan, "nonce"))?);
        let started = Instant::now();
        let changes = repository.changes(&trees.tested_base, &trees.tested_gold)?;
        let command = adapter.command(&image.tool, &image.workdir, &plan, "nonce");
        let job = Job {
            argv: command.argv,
            env: command.env,
            changes,
            support: command.support,
            stdin: command.stdin,
            limits: admission.limits.clone(),
        };
        let executed = slot.run(&job)?;
        let report = adapter.parse(&executed.report, executed.report_truncated, "nonce");
        with.push(started.elapsed());
        let passed = report.tests.values().filter(|test| test.passed()).count();
        if passed < expected {
            bail!("{}: {passed} of {expected} expected tests passed in the sandbox", instance.instance_id);
        }
    }
    let (without, with) = (median(without), median(with));
    println!(
        "{:<30} {expected:>5} {:>9.1} {:>10.1} {:>11.1}",
        instance.instance_id,
        millis(without),
        millis(with),
        millis(with) - millis(without)
    );
    Ok(())
}

/// The same command on the host with no sandbox: a warm copy of the layer, the same environment.
struct Bare {
    _folder: tempfile::TempDir,
    support: PathBuf,
    python: String,
    workdir: String,
    path: String,
}

impl Bare {
    fn prepare(image: &SealedImage, changes: &[FileChange], import_root: &str) -> Result<Self> {
        let Backing::Host { base_layer, mounts } = &image.backing else { bail!("the bare command needs a host image") };
        let environment = mounts.iter().find(|(_, inside)| inside == ENVIRONMENT_DIR).context("an environment")?;
        let folder = tempfile::tempdir()?;
        let workdir = folder.path().join("testbed");
        let copied = Command::new("cp").arg("-a").arg(base_layer).arg(&workdir).status()?;
        if !copied.success() {
            bail!("cannot copy {}", base_layer.display());
        }
        for change in changes {
            match change {
                FileChange::Write { path, content, .. } => {
                    let path = workdir.join(path);
                    fs::create_dir_all(path.parent().context("a parent")?)?;
                    fs::write(path, content)?;
                }
                FileChange::Remove { path } => fs::remove_file(workdir.join(path))?,
                FileChange::Link { path, target } => std::os::unix::fs::symlink(target, workdir.join(path))?,
            }
        }
        let support = folder.path().join("support");
        fs::create_dir(&support)?;
        Ok(Self {
            python: environment.0.join("bin/python").display().to_string(),
            path: workdir.join(import_root).display().to_string(),
            workdir: workdir.display().to_string(),
            support,
            _folder: folder,
        })
    }

    fn run(&self, command: &runner::Command) -> Result<Duration> {
        let here = self.support.display().to_string();
        for (name, content) in &command.support {
            fs::write(self.support.join(name), content)?;
        }
        let argv: Vec<_> =
            command.argv.iter().map(|word| word.replace(swe_assay::inside::sandbox::SUPPORT_DIR, &here)).collect();
        let mut env: BTreeMap<_, _> = command.env.clone();
        env.insert("PYTHONPATH".to_owned(), self.path.clone());
        env.insert("HOME".to_owned(), here);
        let started = Instant::now();
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec 3>/dev/null; exec \"$@\"", "sh"])
            .args(argv)
            .env_clear()
            .envs(env)
            .current_dir(&self.workdir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::io::Write::write_all(&mut child.stdin.take().context("a pipe")?, &command.stdin)?;
        let status = child.wait()?;
        // 1 is a failing test: some suites have one that fails for root on the bare host. It ran all the same.
        if status.code().is_none_or(|code| code > 1) {
            bail!("the bare command ended with {status}");
        }
        Ok(started.elapsed())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
