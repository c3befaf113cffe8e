//! Filters by tests, which several rules of choice share.

use super::choice::Choice;
use super::panel::{Panel, Standing};

/// If evidence is not used, notes why.
pub(super) fn usable(what: &str, standing: Standing, choice: &mut Choice) -> bool {
    match standing {
        Standing::Complete => true,
        Standing::None => {
            choice.why.push(format!("no {what}"));
            false
        }
        Standing::Partial { tried, of } => {
            choice.why.push(format!(
                "{what} ran for {tried} of {of} candidates only, so they are not used; run `assay verify --matrix`"
            ));
            false
        }
    }
}

/// Keeps the candidates with the fewest failing regression tests among those whose number is known. The released code
/// takes a missing report for no failure, and the minimum over empty patches too: one crash then drops every honest one.
pub(super) fn fewest_failures(panel: &Panel, choice: &mut Choice) {
    let failures = |candidate: &usize| panel.entries[*candidate].regression.known();
    let Some(least) = choice.eligible.iter().filter_map(failures).min() else {
        choice.why.push("no regression result is known, so they are left out".to_owned());
        return;
    };
    choice.eligible.retain(|candidate| failures(candidate) == Some(least));
}
