//! `assay serve`: the verifier behind HTTP, for trainers that want a reward at once.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::sandbox_options::SandboxOptions;
use crate::console::Console;
use crate::exit_code::ExitCode;
use crate::journal::RunDir;
use crate::output::Plan;
use crate::pipeline::{Input, admit_into, exit_code, lab};
use crate::serve::{Ended, Limits, Options, Place, Running, Token, limits};

/// Answers rewards over HTTP: the same verifier, for reinforcement learning
#[derive(Debug, Args)]
#[command(
    after_help = "POST /v1/verify takes {\"instance_id\", \"skill\", \"completion\" or \"patch\" or \"messages\"} and answers \
with status, reward (1 verified, 0 rejected, null inconclusive), reason, evidence, timings and receipt. POST /v1/verify/batch \
takes {\"items\": [...]}. GET /v1/instances, /metrics, /healthz, /readyz.\n\
Everything that was run is in the run directory: start again with the same --run and it is known. Answers are kept in \
RUN/generations.jsonl, which `assay verify` reads.\n\
If the environment variable ASSAY_TOKEN is set, it is the bearer token that requests must carry. Ctrl-C or SIGTERM ends the \
service: exit code 0 if all questions were answered, 3 if --grace was over first.\n\n\
Example: assay serve work/instances.jsonl --run runs/rewards --listen 127.0.0.1:8790"
)]
pub struct Serve {
    /// Instances file, or the directory written by `assay import`
    instances: PathBuf,
    /// Seconds that a request's body may take to arrive, and a response may go without being read
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    body_timeout: u64,
    /// Connections served at the same time; others are answered 503, but for /healthz [default: three quarters of the files
    /// that may be open]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// Longest time for one question in seconds, waiting included; a question may ask for less
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    deadline: u64,
    /// After a signal to stop, how long questions that were taken may go on, in seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=604_800))]
    grace: u64,
    /// Seconds that a request's head may take to arrive
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    head_timeout: u64,
    /// Seconds that a connection is kept between two requests
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    idle_timeout: u64,
    /// Print where it listens as JSON
    #[arg(long)]
    json: bool,
    /// Address or name, and port, e.g. localhost:8790 or [::1]:8790; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8790", value_name = "ADDRESS")]
    listen: Place,
    /// Largest answer of one question in MiB [default: as --max-body]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_answer: Option<u16>,
    /// Largest request body in MiB, unzipped
    #[arg(long, default_value_t = 16, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_body: u16,
    /// Questions that may wait; more are answered 429
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    queue: u32,
    /// Directory of the repositories [default: repos/ beside the instances]
    #[arg(long, value_name = "DIR")]
    repos: Option<PathBuf>,
    /// Run directory; it is made if it is not there, and continued if it is
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

impl Serve {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let options = Options {
            listen: self.listen.clone(),
            token: Token::from_environment()?,
            queue: self.queue as usize,
            deadline: Duration::from_secs(self.deadline),
            grace: Duration::from_secs(self.grace),
            max_body: usize::from(self.max_body) << 20,
            max_answer: usize::from(self.max_answer.unwrap_or(self.max_body)) << 20,
            limits: Limits {
                head: Duration::from_secs(self.head_timeout),
                body: Duration::from_secs(self.body_timeout),
                idle: Duration::from_secs(self.idle_timeout),
                connections: limits::connections(self.connections)?,
            },
        };
        let plan = Plan::default().reads_instances(&self.instances, self.repos.as_deref())?;
        plan.run("--run", &self.run, true)?.check()?;
        let mut input = Input::read(&self.instances, self.repos.as_deref())?;
        let run = RunDir::open(&self.run)?;
        if let Some(earlier) = run.info()? {
            // A run that already has verdicts still says what they were made from.
            input.digests.extend(earlier.inputs);
        }
        let session = self.sandbox.open(console, input.needs_recipe)?;
        let running = Running::listen(&options, console)?;
        self.say_where(console, &running, options.token.is_some());

        let admissions = admit_into(&run, console, &session, &input)?.admissions;
        let admitted = admissions.refusals().filter(Option::is_none).count();
        if admitted == 0 {
            console.say("no instance was admitted, so there is nothing to answer; see admission-report.md");
            return exit_code(&admissions, 0);
        }
        console.say(format!("ready: {admitted} of {} instance(s) admitted", admissions.len()));
        let lab = lab(&run, console, &session)?;
        let ended = running.work(&lab, &input.instances, &admissions, &session.cancel)?;
        Ok(match ended {
            Ended::Drained => ExitCode::Done,
            Ended::CutShort => ExitCode::Interrupted,
        })
    }

    fn say_where(&self, console: &Console, running: &Running, token: bool) {
        let url = format!("http://{}", running.address());
        if self.json {
            console.print(json!({"listening": url, "token": token}).to_string());
        } else {
            let token = if token { "with" } else { "without" };
            console.print(format!("listening on {url}, {token} a token"));
        }
    }
}
