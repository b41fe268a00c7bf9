//! What became of a message, in one sentence that is the title of its page, and what would have to change (M10; sections 5 and 9 of the
//! design of the dashboard).

use super::super::format::Local;
use super::hours::HoursSaid;
use ringback_core::messages::{Category, ChannelKind, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::{QUARANTINED, Said, VerdictView};

/// A status as a piece of line with its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Chip {
    /// The colour's role: `kept`, `late`, `held`, `lamp`, `ink` or none.
    pub class: &'static str,
    /// The drawing: `s-{symbol}`.
    pub symbol: &'static str,
    /// The word.
    pub word: &'static str,
}

/// The chip of a status.
pub(in super::super) const fn chip(status: Status) -> Chip {
    let (class, word) = match status {
        Status::Scheduled => ("", "Scheduled"),
        Status::Queued => ("", "Queued"),
        Status::Deferred => ("held", "Deferred"),
        Status::Sending => ("ink", "Sending"),
        Status::Accepted => ("", "Accepted"),
        Status::Delivered => ("kept", "Delivered"),
        Status::Failed => ("late", "Failed"),
        Status::Bounced => ("late", "Bounced"),
        Status::Blocked => ("held", "Blocked"),
        Status::Cancelled => ("", "Cancelled"),
        Status::Expired => ("late", "Expired"),
        Status::Unknown => ("lamp", "Unknown"),
    };
    Chip {
        class,
        symbol: status.as_str(),
        word,
    }
}

/// The word for a channel: what it is to a person.
pub(in super::super) const fn channel_word(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Sms => "Text",
        ChannelKind::Email => "Email",
        ChannelKind::Webhook => "Webhook",
    }
}

/// Workflow, version and step of `name@3#1.otherwise.0`; the step as the workflow's page counts it, from one: `2.1`.
pub(in super::super) fn step_of(step: &str) -> (&str, &str, String) {
    let (name, rest) = step.split_once('@').unwrap_or((step, ""));
    let (version, at) = rest.split_once('#').unwrap_or((rest, ""));
    let counted: Vec<String> = at
        .split('.')
        .filter_map(|part| part.parse::<usize>().ok())
        .map(|at| (at + 1).to_string())
        .collect();
    (name, version, counted.join("."))
}

/// Everything the sentence is made of.
#[derive(Debug)]
pub(in super::super) struct Telling<'a> {
    /// The message.
    pub message: &'a Message,
    /// What the gates said last.
    pub verdict: &'a VerdictView,
    /// The business's own time.
    pub local: &'a Local,
    /// Its country, which decides how times are written.
    pub region: &'a str,
    /// The present.
    pub now: Timestamp,
    /// Whom it goes to, as people say it.
    pub whom: &'a str,
    /// The provider it goes or went through.
    pub provider: &'a str,
}

/// A text in the middle of a sentence: without its full stop.
pub(in super::super) fn inner(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

impl Telling<'_> {
    fn code(&self) -> &str {
        self.message
            .why
            .as_ref()
            .and_then(|why| why.code.split(':').next())
            .unwrap_or_default()
    }

    fn detail(&self) -> &str {
        self.message
            .why
            .as_ref()
            .map_or("", |why| inner(&why.detail))
    }

    /// The reason as it follows a colon.
    fn told(&self) -> String {
        lower_first(&plain(self.detail()))
    }

    fn after(&self, word: &str) -> String {
        if self.detail().is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {}", self.told())
        }
    }

    /// The gate that held it.
    pub fn stop(&self) -> Option<&Said> {
        self.verdict
            .said
            .iter()
            .rev()
            .find(|said| said.says == "defer" || said.says == "block")
    }

    /// What quiet hours said.
    pub fn hours(&self) -> Option<HoursSaid> {
        self.verdict
            .said
            .iter()
            .find(|said| said.gate == "quiet_hours")
            .map(HoursSaid::read)
    }

    /// Where the message stands and why, in one sentence.
    pub fn title(&self) -> String {
        let message = self.message;
        let due = self.local.when(message.due_at, self.now);
        match message.status {
            Status::Scheduled if !message.plan.replayed.is_empty() => {
                format!("Goes again at {due}, when its turn in the replay comes")
            }
            Status::Scheduled => format!("Waits until {due}, as it was asked for"),
            Status::Queued if message.attempts > 0 || message.why.is_some() => {
                format!("Waits to be tried again at {due}: {}", self.told())
            }
            Status::Queued => "Waits for its turn".to_owned(),
            Status::Deferred => self.deferred(&due),
            Status::Sending => format!("On its way: {} is being called", self.provider),
            Status::Accepted | Status::Delivered => self.arrived(),
            Status::Failed => self.failed(),
            Status::Bounced => format!("{}. The address is at fault", self.after("Bounced")),
            Status::Blocked => self.blocked(),
            Status::Cancelled => match self.code() {
                "digest" => "Said in a digest instead: too many alerts came at once".to_owned(),
                "cancelled" => self.taken_back(),
                _ => self.after("Cancelled"),
            },
            Status::Expired => self.after("Expired"),
            Status::Unknown => self.unknown(),
        }
    }

    fn unknown(&self) -> String {
        let message = self.message;
        if self.code() == QUARANTINED {
            return format!(
                "In quarantine: the server died {} times in a row while it was being sent",
                message.plan.deaths
            );
        }
        let next = match message.deadline {
            Some(at) => format!(
                "It is found out; the next look is {}",
                self.local.on(at, self.now)
            ),
            None if message.repeated => {
                "It may have gone out twice; no more is sent by itself".to_owned()
            }
            None => "It is not sent again by itself".to_owned(),
        };
        format!("{}. {next}", self.after("May or may not have arrived"))
    }

    fn taken_back(&self) -> String {
        // Whoever did it is kept as `user:Inez` or `key:website`.
        let who = self
            .detail()
            .strip_prefix("Taken back by ")
            .map(|who| who.trim_start_matches("user:"));
        match who {
            Some(who) => format!("Taken back by {who} before it went"),
            None => self.after("Taken back"),
        }
    }

    fn deferred(&self, due: &str) -> String {
        match (self.code(), self.stop().map(|said| said.gate.as_str())) {
            ("quiet_hours", _) | ("", Some("quiet_hours")) => {
                let hours = self.hours().unwrap_or_default();
                let there = hours.local(self.local, self.region);
                let until = there.when(self.message.due_at, self.now);
                format!(
                    "Held until {until} in {}{}",
                    there.place(),
                    hours.because(&there)
                )
            }
            ("limit", _) if self.message.plan.digest => format!(
                "Waits until {due} and joins one digest: {}",
                lower_first(self.detail().split(": joins").next().unwrap_or_default())
            ),
            ("limit" | "budget", _) => format!("Waits until {due}: {}", self.told()),
            _ if self.detail().is_empty() => format!("Held, asked again at {due}"),
            _ => format!("Held until {due}: {}", self.told()),
        }
    }

    fn arrived(&self) -> String {
        let message = self.message;
        let delivered = message.status == Status::Delivered;
        let at = message
            .accepted_at
            .or(message.settled_at)
            .map(|at| format!(" {}", self.local.on(at, self.now)))
            .unwrap_or_default();
        if message.sandbox {
            return if delivered {
                "Delivered in the sandbox; nobody outside was reached".to_owned()
            } else {
                "Taken by the sandbox; nobody outside was reached".to_owned()
            };
        }
        let twice = if message.repeated {
            ". It may have gone out twice"
        } else {
            ""
        };
        if self.hours().is_some_and(|hours| hours.reply) {
            return format!(
                "Sent{at} although hours are closed there: a direct answer within 15 minutes{twice}"
            );
        }
        if delivered {
            format!("Delivered to {}{at}{twice}", self.whom)
        } else {
            format!(
                "{} took it{at}; it has not said yet whether it arrived{twice}",
                self.provider
            )
        }
    }

    fn failed(&self) -> String {
        let why = self.message.why.as_ref();
        let (said, instead) = match self.detail().split_once(" Said by ") {
            Some((said, instead)) => (inner(said), Some(instead)),
            None => (self.detail(), None),
        };
        let by = why
            .filter(|_| {
                !self.provider.is_empty() && !self.message.sandbox && self.message.attempts > 0
            })
            .map(|why| format!(" ({} {})", self.provider, why.code))
            .unwrap_or_default();
        let then = match instead {
            Some(channel) => format!(
                "Said by {} instead",
                inner(channel)
                    .trim_end_matches(" instead")
                    .replace("sms", "text")
            ),
            None => "It will not be tried again by itself".to_owned(),
        };
        if said.is_empty() {
            format!("Failed. {then}")
        } else {
            format!("Failed: {}{by}. {then}", lower_first(said))
        }
    }

    fn blocked(&self) -> String {
        match self.code() {
            "no_contact" | "no_template" => self.detail().to_owned(),
            "suppressed" => {
                let detail = self.detail();
                if let Some((since, how)) = detail
                    .strip_prefix("On the suppression list since ")
                    .and_then(|rest| rest.split_once(": "))
                {
                    if let Some(words) = how.strip_prefix("by replying ") {
                        return format!(
                            "Blocked: {} opted out on {since} by replying {words}. Only they can undo it, with START",
                            self.whom
                        );
                    }
                    return format!(
                        "Blocked: {} is on the suppression list since {since}: {how}",
                        self.whom
                    );
                }
                self.after("Blocked")
            }
            "opted_out" => format!(
                "Blocked: {}. Only they can undo it, with START",
                lower_first(&self.detail().replace("The person", self.whom))
            ),
            "no_consent" => format!(
                "Blocked: {}",
                lower_first(&plain(self.detail()).replace("The person", self.whom))
            ),
            _ => self.after("Blocked"),
        }
    }

    /// The four answers to "What would have to change": each a word in bold and a sentence.
    pub fn changes(&self) -> [(&'static str, String); 4] {
        let [nothing, sooner, not_if, again] = self.answers();
        let first = if nothing.is_empty() {
            ("Nothing.", self.nothing())
        } else {
            ("For it to go:", nothing)
        };
        [
            first,
            ("To go sooner:", sooner),
            ("It will not go if", not_if),
            ("So that it does not happen again:", again),
        ]
    }

    fn nothing(&self) -> String {
        match self.message.status {
            Status::Deferred | Status::Scheduled | Status::Queued => format!(
                "It goes by itself {}, if all gates agree then.",
                self.local.on(self.message.due_at, self.now)
            ),
            Status::Sending => "It is on its way.".to_owned(),
            Status::Accepted => "The provider has it and reports by itself.".to_owned(),
            Status::Cancelled if self.code() == "digest" => "The digest says it.".to_owned(),
            _ => "It arrived.".to_owned(),
        }
    }

    /// What it takes for the message to go, to go sooner, not to go, and what helps the next one.
    fn answers(&self) -> [String; 4] {
        match self.message.status {
            Status::Scheduled | Status::Queued | Status::Deferred => self.waiting(),
            Status::Sending | Status::Accepted | Status::Delivered => [
                s(""),
                s("it has gone."),
                s("it had been held; it cannot be taken back now."),
                s("nothing went wrong."),
            ],
            Status::Blocked => self.held_back(),
            Status::Failed
            | Status::Bounced
            | Status::Cancelled
            | Status::Expired
            | Status::Unknown => self.ended(),
        }
    }

    fn waiting(&self) -> [String; 4] {
        let whom = self.whom;
        let stop = |more: &str| {
            if self.message.staff.is_some() {
                format!("you cancel it{more}.")
            } else {
                format!("{whom} replies STOP, or if you cancel it{more}.")
            }
        };
        let expires = self
            .message
            .expires_at
            .map(|at| {
                format!(
                    ", or if it has not gone by {}",
                    self.local.when(at, self.now)
                )
            })
            .unwrap_or_default();
        match (self.message.status, self.code()) {
            (Status::Scheduled, _) => [
                s(""),
                s("cancel it and send it again without a time."),
                stop(&expires),
                s("nothing went wrong."),
            ],
            (Status::Queued, _) if self.message.attempts == 0 => [
                s(""),
                s("not possible, it goes as soon as there is room."),
                stop(&expires),
                s("nothing went wrong."),
            ],
            (Status::Queued, _) => [
                s(""),
                s("not possible, the provider needs the pause."),
                stop(&expires),
                s(
                    "add a second connection for this channel; then a refusal goes another way at once.",
                ),
            ],
            (Status::Deferred, "limit") => [
                s(""),
                s(
                    "raise the limit in tenant.yaml under limits; held messages are asked again when their time comes.",
                ),
                stop(&expires),
                s("send less often, or raise the limit."),
            ],
            (Status::Deferred, "budget") => [
                s(""),
                s(
                    "raise the budget in tenant.yaml under budget; held messages are asked again when their time comes, or send it again now.",
                ),
                stop(&expires),
                s("nothing went wrong: the budget is there so that a mistake stays cheap."),
            ],
            (Status::Deferred, "quiet_hours") => {
                let offer = if self.message.category == Category::Promotional {
                    "No setting opens quiet hours for promotional messages."
                } else {
                    "Only a direct answer within 15 minutes may go at any hour."
                };
                [
                    s(""),
                    format!("not possible. {offer}"),
                    stop(&expires),
                    s(
                        "send earlier in the day, or write down the person's own time zone when the places disagree.",
                    ),
                ]
            }
            _ => [
                s("switch a connection of this channel on."),
                s("the same."),
                stop(&expires),
                s("add a second connection for this channel."),
            ],
        }
    }

    fn held_back(&self) -> [String; 4] {
        let whom = self.whom;
        match self.code() {
            "suppressed" | "opted_out" => [
                format!(
                    "{whom} writes START; nobody else can undo an opt-out. An entry that you made yourself can be taken off the list."
                ),
                s("not possible."),
                format!("{whom} stays on the list."),
                s("nothing: the list did what it is for."),
            ],
            "no_consent" | "consent_revoked" => [
                format!("{whom} consents, and it is written down with the words they read."),
                s("call instead."),
                s("there is no consent."),
                s("ask for consent in the form, with a box that is not ticked beforehand."),
            ],
            "number_type" => [
                s("a number that can take texts."),
                s("call, or write an email."),
                s("the number stays the same."),
                s("ask for a mobile number in the form."),
            ],
            "kill_switch" => [
                s("switch sending on again, then try this message again."),
                s("the same."),
                s("it stays switched off."),
                s("nothing: somebody switched it off on purpose."),
            ],
            "no_contact" => [
                s("add the missing number or address, then send a new message."),
                s("use a channel that is known."),
                s("nothing is added."),
                s("ask for it in the form, or name a second channel in the step."),
            ],
            "no_template" => [
                s("write the template for this channel, then send a new message."),
                s("the same."),
                s("there is none."),
                s("the check of the configuration finds it before it happens."),
            ],
            "no_common_hour" => [
                format!("a confirmed time zone of {whom}, so that an allowed hour can be found."),
                s("call in person."),
                s("nothing says where they are."),
                s("ask for the ZIP or state in the form."),
            ],
            _ => [
                s("what the gate says, then try again."),
                s("the same."),
                s("nothing changes."),
                s("what the gate says."),
            ],
        }
    }

    fn ended(&self) -> [String; 4] {
        let whom = self.whom;
        match (self.message.status, self.code()) {
            (_, QUARANTINED) => [
                s("look at its words and its connection, then try again."),
                s("change its words, or write by another channel."),
                s("nobody has looked at it; it is kept from being sent."),
                s("tell who makes this program: a message must not end the server."),
            ],
            (Status::Failed, "no_connection" | "template") => [
                s("mend what the sentence above names, then try again."),
                s("the same."),
                s("nobody tries again."),
                s("the check of the configuration finds it before it happens."),
            ],
            (Status::Failed, _) => [
                s("mend what the provider says, then try again."),
                s("the same, or write by another channel."),
                s("nobody tries again."),
                s(
                    "name a second channel in the step (first: sms, email), or add a second connection.",
                ),
            ],
            (Status::Bounced, _) => [
                format!("a working address of {whom}."),
                s("ask for another address, or use another channel."),
                s("the address stays as it is."),
                s("check addresses when they are typed; a bounced one is not written to again."),
            ],
            (Status::Cancelled, "digest") => [
                s(""),
                s("raise the limit of alerts in tenant.yaml."),
                s("it had been said already."),
                s("raise the limit of alerts, or make fewer."),
            ],
            (Status::Cancelled, "lead_deleted") => [
                s("nothing brings it back: the lead was deleted."),
                s("not possible."),
                s("it was deleted."),
                s("nothing went wrong."),
            ],
            (Status::Cancelled, _) => [
                s("try again puts it back."),
                s("the same."),
                s("nobody puts it back."),
                s("nothing went wrong."),
            ],
            (Status::Expired, _) => [
                s("if it still matters, try again."),
                s("the same."),
                s("nobody tries again."),
                s("give the step a longer time to expire, or a second connection."),
            ],
            _ => [
                s("a report of the provider settles it."),
                format!("try again; {whom} may then get it twice."),
                s("it did arrive the first time and you leave it."),
                s("use a provider that drops twins by key; then it is asked again by itself."),
            ],
        }
    }
}

/// A text of its own.
fn s(text: &str) -> String {
    text.to_owned()
}

/// A reason in the words of people: a text, not an sms.
pub(in super::super) fn plain(text: &str) -> String {
    text.replace(" by sms", " by text")
        .replace(" an sms ", " a text ")
        .replace(" sms ", " text ")
}

/// A sentence that follows a colon begins small, unless it begins with a name or an abbreviation.
pub(in super::super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return String::new();
    };
    let rest = chars.as_str();
    let word = text.split([' ', ',', ':', '\'']).next().unwrap_or_default();
    const SMALL: &[&str] = &[
        "The", "There", "This", "That", "It", "A", "An", "Over", "On", "Every", "All", "Sending",
        "Consent", "Nothing", "Part", "Messages", "Open", "No", "Too", "Only", "Workflow", "Put",
        "Somebody", "Our", "Its",
    ];
    if SMALL.contains(&word) {
        format!("{}{rest}", first.to_lowercase())
    } else {
        text.to_owned()
    }
}
