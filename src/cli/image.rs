//! `assay image`: images made ready ahead of a run, and the room that they take.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::sandbox_options::SandboxOptions;
use super::size::size;
use crate::console::{Console, table};
use crate::exit_code::{ExitCode, Stop};
use crate::images::cache::Cache;
use crate::images::inventory;
use crate::images::inventory::{Kind, Prepared};
use crate::images::phases::{Phases, sentence};
use crate::images::unpacked;
use crate::images::unpacked::{Archive, UnpackError};
use crate::journal::RunDir;
use crate::lab::Lab;
use crate::model::near_names::nearest;
use crate::output::Plan;
use crate::pipeline::{Input, default_cache};
use crate::sandbox::SandboxError;
use crate::sandbox::docker::Docker;

/// Pulls, builds, seals, lists and removes the images that instances run in
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Pull(Pull),
    Build(Seal),
    Seal(Seal),
    List(List),
    Gc(Gc),
}

/// Gets images into the Docker engine, or unpacked into the cache for cells on this host
#[derive(Debug, Args)]
#[command(
    after_help = "Without Docker, images are unpacked. They come from an archive that `docker save` wrote or an OCI layout (--from), \
from the Docker engine if it has them, or from their registry, with the logins of docker's own configuration.\n\n\
Example: assay image pull --unpack swebench/sweb.eval.x86_64.astropy_1776_astropy-12907:latest\n\
Example: assay image pull --from astropy.tar astropy-12907:latest"
)]
struct Pull {
    /// Where what is unpacked is kept [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Read this archive or folder, and unpack
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
    /// Unpack into the cache, for cells on this host
    #[arg(long)]
    unpack: bool,
    /// Images, as instances name them
    #[arg(required = true, value_name = "IMAGE")]
    references: Vec<String>,
}

/// Makes the sealed images of instances, by recipe or from the image that they name, ahead of a run
#[derive(Debug, Args)]
#[command(
    after_help = "`build` and `seal` are one command: if an instance names an image, that image is sealed; otherwise one is \
built by the recipe. A run that needs the image finds it. Instances whose image cannot be made are listed with the reason \
(exit code 2).\n\n\
Example: assay image seal work/import --sandbox cell"
)]
struct Seal {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
    /// Directory of the repositories [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// Lists prepared images, least recently used first: size, what of it is shared, last use, instances
#[derive(Debug, Args)]
#[command(after_help = "Example: assay image list --json")]
struct List {
    /// Which cache [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Removes prepared images that are not in use, least recently used first; a run that needs one makes it again
#[derive(Debug, Args)]
#[command(
    after_help = "An image that this tool did not make or pull with this cache is never removed. Exit code 2: more than the \
budget is in use.\n\n\
Example: assay image gc --budget 40G\n\
Example: assay image gc --reference project:tag"
)]
struct Gc {
    /// Everything that is not in use
    #[arg(long, conflicts_with_all = ["budget", "reference"])]
    all: bool,
    /// Room that may be taken: a number of bytes, or with K, M, G or T
    #[arg(long, required_unless_present_any = ["all", "reference"], value_name = "SIZE", value_parser = size)]
    budget: Option<u64>,
    /// Which cache [default: ~/.cache/assay]
    #[arg(long, env = "ASSAY_CACHE", value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Print a JSON list of what was removed
    #[arg(long)]
    json: bool,
    /// Only this image and what was sealed of it
    #[arg(long, conflicts_with = "budget", value_name = "IMAGE")]
    reference: Option<String>,
}

impl Image {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Pull(action) => action.run(console),
            Action::Build(action) | Action::Seal(action) => action.run(console),
            Action::List(action) => action.run(console),
            Action::Gc(action) => action.run(console),
        }
    }
}

impl Pull {
    fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let place = self.cache.map_or_else(default_cache, Ok)?;
        Plan::default().reads_each("--from", &self.from)?.cache("--cache", &place)?.check()?;
        let cache = Cache::open(&place)?;
        let docker = Docker::connect();
        let unpack = self.unpack || self.from.is_some();
        let archive = self.from.map(|path| Archive::open(&path)).transpose()?;
        let mut pulled = Vec::new();
        let mut say = |message: &str| console.say(message);
        for reference in &self.references {
            let phases = Phases::default();
            let (id, into) = match (&docker, unpack) {
                (Ok(docker), false) => {
                    let image = docker.ready_image(&cache, reference, &mut say).map_err(missing)?;
                    (image.image_id, "docker")
                }
                _ => {
                    let image = phases.time("the rest", || match &archive {
                        Some(archive) => unpacked::import(&cache, archive, reference, &mut say, &phases),
                        None => unpacked::pull(&cache, reference, &mut say, &phases),
                    });
                    let image = image.map_err(|error| match error {
                        UnpackError::Registry { .. } | UnpackError::NotNow { .. } | UnpackError::Silent { .. } => {
                            Stop::Environment(error.to_string()).into()
                        }
                        other => anyhow::Error::from(other),
                    })?;
                    image.ready(&cache, &phases)?;
                    say(&format!("{reference}: {}", sentence(&phases.spent())));
                    (format!("sha256:{}", image.id), "cache")
                }
            };
            pulled.push(json!({"reference": reference, "image_id": id, "into": into}));
        }
        if self.json {
            console.print(serde_json::to_string(&pulled)?);
        } else {
            for one in pulled {
                console.print(format!("{} {}", text(&one["image_id"]), text(&one["reference"])));
            }
        }
        Ok(ExitCode::Done)
    }
}

impl Seal {
    fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let input = Input::read(&self.instances, self.repos.as_deref())?;
        // Nothing is judged here, so nothing is kept but the images.
        let folder = tempfile::tempdir().context("cannot make a folder for the time being")?;
        let run = RunDir::open(folder.path())?;
        let session = self.sandbox.open(console, input.needs_recipe)?;
        let lab = Lab::open(&run, console, session.engine, session.settings, session.cancel)?;
        let made = lab.make_images(&input.instances)?;
        let refused = made.iter().filter(|one| one.refusal.is_some()).count();
        if self.json {
            console.print(serde_json::to_string(&made)?);
        } else {
            let mut rows = vec![["instance", "image", "refused"].map(str::to_owned).to_vec()];
            for one in made {
                let image = one.image.map(|digest| digest.short().to_owned()).unwrap_or_default();
                rows.push(vec![one.instance_id, image, one.refusal.unwrap_or_default()]);
            }
            console.print(table(&rows));
        }
        Ok(if refused == 0 { ExitCode::Done } else { ExitCode::Findings })
    }
}

impl List {
    fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let docker = engine(console);
        let found = inventory::list(&open(self.cache)?, docker.as_ref())?;
        if self.json {
            console.print(serde_json::to_string(&found)?);
            return Ok(ExitCode::Done);
        }
        let heading = ["kind", "image", "of", "MiB", "shared", "last use", "in use", "instances"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(found.iter().map(row));
        console.print(table(&rows));
        console.print(format!("{} image(s), {} MiB in all", found.len(), mib(inventory::total(&found))));
        Ok(ExitCode::Done)
    }
}

impl Gc {
    fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let cache = open(self.cache)?;
        let docker = engine(console);
        let (gone, left) = match (&self.reference, self.budget) {
            (None, budget) => inventory::keep_to(&cache, docker.as_ref(), budget.unwrap_or(0))?,
            (Some(reference), _) => {
                let mut gone = Vec::new();
                let stock = inventory::list(&cache, docker.as_ref())?;
                let wanted = unpacked::canonical(reference);
                let is_named = |of: &String| unpacked::canonical(of) == wanted;
                if !stock.iter().any(|image| image.reference.as_ref().is_some_and(is_named)) {
                    let known = nearest(reference, stock.iter().filter_map(|image| image.reference.as_deref()));
                    let why = format!("--reference {reference}: no prepared image is of it; of references {known}");
                    return Err(Stop::Usage(why).into());
                }
                for image in stock {
                    let named = image.reference.as_ref().is_some_and(is_named);
                    if named && inventory::remove(&cache, docker.as_ref(), &image)? {
                        gone.push(image);
                    }
                }
                (gone, 0)
            }
        };
        if self.json {
            console.print(serde_json::to_string(&gone)?);
        } else {
            for image in &gone {
                let of = image.reference.as_ref().map(|of| format!(" (of {of})")).unwrap_or_default();
                console.print(format!("removed {}{of}", image.name));
            }
            console.print(format!("{} image(s) removed", gone.len()));
        }
        match self.budget {
            Some(budget) if left > budget => {
                console.say(format!("{} MiB are left, for the rest is in use; run it again later", mib(left)));
                Ok(ExitCode::Findings)
            }
            _ => Ok(ExitCode::Done),
        }
    }
}

fn row(image: &Prepared) -> Vec<String> {
    let kind = match image.kind {
        Kind::Docker => "sealed, docker",
        Kind::Cell | Kind::Layer => "sealed, cell",
        Kind::Pulled => "pulled",
        Kind::Unpacked => "unpacked",
    };
    let name = match image.kind {
        Kind::Docker | Kind::Pulled => image.name.as_str(),
        Kind::Cell | Kind::Layer | Kind::Unpacked => image.digest.short(),
    };
    vec![
        kind.to_owned(),
        name.to_owned(),
        image.reference.clone().unwrap_or_default(),
        mib(image.bytes).to_string(),
        mib(image.shared_bytes).to_string(),
        ago(image.last_use),
        if image.in_use { "yes" } else { "" }.to_owned(),
        image.instances.len().to_string(),
    ]
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// How long ago a second since 1970 was.
fn ago(second: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match (second, now.saturating_sub(second)) {
        (0, _) => "-".to_owned(),
        (_, past) if past < 60 => format!("{past} s ago"),
        (_, past) if past < 3600 => format!("{} min ago", past / 60),
        (_, past) if past < 48 * 3600 => format!("{} h ago", past / 3600),
        (_, past) => format!("{} days ago", past / (24 * 3600)),
    }
}

fn open(cache: Option<PathBuf>) -> anyhow::Result<Cache> {
    Ok(Cache::open(&cache.map_or_else(default_cache, Ok)?)?)
}

/// The engine, if one answers.
fn engine(console: &Console) -> Option<Docker> {
    match Docker::connect() {
        Ok(docker) => Some(docker),
        Err(error) => {
            console.say(format!("images of Docker not looked at: {error}"));
            None
        }
    }
}

fn missing(error: SandboxError) -> anyhow::Error {
    match error {
        SandboxError::ImageMissing { .. } => Stop::Environment(error.to_string()).into(),
        other => other.into(),
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
