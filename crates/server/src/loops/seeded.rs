//! The bug `answer-before-commit` (see [`ringback_core::seeded`]): callers are answered although nothing is on the disk yet. And a word
//! that kills the server when it is to be said, as a bug in a library would.

use super::inbox::Reply;
use ringback_core::messages::Content;
use ringback_core::seeded::{Bug, has};
use ringback_core::turn::Answer;
use std::time::Duration;

/// As if commits were gathered after their answers.
const HELD_BACK: Duration = Duration::from_millis(20);

/// Answers although nothing is on the disk yet.
pub(super) fn answer_before_commit(replies: &mut [Option<Reply>], answers: &[Answer]) {
    if has(Bug::AnswerBeforeCommit) && replies.iter().any(Option::is_some) {
        super::turns::answer(replies, answers.to_vec());
        std::thread::sleep(HELD_BACK);
    }
}

/// Whoever is to say this dies of it. Only in builds that carry bugs on purpose.
const DEADLY: &str = "a word that kills this server";

/// Ends the process, without a chance to write anything down, when a message has the deadly word in it.
pub(super) fn die_of(content: &Content) {
    let text = match content {
        Content::Text { body } | Content::Json { body, .. } => body,
        Content::Mail { text, .. } => text,
    };
    if text.contains(DEADLY) {
        std::process::abort();
    }
}
