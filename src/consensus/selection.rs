//! What was chosen for an instance, as it is written down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::{Choice, Method, Rules, Used};
use super::panel::{LeftOut, Panel};
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::GenerationRef;

/// Where a candidate comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The generation's digest; two equal generations have one.
    pub candidate_id: Digest,
    pub generation: GenerationRef,
}

/// One line of `selection.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    pub format: String,
    pub instance_id: String,
    pub method: Method,
    /// Samples asked for per instance; half of it is how many neighbours make a density.
    pub num_samples: u64,
    /// Number of the chosen candidate; none where no candidate holds a patch, and the empty patch is predicted.
    pub chosen: Option<u64>,
    /// Votes of the chosen patch.
    pub votes: u32,
    /// Candidates that the filters left.
    pub eligible: u64,
    /// Evidence that the choice rests on.
    pub used: Vec<Used>,
    /// Filters that did not apply, and what decided.
    pub why: Vec<String>,
    pub candidates: Vec<Ballot>,
    /// Where samples stand in the input again; these have no vote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<GenerationRef>,
}

/// One candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ballot {
    /// Place among the candidates: samples first, the files they come from second.
    pub number: u64,
    #[serde(flatten)]
    pub origin: Origin,
    /// Digest of the normalised patch; none without a patch.
    pub key: Option<Digest>,
    pub eligible: bool,
    /// Why it takes no part: it holds no patch, or one that cannot be applied or changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Eligible candidates with the same key.
    pub votes: u32,
    /// Density or score, where the choice needed it.
    pub score: Option<f64>,
    /// Regression tests that did not pass; none where that is not known.
    pub regression_failures: Option<u32>,
}

impl Selection {
    /// Writes a choice down. `origins` are those of the panel's candidates, `repeated` of what has no vote.
    pub fn new(
        panel: &Panel,
        origins: &[Origin],
        repeated: Vec<GenerationRef>,
        rules: &Rules,
        choice: &Choice,
    ) -> Self {
        let votes = |candidate: usize| choice.votes.get(&panel.keys.of(candidate)).copied().unwrap_or(0);
        let ballot = |(number, origin): (usize, &Origin)| {
            let entry = &panel.entries[number];
            let eligible = choice.eligible.contains(&number);
            Ballot {
                number: number as u64,
                origin: origin.clone(),
                key: (!entry.key.is_empty()).then(|| Digest::of(entry.key.as_bytes())),
                eligible,
                left_out: entry.left_out.clone(),
                votes: if eligible { votes(number) } else { 0 },
                score: choice.scores.get(&number).copied(),
                regression_failures: entry.regression.known(),
            }
        };
        Self {
            format: format::SELECTION.to_owned(),
            instance_id: panel.instance_id.clone(),
            method: rules.method,
            num_samples: rules.num_samples as u64,
            chosen: choice.candidate.map(|candidate| candidate as u64),
            votes: choice.candidate.map_or(0, votes),
            eligible: choice.eligible.len() as u64,
            used: choice.used.iter().copied().collect(),
            why: choice.why.clone(),
            candidates: origins.iter().enumerate().map(ballot).collect(),
            repeated,
        }
    }
}
