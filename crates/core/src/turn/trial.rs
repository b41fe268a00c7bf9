//! Small businesses for tests of the turn: a preset that ships or a few documents, opened as a [`Rehearsal`].

use super::rehearsal::{Perfect, Rehearsal, tenant_of};
use super::{Capture, Intake, Track, Visit, Who};
use crate::config::{Document, TenantConfig, load};
use crate::contact::{Email, Phone};
use crate::ids::LeadId;
use crate::leads::{Overwrite, Profile};
use crate::messages::Message;
use crate::places::Region;
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// A few documents beside those that every business needs; an empty text takes one of those away.
pub(crate) fn files(documents: &[(&str, &str)]) -> BTreeMap<String, Document> {
    let mut files: BTreeMap<String, Document> = [
        (
            "tenant.yaml",
            "name: Alder Plumbing\nregion: US\ntime_zone: America/Denver\npostal_address: 100 Example Street\nhours:\n  monday: 08:00-18:00\n  tuesday: 08:00-18:00\n  wednesday: 08:00-18:00\n  thursday: 08:00-18:00\n  friday: 08:00-18:00\n",
        ),
        (
            "products/repair.yaml",
            "name: repair\nstages:\n  - { name: new }\n  - { name: contacted }\n  - { name: won, terminal: true }\n",
        ),
        (
            "staff.yaml",
            "people:\n  - { name: Ruth Alder, email: ruth@example.com, phone: +1 303-555-0101, roles: [owner] }\n  - { name: Sam Okafor, email: sam@example.com, phone: +1 303-555-0102, roles: [agent] }\nlists:\n  office: [Sam Okafor]\n",
        ),
        (
            "templates/note.sms.txt",
            "---\ncategory: transactional\nsample: {}\n---\nHello from us. {{ message.opt_out_line }}\n",
        ),
        (
            "templates/note.email.html",
            "---\ncategory: transactional\nsubject: Hello\nsample: {}\n---\n<p>Hello from us</p><p>{{ tenant.address }}</p>\n",
        ),
        (
            "templates/offer.sms.txt",
            "---\ncategory: promotional\nsample: {}\n---\nAn offer. {{ message.opt_out_line }}\n",
        ),
        (
            "templates/alert.sms.txt",
            "---\ncategory: staff\nsample: {}\n---\nLook at this lead\n",
        ),
        (
            "templates/alert.email.html",
            "---\ncategory: staff\nsubject: A lead\nsample: {}\n---\n<p>Look at this lead</p>\n",
        ),
        (
            "templates/news.email.html",
            "---\ncategory: staff\nsubject: New leads\nsample: {}\n---\n{% for one in list %}<p>{{ one.reference }}</p>{% endfor %}\n",
        ),
    ]
    .into_iter()
    .chain(documents.iter().copied())
    .map(|(path, text)| (path.to_owned(), Document::new(text)))
    .collect();
    files.retain(|_, document| !document.text.is_empty());
    files
}

/// A business of a few documents beside those that every business needs.
pub(crate) fn config(documents: &[(&str, &str)]) -> Arc<TenantConfig> {
    let told = |problems: Vec<crate::config::Problem>| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    };
    Arc::new(load(&files(documents)).unwrap_or_else(told))
}

/// The same, opened at an instant.
pub(crate) fn open(documents: &[(&str, &str)], at: &str) -> Rehearsal {
    Rehearsal::with(vec![tenant_of(1, config(documents))], Perfect, instant(at))
}

/// A preset that ships, opened at an instant.
pub(crate) fn preset(name: &str, at: &str) -> Rehearsal {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(name);
    let mut files = BTreeMap::new();
    collect(&root, &root, &mut files);
    let config = load(&files).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    Rehearsal::open(Arc::new(config), instant(at))
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<String, Document>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            into.insert(name.to_owned(), Document::new(text));
        }
    }
}

/// Somebody filled in a form. `n` tells people apart.
pub(crate) fn form(form: Option<&str>, n: u32) -> Intake {
    Intake::Capture(Box::new(Capture {
        profile: Profile {
            first_name: Some("Dana".into()),
            last_name: Some("Reyes".into()),
            state: Some("CO".into()),
            zip: Some("80202".into()),
            ..Profile::default()
        },
        phone: Phone::parse(&format!("+1 303-555-{:04}", 110 + n), Region::US).ok(),
        email: Email::parse(&format!("dana{n}@example.com")).ok(),
        anonymous_id: None,
        product: None,
        consents: Vec::new(),
        form: form.map(str::to_owned),
        key: None,
        test: false,
        own_enquiry: true,
        overwrite: Overwrite::Newer,
        ip: None,
    }))
}

/// A lead or a browser did something now.
pub(crate) fn event(who: Who, kind: &str, now: Timestamp, properties: Value) -> Intake {
    let path = properties["path"].as_str().map(str::to_owned);
    let browser = matches!(who, Who::Named { .. });
    Intake::Track(Box::new(Track {
        who,
        kind: kind.to_owned(),
        happened: now,
        properties: if properties.is_null() {
            Value::Object(Map::new())
        } else {
            properties
        },
        key: None,
        source: if browser { "tracking" } else { "api" },
        traits: None,
        visit: Visit {
            path,
            ..Visit::default()
        },
        public: false,
        session: browser,
    }))
}

/// The lead that an answer speaks of.
pub(crate) fn lead_in(answer: &super::Answer) -> LeadId {
    match answer {
        super::Answer::Captured(captured) => captured.id,
        super::Answer::Tracked(tracked) => tracked.lead_id,
        other => panic!("no lead in {other:?}"),
    }
}

/// Every message in one line: when it was accepted or is due, to whom, on which channel, which template, where it stands.
pub(crate) fn told<P>(rehearsal: &Rehearsal<P>) -> Vec<String> {
    let line = |message: &Message| {
        let at = message.accepted_at.unwrap_or(message.due_at);
        let template = message
            .template
            .as_ref()
            .map_or("words", |(name, _)| name.as_str());
        let code = message.why.as_ref().map_or("", |why| why.code.as_str());
        format!(
            "{} {} {} {template} {} {code}",
            at.strftime("%dT%H:%M:%S"),
            message.channel,
            message.recipient,
            message.status
        )
        .trim_end()
        .to_owned()
    };
    rehearsal.memory.messages().map(line).collect()
}
