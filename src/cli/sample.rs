//! `assay sample`: completions of prompts, from an endpoint or from batch result files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use super::sampling::Sampling;
use crate::console::Console;
use crate::exit_code::{ExitCode, Stop};
use crate::output::Plan;
use crate::pipeline::interrupt_flag;
use crate::sampler::asks::missing;
use crate::sampler::budget::Caps;
use crate::sampler::endpoint::Endpoint;
use crate::sampler::ledger::Ledger;
use crate::sampler::prompts::Prompts;
use crate::sampler::results::each_result;
use crate::sampler::run::{Event, Manner, Tally, run};
use crate::sampler::terms::Field;

/// Failures that are told one by one; the rest are counted.
const TOLD: u64 = 20;

/// Asks an OpenAI-compatible endpoint for completions of prompts
#[derive(Debug, Args)]
#[command(
    after_help = "PROMPTS is a file written by `assay prompt`. Samples are appended to --out as they come; running the same \
command again asks only for what is missing. The API key comes from the environment and is written nowhere. The first Ctrl-C \
lets requests under way end, because they are paid for; the second ends at once.\n\
Exit codes: 0 every sample is there; 2 some did not come, or a cap was reached; 3 interrupted; 4 the endpoint cannot be used.\n\n\
Example: assay sample prompts.jsonl --out samples.jsonl --endpoint http://localhost:8000/v1 --model my-model -n 8\n\
Example: assay sample prompts.jsonl --out samples.jsonl --results batch-output.jsonl"
)]
pub struct Sample {
    /// Prompts file
    prompts: PathBuf,
    /// Requests for one sample before it is given up for this run
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Seconds before the first repeat; then twice as long every time, up to a minute
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    backoff: f64,
    /// Requests at the same time
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,
    /// Address of the endpoint up to /v1
    #[arg(long, env = "OPENAI_BASE_URL", value_name = "URL")]
    endpoint: Option<String>,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
    /// Environment variable with the API key; if it is not set, requests go without a key
    #[arg(long, default_value = "OPENAI_API_KEY", value_name = "VARIABLE")]
    key_env: String,
    /// Requests that this run may send, repeats included
    #[arg(long, value_name = "N")]
    max_requests: Option<u64>,
    /// Tokens that this run may use, prompts included; a request goes out only if its prompt and --max-tokens still fit
    #[arg(long, value_name = "N")]
    max_total_tokens: Option<u64>,
    /// Samples file; what is in it is not asked again
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Samples of a prompt to ask for in one request, if the endpoint knows `n`
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    per_request: u64,
    /// Read samples out of these batch result files instead of asking
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "endpoint")]
    results: Vec<PathBuf>,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 1800.0, value_name = "SECONDS", value_parser = seconds)]
    timeout: f64,
    #[command(flatten)]
    sampling: Sampling,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.001..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("between 0.001 and 86400".to_owned()) }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    prompts: u64,
    /// Samples that were there before.
    had: u64,
    /// Samples asked for and still missing at the end.
    missing: u64,
    #[serde(flatten)]
    tally: Tally,
    /// Lines of prompts and result files that could not be used.
    unusable: u64,
    out: String,
}

impl Sample {
    pub fn run(self, console: &Console) -> anyhow::Result<ExitCode> {
        let plan = Plan::default().reads("PROMPTS", &self.prompts)?.reads_each("--results", &self.results)?;
        plan.growing("--out", &self.out)?.check()?;
        let prompts = Prompts::open(&self.prompts)?;
        for (line, why) in &prompts.unusable {
            console.say(format!("{}:{line}: {why}; left out", self.prompts.display()));
        }
        if prompts.entries().is_empty() {
            return Err(Stop::Usage(format!("{} holds no prompt", self.prompts.display())).into());
        }
        let ledger = Ledger::open(&self.out)?;
        if ledger.torn > 0 {
            let out = self.out.display();
            console
                .say(format!("{out}: {} bytes of a last line were cut off by a kill; it is asked again", ledger.torn));
        }
        let summary = Summary {
            prompts: prompts.entries().len() as u64,
            had: ledger.have().len() as u64,
            missing: 0,
            tally: Tally::default(),
            unusable: prompts.unusable.len() as u64,
            out: self.out.display().to_string(),
        };
        if self.results.is_empty() {
            self.ask(console, prompts, ledger, summary)
        } else {
            self.read(console, &prompts, ledger, summary)
        }
    }

    fn ask(
        &self,
        console: &Console,
        prompts: Prompts,
        ledger: Ledger,
        mut summary: Summary,
    ) -> anyhow::Result<ExitCode> {
        let url = self.endpoint.as_deref().ok_or_else(|| {
            Stop::Usage("name the endpoint with --endpoint, or result files with --results".to_owned())
        })?;
        let model = self.sampling.model()?;
        if let Some(other) = ledger.models().find(|known| *known != model) {
            let out = self.out.display();
            return Err(Stop::Usage(format!("{out} holds samples of {other}; name another --out for {model}")).into());
        }
        let parameters = self.sampling.parameters()?;
        let endpoint = Endpoint::open(url, &self.key_env, Duration::from_secs_f64(self.timeout))?;
        let ids: Vec<&str> = prompts.entries().iter().map(|entry| entry.prompt_id.as_str()).collect();
        let asks = missing(&ids, self.sampling.n, ledger.have(), self.per_request);
        let wanted: u64 = asks.iter().map(|ask| ask.count).sum();
        let manner = Manner {
            model,
            seed: self.sampling.seed,
            max_tokens: self.most_tokens(&parameters)?,
            concurrency: usize::from(self.concurrency),
            attempts: self.attempts,
            first_wait: Duration::from_secs_f64(self.backoff),
            caps: Caps { requests: self.max_requests, tokens: self.max_total_tokens },
            parameters,
        };
        let cancel = interrupt_flag()?;
        let stage = console.stage("sample", wanted);
        let failures = AtomicU64::new(0);
        summary.tally = run(endpoint, prompts, asks, ledger, manner, cancel, &|event| match event {
            Event::Sampled => stage.step(),
            Event::Failed { entry, first, count, why } => {
                if failures.fetch_add(1, Ordering::Relaxed) < TOLD {
                    let which =
                        if count == 1 { format!("{first}") } else { format!("{first} to {}", first + count - 1) };
                    console.say(format!("{} ({}), sample {which}: {why}", entry.prompt_id, entry.instance_id));
                }
            }
            Event::Changed { why } => console.say(format!("the endpoint is asked in another way from here on: {why}")),
        })?;
        drop(stage);
        summary.missing = wanted - summary.tally.sampled.min(wanted);
        self.tell(console, &summary)
    }

    /// Most tokens of one completion, by the fields that are sent.
    fn most_tokens(&self, parameters: &Map<String, Value>) -> anyhow::Result<u64> {
        let fields = [Field::MaxTokens, Field::MaxCompletionTokens];
        match fields.iter().filter_map(|field| parameters.get(field.as_str())?.as_u64()).max() {
            Some(most) => Ok(most),
            None if self.max_total_tokens.is_some() => Err(Stop::Usage(
                "--max-total-tokens cannot hold, for --body leaves out max_tokens; name max_completion_tokens in it"
                    .to_owned(),
            )
            .into()),
            None => Ok(self.sampling.max_tokens),
        }
    }

    fn read(
        &self,
        console: &Console,
        prompts: &Prompts,
        mut ledger: Ledger,
        mut summary: Summary,
    ) -> anyhow::Result<ExitCode> {
        for path in &self.results {
            each_result(path, prompts, &mut |line, sample| {
                match sample {
                    Ok(generation) => summary.tally.sampled += u64::from(ledger.append(&generation)?),
                    Err(why) => {
                        summary.unusable += 1;
                        console.say(format!("{}:{line}: {why}", path.display()));
                    }
                }
                Ok(())
            })?;
        }
        let ids: Vec<&str> = prompts.entries().iter().map(|entry| entry.prompt_id.as_str()).collect();
        summary.missing = missing(&ids, self.sampling.n, ledger.have(), 1).len() as u64;
        self.tell(console, &summary)
    }

    fn tell(&self, console: &Console, summary: &Summary) -> anyhow::Result<ExitCode> {
        let tally = &summary.tally;
        if self.json {
            console.print(serde_json::to_string(summary)?);
        } else {
            console.print(format!("{} new samples, {} were there: {}", tally.sampled, summary.had, summary.out));
            console.print(format!(
                "{} requests ({} repeats), {} prompt tokens, {} completion tokens",
                tally.requests, tally.retries, tally.prompt_tokens, tally.completion_tokens
            ));
            if summary.missing > 0 {
                console.print(format!(
                    "{} samples are missing; run the same command again to ask for them",
                    summary.missing
                ));
            }
        }
        if tally.capped {
            console.say("a cap was reached; run again with more to continue");
        }
        if let Some(why) = &tally.stopped {
            return Err(
                Stop::Environment(format!("{why}; what came is kept, run the same command again to continue")).into()
            );
        }
        if tally.interrupted {
            return Err(Stop::Interrupted.into());
        }
        Ok(if summary.missing > 0 || summary.unusable > 0 { ExitCode::Findings } else { ExitCode::Done })
    }
}
