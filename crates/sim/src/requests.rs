//! What people, staff, systems and providers ask of the server, and what they were told.

use crate::people::{Person, Will};
use ringback_core::consent::Basis;
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::{LeadId, MessageId};
use ringback_core::leads::{Overwrite, Profile};
use ringback_core::messages::{Category, ChannelKind, Inbound, Report};
use ringback_core::time::{Timestamp, from_micros};
use ringback_core::turn::world::{PointKind, Purpose, Suppression};
use ringback_core::turn::{
    Answer, Capture, Compose, ConsentGiven, ConsentTold, Intake, Once, StageMove, SuppressOrder,
    Track, Visit, Who,
};
use serde_json::json;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// A form or an API client: comes again with the same key until it hears something.
    Keyed,
    /// A provider's webhook: comes again until it hears yes.
    Hook,
}

/// What was asked and what came of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which business.
    pub house: usize,
    /// Who asks.
    pub client: Client,
    /// What, in one word.
    pub what: &'static str,
    /// The order.
    pub intake: Intake,
    /// Names the request, so that it can be found in the store.
    pub token: String,
    /// The person concerned.
    pub person: Option<usize>,
    /// What it means for messages to this number or address.
    pub wills: Vec<(String, Will)>,
    /// How often it was sent.
    pub tries: u32,
    /// What the client was told, the first time it heard anything but a refusal.
    pub told: Option<Answer>,
    /// Nothing more is tried.
    pub over: bool,
}

impl Request {
    /// One that was not sent yet.
    pub fn new(
        house: usize,
        client: Client,
        what: &'static str,
        token: String,
        intake: Intake,
    ) -> Self {
        Self {
            house,
            client,
            what,
            intake,
            token,
            person: None,
            wills: Vec::new(),
            tries: 0,
            told: None,
            over: false,
        }
    }

    /// The caller's key.
    pub fn once(&self) -> Option<Once> {
        (self.client == Client::Keyed).then(|| Once {
            key: self.token.clone(),
            hash: [7; 32],
        })
    }
}

fn told(channel: ChannelKind, purpose: Purpose, granted: bool) -> ConsentTold {
    ConsentTold {
        channel,
        purpose,
        granted,
        wording: Some("Yes, you may write to me.".into()),
        method: "web_form".into(),
        page: None,
        basis: Some(Basis::Written),
        expires_at: None,
        soft_opt_in: None,
    }
}

/// A form is filled in.
pub fn capture(person: &Person, token: &str, form: Option<&str>) -> (Intake, Vec<(String, Will)>) {
    let mut consents = Vec::new();
    let mut wills = Vec::new();
    if person.offers_sms {
        consents.push(told(ChannelKind::Sms, Purpose::Promotional, true));
        wills.push((person.phone.clone(), Will::AllowOffers));
    }
    if let Some(email) = person.email.as_ref().filter(|_| person.offers_email) {
        consents.push(told(ChannelKind::Email, Purpose::Promotional, true));
        wills.push((email.clone(), Will::AllowOffers));
    }
    let attributes = json!({
        "sent": token, "note": person.mark, "service_type": "replacement", "photos": 2, "mobile_service": true, "vehicle_make": "BMW",
    });
    let capture = Capture {
        profile: Profile {
            first_name: Some(person.name.clone()),
            state: Some(person.lives.state.into()),
            zip: Some(person.lives.zip.into()),
            source: Some("website".into()),
            attributes: attributes.as_object().cloned().unwrap_or_default(),
            ..Profile::default()
        },
        phone: Phone::from_e164(&person.phone),
        email: person
            .email
            .as_ref()
            .and_then(|email| Email::parse(email).ok()),
        anonymous_id: Some(format!("browser-{}", person.mark)),
        product: None,
        consents,
        form: form.map(str::to_owned),
        key: Some(token.to_owned()),
        test: false,
        own_enquiry: true,
        overwrite: Overwrite::Newer,
        ip: None,
    };
    (Intake::Capture(Box::new(capture)), wills)
}

/// A browser looks at a page or taps something.
pub fn track(person: &Person, kind: &str, path: &str, token: &str, at: Timestamp) -> Intake {
    Intake::Track(Box::new(Track {
        who: Who::Named {
            anonymous: Some(format!("browser-{}", person.mark)),
            user: None,
        },
        kind: kind.to_owned(),
        happened: at,
        properties: json!({"path": path, "note": person.mark}),
        key: Some(token.to_owned()),
        source: "tracking",
        traits: None,
        visit: Visit {
            path: Some(path.to_owned()),
            ..Visit::default()
        },
        public: true,
        session: true,
    }))
}

/// A person writes back.
pub fn reply(person: &Person, word: &str, token: &str, at: Timestamp) -> Intake {
    Intake::Inbound {
        inbound: Box::new(Inbound {
            dedup: token.to_owned(),
            channel: ChannelKind::Sms,
            from: person.phone.clone(),
            to: "+13035550199".into(),
            body: word.to_owned(),
            answered_by_provider: false,
            at,
        }),
        connection: None,
    }
}

/// Words people write, and what they mean.
pub const WORDS: [(&str, Option<Will>); 8] = [
    ("STOP", Some(Will::Stop)),
    ("Stop.", Some(Will::Stop)),
    ("unsubscribe", Some(Will::Stop)),
    ("START", Some(Will::Start)),
    ("YES", Some(Will::Yes)),
    ("HELP", None),
    ("Thanks, see you on Monday", None),
    ("take me off", Some(Will::Stop)),
];

/// Consent told by the business's own system.
pub fn consent(
    person: &Person,
    channel: ChannelKind,
    purpose: Purpose,
    granted: bool,
) -> Option<(Intake, String)> {
    let (kind, value) = match channel {
        ChannelKind::Sms => (PointKind::Phone, person.phone.clone()),
        _ => (PointKind::Email, person.email.clone()?),
    };
    let given = ConsentGiven {
        lead: None,
        point: Some((kind, value.clone())),
        told: told(channel, purpose, granted),
        actor: "system".into(),
    };
    Some((Intake::Consent(Box::new(given)), value))
}

/// The business puts a number on its own list, or takes it off.
pub fn list(person: &Person, on: bool) -> Intake {
    Intake::Suppress(Box::new(SuppressOrder {
        kind: PointKind::Phone,
        value: person.phone.clone(),
        reason: on.then_some(Suppression::Listed),
        how: "a call to the office".into(),
        actor: "system".into(),
    }))
}

/// A person of the business writes to a lead.
pub fn compose(
    lead: LeadId,
    channel: ChannelKind,
    category: Category,
    token: &str,
    send_at: Option<i64>,
) -> Intake {
    let body =
        format!("Alder Plumbing, Wren Auto Glass, Reed Nursery: about {token}. Reply STOP to end.");
    Intake::Compose(Box::new(Compose {
        lead: Some(lead),
        staff: None,
        to: None,
        channel,
        category,
        body: Some(body),
        subject: (channel == ChannelKind::Email).then(|| "About your garden".to_owned()),
        template: None,
        data: json!({}),
        send_at: send_at.map(from_micros),
        actor: "office".into(),
        sandbox: false,
    }))
}

/// A provider reports.
pub fn report(report: Report) -> Intake {
    Intake::Report(Box::new(report))
}

/// Something a person of the business does to a lead.
pub fn act(lead: LeadId, what: &str) -> Intake {
    let actor = "office".to_owned();
    match what {
        "take" => Intake::Take { lead, actor },
        "delete" => Intake::Delete { lead, actor },
        _ => Intake::Stage(StageMove {
            lead,
            product: None,
            stage: "contacted".into(),
            reason: None,
            actor,
        }),
    }
}

/// Something a person of the business does to a message.
pub fn on_message(message: MessageId, again: bool) -> Intake {
    let actor = "office".to_owned();
    if again {
        Intake::Retry {
            message,
            at: None,
            actor,
        }
    } else {
        Intake::Cancel { message, actor }
    }
}

/// An answer as the server hands it over, so that a repeated call hears the same.
pub fn written(answer: &Answer) -> (u16, String) {
    match answer {
        Answer::Captured(captured) => (201, json!({"lead": captured.id}).to_string()),
        Answer::Composed { id, .. } => (201, json!({"message": id}).to_string()),
        Answer::NotFound => (404, String::new()),
        Answer::Refused { code, .. } => (422, json!({"code": code}).to_string()),
        _ => (200, "{}".to_owned()),
    }
}

/// The lead that an answer names.
pub fn lead_in(answer: &Answer) -> Option<LeadId> {
    match answer {
        Answer::Captured(captured) => Some(captured.id),
        Answer::Repeated { body, .. } => {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            body["lead"].as_str()?.parse().ok()
        }
        _ => None,
    }
}

/// The message that an answer names.
pub fn message_in(answer: &Answer) -> Option<MessageId> {
    match answer {
        Answer::Composed { id, .. } => Some(*id),
        Answer::Repeated { body, .. } => {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            body["message"].as_str()?.parse().ok()
        }
        _ => None,
    }
}
