//! What went wrong, as a sentence with its causes in front.

use std::fmt;

/// A failure of the harness itself: the thing tried, then why it did not work.
#[derive(Debug)]
pub struct Fault(String);

/// The result of everything that can fail here.
pub type Tried<T> = Result<T, Fault>;

impl Fault {
    /// A fault that says `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being done when something failed.
pub trait While<T> {
    /// Puts `what` in front of the cause.
    fn during(self, what: impl fmt::Display) -> Tried<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Tried<T> {
        self.map_err(|why| Fault(format!("{what}: {why}")))
    }
}

/// A fault from a formatted sentence.
macro_rules! fault {
    ($($what:tt)*) => { $crate::fault::Fault::new(format!($($what)*)) };
}
pub(crate) use fault;
