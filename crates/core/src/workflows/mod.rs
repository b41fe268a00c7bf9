//! Workflows: what happens when (W).

pub mod definition;

pub use definition::*;
