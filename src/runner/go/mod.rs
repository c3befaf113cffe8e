//! The runners of Go. In: a test plan over package folders. Out: a sealed command, and a report read from the marked text
//! of the test binaries.

pub mod events;
pub mod test;
pub mod variables;
