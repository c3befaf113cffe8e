//! A lease: what keeps an image from being removed while it is in use. The sandbox does not look into it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Keeps a sealed image from being removed while it or a clone of it lives; a process that dies holds none.
#[derive(Clone, Default)]
pub struct Lease {
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Lease {
    /// Holds this until the last clone is dropped.
    pub fn of(held: impl Any + Send + Sync) -> Self {
        Self { held: Some(Arc::new(held)) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("held", &self.held.is_some()).finish()
    }
}
