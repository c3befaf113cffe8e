//! A channel: where a runner's report comes from, and so what a report is worth. One table, here and in `docs/threats.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verdict::Evidence;

/// Where a report comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A reporter of ours in the test process, which got a nonce before anything of the tree was loaded.
    #[default]
    Reporter,
    /// A reporter in a parent process that the candidate's code cannot reach.
    Parent,
    /// One process per test: the runner's own word and the exit status.
    Process,
    /// Text of the test process in which the runner marks its own lines (Go 1.20 and newer).
    MarkedText,
    /// Text or a result file that any code can write (a test command, TAP, JUnit XML).
    Text,
}

impl Channel {
    /// The level that evidence has at most if the report comes by this channel; `None` if there is no bound. `strong_canary` says
    /// whether a strong canary failed, as it must, on gold and on the candidate. `read` says whether anything reads the language:
    /// if nothing does, no screen looked at the answer, and nothing derived canaries, held-out tests or mutants.
    ///
    /// | channel | without a strong canary | with one |
    /// | --- | --- | --- |
    /// | reporter, parent, process | as found | as found |
    /// | marked text | E1 at most | E2 at most |
    /// | text | E0: judged and never exported | E1 at most |
    /// | any of these, if nothing reads the language | E1 at most, and E0 for text | E1 at most |
    pub fn most(self, strong_canary: bool, read: bool) -> Option<Evidence> {
        let by_channel = match (self, strong_canary) {
            (Self::Reporter | Self::Parent | Self::Process, _) => None,
            (Self::MarkedText, true) => Some(Evidence::E2),
            (Self::MarkedText, false) | (Self::Text, true) => Some(Evidence::E1),
            (Self::Text, false) => Some(Evidence::E0),
        };
        let by_reader = (!read).then_some(Evidence::E1);
        by_channel.into_iter().chain(by_reader).min()
    }

    /// Whether it is the channel of a record that names none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether rows must say by which channel they were judged.
    pub fn is_said(self) -> bool {
        match self {
            Self::Reporter | Self::Parent | Self::Process => false,
            Self::MarkedText | Self::Text => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Evidence::{E0, E1, E2};

    #[test]
    fn a_channel_that_a_candidate_can_write_to_caps_the_evidence() {
        for (channel, plain, strong) in [
            (Channel::Reporter, None, None),
            (Channel::Parent, None, None),
            (Channel::Process, None, None),
            (Channel::MarkedText, Some(E1), Some(E2)),
            (Channel::Text, Some(E0), Some(E1)),
        ] {
            assert_eq!((channel.most(false, true), channel.most(true, true)), (plain, strong), "{channel:?}");
            // Nothing reads the language: never more than E1, and never more than before.
            let unread = if plain == Some(E0) { E0 } else { E1 };
            assert_eq!(
                (channel.most(false, false), channel.most(true, false)),
                (Some(unread), Some(E1)),
                "{channel:?}"
            );
        }
    }
}
