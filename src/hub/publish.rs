//! Publishing a dataset directory: compare, commit what differs, compare again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::api::Info;
use super::commit::{Message, Sent};
use super::fault::Fault;
use super::local::Local;
use super::plan::{Batch, Claim, Plan, Remote, claim, plan, same};
use super::pull_request;
use super::{Hub, HubError, TagName};
use crate::dataset::seal::file_names::MANIFEST;
use crate::dataset::seal::file_names::STATEMENT;
use crate::dataset::seal::signature::ENVELOPE;

/// The branch that readers get.
const MAIN: &str = "main";
/// Paths named in a message; the rest is counted.
const NAMED: usize = 5;

/// What to publish, and how.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    pub local: &'a Local,
    /// Anyone may read it if this is set; otherwise only its owner may. A repository that is there and differs is refused.
    pub public: bool,
    /// Write into a repository that holds other things and no dataset of ours.
    pub overwrite: bool,
    /// Propose it instead of changing the main branch.
    pub pull_request: bool,
    /// Name for the published commit.
    pub tag: Option<&'a TagName>,
    /// Title of the commits.
    pub message: Option<&'a str>,
    /// Say what would be done, change nothing.
    pub dry_run: bool,
}

/// What was done; with a dry run, what would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    pub repository: String,
    /// Address for people; of the pull request if one was made.
    pub url: String,
    pub dry_run: bool,
    /// Made by this run.
    pub created: bool,
    pub private: bool,
    /// In a dry run, why the plan does not rest on what the repository holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Commit that holds the whole dataset; null in a dry run.
    pub commit: Option<String>,
    pub pull_request: Option<u64>,
    pub tag: Option<String>,
    /// Commits that this run made.
    pub commits: u64,
    pub added: Vec<String>,
    pub added_bytes: u64,
    pub deleted: Vec<String>,
    pub unchanged: u64,
    /// Files of the repository that are not the dataset's and stay.
    pub left_alone: Vec<String>,
}

/// Publishes. Run again after any error, it goes on where it was; run again after success, it changes nothing.
///
/// # Errors
/// See [`HubError`]. What was committed by then stays, and a dataset that was not there before is not visible as one: its
/// card and manifest are committed last.
pub async fn publish(hub: &Hub<'_>, order: &Order<'_>) -> Result<Published, HubError> {
    hub.check_token(order.dry_run).await?;
    let (info, created) = open(hub, order).await?;
    let stranger = hub.account.token().is_none();
    let main = match &info {
        Some(_) => read(hub, None).await?,
        None => Remote::default(),
    };
    let ours = ours(hub, order, &main).await?;
    let first = plan(&order.local.files, &main, &ours);
    let mut published = describe(hub, order, &first);
    published.created = created && !stranger;
    published.unread = (info.is_none() && stranger).then(|| {
        "without a token the repository cannot be read: it is private or not there; every file counts as new".to_owned()
    });
    published.private = info.as_ref().and_then(|info| info.private).unwrap_or(!order.public);
    if let Some(tag) = order.tag
        && info.is_some()
        && let Some(target) = hub.tag_target(tag).await?
        && !(first.is_done() && main.head.as_ref() == Some(&target))
    {
        return Err(hub.tag_taken(tag, &target));
    }
    if order.dry_run {
        return Ok(published);
    }

    let (revision, start) = match order.pull_request && !first.is_done() {
        false => (MAIN.to_owned(), main),
        true => {
            let number = hub.pull_request(&order.local.manifest).await?;
            published.pull_request = Some(number);
            published.url = format!("{}/discussions/{number}", hub.page());
            let revision = pull_request::revision(number);
            let start = read(hub, Some(&revision)).await?;
            (revision, start)
        }
    };
    let (commits, end) = bring(hub, order, &revision, start, &ours).await?;
    published.commits = commits;
    verify(hub, order, &end)?;
    published.commit = end.head.clone();
    if let Some(number) = published.pull_request {
        hub.ready(number).await?;
    }
    if let (Some(tag), Some(commit)) = (order.tag, &end.head) {
        hub.tag(tag, commit).await?;
    }
    Ok(published)
}

fn describe(hub: &Hub<'_>, order: &Order<'_>, plan: &Plan) -> Published {
    let batches = &plan.batches;
    Published {
        repository: hub.repo.to_string(),
        url: hub.page(),
        dry_run: order.dry_run,
        created: false,
        private: true,
        unread: None,
        commit: None,
        pull_request: None,
        tag: order.tag.map(TagName::to_string),
        commits: 0,
        added: batches.iter().flat_map(|batch| &batch.add).map(|file| file.path.clone()).collect(),
        added_bytes: batches.iter().map(Batch::bytes).sum(),
        deleted: batches.iter().flat_map(|batch| batch.delete.clone()).collect(),
        unchanged: plan.unchanged,
        left_alone: plan.left_alone.clone(),
    }
}

/// The repository; it is made if it is not there. `None` in a dry run that would make it.
async fn open(hub: &Hub<'_>, order: &Order<'_>) -> Result<(Option<Info>, bool), HubError> {
    let doing = format!("make the dataset repository {}", hub.repo);
    let mut failures = 0;
    let mut asked = false;
    loop {
        // Before each try, since an answer may be lost after it was made.
        let info = hub.info(None).await.map_err(|fault| HubError::of(fault, &format!("read {}", hub.repo)))?;
        if let Some(info) = info {
            if !order.public && info.private == Some(false) {
                return Err(HubError::Refused(format!(
                    "{} is public, and a dataset is published privately unless told otherwise; add --public, make the repository \
private in its settings, or choose another name",
                    hub.page()
                )));
            }
            if order.public && info.private == Some(true) {
                return Err(HubError::Refused(format!(
                    "{page} is private, and --public does not change a repository that is there; make it public in {page}/settings, \
leave out --public to publish it privately, or choose another name",
                    page = hub.page()
                )));
            }
            return Ok((Some(info), asked));
        }
        if order.dry_run {
            return Ok((None, true));
        }
        let Err(fault) = hub.create(!order.public).await else {
            asked = true;
            continue;
        };
        failures += 1;
        match &fault {
            // There, yet not for this token.
            Fault::Moved { what } => {
                return Err(HubError::Refused(format!(
                    "the name {} is taken by a repository that this token cannot see ({what}); choose another name, or use a token \
of its owner",
                    hub.repo
                )));
            }
            _ if hub.wait(&doing, &fault, failures).await => asked = true,
            _ => return Err(HubError::of(fault, &doing)),
        }
    }
}

async fn read(hub: &Hub<'_>, revision: Option<&str>) -> Result<Remote, HubError> {
    hub.remote(revision).await.map_err(|fault| HubError::of(fault, &format!("read {}", hub.page())))
}

/// A manifest of any version, as far as it lists files.
#[derive(Deserialize)]
struct Listing {
    format: String,
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    path: String,
}

/// Paths that a dataset of ours may remove from the repository.
async fn ours(hub: &Hub<'_>, order: &Order<'_>, main: &Remote) -> Result<BTreeSet<String>, HubError> {
    let mut listed = None;
    let beside = [STATEMENT, ENVELOPE].map(str::to_owned).into_iter();
    if let Some(commit) = main.head.as_ref().filter(|_| main.files.contains_key(MANIFEST)) {
        let doing = format!("read {MANIFEST} of {}", hub.page());
        let text = hub.text(commit, MANIFEST).await.map_err(|fault| HubError::of(fault, &doing))?;
        // Another tool's file of that name is a stranger's.
        listed = serde_json::from_slice::<Listing>(&text)
            .ok()
            .filter(|manifest| manifest.format.starts_with("manifest.v"))
            .map(|manifest| manifest.files.into_iter().map(|file| file.path).chain(beside.clone()).collect());
    }
    match claim(&order.local.files, main, listed) {
        Claim::Ours(listed) => Ok(listed),
        Claim::Strangers(_) if order.overwrite => Ok(BTreeSet::new()),
        Claim::Strangers(paths) => Err(HubError::Refused(format!(
            "{} holds {} and no dataset of assay; choose another name, or use --overwrite to write into it (its other folders \
and files stay)",
            hub.page(),
            some(&paths)
        ))),
    }
}

/// Commits until nothing differs. Gives the commits made, and the repository as it was read at the end.
async fn bring(
    hub: &Hub<'_>,
    order: &Order<'_>,
    revision: &str,
    start: Remote,
    ours: &BTreeSet<String>,
) -> Result<(u64, Remote), HubError> {
    let local = order.local;
    let doing = format!("commit to {} ({revision})", hub.repo);
    let message = message(order);
    let mut remote = start;
    let first = plan(&local.files, &remote, ours);
    ready_for(hub, local, &first, revision).await?;
    let total = first.batches.iter().map(Batch::bytes).sum::<u64>();
    let mut sent = Sent { stage: hub.console.stage("MB sent", total.div_ceil(1_000_000)), before: 0 };
    let (mut commits, mut failures) = (0, 0);
    loop {
        let todo = plan(&local.files, &remote, ours);
        let Some(batch) = todo.batches.first() else { break };
        let fault = match hub.commit(local, batch, revision, remote.head.as_deref(), &message, &sent).await {
            Ok(commit) => {
                commits += 1;
                failures = 0;
                sent.before += batch.bytes();
                match commit {
                    Some(commit) => remote.after(batch, commit),
                    None => remote = read(hub, Some(revision)).await?,
                }
                continue;
            }
            Err(fault) => fault,
        };
        failures += 1;
        let again = match &fault {
            Fault::Moved { what } if failures < hub.patience.tries => {
                hub.console.say(format!("{} was changed by another commit ({what}); reading it again", hub.repo));
                tokio::time::sleep(hub.patience.first).await;
                true
            }
            fault => hub.wait(&doing, fault, failures).await,
        };
        if !again {
            return Err(HubError::of(fault, &doing));
        }
        // The answer may have been lost after the commit was made: what differs now is what is left to do.
        remote = read(hub, Some(revision)).await?;
        if plan(&local.files, &remote, ours).operations() < todo.operations() {
            commits += 1;
            failures = 0;
            sent.before += batch.bytes();
        }
    }
    drop(sent);
    // What the server has, not what was sent.
    Ok((commits, read(hub, Some(revision)).await?))
}

/// Checks that need the server and can fail before anything is changed.
async fn ready_for(hub: &Hub<'_>, local: &Local, plan: &Plan, revision: &str) -> Result<(), HubError> {
    let mut added = plan.batches.iter().flat_map(|batch| &batch.add);
    if let Some(large) = added.clone().find(|file| file.needs_pointer()) {
        hub.check_transfer(large.sha256.as_str(), large.bytes, revision).await?;
    }
    if added.any(|file| file.path == "README.md") {
        let path = local.directory.join("README.md");
        let card = std::fs::read_to_string(&path)
            .map_err(|error| HubError::Usage(format!("cannot read {}: {error}; export again", path.display())))?;
        hub.check_card(&card).await?;
    }
    Ok(())
}

/// Compares what the server has with what was to be published: every file there, whole, large ones as pointers.
fn verify(hub: &Hub<'_>, order: &Order<'_>, remote: &Remote) -> Result<(), HubError> {
    let mut wrong = Vec::new();
    for file in &order.local.files {
        match remote.files.get(&file.path) {
            None => wrong.push(format!("{} is missing", file.path)),
            Some(there) if there.sha256.is_none() && file.needs_pointer() => {
                wrong.push(format!("{} was stored inside git instead of as a large file", file.path));
            }
            Some(there) if !same(file, there) => {
                wrong.push(format!("{} has other bytes (was it changed during the upload?)", file.path));
            }
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(HubError::Refused(format!(
        "{} does not hold what was sent: {}; run the same command again",
        hub.page(),
        some(&wrong)
    )))
}

fn message(order: &Order<'_>) -> Message {
    let title = order.message.map_or_else(|| "Publish the dataset with assay".to_owned(), str::to_owned);
    Message { title, description: format!("{MANIFEST} has sha256 {}", order.local.manifest) }
}

fn some(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
