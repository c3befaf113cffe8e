//! Go's tool chain. In: a tree with its `go.mod`. Out: Go of the host, what is built of its standard library, and the
//! modules that the tree asks for.

pub mod compiler;
pub mod module_file;
pub mod toolchain;
