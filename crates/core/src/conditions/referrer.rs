//! What somebody searched for before the visit, read from the address they came from (S3).

use std::borrow::Cow;

/// The words that were searched for before the visit, from the query of the referrer. Only parameters that search engines and
/// sites use for it are read, since the rest is noise in which any short word may be found.
pub(super) fn searched(referrer: &str) -> Option<Cow<'_, str>> {
    const NAMES: [&str; 14] = [
        "q",
        "query",
        "p",
        "search",
        "search_query",
        "s",
        "text",
        "wd",
        "term",
        "keyword",
        "keywords",
        "k",
        "find_desc",
        "rdq",
    ];
    let referrer = referrer
        .get(..4_096)
        .unwrap_or(referrer)
        .split('#')
        .next()?;
    let query = referrer.split_once('?')?.1;
    if query.len() > 4_096 {
        return None;
    }
    let mut found: Option<Cow<'_, str>> = None;
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if value.is_empty() || !NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        let value = decoded(value);
        match &mut found {
            Some(words) => {
                let words = words.to_mut();
                words.push(' ');
                words.push_str(&value);
            }
            None => found = Some(value),
        }
    }
    found.filter(|words| !words.trim().is_empty())
}

/// Undoes the encoding of a query value; what is no valid escape stays as it is.
fn decoded(value: &str) -> Cow<'_, str> {
    if !value.contains(['+', '%']) {
        return Cow::Borrowed(value);
    }
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit =
                    |offset: usize| bytes.get(offset).and_then(|b| char::from(*b).to_digit(16));
                if let (Some(high), Some(low)) = (digit(at), digit(at + 1)) {
                    out.push((high * 16 + low) as u8);
                    at += 2;
                } else {
                    out.push(b'%');
                }
            }
            other => out.push(*other),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searched_words_come_out_of_the_referrer() {
        for (referrer, words) in [
            (
                "https://www.google.com/search?q=no+hot+water&ved=leakleak",
                Some("no hot water"),
            ),
            (
                "https://example.com/?p=burst%20pipe#q=no",
                Some("burst pipe"),
            ),
            ("https://example.com/?q=a&query=b", Some("a b")),
            ("https://example.com/?q=%zz%4", Some("%zz%4")),
            ("https://example.com/?q=%C3%A9t%C3%A9", Some("été")),
            ("https://example.com/?q=%FF", Some("\u{fffd}")),
            ("https://leak.example.com/leak", None),
            ("https://example.com/?q=", None),
            ("https://example.com/?q=+", None),
            ("", None),
        ] {
            assert_eq!(searched(referrer).as_deref(), words, "{referrer}");
        }
    }
}
