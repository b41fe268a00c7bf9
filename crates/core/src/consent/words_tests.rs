use super::*;
use proptest::prelude::*;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

const STOPS: &str = include_str!("../../data/words/stop.txt");
const NEAR: &str = include_str!("../../data/words/near.txt");
const UNSEEN_STOPS: &str = include_str!("../../data/words/stop_unseen.txt");
const UNSEEN_NEAR: &str = include_str!("../../data/words/near_unseen.txt");

/// The same message as people send it: shouted, with marks, with emoji, quoted, with odd spaces.
fn variants(phrase: &str) -> Vec<String> {
    let mut title = phrase.to_owned();
    if let Some(first) = title.get(..1).map(str::to_uppercase) {
        title.replace_range(..1, &first);
    }
    vec![
        phrase.to_owned(),
        phrase.to_uppercase(),
        format!("{title}."),
        format!("{phrase}!!!"),
        format!("  {} ", phrase.replace(' ', "   ")),
        format!("{phrase} 🙏🏽"),
        format!("🛑 {title}"),
        format!("\"{phrase}\""),
        format!("{title}\n"),
    ]
}

/// C3: recall on the list is whole, in any case, with marks and emoji.
#[test]
fn every_known_stop_is_heard() {
    let mut count = 0;
    let mut missed = Vec::new();
    for phrase in lines(STOPS) {
        count += 1;
        let word = classify(phrase, None);
        if !matches!(word, InboundWord::Stop { .. }) {
            missed.push(format!("{phrase:?}: {word:?}"));
        }
        // However a message is dressed, it is read in the same form.
        for text in variants(phrase) {
            assert_eq!(normal(&text), normal(phrase), "{text:?}");
        }
    }
    assert!(count >= 450, "{count}");
    assert!(
        missed.is_empty(),
        "{} of {count}:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

/// C3: what only sounds like a stop does not stop, and mostly does not even ask the staff.
#[test]
fn near_misses_do_not_stop() {
    let (mut count, mut unsure) = (0, Vec::new());
    let mut wrong = Vec::new();
    for phrase in lines(NEAR) {
        count += 1;
        match classify(phrase, None) {
            InboundWord::Stop { how } => wrong.push(format!("{phrase:?}: {how:?}")),
            InboundWord::Unsure { matched } => unsure.push(format!("{phrase:?}: {matched}")),
            _ => {}
        }
        for text in variants(phrase) {
            assert_eq!(normal(&text), normal(phrase), "{text:?}");
        }
    }
    assert!(count >= 450, "{count}");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        unsure.len() * 100 <= count * 3,
        "{} of {count}:\n{}",
        unsure.len(),
        unsure.join("\n")
    );
}

/// C3: of messages that the patterns were not tuned on, at least 99 in 100 clear ends are heard.
#[test]
fn unseen_stops_are_heard() {
    let all: Vec<&str> = lines(UNSEEN_STOPS).collect();
    let heard = |text: &&&str| matches!(classify(text, None), InboundWord::Stop { .. });
    let missed: Vec<String> = all
        .iter()
        .filter(|text| !heard(text))
        .map(|text| format!("{text:?}: {:?}", classify(text, None)))
        .collect();
    let list = missed.join("\n");
    assert!(lines(STOPS).count() + all.len() >= 600);
    assert!(
        missed.len() * 100 <= all.len(),
        "{} of {}:\n{list}",
        missed.len(),
        all.len()
    );
}

/// C3: of unseen messages that only sound like an end, at most 3 in 100 stop anything, and every one that does says which words did it.
#[test]
fn unseen_near_misses_seldom_stop() {
    let all: Vec<&str> = lines(UNSEEN_NEAR).collect();
    let (mut wrong, mut unsure) = (Vec::new(), Vec::new());
    for text in &all {
        match classify(text, None) {
            InboundWord::Stop { how } => wrong.push(format!("{text:?}: {how:?}")),
            InboundWord::Unsure { matched } => unsure.push(format!("{text:?}: {matched}")),
            _ => {}
        }
    }
    assert!(lines(NEAR).count() + all.len() >= 600);
    assert!(
        unsure.len() * 100 <= all.len() * 3,
        "{} of {} ask the staff:\n{}",
        unsure.len(),
        all.len(),
        unsure.join("\n")
    );
    assert!(
        wrong.len() * 100 <= all.len() * 3,
        "{} of {}:\n{}",
        wrong.len(),
        all.len(),
        wrong.join("\n")
    );
}

/// C3: no unseen message is in the lists that the patterns were tuned on.
#[test]
fn unseen_messages_are_unseen() {
    for (tuned, unseen) in [(STOPS, UNSEEN_STOPS), (NEAR, UNSEEN_NEAR)] {
        let known: std::collections::HashSet<String> = lines(tuned).map(normal).collect();
        let both: Vec<&str> = lines(unseen)
            .filter(|text| known.contains(&normal(text)))
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }
}

/// C3: the words that the law makes conclusive are told from those of lists, slips and phrases.
#[test]
fn a_stop_says_how_it_was_recognised() {
    let how = |text| match classify(text, None) {
        InboundWord::Stop { how } => how,
        other => panic!("{text}: {other:?}"),
    };
    for word in CONCLUSIVE {
        assert_eq!(how(word), StopHow::Conclusive { word });
    }
    assert_eq!(how("STOP ALL!"), StopHow::Listed { word: "stop all" });
    assert_eq!(
        how("Please STOP, thanks"),
        StopHow::Conclusive { word: "stop" }
    );
    assert_eq!(
        how("unsubcribe"),
        StopHow::Misspelt {
            word: "unsubscribe"
        }
    );
    assert_eq!(
        how("Hey, could you take me off your list? Thank you"),
        StopHow::FreeText {
            matched: "take me off your list".to_owned()
        }
    );
}

/// C3: doubt is neither a stop nor nothing.
#[test]
fn doubt_is_left_to_the_staff() {
    for text in [
        "not interested",
        "I'm not interested anymore",
        "how did you get my number",
        "this is spam",
        "I'm reporting you",
        "I'll sue you",
        "fuck you",
        "cancel it",
        "cancel everything",
        "cancel my account",
        "I never signed up for this",
        "don't call me, text me instead",
        "Don't text me, just call",
        "you said reply stop",
        "what happens if I stop",
        "is there a way to revoke",
        "no estoy interesado",
        "pas intéressé",
    ] {
        let word = classify(text, None);
        assert!(
            matches!(word, InboundWord::Unsure { .. }),
            "{text}: {word:?}"
        );
    }
}

/// C3: the families of help and start, and the business's name behind the word.
#[test]
fn help_start_and_yes_are_whole_messages() {
    for (text, word) in [
        ("HELP", InboundWord::Help),
        ("info", InboundWord::Help),
        ("Aide !", InboundWord::Help),
        ("help please", InboundWord::Help),
        ("START", InboundWord::Start),
        ("Unstop", InboundWord::Start),
        ("subscribe", InboundWord::Start),
        ("begin", InboundWord::Start),
        ("YES", InboundWord::Yes),
        ("Sí", InboundWord::Yes),
        ("oui", InboundWord::Yes),
        ("", InboundWord::None),
        ("👍", InboundWord::None),
        ("Is Tuesday fine?", InboundWord::None),
    ] {
        assert_eq!(classify(text, None), word, "{text}");
    }
    let brand = Some("Acme Plumbing, Inc.");
    assert!(matches!(
        classify("STOP Acme Plumbing Inc", brand),
        InboundWord::Stop { .. }
    ));
    assert!(matches!(
        classify("acme plumbing inc: stop", brand),
        InboundWord::Stop { .. }
    ));
    assert_eq!(classify("HELP ACME PLUMBING INC", brand), InboundWord::Help);
    assert_eq!(classify("Acme Plumbing Inc", brand), InboundWord::None);
    assert!(matches!(
        classify("stop", Some("")),
        InboundWord::Stop { .. }
    ));
}

/// C3: a thumb on our own message quotes its "Reply STOP" and asks for nothing.
#[test]
fn a_reaction_to_our_message_is_no_stop() {
    for text in [
        "Liked “Acme: your plumber comes at 5. Reply STOP to opt out”",
        "Loved \"Thanks! Reply STOP to end, HELP for help.\"",
        "Disliked “Acme: 10% off this week. Reply STOP to cancel”",
        "Reacted 👍 to “Acme: see you at 5. Reply STOP to end”",
    ] {
        assert_eq!(classify(text, None), InboundWord::None, "{text}");
    }
}

proptest! {
    /// Hostile input is normal.
    #[test]
    fn any_text_is_read(text in "\\PC{0,300}", brand in proptest::option::of("\\PC{0,20}")) {
        classify(&text, brand.as_deref());
    }

    /// A conclusive word is heard in any case and between any marks.
    #[test]
    fn the_conclusive_words_are_heard_in_any_dress(
        word in proptest::sample::select(CONCLUSIVE),
        upper in proptest::collection::vec(any::<bool>(), 12),
        before in "[ .!*'\"(\n🛑-]{0,4}",
        after in "[ .!?*'\")\n🙏-]{0,6}",
    ) {
        let dressed: String = word
            .chars()
            .zip(upper)
            .map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c })
            .collect();
        let text = format!("{before}{dressed}{after}");
        let heard = classify(&text, None);
        prop_assert_eq!(heard, InboundWord::Stop { how: StopHow::Conclusive { word } });
    }
}

/// C3: what a phone makes of a thumb on our message quotes it; the same words from a person ask for an end.
#[test]
fn a_thumb_on_our_message_is_no_stop() {
    let quoted = "We stop texting you when you unsubscribe";
    assert_eq!(
        classify(&format!("Liked “{quoted}”"), None),
        InboundWord::None
    );
    assert_eq!(
        classify(&format!("Removed a like from “{quoted}”"), None),
        InboundWord::None
    );
    assert!(phrases::is_reaction("liked one two three four five"));
    // So short a message is a person's own.
    assert!(!phrases::is_reaction("liked stop texting me now"));
    assert!(matches!(
        classify("Liked stop texting me now", None),
        InboundWord::Stop { .. }
    ));
    assert!(!phrases::is_reaction("unliked one two three four five"));
}

/// C3: "unsubscribe" two letters away is meant; "resubscribe" and "u subscribe" are as near and are not.
#[test]
fn a_slip_of_the_finger_stays_in_one_word() {
    for slip in [
        "unsubscribe",
        "unsubscrib",
        "unsubsribee",
        "usubscribe",
        "ubsubscribe",
        "unsubscr1be",
    ] {
        assert_eq!(misspelt(slip), Some("unsubscribe"), "{slip}");
    }
    for other in [
        "resubscribe",
        "u subscribe",
        "insubscribe",
        "unsubscribingx",
        "usubscrb",
    ] {
        assert_eq!(misspelt(other), None, "{other}");
    }
}
