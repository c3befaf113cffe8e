//! Changing a repository: making it, and one commit. One try each; what to do after a fault is the caller's to decide.
//! `hf-hub` repeats a commit without looking, and it puts large files into the commit as text if the server offers no
//! Xet, so that is asked before the first commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hf_hub::RepoTypeDataset;
use hf_hub::progress::{Progress, ProgressEvent, ProgressHandler, UploadEvent};
use hf_hub::repository::CommitOperation;

use super::Hub;
use super::fault::Fault;
use super::local::Local;
use super::plan::Batch;
use crate::console::Stage;

/// What a commit says.
pub(super) struct Message {
    pub title: String,
    pub description: String,
}

/// Bytes that were taken up of the commit under way.
struct Meter(AtomicU64);

impl ProgressHandler for Meter {
    fn on_progress(&self, event: &ProgressEvent) {
        if let ProgressEvent::Upload(UploadEvent::Progress { bytes_completed, .. }) = event {
            self.0.store(*bytes_completed, Ordering::Relaxed);
        }
    }
}

/// How far an upload is, in MB for people.
pub(super) struct Sent<'a> {
    pub stage: Stage<'a>,
    /// Bytes of the commits that are done.
    pub before: u64,
}

impl Sent<'_> {
    fn show(&self, bytes: u64) {
        self.stage.advance_to((self.before + bytes) / 1_000_000);
    }
}

impl Hub<'_> {
    /// Makes the repository.
    pub(super) async fn create(&self, private: bool) -> Result<(), Fault> {
        let id = self.repo.to_string();
        let request = self.client.create_repository().repo_id(&id).repo_type(RepoTypeDataset).private(private);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault_of(error).await),
        }
    }

    /// One commit on top of `parent`, refused by the server if that is no longer the head. Gives the new commit if the
    /// server names it.
    pub(super) async fn commit(
        &self,
        local: &Local,
        batch: &Batch,
        revision: &str,
        parent: Option<&str>,
        message: &Message,
        sent: &Sent<'_>,
    ) -> Result<Option<String>, Fault> {
        let add = |path: &String| CommitOperation::add_file(path, local.directory.join(path));
        let mut operations: Vec<_> = batch.delete.iter().map(CommitOperation::delete).collect();
        operations.extend(batch.add.iter().map(|file| add(&file.path)));
        let meter = Arc::new(Meter(AtomicU64::new(0)));
        let dataset = self.dataset();
        let commit = dataset
            .create_commit()
            .operations(operations)
            .commit_message(&message.title)
            .commit_description(&message.description)
            .revision(revision)
            .maybe_parent_commit(parent)
            .progress(Progress::from(meter.clone()))
            .send();
        let mut commit = std::pin::pin!(commit);
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                result = &mut commit => {
                    return match result {
                        Ok(info) => Ok(info.commit_oid),
                        Err(error) => Err(self.fault_of(error).await),
                    };
                }
                _ = tick.tick() => sent.show(meter.0.load(Ordering::Relaxed).min(batch.bytes())),
            }
        }
    }
}
