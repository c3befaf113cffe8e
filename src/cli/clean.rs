//! `assay clean`: sweeps what killed runs left behind.

use clap::Args;

use crate::console::Console;
use crate::exit_code::ExitCode;

/// Removes containers, cgroups and scratch left by runs that were killed
#[derive(Debug, Args)]
#[command(
    after_help = "Only things whose owner is gone are removed; a run under way is not touched. The cache of environments \
stays.\n\nExample: assay clean"
)]
pub struct Clean {}

impl Clean {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let mut swept = crate::sandbox::cell::sweep()?;
        match crate::sandbox::docker::Docker::connect() {
            Ok(docker) => swept.extend(docker.sweep()?.into_iter().map(|id| format!("container {id}"))),
            Err(error) => console.say(format!("containers not looked at: {error}")),
        }
        for thing in &swept {
            console.print(format!("removed {thing}"));
        }
        console.print(format!("{} thing(s) removed", swept.len()));
        Ok(ExitCode::Done)
    }
}
