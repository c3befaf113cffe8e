//! A test id, taken apart by its runner. Nothing else looks for separators in ids.

/// The parts of a test id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestId<'a> {
    /// What the runner is given to run the test: a file, a package, a class.
    pub target: &'a str,
    /// The id without its case: all cases of one test function have the same.
    pub function: &'a str,
}
