use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("cell-agent") {
        return swe_assay::sandbox::cell::agent::main();
    }
    ExitCode::SUCCESS
}
