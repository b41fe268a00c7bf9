//! The mend for a misspelt name.

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
    let mut out = String::with_capacity(text.len().min(limit + 3));
    for (count, letter) in text.trim().chars().enumerate() {
        if count == limit {
            out.push('…');
            break;
        }
        let hidden = letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        out.push(if hidden { ' ' } else { letter });
    }
    out
}
