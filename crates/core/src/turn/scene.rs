//! A business with two accounts in memory, for the tests of what a turn decides: no store, no clock, and dice that always fall alike.

use super::world::{Consent, Counted, CounterKey, Expects, Point, PointKey, Purpose};
use super::{
    Connection, Dice, Distrust, Intake, Lines, LookUps, Looked, Order, Pace, Registration, Settled,
    StaffMember, Tenant, Turn, Verdict, VerdictView, World, kind_of,
};
use crate::config::{Document, load};
use crate::consent::Basis;
use crate::ids::{ConnectionId, IdMaker, LeadId, MessageId, NotificationId, TenantId};
use crate::leads::{Lead, ReferenceKey};
use crate::messages::{
    Category, ChannelKind, Cost, Finding, Message, Outcome, ProviderRef, Reason, Repeat, Status,
    Suppress,
};
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The account that carries texts; its log can be asked.
pub(super) const TEXTS: ConnectionId = ConnectionId::from_raw(1);
/// The account that carries mails; it drops twins by our key.
pub(super) const MAILS: ConnectionId = ConnectionId::from_raw(2);
/// Who is written to, in Denver.
pub(super) const DANA: &str = "+13035550151";
pub(super) const DANAS_MAIL: &str = "dana@example.com";
/// Who works the leads.
pub(super) const RUTH: &str = "+13035550100";
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// Dice that always fall the same way.
pub(super) struct Even(pub(super) f64);

impl Dice for Even {
    fn roll(&mut self) -> f64 {
        self.0
    }
}

pub(super) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The instant so many seconds later.
pub(super) fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at + jiff::SignedDuration::from_secs(seconds)
}

/// A business with what is known of it, at an instant.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) tenants: HashMap<TenantId, Arc<Tenant>>,
    pub(super) ids: IdMaker,
    pub(super) dice: Even,
    pub(super) now: Timestamp,
    pub(super) lines: Lines,
    pub(super) looks: LookUps,
    pub(super) distrust: Option<Distrust>,
}

pub(super) fn way(id: ConnectionId, channel: ChannelKind, name: &str) -> Connection {
    let (provider, repeat) = match channel {
        ChannelKind::Sms => ("twilio", Repeat::ByLog),
        ChannelKind::Email => ("resend", Repeat::ByKey),
        ChannelKind::Webhook => ("webhook", Repeat::Blind),
    };
    Connection {
        id,
        channel,
        provider: provider.into(),
        name: name.into(),
        enabled: true,
        repeat,
        answers_opt_out: false,
        pace: Pace::default(),
        registration: Registration::NotNeeded,
    }
}

/// What the templates are tried with.
const SAMPLE: &str = r#"tenant: { name: Alder Plumbing, address: "100 Example Street" }"#;

/// A business in Denver, with more lines in its `tenant.yaml`.
fn business(more: &str) -> Tenant {
    let settings = format!(
        "name: Alder Plumbing\nregion: US\ntime_zone: America/Denver\npostal_address: 100 Example Street\n{more}"
    );
    let words = "Hello from {{ tenant.name }}, {{ tenant.address }}";
    let text = |category: &str| {
        format!(
            "---\ncategory: {category}\nopt_out: omitted\nsample: {{ {SAMPLE} }}\n---\n{words}\n"
        )
    };
    let mail = |category: &str| {
        format!(
            "---\ncategory: {category}\nsubject: News\ntext: {words:?}\nsample: {{ {SAMPLE} }}\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{words}</mj-text></mj-column></mj-section></mj-body></mjml>\n"
        )
    };
    let files = [
        ("tenant.yaml", settings),
        (
            "products/repair.yaml",
            "name: repair\nstages:\n  - { name: new }\n".to_owned(),
        ),
        (
            "staff.yaml",
            "people:\n  - { name: Ruth Alder, email: ruth@example.com }\n".to_owned(),
        ),
        ("templates/news.sms.txt", text("transactional")),
        ("templates/news.email.mjml", mail("transactional")),
        ("templates/alert.sms.txt", text("staff")),
        ("templates/alert.email.mjml", mail("staff")),
    ];
    let documents: BTreeMap<String, Document> = files
        .into_iter()
        .map(|(path, text)| (path.to_owned(), Document::new(text)))
        .collect();
    let config = load(&documents).unwrap_or_else(|problems| panic!("{problems:?}"));
    let zone = config.settings.time_zone.rules().clone();
    Tenant {
        id: TenantId::from_raw(1),
        slug: "alder".into(),
        config: Arc::new(config),
        staff: vec![StaffMember {
            name: "Ruth Alder".into(),
            phone: Some(RUTH.into()),
            email: Some("ruth@example.com".into()),
            roles: vec!["owner".into()],
            lists: Vec::new(),
            on_call: true,
        }],
        connections: vec![
            way(TEXTS, ChannelKind::Sms, "texts"),
            way(MAILS, ChannelKind::Email, "mails"),
        ],
        kill: Vec::new(),
        sandbox: false,
        most_per_hour: None,
        zone,
        references: ReferenceKey::new(b"a secret of a test"),
        hold: None,
    }
}

impl Scene {
    /// Monday morning, 10:00 in Denver; Dana allowed everything in writing, Ruth confirmed her number.
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// The same with more lines in `tenant.yaml`.
    pub(super) fn with(more: &str) -> Self {
        let tenant = business(more);
        let mut scene = Self {
            world: World::default(),
            tenants: HashMap::from([(tenant.id, Arc::new(tenant))]),
            ids: IdMaker::new(0, 0),
            dice: Even(0.0),
            now: instant("2026-11-23T17:00:00Z"),
            lines: Lines::default(),
            looks: LookUps::default(),
            distrust: None,
        };
        for (channel, to) in [(ChannelKind::Sms, DANA), (ChannelKind::Email, DANAS_MAIL)] {
            for purpose in [Purpose::Promotional, Purpose::Transactional] {
                scene.point(to).allow(
                    channel.code(),
                    purpose,
                    Consent::Granted,
                    Basis::Written,
                    None,
                );
            }
        }
        let ruth = scene.point(RUTH);
        ruth.allow(0, Purpose::Staff, Consent::Granted, Basis::Keyword, None);
        scene
    }

    pub(super) fn tenant(&self) -> Arc<Tenant> {
        Arc::clone(&self.tenants[&TenantId::from_raw(1)])
    }

    /// Changes the business.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Tenant)) {
        let mut tenant = Tenant::clone(&self.tenant());
        change(&mut tenant);
        self.tenants.insert(tenant.id, Arc::new(tenant));
    }

    pub(super) fn key(to: &str) -> PointKey {
        let channel = if to.contains('@') {
            ChannelKind::Email
        } else {
            ChannelKind::Sms
        };
        PointKey {
            tenant: TenantId::from_raw(1),
            kind: kind_of(channel),
            value: to.to_owned(),
        }
    }

    /// What is known of a number or an address.
    pub(super) fn point(&mut self, to: &str) -> &mut Point {
        let now = self.now;
        self.world.point_mut(&Self::key(to), now)
    }

    /// How far a limit is used in this hour, day or month.
    pub(super) fn counter(&self, what: Counted, slot: i64) -> i64 {
        self.world.counter(&CounterKey {
            tenant: TenantId::from_raw(1),
            what,
            slot,
        })
    }

    /// Sets a counter.
    pub(super) fn set(&mut self, what: Counted, slot: i64, n: i64) {
        let key = CounterKey {
            tenant: TenantId::from_raw(1),
            what,
            slot,
        };
        let before = self.world.counter(&key);
        self.world.count(key, n - before);
    }

    /// Dana as a lead.
    pub(super) fn lead(&mut self, change: impl FnOnce(&mut Lead)) -> LeadId {
        let id = LeadId::from_raw(77);
        let mut lead = Lead::new(id, TenantId::from_raw(1), 1, self.now);
        lead.phone = Some(DANA.into());
        lead.email = Some(DANAS_MAIL.into());
        change(&mut lead);
        self.world.add_lead(super::world::LeadState::new(lead));
        id
    }

    /// Changes `tenant.yaml`.
    pub(super) fn settings(&mut self, change: impl FnOnce(&mut crate::config::Settings)) {
        self.edit(|tenant| change(&mut Arc::make_mut(&mut tenant.config).settings));
    }

    /// A turn with the business.
    pub(super) fn turn<T>(&mut self, act: impl FnOnce(&mut Turn<'_>, &Arc<Tenant>) -> T) -> T {
        let tenant = self.tenant();
        let mut turn = Turn::new(
            &mut self.world,
            &self.tenants,
            &mut self.ids,
            &mut self.dice,
            self.now,
            &self.lines,
            LEASE,
        );
        turn.looks = self.looks;
        turn.distrust = self.distrust.clone();
        act(&mut turn, &tenant)
    }

    /// What the gates say.
    pub(super) fn judge(&mut self, message: &Message) -> Verdict {
        self.turn(|turn, tenant| turn.judge(tenant, message))
    }

    /// A message that was not asked for before, of the channel of its recipient.
    pub(super) fn message(&mut self, to: &str, category: Category) -> Message {
        let channel = if to.contains('@') {
            ChannelKind::Email
        } else {
            ChannelKind::Sms
        };
        let now = self.now;
        let (id, notification) = (self.ids.next(now), self.ids.next(now));
        let mut message = self.turn(|turn, tenant| {
            let notification = NotificationId::from_raw(notification);
            turn.blank(
                tenant,
                MessageId::from_raw(id),
                notification,
                channel,
                category,
            )
        });
        message.recipient = to.to_owned();
        if category == Category::Staff {
            message.staff = Some("Ruth Alder".into());
        }
        message.body = Some(match channel {
            ChannelKind::Email => r#"{"subject":"News","text":"Hello"}"#.into(),
            _ => "Alder Plumbing: hello. Reply STOP to end.".into(),
        });
        message
    }

    /// Posts a new message, as a workflow does; answers it as it stands then.
    pub(super) fn post(&mut self, message: Message) -> Message {
        let id = message.id;
        self.turn(|turn, tenant| {
            turn.post(tenant, message);
        });
        self.keep();
        self.world.messages[&id].clone()
    }

    /// Claims what is due; answers how many went off.
    pub(super) fn claim(&mut self) -> usize {
        let now = self.now;
        let mut due: Vec<Message> = self
            .world
            .messages
            .values()
            .filter(|one| one.status.waits() && one.due_at <= now)
            .cloned()
            .collect();
        due.sort_by_key(|one| (one.due_at, one.id));
        let sent = self.turn(|turn, _| {
            turn.claim(due);
            turn.sent_off.len()
        });
        self.keep();
        sent
    }

    /// The call for a message ended so.
    pub(super) fn settle(&mut self, id: MessageId, outcome: Outcome) -> Message {
        let sent = Arc::new(self.world.messages[&id].clone());
        self.settle_as(sent, outcome)
    }

    /// The same with the message as it was when it was sent off.
    pub(super) fn settle_as(&mut self, sent: Arc<Message>, outcome: Outcome) -> Message {
        let id = sent.id;
        let settled = Settled {
            message: sent,
            started_at: self.now,
            finished_at: self.now,
            outcome,
            segments: None,
            died: false,
        };
        self.take(Intake::Settled(Box::new(settled)));
        self.world.messages[&id].clone()
    }

    /// A look into the provider's log came to this.
    pub(super) fn look(&mut self, id: MessageId, finding: Finding) -> Message {
        let looked = Looked {
            message: Arc::new(self.world.messages[&id].clone()),
            started_at: self.now,
            finished_at: self.now,
            finding,
        };
        self.take(Intake::Looked(Box::new(looked)));
        self.world.messages[&id].clone()
    }

    pub(super) fn take(&mut self, intake: Intake) -> super::Answer {
        let order = Order {
            tenant: TenantId::from_raw(1),
            at: self.now,
            intake,
            once: None,
        };
        let answer = self.turn(|turn, _| turn.take(&order));
        self.keep();
        answer
    }

    /// What the turn wrote is what the next one knows; rows that nobody asks for here are left in the output.
    pub(super) fn keep(&mut self) {
        for message in std::mem::take(&mut self.world.out.messages) {
            self.world.messages.insert(message.id, message);
        }
        for change in std::mem::take(&mut self.world.out.changes) {
            let fits = match change.expects {
                Expects::Read => true,
                Expects::InFlight(epoch) => self
                    .world
                    .messages
                    .get(&change.message.id)
                    .is_none_or(|known| known.status == Status::Sending && known.epoch == epoch),
            };
            if fits {
                self.world
                    .messages
                    .insert(change.message.id, change.message);
            }
        }
    }
}

/// What a verdict comes to: the gate that spoke last, what it said, and by which rule.
pub(super) fn last(verdict: &Verdict) -> (String, String, String) {
    let view: VerdictView = serde_json::from_str(&verdict.text).unwrap();
    let said = view.said.into_iter().next_back().unwrap();
    (said.gate, said.says, said.rule)
}

/// What one gate said: the word, the rule and the sentence.
pub(super) fn said(verdict: &Verdict, gate: &str) -> Option<(String, String, String)> {
    let view: VerdictView = serde_json::from_str(&verdict.text).unwrap();
    let said = view.said.into_iter().find(|said| said.gate == gate)?;
    Some((said.says, said.rule, said.because))
}

pub(super) fn accepted(cost: Option<i64>) -> Outcome {
    Outcome::Accepted {
        reference: ProviderRef("SM1".into()),
        cost: cost.map(dollars),
    }
}

/// Millionths of a dollar.
pub(super) fn dollars(micros: i64) -> Cost {
    Cost {
        micros,
        currency: "USD".into(),
    }
}

pub(super) fn retryable(after: Option<u64>) -> Outcome {
    Outcome::Retryable {
        why: Reason::new("http_500", "The provider has trouble of its own."),
        after: after.map(Duration::from_secs),
    }
}

pub(super) fn unknown() -> Outcome {
    Outcome::Unknown {
        why: Reason::new("timeout", "No answer came."),
    }
}

pub(super) fn refused(suppress: Suppress) -> Outcome {
    Outcome::Permanent {
        why: Reason::new("21211", "The number is not valid."),
        suppress,
    }
}
