//! A file of migrations, read from a folder or handed over by the program (an embedded file system).

use std::sync::Arc;

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the folder, with `/` between parts.
    pub name: String,
    pub bytes: Arc<[u8]>,
}
