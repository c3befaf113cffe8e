//! The sandbox in use, as one of the three that come with the tool.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::cell::Cell;
use super::docker::Docker;
use super::docker::cells::DockerCells;
use super::{Executed, Job, Sandbox, SandboxError, SealedImage};

/// The sandbox in use, with what only its kind can do.
#[derive(Clone, Debug)]
pub enum Engine {
    Cell(Arc<Cell>),
    DockerCell(Arc<DockerCells>),
    Container(Arc<Docker>),
}

impl Engine {
    /// The same way of running jobs, with those of the copy ended and new ones refused once `cancel` is raised.
    pub fn with_cancel(&self, cancel: &Arc<AtomicBool>) -> Self {
        match self {
            Self::Cell(cell) => Self::Cell(Arc::new(cell.as_ref().clone().with_cancel(cancel.clone()))),
            Self::DockerCell(cells) => Self::DockerCell(Arc::new(cells.as_ref().clone().with_cancel(cancel.clone()))),
            Self::Container(docker) => Self::Container(Arc::new(docker.as_ref().clone().with_cancel(cancel.clone()))),
        }
    }

    pub fn sandbox(&self) -> &dyn Sandbox {
        match self {
            Self::Cell(cell) => cell.as_ref(),
            Self::DockerCell(cells) => cells.as_ref(),
            Self::Container(docker) => docker.as_ref(),
        }
    }

    /// Whether code of a project can be built apart from the caller.
    pub fn builds(&self) -> bool {
        match self {
            Self::Cell(_) => true,
            Self::DockerCell(_) | Self::Container(_) => false,
        }
    }

    /// Runs a job of a build with the network of the host.
    ///
    /// # Errors
    /// The sandbox failed, or has no place for builds.
    pub fn build(&self, image: &SealedImage, job: &Job) -> Result<Executed, SandboxError> {
        match self {
            Self::Cell(cell) => cell.as_ref().clone().with_network().slot(image)?.run(job),
            Self::DockerCell(_) | Self::Container(_) => {
                Err(SandboxError::Unavailable("nothing is built in containers".to_owned()))
            }
        }
    }

    /// The engine that holds the images; `None` if cells run on this host.
    pub fn docker(&self) -> Option<&Docker> {
        match self {
            Self::Cell(_) => None,
            Self::DockerCell(cells) => Some(cells.docker()),
            Self::Container(docker) => Some(docker),
        }
    }
}
