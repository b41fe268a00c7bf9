//! Deciding what is said: recipients, channels, templates, and the message rows that come of it (M2, M5, W2).

use super::gate::{RESTS, Ruling};
use super::lines::Line;
use super::{Answer, Compose, Connection, Fault, Passage, Tenant, Turn};
use crate::config::Versioned;
use crate::ids::{ConnectionId, LeadId, RunId};
use crate::leads::Lead;
use crate::messages::{Category, ChannelKind, Filling, Message, Plan, Priority, Reason, Status};
use crate::workflows::definition::{Channels, Recipient, Send, Workflow};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// A send step of a run.
pub(super) struct Saying<'a> {
    pub(super) lead: LeadId,
    pub(super) run: RunId,
    pub(super) workflow: &'a Versioned<Workflow>,
    pub(super) step: &'a str,
    pub(super) send: &'a Send,
    /// 1 for the first time that the step says it in this run.
    pub(super) attempt: u32,
    /// What a digest lists.
    pub(super) list: Option<Value>,
}

/// Events that are no act of the person's own: what follows from them answers nobody, so it keeps its hours (C4, US-7).
const NOT_THEIRS: [&str; 4] = [
    "segment.entered",
    "schedule.due",
    "stage.changed",
    crate::signals::CHURN,
];

/// What all messages of a step have in common.
struct Frame<'a> {
    lead: Option<LeadId>,
    run: Option<RunId>,
    event: Option<crate::ids::EventId>,
    step: &'a str,
    send: &'a Send,
    answers: Option<i64>,
    /// The run was restored from a backup of this instant, microseconds UTC.
    restored: Option<i64>,
    data: Value,
}

/// Somebody who is to hear.
struct Hearer {
    staff: Option<String>,
    hook: Option<String>,
    phone: Option<String>,
    email: Option<String>,
}

impl Hearer {
    fn address(&self, channel: ChannelKind) -> Option<&str> {
        match channel {
            ChannelKind::Sms => self.phone.as_deref(),
            ChannelKind::Email => self.email.as_deref(),
            ChannelKind::Webhook => self.hook.as_deref(),
        }
    }
}

impl Turn<'_> {
    pub(super) fn say(&mut self, tenant: &Arc<Tenant>, saying: &Saying<'_>) -> Result<(), Fault> {
        let send = saying.send;
        let Some((event, run_data)) = self.began(saying.lead, saying.run) else {
            return Ok(());
        };
        let answers = run_data["event"]["at"]
            .as_str()
            .filter(|_| {
                !NOT_THEIRS.contains(&run_data["event"]["type"].as_str().unwrap_or_default())
            })
            .and_then(|at| at.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_microsecond);
        let restored = run_data[super::RESTORED].as_i64();
        let story = run_data["event"].clone();
        let gathered = run_data["answers"].clone();
        let appointment = story["type"]
            .as_str()
            .filter(|kind| kind.starts_with("appointment."))
            .and_then(|_| story["properties"]["start"].as_str())
            .and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let product = saying.workflow.product.as_deref();
        let mut data = self.data_for(tenant, saying.lead, &story, product);
        if let Value::Object(data) = &mut data {
            if gathered.is_object() {
                data.insert("run".into(), gathered);
            }
            if let Some(at) = appointment {
                let local = tenant.zone.to_datetime(at);
                let view = json!({"at": at.to_string(), "date": local.date().to_string(), "time": local.strftime("%H:%M").to_string()});
                data.insert("appointment".into(), view);
            }
            if let Some(list) = &saying.list {
                data.insert("list".into(), list.clone());
            }
        }
        let step = saying.label();
        let Some(state) = self.world.lead(saying.lead) else {
            return Ok(());
        };
        let mut hearers = hearers(tenant, state, &send.to, self.now);
        if hearers.is_empty() && send.to != Recipient::OthersAlerted {
            // An empty list must not take the customer's confirmation down with it, and an alert about somebody always reaches somebody.
            hearers = runners(tenant);
            let instead = if hearers.is_empty() {
                "and there is no staff at all"
            } else {
                "so those hear it who run the business"
            };
            let why = format!(
                "step {step} has nobody to send to: {} is empty, {instead}",
                send.to.describe()
            );
            let kind = if hearers.is_empty() {
                "step.skipped"
            } else {
                "step.redirected"
            };
            let said = json!({"step": step, "why": why});
            self.note(tenant.id, saying.lead, kind, "workflow", None, said);
            self.set_aside(
                tenant.id,
                Some(saying.lead),
                &why,
                &format!("run {}", saying.run),
            );
        }
        let alerted: Vec<String> = hearers.iter().filter_map(|one| one.staff.clone()).collect();
        let frame = Frame {
            lead: Some(saying.lead),
            run: Some(saying.run),
            event: Some(event),
            step: &step,
            send,
            answers,
            restored,
            data,
        };
        self.tell_all(tenant, &frame, hearers);
        self.note_alerted(saying.lead, alerted);
        Ok(())
    }

    /// Whoever was alerted about a lead that waits for a person is told when somebody takes it.
    fn note_alerted(&mut self, lead: LeadId, names: Vec<String>) {
        let fresh = |state: &super::world::LeadState| {
            state.lead.ringing_since.is_some()
                && names.iter().any(|name| !state.lead.alerted.contains(name))
        };
        if !self.world.lead(lead).is_some_and(fresh) {
            return;
        }
        if let Some(state) = self.world.lead_mut(lead) {
            for name in names {
                if !state.lead.alerted.contains(&name) {
                    state.lead.alerted.push(name);
                }
            }
        }
    }

    /// Says to staff what several leads brought about.
    pub(super) fn say_to_staff(
        &mut self,
        tenant: &Arc<Tenant>,
        workflow: &Versioned<Workflow>,
        step: &str,
        send: &Send,
        list: Value,
    ) {
        let label = format!("{}@{}#{step}", workflow.name, workflow.version);
        let people = super::people::people_of(tenant, None, &send.to, self.now);
        let mut hearers: Vec<Hearer> = people.into_iter().map(Hearer::from).collect();
        if hearers.is_empty() {
            hearers = runners(tenant);
        }
        let event = json!({"type": "digest", "at": self.now.to_string(), "properties": {}});
        let frame = Frame {
            lead: None,
            run: None,
            event: None,
            step: &label,
            send,
            answers: None,
            restored: None,
            data: json!({"event": event, "list": list}),
        };
        self.tell_all(tenant, &frame, hearers);
    }

    fn tell_all(&mut self, tenant: &Arc<Tenant>, frame: &Frame<'_>, hearers: Vec<Hearer>) {
        let of_all = Filling::from(frame.data.to_string());
        for hearer in hearers {
            let notification = self.notification_id();
            let (kinds, first) = match &frame.send.channels {
                Channels::All(kinds) => (kinds.clone(), false),
                Channels::First(kinds) => (kinds.clone(), true),
                Channels::Preferred(kinds) => {
                    (self.preferred(tenant, frame, &hearer, kinds, &of_all), true)
                }
            };
            for (index, channel) in kinds.iter().enumerate() {
                let mut message =
                    self.framed(tenant, frame, &hearer, notification, *channel, &of_all);
                if first {
                    message.plan.then = kinds.get(index + 1..).unwrap_or_default().to_vec();
                } else {
                    message.plan.by_mail_too = *channel != ChannelKind::Email
                        && kinds.contains(&ChannelKind::Email)
                        && hearer.staff.is_some()
                        && hearer.email.is_some()
                        && tenant
                            .config
                            .template(&frame.send.template, ChannelKind::Email, None)
                            .is_some();
                }
                if message.recipient.is_empty() {
                    let what = if *channel == ChannelKind::Sms {
                        "phone number"
                    } else {
                        "email address"
                    };
                    let whom = hearer.staff.clone().unwrap_or_else(|| "the lead".into());
                    self.skip(
                        message,
                        "no_contact",
                        format!("Skipped: {whom} has no {what}."),
                    );
                } else if message.template.is_none() {
                    self.skip(
                        message,
                        "no_template",
                        format!(
                            "Skipped: there is no template {} for {channel}.",
                            frame.send.template
                        ),
                    );
                } else if !self.stays_in_house(tenant, &message)
                    && let Some(why) = self.said_before(&mut message, frame.restored)
                {
                    self.skip(message, super::RESTORED, why);
                } else {
                    self.post(tenant, message);
                    if first {
                        break;
                    }
                }
            }
        }
    }

    /// A message of a step for one hearer on one channel, before its gates.
    fn framed(
        &mut self,
        tenant: &Tenant,
        frame: &Frame<'_>,
        hearer: &Hearer,
        notification: crate::ids::NotificationId,
        channel: ChannelKind,
        of_all: &Filling,
    ) -> Message {
        let send = frame.send;
        let template = tenant.config.template(&send.template, channel, None);
        let category = send
            .category
            .or_else(|| template.map(|template| template.category))
            .unwrap_or(Category::Transactional);
        let to_lead = send.to == Recipient::Lead;
        let id = self.message_id();
        let mut message = self.blank(tenant, id, notification, channel, category);
        message.lead = frame.lead;
        message.staff.clone_from(&hearer.staff);
        message.run = frame.run;
        message.step = Some(frame.step.to_owned());
        message.event = frame.event;
        let address = hearer.address(channel).map(str::to_owned);
        message.recipient = reached_by(channel, address.unwrap_or_default());
        message.priority = send.priority.unwrap_or_else(|| usual_priority(category));
        message.expires_at = send.expires.map(|length| self.now + signed(length));
        message.template = template.map(|template| (template.name.clone(), template.version));
        message.data = match &hearer.staff {
            Some(name) => with_staff(&frame.data, name).into(),
            None => of_all.clone(),
        };
        message.plan.answers = frame
            .answers
            .filter(|_| to_lead && category == Category::Transactional);
        message.plan.hook.clone_from(&hearer.hook);
        message
    }

    /// Channels in the order in which the hearer wants them: the lead's stated preference, then the cheapest; those that a gate would
    /// end come last, so that what is allowed is tried first (W2).
    fn preferred(
        &mut self,
        tenant: &Arc<Tenant>,
        frame: &Frame<'_>,
        hearer: &Hearer,
        kinds: &[ChannelKind],
        of_all: &Filling,
    ) -> Vec<ChannelKind> {
        let stated = frame
            .lead
            .and_then(|lead| self.world.lead(lead))
            .and_then(|state| state.lead.attributes["preferred_channel"].as_str())
            .and_then(stated_channel)
            .filter(|_| hearer.staff.is_none());
        let mut ranked = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let notification = crate::ids::NotificationId::from_raw(0);
            let message = self.framed(tenant, frame, hearer, notification, *kind, of_all);
            let missing = message.recipient.is_empty() || message.template.is_none();
            let ends = missing || matches!(self.judge(tenant, &message).ruling, Ruling::End { .. });
            let cost = self.price_of(tenant, &message);
            ranked.push((ends, stated != Some(*kind), cost, *kind));
        }
        ranked.sort_by_key(|(ends, other, cost, _)| (*ends, *other, *cost));
        ranked.into_iter().map(|(_, _, _, kind)| kind).collect()
    }

    /// A message of which only the frame is known.
    pub(super) fn blank(
        &mut self,
        tenant: &Tenant,
        id: crate::ids::MessageId,
        notification: crate::ids::NotificationId,
        channel: ChannelKind,
        category: Category,
    ) -> Message {
        Message {
            id,
            tenant: tenant.id,
            lead: None,
            staff: None,
            run: None,
            step: None,
            notification,
            event: None,
            channel,
            connection: None,
            recipient: String::new(),
            category,
            priority: usual_priority(category),
            status: Status::Queued,
            due_at: self.now,
            created_at: self.now,
            expires_at: None,
            template: None,
            locale: None,
            body: None,
            data: "{}".to_owned().into(),
            plan: Plan::default(),
            verdict: "{}".into(),
            epoch: 0,
            attempt: None,
            deadline: None,
            hash: None,
            attempts: 0,
            sandbox: false,
            repeated: false,
            reference: None,
            accepted_at: None,
            settled_at: None,
            facts: std::collections::BTreeMap::new(),
            why: None,
            cost: None,
        }
    }

    /// Keeps a message that cannot go this way, with its reason, so that it explains itself (M5, M10).
    fn skip(&mut self, mut message: Message, code: &str, detail: String) {
        message.status = Status::Blocked;
        message.settled_at = Some(self.now);
        message.why = Some(Reason::new(code, detail));
        self.world.out.messages.push(message);
    }

    /// Gates a new message and keeps it: sent off at once, waiting, or ended.
    pub(super) fn post(&mut self, tenant: &Arc<Tenant>, mut message: Message) {
        if message.status != Status::Scheduled {
            self.place_at_gates(tenant, &mut message);
        }
        if message.status == Status::Sending {
            self.sent_off.push(message.id);
        }
        self.world.out.messages.push(message);
    }

    /// Runs the gates and writes down what they say; a message that passes and finds room is claimed with its intent.
    pub(super) fn place_at_gates(&mut self, tenant: &Arc<Tenant>, message: &mut Message) {
        let verdict = self.judge(tenant, message);
        message.verdict = verdict.text.into();
        message.sandbox = verdict.sandbox;
        match verdict.ruling {
            Ruling::Pass => {
                if self.must_queue(message) || !self.has_line(tenant, message) {
                    message.status = Status::Queued;
                    message.due_at = message.due_at.min(self.now);
                } else if !self.waits_for_suspect(message) {
                    self.claim_now(tenant, message);
                }
            }
            Ruling::Defer { why, .. }
                if why.code == RESTS
                    && !message.plan.then.is_empty()
                    && let Some(instead) = self.next_channel(tenant, message, &why) =>
            {
                message.status = message.ends(Status::Failed);
                message.settled_at = Some(self.now);
                message.why = Some(instead);
            }
            Ruling::Defer { until, why, digest } => {
                message.status = Status::Deferred;
                message.due_at = until;
                message.plan.digest |= digest;
                message.why = Some(why);
            }
            Ruling::End { status, why } => {
                let elsewhere = self.staff_elsewhere(tenant, message, &why);
                match status {
                    Status::Expired => message.status = message.ends(status),
                    status => message.stop(status),
                }
                message.settled_at = Some(self.now);
                message.why = Some(elsewhere.unwrap_or(why));
            }
        }
    }

    /// Writes the intent: attempt, epoch, deadline, hash. Without a committed intent there is no call (reliability 3.1).
    fn claim_now(&mut self, tenant: &Arc<Tenant>, message: &mut Message) {
        let attempt = self.attempt_id();
        message.connection = self.way(tenant, message).map(|(id, passage)| {
            if passage == Passage::Probe {
                self.world.breakers.begin_probe(id, attempt, self.now);
            }
            id
        });
        message.status = Status::Sending;
        message.epoch += 1;
        message.attempts += 1;
        let before = message.attempt.replace(attempt);
        if let Some(doubt) = &message.plan.doubt {
            message.repeated = doubt.calls > 1 || !self.drops_twin(tenant, message, doubt);
        }
        message.deadline = Some(self.now + signed(self.lease));
        message.why = None;
        if message.hash.is_none() {
            super::promise::take_back(message, self.now);
            message.hash = Some(hash_of(message));
        }
        self.begun.add(Line::of(message));
        self.count_contact(tenant, message, before);
        if !message.sandbox {
            self.reserve(tenant, message);
        }
    }

    /// The accounts that may carry a message now. After a call whose end is unknown only the same account may be asked again by its
    /// key, until it is decided that the message may go twice.
    pub(super) fn ways<'t>(
        &self,
        tenant: &'t Tenant,
        message: &'t Message,
    ) -> impl Iterator<Item = &'t Connection> + use<'t> {
        let doubt = message.plan.doubt.as_ref().filter(|doubt| !doubt.again);
        all_ways(tenant, message)
            .filter(move |way| doubt.is_none_or(|doubt| Some(way.id) == doubt.connection))
    }

    /// The account a message goes through: the first that is on, does not rest and did not fail it already. `None` is the sandbox, or
    /// that all of them rest.
    pub(super) fn way(
        &self,
        tenant: &Tenant,
        message: &Message,
    ) -> Option<(ConnectionId, Passage)> {
        if message.sandbox {
            return None;
        }
        let urgent = matches!(message.category, Category::Staff | Category::Emergency);
        // An alert tries out a resting account only when there is no other.
        let urgent_call = message.priority.urgent();
        let rank = |way: &&Connection| {
            if self.over_account(tenant.id, way).is_some()
                || !self.may_call(Line::Account(way.id), urgent_call)
            {
                return None;
            }
            let tried = u8::from(message.plan.tried.contains(&way.id));
            match self.world.breakers.passage(way.id, self.now) {
                Passage::Free => Some(tried),
                Passage::Probe => Some(tried + if urgent { 2 } else { 0 }),
                Passage::Rests(_) => None,
            }
        };
        let way = self
            .ways(tenant, message)
            .filter_map(|way| Some((rank(&way)?, way)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, way)| way)?;
        Some((way.id, self.world.breakers.passage(way.id, self.now)))
    }

    /// Gates a message whose time has come, again and for good: only this run counts (compliance 1.3).
    pub(super) fn claim_one(&mut self, tenant: &Arc<Tenant>, mut message: Message) {
        // What this turn took back is not sent beside it: the row still says that it waits.
        let taken_back = |cancel: &&super::world::Cancel| {
            cancel.tenant == message.tenant
                && (cancel.run.is_some() || cancel.lead.is_some())
                && cancel.recipient == message.recipient
                && cancel.ends(&message)
        };
        if self.world.out.cancels.iter().any(|one| taken_back(&one)) {
            return;
        }
        self.place_at_gates(tenant, &mut message);
        if message.status == Status::Queued && message.due_at <= self.now {
            if message.plan.hook.is_none() {
                // No room after all: it stays as it is, and its tenant is asked again when a call ended.
                self.held
                    .insert((message.channel, message.tenant, message.priority));
                return;
            }
            // A webhook that is slow makes way for the others of its tenant.
            message.status = Status::Deferred;
            message.due_at = self.now + signed(Duration::from_secs(1));
            message.why = Some(Reason::new(
                "busy",
                "Its receiver is slow, and as many calls as there may be are under way; asked again in a second.",
            ));
        }
        if message.status == Status::Sending {
            self.sent_off.push(message.id);
        }
        self.world.out.changes.push(super::world::MessageChange {
            message,
            expects: super::world::Expects::Read,
        });
    }

    /// Alerts held over a limit for the same recipient become one digest; the others point to it (M6).
    pub(super) fn join_digests(&mut self, due: Vec<Message>) -> Vec<Message> {
        let mut out: Vec<Message> = Vec::with_capacity(due.len());
        for mut message in due {
            let same = |one: &Message| {
                one.plan.digest
                    && one.tenant == message.tenant
                    && one.channel == message.channel
                    && one.recipient == message.recipient
            };
            let leader = message
                .plan
                .digest
                .then(|| out.iter_mut().find(|one| same(one)))
                .flatten();
            let Some(leader) = leader else {
                out.push(message);
                continue;
            };
            join(leader, &message);
            message.status = Status::Cancelled;
            message.settled_at = Some(self.now);
            message.why = Some(Reason::new(
                "digest",
                format!("Part of the digest {}.", leader.id),
            ));
            self.world.out.changes.push(super::world::MessageChange {
                message,
                expects: super::world::Expects::Read,
            });
        }
        out
    }

    pub(super) fn compose(&mut self, tenant: &Arc<Tenant>, compose: &Compose) -> Answer {
        let refused = |code, detail: String, field| Answer::Refused {
            code,
            detail,
            field: Some(field),
        };
        let lead = match compose.lead {
            Some(lead) => match self.own(tenant, lead) {
                Some(lead) => Some(lead),
                None => return Answer::NotFound,
            },
            None => None,
        };
        let state = lead.and_then(|lead| self.world.lead(lead));
        let staff = match &compose.staff {
            Some(name) => match tenant.staff.iter().find(|one| one.name == *name) {
                Some(staff) => Some(staff.clone()),
                None => {
                    return refused(
                        "unknown_staff",
                        format!("There is no staff member {name}."),
                        "staff_id",
                    );
                }
            },
            None => None,
        };
        let address = match (state, &staff, &compose.to) {
            (Some(state), _, _) => match compose.channel {
                ChannelKind::Sms => state.lead.phone.clone(),
                ChannelKind::Email => state.lead.email.clone(),
                ChannelKind::Webhook => None,
            },
            (None, Some(staff), _) => match compose.channel {
                ChannelKind::Sms => staff.phone.clone(),
                ChannelKind::Email => staff.email.clone(),
                ChannelKind::Webhook => None,
            },
            (None, None, to) => to.clone(),
        };
        let Some(address) = address else {
            return refused(
                "no_contact",
                format!("There is no address for {} to send to.", compose.channel),
                "channel",
            );
        };
        let template = match &compose.template {
            Some(name) => match tenant.config.template(name, compose.channel, None) {
                Some(template) if template.category == compose.category => {
                    Some((template.name.clone(), template.version))
                }
                Some(template) => {
                    return refused(
                        "category",
                        format!(
                            "Template {name} is {}, not {}.",
                            template.category, compose.category
                        ),
                        "category",
                    );
                }
                None => {
                    return refused(
                        "unknown_template",
                        format!("There is no template {name} for {}.", compose.channel),
                        "template",
                    );
                }
            },
            None => None,
        };
        // A notification is found through the ids right after its own, so it gets its id first.
        let notification = self.notification_id();
        let id = self.message_id();
        let event = lead.map(|lead| {
            self.note(
                tenant.id,
                lead,
                "message.composed",
                "api",
                Some(&compose.actor),
                json!({"message": id, "channel": compose.channel}),
            )
        });
        let mut message = self.blank(tenant, id, notification, compose.channel, compose.category);
        message.lead = lead;
        message.staff = staff.map(|staff| staff.name);
        message.event = event;
        message.recipient = reached_by(compose.channel, address);
        message.template = template;
        message.sandbox = compose.sandbox;
        message.body = compose.body.as_ref().map(|text| match compose.channel {
            ChannelKind::Email => mail_words(compose.subject.as_deref(), text),
            ChannelKind::Sms | ChannelKind::Webhook => text.clone(),
        });
        let data = match lead {
            Some(lead) => self.data_for(
                tenant,
                lead,
                &json!({"type": "message.composed", "properties": compose.data}),
                None,
            ),
            None => json!({"event": {"type": "message.composed", "properties": compose.data}}),
        };
        message.data = match &message.staff {
            Some(name) => with_staff(&data, name).into(),
            None => data.to_string().into(),
        };
        if let Some(at) = compose.send_at.filter(|at| *at > self.now) {
            message.status = Status::Scheduled;
            message.due_at = at;
        }
        let to = json!({"message": id, "lead": lead, "channel": compose.channel, "category": compose.category});
        self.audit(tenant, &compose.actor, "message.send", to);
        self.post(tenant, message);
        match self.world.out.messages.last() {
            Some(message) => Answer::Composed {
                id,
                status: message.status,
                why: message.why.as_ref().map(|why| why.detail.clone()),
            },
            None => Answer::NotFound,
        }
    }

    /// What templates are filled with, apart from what is the same for every message of the tenant.
    pub(super) fn data_for(
        &self,
        tenant: &Tenant,
        lead: LeadId,
        story: &Value,
        product: Option<&str>,
    ) -> Value {
        let Some(state) = self.world.lead(lead) else {
            return json!({});
        };
        let mut data = Map::new();
        data.insert("lead".into(), lead_view(tenant, &state.lead, product));
        let mut event = Map::new();
        for name in ["type", "at", "properties"] {
            event.insert(name.into(), story.get(name).cloned().unwrap_or(Value::Null));
        }
        data.insert("event".into(), Value::Object(event));
        if let Some(view) = score_view(tenant, state, product) {
            data.insert("score".into(), view);
        }
        if let Some(view) = super::promise::promise(tenant, state, self.now) {
            data.insert("promise".into(), view);
        }
        Value::Object(data)
    }
}

fn lead_view(tenant: &Tenant, lead: &Lead, product: Option<&str>) -> Value {
    let placement = product.and_then(|name| {
        let mut placements = lead.products.iter();
        placements.find(|placement| placement.product == name)
    });
    let stage = placement.map_or_else(|| lead.stage(), |placement| Some(placement.stage.as_str()));
    json!({
        "id": lead.id,
        "reference": tenant.references.write(lead.number),
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "full_name": lead.full_name(),
        "phone": lead.phone,
        "email": lead.email,
        "city": lead.city,
        "state": lead.state,
        "zip": lead.zip,
        "country": lead.country,
        "source": lead.source,
        "product": placement.map_or_else(|| lead.product(), |placement| Some(placement.product.as_str())),
        "stage": stage,
        "tags": lead.tags,
        "created_at": lead.created_at.to_string(),
        "anonymous": lead.anonymous,
        "attributes": lead.attributes,
    })
}

fn score_view(
    tenant: &Tenant,
    state: &super::world::LeadState,
    product: Option<&str>,
) -> Option<Value> {
    let product = product.or_else(|| state.lead.product())?;
    let Some(row) = super::react::standing(tenant, state, product) else {
        // Nothing was awarded yet: a score of nought is one too.
        let model = tenant.config.model_of(product)?;
        return Some(
            json!({"model": model.name, "points": 0, "tier": null, "label": null, "reasons": []}),
        );
    };
    let model = tenant.config.models.get(&row.model)?;
    let reasons: Vec<std::borrow::Cow<'_, str>> = row
        .state
        .fired
        .keys()
        .filter_map(|rule| model.rule(rule).map(crate::scoring::Rule::title))
        .collect();
    Some(json!({
        "model": row.model,
        "points": row.state.points,
        "tier": row.state.tier,
        "label": row.state.tier.as_deref().and_then(|tier| model.tier(tier).map(crate::scoring::Tier::title)),
        "reasons": reasons,
    }))
}

/// The accounts that could carry a message; one whose sender is not registered cannot, where registration is asked for (US-15).
pub(super) fn all_ways<'t>(
    tenant: &'t Tenant,
    message: &'t Message,
) -> impl Iterator<Item = &'t Connection> + use<'t> {
    let hook = message.plan.hook.as_ref();
    tenant
        .ways(message.channel)
        .filter(move |way| hook.is_none_or(|hook| way.name == *hook))
        .filter(|way| way.may_reach(&message.recipient))
}

/// The same data with the staff member who is spoken to.
fn with_staff(data: &Value, name: &str) -> String {
    let mut data = data.clone();
    if let Value::Object(map) = &mut data {
        let staff = json!({"name": name, "first_name": name.split(' ').next()});
        map.insert("staff".into(), staff);
    }
    data.to_string()
}

/// Adds a held alert to the digest that will speak for it.
fn join(leader: &mut Message, held: &Message) {
    let mut data: Value = serde_json::from_str(leader.data.text()).unwrap_or_default();
    let line = |message: &Message| {
        serde_json::from_str::<Value>(message.data.text()).ok().map(|data| json!({"reference": data["lead"]["reference"], "name": data["lead"]["full_name"], "label": data["score"]["label"]}))
    };
    if let Value::Object(map) = &mut data {
        let list = map.entry("list").or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            if list.is_empty() {
                list.extend(line(leader));
            }
            list.extend(line(held));
        }
    }
    leader.data = data.to_string().into();
    leader.hash = None;
}

impl From<&super::StaffMember> for Hearer {
    fn from(one: &super::StaffMember) -> Self {
        Self {
            staff: Some(one.name.clone()),
            hook: None,
            phone: one.phone.clone(),
            email: one.email.clone(),
        }
    }
}

/// Owners and admins; without any, everybody of the staff.
fn runners(tenant: &Tenant) -> Vec<Hearer> {
    super::notify::runners(tenant)
        .into_iter()
        .map(Hearer::from)
        .collect()
}

fn hearers(
    tenant: &Tenant,
    state: &super::world::LeadState,
    to: &Recipient,
    now: crate::time::Timestamp,
) -> Vec<Hearer> {
    match to {
        Recipient::Lead => vec![Hearer {
            staff: None,
            hook: None,
            phone: state.lead.phone.clone(),
            email: state.lead.email.clone(),
        }],
        Recipient::Hook(name) => vec![Hearer {
            staff: None,
            hook: Some(name.clone()),
            phone: None,
            email: None,
        }],
        _ => super::people::people_of(tenant, Some(state), to, now)
            .into_iter()
            .map(Hearer::from)
            .collect(),
    }
}

/// The channel that people mean when they say how they like to be reached.
fn stated_channel(said: &str) -> Option<ChannelKind> {
    match said.trim().to_lowercase().as_str() {
        "sms" | "text" | "texts" | "text message" | "mobile" => Some(ChannelKind::Sms),
        "email" | "mail" | "e-mail" => Some(ChannelKind::Email),
        _ => None,
    }
}

/// A mail that is no template, as its words are kept.
pub(super) fn mail_words(subject: Option<&str>, text: &str) -> String {
    json!({"subject": subject, "text": text}).to_string()
}

/// The address as contact points are named: suppression and limits must find it however it was typed (C5).
pub(super) fn reached_by(channel: ChannelKind, address: String) -> String {
    if channel == ChannelKind::Email {
        address.to_lowercase()
    } else {
        address
    }
}

/// The priority of a message whose step names none (M7).
const fn usual_priority(category: Category) -> Priority {
    match category {
        Category::Emergency => Priority::Critical,
        Category::Staff => Priority::High,
        Category::Transactional => Priority::Normal,
        Category::Promotional => Priority::Low,
    }
}

/// Hash of template version and data, half of a SHA-256: ties the intent to exactly one text.
pub(super) fn hash_of(message: &Message) -> [u8; 16] {
    let mut hash = Sha256::new();
    if let Some((name, version)) = &message.template {
        hash.update(name);
        hash.update(version.to_be_bytes());
    }
    hash.update(message.body.as_deref().unwrap_or_default());
    hash.update([0]);
    hash.update(message.data.text());
    let digest = hash.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

pub(super) fn signed(length: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(length).unwrap_or(jiff::SignedDuration::MAX)
}
