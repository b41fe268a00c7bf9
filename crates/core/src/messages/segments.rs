//! How many SMS segments a text is billed as (T2).

use std::borrow::Cow;

/// The alphabet a text message travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Seven bits a character; `^ { } \ [ ] ~ | €` cost two.
    Gsm7,
    /// UTF-16; emoji cost two units or more.
    Ucs2,
}

/// What a text costs in segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Segments {
    /// The alphabet the whole text travels in: one character outside GSM-7 turns all of it into UCS-2.
    pub encoding: Encoding,
    /// Septets (GSM-7) or UTF-16 code units (UCS-2).
    pub units: u32,
    /// Segments billed; an empty text is one.
    pub count: u32,
    /// Units that fit into each segment of this text: fewer when there are several, because each carries a header.
    pub per_segment: u32,
}

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// Septets of each ASCII character, 0 for those outside GSM-7: a table, because every text sent passes here.
const ASCII: [u8; 128] = {
    let mut table = [0u8; 128];
    let (basic, extension) = (BASIC.as_bytes(), EXTENSION.as_bytes());
    let mut at = 0;
    while at < basic.len() {
        if basic[at] < 128 {
            table[basic[at] as usize] = 1;
        }
        at += 1;
    }
    at = 0;
    while at < extension.len() {
        if extension[at] < 128 {
            table[extension[at] as usize] = 2;
        }
        at += 1;
    }
    table
};

/// Septets of a character, `None` outside GSM-7. Source: 3GPP TS 23.038 §6.2.1.
fn septets(c: char) -> Option<u32> {
    if c.is_ascii() {
        return match ASCII[c as usize] {
            0 => None,
            cost => Some(u32::from(cost)),
        };
    }
    if c == '€' {
        return Some(2);
    }
    BASIC.contains(c).then_some(1)
}

/// Number of SMS segments `text` is billed as: GSM-7 160 septets alone or 153 each when joined, UCS-2 70 or 67.
/// An escape pair or surrogate pair is never split, so a boundary can cost one unit.
/// Source: 3GPP TS 23.038 §6.2.1, TS 23.040 §9.2.3.24.1.
pub fn segments(text: &str) -> Segments {
    let (encoding, units) = measure(text);
    let (alone, joined) = room(encoding);
    if units <= alone {
        return Segments {
            encoding,
            units,
            count: 1,
            per_segment: alone,
        };
    }
    let (mut count, mut used) = (1, 0);
    for c in text.chars() {
        let cost = cost(c, encoding);
        if used + cost > joined {
            count += 1;
            used = 0;
        }
        used += cost;
    }
    Segments {
        encoding,
        units,
        count,
        per_segment: joined,
    }
}

/// The segments of a text, in order; joined they are the text.
pub fn parts(text: &str) -> Vec<&str> {
    let (encoding, units) = measure(text);
    let (alone, joined) = room(encoding);
    if units <= alone {
        return vec![text];
    }
    let (mut parts, mut from, mut used) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        let cost = cost(c, encoding);
        if used + cost > joined {
            parts.push(&text[from..at]);
            (from, used) = (at, 0);
        }
        used += cost;
    }
    parts.push(&text[from..]);
    parts
}

/// The text with typographic look-alikes (curly quotes, dashes, no-break spaces) written in GSM-7, if that is all it takes to
/// travel in GSM-7 and cost less than half; else the text as it is.
pub fn economical(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| septets(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match (septets(c), look_alike(c)) {
            (Some(_), _) => plain.push(c),
            (None, Some(instead)) => plain.push_str(instead),
            (None, None) => return Cow::Borrowed(text),
        }
    }
    Cow::Owned(plain)
}

fn look_alike(c: char) -> Option<&'static str> {
    Some(match c {
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => "\"",
        '‘' | '’' | '‚' | '‛' | '′' | '`' | '´' | 'ʼ' => "'",
        '‹' => "<",
        '›' => ">",
        '–' | '—' | '―' | '‐' | '‑' | '‒' | '−' => "-",
        '…' => "...",
        '•' | '·' => "-",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => " ",
        '⁄' | '∕' => "/",
        '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => "",
        _ => return None,
    })
}

fn measure(text: &str) -> (Encoding, u32) {
    let mut septet_sum = 0u32;
    for c in text.chars() {
        match septets(c) {
            Some(cost) => septet_sum = septet_sum.saturating_add(cost),
            None => {
                let units = text
                    .chars()
                    .fold(0u32, |sum, c| sum.saturating_add(c.len_utf16() as u32));
                return (Encoding::Ucs2, units);
            }
        }
    }
    (Encoding::Gsm7, septet_sum)
}

fn cost(c: char, encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Gsm7 => septets(c).unwrap_or(1),
        Encoding::Ucs2 => c.len_utf16() as u32,
    }
}

/// Units of a segment that stands alone, and of one among several.
const fn room(encoding: Encoding) -> (u32, u32) {
    match encoding {
        Encoding::Gsm7 => (160, 153),
        Encoding::Ucs2 => (70, 67),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(serde::Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        text: String,
        smart: bool,
        encoding_chosen: String,
        characters: u32,
        segments: u32,
        message_bits: u32,
        total_bits: u32,
    }

    /// T2: the count is the one the provider's own calculator gives.
    #[test]
    fn segments_are_counted_as_the_published_calculator_counts_them() {
        let file = include_str!("../../tests/fixtures/sms_segments.json");
        let vectors: Vectors = serde_json::from_str(file).unwrap();
        assert_eq!(vectors.vectors.len(), 30);
        for v in vectors.vectors {
            let text = if v.smart {
                economical(&v.text)
            } else {
                Cow::Borrowed(v.text.as_str())
            };
            let got = segments(&text);
            let (encoding, bits, header) = match got.encoding {
                Encoding::Gsm7 => ("GSM-7", 7, 7 * 7 - 1),
                Encoding::Ucs2 => ("UCS-2", 16, 6 * 8),
            };
            assert_eq!(encoding, v.encoding_chosen, "{}", v.name);
            assert_eq!(got.count, v.segments, "{}", v.name);
            assert_eq!(got.units * bits, v.message_bits, "{}", v.name);
            if got.encoding == Encoding::Gsm7 {
                assert_eq!(got.units, v.characters, "{}", v.name);
            }
            let headers = if got.count > 1 { got.count * header } else { 0 };
            assert_eq!(got.units * bits + headers, v.total_bits, "{}", v.name);
            assert_eq!(parts(&text).len() as u32, got.count, "{}", v.name);
        }
    }

    /// T2: a curly quote that came from a word processor does not double the price.
    #[test]
    fn look_alikes_are_swapped_only_when_that_saves_the_alphabet() {
        assert_eq!(
            economical("it’s “fine” – really…"),
            "it's \"fine\" - really..."
        );
        assert_eq!(economical("it’s ż"), "it’s ż");
        assert!(matches!(economical("plain"), Cow::Borrowed("plain")));
    }

    proptest! {
        /// T2: nothing is lost at a boundary, no part is larger than a segment, and parts agree with the count.
        #[test]
        fn joined_parts_are_the_text(text in "(\\PC|[a-z€{}\\^\n]|[ż🙂]){0,400}") {
            let parts = parts(&text);
            prop_assert_eq!(parts.concat(), text.clone());
            let all = segments(&text);
            prop_assert_eq!(parts.len() as u32, all.count);
            for part in &parts {
                let units: u32 = part.chars().map(|c| cost(c, all.encoding)).sum();
                prop_assert!(units <= all.per_segment);
            }
        }
    }
}
