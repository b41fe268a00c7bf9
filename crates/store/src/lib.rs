//! What Ringback remembers. The only place that speaks SQL.
//!
//! One [`Writer`] changes the database, a turn at a time; [`Readers`] answer questions beside it. Both are made by [`open`].

pub mod backup;
mod engine;
mod house;
mod ledger;
mod lists;
pub mod moving;
mod nodes;
mod open;
mod readers;
mod recovery;
mod rows;
mod sql;
mod writer;

pub use house::*;
pub use ledger::{Broken, BrokenHow, Verified};
pub use lists::*;
pub use nodes::{Beat, Dead, Node, Registrar, Role};
pub use open::{OpenError, join_postgres, look, open, open_postgres, open_restored};
pub use readers::{Reader, Readers};
pub use recovery::{HeldCount, HoldRow, HoldState};
pub use writer::{Checkpointer, Writer};

/// Why the database did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the database failed at {at}")]
    Failed {
        /// The statement's name or what was tried.
        at: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody else changed the same at the same time: nothing was changed, and it is to be decided again.
    #[error("another node was in the way at {at}: nothing was stored, try again")]
    Busy {
        /// The statement's name or what was tried.
        at: &'static str,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database cannot be reached: nothing was changed.
    #[error("the database cannot be reached at {at}: nothing was stored, try again in a moment")]
    Away {
        /// The statement's name or what was tried.
        at: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke during the commit, and it could not be found out what became of it.
    #[error(
        "the database went away during the commit: nobody knows whether it was stored, so ask before it is tried again"
    )]
    Unsure,
    /// Others count this node as dead and have taken over its work: nothing was changed.
    #[error(
        "this node was away for too long and others took over its work: nothing was stored, try again in a moment"
    )]
    Fenced,
    /// The house changed on another node: nothing was changed, and it is to be decided again with what holds now.
    #[error("the configuration changed on another node: it is read anew, try again")]
    Stale,
    /// What must be remembered outside of the database could not be written down; nothing was changed.
    #[error("the journal could not be written")]
    Journal(#[source] std::io::Error),
    /// The disk is full: nothing was changed.
    #[error("the disk is full: nothing was stored, free some space and try again")]
    DiskFull,
    /// A row that cannot be.
    #[error("row {id} of {table} has an impossible {column}")]
    Impossible {
        /// Table.
        table: &'static str,
        /// Row.
        id: i64,
        /// Column.
        column: &'static str,
    },
}

impl StoreError {
    /// A column that holds something else than it must.
    #[cold]
    pub(crate) fn column(n: usize) -> Self {
        Self::Failed {
            at: "reading a row",
            source: format!("column {n} holds another kind of value than it must").into(),
        }
    }

    /// A statement that must find a row found none.
    #[cold]
    pub(crate) fn nothing(at: &'static str) -> Self {
        Self::Failed {
            at,
            source: "no row was found where there is always one".into(),
        }
    }
}
