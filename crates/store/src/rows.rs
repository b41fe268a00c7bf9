//! From rows to values and back. An impossible row is a loud error that names table, row and column.

use crate::StoreError;
use crate::engine::Row;
use ringback_core::consent::{Basis, Term};
use ringback_core::ids::{
    AttemptId, ConnectionId, EventId, LeadId, MessageId, NotificationId, RunId, SessionId, TenantId,
};
use ringback_core::leads::Lead;
use ringback_core::messages::{
    Category, ChannelKind, Cost, Message, Plan, Priority, Reason, Status,
};
use ringback_core::time::{from_micros, micros};
use ringback_core::turn::Job;
use ringback_core::turn::world::{
    ConsentBits, EventRow, Point, PointKey, PointKind, Recent, Run, RunState, Suppression,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// JSON as it is stored. Values of ours always serialise.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

pub(crate) fn from_json<T: DeserializeOwned>(
    text: &str,
    table: &'static str,
    id: i64,
    column: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Impossible { table, id, column })
}

/// What is kept of a lead that no list asks for.
#[derive(serde::Serialize, serde::Deserialize, Default)]
#[serde(default)]
pub(crate) struct KeptOfLead {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assigned_at: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alerted: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inside: Vec<ringback_core::leads::Inside>,
}

impl KeptOfLead {
    pub(crate) fn of(lead: &Lead) -> Self {
        Self {
            assigned_at: lead.assigned_at.map(micros),
            alerted: lead.alerted.clone(),
            inside: lead.inside.clone(),
        }
    }
}

/// Columns of `{lead}` in leads.sql.
pub(crate) fn lead(row: &Row<'_>) -> Result<Lead, StoreError> {
    let read = || -> Result<(Lead, String, String, String), StoreError> {
        let lead = Lead {
            id: LeadId::from_raw(row.get(0)?),
            tenant: TenantId::from_raw(row.get(1)?),
            number: row.get(2)?,
            first_name: row.get(3)?,
            last_name: row.get(4)?,
            phone: row.get(5)?,
            email: row.get(6)?,
            source: row.get(7)?,
            city: row.get(8)?,
            state: row.get(9)?,
            zip: row.get(10)?,
            country: row.get(11)?,
            time_zone: row.get(12)?,
            attributes: serde_json::Value::Null,
            tags: Vec::new(),
            products: Vec::new(),
            points: row.get(16)?,
            tier: row.get(17)?,
            anonymous: row.get(18)?,
            test: row.get(19)?,
            created_at: from_micros(row.get(20)?),
            updated_at: from_micros(row.get(21)?),
            last_event_at: from_micros(row.get(22)?),
            ringing_since: row.get::<Option<i64>>(23)?.map(from_micros),
            answered_at: row.get::<Option<i64>>(24)?.map(from_micros),
            answered_by: row.get(25)?,
            merged_into: row.get::<Option<i64>>(26)?.map(LeadId::from_raw),
            owner: row.get(27)?,
            assigned_at: None,
            alerted: Vec::new(),
            inside: Vec::new(),
        };
        Ok((lead, row.get(13)?, row.get(14)?, row.get(15)?))
    };
    let (mut lead, attributes, tags, products) = read()?;
    let id = lead.id.raw();
    lead.attributes = from_json(&attributes, "leads", id, "attributes")?;
    lead.tags = from_json(&tags, "leads", id, "tags")?;
    lead.products = from_json(&products, "leads", id, "products")?;
    let kept: String = row.get(28)?;
    // Most leads have nothing of it.
    if kept != "{}" {
        let kept: KeptOfLead = from_json(&kept, "leads", id, "kept")?;
        lead.assigned_at = kept.assigned_at.map(from_micros);
        lead.alerted = kept.alerted;
        lead.inside = kept.inside;
    }
    Ok(lead)
}

/// Columns of `{message}` in messages.sql.
pub(crate) fn message(row: &Row<'_>) -> Result<Message, StoreError> {
    let id: i64 = row.get(0)?;
    let wrong = |column: &'static str| StoreError::Impossible {
        table: "messages",
        id,
        column,
    };
    let read = || -> Result<_, StoreError> {
        Ok((
            row.get::<Option<String>>(22)?,
            row.get::<Option<String>>(34)?,
            row.get::<Option<String>>(35)?,
            row.get::<Option<Vec<u8>>>(27)?,
        ))
    };
    let (plan, facts, why, hash) = read()?;
    let plan: Plan = plan.map_or(Ok(Plan::default()), |text| {
        from_json(&text, "messages", id, "plan")
    })?;
    let facts = facts.map_or(Ok(std::collections::BTreeMap::new()), |text| {
        from_json(&text, "messages", id, "facts")
    })?;
    let why: Option<Reason> = why
        .map(|text| from_json(&text, "messages", id, "why"))
        .transpose()?;
    let code = |at: usize, column: &'static str| row.get::<i64>(at).map_err(|_| wrong(column));
    let channel = ChannelKind::from_code(code(8, "channel")?).ok_or_else(|| wrong("channel"))?;
    let category = Category::from_code(code(11, "category")?).ok_or_else(|| wrong("category"))?;
    let priority = Priority::from_code(code(12, "priority")?).ok_or_else(|| wrong("priority"))?;
    let status = Status::from_code(code(13, "status")?).ok_or_else(|| wrong("status"))?;
    let rest = || -> Result<Message, StoreError> {
        let template: Option<String> = row.get(17)?;
        let cost: Option<i64> = row.get(36)?;
        Ok(Message {
            id: MessageId::from_raw(id),
            tenant: TenantId::from_raw(row.get(1)?),
            lead: row.get::<Option<i64>>(2)?.map(LeadId::from_raw),
            staff: row.get(3)?,
            run: row.get::<Option<i64>>(4)?.map(RunId::from_raw),
            step: row.get(5)?,
            notification: NotificationId::from_raw(row.get(6)?),
            event: row.get::<Option<i64>>(7)?.map(EventId::from_raw),
            channel,
            connection: row.get::<Option<i64>>(9)?.map(ConnectionId::from_raw),
            recipient: row.get(10)?,
            category,
            priority,
            status,
            due_at: from_micros(row.get(14)?),
            created_at: from_micros(row.get(15)?),
            expires_at: row.get::<Option<i64>>(16)?.map(from_micros),
            template: template
                .map(|name| Ok::<_, StoreError>((name, row.get::<Option<i64>>(18)?.unwrap_or(0))))
                .transpose()?,
            locale: row.get(19)?,
            body: row.get(20)?,
            data: row.get::<String>(21)?.into(),
            plan,
            verdict: row.get::<String>(23)?.into(),
            epoch: row.get(24)?,
            attempt: row.get::<Option<i64>>(25)?.map(AttemptId::from_raw),
            deadline: row.get::<Option<i64>>(26)?.map(from_micros),
            hash: hash.and_then(|hash| hash.try_into().ok()),
            attempts: row.get(28)?,
            sandbox: row.get(29)?,
            repeated: row.get(30)?,
            reference: row.get(31)?,
            accepted_at: row.get::<Option<i64>>(32)?.map(from_micros),
            settled_at: row.get::<Option<i64>>(33)?.map(from_micros),
            facts,
            why,
            cost: match cost {
                Some(micros) => Some(Cost {
                    micros,
                    currency: row.get::<Option<String>>(37)?.unwrap_or_default(),
                }),
                None => None,
            },
        })
    };
    rest()
}

/// What `state` is for a message: 0 waits, 1 in flight, 2 settled, 3 unknown and looked up at its deadline.
pub(crate) const fn state_of(message: &Message) -> i64 {
    match message.status {
        Status::Scheduled | Status::Queued | Status::Deferred => 0,
        Status::Sending => 1,
        Status::Unknown if message.deadline.is_some() => 3,
        _ => 2,
    }
}

/// Columns of `{run}` in workflows.sql. What an ended run carried is not needed to decide anything.
pub(crate) fn run(row: &Row<'_>) -> Result<Run, StoreError> {
    run_as(row, false)
}

/// The same with what an ended run gathered.
pub(crate) fn whole_run(row: &Row<'_>) -> Result<Run, StoreError> {
    run_as(row, true)
}

fn run_as(row: &Row<'_>, whole: bool) -> Result<Run, StoreError> {
    let id: i64 = row.get(0)?;
    let wrong = |column: &'static str| StoreError::Impossible {
        table: "runs",
        id,
        column,
    };
    let state = match row.get::<i64>(7)? {
        0 => RunState::Open,
        1 => RunState::Done,
        2 => RunState::Stopped,
        _ => return Err(wrong("state")),
    };
    let data: String = row.get(11)?;
    // What an ended run gathered matters to nobody but a reader of its page.
    let data = if state == RunState::Open || whole {
        from_json(&data, "runs", id, "data")?
    } else {
        serde_json::Value::Null
    };
    let rest = || -> Result<Run, StoreError> {
        Ok(Run {
            id: RunId::from_raw(id),
            tenant: TenantId::from_raw(row.get(1)?),
            lead: LeadId::from_raw(row.get(2)?),
            workflow: row.get(3)?,
            version: row.get(4)?,
            event: EventId::from_raw(row.get(5)?),
            session: row.get::<Option<i64>>(6)?.map(SessionId::from_raw),
            state,
            step: row.get(8)?,
            waits_for: row.get(9)?,
            wake_at: row.get::<Option<i64>>(10)?.map(from_micros),
            data,
            created_at: from_micros(row.get(12)?),
            ended_at: row.get::<Option<i64>>(13)?.map(from_micros),
            new: false,
            dirty: false,
        })
    };
    rest()
}

/// A contact point from the eight columns that begin at `at`.
pub(crate) fn point(row: &Row<'_>, at: usize) -> Result<Point, StoreError> {
    Ok(Point {
        lead: row.get::<Option<i64>>(at)?.map(LeadId::from_raw),
        added_at: from_micros(row.get(at + 1)?),
        suppressed: Suppression::from_code(row.get(at + 2)?),
        suppressed_at: row.get::<Option<i64>>(at + 3)?.map(from_micros),
        suppressed_how: row.get(at + 4)?,
        consent: ConsentBits(row.get(at + 5)?),
        recent: recent(row.bytes(at + 6)?),
        terms: terms(row.bytes(at + 7)?),
        new: false,
        dirty: false,
    })
}

/// A contact point with its name, of `points_of`.
pub(crate) fn named_point(row: &Row<'_>) -> Result<(PointKey, Point), StoreError> {
    let kind = PointKind::from_code(row.get(1)?).unwrap_or(PointKind::User);
    Ok((
        PointKey {
            tenant: TenantId::from_raw(row.get(0)?),
            kind,
            value: row.get(2)?,
        },
        point(row, 3)?,
    ))
}

fn recent(blob: Option<&[u8]>) -> Recent {
    Recent(
        blob.unwrap_or_default()
            .chunks_exact(8)
            .map(|chunk| {
                chunk
                    .iter()
                    .rev()
                    .fold(0i64, |at, byte| at << 8 | i64::from(*byte))
            })
            .collect(),
    )
}

/// Eight bytes an instant, least first; nothing when there is none.
pub(crate) fn recent_blob(recent: &Recent) -> Option<Vec<u8>> {
    (!recent.0.is_empty()).then(|| recent.0.iter().flat_map(|at| at.to_le_bytes()).collect())
}

/// Ten bytes a term: slot, basis, end. A basis that this program does not know carries nothing, so the strictest stands for it.
fn terms(blob: Option<&[u8]>) -> Vec<Term> {
    let term = |chunk: &[u8]| {
        let (slot, basis) = (*chunk.first()?, *chunk.get(1)?);
        let until = i64::from_le_bytes(chunk.get(2..10)?.try_into().ok()?);
        Some(Term {
            slot,
            basis: Basis::from_code(basis).unwrap_or(Basis::Imported),
            until: (until != i64::MAX).then(|| from_micros(until)),
        })
    };
    blob.unwrap_or_default()
        .chunks_exact(10)
        .filter_map(term)
        .collect()
}

/// Terms as they are stored; nothing when there is none.
pub(crate) fn terms_blob(terms: &[Term]) -> Option<Vec<u8>> {
    let bytes = |term: &Term| {
        let mut bytes = vec![term.slot, term.basis as u8];
        bytes.extend_from_slice(&term.until.map_or(i64::MAX, micros).to_le_bytes());
        bytes
    };
    (!terms.is_empty()).then(|| terms.iter().flat_map(bytes).collect())
}

/// Facts as they are stored.
pub(crate) fn facts_json(
    facts: &std::collections::BTreeMap<ringback_core::messages::Fact, i64>,
) -> Option<String> {
    (!facts.is_empty()).then(|| json(facts))
}

/// Columns of `jobs_of` in workflows.sql.
pub(crate) fn job(tenant: TenantId, row: &Row<'_>) -> Result<Job, StoreError> {
    let (what, data): (String, String) = (row.get(1)?, row.get(4)?);
    Ok(Job {
        tenant,
        name: row.get(0)?,
        what: from_json(&what, "jobs", tenant.raw(), "what")?,
        due_at: row.get::<Option<i64>>(2)?.map(from_micros),
        after: row.get::<Option<i64>>(3)?.map(LeadId::from_raw),
        data: from_json(&data, "jobs", tenant.raw(), "data")?,
        created_at: from_micros(row.get(5)?),
    })
}

/// Columns of `history` in leads.sql.
pub(crate) fn event(tenant: TenantId, lead: LeadId, row: &Row<'_>) -> Result<EventRow, StoreError> {
    let id: i64 = row.get(0)?;
    let properties: String = row.get(7)?;
    Ok(EventRow {
        id: EventId::from_raw(id),
        tenant,
        lead,
        kind: row.get(1)?,
        at: from_micros(row.get(2)?),
        received_at: from_micros(row.get(3)?),
        source: row.get(4)?,
        actor: row.get(5)?,
        session: row.get::<Option<i64>>(6)?.map(SessionId::from_raw),
        properties: from_json(&properties, "events", id, "properties")?,
    })
}
