//! One comparison as a sentence. Awards are explained at intake, for every rule that fires, so text is written straight into
//! one string.

use super::{
    catalogue::{FieldKind, Place},
    check::asks,
    facts::Facts,
    operators::{Comparison, Test},
    suggest::Shown,
    values::{Bound, Literal, Scalar, Seen, contains, ends, starts},
};
use smallvec::SmallVec;
use std::fmt::{Arguments, Display, Write};

/// Characters of a value that are repeated, elements of a list that was seen, and of a list that is asked for.
const LETTERS: usize = 80;
const SEEN: usize = 3;
const ASKED: usize = 5;

fn put(out: &mut String, text: Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
}

/// What the comparison claims and what was seen: `page path contains “emergency”: it was “/emergency/burst-pipe”`.
pub(super) fn sentence(
    comparison: &Comparison,
    turned: bool,
    found: &Seen<'_>,
    facts: &Facts<'_>,
) -> String {
    let mut out = String::with_capacity(120);
    claim(&mut out, comparison, turned, Some(found));
    if comparison.field.kind() == FieldKind::Bool || comparison.field.personal() {
        return out;
    }
    let end = out.len();
    out.push_str(": it was ");
    if !seen(&mut out, comparison, found, facts, "“”") {
        out.truncate(end);
        if !matches!(comparison.test, Test::Exists(_)) {
            out.push_str(": it was not given");
        }
    }
    out
}

/// Writes what was seen, of a list those that passed first; says whether there was anything. Texts stand between the two `quotes`.
pub(super) fn seen(
    out: &mut String,
    comparison: &Comparison,
    found: &Seen<'_>,
    facts: &Facts<'_>,
    quotes: &str,
) -> bool {
    let (mut passed, mut others) = (
        SmallVec::<[Scalar<'_>; SEEN]>::new(),
        SmallVec::<[Scalar<'_>; SEEN]>::new(),
    );
    let mut all = 0;
    found.each(|scalar| {
        all += 1;
        let fits = found.is_list() && comparison.passes(scalar, facts);
        let list = if fits { &mut passed } else { &mut others };
        if list.len() < SEEN {
            list.push(scalar);
        }
        true
    });
    for (at, scalar) in passed.into_iter().chain(others).take(SEEN).enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        value(out, scalar, quotes);
    }
    if all > SEEN {
        put(out, format_args!(" and {} more", all - SEEN));
    }
    all > 0
}

fn value(out: &mut String, scalar: Scalar<'_>, quotes: &str) {
    match scalar {
        Scalar::Text(text) => {
            out.extend(quotes.chars().next());
            put(out, format_args!("{}", Shown(text, LETTERS)));
            out.extend(quotes.chars().next_back());
        }
        Scalar::Number(number) => put(out, format_args!("{number}")),
        Scalar::Bool(truth) => out.push_str(if truth { "yes" } else { "no" }),
        Scalar::Instant(at) => put(out, format_args!("{at:.0}")),
        Scalar::Opaque => out.push_str("a value with parts"),
    }
}

/// Yes-or-no fields have sentences of their own: “it was a weekend” says more than “weekend is yes”.
const CLAIMS: [(Place, &str, &str); 5] = [
    (
        Place::AfterHours,
        "it was after hours",
        "it was not after hours",
    ),
    (Place::Weekend, "it was a weekend", "it was not a weekend"),
    (
        Place::BusinessHours,
        "it was within business hours",
        "it was not within business hours",
    ),
    (Place::Holiday, "it was a holiday", "it was not a holiday"),
    (
        Place::Anonymous,
        "the lead was anonymous",
        "the lead was not anonymous",
    ),
];

/// Writes what the comparison claims, the other way round when `turned`. With what was found, a list of words shrinks to the one
/// that fitted.
pub(super) fn claim(
    out: &mut String,
    comparison: &Comparison,
    turned: bool,
    found: Option<&Seen<'_>>,
) {
    let Comparison {
        field,
        test,
        wanted,
        ..
    } = comparison;
    if let Test::Is(literal) | Test::IsNot(literal) = test
        && let Some(asked) = asks(literal)
        && let Some((_, yes, no)) = CLAIMS.iter().find(|(place, ..)| field.is(*place))
    {
        let affirmed = (asked != turned) != test.denies();
        return out.push_str(if affirmed { yes } else { no });
    }
    let denied = turned != test.denies();
    let label = field.label();
    let [is, is_not, are] = verbs(test);
    let exists = matches!(test, Test::Exists(_));
    if *wanted > 1 {
        let number = if denied { "fewer than" } else { "at least" };
        if exists {
            return put(out, format_args!("there are {number} {wanted} {label}"));
        }
        put(out, format_args!("{number} {wanted} of the {label} {are}"));
    } else if field.kind() == FieldKind::List && !exists {
        put(
            out,
            format_args!(
                "{} of the {label} {is}",
                if denied { "none" } else { "one" }
            ),
        );
    } else {
        put(
            out,
            format_args!("{label} {}", if denied { is_not } else { is }),
        );
    }
    object(out, test, found);
}

/// The verb of a test for one, against one, and for several.
fn verbs(test: &Test) -> [&'static str; 3] {
    let dated = |bound: &Bound| matches!(bound, Bound::Instant(..));
    match test {
        Test::Is(_) | Test::IsNot(_) => ["is", "is not", "are"],
        Test::In(_) | Test::NotIn(_) => ["is one of", "is none of", "are among"],
        Test::Gt(bound) if dated(bound) => ["is after", "is not after", "are after"],
        Test::Gte(bound) if dated(bound) => {
            ["is at or after", "is not at or after", "are at or after"]
        }
        Test::Lt(bound) if dated(bound) => ["is before", "is not before", "are before"],
        Test::Lte(bound) if dated(bound) => {
            ["is at or before", "is not at or before", "are at or before"]
        }
        Test::Gt(_) => ["is more than", "is not more than", "are more than"],
        Test::Gte(_) => ["is at least", "is not at least", "are at least"],
        Test::Lt(_) => ["is less than", "is not less than", "are less than"],
        Test::Lte(_) => ["is at most", "is not at most", "are at most"],
        Test::Between(..) => ["is between", "is not between", "are between"],
        Test::Contains(_) => ["contains", "does not contain", "contain"],
        Test::StartsWith(_) => ["starts with", "does not start with", "start with"],
        Test::EndsWith(_) => ["ends with", "does not end with", "end with"],
        Test::Matches(_) => ["matches", "does not match", "match"],
        Test::Exists(_) => ["is given", "is not given", "are given"],
        Test::Within(_) => ["is within", "is not within", "are within"],
        Test::OlderThan(_) => [
            "is longer ago than",
            "is not longer ago than",
            "are longer ago than",
        ],
    }
}

fn object(out: &mut String, test: &Test, found: Option<&Seen<'_>>) {
    match test {
        Test::Is(literal) | Test::IsNot(literal) => put(out, format_args!(" {}", Said(literal))),
        Test::In(literals) | Test::NotIn(literals) => several(out, literals.iter().map(Said)),
        Test::Gt(bound) | Test::Gte(bound) | Test::Lt(bound) | Test::Lte(bound) => {
            put(out, format_args!(" {bound}"));
        }
        Test::Between(from, to) => put(out, format_args!(" {from} and {to}")),
        Test::Contains(words) => word(out, words, found, contains),
        Test::StartsWith(words) => word(out, words, found, starts),
        Test::EndsWith(words) => word(out, words, found, ends),
        Test::Matches(pattern) => put(
            out,
            format_args!(" the pattern {}", Shown(pattern.written(), LETTERS)),
        ),
        Test::Exists(_) => {}
        Test::Within(span) => put(out, format_args!(" {span} of the moment")),
        Test::OlderThan(span) => put(out, format_args!(" {span}")),
    }
}

/// A literal, cut like everything that is shown.
struct Said<'l>(&'l Literal);

impl Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Literal::Text { text, .. } => write!(f, "“{}”", Shown(text, LETTERS)),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Bool(truth) => f.write_str(if *truth { "yes" } else { "no" }),
        }
    }
}

/// The word that fitted, so that the sentence says which of a long list it was; the list when none did.
fn word(
    out: &mut String,
    words: &[Box<str>],
    found: Option<&Seen<'_>>,
    fits: fn(&str, &str) -> bool,
) {
    let met = |word: &str| {
        found
            .is_some_and(|found| found.count(1, |scalar| scalar.with_text(|text| fits(text, word))))
    };
    let hit = match words {
        [word] => Some(word),
        _ => words.iter().find(|word| met(word)),
    };
    match hit {
        Some(word) => put(out, format_args!(" “{}”", Shown(word, LETTERS))),
        None => {
            out.push_str(" one of");
            several(
                out,
                words
                    .iter()
                    .map(|word| format!("“{}”", Shown(word, LETTERS))),
            );
        }
    }
}

fn several<T: Display>(out: &mut String, values: impl ExactSizeIterator<Item = T>) {
    let more = values.len().saturating_sub(ASKED);
    for (at, value) in values.take(ASKED).enumerate() {
        put(
            out,
            format_args!("{}{value}", if at > 0 { ", " } else { " " }),
        );
    }
    if more > 0 {
        put(out, format_args!(" and {more} more"));
    }
}
