//! `assay import`: other people's rows, release pairs and commit ranges to instances.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::images::toolchain::{self, Setting, Toolchain};
use crate::intake::{self, Incoming, PypiError, Quarantined, ReleasePair, Wanted};
use crate::language::Files;
use crate::language::needs::{Asked, AskedFile};
use crate::model::declared::Declared;
use crate::model::instance::{Environment, Instance};
use crate::output::{Kind, Plan};
use crate::repo::{self, Repository};
use crate::runner;

/// The recipe of an instance that names none.
const RECIPE: &str = "python-pytest";

/// Makes instances: from SWE-bench-family files, from two releases of a package, from a commit range, from two folders
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Files are json, jsonl or parquet, plain or with .gz or .zst. A row that cannot be used is set aside in quarantine.jsonl \
with its file, line and reason.\n\n\
Example: assay import swe-bench.parquet more.jsonl.zst --out work\n\
Example: assay import pypi jinja2 3.1.5 3.1.6 --problem-file issue.md --with markupsafe==3.0.2 --out work\n\
Example: assay import git ~/code/project 1a2b3c4 5d6e7f8 --problem 'Crashes on empty input' --out work\n\
Example: assay import folders go-toml-1.9.4 go-toml-1.9.5 --runner go --problem-file issue.md --out work"
)]
pub struct Import {
    #[command(subcommand)]
    kind: Option<Source>,
    /// Files of instances
    #[arg(required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Directory for instances.jsonl, quarantine.jsonl and repos/; instances are added to what is there
    #[arg(long, required = true, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Two source releases from the Python package index: OLD is base, the difference is gold patch and test patch
    #[command(after_help = "Example: assay import pypi jinja2 3.1.5 3.1.6 --problem-file issue.md --out work")]
    Pypi {
        name: String,
        old: String,
        new: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// A commit range of a local git repository: BASE is base, the difference to FIX is gold patch and test patch
    #[command(after_help = "Example: assay import git ~/code/project main~1 main --problem-file issue.md --out work")]
    Git {
        path: PathBuf,
        base: String,
        fix: String,
        #[command(flatten)]
        shared: Shared,
    },
    /// Two folders with the tree before and after: BASE is base, the difference is gold patch and test patch
    #[command(after_help = "Example: assay import folders v1 v2 --runner go --problem-file issue.md --out work")]
    Folders {
        base: PathBuf,
        fix: PathBuf,
        #[command(flatten)]
        shared: Shared,
    },
}

#[derive(Debug, Args)]
struct Shared {
    /// Directory for instances.jsonl and repos/; the instance is added to what is there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The text
    #[arg(long, conflicts_with = "problem_file", required_unless_present = "problem_file")]
    problem: Option<String>,
    /// File with the text
    #[arg(long, value_name = "FILE")]
    problem_file: Option<PathBuf>,
    /// Name of the instance [default: from package or repository and version or commit]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// pip requirement beside the recipe's own, e.g. trio==0.27.0; may be given several times
    #[arg(long = "with", value_name = "REQUIREMENT")]
    requirements: Vec<String>,
    /// Take this group of requirements that the base tree declares (PEP 735, or a group of uv, Poetry or PDM), e.g. test. If a
    /// group, an extra or a requirement file is named, nothing else that the tree declares is taken; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Take what this extra of the project requires, e.g. tests; may be given several times
    #[arg(long = "extra", value_name = "NAME")]
    extras: Vec<String>,
    /// Take this requirement file: that of the base tree, or one on disk if the tree has none of this name; may be given several
    /// times
    #[arg(long = "requirements", value_name = "FILE")]
    requirement_files: Vec<String>,
    /// Take nothing of what the base tree declares for its tests
    #[arg(long, conflicts_with_all = ["groups", "extras", "requirement_files"])]
    no_declared: bool,
    /// Python to make the environment with: a version that is on this machine, e.g. 3.12, or a program [default: the first
    /// python3 on PATH if it suits the project, else the oldest here that does]
    #[arg(long = "python", value_name = "VERSION|PROGRAM")]
    interpreter: Option<String>,
    /// Test runner; it tells the language
    #[arg(long, alias = "framework", value_name = "NAME", default_value = "pytest",
        value_parser = PossibleValuesParser::new(runner::names()))]
    runner: String,
    /// How a Python environment is made: a folder of sandboxes/ [default: python-pytest]
    #[arg(long)]
    recipe: Option<String>,
    /// Test files and folders that make the suite, in place of what the runner's own configuration says, e.g. tests/unit. Changed
    /// test files always belong to it
    #[arg(long, num_args = 1.., value_name = "PATH")]
    tests: Vec<String>,
    /// Licence of the repository, as an SPDX expression
    #[arg(long, value_name = "SPDX")]
    license: Option<String>,
    /// Changed file that is release bookkeeping only, e.g. a version number; may be given several times
    #[arg(long, value_name = "PATH")]
    leave_out: Vec<String>,
    /// Repository name, e.g. pallets/jinja [default: package or folder name]
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
}

impl Import {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        match self.kind {
            Some(Source::Pypi { name, old, new, shared }) => {
                into(&shared.out, shared.reads()?)?.check()?;
                let wanted = shared.wanted()?;
                let pair = fetch(&name, &old, &new)?;
                for note in &pair.notes {
                    console.say(note);
                }
                shared.one(console, intake::import_pair(&pair, wanted, &shared.out)?)
            }
            Some(Source::Git { path, base, fix, shared }) => {
                into(&shared.out, shared.reads()?.reads("PATH", &path.join(".git"))?)?.check()?;
                let ranged = intake::import_range(&path, &base, &fix, shared.wanted()?, &shared.out)?;
                ranged.notes.iter().for_each(|note| console.say(note));
                shared.one(console, ranged.instance)
            }
            Some(Source::Folders { base, fix, shared }) => {
                into(&shared.out, shared.reads()?.reads("BASE", &base)?.reads("FIX", &fix)?)?.check()?;
                shared.one(console, intake::import_folders(&base, &fix, shared.wanted()?, &shared.out)?)
            }
            None => {
                let Some(out) = self.out else {
                    return Err(Stop::Usage("name the output directory with --out DIR".to_owned()).into());
                };
                into(&out, Plan::default().reads_each("FILES", &self.files)?)?.check()?;
                let (mut read, mut incoming) = (intake::Intake::default(), Incoming::new()?);
                for file in &self.files {
                    read.each(file, &mut |instance| incoming.add(&instance))?;
                }
                if read.duplicates > 0 {
                    console
                        .say(format!("{} row(s) repeat an instance id; the first of each was taken", read.duplicates));
                }
                add(console, &out, &incoming, &read.quarantined)
            }
        }
    }
}

/// What an import writes into its directory.
fn into(out: &Path, plan: Plan) -> anyhow::Result<Plan> {
    let plan = plan.file("--out", &out.join("instances.jsonl"), Kind::Instances)?;
    plan.file("the quarantine in --out", &out.join("quarantine.jsonl"), Kind::Quarantine)
}

impl Shared {
    fn reads(&self) -> anyhow::Result<Plan> {
        let on_disk: Vec<PathBuf> =
            self.requirement_files.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
        Plan::default().reads_each("--problem-file", &self.problem_file)?.reads_each("--requirements", &on_disk)
    }

    fn wanted(&self) -> anyhow::Result<Wanted> {
        let problem_statement = match (&self.problem, &self.problem_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the problem statement {}", path.display()))?,
            (None, None) => {
                return Err(Stop::Usage("give the issue with --problem or --problem-file".to_owned()).into());
            }
        };
        Ok(Wanted {
            instance_id: self.id.clone(),
            repo: self.repo.clone(),
            license: self.license.clone(),
            leave_out: self.leave_out.clone(),
            problem_statement,
            environment: self.environment()?,
        })
    }

    /// What the tests run in. Settings that the language of the runner does not have are refused.
    fn environment(&self) -> anyhow::Result<Environment> {
        let mut environment = Environment {
            recipe: self.recipe.clone(),
            framework: self.runner.clone(),
            requirements: self.requirements.clone(),
            tests: self
                .tests
                .iter()
                .map(|path| path.trim_start_matches("./").trim_end_matches('/').to_owned())
                .collect(),
            ..Environment::default()
        };
        environment.set_tool(self.interpreter.clone());
        if let Some(toolchain) = self.toolchain() {
            toolchain::check_settings(toolchain, &environment).map_err(Stop::Usage)?;
            if toolchain.settings().contains(&Setting::Recipe) {
                environment.recipe.get_or_insert_with(|| RECIPE.to_owned());
            }
        }
        Ok(environment)
    }

    fn toolchain(&self) -> Option<&'static dyn Toolchain> {
        runner::by_name(&self.runner).and_then(|runner| toolchain::of_language(runner.language()))
    }

    /// Adds an instance to the directory, with what its tests need.
    fn one(&self, console: &Console, mut instance: Instance) -> anyhow::Result<ExitCode> {
        if let Some(toolchain) = self.toolchain().filter(|_| !self.no_declared) {
            let repository = Repository::open(&intake::repository_path(&self.out, &instance.repo))?;
            let tree = repository.tree_of(&instance.base_commit)?;
            let files = repo::files_of(&repository, &tree);
            let asked = self.asked(&files)?;
            let needs = toolchain.needs(&files, &asked, &self.environment()?);
            let needs = needs
                .map_err(|error| if asked.nothing() { error } else { Stop::Usage(format!("{error:#}")).into() })?;
            needs.told.iter().for_each(|line| console.say(line));
            let environment = &mut instance.environment;
            (environment.declared, environment.extras, environment.locks) = (needs.declared, needs.extras, needs.locks);
        }
        let mut incoming = Incoming::new()?;
        incoming.add(&instance)?;
        add(console, &self.out, &incoming, &[])
    }

    /// What is asked for by name. A requirement file that the tree does not have is read from disk.
    fn asked(&self, files: &dyn Files) -> anyhow::Result<Asked> {
        let mut asked = Asked { groups: self.groups.clone(), extras: self.extras.clone(), files: Vec::new() };
        for path in &self.requirement_files {
            let on_disk = files.read(path.trim_start_matches("./"))?.is_none() && Path::new(path).is_file();
            let text = on_disk.then(|| std::fs::read_to_string(path)).transpose();
            let text = text.with_context(|| format!("cannot read the requirement file {path}"))?;
            asked.files.push(AskedFile { path: path.clone(), text });
        }
        let named = if asked.nothing() {
            Vec::new()
        } else {
            vec![Declared { source: String::new(), requirements: Vec::new() }]
        };
        let environment = Environment { declared: named, ..Environment::default() };
        if let Some(toolchain) = self.toolchain() {
            toolchain::check_settings(toolchain, &environment).map_err(Stop::Usage)?;
        }
        Ok(asked)
    }
}

/// Fetches a release pair. If the index cannot be asked, that is the environment's fault.
pub(super) fn fetch(name: &str, old: &str, new: &str) -> anyhow::Result<ReleasePair> {
    intake::fetch_pair(name, old, new).map_err(|error| match error {
        PypiError::NoPip { .. } | PypiError::NotFound { .. } | PypiError::Download { .. } => {
            Stop::Environment(error.to_string()).into()
        }
        PypiError::BadName { .. } | PypiError::BadArchive { .. } | PypiError::Io { .. } => error.into(),
    })
}

fn add(console: &Console, out: &Path, instances: &Incoming, quarantined: &[Quarantined]) -> anyhow::Result<ExitCode> {
    instances.write(out, quarantined)?;
    console.print(format!("{} instance(s) imported: {}", instances.len(), out.join("instances.jsonl").display()));
    if quarantined.is_empty() {
        return Ok(ExitCode::Done);
    }
    let place = out.join("quarantine.jsonl");
    console.print(format!("{} row(s) set aside, with reasons: {}", quarantined.len(), place.display()));
    Ok(ExitCode::Findings)
}
