//! What an inbound message asks for: stop, help, start, or nothing of the kind (C3).
//!
//! Whole messages of one known word are certain. Other texts are read as a reasonable person would: phrases that plainly ask for an
//! end stop at once and show what matched; a stop word in another sentence, or anger, is left to the staff. When in doubt it is
//! never silence: either the stop, or somebody looks.

mod normal;
mod phrases;

use normal::{normal, words_of};
use std::borrow::Cow;

/// How a stop was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopHow {
    /// One of the words that 47 CFR 64.1200(a)(10) makes conclusive.
    Conclusive {
        /// The word.
        word: &'static str,
    },
    /// A word of the carriers' and providers' lists, or its Spanish or French sister.
    Listed {
        /// The word.
        word: &'static str,
    },
    /// A word of these lists with a slip of the finger.
    Misspelt {
        /// The word that was meant.
        word: &'static str,
    },
    /// A phrase that a reasonable person reads as "no more".
    FreeText {
        /// The part that says so.
        matched: String,
    },
}

/// What an inbound message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundWord {
    /// No more messages, on any channel, from now.
    Stop {
        /// How it was recognised.
        how: StopHow,
    },
    /// Perhaps a stop: promotional messages wait, the staff is asked, and after 24 hours without an answer it counts as a stop.
    Unsure {
        /// The part that raised the doubt.
        matched: String,
    },
    /// Who is this, and how does it end.
    Help,
    /// Messages are welcome again.
    Start,
    /// Lifts a suppression only when the person is suppressed and no question is open.
    Yes,
    /// Nothing of the kind.
    None,
}

/// The seven words of the rule, in force since 11 April 2025.
const CONCLUSIVE: &[&str] = &[
    "stop",
    "quit",
    "end",
    "revoke",
    "opt out",
    "cancel",
    "unsubscribe",
];

/// Lists of carriers and providers, and whole messages in Spanish and French. Accents are gone when they are compared.
const LISTED: &[&str] = &[
    "stopall",
    "stop all",
    "stopp",
    "optout",
    "remove",
    "arret",
    "td",
    "unsub",
    "unsubscribe all",
    "opt me out",
    "stop it",
    "stop this",
    "stop that",
    "stop now",
    "stop these",
    "make it stop",
    "stop everything",
    "stop already",
    "quit it",
    "end all",
    "end now",
    "end this",
    "cancel all",
    "no more",
    "enough",
    "remove me",
    "delete me",
    "take me off",
    "do not disturb",
    "dnc",
    "go away",
    "be gone",
    "begone",
    // Spanish
    "alto",
    "parar",
    "pare",
    "paren",
    "para",
    "para ya",
    "basta",
    "ya basta",
    "no mas",
    "baja",
    "dar de baja",
    "darme de baja",
    "cancelar",
    "cancela",
    "cancelar suscripcion",
    "detener",
    "detente",
    "detenganse",
    "eliminar",
    "borrar",
    "salir",
    "anular",
    "desuscribir",
    "desuscribirme",
    "desuscribirse",
    "desinscribir",
    "ya no mas",
    "no mas mensajes",
    "no molestar",
    "alto ya",
    // French
    "arreter",
    "arretez",
    "arretez tout",
    "desabonner",
    "desabonnement",
    "me desabonner",
    "se desabonner",
    "desabonnez moi",
    "desinscrire",
    "desinscription",
    "resilier",
    "supprimer",
    "annuler",
    "assez",
    "ca suffit",
    "plus de messages",
    "plus de sms",
    "plus de message",
];

const HELP: &[&str] = &["help", "info", "aide", "ayuda", "information"];
const START: &[&str] = &[
    "start",
    "begin",
    "unstop",
    "subscribe",
    "resubscribe",
    "opt in",
    "optin",
];
const YES: &[&str] = &["yes", "si", "oui"];

/// Courtesy before the one word that counts, and behind it.
const BEFORE: &[&str] = &[
    "please", "pls", "plz", "hi", "hello", "hey", "kindly", "just", "ok", "okay", "no", "hola",
    "por", "favor", "bonjour", "svp", "sir",
];
const BEHIND: &[&str] = &[
    "please",
    "pls",
    "plz",
    "thanks",
    "thank",
    "you",
    "thx",
    "ty",
    "now",
    "ok",
    "okay",
    "asap",
    "immediately",
    "already",
    "sir",
    "maam",
    "guys",
    "right",
    "away",
    "por",
    "favor",
    "gracias",
    "ya",
    "svp",
    "stp",
    "merci",
    "sil",
    "vous",
    "plait",
    "immediatement",
];

/// Builds the patterns, some tens of milliseconds once per process, so that the first reply does not wait for it.
pub fn warm_words() {
    classify("anything at all", None);
}

/// Reads one inbound message. `brand` is the business's name, which people put behind the word.
pub fn classify(body: &str, brand: Option<&str>) -> InboundWord {
    let text = normal(body);
    if text.is_empty() || phrases::is_reaction(&text) {
        return InboundWord::None;
    }
    let text = without_brand(&text, brand);
    if let Some(word) = whole(&text) {
        return word;
    }
    if let Some(matched) = phrases::certain(&text) {
        return InboundWord::Stop {
            how: StopHow::FreeText { matched },
        };
    }
    let clear = phrases::clear_harmless(&text);
    // "Nope, stop": so short a message with the word in it and nothing harmless around it means it.
    let left = words_of(&clear);
    let short = left.len() <= 3 && left.contains(&"stop");
    if short {
        return InboundWord::Stop {
            how: StopHow::FreeText {
                matched: clear.clone(),
            },
        };
    }
    if let Some(matched) = phrases::preference(&clear) {
        return InboundWord::Unsure { matched };
    }
    if stands_out(&left) {
        return InboundWord::Stop {
            how: StopHow::FreeText {
                matched: clear.clone(),
            },
        };
    }
    if let Some(matched) = phrases::stop(&clear) {
        return InboundWord::Stop {
            how: StopHow::FreeText { matched },
        };
    }
    match phrases::doubt(&clear) {
        Some(matched) => InboundWord::Unsure { matched },
        None => InboundWord::None,
    }
}

/// "Stop this isn't Bob", "I want it all ended, stop": the word at either end of a sentence that makes nothing else of it.
fn stands_out(words: &[&str]) -> bool {
    if words.iter().find(|word| !BEFORE.contains(*word)) == Some(&"stop") {
        return true;
    }
    let Some(last) = words.iter().rposition(|word| !BEHIND.contains(word)) else {
        return false;
    };
    let before = last.checked_sub(1).and_then(|at| words.get(at));
    words.get(last) == Some(&"stop") && before.is_none_or(|word| !ASKS.contains(word))
}

/// Words before a last "stop" that speak of stopping without doing it.
const ASKS: &[&str] = &[
    "i", "we", "you", "they", "he", "she", "it", "that", "reply", "said", "say", "says", "if",
    "to", "the", "a", "word", "type", "typing", "send", "text", "not", "will", "would", "can",
    "could", "should", "must", "and", "or",
];

/// Cuts the business's name off both ends: "STOP Acme Plumbing".
fn without_brand<'a>(text: &'a str, brand: Option<&str>) -> Cow<'a, str> {
    let Some(brand) = brand.map(normal).filter(|brand| !brand.is_empty()) else {
        return Cow::Borrowed(text);
    };
    let cut = text
        .strip_suffix(brand.as_str())
        .and_then(|rest| rest.strip_suffix(' '))
        .or_else(|| {
            text.strip_prefix(brand.as_str())
                .and_then(|rest| rest.strip_prefix(' '))
        });
    cut.map_or(Cow::Borrowed(text), Cow::Borrowed)
}

fn among(list: &'static [&'static str], text: &str) -> Option<&'static str> {
    list.iter().copied().find(|word| *word == text)
}

/// A message that is one known word, perhaps said twice and with courtesy around it.
fn whole(text: &str) -> Option<InboundWord> {
    if let Some(known) = known(text) {
        return Some(known);
    }
    let all = words_of(text);
    // Courtesy is cut word by word, since "away" is courtesy in "right away" and half of "go away".
    for end in (1..=all.len()).rev() {
        let said = all.get(..end).unwrap_or_default();
        let courtesy = said
            .iter()
            .take_while(|word| BEFORE.contains(*word))
            .count();
        let mut words = said.get(courtesy..).unwrap_or_default().to_vec();
        words.dedup();
        let core = words.join(" ");
        if let Some(known) = known(&core) {
            return Some(known);
        }
        if let Some(word) = misspelt(&core) {
            return Some(InboundWord::Stop {
                how: StopHow::Misspelt { word },
            });
        }
        if said.last().is_none_or(|word| !BEHIND.contains(word)) {
            return None;
        }
    }
    None
}

fn known(text: &str) -> Option<InboundWord> {
    if let Some(word) = among(CONCLUSIVE, text) {
        return Some(InboundWord::Stop {
            how: StopHow::Conclusive { word },
        });
    }
    if let Some(word) = among(LISTED, text) {
        return Some(InboundWord::Stop {
            how: StopHow::Listed { word },
        });
    }
    if HELP.contains(&text) {
        return Some(InboundWord::Help);
    }
    if START.contains(&text) {
        return Some(InboundWord::Start);
    }
    YES.contains(&text).then_some(InboundWord::Yes)
}

/// Slips of the finger. Short words only as they are often seen, since "shop", "step" and "top" are words too; the long one as
/// far as two letters away.
const SLIPS: &[(&str, &[&str])] = &[
    (
        "stop",
        &[
            "sotp",
            "stpo",
            "tsop",
            "stp",
            "sttop",
            "stoop",
            "stopo",
            "stoip",
            "stiop",
            "stolp",
            "syop",
            "dtop",
            "stop1",
            "st0p",
            "5top",
            "stopit",
            "stopnow",
            "stoptexting",
            "stoptext",
            "sstop",
            "sto p",
            "s t o p",
            "s top",
            "st op",
            "stopstop",
            "stopplease",
            "astop",
            "srop",
            "stup",
            "stip",
            "atop",
            "stopq",
        ],
    ),
    (
        "cancel",
        &["cancle", "cancell", "cancal", "canel", "cansel", "cencel"],
    ),
    ("quit", &["qiut", "quitt", "qut"]),
    ("revoke", &["revok", "revolk"]),
    ("end", &["endd"]),
    (
        "opt out",
        &[
            "optuot", "otpout", "opout", "opt ou", "ot out", "opt oit", "optt out", "oput",
        ],
    ),
    (
        "unsubscribe",
        &["un subscribe", "un sub", "unscribe", "unsubcrbe"],
    ),
];

fn misspelt(text: &str) -> Option<&'static str> {
    if let Some((word, _)) = SLIPS.iter().find(|(_, slips)| slips.contains(&text)) {
        return Some(word);
    }
    let alike = text.starts_with('u') && !text.contains(' ');
    (alike && strsim::osa_distance(text, "unsubscribe") <= 2).then_some("unsubscribe")
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
