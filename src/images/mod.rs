//! Images: everything a trial needs except the candidate's files, made once and kept. In: an instance's environment. Out: a
//! [`crate::sandbox::SealedImage`].
//!
//! [`Images`] is what holds them: the cache of this host (`host`) or the Docker engine (`docker`). `seal_host` and
//! `seal_docker` make images of ours, from what a [`toolchain::Toolchain`] says, and `built` is what a build adds to a tree; `foreign`, `seal_foreign_host`,
//! `seal_foreign_docker` and `unpacked` take images of others, which an [`inspector::Inspector`] looks into. `cache`,
//! `lease` and `inventory` keep them. `phases` says where the time goes. `reference` notices a tag
//! that was moved, and `absent` keeps that an image is not to be had. What a language needs stands in a folder with its name.

use std::path::Path;

mod absent;
pub mod built;
pub mod cache;
pub mod docker;
pub mod docker_build;
pub mod environment_error;
pub mod foreign;
pub mod go;
pub mod host;
pub mod inspector;
pub mod inventory;
pub mod inventory_docker;
pub mod lease;
pub mod order;
pub mod phases;
pub mod provisioned;
pub mod python;
pub mod reference;
pub mod seal_docker;
pub mod seal_foreign_docker;
pub mod seal_foreign_host;
pub mod seal_host;
pub mod toolchain;
pub mod unpack;
pub mod unpacked;

use cache::Cache;
use foreign::{ReadyImage, ReadyRequest};
use inspector::{Found, Inspector, Wanted};
use inventory::{Prepared, StockError};
use order::Order;
use phases::Phases;
use seal_host::SealError;
use toolchain::Toolchain;

use crate::sandbox::{Engine, SandboxError, SealedImage};

/// What makes and holds images for one way of running jobs.
pub trait Images {
    /// Where records of images are kept, and for cells on this host the images.
    fn cache(&self) -> &Cache;

    /// `unpacked` or `docker`: what was found in an image is remembered for one of them.
    fn kind(&self) -> &'static str;

    /// Makes an image of ours, or finds it.
    ///
    /// # Errors
    /// The environment cannot be made or would hold the answer, or the sandbox failed.
    fn seal(&self, toolchain: &dyn Toolchain, order: &Order) -> anyhow::Result<SealedImage>;

    /// An image of others by its reference; pulled if it is not here.
    ///
    /// # Errors
    /// It is not here and cannot be pulled.
    fn foreign(&self, reference: &str, say: &dyn Fn(&str), phases: &Phases) -> anyhow::Result<ReadyImage>;

    /// Puts the work directory of an image of others, its `.git` included, into an empty folder. No file of it may be
    /// changed in place, because it may be a further name of the image's.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    fn read_workdir(&self, image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError>;

    /// Looks into an image of others, its work directory included: the tool may be there, or the runner may be installed
    /// from there.
    ///
    /// # Errors
    /// It has no tool of the language, or the look failed.
    fn look(&self, inspector: &dyn Inspector, image: &ReadyImage, wanted: &Wanted<'_>) -> Result<Found, SealError>;

    /// Seals a tree into an image of others, or finds the sealed image.
    ///
    /// # Errors
    /// The image would hold the answer, or the sandbox failed.
    fn seal_foreign(
        &self,
        inspector: &dyn Inspector,
        request: &ReadyRequest<'_>,
        order: &Order,
    ) -> Result<SealedImage, SealError>;

    /// Removes the least recently used images until the rest fits. Gives what was removed, and the bytes that are left.
    ///
    /// # Errors
    /// The images cannot be listed, or one cannot be removed.
    fn keep_to(&self, budget: u64) -> Result<(Vec<Prepared>, u64), StockError>;
}

/// The images of a sandbox, with a cache.
pub fn of(engine: &Engine, cache: Cache) -> Box<dyn Images + '_> {
    match engine.docker() {
        None => Box::new(host::HostImages::new(engine.sandbox(), cache)),
        Some(docker) => Box::new(docker::DockerImages::new(docker, cache)),
    }
}
