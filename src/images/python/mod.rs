//! Python environments. In: a recipe and a project's metadata, or an image of others. Out: an interpreter with its packages,
//! named by what is in it. [`toolchain`] is the door.

pub mod build;
mod build_failure;
mod built;
pub mod docker;
pub mod environment;
pub mod inspect;
pub mod interpreter;
pub mod prepared;
pub mod project;
pub mod recipe;
mod scm_version;
pub mod toolchain;
