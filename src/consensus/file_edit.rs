//! An edit of one file: what a patch shows of its two sides.

/// What a patch does to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    pub path: String,
    /// The name that it had before, said as a line; empty if it keeps its name.
    pub moved: String,
    pub sides: Sides,
}

/// The two sides of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sides {
    /// The whole file before and after; empty if it is not there.
    Whole { old: String, new: String },
    /// The places that a diff shows.
    Places(Vec<Place>),
    /// Not text, or a change of mode or name alone: what is done to it.
    Other(String),
}

/// A place of a file before and after, with the lines around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub before: String,
    pub after: String,
    /// Number of its first line, if there are no lines around it that tell where it is.
    pub line: Option<usize>,
}
