//! All about one number or address, from what is stored alone: no present configuration is needed to read it (C7, M10).

use crate::leads::SoftOptInBody;
use crate::messages::{AttemptBody, GateBody, MessageBody, gates};
use ringback_core::contact::{Email, Phone};
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::places::Region;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{PointKey, PointKind, Suppression};
use ringback_store::{ConsentView, Reader, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

/// Messages of one report; a person who got more has the newest of them in it, and the report says so.
const MOST_MESSAGES: u32 = 5_000;

/// The number or address that a report is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedAbout {
    /// Phone or email.
    pub kind: PointKind,
    /// E.164, or the address in lower case.
    pub value: String,
}

impl ReportedAbout {
    /// Reads what a person typed; numbers without a country belong to `home`.
    pub fn read(typed: &str, home: Region) -> Option<Self> {
        let typed = typed.trim();
        let (kind, value) = if typed.contains('@') {
            (PointKind::Email, Email::parse(typed).ok()?.key())
        } else {
            (
                PointKind::Phone,
                Phone::parse(typed, home).ok()?.as_str().to_owned(),
            )
        };
        Some(Self { kind, value })
    }
}

/// Everything about one number or address.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// The number or address.
    pub address: String,
    /// When the report was made.
    pub made_at: Timestamp,
    /// The end of the chain that proves the trail (see `/v1/audit/anchor`).
    pub anchor: String,
    /// Since when it has been known; null when it is not.
    pub known_since: Option<Timestamp>,
    /// Whose it is.
    #[schema(value_type = Option<String>)]
    pub lead_id: Option<LeadId>,
    /// Why nothing may be sent to it, when that is so.
    pub suppressed: Option<SuppressedBody>,
    /// Every grant and revocation, oldest first.
    pub consents: Vec<TrailBody>,
    /// Every message, oldest first, sent or not.
    pub messages: Vec<ReportedMessage>,
    /// True when there are more messages than a report holds; the newest are in it.
    pub cut: bool,
    /// Calls that began after a revocation was stored, because they were on the wire already. More than none deserves a look.
    pub after_revocation: Vec<AfterRevocation>,
}

/// Why nothing may be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressedBody {
    /// `opted_out`, `unsubscribed`, `complained`, `bounced`, `blocked`, `listed` or `doubted`.
    pub reason: &'static str,
    /// Since when.
    pub at: Option<Timestamp>,
    /// How we know.
    pub how: Option<String>,
}

/// A grant or revocation.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrailBody {
    /// When.
    pub at: Timestamp,
    /// Granted or taken back.
    pub granted: bool,
    /// `sms` or `email`.
    pub channel: String,
    /// `promotional`, `transactional`, …
    pub purpose: String,
    /// Why it counts.
    pub basis: String,
    /// What the person read.
    pub wording: Option<String>,
    /// What the person wrote.
    pub wrote: Option<String>,
    /// How it was given.
    pub method: String,
    /// On which page.
    pub page: Option<String>,
    /// From which address.
    pub ip: Option<String>,
    /// Who wrote it down.
    pub actor: Option<String>,
    /// From when it counts no more.
    pub expires_at: Option<Timestamp>,
    /// The conditions of a soft opt-in, as they were stated; null for any other basis.
    pub soft_opt_in: Option<SoftOptInBody>,
}

impl From<ConsentView> for TrailBody {
    fn from(view: ConsentView) -> Self {
        Self {
            at: view.at,
            granted: view.granted,
            channel: view.channel,
            purpose: view.purpose,
            basis: view.basis,
            wording: view.wording,
            wrote: view.wrote,
            method: view.method,
            page: view.page,
            ip: view.ip,
            actor: view.actor,
            expires_at: view.expires_at,
            soft_opt_in: view.conditions.map(SoftOptInBody::from),
        }
    }
}

/// A message with what the gates said and the calls that were made.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedMessage {
    /// The message.
    #[serde(flatten)]
    pub message: MessageBody,
    /// Template and version; null for what a person wrote.
    pub template: Option<String>,
    /// When the gates were asked last.
    pub gated_at: Option<Timestamp>,
    /// What they said, in order.
    pub gates: Vec<GateBody>,
    /// The calls to providers.
    pub attempts: Vec<AttemptBody>,
}

/// A call that began after the revocation was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct AfterRevocation {
    /// The message.
    pub message_id: String,
    /// When the revocation was stored.
    pub revoked_at: Timestamp,
    /// When its intent was written: before the revocation, else something is wrong.
    pub decided_at: Option<Timestamp>,
    /// When the call began.
    pub call_began_at: Timestamp,
}

/// Reads all about a number or address of a tenant.
pub fn make(
    store: &Reader<'_>,
    tenant: TenantId,
    about: &ReportedAbout,
    now: Timestamp,
) -> Result<Report, StoreError> {
    let key = PointKey {
        tenant,
        kind: about.kind,
        value: about.value.clone(),
    };
    let point = store.point(&key)?;
    let trail = store.consents_of_address(tenant, &about.value)?;
    let mut found = store.messages_to(tenant, &about.value, MOST_MESSAGES + 1)?;
    let cut = found.len() > MOST_MESSAGES as usize;
    found.truncate(MOST_MESSAGES as usize);
    found.reverse();
    let mut messages = Vec::with_capacity(found.len());
    let mut after_revocation = Vec::new();
    for message in found {
        let attempts = store.attempts(tenant, message.id)?;
        let (gated_at, gates) = gates(&message);
        for attempt in &attempts {
            if let Some(revoked) = revoked_before(&trail, &message, attempt.started_at) {
                after_revocation.push(AfterRevocation {
                    message_id: message.id.to_string(),
                    revoked_at: revoked,
                    decided_at: gated_at,
                    call_began_at: attempt.started_at,
                });
            }
        }
        messages.push(ReportedMessage {
            template: message
                .template
                .as_ref()
                .map(|(name, version)| format!("{name}@{version}")),
            message: MessageBody::new(&message),
            gated_at,
            gates,
            attempts: attempts.into_iter().map(AttemptBody::from).collect(),
        });
    }
    Ok(Report {
        address: about.value.clone(),
        made_at: now,
        anchor: store.anchor(tenant)?.to_string(),
        known_since: point.as_ref().map(|point| point.added_at),
        lead_id: point.as_ref().and_then(|point| point.lead),
        suppressed: point.and_then(|point| {
            Some(SuppressedBody {
                reason: point.suppressed.map(Suppression::as_str)?,
                at: point.suppressed_at,
                how: point.suppressed_how,
            })
        }),
        consents: trail.into_iter().map(TrailBody::from).collect(),
        messages,
        cut,
        after_revocation,
    })
}

/// The revocation in force when a call for this message began; the one answer to a STOP is not held by it.
fn revoked_before(
    trail: &[ConsentView],
    message: &ringback_core::messages::Message,
    began: Timestamp,
) -> Option<Timestamp> {
    if message.plan.keyword_answer {
        return None;
    }
    let purpose = match message.category {
        ringback_core::messages::Category::Promotional => "promotional",
        ringback_core::messages::Category::Transactional => "transactional",
        _ => return None,
    };
    trail
        .iter()
        .rfind(|row| {
            row.at < began && row.purpose == purpose && row.channel == message.channel.as_str()
        })
        .filter(|row| !row.granted)
        .map(|row| row.at)
}

/// The report as one table, a line for each consent, message and gate, for spreadsheets.
pub fn csv(report: &Report) -> String {
    let mut out = crate::csv::line(&["at", "what", "channel", "about", "says", "because"]);
    let mut line = |fields: [&str; 6]| out.push_str(&crate::csv::line(&fields));
    if let Some(suppressed) = &report.suppressed {
        let at = suppressed.at.map(|at| at.to_string()).unwrap_or_default();
        let how = suppressed.how.as_deref().unwrap_or_default();
        line([
            &at,
            "suppressed",
            "",
            &report.address,
            suppressed.reason,
            how,
        ]);
    }
    for consent in &report.consents {
        let says = if consent.granted {
            "granted"
        } else {
            "taken back"
        };
        let shown = consent.wording.as_deref().or(consent.wrote.as_deref());
        let page = consent.page.as_deref().unwrap_or_default();
        let because = format!(
            "{}; {}; {page}; {}",
            consent.basis,
            consent.method,
            shown.unwrap_or_default()
        );
        line([
            &consent.at.to_string(),
            "consent",
            &consent.channel,
            &consent.purpose,
            says,
            &because,
        ]);
    }
    for one in &report.messages {
        let message = &one.message;
        let (id, channel) = (message.id.to_string(), message.channel.to_string());
        let status = message.status.to_string();
        let template = one.template.as_deref().unwrap_or("written by hand");
        line([
            &message.created_at.to_string(),
            "message",
            &channel,
            &id,
            &status,
            template,
        ]);
        let gated = one.gated_at.map(|at| at.to_string()).unwrap_or_default();
        for gate in &one.gates {
            let because = format!("{} {}", gate.rule, gate.because);
            line([&gated, "gate", &gate.gate, &id, &gate.says, because.trim()]);
        }
        for attempt in &one.attempts {
            let why = attempt
                .why
                .as_ref()
                .map(|why| why.detail.as_str())
                .unwrap_or_default();
            line([
                &attempt.started_at.to_string(),
                "call",
                &channel,
                &id,
                &attempt.outcome,
                why,
            ]);
        }
    }
    out
}
