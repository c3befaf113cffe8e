//! A cause: what kind of error stopped a test. The runner names the kind; the rules of the judge are written in kinds.

/// What kind of error stopped a test or kept a file from loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// An expectation of the test did not hold.
    Assertion,
    /// The test was told to fail, or an error that it expects did not come.
    ExplicitFailure,
    /// The runner does not say which error it was.
    Unnamed,
    /// A module or package that is not there.
    MissingModule,
    /// A file was not loaded, because another file of the run has its name.
    NameClash,
    /// A name that nothing defines.
    MissingName,
    /// A variable that is used before it has a value.
    UnboundName,
    /// An attribute, field or method that is not there.
    MissingAttribute,
    /// An operation that does not fit the types.
    WrongType,
    /// A source that cannot be parsed or compiled.
    Unreadable,
    /// The test's own deadline passed.
    Deadline,
    /// Something that the runner was to give the test is not there.
    MissingFixture,
    /// Our reporter says that there was no network.
    NoNetwork,
    /// An error that having no network leads to, among other things.
    Network,
    Other,
}

impl Cause {
    /// Whether the failure is what comes of having no network. A refused connection is not: the sandbox has a loopback.
    pub fn is_network(self) -> bool {
        matches!(self, Self::NoNetwork | Self::Network)
    }

    /// Whether any failed expectation has this cause, so that two equal ones say little.
    pub fn is_expectation(self) -> bool {
        matches!(self, Self::Assertion | Self::ExplicitFailure | Self::Unnamed)
    }
}
