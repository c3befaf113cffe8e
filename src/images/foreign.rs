//! Images that others made ready, whatever engine holds them: what is known of one, and what a sealed one is made from.
//!
//! *Sealed* means that no object store is left. `.git` is removed from the work directory rather than replaced by one
//! that holds base only: tests seldom need it, the recipes' images have none either, and without a store the proof that
//! no later commit can be reached needs no argument about references, reflogs, packs or dates. Every other store, pack
//! and bundle of the image goes too. So does every text file that nobody tracks and that holds the longest lines that
//! gold adds. A second look at the sealed image must find none of these. If installed copies of the project are not
//! base's, the instance is refused (`answer_in_image`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::inspector::Found;
use crate::model::digest::Digest;
use crate::sandbox::Lease;

/// Raised when images of others are sealed differently.
const LAYOUT: u32 = 2;

/// An image as its maker left it.
#[derive(Clone, Debug)]
pub struct ReadyImage {
    pub reference: String,
    pub image_id: String,
    /// Variables that the image sets.
    pub env: BTreeMap<String, String>,
    /// Places that a container would get a volume at, outside of the image.
    pub volumes: Vec<String>,
    /// Its root, if it was unpacked for cells on this host.
    pub root: Option<PathBuf>,
    /// Keeps the root from being removed.
    pub lease: Lease,
}

/// What a sealed image is made from.
#[derive(Clone, Copy, Debug)]
pub struct ReadyRequest<'a> {
    pub image: &'a ReadyImage,
    pub found: &'a Found,
    pub workdir: &'a str,
    pub tree_id: &'a str,
    /// Names the files of the work directory that are not in the tree.
    pub rest: &'a Path,
    /// Files of [`super::inspector::Inspector::start_up`].
    pub start_up: &'a BTreeMap<String, String>,
}

impl ReadyRequest<'_> {
    /// What is taken out of the image: histories and files that hold gold.
    pub(crate) fn removed(&self) -> BTreeSet<String> {
        self.found.histories.iter().chain(&self.found.answers).cloned().collect()
    }

    /// Names the sealed image. `kind` is what holds it: images of one engine are of no use to another.
    pub(crate) fn digest(&self, kind: &str, cache: &Cache) -> Digest {
        let rest = self.rest.strip_prefix(cache.root()).unwrap_or(self.rest).display().to_string();
        let found = self.found;
        Digest::of_json(&(
            (LAYOUT, kind),
            (&self.image.image_id, &self.image.env),
            (self.tree_id, rest, self.workdir),
            (&found.tool, &found.version, &found.runner, &found.site),
            (self.removed(), self.start_up),
        ))
    }

    pub(crate) fn record(&self, digest: &Digest, holder: Holder) -> SealedRecord {
        SealedRecord {
            digest: digest.clone(),
            holder,
            reference: self.image.reference.clone(),
            image_id: self.image.image_id.clone(),
            workdir: self.workdir.to_owned(),
            tree: self.tree_id.to_owned(),
            tool: self.found.tool.clone(),
            tool_version: self.found.version.clone(),
            runner: self.found.runner.clone(),
            removed: self.removed().into_iter().collect(),
        }
    }
}

/// What holds a sealed image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// The Docker engine, under this tag.
    Docker(String),
    /// The cache, for cells on this host.
    Cache,
}

/// What is known of a sealed image, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedRecord {
    pub digest: Digest,
    pub holder: Holder,
    pub reference: String,
    pub image_id: String,
    pub workdir: String,
    pub tree: String,
    #[serde(rename = "python")]
    pub tool: String,
    #[serde(rename = "python_version")]
    pub tool_version: String,
    pub runner: String,
    /// What was taken out of the image: histories and files that hold gold.
    pub removed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_image_under_the_same_reference_is_sealed_as_another_image() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let (rest, start_up) = (cache.root().join("recorded/rest"), BTreeMap::new());
        let found: Found = serde_json::from_value(serde_json::json!({
            "python": "/usr/bin/python3", "real": "/usr/bin/python3.11", "version": "3.11.2", "runner": "pytest 8.0.0",
            "site": "/usr/lib/python3/dist-packages", "copies": {}, "histories": [], "answers": [],
        }))
        .unwrap();
        let digest = |id: &str| {
            let image = ReadyImage {
                reference: "team/image:1".to_owned(),
                image_id: id.to_owned(),
                env: BTreeMap::new(),
                volumes: Vec::new(),
                root: None,
                lease: Lease::default(),
            };
            let request = ReadyRequest {
                image: &image,
                found: &found,
                workdir: "/testbed",
                tree_id: "tree",
                rest: &rest,
                start_up: &start_up,
            };
            request.digest("unpacked", &cache)
        };
        assert_eq!(digest("sha256:1"), digest("sha256:1"));
        assert_ne!(digest("sha256:1"), digest("sha256:2"));
    }
}
