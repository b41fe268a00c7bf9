//! One form for texts that say the same: NFKC, lower case, no accents, no punctuation, no emoji, single spaces.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longer messages are read to here; nobody hides a stop behind two thousand characters.
const MAX_CHARS: usize = 2_000;

/// The normal form of a message. Apostrophes vanish ("don't" is "dont"), other marks part words, a letter said three times or
/// more is said once ("stoppp"), and what mail programs append is cut.
pub(super) fn normal(body: &str) -> String {
    let mut out = String::with_capacity(body.len().min(MAX_CHARS));
    let mut gap = false;
    let (mut before, mut run) = ('\0', 0);
    for c in body
        .chars()
        .take(MAX_CHARS)
        .nfkd()
        .flat_map(char::to_lowercase)
    {
        if is_combining_mark(c) || is_silent(c) {
            continue;
        }
        if !c.is_alphanumeric() {
            gap = !out.is_empty();
            before = '\0';
            continue;
        }
        run = if c == before { run + 1 } else { 1 };
        before = c;
        if run >= 3 && c.is_alphabetic() {
            if run == 3 {
                // The second of them went in before we knew.
                out.pop();
            }
            continue;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        out.push(c);
    }
    cut_signature(out)
}

/// Apostrophes of every shape, and characters without width.
fn is_silent(c: char) -> bool {
    matches!(
        c,
        '\'' | '’' | '‘' | 'ʼ' | '`' | '´' | '\u{200b}'
            ..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe0f}' | '\u{ad}'
    )
}

fn cut_signature(mut text: String) -> String {
    for mark in [
        " sent from my ",
        " sent from yahoo",
        " sent from mail for",
        " get outlook for ",
        " enviado desde mi ",
        " envoye de mon ",
    ] {
        if let Some(at) = text.find(mark) {
            text.truncate(at);
        }
    }
    text
}

/// The words of a normal form.
pub(super) fn words_of(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_say_the_same_have_one_form() {
        for (body, form) in [
            ("STOP!!!", "stop"),
            ("  Stop.  ", "stop"),
            ("stoppppp", "stop"),
            ("STOOOP", "stop"),
            ("ＳＴＯＰ", "stop"),
            ("S\u{200b}TOP 🛑✋🏽", "stop"),
            ("Opt-Out", "opt out"),
            ("arrêt", "arret"),
            ("ARRE\u{302}T", "arret"),
            ("¡No más!", "no mas"),
            ("Don’t text me", "dont text me"),
            ("Désabonner", "desabonner"),
            ("Stop\n\nSent from my iPhone", "stop"),
            ("too cool 555 1000", "too cool 555 1000"),
            ("🙂", ""),
            ("", ""),
        ] {
            assert_eq!(normal(body), form, "{body:?}");
        }
    }

    #[test]
    fn a_very_long_message_is_read_to_a_limit() {
        assert!(normal(&"ab ".repeat(100_000)).len() <= MAX_CHARS);
    }
}
