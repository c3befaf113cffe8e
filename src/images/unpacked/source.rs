//! Where an image comes from: an archive or a registry.

use std::io::Read;

use super::UnpackError;
use super::manifest::Config;
use crate::model::digest::Digest;

/// A layer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What the source knows it by.
    pub name: String,
    /// `sha256:` and the digest of what is stored, if the source tells it.
    pub digest: Option<String>,
}

/// An image, before its layers are read.
#[derive(Clone, Debug)]
pub struct Contents {
    /// sha256 of the configuration, which holds the digests of all layers.
    pub id: Digest,
    pub config: Config,
    /// One for each of the configuration's, lowest first.
    pub layers: Vec<Blob>,
}

/// Something that has images.
pub trait Source {
    /// The image that a reference names.
    fn contents(&self, reference: &str) -> Result<Contents, UnpackError>;

    /// A layer as it is stored, compressed or not.
    fn blob(&self, blob: &Blob) -> Result<Box<dyn Read + '_>, UnpackError>;
}
