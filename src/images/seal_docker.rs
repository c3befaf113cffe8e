//! Sealing for Docker: an image with base tree, environment and warm caches, found by its label when it is there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder, TagImageOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt};

use super::cache::Cache;
use super::docker_build::{DockerBuild, pack};
use super::environment_error::EnvironmentError;
use super::seal_host::SealError;
use super::toolchain;
use super::toolchain::Toolchain;
use crate::model::digest::Digest;
use crate::sandbox::docker::warm::DIGEST_LABEL;
use crate::sandbox::docker::{Docker, failed, said};
use crate::sandbox::{Backing, SandboxError, SealedImage};

/// Names the Docker base image in place of the recipe's.
pub const BASE_VARIABLE: &str = "ASSAY_DOCKER_BASE";

/// The base image that is named in place of the recipe's.
pub(crate) fn named_base() -> Option<String> {
    std::env::var(BASE_VARIABLE).ok().filter(|name| !name.is_empty())
}

impl Docker {
    /// Seals a tree and an environment into an image of the engine; found without any work when it was sealed before.
    ///
    /// `checkout` and `warm` as in [`super::seal_host::seal_host`].
    pub fn seal(
        &self,
        cache: &Cache,
        build: &DockerBuild,
        tree_id: &str,
        checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
        warm: impl FnOnce(&SealedImage) -> Result<SealedImage, SandboxError>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<SealedImage, SealError> {
        let digest = &build.digest;
        let tag = format!("assay/{}:{}", build.name, digest.short());
        let lease = cache.lease(digest)?;
        let sealed = |image_id: String| SealedImage {
            digest: digest.clone(),
            workdir: build.workdir.clone(),
            tool: build.tool.clone(),
            backing: Backing::Docker { image_id },
            lease: lease.clone(),
        };

        let _lock = cache.lock("docker-images", digest.as_str())?;
        if let Some(image_id) = self.wait(self.labelled(&tag, digest))? {
            return Ok(sealed(image_id));
        }
        progress(&format!("building the Docker image {tag}"));
        let scratch = cache.scratch()?;
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).map_err(|error| EnvironmentError::io("making", &tree, &error))?;
        checkout(&tree).map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let context = pack(build, &tree).map_err(|error| EnvironmentError::io("packing", &tree, &error))?;
        let arguments = HashMap::from([("BASE", build.base.as_str()), ("WORKDIR", build.workdir.as_str())]);
        let cold = self.wait(self.build(context, &arguments, digest))?;
        let warmed = warm(&sealed(cold)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        let Backing::Docker { image_id } = warmed.backing else {
            return Err(SealError::Warm {
                tree: tree_id.to_owned(),
                source: SandboxError::ImageMissing { image: tag, why: "the warm-up gave a host image".to_owned() },
            });
        };
        // Only a warm image gets the tag, so a build that was cut short is done again.
        let (repository, version) = tag.rsplit_once(':').unwrap_or((&tag, "latest"));
        let options = TagImageOptionsBuilder::default().repo(repository).tag(version).build();
        self.wait(self.engine.tag_image(&image_id, Some(options))).map_err(failed("tagging an image"))?;
        Ok(sealed(image_id))
    }

    /// Whether the images that the recipes of a language start from are here, so that nothing has to be pulled.
    pub fn has_base(&self) -> Result<bool, SandboxError> {
        if let Some(name) = named_base() {
            return Ok(self.wait(self.image(&name))?.is_some());
        }
        for bases in toolchain::all().into_iter().map(Toolchain::docker_bases).filter(|bases| !bases.is_empty()) {
            let mut all = true;
            for base in bases {
                all = all && self.wait(self.image(&base))?.is_some();
            }
            if all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The id of a base image, which is pulled if it is not here.
    pub(crate) async fn base_image(&self, base: &str, progress: &mut dyn FnMut(&str)) -> Result<String, SandboxError> {
        if let Some(id) = self.image(base).await? {
            return Ok(id);
        }
        progress(&format!("pulling the Docker image {base}"));
        let (name, tag) = match base.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (base, "latest"),
        };
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let pulled = self.engine.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await;
        let missing = |why: String| SandboxError::ImageMissing {
            image: base.to_owned(),
            why: format!(
                "it is not here and cannot be pulled ({why}); set {BASE_VARIABLE} to an image that is here and has \
                 what the recipe needs of its base"
            ),
        };
        pulled.map_err(|error| missing(said(&error)))?;
        self.image(base).await?.ok_or_else(|| missing("the pull ended without it".to_owned()))
    }

    /// The image of this tag if it was sealed for this digest.
    pub(crate) async fn labelled(&self, tag: &str, digest: &Digest) -> Result<Option<String>, SandboxError> {
        match self.engine.inspect_image(tag).await {
            Ok(found) => {
                let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
                Ok(found.id.filter(|_| labels.get(DIGEST_LABEL).map(String::as_str) == Some(digest.as_str())))
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(failed("inspecting an image")(error)),
        }
    }

    async fn build(
        &self,
        mut context: File,
        arguments: &HashMap<&str, &str>,
        digest: &Digest,
    ) -> Result<String, SandboxError> {
        let doing = "building an image";
        let fault = |error: io::Error| SandboxError::Failed { doing, why: error.to_string() };
        context.seek(SeekFrom::Start(0)).map_err(fault)?;
        let labels = HashMap::from([(DIGEST_LABEL, digest.as_str())]);
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .buildargs(arguments)
            .labels(&labels)
            .rm(true)
            .forcerm(true)
            .build();
        let body = bollard::body_try_stream(futures_util::stream::try_unfold(context, |mut file| async move {
            let mut chunk = vec![0; 1 << 20];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            Ok((count > 0).then(|| (chunk.into(), file)))
        }));
        let mut steps = Box::pin(self.engine.build_image(options, None, Some(body)));
        let (mut words, mut image_id) = (String::new(), None);
        while let Some(step) = steps.next().await {
            match step {
                Ok(step) => {
                    words.push_str(step.stream.as_deref().unwrap_or_default());
                    image_id = step.aux.and_then(|aux| aux.id).or(image_id);
                }
                Err(error) => {
                    let lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
                    let last = lines[lines.len().saturating_sub(12)..].join("\n");
                    return Err(SandboxError::Failed { doing, why: format!("{}\n{last}", said(&error)) });
                }
            }
        }
        image_id.ok_or_else(|| SandboxError::Failed { doing, why: "the engine names no image at the end".to_owned() })
    }
}
