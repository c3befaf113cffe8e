//! The import directory: `instances.jsonl`, `quarantine.jsonl` if anything was, and `repos/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::quarantine::{Quarantined, write_quarantine};
use super::rows::read_instances;
use crate::model::instance::Instance;
use crate::output::NewFile;

/// Puts instances into an import directory. What is there stays; an instance of the same id takes the place of the
/// earlier one. The file is replaced in one step, so that a crash leaves the old or the new one.
///
/// # Errors
/// The directory cannot be written, or its `instances.jsonl` holds rows that cannot be read: they would be lost.
pub fn write_import(out: &Path, instances: &[Instance], quarantined: &[Quarantined]) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let path = out.join("instances.jsonl");
    let mut all = Vec::new();
    if path.exists() {
        let earlier = read_instances(&path)?;
        if let Some(bad) = earlier.quarantined.first() {
            bail!("{}:{}: {}; mend or move the file, it would be lost otherwise", bad.file, bad.line, bad.why);
        }
        all = earlier.instances;
    }
    let mut places: BTreeMap<_, _> =
        all.iter().enumerate().map(|(place, instance)| (instance.instance_id.clone(), place)).collect();
    for instance in instances {
        match places.get(&instance.instance_id) {
            Some(place) => all[*place] = instance.clone(),
            None => {
                places.insert(instance.instance_id.clone(), all.len());
                all.push(instance.clone());
            }
        }
    }
    let mut file = NewFile::create(&path)?;
    all.iter().try_for_each(|instance| file.line(instance))?;
    file.finish()?;
    write_quarantine(out, quarantined)?;
    Ok(())
}
