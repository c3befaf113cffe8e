//! Images of the Docker engine. Records of them are kept in the cache.

use std::path::Path;

use anyhow::Context as _;

use super::Images;
use super::cache::Cache;
use super::foreign::{ReadyImage, ReadyRequest};
use super::inspector::{Found, Inspector, Wanted};
use super::inventory::{Prepared, StockError, keep_to};
use super::order::Order;
use super::phases::Phases;
use super::seal_host::SealError;
use super::toolchain::Toolchain;
use crate::sandbox::docker::Docker;
use crate::sandbox::{SandboxError, SealedImage};

/// Images of the engine.
#[derive(Debug)]
pub struct DockerImages<'a> {
    docker: &'a Docker,
    cache: Cache,
}

impl<'a> DockerImages<'a> {
    pub fn new(docker: &'a Docker, cache: Cache) -> Self {
        Self { docker, cache }
    }
}

impl Images for DockerImages<'_> {
    fn cache(&self) -> &Cache {
        &self.cache
    }

    fn kind(&self) -> &'static str {
        "docker"
    }

    fn seal(&self, toolchain: &dyn Toolchain, order: &Order) -> anyhow::Result<SealedImage> {
        let build =
            order.phases.time("making the environment", || toolchain.docker_build(self.docker, &self.cache, order))?;
        let layer = |folder: &Path| (order.checkout)(order.layer_tree, folder);
        let mut say = |message: &str| (order.say)(message);
        self.docker
            .seal(&self.cache, &build, order.layer_tree, layer, order.warm, &mut say)
            .context("cannot seal the image")
    }

    fn foreign(&self, reference: &str, say: &dyn Fn(&str), _: &Phases) -> anyhow::Result<ReadyImage> {
        Ok(self.docker.ready_image(&self.cache, reference, &mut |message: &str| say(message))?)
    }

    fn read_workdir(&self, image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError> {
        self.docker.read_workdir(image, workdir, into)
    }

    fn look(&self, inspector: &dyn Inspector, image: &ReadyImage, wanted: &Wanted<'_>) -> Result<Found, SealError> {
        self.docker.look(inspector, image, wanted)
    }

    fn seal_foreign(
        &self,
        inspector: &dyn Inspector,
        request: &ReadyRequest<'_>,
        order: &Order,
    ) -> Result<SealedImage, SealError> {
        self.docker.seal_ready(&self.cache, inspector, request, order)
    }

    fn keep_to(&self, budget: u64) -> Result<(Vec<Prepared>, u64), StockError> {
        keep_to(&self.cache, Some(self.docker), budget)
    }
}
