//! What a language, a runner or a tool chain of one's own is written with. Each is registered before the command line is
//! read; `tests/assay/toy.rs` does it for shell scripts.

pub use crate::images::cache::Cache;
pub use crate::images::environment_error::EnvironmentError;
pub use crate::images::order::Order;
pub use crate::images::provisioned::Provisioned;
pub use crate::images::toolchain::{Toolchain, WarmUp, register as register_toolchain};
pub use crate::language::needs::{Asked, AskedFile, Needs};
pub use crate::language::{Files, Kind, Language, Reader, Row, register as register_language};
pub use crate::model::candidate::PathClass;
pub use crate::model::cause::Cause;
pub use crate::model::channel::Channel;
pub use crate::model::declared::Declared;
pub use crate::model::digest::Digest;
pub use crate::model::instance::Environment;
pub use crate::model::test_id::TestId;
pub use crate::model::trial::{TestPlan, TestReport};
pub use crate::runner::records::parse as parse_records;
pub use crate::runner::{Bare, Command, Runner, Sentinels, base_env, ordered, register as register_runner};
pub use crate::sandbox::{REPORT_FD, SUPPORT_DIR};
