//! Python: everything that knows its syntax. In: source texts and paths. Out: layouts, statements, mutants, canaries,
//! held-out tests, and what the static screen and the oracle read.

pub mod canary;
pub mod canary_edits;
pub mod held_out;
pub mod imports;
pub mod inputs;
pub mod mutants;
pub mod oracle;
pub mod pytest_options;
pub mod recording;
pub mod screen;
pub mod statements;
pub mod survey;
pub mod syntax;
