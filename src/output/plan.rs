//! What a command reads and what it is to write, held against each other before the first byte.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use walkdir::WalkDir;

use super::directory::Proof;
use super::file_set::FileSet;
use super::identity::Identity;
use super::kind::Kind;
use super::territory::{RUN_NAMES, SERVED, Territory, is_run};
use crate::exit_code::Stop;

/// The inputs and outputs of one command.
#[derive(Debug, Default)]
pub struct Plan {
    reads: Vec<Read>,
    makes: Vec<Make>,
}

/// An input.
#[derive(Debug)]
struct Read {
    option: String,
    path: PathBuf,
    at: Identity,
    /// Everything below is read too.
    deep: bool,
}

/// An output.
#[derive(Debug)]
struct Make {
    option: String,
    path: PathBuf,
    at: Identity,
    how: How,
    /// Of a folder: what is or would be written in it under a name that is known.
    names: Vec<Identity>,
}

/// What becomes of what is there already.
#[derive(Debug)]
enum How {
    /// Replaced if it is of this kind.
    File(Kind),
    /// Added to; who writes it looks at what it holds.
    Growing,
    /// Never replaced.
    New,
    /// Files of a command in this folder, by their names.
    Set { command: &'static str, fits: fn(&str) -> bool },
    /// A file of a set that may not be needed: whose it is, is asked when it is.
    Late,
    /// Replaced as a whole if it proves to be ours.
    Directory(Proof),
    /// A run directory, continued.
    Run { served: bool },
    /// A cache: shared, and made where it is not there.
    Cache,
}

impl Plan {
    /// Reads a file, or a directory and everything below it.
    pub fn reads(mut self, option: &str, path: &Path) -> anyhow::Result<Self> {
        let at = identity(option, path)?;
        let deep = path.is_dir();
        self.reads.push(Read { option: option.to_owned(), path: path.to_owned(), at, deep });
        Ok(self)
    }

    /// Reads these, if there are any.
    pub fn reads_each<P: AsRef<Path>>(self, option: &str, paths: impl IntoIterator<Item = P>) -> anyhow::Result<Self> {
        paths.into_iter().try_fold(self, |plan, path| plan.reads(option, path.as_ref()))
    }

    /// Reads what is directly in a directory: its files, and its directories with everything below them. A new file may
    /// stand beside them.
    pub fn reads_within(self, option: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten() {
            paths.push(entry.with_context(|| format!("cannot list {}", folder.display()))?.path());
        }
        self.reads_each(option, paths)
    }

    /// Reads an instances file, or the directory that holds it, and the repositories beside it or where it is said.
    pub fn reads_instances(self, instances: &Path, repos: Option<&Path>) -> anyhow::Result<Self> {
        let file = if instances.is_dir() { instances.join("instances.jsonl") } else { instances.to_owned() };
        let beside = file.parent().unwrap_or(Path::new("")).join("repos");
        let plan = self.reads("INSTANCES", &file)?;
        match repos {
            Some(repos) => plan.reads_within("--repos", repos),
            None => plan.reads_within("the repositories", &beside),
        }
    }

    /// Reads a run directory: all that commands put there under its own names.
    pub fn reads_run(self, option: &str, run: &Path) -> anyhow::Result<Self> {
        let names = RUN_NAMES.iter().chain([&SERVED]).map(|name| run.join(name)).filter(|path| path.exists());
        self.reads_each(option, names)
    }

    /// Reads files, and run directories.
    pub fn reads_files_or_runs(self, option: &str, paths: &[PathBuf]) -> anyhow::Result<Self> {
        paths.iter().try_fold(self, |plan, path| {
            let run = path.is_dir() && (is_run(path) || path.join("verdicts.jsonl").is_file());
            if run { plan.reads_run(option, path) } else { plan.reads(option, path) }
        })
    }

    fn makes(mut self, option: &str, path: &Path, how: How) -> anyhow::Result<Self> {
        let at = identity(option, path)?;
        let names: Vec<PathBuf> = match how {
            How::Run { served } => {
                RUN_NAMES.iter().chain(served.then_some(&SERVED)).map(|name| path.join(name)).collect()
            }
            How::Set { fits, .. } => {
                let entries = fs::read_dir(path).into_iter().flatten().flatten();
                entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|entry| entry.path()).collect()
            }
            How::File(_) | How::Growing | How::New | How::Late | How::Directory(_) | How::Cache => Vec::new(),
        };
        let names = names.iter().map(|name| identity(option, name)).collect::<Result<_, _>>()?;
        self.makes.push(Make { option: option.to_owned(), path: path.to_owned(), at, how, names });
        Ok(self)
    }

    /// Makes a file; one of its kind is replaced.
    pub fn file(self, option: &str, path: &Path, kind: Kind) -> anyhow::Result<Self> {
        self.makes(option, path, How::File(kind))
    }

    /// Adds to a file, or makes it.
    pub fn growing(self, option: &str, path: &Path) -> anyhow::Result<Self> {
        self.makes(option, path, How::Growing)
    }

    /// Makes a file that is not there.
    pub fn new_file(self, option: &str, path: &Path) -> anyhow::Result<Self> {
        self.makes(option, path, How::New)
    }

    /// Makes files of a command in a folder, with a [`FileSet`]: those that have such names.
    pub fn set(
        self,
        option: &str,
        folder: &Path,
        command: &'static str,
        fits: fn(&str) -> bool,
    ) -> anyhow::Result<Self> {
        self.makes(option, folder, How::Set { command, fits })
    }

    /// Makes a file with a [`FileSet`] if there is something to say; the set looks whose file is there.
    pub fn late_file(self, option: &str, path: &Path) -> anyhow::Result<Self> {
        self.makes(option, path, How::Late)
    }

    /// Makes a directory as a whole; one that is proved to be ours is replaced.
    pub fn directory(self, option: &str, path: &Path, proof: Proof) -> anyhow::Result<Self> {
        self.makes(option, path, How::Directory(proof))
    }

    /// Makes a run directory or continues it. `served`: the answers of `assay serve` are kept there too.
    pub fn run(self, option: &str, path: &Path, served: bool) -> anyhow::Result<Self> {
        self.makes(option, path, How::Run { served })
    }

    /// Uses a cache directory.
    pub fn cache(self, option: &str, path: &Path) -> anyhow::Result<Self> {
        self.makes(option, path, How::Cache)
    }

    /// Ends if an output is not free to be made. Nothing is written, here or before.
    ///
    /// # Errors
    /// [`Stop::Usage`], which names both places.
    pub fn check(&self) -> anyhow::Result<()> {
        for (number, make) in self.makes.iter().enumerate() {
            make.is_possible()?;
            for read in &self.reads {
                if make.touches(read)? {
                    return Err(refusal(format!(
                        "{make} is, or would change, {} ({}), which this command reads",
                        read.path.display(),
                        read.option
                    )));
                }
            }
            for other in &self.makes[..number] {
                if make.at.is(&other.at) || make.reserves(&other.at) || other.reserves(&make.at) {
                    return Err(refusal(format!("{make} and {other} are one place, or one would be inside the other")));
                }
            }
            make.is_free()?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Make {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.option)
    }
}

impl Make {
    /// Whether the place is of a sort that can be made, and nobody else's.
    fn is_possible(&self) -> anyhow::Result<()> {
        // Of a folder, the files that would be in it are looked at.
        let places = match self.how {
            How::Set { fits, .. } => {
                let names = RUN_NAMES.iter().copied().filter(|name| fits(name)).chain(["a new file"]);
                names.map(|name| self.at.path.join(name)).collect()
            }
            How::Cache => Vec::new(),
            How::File(_) | How::Growing | How::New | How::Late | How::Directory(_) | How::Run { .. } => {
                vec![self.at.path.clone()]
            }
        };
        for place in places {
            match Territory::around(&place) {
                // Answers may be added where `assay serve` keeps its own.
                Some(Territory::Run(_, name)) if name == SERVED && matches!(self.how, How::Growing) => {}
                Some(Territory::Run(run, name)) => {
                    let run = run.display();
                    return Err(refusal(format!("{self} is {name} of the run directory {run}, which only runs write")));
                }
                Some(Territory::Dataset(dataset)) => {
                    let dataset = dataset.display();
                    return Err(refusal(format!(
                        "{self} lies in the dataset {dataset}, whose manifest lists all that it holds"
                    )));
                }
                None => {}
            }
        }
        let Some(there) = self.at.path.ancestors().find(|place| place.exists()) else { return Ok(()) };
        let about = fs::metadata(there).with_context(|| format!("cannot look at {}", there.display()))?;
        if there != self.at.path {
            let why = || refusal(format!("{self} cannot be below {}, which is not a directory", there.display()));
            return if about.is_dir() { Ok(()) } else { Err(why()) };
        }
        let fits = match self.how {
            How::File(_) | How::Growing | How::New | How::Late => about.is_file(),
            How::Set { .. } | How::Directory(_) | How::Run { .. } | How::Cache => about.is_dir(),
        };
        let wanted = match self.how {
            How::File(_) | How::Growing | How::New | How::Late => "file",
            How::Set { .. } | How::Directory(_) | How::Run { .. } | How::Cache => "directory",
        };
        if fits { Ok(()) } else { Err(refusal(format!("{self} is there and is no {wanted}"))) }
    }

    /// Whether making it would change an input, or put something among files that are read together.
    fn touches(&self, read: &Read) -> anyhow::Result<bool> {
        let folder = matches!(self.how, How::Set { .. } | How::Run { .. });
        let same = !folder && self.at.is(&read.at);
        let among = read.deep && self.at.is_in(&read.at);
        Ok(same || among || self.reserves(&read.at) || self.is_named_below(read)?)
    }

    /// Whether this output is another name of a file somewhere below an input directory.
    fn is_named_below(&self, read: &Read) -> anyhow::Result<bool> {
        if !read.deep || !self.at.has_other_names {
            return Ok(false);
        }
        for entry in WalkDir::new(&read.at.path) {
            let entry = entry.with_context(|| format!("cannot list {}", read.path.display()))?;
            if entry.file_type().is_file() && self.at.is(&Identity::of(entry.path())?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a place would be replaced with this one, being one of its names or inside it.
    fn reserves(&self, at: &Identity) -> bool {
        let name = || at.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let would_be = match self.how {
            How::Set { fits, .. } => at.path.parent() == Some(&self.at.path) && fits(name()),
            How::Directory(_) => at.is_in(&self.at),
            How::Run { .. } | How::File(_) | How::Growing | How::New | How::Late | How::Cache => false,
        };
        would_be || self.names.iter().any(|name| at.is_in(name))
    }

    /// Whether what is there may be replaced, continued or added to.
    fn is_free(&self) -> anyhow::Result<()> {
        let cannot = || format!("cannot read {self}");
        let there = self.at.inode.is_some();
        match &self.how {
            How::File(kind) if there && !kind.is_of(&self.at.path).with_context(cannot)? => {
                let kind = kind.name();
                Err(refusal(format!("{self} is there and is not {kind}, so it is left alone")))
            }
            How::New if there => Err(refusal(format!("{self} is there, and files of this kind are never replaced"))),
            How::Set { command, fits } => FileSet::open(&self.path, command)?.refuse_strangers(fits),
            How::Directory(proof) if there && !is_empty(&self.at.path) => {
                proof(&self.at.path).map_err(|error| refusal(format!("{self}: {error:#}")))
            }
            How::Run { served } if there && !is_run(&self.at.path) => match stranger(&self.at.path, *served)? {
                Some(name) => Err(refusal(format!("{self} is not a run directory, for it holds {name}"))),
                None => Ok(()),
            },
            How::File(_) | How::Growing | How::New | How::Late | How::Directory(_) | How::Run { .. } | How::Cache => {
                Ok(())
            }
        }
    }
}

fn identity(option: &str, path: &Path) -> anyhow::Result<Identity> {
    Identity::of(path).map_err(|error| {
        Stop::Usage(format!("{} ({option}) cannot be looked at: {error}; name another place", path.display())).into()
    })
}

/// What tells that a folder is not one to become a run directory: a name that a run would write over, or anything but JSON
/// Lines, such as samples that wait there to be verified.
fn stranger(folder: &Path, served: bool) -> anyhow::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()));
    }
    names.sort();
    let strange = |name: &str, folder: bool| {
        let reserved = RUN_NAMES.contains(&name) || served && name == SERVED;
        reserved || !name.starts_with('.') && (folder || !name.ends_with(".jsonl"))
    };
    Ok(names.into_iter().find(|(name, folder)| strange(name, *folder)).map(|(name, _)| name))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn refusal(why: String) -> anyhow::Error {
    Stop::Usage(format!("{why}; nothing was written, name another place")).into()
}
