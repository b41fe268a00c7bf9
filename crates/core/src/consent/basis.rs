//! Why a consent counts, and until when (C1, US-1, US-2, CA-1, UK-1).

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a consent counts. Which of them carry an offer depends on the recipient's country: see [`super::rules::Rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A tick, a keyed reply, a signature under wording that is kept.
    Written = 0,
    /// The person gave the number or address in an enquiry: good for answering it.
    ProvidedNumber = 1,
    /// A customer told of similar things, all five conditions of PECR 22(3) recorded.
    SoftOptIn = 2,
    /// Implied by a purchase or enquiry under CASL 10(10): only with its own end.
    Implied = 3,
    /// Spoken.
    Verbal = 4,
    /// Came with a list; nobody declared where it is from.
    Imported = 5,
    /// A word sent to us, such as START or STOP.
    Keyword = 6,
}

impl Basis {
    /// Every one, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::Written,
        Self::ProvidedNumber,
        Self::SoftOptIn,
        Self::Implied,
        Self::Verbal,
        Self::Imported,
        Self::Keyword,
    ];

    /// Reads a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Reads the word of the API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.as_str() == name)
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::ProvidedNumber => "provided_number",
            Self::SoftOptIn => "soft_opt_in",
            Self::Implied => "implied",
            Self::Verbal => "verbal",
            Self::Imported => "imported",
            Self::Keyword => "keyword",
        }
    }

    /// For sentences: "Consent … has the basis `…`".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Written => "in writing",
            Self::ProvidedNumber => "by giving the contact in an enquiry",
            Self::SoftOptIn => "by soft opt-in",
            Self::Implied => "by implication",
            Self::Verbal => "by word of mouth",
            Self::Imported => "only by an imported list",
            Self::Keyword => "by a keyword",
        }
    }
}

/// The five conditions of the soft opt-in (PECR 22(3), UK-1). Each is a statement of the business; only all five together carry an offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftOptIn {
    /// The person gave the details to the business, and no list or third party did.
    pub from_the_person: bool,
    /// They were given in a sale or in talks about one, such as a quote that was asked for; a mere visit is none.
    pub in_a_sale: bool,
    /// The offers are about the business's own similar things.
    pub own_similar_things: bool,
    /// The person could easily refuse when the details were collected.
    pub refusal_offered: bool,
    /// The person can easily refuse in every message.
    pub refusal_in_every_message: bool,
}

impl SoftOptIn {
    /// All five hold.
    pub const WHOLE: Self = Self {
        from_the_person: true,
        in_a_sale: true,
        own_similar_things: true,
        refusal_offered: true,
        refusal_in_every_message: true,
    };

    /// The first condition that does not hold: its name, and what it asks as a sentence.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        [
            (
                self.from_the_person,
                "from_the_person",
                "The person gave the details to the business, and no list or third party did.",
            ),
            (
                self.in_a_sale,
                "in_a_sale",
                "The details were given in a sale or in talks about one, such as a quote that was asked for.",
            ),
            (
                self.own_similar_things,
                "own_similar_things",
                "The offers are about the business's own similar things.",
            ),
            (
                self.refusal_offered,
                "refusal_offered",
                "The person could easily refuse when the details were collected.",
            ),
            (
                self.refusal_in_every_message,
                "refusal_in_every_message",
                "The person can easily refuse in every message.",
            ),
        ]
        .into_iter()
        .find(|(holds, ..)| !holds)
        .map(|(_, name, asks)| (name, asks))
    }
}

/// What is special about a grant that stands: its basis when it is not in writing, its end when it has one. A plain written grant
/// without end needs no term, so that most contact points carry none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Channel and purpose: the stored number of the channel times four plus the purpose.
    pub slot: u8,
    /// Why it counts.
    pub basis: Basis,
    /// The instant from which it counts no more.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C1: a basis keeps its number and its word, which are stored and spoken.
    #[test]
    fn bases_keep_their_numbers_and_words() {
        let all = [
            (0, "written", "in writing"),
            (1, "provided_number", "by giving the contact in an enquiry"),
            (2, "soft_opt_in", "by soft opt-in"),
            (3, "implied", "by implication"),
            (4, "verbal", "by word of mouth"),
            (5, "imported", "only by an imported list"),
            (6, "keyword", "by a keyword"),
        ];
        for (code, name, words) in all {
            let basis = Basis::from_name(name).unwrap();
            assert_eq!(Basis::from_code(code), Some(basis));
            assert_eq!(
                (basis as u8, basis.as_str(), basis.in_words()),
                (code, name, words)
            );
        }
        assert_eq!(
            (Basis::from_code(7), Basis::from_name("wished_for")),
            (None, None)
        );
    }

    /// UK-1: the first of the five conditions that does not hold is named; all five leave nothing to name.
    #[test]
    fn the_first_condition_that_does_not_hold_is_named() {
        let all = SoftOptIn::WHOLE;
        assert_eq!(all.missing(), None);
        for (spoilt, name) in [
            (
                SoftOptIn {
                    from_the_person: false,
                    ..all
                },
                "from_the_person",
            ),
            (
                SoftOptIn {
                    in_a_sale: false,
                    ..all
                },
                "in_a_sale",
            ),
            (
                SoftOptIn {
                    own_similar_things: false,
                    ..all
                },
                "own_similar_things",
            ),
            (
                SoftOptIn {
                    refusal_offered: false,
                    ..all
                },
                "refusal_offered",
            ),
            (
                SoftOptIn {
                    refusal_in_every_message: false,
                    ..all
                },
                "refusal_in_every_message",
            ),
            (SoftOptIn::default(), "from_the_person"),
        ] {
            let (missing, asks) = spoilt.missing().unwrap();
            assert_eq!(missing, name);
            assert!(asks.ends_with('.'), "{asks}");
        }
    }
}
