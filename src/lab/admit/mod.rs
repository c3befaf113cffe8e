//! Admission. In: an instance. Out: its site (repository, trees, sealed image) and what running base and gold showed.

pub mod bare;
mod bill;
pub mod canaries;
pub mod contests;
pub mod controls;
pub mod difference;
pub mod foreign_image;
pub mod image_request;
pub mod imported;
pub mod minimal;
pub mod refusals;
pub mod site_builder;
mod test_files;
