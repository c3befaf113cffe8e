//! Prepared images in the Docker engine: sealed ones, which carry our label, and those that were pulled for a run.
//! Their sizes are told by the engine's history. If steps and layers cannot be told apart, an image counts as one
//! piece.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error;
use bollard::models::ImageHistoryResponseItem;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};

use super::cache::Cache;
use super::inventory::{Piece, Prepared, StockError};
use super::unpacked::lease_name;
use crate::model::digest::Digest;
use crate::sandbox::docker::warm::DIGEST_LABEL;
use crate::sandbox::docker::{Docker, failed};
use crate::sandbox::{Lease, SandboxError};

const PULLED: &str = "pulled-images";

/// An image of the engine that is ours to remove.
pub(crate) struct Stocked {
    pub digest: Digest,
    pub tag: String,
    /// Seconds since 1970.
    pub created: u64,
    pub pulled: bool,
    pub layers: BTreeMap<Piece, u64>,
}

impl Docker {
    /// A lease on an image of others, and a note that it was pulled by us, so that it may be removed again.
    pub(crate) fn lease(&self, cache: &Cache, reference: &str, id: &str, pulled: bool) -> Result<Lease, SandboxError> {
        let fault =
            |error: super::cache::CacheError| SandboxError::Failed { doing: "noting an image", why: error.to_string() };
        if pulled {
            let name = Digest::of(reference.as_bytes());
            cache.write(PULLED, name.as_str(), reference.as_bytes()).map_err(fault)?;
        }
        cache.lease(&lease_name(&Digest::of(id.as_bytes()))).map_err(fault)
    }

    /// Images that carry our label under a tag of ours and that this cache knows, and those that we pulled. Whether an
    /// image is in use is known to the cache alone through which it is used.
    pub(crate) fn stock(&self, cache: &Cache) -> Result<Vec<Stocked>, StockError> {
        let filters = HashMap::from([("label", vec![DIGEST_LABEL])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let listed = self.wait(self.engine.list_images(Some(options))).map_err(failed("listing images"))?;
        let mut stock = Vec::new();
        for image in listed {
            let digest = image.labels.get(DIGEST_LABEL).and_then(|hex| Digest::from_hex(hex).ok());
            let Some(digest) = digest.filter(|digest| cache.last_use(digest).is_some()) else { continue };
            for tag in image.repo_tags.iter().filter(|tag| tag.starts_with("assay/")) {
                let Some(layers) = self.layers(&image.id)? else { continue };
                let created = u64::try_from(image.created).unwrap_or(0);
                stock.push(Stocked { digest: digest.clone(), tag: tag.clone(), created, pulled: false, layers });
            }
        }
        for name in cache.names(PULLED)? {
            let reference = cache.read(PULLED, &name)?.and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(reference) = reference else { continue };
            let Some(id) = self.wait(self.image(&reference))? else { continue };
            let Some(layers) = self.layers(&id)? else { continue };
            let digest = lease_name(&Digest::of(id.as_bytes()));
            stock.push(Stocked { digest, tag: reference, created: 0, pulled: true, layers });
        }
        Ok(stock)
    }

    /// An image's layers, each named with what is below it; `None` if the image has gone.
    fn layers(&self, id: &str) -> Result<Option<BTreeMap<Piece, u64>>, SandboxError> {
        let asked = self.wait(async {
            Ok::<_, Error>((self.engine.inspect_image(id).await?, self.engine.image_history(id).await?))
        });
        let (inspected, history) = match asked {
            Ok(asked) => asked,
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(None),
            Err(error) => return Err(failed("looking at the layers of an image")(error)),
        };
        let ids = inspected.root_fs.and_then(|root| root.layers).unwrap_or_default();
        let size = u64::try_from(inspected.size.unwrap_or(0)).unwrap_or(0);
        Ok(Some(sized(&ids, &history, size)))
    }

    /// Removes an image's tag; layers that others need stay. `false`: a container uses it.
    pub(crate) fn discard(&self, cache: &Cache, image: &Prepared) -> Result<bool, StockError> {
        let options = RemoveImageOptionsBuilder::default().build();
        match self.wait(self.engine.remove_image(&image.name, Some(options), None)) {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => return Ok(false),
            Err(error) => return Err(failed("removing an image")(error).into()),
        }
        if image.kind == super::inventory::Kind::Pulled {
            cache.drop_file(PULLED, Digest::of(image.name.as_bytes()).as_str())?;
        }
        Ok(true)
    }
}

/// Sizes of layers, which the engine tells by the steps of an image's history. If steps and layers cannot be told apart,
/// the image is one piece.
fn sized(layers: &[String], history: &[ImageHistoryResponseItem], size: u64) -> BTreeMap<Piece, u64> {
    let empty = |step: &&ImageHistoryResponseItem| {
        const SETTINGS: [&str; 13] = [
            "#(nop)",
            "ARG",
            "CMD",
            "ENTRYPOINT",
            "ENV",
            "EXPOSE",
            "HEALTHCHECK",
            "LABEL",
            "MAINTAINER",
            "ONBUILD",
            "SHELL",
            "STOPSIGNAL",
            "USER",
        ];
        let by = step.created_by.trim_start_matches("/bin/sh -c ");
        step.size == 0 && (by.starts_with("VOLUME") || SETTINGS.iter().any(|word| by.starts_with(word)))
    };
    // The engine tells the last step first.
    let steps: Vec<&ImageHistoryResponseItem> = history.iter().rev().collect();
    let filled: Vec<u64> =
        steps.iter().filter(|step| !empty(step)).map(|step| u64::try_from(step.size).unwrap_or(0)).collect();
    let mut chain = Digest::of(b"");
    let mut chains = Vec::new();
    for layer in layers {
        chain = Digest::of(format!("{chain} {layer}").as_bytes());
        chains.push(Piece::Layer(chain.to_string()));
    }
    if filled.len() == chains.len() {
        return chains.into_iter().zip(filled).collect();
    }
    chains.into_iter().next_back().map(|piece| (piece, size)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(created_by: &str, size: i64) -> ImageHistoryResponseItem {
        ImageHistoryResponseItem { created_by: created_by.to_owned(), size, ..Default::default() }
    }

    #[test]
    fn images_of_one_base_share_its_layers() {
        let base = [step("/bin/sh -c #(nop)  CMD [\"sh\"]", 0), step("COPY dir", 70)];
        let a = [&[step("LABEL a=b", 0), step("RUN a", 3)], &base[..]].concat();
        let b = [&[step("RUN true", 0)], &base[..]].concat();
        let layers = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let (a, b) = (sized(&layers(&["base", "a"]), &a, 73), sized(&layers(&["base", "b"]), &b, 70));
        assert_eq!((a.values().sum::<u64>(), b.values().sum::<u64>()), (73, 70));
        let both: BTreeMap<&Piece, &u64> = a.iter().chain(&b).collect();
        assert_eq!(both.values().copied().sum::<u64>(), 73);
    }

    #[test]
    fn an_image_whose_history_does_not_tell_its_layers_is_one_piece() {
        assert_eq!(sized(&["a".to_owned(), "b".to_owned()], &[step("RUN x", 5)], 9).values().sum::<u64>(), 9);
    }
}
