//! What a reference named when an instance used it last. A tag can be moved. Then the image under it is another image, which
//! is recorded, sealed and admitted anew, because every digest on the way holds the image's own id.

use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheError};
use super::foreign::ReadyImage;
use super::unpacked::canonical;
use crate::model::digest::{Digest, canonical_json};

const NAMED: &str = "image-references";

#[derive(Serialize, Deserialize)]
struct Named {
    reference: String,
    image_id: String,
}

/// The id that the image's reference had when it was used last, if it was another one; this one is remembered. `kind` is what
/// holds the image ([`super::Images::kind`]), because each has ids of its own.
pub fn moved(cache: &Cache, kind: &str, image: &ReadyImage) -> Result<Option<String>, CacheError> {
    let reference = canonical(&image.reference);
    let name = format!("{}.json", Digest::of_json(&(kind, &reference)));
    let _lock = cache.lock(NAMED, "all")?;
    // The note serves a message only, so one that cannot be read is written again.
    let before: Option<Named> = cache.read(NAMED, &name)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if before.as_ref().is_some_and(|before| before.image_id == image.image_id) {
        return Ok(None);
    }
    cache.write(NAMED, &name, &canonical_json(&Named { reference, image_id: image.image_id.clone() }))?;
    Ok(before.map(|before| before.image_id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sandbox::Lease;

    fn image(reference: &str, id: &str) -> ReadyImage {
        ReadyImage {
            reference: reference.to_owned(),
            image_id: id.to_owned(),
            env: BTreeMap::new(),
            volumes: Vec::new(),
            root: None,
            lease: Lease::default(),
        }
    }

    #[test]
    fn a_tag_that_was_moved_is_told_once_by_the_id_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let moved = |kind, reference, id| moved(&cache, kind, &image(reference, id)).unwrap();
        assert_eq!(moved("docker", "a/b:1", "sha256:1"), None);
        assert_eq!(moved("docker", "a/b:1", "sha256:1"), None);
        // Another tag, another holder.
        assert_eq!(moved("docker", "a/b:2", "sha256:2"), None);
        assert_eq!(moved("unpacked", "a/b:1", "sha256:3"), None);
        assert_eq!(moved("docker", "docker.io/a/b:1", "sha256:4").as_deref(), Some("sha256:1"));
        assert_eq!(moved("docker", "a/b:1", "sha256:4"), None);
    }
}
