//! Python environments. In: a recipe and a project's metadata, or an image of others. Out: an interpreter with its packages,
//! named by what is in it. [`toolchain`] is the door.

pub mod docker;
pub mod environment;
pub mod inspect;
pub mod interpreter;
pub mod project;
pub mod recipe;
pub mod toolchain;
