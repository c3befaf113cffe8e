//! `assay image`: the images of others, and what was sealed of them.

use clap::{Args, Subcommand};

use crate::console::{Console, table};
use crate::exit_code::{ExitCode, Stop};
use crate::sandbox::SandboxError;
use crate::sandbox::cache::Cache;
use crate::sandbox::docker::Docker;

/// Pulls, lists and removes images that instances name
#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Pulls images into the Docker engine, so that a run need not
    #[command(after_help = "Example: assay image pull swebench/sweb.eval.x86_64.astropy_1776_astropy-12907:latest")]
    Pull {
        #[arg(required = true)]
        references: Vec<String>,
    },
    /// Lists what was sealed: from which image, with which Python, and what was taken out of it
    #[command(after_help = "Example: assay image list --json")]
    List {
        /// Print a JSON list
        #[arg(long)]
        json: bool,
    },
    /// Removes sealed images; they are sealed again when a run needs them
    #[command(after_help = "Do not remove what a run under way uses: its trials would be Inconclusive.\n\n\
Example: assay image gc --reference project:tag")]
    Gc {
        /// Only what was sealed of this image
        #[arg(long, required_unless_present = "all", value_name = "IMAGE")]
        reference: Option<String>,
        /// Everything that was sealed
        #[arg(long, conflicts_with = "reference")]
        all: bool,
    },
}

impl Image {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let docker = Docker::connect().map_err(|error| Stop::Environment(error.to_string()))?;
        match self.kind {
            Kind::Pull { references } => {
                for reference in references {
                    let pulled = docker.ready_image(&reference, &mut |message: &str| console.say(message.to_owned()));
                    let image = pulled.map_err(|error| match error {
                        SandboxError::ImageMissing { .. } => Stop::Environment(error.to_string()).into(),
                        other => anyhow::Error::from(other),
                    })?;
                    console.print(format!("{} {}", image.image_id, image.reference));
                }
            }
            Kind::List { json } => {
                let sealed = docker.sealed_images(&Cache::open_default()?)?;
                if json {
                    console.print(serde_json::to_string(&sealed)?);
                } else {
                    let mut rows = vec![["sealed", "of", "python"].map(str::to_owned).to_vec()];
                    rows.extend(sealed.into_iter().map(|record| vec![record.tag, record.reference, record.python]));
                    console.print(table(&rows));
                }
            }
            Kind::Gc { reference, .. } => {
                let cache = Cache::open_default()?;
                let mut removed = 0;
                for record in docker.sealed_images(&cache)? {
                    if reference.as_ref().is_none_or(|wanted| *wanted == record.reference) {
                        docker.forget(&cache, &record)?;
                        console.print(format!("removed {} (of {})", record.tag, record.reference));
                        removed += 1;
                    }
                }
                console.print(format!("{removed} image(s) removed"));
            }
        }
        Ok(ExitCode::Done)
    }
}
