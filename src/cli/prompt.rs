//! `assay prompt`: the three skills' prompts as chat messages, and as request files of batch endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::sampling::Sampling;
use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::intake;
use crate::journal::RunDir;
use crate::model::candidate::{Candidate, PathClass, Payload};
use crate::model::digest::Digest;
use crate::model::generation::Skill;
use crate::model::instance::Instance;
use crate::model::layout::Layout;
use crate::model::near_names::nearest;
use crate::model::verdict::{Verdict, VerdictStatus};
use crate::output::{FileSet, Kind, NewFile, Plan};
use crate::pipeline::Input;
use crate::prompt::batch::{MOST_BYTES, MOST_REQUESTS, request};
use crate::prompt::compose::{Composer, Recipe};
use crate::prompt::embed::Embedder;
use crate::prompt::localized::file_sets;
use crate::prompt::record::Absent;
use crate::prompt::templates::{Templates, ours, write_ours};
use crate::prompt::{Prompt as Record, extract};
use crate::repo::{Repository, patch};
use crate::sampler::endpoint::Endpoint;
use crate::tokens::Counter;

/// Writes the prompts of instances: what a model is asked
#[derive(Debug, Args)]
#[command(
    after_help = "INSTANCES is a file written by `assay import`, or the directory that holds it. Repair and test prompts show whole files \
under the token budget: localized ones first, then those that BM25 finds by the words of the issue. What a prompt leaves out is \
recorded in it. The chain: prompt for localization, sample, verify, then prompt for repair with --localization verdicts --from RUN.\n\n\
Example: assay prompt work --out prompts.jsonl --skill localization\n\
Example: assay prompt work --out repair.jsonl --skill repair --localization verdicts --from runs/first\n\
Example: assay prompt --write-templates my-templates"
)]
pub struct Prompt {
    /// Instances file, or the directory written by `assay import`
    #[arg(required_unless_present = "write_templates")]
    instances: Option<PathBuf>,
    /// Also write request files for an OpenAI-style batch endpoint into this directory; needs --model
    #[arg(long, value_name = "DIR")]
    batch: Option<PathBuf>,
    /// Tokens that a prompt may have
    #[arg(long, default_value_t = 60_000, value_name = "TOKENS")]
    budget: u64,
    /// Order retrieved files by embeddings from this OpenAI-compatible endpoint, e.g. http://localhost:8001/v1
    #[arg(long, value_name = "URL", requires = "embed_model")]
    embed_endpoint: Option<String>,
    /// Model for embeddings
    #[arg(long, value_name = "NAME", requires = "embed_endpoint")]
    embed_model: Option<String>,
    /// Environment variable with the key for embeddings
    #[arg(long, default_value = "OPENAI_API_KEY", value_name = "VARIABLE")]
    embed_key_env: String,
    /// Localizations: generations files, or a run directory with verdicts
    #[arg(long, num_args = 1.., value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
    /// Where the files come from that repair and test prompts show first
    #[arg(long, value_enum, default_value_t = Localization::None)]
    localization: Localization,
    /// Prompts file to write
    #[arg(long, required_unless_present = "write_templates", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Directory of the repositories [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Most retrieved files to show after the localized ones
    #[arg(long, default_value_t = 3, value_name = "N")]
    retrieve: usize,
    /// Distinct sets of localized files that get a prompt each, the most named first
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    sets: u16,
    /// Skills to write prompts for [default: all three]
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "SKILL")]
    skill: Vec<Skill>,
    /// Templates of your own: SKILL.jinja or SKILL.NAME.jinja, and system.jinja for a system message
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Count tokens with this tokenizer.json of a model; without one they are estimated
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Write our templates into a directory, to be changed there, and end
    #[arg(long, value_name = "DIR", exclusive = true)]
    write_templates: Option<PathBuf>,
    #[command(flatten)]
    sampling: Sampling,
}

/// Where localized files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Localization {
    /// Nowhere: only retrieved files are shown
    None,
    /// The files that the gold patch changes: the model is told what it would have to find
    Gold,
    /// What models answered, verified or not
    Generations,
    /// What models answered and was verified
    Verdicts,
}

impl Localization {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gold => "gold",
            Self::Generations => "generations",
            Self::Verdicts => "verdicts",
        }
    }
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Summary {
    prompts: u64,
    skills: BTreeMap<Skill, u64>,
    counter: String,
    /// Most tokens of a prompt.
    most_tokens: u64,
    /// Files left out of prompts, by why.
    left_out: BTreeMap<String, u64>,
    /// Prompts without the localized files that were asked for: there are none.
    not_localized: u64,
    /// Localizations that hold no paths.
    unusable_localizations: u64,
    missing: Vec<Missing>,
    out: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    batch: Vec<String>,
}

/// A prompt that could not be made.
#[derive(Debug, Serialize)]
struct Missing {
    instance_id: String,
    skill: Skill,
    why: String,
}

/// Lists of localized files, by instance.
type Lists = BTreeMap<String, Vec<Vec<String>>>;

impl Prompt {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        if let Some(directory) = &self.write_templates {
            let mut plan = Plan::default();
            for (path, _) in ours(directory) {
                plan = plan.new_file("--write-templates", &path)?;
            }
            plan.check()?;
            for path in write_ours(directory)? {
                console.print(path.display().to_string());
            }
            return Ok(ExitCode::Done);
        }
        let (Some(instances), Some(out)) = (&self.instances, &self.out) else {
            return Err(Stop::Usage("name the instances and --out".to_owned()).into());
        };
        self.plan(instances, out)?.check()?;
        let parameters = self.batch.as_ref().map(|_| self.sampling.parameters()).transpose()?;
        let templates = self.templates.as_deref().map_or_else(|| Ok(Templates::ours()), Templates::from_directory)?;
        let counter = Counter::from_option(self.tokenizer.as_deref())?;
        let embedder = self.embedder()?;
        let input = Input::read(instances, self.repos.as_deref())?;
        for bad in &input.quarantined {
            console.say(format!("{}:{}: {}; left out", bad.file, bad.line, bad.why));
        }
        let recipe = Recipe {
            templates: &templates,
            counter: &counter,
            budget: self.budget,
            retrieve: self.retrieve,
            embedder: embedder.as_ref(),
        };
        let mut summary =
            Summary { counter: counter.name().to_owned(), out: out.display().to_string(), ..Summary::default() };
        let known = input.instances.iter().map(|located| located.instance_id.clone()).collect();
        let lists = self.lists(&known, console, &mut summary)?;
        if lists.keys().all(|id| !known.contains(id)) && !self.from.is_empty() {
            let name = self.localization.name();
            let what = match lists.first_key_value() {
                Some((id, _)) => {
                    let near = nearest(id, known.iter().map(String::as_str));
                    format!("they are of other instances, such as {id}; among these instances {near}")
                }
                None if self.localization == Localization::Verdicts => {
                    "no localization of the run was verified; --localization generations takes what was answered"
                        .to_owned()
                }
                None => "they hold no localization of these instances that can be read".to_owned(),
            };
            return Err(
                Stop::Usage(format!("--localization {name}: --from has none for these instances: {what}")).into()
            );
        }
        let mut writer = NewFile::create(out)?;
        let stage = console.stage("prompt", input.instances.len() as u64);
        for located in &input.instances {
            let instance = located.instance.read()?;
            // What one instance's repository or patch lacks is that instance's.
            let repository = match Repository::open(&located.repository) {
                Ok(repository) => repository,
                Err(error) => {
                    let (commit, path) = (&instance.base_commit, located.repository.display());
                    let next = format!("put a git repository with commit {commit} at {path}, or use --repos");
                    self.without(&instance, &format!("{error}; {next}"), console, &mut summary);
                    stage.step();
                    continue;
                }
            };
            let mut composer = match Composer::new(&recipe, &instance, &repository) {
                Ok(composer) => composer,
                Err(error) => {
                    self.without(&instance, &format!("{error:#}"), console, &mut summary);
                    stage.step();
                    continue;
                }
            };
            for skill in self.skills() {
                let sets = match self.sets(skill, &instance, &lists, &mut summary) {
                    Ok(sets) => sets,
                    Err(error) => {
                        summary.miss(console, &instance, skill, format!("{error:#}"));
                        continue;
                    }
                };
                for (set, from) in sets {
                    match composer.compose(skill, &set, from)? {
                        Ok(prompt) => {
                            summary.add(&prompt);
                            writer.line(&prompt)?;
                        }
                        Err(why) => summary.miss(console, &instance, skill, why),
                    }
                }
            }
            stage.step();
        }
        drop(stage);
        writer.finish()?;
        if let (Some(directory), Some(mut parameters)) = (&self.batch, parameters) {
            if let Some(seed) = self.sampling.seed {
                parameters.insert("seed".to_owned(), json!(seed));
            }
            if self.sampling.n > 1 {
                parameters.insert("n".to_owned(), json!(self.sampling.n));
            }
            summary.batch = write_batch(out, directory, &parameters)?;
        }
        self.tell(console, &summary)?;
        let short = !summary.missing.is_empty() || !input.quarantined.is_empty() || summary.prompts == 0;
        Ok(if short { ExitCode::Findings } else { ExitCode::Done })
    }

    /// None of the prompts of an instance can be made.
    fn without(&self, instance: &Instance, why: &str, console: &Console, summary: &mut Summary) {
        for skill in self.skills() {
            summary.miss(console, instance, skill, why.to_owned());
        }
    }

    /// What is read, and what is written.
    fn plan(&self, instances: &Path, out: &Path) -> anyhow::Result<Plan> {
        let plan = Plan::default().reads_instances(instances, self.repos.as_deref())?;
        let plan = plan.reads_files_or_runs("--from", &self.from)?.reads_each("--tokenizer", &self.tokenizer)?;
        let plan = match &self.templates {
            Some(folder) => plan.reads_within("--templates", folder)?,
            None => plan,
        };
        let plan = plan.file("--out", out, Kind::Prompts)?;
        match &self.batch {
            Some(folder) => plan.set("--batch", folder, BATCH, is_request_file),
            None => Ok(plan),
        }
    }

    fn skills(&self) -> Vec<Skill> {
        if self.skill.is_empty() { Skill::ALL.to_vec() } else { self.skill.clone() }
    }

    fn embedder(&self) -> anyhow::Result<Option<Embedder>> {
        let (Some(url), Some(model)) = (&self.embed_endpoint, &self.embed_model) else { return Ok(None) };
        let endpoint = Endpoint::open(url, &self.embed_key_env, Duration::from_secs(120))?;
        Ok(Some(Embedder::new(endpoint, model.clone())?))
    }

    /// What somebody said where instances have to be changed.
    fn lists(&self, known: &BTreeSet<String>, console: &Console, summary: &mut Summary) -> anyhow::Result<Lists> {
        let mut lists = Lists::new();
        let name = self.localization.name();
        let from_needed = matches!(self.localization, Localization::Generations | Localization::Verdicts);
        if from_needed == self.from.is_empty() {
            let what = if from_needed { "needs" } else { "takes no" };
            return Err(Stop::Usage(format!("--localization {name} {what} --from")).into());
        }
        for path in &self.from {
            if self.localization == Localization::Verdicts {
                verified(path, &mut lists)?;
            } else {
                let read = intake::read_generations(path, known, &mut |_, generation| {
                    if generation.skill != Skill::Localization {
                        return Ok(());
                    }
                    let (answer, reasoning) = generation.answer();
                    match extract(Skill::Localization, answer, reasoning).payload {
                        Ok(Payload::FileList { files }) => {
                            lists.entry(generation.instance_id.clone()).or_default().push(files);
                        }
                        Ok(_) | Err(_) => summary.unusable_localizations += 1,
                    }
                    Ok(())
                })?;
                for bad in &read.quarantined {
                    console.say(format!("{}:{}: {}; left out", bad.file, bad.line, bad.why));
                }
            }
        }
        Ok(lists)
    }

    /// The sets of files that a skill's prompts show, and where they come from.
    fn sets(
        &self,
        skill: Skill,
        instance: &Instance,
        lists: &Lists,
        summary: &mut Summary,
    ) -> anyhow::Result<Vec<(Vec<String>, &'static str)>> {
        let without = vec![(Vec::new(), Localization::None.name())];
        if skill == Skill::Localization || self.localization == Localization::None {
            return Ok(without);
        }
        let lists = match self.localization {
            Localization::Gold => vec![gold_files(instance)?],
            _ => lists.get(&instance.instance_id).cloned().unwrap_or_default(),
        };
        let sets = file_sets(lists, usize::from(self.sets));
        if sets.is_empty() {
            summary.not_localized += 1;
            return Ok(without);
        }
        Ok(sets.into_iter().map(|set| (set, self.localization.name())).collect())
    }

    fn tell(&self, console: &Console, summary: &Summary) -> anyhow::Result<()> {
        if self.json {
            console.print(serde_json::to_string(summary)?);
            return Ok(());
        }
        let Summary { prompts, most_tokens, counter, out, .. } = summary;
        console.print(format!("{prompts} prompts, the longest {most_tokens} tokens ({counter}): {out}"));
        for (why, count) in &summary.left_out {
            console.print(format!("{count} file(s) left out of prompts: {why}"));
        }
        if summary.not_localized > 0 {
            let name = self.localization.name();
            console.print(format!("{} prompt(s) with retrieved files only: {name} name none", summary.not_localized));
        }
        if summary.unusable_localizations > 0 {
            console.print(format!("{} localization(s) hold no paths", summary.unusable_localizations));
        }
        if !summary.missing.is_empty() {
            console.print(format!("{} prompt(s) could not be made; see above", summary.missing.len()));
        }
        for file in &summary.batch {
            console.print(format!("batch: {file}"));
        }
        Ok(())
    }
}

impl Summary {
    fn miss(&mut self, console: &Console, instance: &Instance, skill: Skill, why: String) {
        let instance_id = instance.instance_id.clone();
        console.say(format!("{instance_id}: no {skill} prompt: {why}"));
        self.missing.push(Missing { instance_id, skill, why });
    }

    fn add(&mut self, prompt: &Record) {
        self.prompts += 1;
        *self.skills.entry(prompt.skill).or_default() += 1;
        self.most_tokens = self.most_tokens.max(prompt.tokens);
        for left in &prompt.left_out {
            let why = match left.why {
                Absent::OverBudget => "over_budget",
                Absent::NotAtBase => "not_at_base",
                Absent::NotText => "not_text",
            };
            *self.left_out.entry(why.to_owned()).or_default() += 1;
        }
    }
}

/// Verified localizations of a run directory.
fn verified(path: &Path, lists: &mut Lists) -> anyhow::Result<()> {
    let run = RunDir::existing(path)?;
    let candidates: Vec<Candidate> = run.read_lines("candidates.jsonl")?;
    let files: BTreeMap<&Digest, Vec<String>> = candidates
        .iter()
        .filter_map(|candidate| Some((&candidate.candidate_id, candidate.prepared.as_ref()?.files.clone())))
        .collect();
    let verdicts: Vec<Verdict> = run.read_lines("verdicts.jsonl")?;
    for verdict in verdicts {
        let status = verdict.status.at(verdict.evidence);
        let counts = verdict.skill == Skill::Localization && status == VerdictStatus::Verified;
        if let Some(files) = files.get(&verdict.candidate_id).filter(|_| counts) {
            lists.entry(verdict.instance_id).or_default().push(files.clone());
        }
    }
    Ok(())
}

/// Source files of base that the gold patch touches.
fn gold_files(instance: &Instance) -> anyhow::Result<Vec<String>> {
    let layout = Layout::by_name(&instance.environment.framework);
    let files =
        patch::parse(&instance.patch).map_err(|malformed| anyhow::anyhow!("its gold patch: {}", malformed.detail))?;
    Ok(files.into_iter().filter_map(|file| file.old).filter(|path| layout.class(path) == PathClass::Source).collect())
}

/// The files of a batch directory, to [`FileSet`].
const BATCH: &str = "prompt --batch";

fn is_request_file(name: &str) -> bool {
    name.starts_with("requests-") && name.ends_with(".jsonl")
}

/// Request files beside the prompts: as many as the endpoint's limits ask for.
fn write_batch(
    prompts: &Path,
    directory: &Path,
    parameters: &serde_json::Map<String, serde_json::Value>,
) -> anyhow::Result<Vec<String>> {
    let mut set = FileSet::open(directory, BATCH)?;
    let prompts = crate::sampler::prompts::Prompts::open(prompts)?;
    let mut written = Vec::new();
    let mut file: Option<(NewFile, usize, usize)> = None;
    for entry in prompts.entries() {
        let line = request(&prompts.read(entry)?, 0, parameters);
        let length = line.to_string().len() + 1;
        let full = matches!(&file, Some((_, lines, bytes)) if *lines >= MOST_REQUESTS || bytes + length > MOST_BYTES);
        if full && let Some((output, ..)) = file.take() {
            set.add(output);
        }
        let (output, lines, bytes) = match &mut file {
            Some(file) => file,
            None => {
                let name = format!("requests-{:04}.jsonl", written.len() + 1);
                written.push(directory.join(&name).display().to_string());
                file.insert((set.create(&name)?, 0, 0))
            }
        };
        output.line(&line)?;
        (*lines, *bytes) = (*lines + 1, *bytes + length);
    }
    if let Some((output, ..)) = file {
        set.add(output);
    }
    set.commit()?;
    Ok(written)
}
