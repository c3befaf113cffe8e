//! `assay schema`: the JSON Schema of any format.

use std::path::PathBuf;

use clap::Args;

use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::output::{Kind, Plan};
use crate::schema;

/// Prints the JSON Schema of a format, or writes them all
#[derive(Debug, Args)]
#[command(after_help = "Example: assay schema verdict\nExample: assay schema --write schemas")]
pub struct Schema {
    /// Format name, e.g. instance, generation, verdict; without one the names are listed
    name: Option<String>,
    /// Write every schema into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    write: Option<PathBuf>,
}

impl Schema {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        if let Some(folder) = self.write {
            let mut plan = Plan::default();
            for (name, _) in schema::all() {
                plan = plan.file("--write", &folder.join(format!("{name}.json")), Kind::Schema)?;
            }
            plan.check()?;
            for path in schema::write_all(&folder)? {
                console.print(path.display().to_string());
            }
            return Ok(ExitCode::Done);
        }
        let names: Vec<_> = schema::all().into_iter().map(|(name, _)| name).collect();
        let Some(wanted) = self.name else {
            console.print(names.join("\n"));
            return Ok(ExitCode::Done);
        };
        let schema = schema::of(&wanted)
            .ok_or_else(|| Stop::Usage(format!("no format is called {wanted:?}; there are {}", names.join(", "))))?;
        console.print(schema::text(&schema).trim_end());
        Ok(ExitCode::Done)
    }
}
