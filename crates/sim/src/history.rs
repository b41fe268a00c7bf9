//! Everything that happened in a world, in order: as a hash, and as lines when somebody wants to read it.

use sha2::{Digest, Sha256};
use std::fmt;

/// The history of one world.
#[derive(Debug, Clone, Default)]
pub struct History {
    hash: Sha256,
    lines: Option<Vec<String>>,
    began: i64,
}

impl History {
    /// A history that begins at this instant; with `keep` its lines can be read afterwards.
    pub fn new(began: i64, keep: bool) -> Self {
        Self {
            hash: Sha256::new(),
            lines: keep.then(Vec::new),
            began,
        }
    }

    /// Something happened.
    pub fn say(&mut self, at: i64, what: fmt::Arguments<'_>) {
        let line = format!("{:>14.6} {what}", (at - self.began) as f64 / 1e6);
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// The hash of all of it.
    pub fn hash(&self) -> String {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        hash.iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Its lines, when they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
