//! `simulate` (W5): a file of events under virtual time, and what would go to whom, when, on which channel, at what cost, and why not.
//!
//! A line of the file is what a sample day has, a time and what is posted where; and beside that what only a simulation can have happen:
//! `/simulate/reply`, `/simulate/take`, `/simulate/event`, `/simulate/start`, `/simulate/stage`, `/simulate/outage` and `/simulate/restart`.
//! What happens to the world (an outage, a restart) happens before anything else of its instant, wherever it stands in the file.

use super::rehearsal::{Provider, Rehearsal, tenant_of};
use super::world::{PointKey, PointKind, Purpose};
use super::{Answer, Capture, ConsentTold, Decided, Intake, Order, StageMove, Track, Visit, Who};
use crate::config::{self, FieldKind, LeadField, Target, TenantConfig, durations};
use crate::contact::{Email, Phone};
use crate::ids::{LeadId, MessageId, TenantId};
use crate::leads::{Overwrite, Profile};
use crate::messages::{
    ChannelKind, Cost, Finding, Inbound, Message, Outcome, ProviderRef, Reason, Status,
};
use crate::templates::{Data, Own, RenderContext};
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Something that happens in a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Where it is posted.
    pub path: String,
    /// What is posted.
    pub body: Value,
    /// The line of the file, for what is said about it.
    pub line: u32,
}

impl Event {
    /// Whether it happens to everybody and not to a lead.
    fn of_the_world(&self) -> bool {
        matches!(self.path.as_str(), "/simulate/outage" | "/simulate/restart")
    }
}

/// What is wrong with a file of events: the line, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {says}")]
pub struct EventError {
    /// Counts from 1.
    pub line: u32,
    /// What is wrong and what to write.
    pub says: String,
}

/// Reads JSON lines with `path`, `body` and `at_offset_s` (seconds from `from` on) or `at`; answers them in the order of time.
pub fn read(text: &str, from: Timestamp) -> Result<Vec<Event>, EventError> {
    let mut events = Vec::new();
    for (line, n) in text.lines().zip(1u32..) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |says: String| EventError { line: n, says };
        let value: Value = serde_json::from_str(line)
            .map_err(|why| wrong(format!("this is no JSON object: {why}.")))?;
        let at = match (&value["at"], value["at_offset_s"].as_f64()) {
            (Value::String(at), _) => at
                .parse()
                .map_err(|_| wrong(format!("`{at}` is no instant; write 2026-11-24T10:00:00Z.")))?,
            (_, Some(seconds)) if seconds.is_finite() && seconds.abs() < 1e9 => {
                from + jiff::SignedDuration::from_micros((seconds * 1e6) as i64)
            }
            _ => return Err(wrong("write `at` or `at_offset_s`.".into())),
        };
        let path = value["path"]
            .as_str()
            .filter(|path| path.starts_with('/'))
            .ok_or_else(|| wrong("`path` begins with /, such as /v1/track.".into()))?;
        events.push(Event {
            at,
            path: path.to_owned(),
            body: value["body"].clone(),
            line: n,
        });
    }
    events.sort_by_key(|event| (event.at, !event.of_the_world()));
    Ok(events)
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// `sent`, `waits`, `not_sent`, or what happened to the lead, such as `tier.entered`.
    pub what: String,
    /// Whose lead it is about: its reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelKind>,
    /// Who hears it: the member of staff, else the number or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Workflow, version and step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Until when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why it waits or does not go, or what happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it costs, millionths of the business's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<i64>,
}

/// What a simulation came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulated {
    /// What happened, in order.
    pub timeline: Vec<Line>,
    /// Events that were taken in.
    pub events: usize,
    /// Events that were refused, with their line and why.
    pub refused: Vec<(u32, String)>,
    /// Messages that went out.
    pub sent: usize,
    /// Messages that a gate, a person or the end of their time kept back.
    pub not_sent: usize,
    /// Messages that still wait at the end.
    pub waiting: usize,
    /// What it cost, millionths of the business's currency.
    pub cost_micros: i64,
    /// Its currency.
    pub currency: String,
    /// The leads of the timeline by reference, with the name, number or address that the file knows them by.
    pub leads: Vec<(String, String)>,
    /// What could not be decided.
    pub errors: Vec<String>,
}

/// A provider that is out for a time on a channel, as the file has it.
#[derive(Debug, Default)]
struct Far {
    outages: Vec<(ChannelKind, Timestamp, Timestamp)>,
    /// What it has, for when it is asked again.
    has: HashSet<MessageId>,
}

impl Provider for Far {
    fn call(&mut self, message: &Message, now: Timestamp) -> Outcome {
        let out = self
            .outages
            .iter()
            .any(|(channel, from, to)| *channel == message.channel && *from <= now && now < *to);
        if out {
            return Outcome::Retryable {
                why: Reason::new("outage", "The provider is out in this simulation."),
                after: None,
            };
        }
        self.has.insert(message.id);
        taken_at_list_price(message)
    }

    fn look(&mut self, message: &Message, _now: Timestamp) -> Finding {
        if self.has.contains(&message.id) {
            Finding::Found(taken_at_list_price(message))
        } else {
            Finding::Absent
        }
    }
}

/// The answer of a provider that took a message, at what this call of it was reckoned at: calls before it have their own price.
fn taken_at_list_price(message: &Message) -> Outcome {
    let before = message.plan.doubt.as_ref().map_or(0, |doubt| doubt.spent);
    Outcome::Accepted {
        reference: ProviderRef(message.id.to_string()),
        cost: message.cost.clone().map(|cost| Cost {
            micros: (cost.micros - before).max(0),
            ..cost
        }),
    }
}

/// Time that passes between two questions whether it may go on.
const STRETCH: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
const HOUSE: TenantId = TenantId::from_raw(1);
/// Events of a lead's history that the timeline shows.
const SHOWN: [&str; 13] = [
    "tier.entered",
    "stage.changed",
    "lead.assigned",
    "lead.acknowledged",
    "segment.entered",
    "task.created",
    "call.ordered",
    "workflow.ended",
    "workflow.passed_over",
    "question.answered",
    "step.skipped",
    "step.redirected",
    "message.received",
];

/// Lets events happen to a business and time pass until an instant.
pub fn simulate(
    config: Arc<TenantConfig>,
    events: &[Event],
    from: Timestamp,
    until: Timestamp,
    seed: u64,
) -> Simulated {
    let always = &mut || true;
    simulate_while(config, events, from, until, seed, always)
        .unwrap_or_else(|| unreachable!("it always goes on"))
}

/// The same while it may go on, asked once in a while; `None` when it was told to give up.
pub fn simulate_while(
    config: Arc<TenantConfig>,
    events: &[Event],
    from: Timestamp,
    until: Timestamp,
    seed: u64,
    may_go_on: &mut dyn FnMut() -> bool,
) -> Option<Simulated> {
    let house = Rehearsal::with(vec![tenant_of(1, config)], Far::default(), from).seeded(seed);
    Running::new(house).through(events, until, may_go_on)
}

/// The same with the ids of another node.
#[cfg(test)]
pub(super) fn on_node(
    config: Arc<TenantConfig>,
    events: &[Event],
    from: Timestamp,
    until: Timestamp,
    seed: u64,
    node: u8,
) -> Simulated {
    let house = Rehearsal::with(vec![tenant_of(1, config)], Far::default(), from).seeded(seed);
    Running::new(house.on_node(node))
        .through(events, until, &mut || true)
        .unwrap_or_else(|| unreachable!("it always goes on"))
}

struct Running {
    house: Rehearsal<Far>,
    /// Leads by the names that the file knows them by.
    names: HashMap<String, LeadId>,
    /// How long the node will be away that is about to die.
    dies_for: Option<Duration>,
    lines: Lines,
    refused: Vec<(u32, String)>,
    taken: usize,
}

impl Running {
    fn new(house: Rehearsal<Far>) -> Self {
        Self {
            house,
            names: HashMap::new(),
            dies_for: None,
            lines: Lines::default(),
            refused: Vec::new(),
            taken: 0,
        }
    }

    fn through(
        mut self,
        events: &[Event],
        until: Timestamp,
        may_go_on: &mut dyn FnMut() -> bool,
    ) -> Option<Simulated> {
        for event in events.iter().filter(|event| event.at <= until) {
            self.until(event.at, may_go_on)?;
            match self.intake(event) {
                Ok(Some(intake)) => self.take(event, intake),
                Ok(None) => self.taken += 1,
                Err(says) => self.refused.push((event.line, says)),
            }
            if self.house.is_dead() {
                self.restart();
            }
        }
        self.until(until, may_go_on)?;
        Some(self.finish())
    }

    /// Another node starts after the one that died. What came in meanwhile is taken in then, as callers try again.
    fn restart(&mut self) {
        let Some(down) = self.dies_for.take() else {
            return;
        };
        let lines = &mut self.lines;
        let calls = self
            .house
            .restart(down, &mut |now, _, decided| look(lines, now, decided));
        let why = format!(
            "the node was away for {}; calls without an end: {calls}",
            durations::show(down)
        );
        // It comes before what the new node did.
        let at = self.house.now();
        let lines = &mut self.lines.told;
        let place = lines.iter().rposition(|line| line.at < at);
        let line = Line {
            what: "node.restarted".to_owned(),
            why: Some(why),
            ..blank(at)
        };
        lines.insert(place.map_or(0, |place| place + 1), line);
    }

    fn config(&self) -> Arc<TenantConfig> {
        self.house.tenant(HOUSE).map_or_else(
            || unreachable!("the business is there"),
            |one| Arc::clone(&one.config),
        )
    }

    fn until(&mut self, at: Timestamp, may_go_on: &mut dyn FnMut() -> bool) -> Option<()> {
        if self.dies_for.is_some() && at > self.house.now() {
            // Nothing was called at the instant of its death.
            self.restart();
        }
        // In short stretches, so that whoever waits for it can give up; what falls due in one is the same as without them.
        while self.house.now() < at {
            if !may_go_on() {
                return None;
            }
            let next = self.house.next().unwrap_or(at).max(self.house.now());
            let stretch = next.checked_add(STRETCH).map_or(at, |end| end.min(at));
            let lines = &mut self.lines;
            self.house
                .run_until(stretch, &mut |now, _, decided| look(lines, now, decided));
        }
        let lines = &mut self.lines;
        self.house
            .run_until(at, &mut |now, _, decided| look(lines, now, decided));
        Some(())
    }

    fn take(&mut self, event: &Event, intake: Intake) {
        let order: Order = self.house.order(HOUSE, intake);
        let lines = &mut self.lines;
        let mut answers = self
            .house
            .give(&[order], &mut |now, _, decided| look(lines, now, decided));
        let lead = match answers.pop() {
            Some(Answer::Refused { detail, .. }) => {
                self.refused.push((event.line, detail));
                return;
            }
            Some(Answer::NotFound) => {
                self.refused
                    .push((event.line, "There is no such lead.".into()));
                return;
            }
            Some(Answer::Captured(captured)) => Some(captured.id),
            Some(Answer::Tracked(tracked)) => Some(tracked.lead_id),
            _ => None,
        };
        self.taken += 1;
        if let Some(lead) = lead {
            for name in ["anonymousId", "userId", "phone", "email", "anonymous_id"] {
                let value = [&event.body[name], &event.body["traits"][name]];
                for value in value.into_iter().filter_map(Value::as_str) {
                    self.names.insert(value.to_owned(), lead);
                }
            }
        }
    }

    /// The lead that the file means: by a number, an address or a browser's name that it used before.
    fn lead(&self, body: &Value) -> Result<LeadId, String> {
        let name = body["lead"]
            .as_str()
            .ok_or("`lead` names it by phone, email or anonymousId.")?;
        if let Some(lead) = self.names.get(name) {
            return Ok(*lead);
        }
        let region = self.config().settings.region;
        let phone = Phone::parse(name, region).map(|phone| phone.as_str().to_owned());
        let keys = [
            (PointKind::Phone, phone.unwrap_or_default()),
            (PointKind::Email, name.to_lowercase()),
            (PointKind::Anonymous, name.to_owned()),
            (PointKind::User, name.to_owned()),
        ];
        keys.into_iter()
            .find_map(|(kind, value)| {
                let key = PointKey {
                    tenant: HOUSE,
                    kind,
                    value,
                };
                self.house.memory.point(&key)?.lead
            })
            .ok_or_else(|| format!("Nobody is known as `{name}` by then."))
    }

    fn intake(&mut self, event: &Event) -> Result<Option<Intake>, String> {
        let body = &event.body;
        let now = self.house.now();
        let path = event.path.split('?').next().unwrap_or_default();
        if let Some(form) = path.strip_prefix("/f/") {
            let form = form.rsplit('/').next().unwrap_or(form);
            return self.form(form, body);
        }
        // An event of a lead that came before: the file names it in braces, as nobody knows its id yet.
        if let Some((name, what)) = path
            .strip_prefix("/v1/leads/{")
            .and_then(|rest| rest.split_once("}/"))
        {
            let mut named = body.clone();
            named["lead"] = json!(name);
            return match what {
                "events" => self.event(&named).map(Some),
                "stage" => self.stage(&named).map(Some),
                other => Err(format!(
                    "There is nothing at `/v1/leads/{{…}}/{other}` in a simulation; there are events and stage."
                )),
            };
        }
        match path {
            "/v1/track" | "/v1/page" | "/v1/identify" => Ok(Some(self.tracked(path, body))),
            "/v1/leads" => self.captured(body, None).map(Some),
            "/simulate/start" => Ok(Some(Intake::StartRun {
                lead: self.lead(body)?,
                workflow: body["workflow"]
                    .as_str()
                    .ok_or("`workflow` is missing.")?
                    .to_owned(),
                actor: "staff".into(),
            })),
            "/simulate/event" => self.event(body).map(Some),
            "/simulate/stage" => self.stage(body).map(Some),
            "/simulate/take" => Ok(Some(Intake::Take {
                lead: self.lead(body)?,
                actor: body["by"].as_str().ok_or("`by` is missing.")?.to_owned(),
            })),
            "/simulate/reply" => {
                let from = body["from"].as_str().ok_or("`from` is missing.")?;
                let region = self.config().settings.region;
                let (channel, from) = match Phone::parse(from, region) {
                    Ok(phone) => (ChannelKind::Sms, phone.as_str().to_owned()),
                    Err(_) => (ChannelKind::Email, from.to_lowercase()),
                };
                Ok(Some(Intake::Inbound {
                    inbound: Box::new(Inbound {
                        dedup: format!("simulate:{}", event.line),
                        channel,
                        from,
                        to: String::new(),
                        body: body["body"].as_str().unwrap_or_default().to_owned(),
                        answered_by_provider: false,
                        at: now,
                    }),
                    connection: None,
                }))
            }
            "/simulate/outage" => {
                let channel = body["channel"]
                    .as_str()
                    .and_then(ChannelKind::from_name)
                    .ok_or("`channel` is sms, email or webhook.")?;
                let length = durations::parse(body["for"].as_str().unwrap_or("10m"))?;
                let length =
                    jiff::SignedDuration::try_from(length).map_err(|why| why.to_string())?;
                self.house
                    .provider
                    .outages
                    .push((channel, now, now + length));
                Ok(None)
            }
            "/simulate/restart" => {
                let length = durations::parse(body["for"].as_str().unwrap_or("1m"))?;
                self.dies_for = Some(length);
                self.house.die_while_calling();
                Ok(None)
            }
            other => Err(format!(
                "Nothing in a simulation happens at `{other}`: there are /v1/track, /v1/page, /v1/identify, /v1/leads, /v1/leads/{{NAME}}/events, /f/FORM, /simulate/event, /simulate/start, /simulate/reply, /simulate/take, /simulate/stage, /simulate/outage and /simulate/restart."
            )),
        }
    }

    fn event(&self, body: &Value) -> Result<Intake, String> {
        let kind = body["type"].as_str().ok_or("`type` is missing.")?;
        let properties = match &body["properties"] {
            Value::Object(map) => Value::Object(map.clone()),
            _ => json!({}),
        };
        Ok(Intake::Track(Box::new(Track {
            who: Who::Lead(self.lead(body)?),
            kind: kind.to_owned(),
            happened: self.house.now(),
            properties,
            key: None,
            source: "api",
            traits: None,
            visit: Visit::default(),
            public: false,
            session: false,
        })))
    }

    fn stage(&self, body: &Value) -> Result<Intake, String> {
        Ok(Intake::Stage(StageMove {
            lead: self.lead(body)?,
            product: body["product"].as_str().map(str::to_owned),
            stage: body["stage"]
                .as_str()
                .ok_or("`stage` is missing.")?
                .to_owned(),
            reason: None,
            actor: "staff".into(),
        }))
    }

    fn tracked(&self, path: &str, body: &Value) -> Intake {
        let kind = match path {
            "/v1/page" => "page",
            "/v1/identify" => "identify",
            _ => body["event"].as_str().unwrap_or("track"),
        };
        let page = &body["context"]["page"];
        let mut properties = match &body["properties"] {
            Value::Object(map) => map.clone(),
            _ => Map::new(),
        };
        if !properties.contains_key("path")
            && let Some(path) = page["path"].as_str()
        {
            properties.insert("path".into(), json!(path));
        }
        let campaign = &body["context"]["campaign"];
        let utm = json!({"source": campaign["source"], "medium": campaign["medium"], "term": campaign["term"],
            "campaign": campaign["name"], "content": campaign["content"]});
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let referrer = text(&properties.get("referrer").cloned().unwrap_or_default())
            .or_else(|| text(&page["referrer"]));
        let traits = (kind == "identify").then(|| self.traits(&body["traits"]));
        Intake::Track(Box::new(Track {
            who: Who::Named {
                anonymous: text(&body["anonymousId"]),
                user: text(&body["userId"]),
            },
            kind: kind.to_owned(),
            happened: self.house.now(),
            visit: Visit {
                path: properties
                    .get("path")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                referrer,
                utm: if campaign.is_object() {
                    utm
                } else {
                    Value::Null
                },
            },
            properties: Value::Object(properties),
            key: text(&body["messageId"]),
            source: "tracking",
            traits: traits.flatten().map(Box::new),
            public: false,
            session: true,
        }))
    }

    fn traits(&self, traits: &Value) -> Option<Capture> {
        // What a tracker tells is no enquiry of the person (US-2).
        traits.is_object().then(|| Capture {
            own_enquiry: false,
            ..self.capture_of(traits)
        })
    }

    /// What an API call tells of a lead.
    fn capture_of(&self, body: &Value) -> Capture {
        let region = self.config().settings.region;
        let text = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| body[*name].as_str())
                .map(str::to_owned)
        };
        let address = &body["address"];
        let place =
            |name: &str| text(&[name]).or_else(|| address[name].as_str().map(str::to_owned));
        Capture {
            profile: Profile {
                first_name: text(&["first_name", "firstName"]),
                last_name: text(&["last_name", "lastName"]),
                source: text(&["source"]),
                city: place("city"),
                state: place("state"),
                zip: place("zip"),
                country: place("country"),
                time_zone: text(&["time_zone"]),
                attributes: body["attributes"].as_object().cloned().unwrap_or_default(),
                tags: Vec::new(),
            },
            phone: text(&["phone"]).and_then(|typed| Phone::parse(&typed, region).ok()),
            email: text(&["email"]).and_then(|typed| Email::parse(&typed).ok()),
            anonymous_id: text(&["anonymousId", "anonymous_id"]),
            product: text(&["product"]),
            consents: Vec::new(),
            form: None,
            key: None,
            test: false,
            own_enquiry: true,
            overwrite: Overwrite::Newer,
            ip: None,
        }
    }

    fn captured(&self, body: &Value, form: Option<&str>) -> Result<Intake, String> {
        let mut capture = self.capture_of(body);
        capture.form = form.map(str::to_owned);
        let consents = body["consents"].as_array().cloned().unwrap_or_default();
        for told in consents {
            capture
                .consents
                .push(serde_json::from_value(told).map_err(|why| format!("A consent: {why}."))?);
        }
        if capture.phone.is_none() && capture.email.is_none() {
            return Err("Neither `phone` nor `email` can be read.".into());
        }
        Ok(Intake::Capture(Box::new(capture)))
    }

    /// A form as a browser posts it, by its fields.
    fn form(&mut self, name: &str, body: &Value) -> Result<Option<Intake>, String> {
        let config = self.config();
        let Some(form) = config.form(name) else {
            let known = config.forms.keys().map(String::as_str);
            let near = config::did_you_mean(name, known).unwrap_or_default();
            return Err(format!("There is no form `{name}`. {near}")
                .trim_end()
                .to_owned());
        };
        let empty = |value: &Value| {
            value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
        };
        if !empty(&body[&form.anti_spam.honeypot]) {
            // As on the website: kept apart, and nobody hears of it (L3).
            let at = self.house.now();
            self.lines.told.push(Line {
                what: "form.spam".to_owned(),
                why: Some(format!("`{}` is filled in", form.anti_spam.honeypot)),
                ..blank(at)
            });
            return Ok(None);
        }
        let region = config.settings.region;
        let mut told = Map::new();
        let mut attributes = Map::new();
        for field in &form.fields {
            let value = &body[&field.name];
            if empty(value) {
                if field.required {
                    return Err(format!("`{}` is missing: the form needs it.", field.name));
                }
                continue;
            }
            // What the form refuses with a word to the person comes to nothing here too (L6).
            let typed_in = value.as_str().unwrap_or_default();
            let unreadable = match field.kind {
                FieldKind::Phone => Phone::parse(typed_in, region).err().map(|why| why.advice()),
                FieldKind::Email => Email::parse(typed_in).err().map(|why| why.advice()),
                _ => None,
            };
            if let Some(why) = unreadable {
                return Err(format!("`{}`: {why}", field.name));
            }
            match field.target() {
                Target::Lead(at) => {
                    told.insert(lead_field(at).to_owned(), value.clone());
                }
                Target::Attribute(name) => {
                    attributes.insert(name, typed(field.kind, value));
                }
            }
        }
        told.insert("attributes".into(), Value::Object(attributes));
        told.insert("source".into(), json!(form.source()));
        for name in ["anonymous_id", "anonymousId"] {
            if let Some(value) = body.get(name) {
                told.insert(name.into(), value.clone());
            }
        }
        let mut capture = self.capture_of(&Value::Object(told));
        capture.product.clone_from(&form.product);
        capture.form = Some(form.name.clone());
        let ticked = |value: &Value| {
            value == &json!(true) || matches!(value.as_str(), Some("on" | "true" | "yes" | "1"))
        };
        for consent in form.consents.iter().filter(|one| ticked(&body[&one.field])) {
            capture.consents.push(ConsentTold {
                channel: consent.channel,
                purpose: match consent.purpose {
                    config::Purpose::Transactional => Purpose::Transactional,
                    config::Purpose::Promotional => Purpose::Promotional,
                    config::Purpose::AutomatedCall => Purpose::AutomatedCall,
                    config::Purpose::Tracking => Purpose::Tracking,
                },
                granted: true,
                wording: Some(consent.wording.clone()),
                method: "web_form".into(),
                page: None,
                basis: None,
                expires_at: None,
                soft_opt_in: None,
            });
        }
        Ok(Some(Intake::Capture(Box::new(capture))))
    }

    fn finish(self) -> Simulated {
        let memory = &self.house.memory;
        let (mut sent, mut not_sent, mut waiting, mut cost) = (0, 0, 0, 0);
        for message in memory.messages() {
            match message.status {
                Status::Accepted | Status::Delivered => sent += 1,
                status if status.waits() => waiting += 1,
                _ => not_sent += 1,
            }
            cost += message.cost.as_ref().map_or(0, |cost| cost.micros);
        }
        let references = self
            .house
            .tenant(HOUSE)
            .map(|tenant| tenant.references.clone());
        let errors = self.unfilled();
        let mut leads: Vec<(String, String)> = Vec::new();
        if let Some(key) = &references {
            let mut names: Vec<(&String, &LeadId)> = self.names.iter().collect();
            names.sort();
            for (name, id) in names {
                let Some(known) = memory.lead(*id) else {
                    continue;
                };
                let reference = key.write(known.number);
                if !leads.iter().any(|(told, _)| *told == reference) {
                    leads.push((reference, name.clone()));
                }
            }
            leads.sort();
        }
        // What was taken back while it waited is in no turn's list of messages; the rows say so.
        let Lines {
            mut told, ended, ..
        } = self.lines;
        let taken_back = memory.messages().filter(|message| {
            !message.status.waits()
                && message.status != Status::Sending
                && !ended.contains(&message.id)
        });
        told.extend(
            taken_back
                .filter_map(|message| Some(line_of(message, "not_sent", message.settled_at?))),
        );
        told.sort_by_key(|line| line.at);
        let mut timeline = told;
        for line in &mut timeline {
            // Leads are told by reference, which needs their number.
            let lead = line.lead.as_ref().and_then(|id| id.parse::<LeadId>().ok());
            let known = lead.and_then(|lead| memory.lead(lead));
            if let (Some(known), Some(key)) = (known, &references) {
                line.lead = Some(key.write(known.number));
            }
        }
        Simulated {
            timeline,
            events: self.taken,
            refused: self.refused,
            sent,
            not_sent,
            waiting,
            cost_micros: cost,
            currency: self.house.tenant(HOUSE).map_or_else(String::new, |one| {
                one.config.settings.budget.currency.clone()
            }),
            leads,
            errors: memory
                .set_aside()
                .iter()
                .map(|one| one.error.clone())
                .chain(errors)
                .collect(),
        }
    }

    /// Messages whose template cannot be filled with what they carry, so that they would fail when their time comes; each template is
    /// tried with a few messages of each step.
    fn unfilled(&self) -> Vec<String> {
        let Some(tenant) = self.house.tenant(HOUSE) else {
            return Vec::new();
        };
        let settings = &tenant.config.settings;
        let about = Own::new(
            json!({"name": settings.name, "phone": settings.phone, "email": settings.email, "address": settings.postal_address,
            "website": settings.website, "region": settings.region.as_str(), "color": settings.branding.color, "logo": settings.branding.logo}),
        );
        let here = "https://app.example.com";
        let link =
            Own::new(json!({"lead": here, "alert": here, "book": here, "unsubscribe": here}));
        let this =
            Own::new(json!({"id": "msg_0000000000000", "opt_out_line": "Reply STOP to end."}));
        let context = RenderContext::new(tenant.zone.clone(), settings.region.as_str(), None);
        let mut tried: HashMap<(&str, ChannelKind), u32> = HashMap::new();
        let mut told = Vec::new();
        for message in self.house.memory.messages() {
            let Some((name, _)) = &message.template else {
                continue;
            };
            let step = message.step.as_deref().unwrap_or(name);
            let times = tried.entry((step, message.channel)).or_default();
            *times += 1;
            let found = tenant.config.template(name, message.channel, None);
            let (Some(template), true) = (found, *times <= TRIES) else {
                continue;
            };
            let Ok(data) = Data::read(message.data.text()) else {
                continue;
            };
            let data = data
                .with("tenant", &about)
                .with("link", &link)
                .with("message", &this);
            if let Err(why) = template.render(&data, &context) {
                let said = format!("{step} on {}: {why}", message.channel);
                if !told.contains(&said) {
                    told.push(said);
                }
            }
        }
        told
    }
}

/// Messages of a step that are filled in to see whether it works.
const TRIES: u32 = 20;

const fn lead_field(field: LeadField) -> &'static str {
    field.as_str()
}

/// A form's value as its field means it.
fn typed(kind: FieldKind, value: &Value) -> Value {
    match (kind, value) {
        (FieldKind::Number, Value::String(text)) => text
            .trim()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| value.clone(), Value::Number),
        (FieldKind::Checkbox, Value::String(text)) => {
            json!(matches!(text.as_str(), "on" | "true" | "yes" | "1"))
        }
        _ => value.clone(),
    }
}

/// The timeline as it grows.
#[derive(Debug, Default)]
struct Lines {
    told: Vec<Line>,
    /// Why a message waits, as it was told: a wait that goes on for the same reason is no news.
    waits: HashMap<MessageId, String>,
    /// Messages whose end was told.
    ended: HashSet<MessageId>,
}

/// What a batch did that people would want to see.
fn look(lines: &mut Lines, now: Timestamp, decided: &Decided) {
    let Lines {
        told: lines,
        waits,
        ended,
    } = lines;
    let out = &decided.world.out;
    for event in out
        .events
        .iter()
        .filter(|event| SHOWN.contains(&event.kind.as_str()))
    {
        let mut why = String::new();
        for name in [
            "model", "tier", "product", "from", "to", "by", "segment", "title", "workflow", "why",
            "question", "body", "step",
        ] {
            if let Some(text) = event.properties[name]
                .as_str()
                .filter(|text| !text.is_empty())
            {
                let _ = write!(
                    why,
                    "{}{name} {text}",
                    if why.is_empty() { "" } else { ", " }
                );
            }
        }
        lines.push(Line {
            what: event.kind.clone(),
            lead: Some(event.lead.to_string()),
            why: (!why.is_empty()).then_some(why),
            ..blank(now)
        });
    }
    let changed = out.changes.iter().map(|change| &change.message);
    let mut seen: Vec<MessageId> = Vec::new();
    for message in out.messages.iter().chain(changed) {
        let what = match message.status {
            Status::Accepted | Status::Delivered => "sent",
            Status::Deferred => "waits",
            Status::Sending | Status::Queued | Status::Scheduled => continue,
            _ => "not_sent",
        };
        if seen.contains(&message.id) {
            continue;
        }
        seen.push(message.id);
        if what == "waits" {
            let code = message.why.as_ref().map_or("", |why| &*why.code);
            if waits.insert(message.id, code.to_owned()).as_deref() == Some(code) {
                continue;
            }
        } else {
            ended.insert(message.id);
        }
        lines.push(line_of(message, what, now));
    }
}

fn line_of(message: &Message, what: &str, at: Timestamp) -> Line {
    Line {
        what: what.to_owned(),
        lead: message.lead.map(|lead| lead.to_string()),
        channel: Some(message.channel),
        to: message
            .staff
            .clone()
            .or_else(|| Some(message.recipient.clone()).filter(|to| !to.is_empty())),
        template: message.template.as_ref().map(|(name, _)| name.clone()),
        step: message.step.clone(),
        until: (what == "waits").then_some(message.due_at),
        why: message
            .why
            .as_ref()
            .filter(|_| what != "sent")
            .map(|why| why.detail.clone()),
        cost_micros: message
            .cost
            .as_ref()
            .filter(|_| what == "sent")
            .map(|cost| cost.micros),
        ..blank(at)
    }
}

const fn blank(at: Timestamp) -> Line {
    Line {
        at,
        what: String::new(),
        lead: None,
        channel: None,
        to: None,
        template: None,
        step: None,
        until: None,
        why: None,
        cost_micros: None,
    }
}

impl Simulated {
    /// The timeline for people, by the clock of the business.
    pub fn show(&self, config: &TenantConfig) -> String {
        let zone = config.settings.time_zone.rules();
        let clock = |at: Timestamp| {
            at.to_zoned(zone.clone())
                .strftime("%a %d %b %H:%M:%S")
                .to_string()
        };
        let mut out = String::new();
        let mut day = String::new();
        for line in &self.timeline {
            let today = line
                .at
                .to_zoned(zone.clone())
                .strftime("%A %F %Z")
                .to_string();
            if today != day {
                let _ = writeln!(out, "{today}");
                day = today;
            }
            let time = line
                .at
                .to_zoned(zone.clone())
                .strftime("%H:%M:%S")
                .to_string();
            let lead = line.lead.as_deref().unwrap_or("-");
            let _ = write!(out, "  {time}  {lead:<9}  ");
            match (line.channel, line.what.as_str()) {
                (Some(channel), what) => {
                    let what = if what == "not_sent" { "not sent" } else { what };
                    let _ = write!(
                        out,
                        "{what} {channel} {} to {}",
                        line.template.as_deref().unwrap_or("(own words)"),
                        line.to.as_deref().unwrap_or("nobody")
                    );
                    if let Some(step) = &line.step {
                        let _ = write!(out, " [{step}]");
                    }
                    if let Some(cost) = line.cost_micros {
                        let _ = write!(out, " {:.4} {}", cost as f64 / 1e6, self.currency);
                    }
                    if let Some(until) = line.until {
                        let _ = write!(out, " until {}", clock(until));
                    }
                    if let Some(why) = &line.why {
                        let _ = write!(out, ": {why}");
                    }
                }
                (None, what) => {
                    let _ = write!(out, "{what}");
                    if let Some(why) = &line.why {
                        let _ = write!(out, ": {why}");
                    }
                }
            }
            out.push('\n');
        }
        for (line, why) in &self.refused {
            let _ = writeln!(out, "refused, line {line}: {why}");
        }
        for error in &self.errors {
            let _ = writeln!(out, "error: {error}");
        }
        let _ = writeln!(
            out,
            "{} events, {} messages sent, {} not sent, {} still waiting, {:.4} {}",
            self.events,
            self.sent,
            self.not_sent,
            self.waiting,
            self.cost_micros as f64 / 1e6,
            self.currency
        );
        out
    }
}

/// How long a simulation goes on after its last event when nobody says until when: long enough for a night and a reminder.
pub const AFTERWARDS: Duration = Duration::from_secs(2 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "2026-11-24T06:00:00Z";

    fn preset(name: &str) -> (Arc<TenantConfig>, String) {
        let house = super::super::trial::preset(name, FROM);
        let config = Arc::clone(&house.tenant(HOUSE).unwrap().config);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../presets")
            .join(name)
            .join("events");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        (config, std::fs::read_to_string(&files[0]).unwrap())
    }

    /// W5, W8: the sample days of the presets, told line by line; and the same whatever the dice.
    #[test]
    fn the_sample_days_of_the_presets() {
        for name in [
            "plumbing",
            "auto-glass",
            "saas-nurture",
            "real-estate-churn",
        ] {
            let (config, text) = preset(name);
            let from: Timestamp = FROM.parse().unwrap();
            let events = read(&text, from).unwrap();
            // Long enough for what the day began: a sequence of two weeks, an intervention of five days.
            let days = if name == "saas-nurture" { 24 } else { 8 };
            let until = from + jiff::SignedDuration::from_hours(24 * days);
            let told = simulate(Arc::clone(&config), &events, from, until, 1);
            assert_eq!(told.errors, Vec::<String>::new());
            // The day of auto-glass has a number with a digit too few, which the form refuses.
            let refused = usize::from(name == "auto-glass");
            assert_eq!(told.refused.len(), refused, "{:?}", told.refused);
            insta::assert_snapshot!(format!("sample_day_{name}"), told.show(&config));
        }
    }

    /// W5: replies, a STOP, a dead provider, a night and a person who takes the lead.
    #[test]
    fn what_only_a_simulation_can_have_happen() {
        let (config, _) = preset("plumbing");
        let from: Timestamp = "2026-11-24T15:00:00Z".parse().unwrap();
        let body = r#"{"first_name": "Dana", "phone": "+1 303-555-0151", "email": "dana@example.com", "zip": "80202"}"#;
        let text = format!(
            r#"{{"at_offset_s": 0, "path": "/simulate/outage", "body": {{"channel": "sms", "for": "5s"}}}}
{{"at_offset_s": 1, "path": "/f/contact", "body": {body}}}
{{"at_offset_s": 60, "path": "/simulate/reply", "body": {{"from": "+1 303-555-0151", "body": "STOP"}}}}
{{"at_offset_s": 90, "path": "/f/contact", "body": {body}}}
{{"at_offset_s": 120, "path": "/simulate/take", "body": {{"lead": "dana@example.com", "by": "Sam Okafor"}}}}
{{"at_offset_s": 130, "path": "/simulate/event", "body": {{"lead": "+1 303-555-0151", "type": "churn.predicted", "properties": {{"probability": 2}}}}}}
{{"at_offset_s": 140, "path": "/simulate/event", "body": {{"lead": "nobody@example.com", "type": "x"}}}}
{{"at_offset_s": 150, "path": "/v1/unheard", "body": {{}}}}
"#
        );
        let events = read(&text, from).unwrap();
        let until = from + jiff::SignedDuration::from_hours(1);
        let told = simulate(Arc::clone(&config), &events, from, until, 7);
        insta::assert_snapshot!("simulated_only", told.show(&config));
    }

    #[test]
    fn a_file_that_cannot_be_read_says_where() {
        let from: Timestamp = FROM.parse().unwrap();
        for (text, line) in [
            ("{\"at_offset_s\": 1, \"path\": \"/a\"}\n\nnonsense", 3),
            ("{\"path\": \"/a\"}", 1),
            ("{\"at\": \"noon\", \"path\": \"/a\"}", 1),
            ("{\"at_offset_s\": 1, \"path\": \"a\"}", 1),
        ] {
            assert_eq!(read(text, from).unwrap_err().line, line, "{text}");
        }
    }
}
