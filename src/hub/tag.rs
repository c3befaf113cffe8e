//! The tag of a published version.

use serde::Deserialize;

use super::fault::Fault;
use super::{Hub, HubError};

#[derive(Deserialize)]
struct Refs {
    #[serde(default)]
    tags: Vec<Ref>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ref {
    name: String,
    target_commit: String,
}

impl Hub<'_> {
    /// The commit that a tag names.
    pub(super) async fn tag_target(&self, tag: &str) -> Result<Option<String>, HubError> {
        let doing = format!("read the tags of {}", self.repo);
        let url = self.api(&["refs"]);
        let refs: Refs = self
            .persist(&doing, || self.json(self.http.get(url.clone())))
            .await
            .map_err(|fault| HubError::of(fault, &doing))?;
        Ok(refs.tags.into_iter().find(|one| one.name == tag).map(|one| one.target_commit))
    }

    /// Makes the tag name the commit. A tag that names it already is as good; one that names another is never moved.
    pub(super) async fn tag(&self, tag: &str, commit: &str) -> Result<(), HubError> {
        let doing = format!("tag {} as {tag}", self.repo);
        let mut failures = 0;
        loop {
            // Before each try, since an answer may be lost after the tag was made.
            if let Some(target) = self.tag_target(tag).await? {
                return if target == commit { Ok(()) } else { Err(self.tag_taken(tag, &target)) };
            }
            let dataset = self.dataset();
            let made = dataset.create_tag().tag(tag).revision(commit).send().await;
            let Err(error) = made else { return Ok(()) };
            let fault = Fault::of_client(&self.account, error);
            failures += 1;
            let again = matches!(fault, Fault::Moved { .. }) && failures < self.patience.tries;
            if !again && !self.wait(&doing, &fault, failures).await {
                return Err(HubError::of(fault, &doing));
            }
        }
    }

    pub(super) fn tag_taken(&self, tag: &str, commit: &str) -> HubError {
        HubError::Refused(format!(
            "{} has a tag {tag} already, for commit {commit}, and a published version is not moved; choose another --tag",
            self.repo
        ))
    }
}
