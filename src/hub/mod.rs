//! The only door to the Hugging Face Hub. In: a dataset directory, or the name of a dataset repository. Out: a
//! repository that holds the whole dataset once, read back and compared; or a directory with what a repository holds.
//!
//! What is to be done follows from comparing the directory with the repository ([`plan`]), never from memory. So an
//! upload that was interrupted, refused half-way or answered with an error after it was done goes on by being run
//! again, and a commit is repeated only after the repository was read again. At the end the listing is compared with
//! the directory: every file, size and digest, with Parquet and everything large as pointers.
//!
//! `hf-hub` 1.0 makes repositories, commits (through Xet), tags and downloads; its own tries are switched off. Reading,
//! pull requests and the waits are ours (`api` and `commit` say why). One rule for `audit` and `publish` judges what
//! lies beside a dataset (`dataset/strangers`). A dry run needs no token and says if the repository could not be read.

mod account;
mod answer;
mod api;
mod commit;
mod download;
mod error;
mod fault;
mod local;
mod patience;
pub mod plan;
mod publish;
mod pull_request;
mod repo_id;
mod tag;
mod tag_name;

use std::time::Duration;

pub use account::Account;
pub use download::download;
pub use error::HubError;
pub use local::Local;
pub use patience::Patience;
pub use publish::{Order, Published, publish};
pub use repo_id::RepoId;
pub use tag_name::TagName;

use crate::console::Console;
use crate::model::receipt::Tool;

/// A connection is given up after this long without an answer.
const CONNECT: Duration = Duration::from_secs(20);
/// A request is given up after this long without a byte. The Hub itself ends a commit after 60 s.
const SILENCE: Duration = Duration::from_secs(300);

/// A connection to one dataset repository.
pub struct Hub<'a> {
    account: Account,
    patience: Patience,
    console: &'a Console,
    repo: RepoId,
    /// For what `hf-hub` leaves out: digests of large files, waiting as long as the server asks, pull requests.
    http: reqwest::Client,
    client: hf_hub::HFClient,
}

impl<'a> Hub<'a> {
    /// Makes the clients; nothing is sent yet.
    ///
    /// # Errors
    /// An endpoint that is not a URL.
    pub fn new(account: Account, repo: RepoId, patience: Patience, console: &'a Console) -> Result<Self, HubError> {
        let tool = Tool::this();
        let unusable = |error: String| HubError::Usage(format!("cannot talk to {}: {error}", account.endpoint()));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(format!("{}/{}", tool.name, tool.version))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let mut builder = hf_hub::HFClient::builder()
            .endpoint(account.endpoint())
            .client(http.clone())
            // Its own tries ignore Retry-After and repeat a commit without looking whether it was made.
            .retry_max_attempts(0)
            .cache_enabled(false);
        if let Some(token) = account.token() {
            builder = builder.token(token);
        }
        let client = builder.build().map_err(|error| unusable(account.scrub(&error.to_string())))?;
        Ok(Self { account, patience, console, repo, http, client })
    }

    fn dataset(&self) -> hf_hub::HFRepository<hf_hub::RepoTypeDataset> {
        self.client.dataset(self.repo.owner(), self.repo.name())
    }

    /// Address of the repository for people.
    pub fn page(&self) -> String {
        format!("{}/datasets/{}", self.account.endpoint(), self.repo)
    }
}

impl std::fmt::Debug for Hub<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("account", &self.account).field("repo", &self.repo).finish_non_exhaustive()
    }
}
