//! Templates: what is said, written once and filled in for each recipient (T).
//!
//! A template is a file with front matter. Its body is text, MJML, HTML or JSON with `{{ variables }}`, conditions and loops.
//! Authors are trusted as little as leads are: the language is a small part of Jinja that this module reads itself, checks, and
//! writes out again before the engine sees it, so nothing the reader did not understand ever runs. Rendering is bounded in steps
//! and bytes.

mod context;
mod data;
mod engine;
mod expression;
mod filters;
mod front;
mod headers;
mod mail;
mod parts;
mod pieces;
mod problem;
mod reading;
mod set;
mod source;
mod template;
mod variables;
mod words;

pub use context::RenderContext;
pub use data::{Data, Own};
pub use headers::{FeedbackId, headers_for};
pub use problem::Problem;
pub use set::Templates;
pub use template::{RenderError, Rendered, Template};
pub use variables::VARIABLES;

#[cfg(test)]
mod tests;
