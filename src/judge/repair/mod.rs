//! Repair: every expected test passes on the policy tree, and fails there once its expectations are changed.
//!
//! Every expected test must be reported exactly once, with set-up, call and tear-down passed. The session must say that
//! it ended, and its exit status must agree with the process and with the report. Then the control session runs
//! (`control`), and at last the tests that fail on gold for want of a network (`witness`). Rejected candidates never get
//! that far.

pub mod confirm;
pub mod pass_counts;
pub mod repair_lines;
pub mod shared_run;
mod witness;

use std::collections::BTreeSet;

use super::admit::listed::ONE_OF;
use super::asker::{Ask, Bench};
use super::control::bare as plain;
use super::run_result;
use super::run_result::Shown;
use super::steady::steady;
use super::{Halt, control, name_some};
use crate::model::admission::Admission;
use crate::model::candidate::{Candidate, TrialTrees};
use crate::model::verdict::{Evidence, Reason, VerdictStatus};
use shared_run::Joint;

pub(super) fn judge<'a>(
    candidate: &'a Candidate,
    admission: &Admission,
    bench: &mut Bench<'a>,
) -> Result<(Reason, Evidence, String), Halt> {
    let (Some(prepared), Some(TrialTrees::Repair { policy, submitted, canary })) =
        (&candidate.prepared, &candidate.trees)
    else {
        return Err(Halt::Judged(Reason::NotRun, "the candidate was never put on the base tree".to_owned()));
    };
    bench.repair = Some(prepared);
    let on_policy = if prepared.diff.is_empty() {
        Err(Halt::Judged(Reason::NoChange, "nothing is left of the change".to_owned()))
    } else {
        passes(policy, canary.as_deref(), admission, bench)
    };
    match (on_policy, submitted) {
        // Asked for last, so that a rejected repair costs no control session.
        (Ok(Passed { wobbling, controls }), _) => {
            let session = |bench: &mut Bench| control::session(canary.as_deref(), policy, admission, bench);
            let (evidence, canaries) = match controls {
                Controls::Held(evidence, said) => (evidence, said),
                Controls::Against(reason, detail) => confirm::confirm(reason, detail, session(bench))?,
                Controls::Unknown => confirm::twice(bench, session)?,
            };
            let passed = expected(admission) - wobbling.len();
            let left_out = match wobbling.len() {
                0 => String::new(),
                _ => format!("; gold does not always pass {}", name_some(wobbling.iter().map(String::as_str))),
            };
            let said = format!("{passed} expected tests passed; {canaries}{left_out}");
            let (evidence, said) = match plain::must_hold(policy, canary.as_deref(), admission, bench)? {
                None => (evidence, said),
                Some((held, seen)) => {
                    let level = if held && evidence >= Evidence::E2 { Evidence::E3 } else { evidence };
                    (level, format!("{said}; {seen}"))
                }
            };
            Ok(match witness::must_agree(policy, admission, bench)? {
                None => (Reason::Resolved, evidence, said),
                Some(agree) => (Reason::Resolved, evidence, format!("{said}; {agree}")),
            })
        }
        (Err(halt @ Halt::Needs(_)), _) | (Err(halt), None) => Err(halt),
        // What is not known about the policy tree cannot be learned from another tree, so no rejection may rest on that.
        (Err(Halt::Judged(reason, detail)), Some(_)) if reason.status() == VerdictStatus::Inconclusive => {
            Err(Halt::Judged(reason, detail))
        }
        // If what the policy took back makes it pass, the reason says so, because that is a different fault.
        (Err(judged @ Halt::Judged(..)), Some(submitted)) => match once(submitted, admission, bench) {
            Ok(()) => Err(Halt::Judged(
                Reason::DependsOnInfraEdit,
                format!("passes only with {}", super::name_some(prepared.stripped.iter().map(|s| s.path.as_str()))),
            )),
            Err(needs @ Halt::Needs(_)) => Err(needs),
            Err(Halt::Judged(..)) => Err(judged),
        },
    }
}

/// Every split passed.
struct Passed {
    /// Tests that are given back: gold does not always pass them, so they say nothing.
    wobbling: BTreeSet<String>,
    controls: Controls,
}

/// What the control session showed, if it was part of the last run.
enum Controls {
    Held(Evidence, String),
    Against(Reason, String),
    Unknown,
}

/// Runs the splits of a policy tree; `canary` is the same tree with the files of the control session.
fn passes(tree: &str, canary: Option<&str>, admission: &Admission, bench: &mut Bench) -> Result<Passed, Halt> {
    let mut passed = Passed { wobbling: BTreeSet::new(), controls: Controls::Unknown };
    for (number, split) in admission.splits.iter().enumerate() {
        // Not asked before the first split has passed, because gold may have to run for the answer.
        let together = match canary {
            Some(canary) if number > 0 => shared_run::shared(admission, bench)?.map(|split| (split, canary)),
            Some(_) | None => None,
        };
        passed.wobbling.extend(match together {
            Some((split, canary)) => match shared_run::run(canary, tree, split, admission, bench)? {
                Joint::Clean(evidence, said) => {
                    passed.controls = Controls::Held(evidence, said);
                    BTreeSet::new()
                }
                Joint::Against(reason, detail) => {
                    passed.controls = Controls::Against(reason, detail);
                    BTreeSet::new()
                }
                Joint::Failing(seen, failing) => confirm::passes_after(&seen, failing, tree, split, admission, bench)?,
                Joint::Unclear => confirm::passes(tree, split, admission, bench)?,
            },
            None => confirm::passes(tree, split, admission, bench)?,
        });
    }
    if admission.fail_to_pass.iter().all(|id| passed.wobbling.contains(id)) {
        let detail = format!("gold does not always pass {}", name_some(passed.wobbling.iter().map(String::as_str)));
        return Err(Halt::Judged(Reason::Unsteady, detail));
    }
    // Had they been repeated at admission, the loss of so many would have refused an instance that lists its tests.
    let left: Vec<_> = admission.seen_once().filter(|id| passed.wobbling.contains(*id)).collect();
    if admission.lists_pass_to_pass && left.len() * ONE_OF > admission.pass_to_pass.len() {
        let detail = format!(
            "gold does not always pass {} of {} pass-to-pass tests, more than a tenth: {}; `assay validate --full` tells which \
             tests of the instance are steady",
            left.len(),
            admission.pass_to_pass.len(),
            name_some(left.into_iter().map(String::as_str))
        );
        return Err(Halt::Judged(Reason::Unsteady, detail));
    }
    Ok(passed)
}

/// Whether the tests pass in one run. Good enough if the candidate is rejected already and only the reason is asked for.
fn once(tree: &str, admission: &Admission, bench: &mut Bench) -> Result<(), Halt> {
    for split in &admission.splits {
        let seen = bench.seen(&Ask::suite(tree, &split.files))?;
        match run_result::shown(&seen, &split.expected, admission, bench.runner) {
            Shown::Passed => {}
            Shown::Failing(failing) => {
                let steady = steady(&failing, split, admission, bench)?;
                if !steady.is_empty() {
                    return Err(run_result::rejection(&seen, &steady, admission));
                }
            }
            Shown::Abnormal(reason, detail) => return Err(Halt::Judged(reason, detail)),
        }
    }
    Ok(())
}

fn expected(admission: &Admission) -> usize {
    admission.splits.iter().map(|split| split.expected.len()).sum()
}
