//! The command line: one file per command with its arguments and the call into a stage.

mod audit;
mod audit_rerun;
mod clean;
mod curriculum;
mod demo;
mod export;
mod export_input;
mod image;
mod import;
mod judge;
mod pack;
mod prompt;
mod publish;
mod report;
mod sample;
mod sampling;
mod sandbox_options;
mod schema;
mod select;
mod select_input;
mod serve;
mod size;
mod validate;
mod verify;

use clap::{Parser, Subcommand};

use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::hub::HubError;

/// Turns model output into training data that can be trusted.
///
/// Candidates are run against the repository's own tests in a sealed sandbox; only what was verified is exported, each
/// row with a receipt.
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done; 1 usage or unusable input; 2 done, but something was refused or nothing was verified; \
3 interrupted, run again to continue; 4 the environment lacks something; 70 a bug of ours.\n\n\
Example: assay demo --offline"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(Box<audit::Audit>),
    Demo(demo::Demo),
    Import(Box<import::Import>),
    Image(image::Image),
    Validate(Box<validate::Validate>),
    Pack(pack::Pack),
    Prompt(Box<prompt::Prompt>),
    Sample(Box<sample::Sample>),
    Verify(verify::Verify),
    Judge(judge::Judge),
    Export(export::Export),
    Curriculum(curriculum::Curriculum),
    Publish(publish::Publish),
    Serve(serve::Serve),
    Report(report::Report),
    Schema(schema::Schema),
    Select(select::Select),
    Clean(clean::Clean),
}

impl Cli {
    /// Parses the arguments; on a mistake prints it and exits with the documented code 1 (clap's own would be 2).
    pub fn parse_or_exit() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            // The message is already on its way to a terminal or a pipe; a closed pipe changes nothing.
            let _closed_pipe = error.print();
            std::process::exit(code as i32)
        })
    }

    /// Runs the command and turns an error into a message and an exit code.
    pub fn run(self) -> ExitCode {
        let console = Console::default();
        let result = match self.command {
            Command::Audit(command) => command.run(&console),
            Command::Demo(command) => command.run(&console),
            Command::Import(command) => command.run(&console),
            Command::Image(command) => command.run(&console),
            Command::Validate(command) => command.run(&console),
            Command::Pack(command) => command.run(&console),
            Command::Prompt(command) => command.run(&console),
            Command::Sample(command) => command.run(&console),
            Command::Verify(command) => command.run(&console),
            Command::Judge(command) => command.run(&console),
            Command::Export(command) => command.run(&console),
            Command::Curriculum(command) => command.run(&console),
            Command::Publish(command) => command.run(&console),
            Command::Serve(command) => command.run(&console),
            Command::Report(command) => command.run(&console),
            Command::Schema(command) => command.run(&console),
            Command::Select(command) => command.run(&console),
            Command::Clean(command) => command.run(&console),
        };
        result.unwrap_or_else(|error| {
            console.say(format!("assay: {}", message(&error)));
            exit_code_of(&error)
        })
    }
}

/// The whole chain, with the next step where only the system spoke.
fn message(error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    let full = said.contains("No space left on device");
    if full && !said.contains("free space") {
        format!("{said}; free space and run the same command again")
    } else {
        said
    }
}

/// An error that names its exit code decides; anything else is unusable input or output, which the caller can mend.
fn exit_code_of(error: &anyhow::Error) -> ExitCode {
    let named = |cause: &(dyn std::error::Error + 'static)| {
        let stop = cause.downcast_ref::<Stop>().map(Stop::exit_code);
        stop.or_else(|| cause.downcast_ref::<HubError>().map(HubError::exit_code))
    };
    error.chain().find_map(named).unwrap_or(ExitCode::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_has_help_with_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} has no description", sub.get_name());
            let nested = sub.get_subcommands().count() > 0;
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(nested || help.contains("Example"), "{} has no example", sub.get_name());
        }
    }
}
