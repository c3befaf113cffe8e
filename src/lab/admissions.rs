//! The admissions of a run. Their texts wait on a shelf; in memory is what is asked of all of them at once.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::admission::{Admission, Refusal};
use crate::model::digest::Digest;
use crate::shelf::{Kept, Shelf};

/// Admissions by instance id, each read when its turn comes, because there may be very many of them.
#[derive(Debug)]
pub struct Admissions {
    shelf: Shelf<Admission>,
    known: BTreeMap<String, Known>,
}

/// What is known of an admission without reading it.
#[derive(Debug)]
struct Known {
    kept: Kept<Admission>,
    refusal: Option<Refusal>,
    deadline_ms: u64,
    image: Option<Digest>,
}

impl Admissions {
    /// None yet.
    ///
    /// # Errors
    /// No file can be made in the folder for temporary files.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { shelf: Shelf::new()?, known: BTreeMap::new() })
    }

    /// Those of a list.
    ///
    /// # Errors
    /// As [`Admissions::new`] and [`Admissions::keep`].
    pub fn of<'a>(admissions: impl IntoIterator<Item = &'a Admission>) -> anyhow::Result<Self> {
        let mut kept = Self::new()?;
        admissions.into_iter().try_for_each(|admission| kept.keep(admission))?;
        Ok(kept)
    }

    /// Takes one in. It takes the place of an earlier one of its instance.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub fn keep(&mut self, admission: &Admission) -> anyhow::Result<()> {
        let known = Known {
            kept: self.shelf.keep(admission)?,
            refusal: admission.refusal,
            deadline_ms: admission.limits.deadline_ms,
            image: admission.image.clone(),
        };
        self.known.insert(admission.instance_id.clone(), known);
        Ok(())
    }

    /// How many there are, refusals included.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Why each instance was refused; `None` if it was admitted.
    pub fn refusals(&self) -> impl Iterator<Item = Option<Refusal>> {
        self.known.values().map(|known| known.refusal)
    }

    /// The admission of an instance.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn read(&self, instance_id: &str) -> anyhow::Result<Option<Admission>> {
        self.known.get(instance_id).map(|known| known.kept.read()).transpose()
    }

    /// Those of some instances, together in memory.
    ///
    /// # Errors
    /// As [`Admissions::read`].
    pub fn read_some<'i>(
        &self,
        instance_ids: impl IntoIterator<Item = &'i str>,
    ) -> anyhow::Result<BTreeMap<String, Admission>> {
        let mut some = BTreeMap::new();
        for id in instance_ids {
            if !some.contains_key(id)
                && let Some(admission) = self.read(id)?
            {
                some.insert(id.to_owned(), admission);
            }
        }
        Ok(some)
    }

    /// All of them by instance id, one in memory at a time.
    pub fn each(&self) -> impl Iterator<Item = anyhow::Result<Admission>> {
        self.known.values().map(|known| known.kept.read())
    }

    /// Where an instance comes in the order of work. Those that take longest come first, so that no worker is left alone with
    /// one at the end, and those that share an image stay together. How long a trial may take follows from how long gold took.
    pub(crate) fn order(&self, instance_id: &str) -> (Reverse<u64>, Option<&Digest>) {
        let known = self.known.get(instance_id);
        (Reverse(known.map_or(0, |known| known.deadline_ms)), known.and_then(|known| known.image.as_ref()))
    }
}
