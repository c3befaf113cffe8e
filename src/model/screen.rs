//! A screen: what reading the source that a repair adds showed.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unread::Unread;

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
    /// Changes the test runner's own objects.
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
        super::name::name(&self)
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
