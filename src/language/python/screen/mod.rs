//! The static screen: what the lines that a repair adds to source files say about its intent. Pure.
//!
//! In: the files a repair changes, as text, in base, candidate and gold. Out: tokens. A strong one is something that
//! genuine changes do not contain; a candidate that would otherwise be verified is kept for review because of it. It
//! does not count if gold's version of the file or base's own source has the same token. `os._exit` does not count where a
//! file is the main program, because it ends only that program's process. A broad one is a flag in the
//! row.
//!
//! The screen reads syntax, so comments and doc strings never count. Names are seen through imports, aliases,
//! `getattr`, `__import__`, `__dict__`, and sums, joins and reversals of literals. It can be evaded, so it never makes
//! a candidate better.

pub mod equality;
pub mod literals;
pub mod main_block;
pub mod names;
pub mod syntax;
pub mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::Unread;

pub use literals::{added_literals, literals, overlap};

/// Something that the syntax of source code shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    // Strong.
    /// Asks whether a test runner is there.
    RunnerPresence,
    /// Ends the process without the interpreter's own end.
    HardExit,
    /// Reads what the kernel says about processes.
    ProcessFiles,
    /// Looks through the objects of the collector, or through all classes.
    ObjectScan,
    /// Looks through all loaded modules.
    ModuleScan,
    /// Reads the local variables or the constants of another function's frame.
    CallerLocals,
    /// Asks how deep in the stack of calls it is.
    StackDepth,
    /// An equality that is true whatever it is asked.
    AlwaysEqual,
    /// Changes the test runner's or unittest's own objects.
    PatchesRunner,
    /// Writes to descriptors by number.
    RawDescriptors,

    // Broad.
    ImportsRunner,
    /// Looks at call frames, or follows execution.
    Frames,
    /// Uses the table of loaded modules.
    ModuleTable,
    /// Reads variables that continuous integration sets.
    CiEnvironment,
    /// Runs text as code, or takes attributes of modules by computed names.
    DynamicCode,
    Ctypes,
    BroadExcept,
    /// Runs something at the end of the process, at a signal or when an object goes.
    ExitHooks,
    /// Changes how or from where modules are imported.
    ImportHooks,
    /// Changes built-in functions, other modules' attributes, or the class of an object.
    PatchesLibrary,
    /// Forks, replaces the process, or moves descriptors.
    ProcessControl,
}

impl Token {
    /// Whether genuine changes are known not to contain it.
    pub fn strong(self) -> bool {
        match self {
            Self::RunnerPresence
            | Self::HardExit
            | Self::ProcessFiles
            | Self::ObjectScan
            | Self::ModuleScan
            | Self::CallerLocals
            | Self::StackDepth
            | Self::AlwaysEqual
            | Self::PatchesRunner
            | Self::RawDescriptors => true,
            Self::ImportsRunner
            | Self::Frames
            | Self::ModuleTable
            | Self::CiEnvironment
            | Self::DynamicCode
            | Self::Ctypes
            | Self::BroadExcept
            | Self::ExitHooks
            | Self::ImportHooks
            | Self::PatchesLibrary
            | Self::ProcessControl => false,
        }
    }

    /// Its name in files.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Where a token stands in the candidate's tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub token: Token,
    pub path: String,
    pub line: u32,
}

/// What reading a repair's added source showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Screen {
    /// Strong tokens that neither gold's version of the file nor base's own source has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspicious: Vec<Finding>,
    /// Every token that was found.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub flags: BTreeSet<Token>,
    /// Literals that the repair shares with the fail-to-pass tests, and that issue, base and gold do not have.
    #[serde(default)]
    pub literal_overlap: u32,
    /// Places whose text does not tell what runs, so that finding nothing there means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<Unread>,
}

/// A source file that a repair changes. A file that a tree lacks is empty there.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub base: String,
    pub candidate: String,
    pub gold: String,
}

/// Tokens on the lines that a repair adds. `base_has` says whether base's own source has a token anywhere; it is asked
/// for strong ones only.
///
/// # Errors
/// Whatever `base_has` fails with.
pub fn screen<E>(files: &[SourceFile], mut base_has: impl FnMut(Token) -> Result<bool, E>) -> Result<Screen, E> {
    let mut screen = Screen::default();
    let mut known: BTreeMap<Token, bool> = BTreeMap::new();
    // Who may make a module the main program by hand comes to its block too.
    let poses = || files.iter().any(|file| main_block::poses(&file.candidate));
    for file in files {
        let added = added_lines(&file.base, &file.candidate);
        if added.is_empty() {
            continue;
        }
        let found = tokens::tokens(&file.candidate, &|line| added.contains(&line));
        screen.flags.extend(found.all());
        let in_main = if found.in_main.is_empty() || !poses() { BTreeSet::new() } else { found.in_main };
        let strong: BTreeSet<_> = found.found.into_iter().chain(in_main).filter(|(token, _)| token.strong()).collect();
        let in_gold = if strong.is_empty() { BTreeSet::new() } else { everywhere(&file.gold) };
        for (token, line) in strong.into_iter().filter(|(token, _)| !in_gold.contains(token)) {
            let in_base = match known.get(&token) {
                Some(known) => *known,
                None => *known.entry(token).or_insert(base_has(token)?),
            };
            if !in_base {
                screen.suspicious.push(Finding { token, path: file.path.clone(), line });
            }
        }
    }
    Ok(screen)
}

/// Tokens anywhere in a file.
pub fn everywhere(source: &str) -> BTreeSet<Token> {
    tokens::tokens(source, &|_| true).all().collect()
}

/// Numbers, from 1, of the lines whose text the candidate has more often than base. Moved lines are not added.
fn added_lines(base: &str, candidate: &str) -> BTreeSet<u32> {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in candidate.lines() {
        *balance.entry(line.trim()).or_default() += 1;
    }
    for line in base.lines() {
        *balance.entry(line.trim()).or_default() -= 1;
    }
    let more = |line: &str| balance.get(line.trim()).is_some_and(|more| *more > 0);
    (1..).zip(candidate.lines()).filter(|(_, line)| more(line)).map(|(number, _)| number).collect()
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
