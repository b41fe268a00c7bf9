//! The bug `answer-before-commit` (see [`ringback_core::seeded`]): callers are answered although nothing is on the disk yet.

use super::inbox::Reply;
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
