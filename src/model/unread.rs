//! What was not read: a place of an answer whose text does not tell what runs, so that finding nothing there means nothing.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a file's text does not tell what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its bytes are not what its encoding allows.
    Undecodable,
    /// It nests deeper than we read.
    TooDeep,
    /// A part of it is not in the grammar that we know.
    Unparsed,
    /// It names an encoding under which other text runs than stands there (PEP 263).
    Encoding,
    /// A carriage return without a line feed: the language begins a new line there, most viewers do not.
    BareReturn,
    /// A NUL.
    Nul,
    /// A control that changes the order in which text is shown.
    BidirectionalControl,
    /// A form feed inside an indentation: the language counts the columns anew there.
    FormFeed,
    /// A name that the language reads as another one, which is ASCII (NFKC).
    OtherName,
    /// Nothing of ours reads its language.
    NoReader,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undecodable => "its bytes do not fit its encoding",
            Self::TooDeep => "it nests too deeply to be read",
            Self::Unparsed => "it does not parse",
            Self::Encoding => "its encoding makes other text run than stands there",
            Self::BareReturn => "a carriage return hides a new line",
            Self::Nul => "it holds a NUL",
            Self::BidirectionalControl => "a control character reorders what is shown",
            Self::FormFeed => "a form feed hides an indentation",
            Self::OtherName => "a name stands for another name",
            Self::NoReader => "nothing reads its language",
        })
    }
}

/// A place of a candidate's file that is not read, and that base does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Unread {
    pub path: String,
    /// From 1; the first such line.
    pub line: u32,
    pub why: Why,
    /// Gold's version of the file is not read for the same reason. It speaks against no candidate, but nothing was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_gold: bool,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.why)
    }
}
