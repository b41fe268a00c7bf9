//! Text that strangers supplied, made fit to be shown to others (content spoofing).
//!
//! Anyone can fill in a public form with somebody else's phone number, and what they type as their name travels in our message,
//! from our sender. So lead-supplied text in messages carries no links, nothing that phones and mail programs turn into links,
//! and no characters that hide or reorder others. The words stay; only what makes a link of them goes.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The most characters of a person's name that are shown.
pub const NAME_CHARS: usize = 40;

/// The most characters of a mail header's value.
pub const HEADER_CHARS: usize = 200;

/// Lead-supplied text, fit for messages to others: one line, no links, no domains, no invisible or reordering characters,
/// at most `max_chars` characters. Cleaning twice is the same as cleaning once.
///
/// Whole links are removed (`see http://example.com/x` becomes `see`); text that merely looks like a domain loses its dot
/// (`St.Paul` becomes `St Paul`).
pub fn clean_for_strangers(text: &str, max_chars: usize) -> Cow<'_, str> {
    if text.len() <= max_chars && is_plain(text) {
        return Cow::Borrowed(text);
    }
    // What is not shown need not be read: a form field may hold megabytes.
    let text = head(text, max_chars.saturating_mul(8).saturating_add(4096));
    let visible = visible(text);
    let folded = fold(&visible);
    let letters: Vec<char> = folded.chars().collect();
    if !may_link(letters.len(), |at| letters[at]) {
        return Cow::Owned(cut(&visible, max_chars));
    }
    let harmless = without_links(&folded);
    // Compatibility forms (½, ™) are honest; they are unfolded only where something had to go.
    let clean = if harmless == folded {
        visible
    } else {
        harmless
    };
    Cow::Owned(cut(&clean, max_chars))
}

/// A value for a mail header: one line, without control or reordering characters, at most 200 characters. Addresses stay as
/// they are, so this is also what typed contact points pass through.
pub fn clean_header(text: &str) -> Cow<'_, str> {
    if text.len() <= HEADER_CHARS && is_plain_line(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(cut(&visible(head(text, 16 * HEADER_CHARS)), HEADER_CHARS))
}

/// True for ASCII that is one line already and holds nothing that a rule looks for: most names and values.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    is_plain_line(text) && !may_link(bytes.len(), |at| char::from(bytes[at]))
}

/// True when a rule may find something: the rules themselves cost a thousand times as much, and most text holds nothing. Errs
/// on the side of asking the rules.
fn may_link(len: usize, at: impl Fn(usize) -> char) -> bool {
    let next = |place: usize| if place < len { at(place) } else { ' ' };
    let mut word = [' '; 3];
    let mut numbers = 0;
    for place in 0..len {
        let c = at(place);
        let before = if place == 0 { ' ' } else { at(place - 1) };
        word = [word[1], word[2], c.to_ascii_lowercase()];
        let suspect = match c {
            '@' | '\\' | '{' | '}' => true,
            // Times hold colons between digits; words before a colon and a blank are no scheme unless they end like one.
            ':' if next(place + 1) == ' ' => matches!(
                before.to_ascii_lowercase(),
                'p' | 's' | 'e' | 'h' | ' ' | ':'
            ),
            ':' => !(before.is_ascii_digit() && next(place + 1).is_ascii_digit()),
            '/' => matches!(next(place + 1), '/' | '\\' | ':'),
            '[' | '(' | '<' => {
                matches!(next(place + 1).to_ascii_lowercase(), 'd' | 'p' | ' ')
                    || is_dot(next(place + 1))
            }
            '-' => next(place + 1) == '-',
            c if is_dot(c) => {
                let (one, two) = (next(place + 1), next(place + 2));
                numbers += u32::from(before.is_ascii_digit() && one.is_ascii_digit());
                let joins = !one.is_ascii_digit()
                    && one.is_alphanumeric()
                    && (two.is_alphanumeric()
                        || is_combining_mark(two)
                        || matches!(two, '-' | '_'));
                before == ' '
                    || joins
                    || numbers >= 3
                    || (one == ' ' && begins_ending(place + 2, &next))
            }
            _ => matches!(word, ['w', 'w', 'w'] | ['d', 'o', 't']),
        };
        if suspect {
            return true;
        }
    }
    false
}

/// True when a word like those of [`SPACED`] begins at a place.
fn begins_ending(place: usize, next: &impl Fn(usize) -> char) -> bool {
    let word: [char; 5] = std::array::from_fn(|offset| next(place + offset).to_ascii_lowercase());
    let ends = |letters: usize| !word[letters].is_alphanumeric();
    (ends(2) && matches!(word[..2], ['r', 'u'] | ['c', 'n'] | ['i', 'o']))
        || (ends(3)
            && matches!(
                word[..3],
                ['c', 'o', 'm']
                    | ['n', 'e', 't']
                    | ['o', 'r', 'g']
                    | ['b', 'i', 'z']
                    | ['x', 'y', 'z']
            ))
        || (ends(4) && matches!(word[..4], ['i', 'n', 'f', 'o']))
}

/// Dots, and what a reader takes for one.
const fn is_dot(c: char) -> bool {
    matches!(
        c,
        '.' | '\u{b7}'
            | '\u{2027}'
            | '\u{2219}'
            | '\u{22c5}'
            | '\u{2022}'
            | '\u{30fb}'
            | '\u{6d4}'
            | '\u{a4f8}'
            | '\u{701}'
            | '\u{702}'
            | '\u{660}'
    )
}

fn is_plain_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'!'..=b'~' => true,
        b' ' => at > 0 && at + 1 < bytes.len() && bytes[at + 1] != b' ',
        _ => false,
    })
}

fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// At most `max` characters, not ending within a letter and its accents or with a space.
fn cut(text: &str, max: usize) -> String {
    let Some((end, next)) = text.char_indices().nth(max) else {
        return text.trim_end().to_owned();
    };
    let mut kept = &text[..end];
    if is_combining_mark(next) {
        kept = kept.trim_end_matches(is_combining_mark);
        let base = kept.chars().next_back().map_or(0, char::len_utf8);
        kept = &kept[..kept.len() - base];
    }
    kept.trim_end_matches(|c: char| c == ' ' || is_joiner(c))
        .to_owned()
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Scripts whose spelling needs the zero-width joiners: Arabic, and Devanagari to Sinhala.
const fn needs_joiners(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{900}'..='\u{dff}')
}

/// Characters without a shape of their own: format characters, fillers, selectors, private use, bidi controls (Unicode Cf, and
/// the fillers that render as nothing).
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}')
}

/// The text as composed characters on one line, without what cannot be seen and without towers of accents.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut waiting_joiner = None;
    let mut last = ' ';
    for c in text.nfc() {
        let c = match c {
            c if c.is_whitespace() || c.is_control() => ' ',
            c if is_joiner(c) => {
                waiting_joiner = needs_joiners(last).then_some(c);
                continue;
            }
            c if is_invisible(c) => continue,
            c => c,
        };
        if c == ' ' && last == ' ' {
            continue;
        }
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        if marks > 4 {
            continue;
        }
        if let Some(joiner) = waiting_joiner.take().filter(|_| needs_joiners(c)) {
            out.push(joiner);
        }
        out.push(c);
        last = c;
    }
    out.truncate(out.trim_end().len());
    // Dropping a hidden character can bring a letter and its accent together.
    if unicode_normalization::is_nfc(&out) {
        out
    } else {
        out.nfc().collect()
    }
}

/// The text as a program that looks for links reads it: compatibility forms unfolded (ｅｖｉｌ．ｃｏｍ), look-alikes of colon and slash
/// replaced, dots of other scripts that browsers accept made ASCII (UTS 46).
fn fold(text: &str) -> String {
    let folded: String = text
        .nfkc()
        .map(|c| match c {
            '\u{3002}' | '\u{ff61}' => '.',
            '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
            '\u{2236}' | '\u{2d0}' | '\u{a789}' | '\u{fe55}' => ':',
            c => c,
        })
        .collect();
    visible(&folded)
}

/// Endings that are shown as links without more: generic ones, the shorteners', and the countries' that spam uses most.
const COMMON: &str = "com|net|org|info|biz|name|mobi|edu|gov|int|io|co|app|dev|page|web|site|website|online|store|shop|club|xyz|top|vip|win|bid|\
loan|link|click|live|life|world|today|news|email|support|help|zone|space|fun|icu|cyou|buzz|rest|monster|quest|sbs|cfd|bond|lol|mom|pw|cc|tv|\
ws|ly|gl|gg|gy|gd|mp|tk|ml|ga|cf|gq|ru|cn|su|uk|us|de|fr|eu|nl|pl|br|in|ng|ke|za|au|ca|jp|kr|ua|ro|cz|tech|cloud|pro|one|icu|agency|services|\
company|finance|money|cash|bank|pay|credit|casino|bet|poker|porn|xxx|sex|adult|cam|chat|dating|download|zip|mov|onion|arpa|localhost|local|test|example|invalid|\
xn--[a-z0-9-]+";
/// True for `com`, `net` and the like: endings that make a domain of any word before them.
pub(crate) fn is_common_ending(label: &str) -> bool {
    COMMON.split('|').any(|ending| ending == label)
}

/// The same in "evil. com": only those that hardly begin an English sentence.
const SPACED: &str = "com|net|org|info|biz|xyz|ru|cn|io";
/// As [`is_dot`].
const DOT: &str =
    r"[.\u{b7}\u{2027}\u{2219}\u{22c5}\u{2022}\u{30fb}\u{6d4}\u{a4f8}\u{701}\u{702}\u{660}]";

struct Rule {
    pattern: Regex,
    instead: &'static str,
}

/// In order: what is certainly a link goes with all that hangs on it; what only might become one loses its punctuation.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |pattern: String, instead| Rule {
        pattern: Regex::new(&pattern).expect("the pattern is fixed and tested"),
        instead,
    };
    vec![
        rule(r"(?i)(?:h[tx]{2}ps?|\bftps?|\bfile|\bwss?|\bssh|\bldap)\s*:\s*[/\\]*\s*\S*".into(), " "),
        rule(r"(?i)\S*:[/\\]{2}\S*".into(), " "),
        rule(r"(?:^|\s)[/\\]{2,}\S*".into(), " "),
        rule(
            r"(?i)(^|[^\p{L}\p{N}])(javascript|vbscript|data|mailto|tel|sms|smsto|mms|mmsto|geo|intent|market|whatsapp|tg|skype|facetime|callto|sips?|xmpp|bitcoin|ethereum|blob|about|view-source|itms(?:-\w+)?):(\S)".into(),
            "$1$2 $3",
        ),
        rule(r"(?i)\S*xn--\S*".into(), " "),
        rule(format!(r"(?i)(?:^|[^\p{{L}}\p{{N}}])www\d{{0,2}}(?:\s*{DOT}\s*\S*|$|\s)"), " "),
        rule(r"\S*@\S*[.\[]\S*".into(), " "),
        rule(r"(?:^|[^\d.\p{L}])\d{1,3}(?:\.\d{1,3}){3}(?:[:/?#]\S*|$|[^\d.\p{L}]|\.$|\.\s)".into(), " "),
        rule(r"(?i)(?:^|\s)\[?[0-9a-f:]*::[0-9a-f:]+\]?(?:$|\s)".into(), " "),
        // evil[.]com, evil (dot) com, evil dot com
        rule(format!(r"(?i)\s*[\[({{<]\s*(?:{DOT}|dot|punkt|punto|point)\s*[\])}}>]\s*"), " "),
        rule(format!(r"(?i)([\p{{L}}\p{{N}}])\s+dot\s+((?:{COMMON})(?:$|[^\p{{L}}\p{{N}}]))"), "$1 $2"),
        // evil.com, evil.com/x, evil·com
        rule(
            format!(r"(?i)[\p{{L}}\p{{N}}_\p{{M}}-]+(?:{DOT}[\p{{L}}\p{{N}}_\p{{M}}-]+)*{DOT}(?:{COMMON})\.?(?:[:/?#\\]\S*|$|([^\p{{L}}\p{{N}}\p{{M}}_-]))"),
            " $1",
        ),
        rule(r"[\p{L}\p{N}_\p{M}-]+(?:\.[\p{L}\p{N}_\p{M}-]+)*\.\p{L}{2,}(?::\d|[/?#\\])\S*".into(), " "),
        // evil . com, evil .com
        rule(format!(r"(?i)([\p{{L}}\p{{N}}])\s+{DOT}\s*((?:{COMMON})(?:$|[^\p{{L}}\p{{N}}]))"), "$1 $2"),
        rule(format!(r"(?i)([\p{{L}}\p{{N}}]){DOT}\s+((?:{SPACED})(?:$|[^\p{{L}}\p{{N}}]))"), "$1 $2"),
    ]
});

/// Takes the links out. Runs again while taking one out brings another together, a few times; then the punctuation itself goes.
fn without_links(text: &str) -> String {
    let mut now = text.to_owned();
    for _ in 0..4 {
        let mut next = now.clone();
        for rule in RULES.iter() {
            if let Cow::Owned(changed) = rule.pattern.replace_all(&next, rule.instead) {
                next = changed;
            }
        }
        let next = fold(&part_domains(&next));
        if next == now {
            return now;
        }
        now = next;
    }
    let bare: String = now
        .chars()
        .map(|c| {
            if matches!(c, '.' | ':' | '/' | '\\' | '@' | '[' | ']') {
                ' '
            } else {
                c
            }
        })
        .collect();
    fold(&bare)
}

/// Parts `word.word`: a dot directly between a letter or digit and two letters reads as a domain to programs, whatever the
/// ending is. `2.5i`, `J. R.`, `U.S.A.` and `Ph.D.` have no two letters there.
fn part_domains(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let letter = |at: usize| {
        chars
            .get(at)
            .is_some_and(|c| c.is_alphabetic() || is_combining_mark(*c))
    };
    chars
        .iter()
        .enumerate()
        .map(|(at, c)| {
            let inside = *c == '.'
                && at > 0
                && (chars[at - 1].is_alphanumeric() || matches!(chars[at - 1], '-' | '_'));
            if inside && letter(at + 1) && letter(at + 2) {
                ' '
            } else {
                *c
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
