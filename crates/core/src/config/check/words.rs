//! Words that a category does not allow: an offer in a service message, a false subject, too much of a lead in a text to staff
//! (C2, US-18, ST-2). The sample is read as the recipient would read it.

use super::Findings;
use crate::config::draft::Draft;
use crate::config::problem::Problem;
use crate::messages::{Category, ChannelKind};
use crate::templates::{Data, RenderContext, Rendered, Template};

/// One of these in a message makes it telemarketing, whatever else it says.
const OFFERS: &[&str] = &[
    "% off",
    "discount",
    "coupon",
    "promo code",
    "promotion",
    "special offer",
    "limited time",
    "limited offer",
    "book again",
    "free gift",
    "best price",
    "lowest price",
    "flash sale",
    "refer a friend",
    "upgrade now",
];

/// Subjects that were held to be false when the end was not one, and threads that never were.
const FALSE_SUBJECTS: &[&str] = &[
    "today only",
    "last chance",
    "final hours",
    "ends tonight",
    "ends today",
    "last day",
];

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let context = RenderContext::new(jiff::tz::TimeZone::UTC, "US", None);
    for (path, template) in &draft.templates {
        let sample = Data::new(template.sample());
        // A sample that does not render is told by the template itself.
        let Ok(shown) = template.render(&sample, &context) else {
            continue;
        };
        match template.category {
            Category::Transactional | Category::Emergency => {
                offers(path, template, &shown, findings);
            }
            Category::Promotional => false_subject(path, &shown, findings),
            Category::Staff => too_much(path, template, findings),
        }
        if template.category != Category::Staff && template.channel == ChannelKind::Sms {
            reply_cancel(path, &shown, findings);
        }
    }
}

fn offers(path: &str, template: &Template, shown: &Rendered, findings: &mut Findings) {
    let subject = shown.subject.as_deref().unwrap_or_default();
    let said = format!("{subject}\n{}", shown.text).to_lowercase();
    if let Some(offer) = OFFERS.iter().find(|words| stands_in(&said, words)) {
        findings.problem(
            Problem::of_file(
                path,
                format!("“{offer}” is an offer, and one makes the whole message promotional (C2)."),
            )
            .mend(format!(
                "Take it out of this {} message, or write `category: promotional`.",
                template.category
            )),
        );
    }
}

fn false_subject(path: &str, shown: &Rendered, findings: &mut Findings) {
    let subject = shown.subject.as_deref().unwrap_or_default().to_lowercase();
    let begins = ["re:", "fw:", "fwd:"]
        .into_iter()
        .find(|begin| subject.starts_with(begin));
    let hurries = FALSE_SUBJECTS
        .iter()
        .copied()
        .find(|words| stands_in(&subject, words));
    if let Some(words) = begins.or(hurries) {
        findings.warning(
            Problem::of_file(
                path,
                format!("The subject says “{words}”; one that is not true is fined for every mail (US-18)."),
            )
            .mend("Say it only when there is such an end, or such a thread.".to_owned()),
        );
    }
}

/// ST-2: a text to staff says who, what and where to look, not everything that is known.
fn too_much(path: &str, template: &Template, findings: &mut Findings) {
    if template.channel != ChannelKind::Sms {
        return;
    }
    let contact = ["lead.phone", "lead.email"]
        .into_iter()
        .filter(|one| template.uses(one))
        .count();
    if contact > 1 || template.uses("lead") || template.uses("lead.attributes") {
        findings.problem(
            Problem::of_file(path, "A text to staff carries more of the lead than it needs (ST-2).").mend(
                "Name, reference, need and {{ link.alert }} are enough; the rest is behind the link.".to_owned(),
            ),
        );
    }
}

/// “Cancel” is a word of revocation: whoever answers with it wants no more messages at all (US-3).
fn reply_cancel(path: &str, shown: &Rendered, findings: &mut Findings) {
    let said = shown.text.to_lowercase();
    let asks = [
        "reply cancel",
        "text cancel",
        "answer cancel",
        "reply with cancel",
        "send cancel",
    ];
    if asks.iter().any(|words| stands_in(&said, words)) {
        findings.problem(
            Problem::of_file(
                path,
                "Whoever answers CANCEL opts out of everything, not of the appointment (US-3).",
            )
            .mend("Ask for a call, or offer {{ link.book }}.".to_owned()),
        );
    }
}

/// Whether the words stand in the text as words, not as part of one. Both in small letters.
fn stands_in(text: &str, words: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begins_with_letter = letter(words.chars().next());
    text.match_indices(words).any(|(at, _)| {
        let runs_in = begins_with_letter && letter(text[..at].chars().next_back());
        let runs_on = letter(text[at + words.len()..].chars().next());
        !runs_in && !runs_on
    })
}

#[cfg(test)]
mod tests {
    use super::stands_in;

    #[test]
    fn words_are_found_as_words() {
        for (text, words, found) in [
            ("get 20% off today", "% off", true),
            ("20% offset", "% off", false),
            ("a discount!", "discount", true),
            ("discounted", "discount", false),
            ("no promotion", "promotion", true),
            ("self-promotional", "promotion", false),
        ] {
            assert_eq!(stands_in(text, words), found, "{text}");
        }
    }
}
