//! The agent as a program of its own, for containers.

fn main() -> std::process::ExitCode {
    assay_agent::agent::main()
}
