//! A bug that is put in on purpose, in builds with the feature `seeded-bugs` alone: callers are answered before the commit. The crash
//! campaign that finds nothing in the real server must find this one.

use super::inbox::Reply;
use ringback_core::turn::Answer;
use std::sync::LazyLock;
use std::time::Duration;

static ON: LazyLock<bool> = LazyLock::new(|| {
    std::env::var_os("RINGBACK_TEST_ANSWER_BEFORE_COMMIT").is_some_and(|value| value == "1")
});
/// As if commits were gathered after their answers.
const HELD_BACK: Duration = Duration::from_millis(20);

/// Answers although nothing is on the disk yet.
pub(super) fn answer_before_commit(replies: &mut [Option<Reply>], answers: &[Answer]) {
    if *ON && replies.iter().any(Option::is_some) {
        super::turns::answer(replies, answers.to_vec());
        std::thread::sleep(HELD_BACK);
    }
}
