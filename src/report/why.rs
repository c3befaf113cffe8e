//! What a reason means, in a sentence for people who have not read the source.

use crate::model::verdict::Reason;

/// One sentence per reason.
pub fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Resolved => "Every expected test passed on the change as it would be exported.",
        Reason::Reproduces => "The test fails before the fix, for a reason of the issue, and passes after it.",
        Reason::Locates => "The files named cover everything that an accepted change touches.",
        Reason::Malformed => "The answer held nothing that could be used.",
        Reason::Unsafe => "The change leaves the repository, goes through a link or carries an odd file mode.",
        Reason::DoesNotApply => "The change does not fit the base commit exactly.",
        Reason::NoChange => "Nothing is left of the change once tests and configuration are taken back.",
        Reason::StillFailing => "A test that the issue is about still does not pass.",
        Reason::Regressed => "A test that passed before the change no longer passes.",
        Reason::DependsOnInfraEdit => "It passes only together with its edits to tests, runner or start-up files.",
        Reason::PassesImpossibleTest => "It passes a test that no correct program can pass: it answers the runner.",
        Reason::DisturbsTheSession => "Tests of ours that use nothing of the repository fail beside it.",
        Reason::FailsHeldOutTest => "It passes the tests, and near their inputs answers as if nothing were repaired.",
        Reason::TampersWithTests => "It passes by a run that changed trusted files.",
        Reason::BehavesOnlyUnderRunner => "It passes under the test runner and fails without it.",
        Reason::BreaksNetworkTest => {
            "A test ends in an exception of its own, where the reference solution gets as far as the network."
        }
        Reason::TimedOut => "It ran past the deadline where the reference solution finished well inside it.",
        Reason::OutOfMemory => "It used more memory than the limit allows.",
        Reason::EndedEarly => "The session ended before it said so.",
        Reason::ForgedReport => "The report holds records that the trusted reporter does not write.",
        Reason::ExitContradictsReport => "Exit status and report disagree.",
        Reason::ShadowsEnvironment => "A module of the environment was imported from the repository instead.",
        Reason::DoesNotReproduce => "The test passes before the fix.",
        Reason::FailsForWrongReason => "The test fails before the fix for a reason of its own.",
        Reason::FailsOnGold => "The test fails after the fix too.",
        Reason::NotCollected => "No test was collected, or not the same ones before and after the fix.",
        Reason::UnsteadyTest => "The test's result changes from run to run or with its surroundings.",
        Reason::BreaksOtherTests => "With the test in place, other tests of the repository no longer pass.",
        Reason::UnsoundOracle => "The test decides by something other than what the code does.",
        Reason::TouchesNonTests => "A test answer changes something other than tests.",
        Reason::UnknownFile => "It names a file that the repository does not have.",
        Reason::MissesFile => "It leaves out a file that every accepted change touches.",
        Reason::TooManyFiles => "It names more files than are allowed.",
        Reason::InstanceNotAdmitted => "The instance itself could not be used, so nothing is known.",
        Reason::SandboxFailed => "The machine failed, not the candidate; run again.",
        Reason::NotRun => "Something that the verdict needs was not run.",
        Reason::EvidenceUnreadable => "A stored report could not be read back.",
        Reason::CanaryUnreadable => "The control session gave no clear result.",
        Reason::DisputedByHeldOutTest => "It answers some held-out tests as the reference does and others not.",
        Reason::DisputedByNetworkTest => {
            "A test that needs the network goes otherwise beside it than beside the reference solution."
        }
        Reason::Unsteady => "Runs of the same thing differ, and nothing says which is right.",
        Reason::ControlFailed => {
            "The reference solution, run beside it, did not behave either: the machine is at fault."
        }
        Reason::PlainRunUnreadable => "The run without the test runner gave no clear result.",
        Reason::ChangesWhatIsBuilt => "It changes what the project is built from, and nothing was built of the change.",
        Reason::SuspiciousSource => "It would pass, but its source does what genuine changes do not: for review.",
        Reason::SourceNotRead => "It would pass, but the text of a file that it changes does not tell what runs.",
    }
}
