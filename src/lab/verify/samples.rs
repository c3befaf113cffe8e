//! The samples of a run: their text as blobs, stored as they are read, and in memory only where each one is.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::journal::Blobs;
use crate::lab::Sample;
use crate::model::digest::{Digest, canonical_json};
use crate::model::generation::{Generation, GenerationRef};

/// Samples by instance. Sixty-four bytes each, whatever the models wrote.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    instances: Names,
    files: Names,
    filed: Vec<Filed>,
}

/// Where a sample stands in the input, and the blob that holds it.
#[derive(Clone, Copy, Debug)]
struct Filed {
    instance: u32,
    file: u32,
    line: u64,
    index: u64,
    blob: [u8; 32],
}

impl Samples {
    /// Keeps a sample: its text as a blob, which bears the candidate's name.
    pub fn keep(&mut self, blobs: &Blobs, generation: &Generation, place: &GenerationRef) -> anyhow::Result<()> {
        let digest = blobs.put(&canonical_json(generation))?;
        let mut blob = [0; 32];
        hex::decode_to_slice(digest.as_str(), &mut blob).context("a digest is hex")?;
        let instance = self.instances.number(&generation.instance_id)?;
        let file = self.files.number(&place.file)?;
        self.filed.push(Filed { instance, file, line: place.line, index: place.index, blob });
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.filed.is_empty()
    }

    pub fn len(&self) -> usize {
        self.filed.len()
    }

    /// In the order of the candidates: by instance, then by place in the input.
    pub(crate) fn sort(&mut self) {
        let Self { instances, files, filed } = self;
        let key = |one: &Filed| {
            let place = (files.name(one.file), one.line, one.index);
            (instances.name(one.instance), place, one.blob)
        };
        filed.sort_by(|a, b| key(a).cmp(&key(b)));
    }

    /// Reads samples back, at most this many at a time.
    pub(crate) fn pieces<'a>(
        &'a self,
        blobs: &'a Blobs,
        size: usize,
    ) -> impl Iterator<Item = anyhow::Result<Vec<Sample>>> + 'a {
        self.filed.chunks(size).map(move |piece| piece.iter().map(|filed| self.read(blobs, filed)).collect())
    }

    fn read(&self, blobs: &Blobs, filed: &Filed) -> anyhow::Result<Sample> {
        let id = Digest::from_bytes(&filed.blob);
        let generation = serde_json::from_slice(&blobs.get(&id)?)
            .with_context(|| format!("blob {id} is not the generation that was kept in it"))?;
        let file = self.files.name(filed.file).to_owned();
        Ok(Sample { generation, place: GenerationRef { file, line: filed.line, index: filed.index } })
    }
}

/// Names, each once.
#[derive(Clone, Debug, Default)]
struct Names {
    list: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Names {
    fn number(&mut self, name: &str) -> anyhow::Result<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.list.len()).context("more names than can be counted")?;
        self.numbers.insert(name.to_owned(), number);
        self.list.push(name.to_owned());
        Ok(number)
    }

    fn name(&self, number: u32) -> &str {
        &self.list[number as usize]
    }
}
