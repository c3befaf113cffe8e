//! Sealed images asked for by themselves, and room made for them.

use anyhow::Context as _;
use serde::Serialize;

use super::site_builder::SiteBuilder;
use crate::images::Images;
use crate::images::phases::{Phase, sentence};
use crate::lab::run::pool;
use crate::lab::{Lab, Located};
use crate::model::digest::Digest;
use crate::sandbox::SealedImage;

/// The sealed image of an instance, or why there is none.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    pub instance_id: String,
    pub image: Option<Digest>,
    pub refusal: Option<String>,
    /// Where the time went.
    pub phases: Vec<Phase>,
}

impl Lab<'_> {
    /// Makes the sealed images of instances without running anything but their warm-up.
    pub fn make_images(&self, instances: &[Located]) -> anyhow::Result<Vec<Made>> {
        let stage = self.console.stage("images", instances.len() as u64);
        pool::map(self.settings.workers, instances, |located| {
            self.check_interrupt()?;
            let made = SiteBuilder::new(self, located)?.make_image()?;
            if made.refusal.is_some() {
                self.check_interrupt()?;
            }
            stage.step();
            self.console.say(format!("{}: {}", made.instance_id, sentence(&made.phases)));
            Ok(made)
        })
    }
}

/// Remembers who used an image, and makes room for it if there is a budget.
pub(crate) fn used(lab: &Lab, images: &dyn Images, image: &SealedImage, instance_id: &str) -> anyhow::Result<()> {
    images.cache().add_user(&image.digest, instance_id)?;
    let Some(budget) = lab.settings.image_budget else { return Ok(()) };
    let (gone, left) = images.keep_to(budget).context("cannot make room for images")?;
    for image in gone {
        lab.console.say(format!("removed the image {} to keep to the budget", image.name));
    }
    if left > budget {
        lab.console.say(format!(
            "images take {} MiB, {} MiB more than --image-budget; the rest is in use",
            left >> 20,
            (left - budget).div_ceil(1 << 20)
        ));
    }
    Ok(())
}
