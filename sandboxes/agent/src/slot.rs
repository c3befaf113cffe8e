//! An open slot, as its jobs share it.

use super::layer::Layer;
use super::seal::Filters;
use super::tally::Tally;

/// What all jobs of a slot share.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    pub workdir: &'a str,
    pub layer: &'a Layer,
    pub filters: &'a Filters,
    pub tally: &'a Tally,
    /// `/var/tmp` is a directory of its own, not a link to `/tmp`.
    pub own_var_tmp: bool,
}
