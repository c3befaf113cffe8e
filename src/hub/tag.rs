//! The tag of a published version. It is read back after it was made.

use serde::Deserialize;

use super::fault::Fault;
use super::{Hub, HubError, TagName};

#[derive(Deserialize)]
struct Refs {
    #[serde(default)]
    branches: Vec<Branch>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tag {
    name: String,
    target_commit: String,
}

impl Hub<'_> {
    /// The commit that a tag names.
    ///
    /// # Errors
    /// [`HubError::Refused`] if a branch has that name, because a reader that asks for the tag gets the branch.
    pub(super) async fn tag_target(&self, tag: &TagName) -> Result<Option<String>, HubError> {
        let doing = format!("read the tags of {}", self.repo);
        let url = self.api(&["refs"]);
        let refs: Refs = self
            .persist(&doing, || self.json(self.http.get(url.clone())))
            .await
            .map_err(|fault| HubError::of(fault, &doing))?;
        if refs.branches.iter().any(|branch| branch.name == tag.as_str()) {
            return Err(HubError::Refused(format!(
                "{} has a branch {tag}, which readers would get instead of a tag of that name; choose another --tag",
                self.repo
            )));
        }
        Ok(refs.tags.into_iter().find(|one| one.name == tag.as_str()).map(|one| one.target_commit))
    }

    /// Makes the tag name the commit. A tag that names it already is as good; one that names another is never moved.
    pub(super) async fn tag(&self, tag: &TagName, commit: &str) -> Result<(), HubError> {
        let doing = format!("tag {} as {tag}", self.repo);
        let mut failures = 0;
        loop {
            // Before each try, since an answer may be lost after the tag was made.
            if self.is_tagged(tag, commit).await? {
                return Ok(());
            }
            let dataset = self.dataset();
            let fault = match dataset.create_tag().tag(tag.as_str()).revision(commit).send().await {
                // The answer alone does not show that it was made.
                Ok(()) if self.is_tagged(tag, commit).await? => return Ok(()),
                Ok(()) => self.not_done(self.api(&["tag", commit]), "the tag is not there after it was made").await,
                Err(error) => self.fault_of(error).await,
            };
            failures += 1;
            let again = matches!(fault, Fault::Moved { .. }) && failures < self.patience.tries;
            if !again && !self.wait(&doing, &fault, failures).await {
                return Err(HubError::of(fault, &doing));
            }
        }
    }

    async fn is_tagged(&self, tag: &TagName, commit: &str) -> Result<bool, HubError> {
        match self.tag_target(tag).await? {
            Some(target) if target == commit => Ok(true),
            Some(target) => Err(self.tag_taken(tag, &target)),
            None => Ok(false),
        }
    }

    pub(super) fn tag_taken(&self, tag: &TagName, commit: &str) -> HubError {
        HubError::Refused(format!(
            "{} has a tag {tag} already, for commit {commit}, and a published version is not moved; choose another --tag",
            self.repo
        ))
    }
}
