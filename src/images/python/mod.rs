//! Python environments. In: a recipe and a project's metadata, or an image of others. Out: an interpreter with its packages,
//! named by what is in it. [`toolchain`] is the door.

pub mod build;
mod build_failure;
mod build_scripts;
mod built;
pub mod docker;
pub mod environment;
mod extras;
pub mod inspect;
pub mod interpreter;
mod interpreters;
mod pip_failure;
mod pip_settings;
#[cfg(test)]
mod pip_tests;
pub mod prepared;
pub mod project;
pub mod recipe;
pub mod resolution;
#[cfg(test)]
mod resolution_tests;
mod runner_version;
mod scm_version;
pub mod toolchain;
mod unpack;
