//! The pull request that a dataset is proposed with. It is opened before anything is committed and found again by its
//! title, which names the dataset by digest; so an interrupted upload goes on in the same one.

use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::{Hub, HubError};
use crate::model::digest::Digest;

#[derive(Deserialize)]
struct Discussions {
    discussions: Vec<Discussion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discussion {
    num: u64,
    title: String,
    status: String,
    #[serde(default)]
    is_pull_request: bool,
}

/// Title of the pull request for the dataset with this manifest.
pub(super) fn title(manifest: &Digest) -> String {
    format!("Dataset {} from assay", manifest.short())
}

/// The revision that commits of a pull request go to.
pub(super) fn revision(number: u64) -> String {
    format!("refs/pr/{number}")
}

impl Hub<'_> {
    /// The pull request for the dataset: the one that is there, otherwise a new one (a draft until [`ready`](Self::ready)).
    pub(super) async fn pull_request(&self, manifest: &Digest) -> Result<u64, HubError> {
        let doing = format!("open a pull request to {}", self.repo);
        let mut failures = 0;
        loop {
            // Before each try, since an answer may be lost after it was opened.
            if let Some(number) = self.find(manifest).await.map_err(|fault| HubError::of(fault, &doing))? {
                return Ok(number);
            }
            let body = json!({
                "title": title(manifest),
                "description": format!("The dataset whose manifest.json has sha256 `{manifest}`, published with `assay publish`."),
                "pullRequest": true,
            });
            let opened = self.json::<Value>(self.http.post(self.api(&["discussions"])).json(&body)).await;
            let fault = match opened {
                Ok(answer) => match answer["num"].as_u64() {
                    Some(number) => return Ok(number),
                    None => Fault::Rejected { what: "the answer has no number".to_owned() },
                },
                Err(fault) => fault,
            };
            failures += 1;
            if !self.wait(&doing, &fault, failures).await {
                return Err(HubError::of(fault, &doing));
            }
        }
    }

    /// The open pull request, newest first.
    async fn find(&self, manifest: &Digest) -> Result<Option<u64>, Fault> {
        let wanted = title(manifest);
        for page in 0.. {
            let mut url = self.api(&["discussions"]);
            url.query_pairs_mut().append_pair("type", "pull_request").append_pair("p", &page.to_string());
            let found: Discussions =
                self.persist("list pull requests", || self.json(self.http.get(url.clone()))).await?;
            let open = |one: &&Discussion| {
                one.is_pull_request && one.title == wanted && matches!(one.status.as_str(), "open" | "draft")
            };
            if let Some(one) = found.discussions.iter().find(open) {
                return Ok(Some(one.num));
            }
            if found.discussions.is_empty() {
                break;
            }
        }
        Ok(None)
    }

    /// Makes a draft one that can be merged.
    pub(super) async fn ready(&self, number: u64) -> Result<(), HubError> {
        let doing = format!("mark pull request {number} as ready");
        let url = self.api(&["discussions", &number.to_string(), "status"]);
        let body = json!({ "status": "open" });
        match self.persist(&doing, || self.done(self.http.post(url.clone()).json(&body))).await {
            // It is open already.
            Ok(()) | Err(Fault::Moved { .. }) => Ok(()),
            Err(fault) => Err(HubError::of(fault, &doing)),
        }
    }
}
