//! The input of a run: instances with their repositories, and samples of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit_code::Stop;
use crate::intake::{self, Intake, Quarantined};
use crate::journal::RunDir;
use crate::lab::{Located, Samples};
use crate::model::digest::Digest;
use crate::model::generation::GenerationRef;
use crate::sampler::prompts::Prompts;
use crate::shelf::Shelf;

/// Everything that a run reads.
pub struct Input {
    pub instances: Vec<Located>,
    /// Whether the environment of some instance is made by a recipe, because it names no image.
    pub needs_recipe: bool,
    pub samples: Samples,
    pub quarantined: Vec<Quarantined>,
    /// Input file, by [`name_among`] -> sha256.
    pub digests: BTreeMap<String, Digest>,
}

impl Input {
    pub fn read(instances: &Path, repos: Option<&Path>) -> anyhow::Result<Self> {
        let file = if instances.is_dir() { instances.join("instances.jsonl") } else { instances.to_owned() };
        let beside = file.parent().unwrap_or(Path::new(".")).join("repos");
        let repos = repos.unwrap_or(&beside);
        let (mut read, mut shelf) = (Intake::default(), Shelf::new()?);
        let (mut located, mut needs_recipe) = (Vec::new(), false);
        read.each(&file, &mut |instance| {
            needs_recipe |= instance.environment.image.is_none();
            let repository = intake::repository_in(repos, &instance.repo);
            let kept = shelf.keep(&instance)?;
            located.push(Located { instance_id: instance.instance_id, instance: kept, repository });
            Ok(())
        })?;
        if located.is_empty() {
            return Err(Stop::Usage(format!("{} holds no usable instance", file.display())).into());
        }
        Ok(Self {
            instances: located,
            needs_recipe,
            samples: Samples::default(),
            quarantined: read.quarantined,
            digests: BTreeMap::from([(name_among(&file, &[]), digest_of_file(&file)?)]),
        })
    }

    /// Opens files of prompts; what they hold that cannot be used is quarantined.
    pub fn open_prompts(&mut self, files: &[PathBuf]) -> anyhow::Result<Vec<Prompts>> {
        let mut prompts = Vec::new();
        for path in files {
            let read = Prompts::open(path)?;
            let unusable = read.unusable.iter();
            self.quarantined
                .extend(unusable.map(|(line, why)| Quarantined::new(path.display().to_string(), *line, why)));
            self.digests.insert(name_among(path, files), digest_of_file(path)?);
            prompts.push(read);
        }
        Ok(prompts)
    }

    /// Reads generations and keeps them in the run directory. Those that name a prompt get its messages; says how many name
    /// one that is in none of the files, and how many one that is in them.
    pub fn keep_generations(
        &mut self,
        generations: &[PathBuf],
        prompts: &[Prompts],
        run: &RunDir,
    ) -> anyhow::Result<(u64, u64)> {
        let known = self.instances.iter().map(|located| located.instance_id.clone()).collect();
        let (mut unknown, mut found) = (0, 0);
        for path in generations {
            let name = name_among(path, generations);
            let samples = &mut self.samples;
            let read = intake::read_generations(path, &known, &mut |place, mut generation| {
                if let Some(id) = generation.prompt_id.as_deref() {
                    let prompt = prompts.iter().find_map(|prompts| Some((prompts, prompts.find(id)?)));
                    match prompt {
                        Some((prompts, entry)) => {
                            found += 1;
                            if generation.messages.is_none() {
                                generation.messages = Some(prompts.read(entry)?.messages);
                            }
                        }
                        None => unknown += u64::from(generation.messages.is_none()),
                    }
                }
                let place = GenerationRef { file: name.clone(), ..place };
                samples.keep(run.blobs(), &generation, &place)
            })?;
            self.quarantined.extend(read.quarantined);
            self.digests.insert(name, digest_of_file(path)?);
        }
        Ok((unknown, found))
    }
}

/// What an input file is called in verdicts and manifests: its bare name, so that a dataset's bytes do not depend on where
/// the files lay; the path as given where another input has the same name.
fn name_among(path: &Path, others: &[PathBuf]) -> String {
    let same_name = others.iter().filter(|other| other.file_name() == path.file_name()).count();
    match path.file_name() {
        Some(name) if same_name <= 1 => name.to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

fn digest_of_file(path: &Path) -> anyhow::Result<Digest> {
    let file = std::fs::File::open(path).and_then(Digest::of_reader);
    file.with_context(|| format!("cannot read {}", path.display()))
}
