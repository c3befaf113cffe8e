//! Reading a repository. Done here and not through `hf-hub` 1.0, which drops the sha256 of large files from listings,
//! does not see how long the server asks to wait, and follows links to other hosts with the token.

use std::collections::BTreeMap;
use std::future::Future;

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::plan::{Remote, RemoteFile};
use super::{Hub, HubError};

/// A file of that size in a repository is not a manifest.
const LARGEST_MANIFEST: u64 = 256 << 20;

/// What the Hub says of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Info {
    /// Commit at the revision asked for; none in an empty repository.
    pub sha: Option<String>,
    pub private: Option<bool>,
}

#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    size: Option<u64>,
    lfs: Option<LfsEntry>,
}

#[derive(Deserialize)]
struct LfsEntry {
    oid: String,
    size: u64,
}

impl Hub<'_> {
    /// An address below the endpoint, each part in one segment.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = Url::parse(self.account.endpoint()).expect("an account's endpoint is an address");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// An address of the repository's interface.
    pub(super) fn api(&self, parts: &[&str]) -> Url {
        self.url(&[&["api", "datasets", self.repo.owner(), self.repo.name()], parts].concat())
    }

    /// Tries something that may be repeated until it succeeds, is refused, or patience ends.
    pub(super) async fn persist<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        doing: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Fault> {
        let mut failures = 0;
        loop {
            let fault = match attempt().await {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            failures += 1;
            if !self.wait(doing, &fault, failures).await {
                return Err(fault);
            }
        }
    }

    /// Waits a passing fault out. `false` when it will not pass, or not soon enough.
    pub(super) async fn wait(&self, doing: &str, fault: &Fault, failures: u32) -> bool {
        let Fault::Passing { what, wait, .. } = fault else { return false };
        let Some(wait) = self.patience.wait(failures, *wait) else { return false };
        if wait.as_secs() > 0 {
            self.console.say(format!("could not {doing} ({what}); trying again in {} s", wait.as_secs()));
        }
        tokio::time::sleep(wait).await;
        true
    }

    /// Who the token belongs to, and that it may write, if the server says so and `reading` is not enough.
    pub(super) async fn check_token(&self, reading: bool) -> Result<(), HubError> {
        if self.account.token().is_none() {
            if reading {
                return Ok(());
            }
            return Err(HubError::Environment(format!(
                "no token for {}: neither HF_TOKEN is set nor is there a token in {}; log in with `hf auth login`, or set \
HF_TOKEN to a token with write access",
                self.account.endpoint(),
                self.account.source()
            )));
        }
        let url = self.url(&["api", "whoami-v2"]);
        let doing = format!("ask {} whose token this is", self.account.endpoint());
        let answer = self.persist(&doing, || self.json::<Value>(self.http.get(url.clone()))).await;
        let who = match answer {
            Ok(who) => who,
            // A mirror need not know the way.
            Err(Fault::Absent { .. }) => return Ok(()),
            Err(Fault::Unknown { what } | Fault::Forbidden { what }) => {
                return Err(HubError::Environment(format!(
                    "{} does not accept the token from {} ({what}); log in again with `hf auth login`, or set HF_TOKEN",
                    self.account.endpoint(),
                    self.account.source()
                )));
            }
            Err(fault) => return Err(HubError::of(fault, &doing)),
        };
        if !reading && who["auth"]["accessToken"]["role"] == "read" {
            return Err(HubError::Environment(format!(
                "the token from {} may only read; make one with write access in the settings of {} and set HF_TOKEN",
                self.account.source(),
                self.account.endpoint()
            )));
        }
        Ok(())
    }

    /// The repository at a revision (`None`: its main branch), or `None` when it is not there for this token.
    pub(super) async fn info(&self, revision: Option<&str>) -> Result<Option<Info>, Fault> {
        let url = match revision {
            Some(revision) => self.api(&["revision", revision]),
            None => self.api(&[]),
        };
        match self.persist("read the repository", || self.json(self.http.get(url.clone()))).await {
            Ok(info) => Ok(Some(info)),
            // For a token that is known to be good, and for strangers, 401 says the same as 404.
            Err(Fault::Absent { .. } | Fault::Unknown { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Everything in the repository at a revision.
    ///
    /// # Errors
    /// [`Fault::Absent`] when repository or revision are not there.
    pub(super) async fn remote(&self, revision: Option<&str>) -> Result<Remote, Fault> {
        let Some(info) = self.info(revision).await? else {
            return Err(Fault::Absent { what: self.page() });
        };
        let Some(head) = info.sha else { return Ok(Remote::default()) };
        let files = self.persist("list the repository", || self.tree(&head)).await?;
        Ok(Remote { head: Some(head), files })
    }

    async fn tree(&self, commit: &str) -> Result<BTreeMap<String, RemoteFile>, Fault> {
        let mut next = Some(self.api(&["tree", commit]));
        if let Some(url) = &mut next {
            url.query_pairs_mut().append_pair("recursive", "true");
        }
        let mut files = BTreeMap::new();
        while let Some(url) = next {
            let answer = self.send(self.http.get(url.clone())).await?;
            next = next_page(answer.headers(), &url);
            let entries: Vec<TreeEntry> = self.read_json(answer).await?;
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let (bytes, sha256) = match entry.lfs {
                    Some(lfs) => (lfs.size, Some(lfs.oid)),
                    None => (entry.size.unwrap_or_default(), None),
                };
                files.insert(entry.path, RemoteFile { bytes, blob: entry.oid, sha256 });
            }
        }
        Ok(files)
    }

    /// The address of a file at a commit.
    pub(super) fn file(&self, commit: &str, path: &str) -> Url {
        let parts = ["datasets", self.repo.owner(), self.repo.name(), "resolve", commit];
        self.url(&parts.into_iter().chain(path.split('/')).collect::<Vec<_>>())
    }

    /// The bytes of a small file at a commit.
    pub(super) async fn text(&self, commit: &str, path: &str) -> Result<Vec<u8>, Fault> {
        let url = self.file(commit, path);
        self.persist("read a file", || async {
            let answer = self.send(self.http.get(url.clone())).await?;
            if answer.content_length().is_some_and(|bytes| bytes > LARGEST_MANIFEST) {
                return Err(Fault::Rejected { what: format!("{path} is larger than {LARGEST_MANIFEST} bytes") });
            }
            self.body(answer).await
        })
        .await
    }

    /// Has the Hub look at the card's front matter, as its own clients do.
    pub(super) async fn check_card(&self, card: &str) -> Result<(), HubError> {
        let url = self.url(&["api", "validate-yaml"]);
        let body = json!({ "content": card, "repoType": "dataset" });
        let doing = "have the Hub check README.md";
        match self.persist(doing, || self.done(self.http.post(url.clone()).json(&body))).await {
            // A mirror need not know the way.
            Ok(()) | Err(Fault::Absent { .. }) => Ok(()),
            Err(Fault::Rejected { what }) => Err(HubError::Usage(format!(
                "the Hub does not accept the front matter of README.md ({what}); export again, or mend it and use --force"
            ))),
            Err(fault) => Err(HubError::of(fault, doing)),
        }
    }

    /// Makes sure that large files travel through Xet. If they would not, `hf-hub` puts them inside the commit as text.
    pub(super) async fn check_transfer(&self, oid: &str, bytes: u64, revision: &str) -> Result<(), HubError> {
        let url = self.url(&[
            "datasets",
            self.repo.owner(),
            &format!("{}.git", self.repo.name()),
            "info",
            "lfs",
            "objects",
            "batch",
        ]);
        let body = json!({
            "operation": "upload",
            "transfers": ["basic", "multipart", "xet"],
            "objects": [{ "oid": oid, "size": bytes }],
            "hash_algo": "sha256",
            "ref": { "name": revision },
        });
        let request = || {
            let media = "application/vnd.git-lfs+json";
            self.http.post(url.clone()).header("accept", media).header("content-type", media).body(body.to_string())
        };
        let doing = "ask how large files are sent";
        let answer: Value =
            self.persist(doing, || self.json(request())).await.map_err(|fault| HubError::of(fault, doing))?;
        match answer["transfer"].as_str() {
            Some("xet") => Ok(()),
            other => Err(HubError::Environment(format!(
                "{} takes large files as {:?} only, and this client sends them through Xet; nothing was committed. Use a server \
with Xet, or upload the directory with `hf upload`",
                self.account.endpoint(),
                other.unwrap_or("basic")
            ))),
        }
    }
}

/// Address of the next page, when there is one on the same host: the token goes nowhere else.
fn next_page(headers: &reqwest::header::HeaderMap, here: &Url) -> Option<Url> {
    let link = headers.get("link")?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    here.join(address).ok().filter(|url| url.origin() == here.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_followed_on_the_same_host_only() {
        let here = Url::parse("https://hub.example/api/datasets/a/b/tree/main").unwrap();
        let next = |link: &str| {
            next_page(&reqwest::header::HeaderMap::from_iter([("link".parse().unwrap(), link.parse().unwrap())]), &here)
        };
        let page = next("<https://hub.example/api/x?cursor=1>; rel=\"next\"").unwrap();
        assert_eq!(page.as_str(), "https://hub.example/api/x?cursor=1");
        assert_eq!(next("<https://elsewhere.example/api/x>; rel=\"next\""), None);
        assert_eq!(next("<https://hub.example/api/x>; rel=\"prev\""), None);
    }
}
