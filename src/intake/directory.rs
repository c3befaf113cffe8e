//! The import directory: `instances.jsonl`, `quarantine.jsonl` if anything was, and `repos/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::quarantine::{Quarantined, write_quarantine};
use super::rows::Intake;
use crate::model::instance::Instance;
use crate::output::NewFile;
use crate::shelf::{Kept, Shelf};

/// Instances on their way into an import directory, each with a name of its own. They are not held in memory.
#[derive(Debug)]
pub struct Incoming {
    shelf: Shelf<Instance>,
    kept: Vec<(String, Kept<Instance>)>,
}

impl Incoming {
    /// # Errors
    /// There is no room for temporary files.
    pub fn new() -> Result<Self> {
        Ok(Self { shelf: Shelf::new()?, kept: Vec::new() })
    }

    /// Takes one more.
    ///
    /// # Errors
    /// There is no room for temporary files.
    pub fn add(&mut self, instance: &Instance) -> Result<()> {
        self.kept.push((instance.instance_id.clone(), self.shelf.keep(instance)?));
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Puts the instances into an import directory; see [`write_import`].
    pub fn write(&self, out: &Path, quarantined: &[Quarantined]) -> Result<()> {
        fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
        let path = out.join("instances.jsonl");
        let mut file = NewFile::create(&path)?;
        let mut waiting: BTreeMap<_, _> = self.kept.iter().map(|(id, kept)| (id.as_str(), kept)).collect();
        if path.exists() {
            let mut earlier = Intake::default();
            earlier.each(&path, &mut |instance| match waiting.remove(instance.instance_id.as_str()) {
                Some(kept) => file.line(&kept.read()?),
                None => file.line(&instance),
            })?;
            if let Some(bad) = earlier.quarantined.first() {
                bail!("{}:{}: {}; mend or move the file, it would be lost otherwise", bad.file, bad.line, bad.why);
            }
        }
        for (id, kept) in &self.kept {
            if waiting.contains_key(id.as_str()) {
                file.line(&kept.read()?)?;
            }
        }
        file.finish()?;
        write_quarantine(out, quarantined)?;
        Ok(())
    }
}

/// Puts instances into an import directory. What is there stays; an instance of the same id takes the place of the
/// earlier one. The file is replaced in one step, so that a crash leaves the old or the new one.
///
/// # Errors
/// The directory cannot be written, or its `instances.jsonl` holds rows that cannot be read: they would be lost.
pub fn write_import(out: &Path, instances: &[Instance], quarantined: &[Quarantined]) -> Result<()> {
    let mut incoming = Incoming::new()?;
    instances.iter().try_for_each(|instance| incoming.add(instance))?;
    incoming.write(out, quarantined)
}
