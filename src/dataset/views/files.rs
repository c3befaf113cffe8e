//! The files of the views while they are written.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use super::View;
use super::harbor::{HarborWriter, fits};
use crate::dataset::files::jsonl::Packing;
use crate::dataset::files::tables::{Table, Tables};
use crate::dataset::rows::{PreferenceRow, RlRow, SftRow};
use crate::model::admission::Admission;
use crate::model::instance::Instance;

/// Views of which no file was written, by folder, with the reason.
pub(crate) fn not_written(views: &BTreeSet<View>, tables: &Tables<'_>) -> BTreeMap<String, String> {
    let written = |view: View| {
        let folder = format!("views/{}/", view.folder());
        tables.rows.iter().any(|(path, rows)| *rows > 0 && path.starts_with(&folder))
    };
    let missing = views.iter().filter(|view| !written(**view));
    missing.map(|view| (view.folder().to_owned(), view.without_rows().to_owned())).collect()
}

/// A file is opened with its first row, so a view has the files that it has rows for.
pub(crate) struct ViewFiles {
    views: BTreeSet<View>,
    directory: std::path::PathBuf,
    shard_bytes: u64,
    open: BTreeMap<(View, &'static str), Table>,
    harbor: Option<HarborWriter>,
    /// The last instance that became a Harbor task: one task for all its skills.
    task: Option<String>,
}

impl ViewFiles {
    pub fn open(views: &BTreeSet<View>, tables: &Tables<'_>) -> Result<Self> {
        Ok(Self {
            views: views.clone(),
            directory: tables.directory.join("views"),
            shard_bytes: tables.bounds.shard_bytes,
            open: BTreeMap::new(),
            harbor: None,
            task: None,
        })
    }

    pub fn sft(&mut self, row: &SftRow) -> Result<()> {
        self.each(|view| view.sft_table(row.skill), |view| view.sft(row))
    }

    pub fn preference(&mut self, row: &PreferenceRow) -> Result<()> {
        self.each(|_| "preference", |view| view.preference(row))
    }

    pub fn rl(&mut self, row: &RlRow, instance: &Instance, admission: &Admission) -> Result<()> {
        self.each(|_| "rl", |view| view.rl(row))?;
        let done = self.task.as_ref() == Some(&instance.instance_id);
        if !self.views.contains(&View::Harbor) || done || !fits(instance) {
            return Ok(());
        }
        self.task = Some(instance.instance_id.clone());
        if self.harbor.is_none() {
            self.harbor = Some(HarborWriter::create(&self.directory.join(View::Harbor.folder()), self.shard_bytes)?);
        }
        match &mut self.harbor {
            Some(writer) => writer.push(instance, admission).map(drop),
            None => Ok(()),
        }
    }

    fn each(&mut self, name: impl Fn(View) -> &'static str, line: impl Fn(View) -> Option<Value>) -> Result<()> {
        for view in &self.views {
            let Some(line) = line(*view) else { continue };
            let name = name(*view);
            let table = match self.open.entry((*view, name)) {
                std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    let directory = self.directory.join(view.table_folder(name));
                    place.insert(Table::lines(&directory, name, view.folder(), Packing::Plain, self.shard_bytes)?)
                }
            };
            table.push(&line)?;
        }
        Ok(())
    }

    pub fn close(self, tables: &mut Tables<'_>) -> Result<()> {
        for table in self.open.into_values() {
            tables.close(table)?;
        }
        let shards = self.harbor.map(HarborWriter::finish).transpose()?;
        shards.into_iter().flatten().for_each(|shard| drop(tables.list(&shard)));
        Ok(())
    }
}
