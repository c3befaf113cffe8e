//! The `assay` binary: parse, dispatch, exit code.

use std::process::{ExitCode, Termination as _};

use swe_assay::Cli;

fn main() -> ExitCode {
    // The slot agent is this binary again; it must stay single-threaded and parse nothing.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "cell-agent") {
        return assay_agent::agent::main();
    }
    Cli::parse_or_exit().run().report()
}
