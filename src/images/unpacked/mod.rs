//! Images that were unpacked into the cache, for cells on this host. In: archives and registries. Out: a root folder
//! per image.
//!
//! Everything goes by its digest. A layer is a folder that is named by the digest of its tar and held against it.
//! Layers that images share are kept once, and a root holds further names of their files. Owners are dropped, and
//! everything can be read by all.
//!
//! What is unpacked is hostile: no entry is written through a link, no path and no hard link leads out, devices stay
//! out, and both digests of a layer must agree. A folder that a layer puts over a link of the layers below takes its
//! place.

pub mod archive;
pub mod folders;
mod hashed;
pub mod layer;
pub mod manifest;
pub mod registry;
pub mod source;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use archive::Archive;
use registry::Registry;
pub use registry::canonical;
use source::Source;

use super::cache::{Cache, CacheError};
use super::foreign::ReadyImage;
use super::phases::Phases;
use crate::model::digest::{Digest, canonical_json};
use crate::sandbox::SandboxError;
use crate::sandbox::docker::Docker;
use hashed::Hashed;
use layer::Marks;
use source::{Blob, Contents};

/// Raised when layers are unpacked differently.
const LAYOUT: u32 = 1;
pub(crate) const LAYERS: &str = "image-layers";
pub(crate) const ROOTS: &str = "image-roots";
const NAMES: &str = "image-names";

/// Why an image is not here.
#[derive(Debug, Error)]
pub enum UnpackError {
    #[error("cannot {doing} {path}: {source}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{place} cannot be used as an image archive: {why}")]
    Archive { place: String, why: String },
    #[error("cannot pull {reference}: {why}")]
    Registry { reference: String, why: String },
    /// It is busy, or the transfer broke off: that says nothing of the image.
    #[error("cannot pull {reference} now: {why}; try again later")]
    NotNow { reference: String, why: String },
    #[error("{registry} does not answer: {why}")]
    Silent { registry: String, why: String },
    #[error("layer {layer} of {reference}: {why}")]
    Layer { layer: String, reference: String, why: String },
    #[error("{0}")]
    Unsupported(String),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// An image in the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unpacked {
    pub reference: String,
    /// sha256 of its configuration.
    pub id: Digest,
    pub env: std::collections::BTreeMap<String, String>,
    /// sha256 of its layers' tars, lowest first.
    pub layers: Vec<String>,
    volumes: Vec<String>,
    /// It was taken out of an archive that somebody named, so no engine's image of that name takes its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_hand: bool,
}

/// The image of a reference that was unpacked before.
pub fn find(cache: &Cache, reference: &str) -> Result<Option<Unpacked>, UnpackError> {
    let bytes = cache.read(NAMES, &name_of(reference))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// All that was unpacked, by reference.
pub fn all(cache: &Cache) -> Result<Vec<Unpacked>, UnpackError> {
    let mut all: Vec<Unpacked> = Vec::new();
    for name in cache.names(NAMES)? {
        all.extend(cache.read(NAMES, &name)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
    }
    all.sort_by(|a, b| a.reference.cmp(&b.reference));
    Ok(all)
}

/// The image that was unpacked before, or, if the Docker engine of this host has another one under its name, that one.
pub fn renewed(
    cache: &Cache,
    known: Unpacked,
    progress: &mut dyn FnMut(&str),
    phases: &Phases,
) -> Result<Unpacked, UnpackError> {
    let reference = known.reference.as_str();
    let made_of = match Docker::connect() {
        Ok(docker) => docker.made_of(reference),
        Err(_) => return Ok(known),
    };
    let there = match made_of {
        Ok(Some(there)) => there,
        Ok(None) => return Ok(known),
        Err(error) => {
            progress(&format!(
                "cannot see whether the Docker engine has another {reference}, so the unpacked one is used: {error}"
            ));
            return Ok(known);
        }
    };
    if there.id == known.id.as_str() || (there.layers == known.layers && there.env == known.env) {
        return Ok(known);
    }
    if known.by_hand {
        progress(&format!(
            "the Docker engine has another image under the name {reference}; the one of the archive is used, and \
             `assay image pull --unpack {reference}` takes the engine's"
        ));
        return Ok(known);
    }
    let image = pull(cache, reference, progress, phases)?;
    let _lock = cache.lock(NAMES, "all")?;
    // Held while its folders go.
    let unused = cache.claim(&lease_name(&known.id))?;
    if image.id != known.id && unused.is_some() {
        discard(cache, &known)?;
    }
    Ok(image)
}

/// Takes an image into the cache: out of a Docker engine of this host that has it, else out of its registry.
pub fn pull(
    cache: &Cache,
    reference: &str,
    progress: &mut dyn FnMut(&str),
    phases: &Phases,
) -> Result<Unpacked, UnpackError> {
    if let Ok(docker) = Docker::connect()
        && docker.has(reference)?
    {
        progress(&format!("saving {reference} out of the Docker engine"));
        let saved = phases.time("saving out of Docker", || docker.save_image(reference))?;
        let archive = Archive::of_file(saved, reference)?;
        return take(cache, &archive, reference, false, progress, phases);
    }
    let registry = Registry::open(reference)?;
    registry.answers()?;
    progress(&format!("pulling {reference} from its registry"));
    take(cache, &registry, reference, false, progress, phases)
}

/// Takes an image out of an archive that somebody named into the cache.
pub fn import(
    cache: &Cache,
    archive: &Archive,
    reference: &str,
    progress: &mut dyn FnMut(&str),
    phases: &Phases,
) -> Result<Unpacked, UnpackError> {
    take(cache, archive, reference, true, progress, phases)
}

/// Takes an image out of a source into the cache. Layers that are there already are not read again, also after an
/// interruption.
fn take(
    cache: &Cache,
    source: &dyn Source,
    reference: &str,
    by_hand: bool,
    progress: &mut dyn FnMut(&str),
    phases: &Phases,
) -> Result<Unpacked, UnpackError> {
    // Nobody removes layers meanwhile; see `forget`.
    let _lock = cache.lock(NAMES, "all")?;
    let Contents { id, config, layers } = source.contents(reference)?;
    if layers.len() != config.layers.len() {
        return Err(UnpackError::Unsupported(format!(
            "{reference} names {} layers and its configuration {}",
            layers.len(),
            config.layers.len()
        )));
    }
    let count = layers.len();
    for (number, (layer, blob)) in (1..).zip(config.layers.iter().zip(&layers)) {
        cache.directory(LAYERS, &layer_name(layer), |making| {
            progress(&format!("unpacking layer {number} of {count} of {reference}"));
            phases.time("unpacking layers", || unpack_layer(source, blob, layer, making, reference))
        })?;
    }
    let image = Unpacked {
        reference: reference.to_owned(),
        id,
        env: config.env,
        layers: config.layers,
        volumes: config.volumes,
        by_hand,
    };
    cache.write(NAMES, &name_of(reference), &canonical_json(&image))?;
    Ok(image)
}

/// Removes an unpacked image, and the layers that no other image has.
pub(crate) fn forget(cache: &Cache, reference: &str) -> Result<(), UnpackError> {
    let _lock = cache.lock(NAMES, "all")?;
    let Some(image) = find(cache, reference)? else { return Ok(()) };
    cache.drop_file(NAMES, &name_of(reference))?;
    discard(cache, &image)
}

/// Removes root and layers of an image that has lost its name, as far as no other image has them.
fn discard(cache: &Cache, image: &Unpacked) -> Result<(), UnpackError> {
    let left = all(cache)?;
    if left.iter().any(|other| other.id == image.id) {
        return Ok(());
    }
    cache.discard(ROOTS, &layer_name(image.id.as_str()))?;
    for layer in image.layers.iter().filter(|layer| !left.iter().any(|other| other.layers.contains(layer))) {
        cache.discard(LAYERS, &layer_name(layer))?;
    }
    Ok(())
}

impl Unpacked {
    /// Folders of the cache that the image is made of: its root, if it is put together, and its layers.
    pub(crate) fn folders(&self, cache: &Cache) -> Vec<PathBuf> {
        let root = cache.path(ROOTS, &layer_name(self.id.as_str()));
        let layers = self.layers.iter().map(|layer| cache.path(LAYERS, &layer_name(layer)));
        std::iter::once(root).chain(layers).filter(|path| path.is_dir()).collect()
    }

    /// The image with its root, which is put together if it is not there.
    pub fn ready(&self, cache: &Cache, phases: &Phases) -> Result<ReadyImage, UnpackError> {
        let lease = cache.lease(&lease_name(&self.id))?;
        let folder = cache.directory(ROOTS, &layer_name(self.id.as_str()), |making| {
            let root = making.join("root");
            let io = |source| UnpackError::Io { doing: "put together", path: root.clone(), source };
            fs::create_dir(&root).map_err(io)?;
            for layer in &self.layers {
                let folder = cache.path(LAYERS, &layer_name(layer));
                let path = folder.join("marks.json");
                let text = fs::read(&path);
                let text = text.map_err(|source| UnpackError::Io { doing: "read", path: path.clone(), source })?;
                let marks: Marks = serde_json::from_slice(&text).map_err(|error| UnpackError::Layer {
                    layer: layer.clone(),
                    reference: self.reference.clone(),
                    why: format!("{}: {error}; delete {} and pull again", path.display(), folder.display()),
                })?;
                let lay = || layer::lay(&folder.join("tree"), &marks, &root);
                phases.time("laying layers over each other", lay).map_err(io)?;
            }
            Ok::<_, UnpackError>(())
        })?;
        Ok(ReadyImage {
            reference: self.reference.clone(),
            image_id: format!("sha256:{}", self.id),
            env: self.env.clone(),
            volumes: self.volumes.clone(),
            root: Some(folder.join("root")),
            lease,
        })
    }
}

/// Reads a layer through, and holds it against both of its digests.
fn unpack_layer(
    source: &dyn Source,
    blob: &Blob,
    layer: &str,
    making: &Path,
    reference: &str,
) -> Result<(), UnpackError> {
    let wrong = |why: String| UnpackError::Layer { layer: layer.to_owned(), reference: reference.to_owned(), why };
    let io = |error: io::Error| wrong(error.to_string());
    let tree = making.join("tree");
    fs::create_dir(&tree).map_err(io)?;
    let unpacked = |tar: &mut dyn Read| {
        let mut plain = Hashed::new(tar).map_err(io)?;
        let marks = layer::unpack(&mut plain, &tree).map_err(io)?;
        let found = plain.finish().map_err(io)?;
        match found == layer {
            true => Ok(marks),
            false => Err(wrong(format!("its content is another one (sha256 {found})"))),
        }
    };
    let mut raw = source.blob(blob)?;
    let marks = match &blob.digest {
        None => unpacked(&mut layer::decompressed(raw).map_err(io)?)?,
        // The tar is stored as it is, so one digest is both.
        Some(digest) if digest.strip_prefix("sha256:") == Some(layer) => unpacked(&mut raw)?,
        Some(digest) => {
            let mut stored = Hashed::new(raw).map_err(io)?;
            let marks = unpacked(&mut layer::decompressed(&mut stored).map_err(io)?)?;
            let found = format!("sha256:{}", stored.finish().map_err(io)?);
            if *digest != found {
                return Err(wrong(format!("what is stored is another one ({found})")));
            }
            marks
        }
    };
    fs::write(making.join("marks.json"), canonical_json(&marks)).map_err(io)
}

/// Folder of a layer or a root.
pub(crate) fn layer_name(hex: &str) -> String {
    format!("{LAYOUT}-{hex}")
}

/// What a lease on an unpacked image goes by.
pub(crate) fn lease_name(id: &Digest) -> Digest {
    Digest::of_json(&("unpacked", id))
}

fn name_of(reference: &str) -> String {
    format!("{}.json", Digest::of(canonical(reference).as_bytes()))
}
