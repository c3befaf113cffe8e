//! A worker: takes questions off the queue and judges them one at a time. After SIGTERM or Ctrl-C nothing new is
//! taken, and what was taken is answered for as long as `--grace` lasts.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::ledger::Ledger;
use super::queue::{Job, Outcome, shutting_down};
use super::service::Service;
use super::{Answer, Code, Unanswered};
use crate::exit_code::Stop;
use crate::lab::{Admissions, Lab, Located, Sample, SingleJudge, SingleVerdict};
use crate::model::generation::GenerationRef;

/// Works until the queue stops.
pub(super) fn work(
    lab: &Lab,
    service: &Service,
    located: &BTreeMap<&str, &Located>,
    admissions: &Admissions,
    ledger: &Ledger,
) {
    let mut single = SingleJudge::new(lab);
    loop {
        let Some(job) = service.queue.take(single.cancel()) else { return };
        let began = Instant::now();
        // A panic is a bug of ours in one question. The other questions still have a worker, and a new judge.
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&mut single, located, admissions, ledger, &job)));
        let broken = judged.is_err();
        let judged = judged.unwrap_or_else(|_| Err(anyhow::anyhow!("the worker panicked; this is a bug of assay")));
        let took = began.elapsed();
        let outcome = match judged {
            Ok(answered) => {
                let answer = Arc::new(Answer::new(answered, began - job.asked, took));
                service.metrics.worked(&answer);
                service.keep(&job.id, &answer);
                Ok(answer)
            }
            Err(error) => failed(lab, service, &job, &error),
        };
        service.queue.finish(&job, took, outcome);
        if broken {
            single = SingleJudge::new(lab);
        }
    }
}

fn judge(
    single: &mut SingleJudge,
    located: &BTreeMap<&str, &Located>,
    admissions: &Admissions,
    ledger: &Ledger,
    job: &Job,
) -> anyhow::Result<SingleVerdict> {
    let id = &job.generation.instance_id;
    let known = located.get(id.as_str()).zip(admissions.read(id)?);
    let (located, admission) = known.with_context(|| format!("instance {id} was taken and is not there"))?;
    // It stands in no input file; what is kept of it names no place.
    let place = GenerationRef { file: String::new(), line: 0, index: 0 };
    let answered = single.judge(located, &admission, &Sample { generation: job.generation.clone(), place })?;
    ledger.append(&job.generation)?;
    Ok(answered)
}

/// An error says nothing about the answer that was asked about.
fn failed(lab: &Lab, service: &Service, job: &Job, error: &anyhow::Error) -> Outcome {
    if matches!(error.downcast_ref::<Stop>(), Some(Stop::Interrupted)) {
        service.metrics.cancelled.inc();
        return Err(shutting_down());
    }
    let about = format!("{} ({})", job.generation.instance_id, job.id.short());
    lab.console.say(format!("{about} could not be judged: {error:#}"));
    Err(Unanswered::new(Code::Internal, format!("{about} could not be judged: {error:#}")).after(5))
}
