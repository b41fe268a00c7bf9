//! What happened to a message, step by step: its cause, the gates, every call, what came back, and what is planned (M10).

use super::super::format::{Local, words};
use super::explain::{Telling, inner, lower_first, plain, step_of};
use super::gates::{self, Gate};
use ringback_core::messages::{Category, Fact, Status};
use ringback_core::time::{Timestamp, from_micros};
use ringback_store::{AttemptView, EventView};

/// A line of the trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Item {
    /// For ordering.
    pub at: Timestamp,
    /// As people read it.
    pub time: String,
    /// For machines.
    pub machine: String,
    /// The colour's role.
    pub class: &'static str,
    /// The drawing: `t-{symbol}`.
    pub symbol: &'static str,
    /// The sentence.
    pub title: String,
    /// More of it.
    pub text: String,
    /// The gates, under the line that speaks of them.
    pub gates: Vec<Gate>,
    /// Whether they are shown unfolded.
    pub open: bool,
    /// When the gates were asked.
    pub asked: String,
    /// Not yet: drawn dotted.
    pub plan: bool,
}

/// What the trace is made of.
#[derive(Debug)]
pub(super) struct Story<'a> {
    /// The message and what is told of it.
    pub told: &'a Telling<'a>,
    /// Its calls, first one first.
    pub attempts: &'a [AttemptView],
    /// The event that caused it.
    pub cause: Option<&'a EventView>,
    /// The lead, as people say it.
    pub lead: &'a str,
    /// Who it goes through, by call.
    pub providers: &'a [String],
}

/// Every line, oldest first, plans last.
pub(super) fn trace(story: &Story<'_>) -> Vec<Item> {
    let told = story.told;
    let message = told.message;
    let mut items = Vec::new();
    if let Some(cause) = story.cause {
        let (title, text) = caused(cause, story.lead);
        items.push(item(told, cause.at, "", "cause", title, text));
    }
    items.push(made(told));
    for act in &message.plan.replayed {
        items.push(item(
            told,
            from_micros(act.at),
            "",
            "dot",
            format!("{} had it tried again", by(Some(&act.by))),
            "From the beginning: every gate is asked and every attempt is counted anew.".to_owned(),
        ));
    }
    if told.verdict.at > 0 {
        let rows = gates::table(told);
        let stop = rows.iter().find(|row| row.stop);
        let class = if stop.is_some() { "held" } else { "kept" };
        let text = match stop {
            Some(_) => {
                let passed = rows
                    .iter()
                    .filter(|row| matches!(row.answer, "Passes" | "Stands in"))
                    .count();
                format!("{passed} let it through before that.")
            }
            None => String::new(),
        };
        let asked_at = from_micros(told.verdict.at);
        let mut gate = item(
            told,
            asked_at,
            class,
            "gate",
            gates::summary(&rows, told),
            text,
        );
        gate.open = stop.is_some();
        gate.asked = told.local.exact(asked_at);
        gate.plan = message.status == Status::Deferred;
        gate.gates = rows;
        items.push(gate);
    }
    for (n, attempt) in story.attempts.iter().enumerate() {
        let provider = story
            .providers
            .get(n)
            .map_or("the provider", String::as_str);
        items.push(match attempt.outcome.as_str() {
            "found" | "absent" | "unclear" => looked_up(told, attempt, provider),
            _ => called(told, attempt, provider),
        });
    }
    for (fact, at) in &message.facts {
        items.push(happened(told, *fact, from_micros(*at)));
    }
    if let Some(act) = &message.plan.discarded {
        let text = if act.reason.is_empty() {
            String::new()
        } else {
            format!("“{}”", act.reason)
        };
        let title = format!("{} discarded it", by(Some(&act.by)));
        items.push(item(told, from_micros(act.at), "", "cross", title, text));
    }
    if let Some(at) = message.settled_at {
        let answered = story
            .attempts
            .last()
            .is_some_and(|last| settles(&last.outcome, message.status));
        if !answered && !matches!(message.status, Status::Accepted) {
            items.push(settled(told, at));
        }
    }
    items.sort_by_key(|item| item.at);
    if let Some(at) = message
        .deadline
        .filter(|_| message.status == Status::Unknown)
    {
        items.push(next_look(told, at));
    }
    if message.status.waits() {
        let title = match message.status {
            Status::Queued => "It goes as soon as there is room",
            Status::Scheduled => "It goes, if all gates agree",
            _ => "It goes, if all gates agree again",
        };
        let wait = message.due_at.duration_since(told.now);
        let text = if wait.is_positive() {
            format!("{} from now.", words(wait))
        } else {
            String::new()
        };
        items.push(Item {
            plan: true,
            ..item(told, message.due_at, "held", "open", title.to_owned(), text)
        });
    }
    items
}

fn item(
    told: &Telling<'_>,
    at: Timestamp,
    class: &'static str,
    symbol: &'static str,
    title: String,
    text: String,
) -> Item {
    let today = told.local.when(at, told.now) == told.local.time(at);
    let time = if today {
        told.local.exact(at)
    } else {
        told.local.when(at, told.now)
    };
    Item {
        at,
        time,
        machine: Local::machine(at),
        class,
        symbol,
        title,
        text,
        ..Item::default()
    }
}

/// What a person or system did, in a sentence.
fn caused(event: &EventView, who: &str) -> (String, String) {
    let said = |name: &str| {
        event
            .properties
            .get(name)
            .and_then(|value| value.as_str())
            .map(|text| text.chars().take(160).collect::<String>())
    };
    match event.kind.as_str() {
        "lead.captured" | "lead.created" => match event.source.strip_prefix("form:") {
            Some(form) => (format!("{who} sent form “{form}”"), String::new()),
            None => (format!("{who} came in"), format!("By {}.", event.source)),
        },
        "message.composed" => (
            format!("{} asked for a message", by(event.actor.as_deref())),
            String::new(),
        ),
        "message.received" => (
            format!("{who} wrote to us"),
            said("body")
                .map(|body| format!("“{body}”"))
                .unwrap_or_default(),
        ),
        "tier.entered" => (
            format!("{who} entered tier {}", said("tier").unwrap_or_default()),
            String::new(),
        ),
        "stage.changed" | "lead.stage_changed" => (
            format!(
                "{who} moved to stage {}",
                said("to").or_else(|| said("stage")).unwrap_or_default()
            ),
            event
                .actor
                .as_deref()
                .map(|actor| format!("By {}.", by(Some(actor))))
                .unwrap_or_default(),
        ),
        kind => (
            format!(
                "{who} {}",
                super::super::people::did(kind, &event.properties)
            ),
            format!("Event {kind} by {}.", event.source),
        ),
    }
}

/// Who did it, as people say it: people by their name, keys as keys.
fn by(actor: Option<&str>) -> String {
    match actor.map(|actor| actor.split_once(':').unwrap_or(("", actor))) {
        Some(("key", name)) => format!("Key {name}"),
        Some((_, name)) => name.to_owned(),
        None => "Somebody".to_owned(),
    }
}

fn made(told: &Telling<'_>) -> Item {
    let message = told.message;
    let title = match (
        &message.step,
        message.plan.keyword_answer,
        message.plan.instead_of,
    ) {
        (_, _, Some(other)) => format!("It stands in for {other}, which did not arrive"),
        (_, true, _) => "The one answer to the word that was written".to_owned(),
        (Some(step), ..) => {
            let (workflow, version, at) = step_of(step);
            format!("Step {at} of workflow {workflow}, version {version}, made this message")
        }
        (None, ..) => "This message was made".to_owned(),
    };
    let mut text = match &message.template {
        Some((name, version)) => format!("Template {name} version {version}, {}", message.category),
        None => format!("Its own text, {}", message.category),
    };
    match message.expires_at {
        Some(at) => text.push_str(&format!(
            ", waits until {} at most.",
            told.local.when(at, told.now)
        )),
        None => text.push('.'),
    }
    item(told, message.created_at, "", "dot", title, text)
}

/// A look into the provider's log for what became of a call without an answer.
fn looked_up(told: &Telling<'_>, attempt: &AttemptView, provider: &str) -> Item {
    let (class, symbol, what) = match attempt.outcome.as_str() {
        "found" => ("kept", "dot", "found"),
        "absent" => ("", "open", "not there"),
        _ => ("lamp", "open", "no clear answer"),
    };
    let mut text = attempt
        .why
        .as_ref()
        .map(|why| format!("{}.", plain(inner(&why.detail))))
        .unwrap_or_default();
    if let Some(reference) = &attempt.reference {
        text.push_str(&format!(" It calls the message {reference}."));
    }
    item(
        told,
        attempt.started_at,
        class,
        symbol,
        format!("Looked up in the log of {provider}: {what}"),
        text,
    )
}

/// What will be done about an unknown message, and when.
fn next_look(told: &Telling<'_>, at: Timestamp) -> Item {
    let asks = told
        .message
        .plan
        .doubt
        .as_ref()
        .is_some_and(|doubt| doubt.looks < 4);
    let title = if asks {
        "It is looked up again whether it went out"
    } else {
        "It is decided what to do when nobody has reported by then"
    };
    let wait = at.duration_since(told.now);
    let text = if wait.is_positive() {
        format!("{} from now.", words(wait))
    } else {
        String::new()
    };
    Item {
        plan: true,
        ..item(told, at, "lamp", "open", title.to_owned(), text)
    }
}

fn called(told: &Telling<'_>, attempt: &AttemptView, provider: &str) -> Item {
    let took = words(attempt.finished_at.duration_since(attempt.started_at));
    let n = attempt.number;
    let (class, symbol, what) = match attempt.outcome.as_str() {
        "delivered" => ("kept", "dot", "delivered"),
        "accepted" => ("kept", "open", "took it"),
        "retry" => ("late", "cross", "refused, nothing was sent"),
        "misconfigured" => ("late", "cross", "refused our account, nothing was sent"),
        "refused" => ("late", "cross", "refused for good"),
        _ => ("lamp", "open", "may or may not have it: the line broke"),
    };
    let mut text = format!("After {took}.");
    if let Some(why) = &attempt.why {
        text.push_str(&format!(" {} ({}).", plain(inner(&why.detail)), why.code));
    }
    if let Some(reference) = attempt
        .reference
        .as_deref()
        .filter(|reference| *reference != "sandbox")
    {
        text.push_str(&format!(" It calls the message {reference}."));
    }
    if attempt.late {
        text.push_str(" The answer came too late to count and is kept as evidence.");
    }
    let mut one = item(
        told,
        attempt.started_at,
        class,
        symbol,
        format!("Attempt {n}: {provider} {what}"),
        text,
    );
    one.at = attempt.started_at;
    one
}

/// Whether what a call came to is where the message stands.
fn settles(outcome: &str, status: Status) -> bool {
    match status {
        Status::Delivered => outcome == "delivered",
        Status::Accepted => matches!(outcome, "accepted" | "found"),
        Status::Failed | Status::Bounced | Status::Blocked => {
            matches!(outcome, "refused" | "retry" | "misconfigured")
        }
        Status::Unknown => outcome == "unknown",
        _ => false,
    }
}

fn settled(told: &Telling<'_>, at: Timestamp) -> Item {
    let why = told
        .message
        .why
        .as_ref()
        .map(|why| format!("{}.", inner(&why.detail)))
        .unwrap_or_default();
    let (class, symbol, title) = match told.message.status {
        Status::Delivered => ("kept", "dot", format!("It arrived at {}", told.whom)),
        Status::Bounced => (
            "late",
            "cross",
            "It came back: the address is at fault".to_owned(),
        ),
        Status::Failed => (
            "late",
            "cross",
            "The provider reports that it did not arrive".to_owned(),
        ),
        Status::Blocked => ("held", "gate", "It will not go".to_owned()),
        Status::Cancelled => ("", "cross", "It was cancelled".to_owned()),
        Status::Expired => ("late", "cross", "Its time ran out".to_owned()),
        Status::Unknown => ("lamp", "open", "Nobody knows whether it arrived".to_owned()),
        other => ("", "dot", format!("It is {other}")),
    };
    item(told, at, class, symbol, title, why)
}

fn happened(told: &Telling<'_>, fact: Fact, at: Timestamp) -> Item {
    let whom = told.whom;
    let (class, symbol, title) = match fact {
        Fact::Opened => ("kept", "in", format!("{whom} opened it")),
        Fact::Clicked => ("kept", "in", format!("{whom} clicked a link in it")),
        Fact::Replied => ("kept", "in", format!("{whom} answered")),
        Fact::Complained => ("late", "in", format!("{whom} called it spam")),
        Fact::Unsubscribed => ("late", "in", format!("{whom} wants no more")),
        Fact::Sent => (
            "",
            "out",
            "The provider passed it on to the carrier".to_owned(),
        ),
        Fact::Delayed => (
            "lamp",
            "open",
            "The provider says it will take longer".to_owned(),
        ),
    };
    item(told, at, class, symbol, title, String::new())
}

/// The line under the title: what it is and where it comes from.
pub(super) fn line(told: &Telling<'_>) -> String {
    let message = told.message;
    let category = match message.category {
        Category::Staff => "an alert",
        Category::Transactional => "transactional",
        Category::Promotional => "promotional",
        Category::Emergency => "emergency",
    };
    match &message.step {
        Some(step) => format!("{category}, from workflow {}", step_of(step).0),
        None => lower_first(category),
    }
}
