//! Images: everything a trial needs except the candidate's files, made once and kept. In: an instance's environment. Out: a
//! [`crate::sandbox::SealedImage`].
//!
//! `seal_host` and `seal_docker` make images of ours, from a `recipe`; `foreign`, `seal_foreign_host`,
//! `seal_foreign_docker` and `unpacked` take images of others. `cache`, `lease` and `inventory` keep them. What a language
//! needs stands in a folder with its name.

pub mod cache;
pub mod foreign;
pub mod inventory;
pub mod inventory_docker;
pub mod lease;
pub mod python;
pub mod recipe;
pub mod seal_docker;
pub mod seal_foreign_docker;
pub mod seal_foreign_host;
pub mod seal_host;
pub mod unpack;
pub mod unpacked;
