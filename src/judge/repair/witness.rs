//! Witnesses: tests that left because gold fails in them for want of a network. They cannot pass here, but they get as far
//! as the network, and a broken repair may not.
//!
//! A repair that passed everything else runs them once, and gold runs them in the same plan, once for all repairs. A
//! witness that gold does not fail for want of a network in that run says nothing. Of the others, each must fail as on
//! gold: in the same phases, with the same error, and not raised by a line that the repair adds while gold's was raised
//! in another file. If one does not, they run again. A repair is rejected (`breaks_network_test`) if the same witness ends
//! twice in an exception that is its own: a line that it adds raised it, and neither a network nor another error of the
//! system is behind it. No report tells whether a repair swallowed the network's error before it failed on a line of its
//! own, so such a repair is rejected too. Whatever else differs from gold is open (`disputed_by_network_test`): with a network it might pass.

use std::collections::{BTreeMap, BTreeSet};

use super::{confirm, repair_lines};
use crate::judge::asker::{Ask, Bench, Seen};
use crate::judge::run_result;
use crate::judge::{Halt, name_some, steady};
use crate::model::admission::Admission;
use crate::model::candidate::Prepared;
use crate::model::cause::Cause;
use crate::model::trial::{Origin, Phase, Raised, Status, TestReport};
use crate::model::verdict::Reason;
use crate::runner::Runner;

/// Checks that every witness fails as on gold. Gives what to say of them, if there are any.
pub(super) fn must_agree(tree: &str, admission: &Admission, bench: &mut Bench) -> Result<Option<String>, Halt> {
    let mut sessions: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for id in admission.witnesses() {
        let session = admission.suite.as_ref().and_then(|suite| suite.session_of(&bench.runner.target_of(&id)));
        sessions.entry(session).or_default().push(id);
    }
    let mut agree = 0;
    for witnesses in sessions.into_values() {
        agree += agreeing(witnesses, tree, admission, bench)?;
    }
    Ok((agree > 0).then(|| format!("{agree} tests that need the network fail as on gold")))
}

/// How many of the witnesses of one session fail on gold for want of a network. The repair fails all of these as gold does.
fn agreeing(witnesses: Vec<String>, tree: &str, admission: &Admission, bench: &mut Bench) -> Result<usize, Halt> {
    let files: BTreeSet<_> = witnesses.iter().map(|id| bench.runner.target_of(id)).collect();
    let files: Vec<_> = files.into_iter().collect();
    let ask = |tree, repeat| Ask { only: witnesses.clone(), repeat, ..Ask::suite(tree, &files) };
    let gold = bench.seen(&ask(steady::gold_of(admission)?, 0))?;
    if let Err(halt) = run_result::ended(&gold) {
        return Err(match halt {
            Halt::Judged(_, detail) => steady::control_failed(detail),
            needs @ Halt::Needs(_) => needs,
        });
    }
    let of_gold: BTreeMap<_, _> = witnesses
        .iter()
        .filter_map(|id| Some((id, End::of(id, &gold.report, bench.runner)?)))
        .filter(|(_, end)| bench.runner.cause(end.error).is_network())
        .collect();
    if of_gold.is_empty() {
        return Ok(0);
    }
    let first = bench.seen(&ask(tree, 0))?;
    let Some(once) = Otherwise::of(&first, &of_gold, bench)? else {
        return Ok(of_gold.len());
    };
    let second = bench.seen(&ask(tree, 1))?;
    Err(match Otherwise::of(&second, &of_gold, bench)? {
        None => Halt::Judged(Reason::Unsteady, format!("{}; run again, they fail as on gold", once.said)),
        Some(twice) => {
            let both: Vec<_> = once.own.intersection(&twice.own).map(String::as_str).collect();
            match both.first().and_then(|id| End::of(id, &second.report, bench.runner)) {
                Some(end) => {
                    let raised =
                        format!("{} raised by a line of the repair, where gold gets to the network", end.error);
                    Halt::Judged(Reason::BreaksNetworkTest, format!("{} ({raised})", name_some(both.iter().copied())))
                }
                None => Halt::Judged(Reason::DisputedByNetworkTest, twice.said),
            }
        }
    })
}

/// How a test failed in a run.
struct End<'a> {
    /// Its phases; none where its file could not be collected.
    phases: &'a [(Phase, Status)],
    error: &'a str,
    raised: Option<&'a Raised>,
    origin: Option<Origin>,
}

impl<'a> End<'a> {
    /// None: it did not fail, or did not run.
    fn of(id: &str, report: &'a TestReport, runner: &dyn Runner) -> Option<Self> {
        let (place, phases, error) = match report.tests.get_key_value(id) {
            Some((place, test)) => {
                let failed = test.phases.iter().any(|(_, status)| *status == Status::Failed);
                (place.as_str(), test.phases.as_slice(), test.error.as_deref().filter(|_| failed)?)
            }
            None => {
                let (place, error) = confirm::not_collected(id, report, runner)?;
                (place, &[][..], error)
            }
        };
        let trace = report.traces.get(place);
        let raised = trace.and_then(|trace| trace.raised.as_ref());
        Some(Self { phases, error, raised, origin: trace.map(|trace| trace.origin) })
    }

    fn as_gold(&self, gold: &Self, repair: Option<&Prepared>) -> bool {
        let file = |end: &Self| end.raised.map(|place| place.file.clone());
        let elsewhere = self.on_own_line(repair) && file(self) != file(gold);
        self.phases == gold.phases && self.error == gold.error && self.origin == gold.origin && !elsewhere
    }

    fn on_own_line(&self, repair: Option<&Prepared>) -> bool {
        repair.zip(self.raised).is_some_and(|(repair, place)| repair_lines::adds(repair, place))
    }

    /// Whether the exception is the repair's own doing. What reporters call an error of the system may be the network's, or
    /// raised over it; a name or attribute that is not there is neither.
    fn own(&self, repair: Option<&Prepared>, runner: &dyn Runner) -> bool {
        let cause = runner.cause(self.error);
        let not_there = matches!(cause, Cause::MissingAttribute | Cause::MissingName | Cause::UnboundName);
        let not_the_machine = self.origin == Some(Origin::Repository) || not_there;
        self.on_own_line(repair) && not_the_machine && !cause.is_network()
    }
}

/// What a run of the repair does otherwise than gold's.
struct Otherwise {
    said: String,
    /// Witnesses that end in an exception of the repair's own.
    own: BTreeSet<String>,
}

impl Otherwise {
    /// None: every witness fails as on gold.
    fn of(seen: &Seen, of_gold: &BTreeMap<&String, End>, bench: &Bench) -> Result<Option<Self>, Halt> {
        match run_result::ended(seen) {
            Ok(_) => {}
            Err(needs @ Halt::Needs(_)) => return Err(needs),
            // A bad end tells of no test.
            Err(Halt::Judged(_, detail)) => {
                let said = format!("the tests that need the network: {detail}; gold's run of them came to its end");
                return Ok(Some(Self { said, own: BTreeSet::new() }));
            }
        }
        let (mut differing, mut own, mut how) = (Vec::new(), BTreeSet::new(), None);
        for (id, gold) in of_gold {
            let end = End::of(id, &seen.report, bench.runner);
            if end.as_ref().is_some_and(|end| end.as_gold(gold, bench.repair)) {
                continue;
            }
            let found = end.as_ref().map_or("it does not fail", |end| end.error);
            how.get_or_insert_with(|| format!("{found}; on gold {}", gold.error));
            if end.is_some_and(|end| end.own(bench.repair, bench.runner)) {
                own.insert((*id).clone());
            }
            differing.push(id.as_str());
        }
        Ok(how.map(|how| Self { said: format!("{} ({how})", name_some(differing.iter().copied())), own }))
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
