//! What was said of refused instances: one reason is said once, however many instances share it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::admission::Admission;

/// Reasons that were said, with the instance of which they were.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<String, String>>);

impl Refusals {
    /// The line for a refused instance; `None` if it is admitted. Reasons are one if they differ in nothing but the image.
    pub(crate) fn line(&self, admission: &Admission, image: Option<&str>) -> Option<String> {
        let Admission { instance_id, detail, .. } = admission;
        let refusal = admission.refusal?;
        let reason = format!("{refusal}: {}", image.map_or(detail.clone(), |image| detail.replace(image, "\0")));
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = said.get(&reason) {
            return Some(format!("{instance_id} refused: {refusal}, as {first}"));
        }
        said.insert(reason, instance_id.clone());
        Some(format!("{instance_id} refused: {refusal}: {detail}"))
    }
}
