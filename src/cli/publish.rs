//! `assay publish`: a dataset directory to the Hugging Face Hub.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::audit::{Level, audit};
use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::hub::{Account, Hub, HubError, Local, Order, Patience, Published, RepoId, TagName, publish};

/// Publishes a dataset directory on the Hugging Face Hub: private by default, resumable, compared after the upload
#[derive(Debug, Args)]
#[command(
    after_help = "The token is HF_TOKEN, or what `hf auth login` has stored. HF_ENDPOINT names another server. Files that the \
repository holds already are not sent again; card and manifest are committed last. Run it again after any error or interruption: it \
goes on where it was.\n\n\
Example: assay publish dataset my-team/verified-repairs --tag v1\n\
Example: assay publish dataset my-team/verified-repairs --dry-run --json"
)]
pub struct Publish {
    /// Dataset directory written by `assay export`
    directory: PathBuf,
    /// Repository; made if it is not there
    #[arg(value_name = "OWNER/NAME")]
    repository: RepoId,
    /// Let anyone read it
    #[arg(long)]
    public: bool,
    /// Say what would be sent and removed; change nothing. Without a token it compares with what anyone can read
    #[arg(long)]
    dry_run: bool,
    /// Open a pull request instead of changing the main branch
    #[arg(long = "pr", conflicts_with = "tag")]
    pull_request: bool,
    /// Name this version, e.g. v1; a tag that is there for another commit is never moved
    #[arg(long, value_name = "NAME")]
    tag: Option<TagName>,
    /// Title of the commits
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Write into a repository that holds other things and no dataset of assay
    #[arg(long)]
    overwrite: bool,
    /// Publish although the directory is not what its manifest says, or does not pass `assay audit`
    #[arg(long)]
    force: bool,
    /// First wait after a fault of network or server; doubled each time
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    retry_wait: f64,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

impl Publish {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let published = self.publish(console)?;
        if self.json {
            console.print(serde_json::to_string(&published)?);
        } else {
            console.print(lines(&published));
        }
        Ok(ExitCode::Done)
    }

    fn publish(&self, console: &Console) -> anyhow::Result<Published> {
        let account = Account::find()?;
        let local = Local::read(&self.directory)?;
        self.accept(&local.findings, console)?;
        if local.findings.is_empty() {
            self.accept(&audited(&self.directory)?, console)?;
        }
        let patience = Patience { first: Duration::from_secs_f64(self.retry_wait), ..Patience::default() };
        let hub = Hub::new(account, self.repository.clone(), patience, console)?;
        let order = Order {
            local: &local,
            public: self.public,
            overwrite: self.overwrite,
            pull_request: self.pull_request,
            tag: self.tag.as_ref(),
            message: self.message.as_deref(),
            dry_run: self.dry_run,
        };
        until_interrupted(publish(&hub, &order))
    }

    /// What is wrong with the directory ends it, unless it is to be published all the same.
    fn accept(&self, findings: &[String], console: &Console) -> Result<(), HubError> {
        for finding in findings {
            console.say(format!("{}: {finding}", self.directory.display()));
        }
        if findings.is_empty() || self.force {
            return Ok(());
        }
        Err(HubError::Refused(format!(
            "{} is not published: {} finding(s) above; export again, or use --force to publish it all the same",
            self.directory.display(),
            findings.len()
        )))
    }
}

/// What an audit finds that makes a dataset not what it says it is. Warnings are for those who train on it.
fn audited(directory: &Path) -> anyhow::Result<Vec<String>> {
    let report = audit(&directory.to_string_lossy())?;
    let errors = report.findings.iter().filter(|finding| finding.level == Level::Error);
    Ok(errors.map(|finding| format!("{}: {}", finding.place, finding.message)).collect())
}

/// Runs to the end, or to the first Ctrl-C or SIGTERM.
pub(super) fn until_interrupted<T>(work: impl Future<Output = Result<T, HubError>>) -> anyhow::Result<T> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        tokio::select! {
            done = work => Ok(done?),
            _ = tokio::signal::ctrl_c() => Err(HubError::Interrupted.into()),
            _ = terminate.recv() => Err(HubError::Interrupted.into()),
        }
    });
    // What is still under way is not waited for.
    runtime.shutdown_background();
    result
}

fn lines(published: &Published) -> String {
    let Published { added, added_bytes, deleted, unchanged, left_alone, .. } = published;
    let (send, remove) = if published.dry_run { ("would send", "would remove") } else { ("sent", "removed") };
    let mut lines = vec![format!("{send} {} file(s), {added_bytes} bytes; {unchanged} unchanged", added.len())];
    if published.dry_run {
        lines.extend(added.iter().map(|path| format!("  + {path}")));
        lines.extend(deleted.iter().map(|path| format!("  - {path}")));
    }
    if !deleted.is_empty() {
        lines.push(format!("{remove} {} file(s) that the dataset no longer has", deleted.len()));
    }
    if !left_alone.is_empty() {
        lines.push(format!("left alone {} other file(s): {}", left_alone.len(), left_alone.join(", ")));
    }
    if let Some(unread) = &published.unread {
        lines.push(unread.clone());
    }
    let visibility = match (&published.unread, published.private) {
        (Some(_), _) => "private or not there",
        (None, true) => "private",
        (None, false) => "public",
    };
    let made = match (published.created, published.dry_run) {
        (true, true) => ", would be made",
        (true, false) => ", made",
        (false, _) => "",
    };
    lines.push(format!("dataset: {} ({visibility}{made})", published.url));
    if let Some(commit) = &published.commit {
        let tag = published.tag.as_ref().map(|tag| format!(", tag {tag}")).unwrap_or_default();
        lines.push(format!("commit: {commit}{tag}, compared file by file"));
    }
    lines.join("\n")
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("give seconds from 0 to 60".to_owned()),
    }
}
