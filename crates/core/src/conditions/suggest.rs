//! The mend for a misspelt name.

use std::fmt::{self, Write};

/// The one of `known` that `written` most likely means, if any is near.
pub(crate) fn nearest<'k>(
    written: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    if written.len() > 100 {
        return None;
    }
    let written = written.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&written, name), name))
        .filter(|(near, _)| *near >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// “did you mean x?” for the end of a sentence, or nothing.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(written, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// A stranger's text in a message: in quotes, cut, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    format!("“{}”", shown(text, 80))
}

/// At most `limit` characters of a text, without control characters and marks that turn the direction of writing.
pub(crate) fn shown(text: &str, limit: usize) -> String {
    Shown(text, limit).to_string()
}

/// A text as it may be shown: see [`shown`].
pub(crate) struct Shown<'t>(pub(crate) &'t str, pub(crate) usize);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, limit) = *self;
        let text = text.trim();
        if text.len() <= limit
            && text
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return f.write_str(text);
        }
        for (count, letter) in text.chars().enumerate() {
            if count == limit {
                return f.write_char('…');
            }
            let hidden = letter.is_control()
                || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            f.write_char(if hidden { ' ' } else { letter })?;
        }
        Ok(())
    }
}
