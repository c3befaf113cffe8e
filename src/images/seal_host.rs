//! Sealing for host cells: a base layer and an environment, named by what they hold. An environment
//! is made per lock of packages, a base layer per tree and environment. If the language has warm caches, test files run once
//! with the layer writable, and only they are kept.

use std::fs;
use std::path::Path;

use super::cache::Cache;
use super::environment_error::EnvironmentError;
use super::provisioned::Provisioned;
use crate::model::digest::Digest;
use crate::sandbox::{Backing, SandboxError, SealedImage};

/// Folder of the cache that holds base layers.
pub(crate) const LAYERS: &str = "layers";

/// Why an image could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("cannot make the base layer of tree {tree}: {why}")]
    Checkout { tree: String, why: String },
    #[error("the warm-up run of tree {tree} failed: {source}")]
    Warm { tree: String, source: SandboxError },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Cache(#[from] super::cache::CacheError),
}

/// Seals a tree and an environment into an image for host cells; found without any work when it was sealed before.
///
/// `checkout` writes the tree named by `tree_id` into an empty directory, every file with modification time
/// 1,000,000,000 s. `warm` runs test files once over the unfinished image so that its caches are kept in the base layer
/// ([`crate::sandbox::Sandbox::warm`]); what it gives back may have another base layer. Both happen under a temporary name: if they
/// fail or the process dies, the next caller starts over, so a half-warm layer is never used.
pub fn seal_host(
    cache: &Cache,
    environment: &Provisioned,
    tree_id: &str,
    checkout: impl FnOnce(&Path) -> anyhow::Result<()>,
    warm: impl FnOnce(&SealedImage) -> Result<SealedImage, SandboxError>,
) -> Result<SealedImage, SealError> {
    let digest = Digest::of_json(&(tree_id, &environment.digest, &environment.tool_version, &environment.workdir));
    let lease = cache.lease(&digest)?;
    let image = |layer: &Path| SealedImage {
        digest: digest.clone(),
        workdir: environment.workdir.clone(),
        tool: environment.tool.clone(),
        backing: Backing::Host { base_layer: layer.join("tree"), mounts: environment.mounts.clone() },
        lease: lease.clone(),
    };
    let layer = cache.directory(LAYERS, digest.as_str(), |making| {
        let tree = making.join("tree");
        let io = |error: std::io::Error| SealError::Checkout { tree: tree_id.to_owned(), why: error.to_string() };
        fs::create_dir(&tree).map_err(io)?;
        checkout(&tree).map_err(|error| SealError::Checkout { tree: tree_id.to_owned(), why: format!("{error:#}") })?;
        let warmed = warm(&image(making)).map_err(|source| SealError::Warm { tree: tree_id.to_owned(), source })?;
        if let Backing::Host { base_layer, .. } = warmed.backing
            && base_layer != tree
        {
            fs::remove_dir_all(&tree).map_err(io)?;
            fs::rename(&base_layer, &tree).map_err(io)?;
        }
        Ok::<(), SealError>(())
    })?;
    Ok(image(&layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Provisioned {
        Provisioned {
            digest: Digest::of(b"environment"),
            mounts: Vec::new(),
            tool: "/opt/assay/environment/bin/tool".to_owned(),
            tool_version: "3.11.7".to_owned(),
            workdir: "/testbed".to_owned(),
            packages: Vec::new(),
        }
    }

    #[test]
    fn a_failed_warm_up_is_done_again_and_a_sealed_image_is_found_without_work() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let checkout = |tree: &Path| Ok(fs::write(tree.join("a.py"), "")?);
        let failing = |_: &SealedImage| Err(SandboxError::Interrupted);
        assert!(seal_host(&cache, &environment(), "t1", checkout, failing).is_err());

        let warm = |image: &SealedImage| {
            let Backing::Host { base_layer, .. } = &image.backing else { unreachable!() };
            fs::write(base_layer.join("a.pyc"), "").unwrap();
            Ok(image.clone())
        };
        let sealed = seal_host(&cache, &environment(), "t1", checkout, warm).unwrap();
        let nothing = |_: &Path| anyhow::bail!("checked out twice");
        let again = seal_host(&cache, &environment(), "t1", nothing, |_| panic!("warmed twice")).unwrap();
        assert_eq!(sealed.digest, again.digest);
        let Backing::Host { base_layer, .. } = again.backing else { panic!("not a host image") };
        assert!(base_layer.join("a.py").exists() && base_layer.join("a.pyc").exists());

        let other = seal_host(&cache, &environment(), "t2", checkout, |image| Ok(image.clone())).unwrap();
        assert_ne!(other.digest, sealed.digest);
    }
}
