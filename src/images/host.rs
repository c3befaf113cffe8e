//! Images for cells on this host: folders of the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};

use super::absent::Absent;
use super::cache::Cache;
use super::foreign::{ReadyImage, ReadyRequest};
use super::inspector::{Found, Inspector, Wanted};
use super::inventory::{Prepared, StockError, keep_to};
use super::order::Order;
use super::phases::Phases;
use super::seal_host::{SealError, seal_host};
use super::toolchain::Toolchain;
use super::unpacked::{UnpackError, Unpacked};
use super::{Images, seal_foreign_host, unpacked};
use crate::sandbox::{Sandbox, SandboxError, SealedImage};

/// Images in the cache.
pub struct HostImages<'a> {
    sandbox: &'a dyn Sandbox,
    cache: Cache,
}

/// Whether this process has looked at a reference and found what it is to use.
type Look = Arc<Mutex<bool>>;

/// The looks of this process, by cache and reference. An image that is in use stays what it is to the process's end.
static LOOKED_AT: Mutex<BTreeMap<(PathBuf, String), Look>> = Mutex::new(BTreeMap::new());

/// Images that no registry of theirs gave.
static ABSENT: Absent = Absent::new();

fn looked_at(cache: &Cache, reference: &str) -> Look {
    let name = (cache.root().to_owned(), unpacked::canonical(reference));
    LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default().clone()
}

impl<'a> HostImages<'a> {
    /// `sandbox` runs the jobs that look into images.
    pub fn new(sandbox: &'a dyn Sandbox, cache: Cache) -> Self {
        Self { sandbox, cache }
    }

    /// An image that is not here, unless it was not to be had a moment ago.
    fn pulled(&self, reference: &str, say: &dyn Fn(&str), phases: &Phases) -> anyhow::Result<Unpacked> {
        let name = unpacked::canonical(reference);
        if let Some(why) = ABSENT.recall(&name) {
            bail!(why);
        }
        unpacked::pull(&self.cache, reference, &mut |message: &str| say(message), phases).map_err(|error| {
            if let UnpackError::Registry { .. } = error {
                ABSENT.remember(&name, error.to_string());
            }
            error.into()
        })
    }
}

impl std::fmt::Debug for HostImages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostImages").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Images for HostImages<'_> {
    fn cache(&self) -> &Cache {
        &self.cache
    }

    fn kind(&self) -> &'static str {
        "unpacked"
    }

    fn seal(&self, toolchain: &dyn Toolchain, order: &Order) -> anyhow::Result<SealedImage> {
        let made = order.phases.time("making the environment", || toolchain.provision(&self.cache, order))?;
        let layer = |folder: &Path| (order.checkout)(order.layer_tree, folder);
        seal_host(&self.cache, &made, order.layer_tree, layer, order.warm).context("cannot seal the image")
    }

    fn foreign(&self, reference: &str, say: &dyn Fn(&str), phases: &Phases) -> anyhow::Result<ReadyImage> {
        // Held meanwhile: nobody takes the old image while another worker renews it, or after that failed.
        let looked_at = looked_at(&self.cache, reference);
        let mut looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let unpacked = match unpacked::find(&self.cache, reference)? {
            Some(known) if !*looked_at => {
                unpacked::renewed(&self.cache, known, &mut |message: &str| say(message), phases)?
            }
            Some(known) => known,
            None => self.pulled(reference, say, phases).with_context(|| {
                format!(
                    "the image {reference} is not unpacked here; `assay image pull --from FILE {reference}` takes it from an \
                     archive of docker save or an OCI layout"
                )
            })?,
        };
        *looked_at = true;
        drop(looked_at);
        Ok(unpacked.ready(&self.cache, phases)?)
    }

    fn read_workdir(&self, image: &ReadyImage, workdir: &str, into: &Path) -> Result<(), SandboxError> {
        seal_foreign_host::read_workdir(image, workdir, into)
    }

    fn look(&self, inspector: &dyn Inspector, image: &ReadyImage, wanted: &Wanted<'_>) -> Result<Found, SealError> {
        let own = seal_foreign_host::own_workdir(image, wanted.workdir)?;
        seal_foreign_host::look(self.sandbox, inspector, image, &own, wanted)
    }

    fn seal_foreign(
        &self,
        inspector: &dyn Inspector,
        request: &ReadyRequest<'_>,
        order: &Order,
    ) -> Result<SealedImage, SealError> {
        seal_foreign_host::seal(&self.cache, self.sandbox, inspector, request, order)
    }

    fn keep_to(&self, budget: u64) -> Result<(Vec<Prepared>, u64), StockError> {
        keep_to(&self.cache, None, budget)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::images::python::inspect::PythonInspector;
    use crate::model::trial::Exit;
    use crate::sandbox::{Backing, Executed, Job, Lease, Slot};

    /// Has pytest if a checkout of it stands at the work directory, as an editable install has.
    struct Editable;

    impl Sandbox for Editable {
        fn name(&self) -> &'static str {
            "cell"
        }

        fn warm(&self, image: &SealedImage, _: &Job) -> Result<SealedImage, SandboxError> {
            Ok(image.clone())
        }

        fn slot(&self, image: &SealedImage) -> Result<Box<dyn Slot>, SandboxError> {
            let Backing::Unpacked { base_layer, .. } = &image.backing else {
                return Err(SandboxError::Unavailable("another backing".to_owned()));
            };
            Ok(Box::new(base_layer.join("src/pytest.py").is_file()))
        }
    }

    impl Slot for bool {
        fn run(&mut self, _: &Job) -> Result<Executed, SandboxError> {
            let found = serde_json::json!({
                "python": "/opt/venv/bin/python", "real": "/usr/bin/python3.9", "version": "3.9.18", "runner": "pytest 4.5.1",
                "site": "/opt/venv/lib", "copies": {}, "histories": ["/testbed/.git"], "answers": [],
            });
            Ok(Executed {
                exit: Exit::Code(if *self { 0 } else { 64 }),
                report: Vec::new(),
                report_truncated: false,
                output_head: found.to_string().into_bytes(),
                output_tail: Vec::new(),
                output_total: 0,
                wall_ms: 0,
                overhead_ms: 0,
                peak_memory_bytes: None,
                touched: Vec::new(),
            })
        }
    }

    #[test]
    fn a_runner_that_is_installed_from_the_work_directory_is_found() {
        let (folder, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("testbed/.git")).unwrap();
        fs::create_dir_all(root.path().join("testbed/src")).unwrap();
        fs::write(root.path().join("testbed/src/pytest.py"), "").unwrap();
        let image = ReadyImage {
            reference: "pytest-5262:latest".to_owned(),
            image_id: "sha256:0".to_owned(),
            env: BTreeMap::new(),
            volumes: Vec::new(),
            root: Some(root.path().to_owned()),
            lease: Lease::default(),
        };
        let wanted = Wanted { workdir: "/testbed", tool: None, runner: "pytest", modules: &[], lines: &[] };
        let images = HostImages::new(&Editable, Cache::open(folder.path()).unwrap());
        let found = images.look(&PythonInspector, &image, &wanted).unwrap();
        assert_eq!(found.runner, "pytest 4.5.1");
        assert_eq!(found.histories, ["/testbed/.git"]);
    }
}
