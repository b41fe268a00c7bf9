//! The gates of a message as a table, in their order, with the one that holds it lit (M10).

use super::explain::{Telling, plain};
use super::hours::HoursSaid;
use ringback_core::messages::{Category, ChannelKind, Status};

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    /// The colour's role.
    pub class: &'static str,
    /// The drawing.
    pub symbol: &'static str,
    /// Passes, Holds, Blocks, Stands in, Not asked.
    pub answer: &'static str,
    /// The gate.
    pub name: &'static str,
    /// What it looked at and found.
    pub because: String,
    /// The rules that counted.
    pub rule: String,
    /// The one that holds it.
    pub stop: bool,
}

const GATES: [&str; 8] = [
    "kill_switch",
    "sandbox",
    "suppression",
    "consent",
    "number",
    "caps",
    "quiet_hours",
    "connection",
];

fn name(gate: &str) -> &'static str {
    match gate {
        "expiry" => "Expiry",
        "kill_switch" => "Kill switch",
        "sandbox" => "Sandbox",
        "suppression" => "Suppression",
        "consent" => "Consent",
        "do_not_call" => "Do-not-call lists",
        "number" => "Number",
        "registration" => "Sender registration",
        "caps" => "How often",
        "budget" => "Budget",
        "clock" => "Clock",
        "quiet_hours" => "Quiet hours",
        "content" => "Content",
        "connection" => "Connection",
        _ => "Another gate",
    }
}

/// What a gate found that let the message pass without a word.
fn silent(gate: &str, told: &Telling<'_>) -> &'static str {
    let message = told.message;
    let staff = message.category == Category::Staff;
    match gate {
        "kill_switch" => "None is set for this business, channel or workflow",
        "sandbox" => "Off: it goes to a real provider",
        "suppression" if message.plan.keyword_answer => {
            "The one answer to a word is not held by the list"
        }
        "suppression" => "Not on the list",
        "consent" if staff => "Alerts by mail need none",
        "consent" if message.channel == ChannelKind::Webhook => "Systems of the business need none",
        "consent" => "Not needed for this",
        "number" if message.channel == ChannelKind::Sms => "Can be texted",
        "number" => "Not a text",
        "caps" if staff => "Under the limits of alerts",
        "caps" => "Under every limit",
        "budget" => "Paid for by the budget",
        "quiet_hours" if staff => "Do not hold alerts to people of the business",
        "quiet_hours" => "Do not hold this",
        "connection" if message.sandbox => "The sandbox is always there",
        "connection" => "One is switched on",
        _ => "",
    }
}

fn hours(said: &HoursSaid, told: &Telling<'_>) -> String {
    let mut text = said.sentence.clone();
    if let Some(at) = said.opens {
        let there = said.local(told.local, told.region);
        text.push_str(&format!(
            " Opens {} in {}; it goes then or shortly after, so that not all go at once.",
            there.on(at, told.now),
            there.place()
        ));
    }
    match said.places.as_slice() {
        [] => {}
        [place] => text.push_str(&format!(
            " {} is known by {}.",
            place.zone.city(),
            place.sources.join(" and ")
        )),
        _ => text.push_str(&format!(" Seen: {}.", said.seen())),
    }
    text
}

/// Every gate, asked or not, in order.
pub(super) fn table(told: &Telling<'_>) -> Vec<Gate> {
    let mut rows: Vec<Gate> = Vec::with_capacity(GATES.len() + 1);
    for said in &told.verdict.said {
        let (class, symbol, answer, stop) = match said.says.as_str() {
            "pass" => ("kept", "delivered", "Passes", false),
            "sandbox" => ("", "accepted", "Stands in", false),
            "defer" => ("held", "deferred", "Holds", true),
            _ => ("held", "blocked", "Blocks", true),
        };
        let (because, rule) = if said.gate == "quiet_hours" && !said.because.is_empty() {
            let read = HoursSaid::read(said);
            (hours(&read, told), read.rules.join(" "))
        } else if said.because.is_empty() {
            (silent(&said.gate, told).to_owned(), String::new())
        } else {
            (plain(&said.because), said.rule.clone())
        };
        rows.push(Gate {
            class,
            symbol,
            answer,
            name: name(&said.gate),
            because,
            rule,
            stop,
        });
    }
    let stopped = rows.iter().any(|row| row.stop);
    if stopped {
        let waits = told.message.status == Status::Deferred;
        let asked = |gate: &str| told.verdict.said.iter().any(|said| said.gate == gate);
        for gate in GATES.into_iter().filter(|gate| !asked(gate)) {
            let because = if waits {
                format!("Asked {}", told.local.on(told.message.due_at, told.now))
            } else {
                "Not needed any more".to_owned()
            };
            rows.push(Gate {
                class: "",
                symbol: "scheduled",
                answer: if waits { "Not yet asked" } else { "Not asked" },
                name: name(gate),
                because,
                rule: String::new(),
                stop: false,
            });
        }
    }
    rows
}

/// The table in a sentence.
pub(super) fn summary(rows: &[Gate], told: &Telling<'_>) -> String {
    let passed = rows
        .iter()
        .filter(|row| matches!(row.answer, "Passes" | "Stands in"))
        .count();
    match rows.iter().find(|row| row.stop) {
        Some(row)
            if told.message.status == Status::Deferred
                && told
                    .verdict
                    .said
                    .last()
                    .is_some_and(|said| said.says == "defer") =>
        {
            let until = told.local.when(told.message.due_at, told.now);
            match row.name {
                "Quiet hours" => format!("Quiet hours hold it until {until}"),
                "How often" => format!("A limit holds it until {until}"),
                "Suppression" => format!("A reply that somebody must read holds it until {until}"),
                _ => format!("It waits for a connection; asked again at {until}"),
            }
        }
        Some(row) => format!("{} says no", row.name),
        None => format!("All {passed} gates let it through"),
    }
}
