//! What our own tests and benches use of the inside, item by item. It is no part of the library's face and promises nothing.
//! An item that is not listed here and that nothing uses is found by the compiler.

pub mod admission_report {
    pub use crate::admission_report::AdmissionReport;
}
pub mod audit {
    pub use crate::audit::{
        Agreement, AuditReport, Checks, Findings, Level, Measures, Place, Rule, check, check_files, open,
    };
}
pub mod consensus {
    pub use crate::consensus::{Entry, Method, Panel, Rules, Similarities};
    pub mod curve {
        pub use crate::consensus::curve::Scaling;
    }
    pub mod normal {
        pub use crate::consensus::normal::{Normaliser, edits_of};
    }
    pub mod selection {
        pub use crate::consensus::selection::Selection;
    }
}
pub mod console {
    pub use crate::console::Console;
}
pub mod curriculum {
    pub mod report {
        pub use crate::curriculum::report::Curriculum;
    }
}
pub mod dataset {
    pub mod evidence {
        pub use crate::dataset::evidence::unpack;
    }
    pub mod export {
        pub use crate::dataset::export::{ExportSummary, export};
    }
    pub mod files {
        pub mod parquet {
            pub use crate::dataset::files::parquet::{Bounds, ParquetWriter, each_row};
        }
        pub mod shard {
            pub use crate::dataset::files::shard::LineWriter;
        }
    }
    pub mod options {
        pub use crate::dataset::options::ExportOptions;
    }
    pub mod reward {
        pub use crate::dataset::reward::write;
    }
    pub mod rows {
        pub use crate::dataset::rows::{Attempts, Reasoning, preference_row, rl_columns, rl_row, sft_columns, sft_row};
    }
    pub mod seal {
        pub mod checks {
            pub use crate::dataset::seal::checks::{CheckOptions, Licenses};
        }
        pub mod entries {
            pub use crate::dataset::seal::entries::Config;
        }
        pub mod file_names {
            pub use crate::dataset::seal::file_names::{MANIFEST, STATEMENT};
        }
        pub mod manifest {
            pub use crate::dataset::seal::manifest::{Contents, Manifest};
        }
        pub mod merkle {
            pub use crate::dataset::seal::merkle::root;
        }
        pub mod signature {
            pub use crate::dataset::seal::signature::{ENVELOPE, Envelope, PublicKey, SecretKey};
        }
        pub mod statement {
            pub use crate::dataset::seal::statement::Statement;
        }
    }
    pub mod select {
        pub mod contamination {
            pub use crate::dataset::select::contamination::Benchmarks;
        }
        pub mod matched {
            pub use crate::dataset::select::matched::Matched;
        }
    }
    pub mod source {
        pub use crate::dataset::source::Source;
    }
    pub mod views {
        pub use crate::dataset::views::View;
    }
}
pub mod exit_code {
    pub use crate::exit_code::Stop;
}
pub mod hub {
    pub use crate::hub::{Account, Hub, Patience, RepoId, download};
}
pub mod images {
    pub mod cache {
        pub use crate::images::cache::Cache;
    }
    pub mod environment_error {
        pub use crate::images::environment_error::EnvironmentError;
    }
    pub mod go {
        pub mod compiler {
            pub use crate::images::go::compiler::Compiler;
        }
        pub mod toolchain {
            pub use crate::images::go::toolchain::GoToolchain;
        }
    }
    pub mod inventory {
        pub use crate::images::inventory::{list, total};
    }
    pub mod order {
        pub use crate::images::order::Order;
    }
    pub mod provisioned {
        pub use crate::images::provisioned::Provisioned;
    }
    pub mod python {
        pub mod build {
            pub use crate::images::python::build::Ground;
        }
        pub mod docker {
            pub use crate::images::python::docker::{ImageRequest, docker_build};
        }
        pub mod environment {
            pub use crate::images::python::environment::Environments;
        }
        pub mod project {
            pub use crate::images::python::project::ProjectMetadata;
        }
        pub mod recipe {
            pub use crate::images::python::recipe::Recipe;
        }
        pub mod resolution {
            pub use crate::images::python::resolution::Wishes;
        }
    }
    pub mod seal_docker {
        pub use crate::images::seal_docker::BASE_VARIABLE;
    }
    pub mod seal_host {
        pub use crate::images::seal_host::{SealError, seal_host};
    }
    pub mod toolchain {
        pub use crate::images::toolchain::Toolchain;
    }
    pub mod unpacked {
        pub use crate::images::unpacked::find;
    }
}
pub mod intake {
    pub use crate::intake::{
        Quarantined, Wanted, each_record, fetch_pair, import_folders, import_pair, import_range, read_generations,
        read_instances, repository_path, write_import, write_quarantine,
    };
}
pub mod interval {
    pub use crate::interval::exact_95;
}
pub mod journal {
    pub use crate::journal::{Failure, Record, RunDir, RunInfo, StoredBlob};
}
pub mod judge {
    pub use crate::judge::{DeadlineRule, Evidence, LocalizationRules, Peers, Step, judge};
}
pub mod lab {
    pub use crate::lab::{Admissions, Lab, Located, Sample, Samples, Settings, read_candidate, recompute};
    pub mod verify {
        pub mod ground {
            pub use crate::lab::verify::ground::Ground;
        }
        pub mod read_cache {
            pub use crate::lab::verify::read_cache::ReadCache;
        }
    }
}
pub mod language {
    pub mod classes {
        pub use crate::language::classes::protected;
    }
}
pub mod model {
    pub mod admission {
        pub use crate::model::admission::{Admission, Trees};
    }
    pub mod candidate {
        pub use crate::model::candidate::{Candidate, Payload, TrialTrees};
    }
    pub mod contest {
        pub use crate::model::contest::Contest;
    }
    pub mod digest {
        pub use crate::model::digest::{Digest, canonical_json};
    }
    pub mod format {
        pub use crate::model::format::{
            ADMISSION, ADMISSION_REPORT, AUDIT, BLOB, BUNDLE, CANDIDATE, CONTEST, CURRICULUM, ENVELOPE, GENERATION,
            INSTANCE, MANIFEST, MATRIX, OUTCOME, OUTPUTS, PREFERENCE_ROW, PROMPT, QUARANTINE, RECEIPT, REPORT, REWARD,
            REWARD_BATCH, REWARD_BATCH_QUESTION, REWARD_ERROR, REWARD_QUESTION, RL_ROW, RUN, SCALING, SELECTION,
            SFT_ROW, STATEMENT, VERDICT,
        };
    }
    pub mod generation {
        pub use crate::model::generation::{Generation, GenerationRef, Message, Skill};
    }
    pub mod instance {
        pub use crate::model::instance::{Environment, Instance, Source};
    }
    pub mod matrix {
        pub use crate::model::matrix::Matrix;
    }
    pub mod receipt {
        pub use crate::model::receipt::{Receipt, Tool};
    }
    pub mod trial {
        pub use crate::model::trial::{
            Exit, Limits, Mode, Origin, Outcome, OutputRef, Phase, Status, TestPlan, TestReport, TestResult, Trace,
            Trial, Variation,
        };
    }
    pub mod verdict {
        pub use crate::model::verdict::{Evidence, Reason, Verdict, VerdictStatus};
    }
}
pub mod prompt {
    pub use crate::prompt::Prompt;
    pub mod compose {
        pub use crate::prompt::compose::{Composer, Recipe};
    }
    pub mod extract {
        pub use crate::prompt::extract::extract;
    }
    pub mod render {
        pub use crate::prompt::render::{PromptContext, PromptFile, render};
    }
    pub mod templates {
        pub use crate::prompt::templates::Templates;
    }
}
pub mod repo {
    pub use crate::repo::{Repository, Sources, instance_trees, prepare};
}
pub mod runner {
    pub use crate::runner::{Command, Runner, by_name, of};
    pub mod python {
        pub mod bare {
            pub use crate::runner::python::bare::RUNNER_LOADED;
        }
        pub mod pytest {
            pub use crate::runner::python::pytest::Pytest;
        }
    }
}
pub mod sandbox {
    pub use crate::sandbox::{
        Backing, ENVIRONMENT_DIR, Engine, Executed, FileChange, Job, LAYER_MTIME, Lease, SUPPORT_DIR, Sandbox,
        SandboxError, SealedImage, Slot,
    };
    pub mod cell {
        pub use crate::sandbox::cell::{Cell, probe, sweep};
    }
    pub mod docker {
        pub use crate::sandbox::docker::{Docker, OWNER_LABEL};
        pub mod cells {
            pub use crate::sandbox::docker::cells::DockerCells;
        }
    }
}
pub mod schema {
    pub use crate::schema::{all, of, text, write_all};
}
pub mod serve {
    pub use crate::serve::{Answer, BatchAnswer, Code, Item, NoVerdict, Problem, Timings, Unanswered};
}
pub mod shelf {
    pub use crate::shelf::Shelf;
}
pub mod tokens {
    pub use crate::tokens::Counter;
}
