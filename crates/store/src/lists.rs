//! Questions about leads and messages: lists, one thing whole, figures.

use crate::rows::{self, from_json};
use crate::sql::{Statement, leads, messages, scoring};
use crate::{House, Reader, StoreError, Writer};
use ringback_core::ids::{
    AttemptId, ConnectionId, EventId, LeadId, MessageId, NotificationId, SessionId, TenantId,
};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Message, Reason, Status};
use ringback_core::time::{Timestamp, from_micros, micros};
use ringback_core::turn::world::{Point, PointKey, PointKind, Run, Suppression};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

/// What a list of leads is narrowed by. All that are given must fit.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// Stage of the first product.
    pub stage: Option<String>,
    /// First product.
    pub product: Option<String>,
    /// Source.
    pub source: Option<String>,
    /// Tier of the first product.
    pub tier: Option<String>,
    /// Created at or after.
    pub created_after: Option<Timestamp>,
    /// Words of the name, or a phone, email or reference.
    pub words: Option<String>,
    /// A phone number in the search, E.164.
    pub phone: Option<String>,
    /// The count behind a reference in the search.
    pub number: Option<i64>,
    /// Only those that wait for a person.
    pub ringing: bool,
    /// Only those with a contact point.
    pub known: bool,
}

/// A line of a lead's history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// Where it came from.
    pub source: String,
    /// Who did it.
    pub actor: Option<String>,
    /// Its visit.
    pub session: Option<SessionId>,
    /// What came with it.
    pub properties: Value,
}

/// An award, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AwardView {
    /// The model.
    pub model: String,
    /// The visit, for session models.
    pub session: Option<SessionId>,
    /// The event.
    pub event: EventId,
    /// The rule.
    pub rule: String,
    /// The model's version then.
    pub version: i64,
    /// Points.
    pub points: i64,
    /// When.
    pub at: Timestamp,
    /// Which comparisons held.
    pub why: Vec<String>,
}

/// Where a lead stands in a model.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingView {
    /// The model.
    pub model: String,
    /// The visit, for session models.
    pub session: Option<SessionId>,
    /// Points.
    pub points: i64,
    /// Tier.
    pub tier: Option<String>,
}

/// A call to a provider, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// 1 for the first.
    pub number: u32,
    /// The account.
    pub connection: Option<ConnectionId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What came of it.
    pub outcome: String,
    /// The provider's name for the message.
    pub reference: Option<String>,
    /// What the provider said.
    pub why: Option<Reason>,
    /// Came too late to count.
    pub late: bool,
}

/// A call to a provider with the message it was made for.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadAttempt {
    /// The call.
    pub attempt: AttemptView,
    /// Its message.
    pub message: MessageId,
    /// The message's channel.
    pub channel: ChannelKind,
    /// The staff member it went to.
    pub staff: Option<String>,
}

/// What a list of messages is narrowed by. All that are given must fit.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// About this lead.
    pub lead: Option<LeadId>,
    /// Standing there.
    pub status: Option<Status>,
    /// On this channel.
    pub channel: Option<ChannelKind>,
    /// Caused by this workflow.
    pub workflow: Option<String>,
    /// Only those that the sandbox took.
    pub sandbox: bool,
}

impl MessageFilter {
    fn fits(&self, message: &Message) -> bool {
        self.status.is_none_or(|status| message.status == status)
            && self
                .channel
                .is_none_or(|channel| message.channel == channel)
            && (!self.sandbox || message.sandbox)
            && self.workflow.as_deref().is_none_or(|workflow| {
                let step = message.step.as_deref();
                step.is_some_and(|step| step.split('@').next() == Some(workflow))
            })
    }
}

/// A grant or revocation, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentView {
    /// Its id.
    pub id: i64,
    /// Phone or email.
    pub kind: Option<PointKind>,
    /// Number or address.
    pub value: String,
    /// Channel.
    pub channel: String,
    /// What for.
    pub purpose: String,
    /// Granted or taken back.
    pub granted: bool,
    /// Why it counts.
    pub basis: String,
    /// What the person read.
    pub wording: Option<String>,
    /// How it was given.
    pub method: String,
    /// The page.
    pub page: Option<String>,
    /// The address it came from.
    pub ip: Option<String>,
    /// Who wrote it down.
    pub actor: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// An entry of the suppression list.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionView {
    /// Phone or email.
    pub kind: Option<PointKind>,
    /// Number or address.
    pub value: String,
    /// Why.
    pub reason: Option<Suppression>,
    /// Since when.
    pub at: Timestamp,
    /// How we know.
    pub how: Option<String>,
}

/// A submission that was kept apart.
#[derive(Debug, Clone, PartialEq)]
pub struct SpamView {
    /// Its id.
    pub id: i64,
    /// The form.
    pub form: String,
    /// What gave it away.
    pub sign: String,
    /// What came in.
    pub raw: String,
    /// From where.
    pub ip: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A booking that is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftRow {
    /// The form.
    pub form: String,
    /// Hash of the secret that goes with it.
    pub hash: Vec<u8>,
    /// What was filled in so far.
    pub data: Value,
    /// The step reached.
    pub step: u32,
    /// When it was last saved.
    pub at: Timestamp,
    /// The lead, once it was finished.
    pub lead: Option<LeadId>,
}

/// Messages that wait on one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingCount {
    /// The channel.
    pub channel: ChannelKind,
    /// How many.
    pub n: i64,
    /// When the first of them is due.
    pub oldest: Option<Timestamp>,
}

/// Messages of a tenant that wait on one channel in one status.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingOf {
    /// The channel.
    pub channel: ChannelKind,
    /// Scheduled, queued or deferred.
    pub status: Status,
    /// How many.
    pub n: i64,
    /// When the first of them is due.
    pub next: Option<Timestamp>,
}

/// Answered leads of a stretch of time: how long each waited.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitView {
    /// When it began to ring.
    pub since: Timestamp,
    /// Seconds until a person answered.
    pub seconds: i64,
}

/// How many leads a search by name looks at, newest first.
const SEARCH_DEPTH: i64 = 50_000;

impl Reader<'_> {
    fn all<T>(
        &self,
        statement: &Statement,
        values: impl rusqlite::Params,
        map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.all_text(statement.text, statement.name, values, map)
    }

    fn all_text<T>(
        &self,
        text: &str,
        name: &'static str,
        values: impl rusqlite::Params,
        map: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut prepared = self
            .connection
            .prepare_cached(text)
            .map_err(StoreError::at(name))?;
        let mut found = prepared.query(values).map_err(StoreError::at(name))?;
        let mut out = Vec::new();
        while let Some(row) = found.next().map_err(StoreError::at(name))? {
            out.push(map(row)?);
        }
        Ok(out)
    }

    /// A lead of this tenant; a merged one leads to the one it became.
    pub fn lead(&self, tenant: TenantId, id: LeadId) -> Result<Option<Lead>, StoreError> {
        let mut id = id;
        for _ in 0..8 {
            let Some(lead) = self
                .all(&leads::BY_ID, [id.raw()], rows::lead)?
                .into_iter()
                .next()
                .filter(|lead| lead.tenant == tenant)
            else {
                return Ok(None);
            };
            match lead.merged_into {
                Some(into) => id = into,
                None => return Ok(Some(lead)),
            }
        }
        Ok(None)
    }

    /// The lead behind a contact point.
    pub fn lead_of(&self, key: &PointKey) -> Result<Option<LeadId>, StoreError> {
        Ok(self.point(key)?.and_then(|point| point.lead))
    }

    /// A contact point.
    pub fn point(&self, key: &PointKey) -> Result<Option<Point>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(leads::POINT.text)
            .map_err(StoreError::at(leads::POINT.name))?;
        let point = statement
            .query_row(
                params![key.tenant.raw(), key.kind as i64, key.value],
                |row| rows::point(row, 0),
            )
            .optional();
        point.map_err(StoreError::at(leads::POINT.name))
    }

    /// The contact points of a lead.
    pub fn points(&self, lead: LeadId) -> Result<Vec<(PointKey, Point)>, StoreError> {
        self.all(&leads::POINTS_OF, [lead.raw()], |row| {
            rows::named_point(row).map_err(rows::sqlite)
        })
    }

    /// Leads, newest first, before a cursor.
    pub fn leads(
        &self,
        tenant: TenantId,
        filter: &LeadFilter,
        before: Option<LeadId>,
        most: u32,
    ) -> Result<Vec<Lead>, StoreError> {
        if let Some(number) = filter.number {
            let found = self.all(&leads::BY_NUMBER, params![tenant.raw(), number], rows::lead)?;
            if !found.is_empty() {
                return found
                    .into_iter()
                    .map(|lead| self.lead(tenant, lead.id))
                    .filter_map(Result::transpose)
                    .collect();
            }
        }
        for (kind, value) in [
            (PointKind::Phone, filter.phone.clone()),
            (
                PointKind::Email,
                filter
                    .words
                    .clone()
                    .filter(|words| words.contains('@'))
                    .map(|words| words.to_lowercase()),
            ),
        ] {
            if let Some(value) = value
                && let Some(lead) = self.lead_of(&PointKey {
                    tenant,
                    kind,
                    value,
                })?
            {
                return Ok(self.lead(tenant, lead)?.into_iter().collect());
            }
        }
        let mut text = String::from(
            "SELECT id, tenant_id, number, first_name, last_name, phone, email, source, city, state, zip, country, time_zone, attributes, tags, products, points, tier, anonymous, test, created_at, updated_at, last_event_at, ringing_since, answered_at, answered_by, merged_into FROM leads WHERE tenant_id = ?1 AND merged_into IS NULL AND deleted_at IS NULL AND id < ?2",
        );
        let mut values: Vec<rusqlite::types::Value> = vec![
            tenant.raw().into(),
            before.map_or(i64::MAX, |id| id.raw()).into(),
        ];
        let mut narrow = |text: &mut String, clause: &str, value: rusqlite::types::Value| {
            values.push(value);
            text.push_str(&clause.replace('?', &format!("?{}", values.len())));
        };
        for (clause, value) in [
            (" AND stage = ?", &filter.stage),
            (" AND product = ?", &filter.product),
            (" AND source = ?", &filter.source),
            (" AND tier = ?", &filter.tier),
        ] {
            if let Some(value) = value {
                narrow(&mut text, clause, value.clone().into());
            }
        }
        if let Some(after) = filter.created_after {
            narrow(&mut text, " AND created_at >= ?", micros(after).into());
        }
        if filter.ringing {
            text.push_str(" AND ringing_since IS NOT NULL AND answered_at IS NULL");
        }
        if filter.known {
            text.push_str(" AND anonymous = 0");
        }
        if let Some(words) = filter
            .words
            .as_ref()
            .filter(|words| !words.trim().is_empty())
        {
            // A search by name reads the newest leads only: an index over names would cost every lead that comes in.
            let floor = self.search_floor(tenant)?;
            narrow(&mut text, " AND id >= ?", floor.into());
            for word in words.split_whitespace().take(5) {
                let like = format!("%{}%", word.replace(['%', '_', '\\'], ""));
                narrow(
                    &mut text,
                    " AND (coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '')) LIKE ?",
                    like.into(),
                );
            }
        }
        text.push_str(" ORDER BY id DESC LIMIT ");
        text.push_str(&most.to_string());
        self.all_text(
            &text,
            "leads.list",
            rusqlite::params_from_iter(values),
            rows::lead,
        )
    }

    fn search_floor(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let text = "SELECT id FROM leads WHERE tenant_id = ?1 AND merged_into IS NULL AND deleted_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?2";
        let floor = self
            .connection
            .query_row(text, params![tenant.raw(), SEARCH_DEPTH], |row| row.get(0))
            .optional();
        Ok(floor
            .map_err(StoreError::at("leads.search_floor"))?
            .unwrap_or(0))
    }

    /// Who waits for a person, longest first.
    pub fn ringing(&self, tenant: TenantId, most: u32) -> Result<Vec<Lead>, StoreError> {
        self.all(&leads::RINGING, params![tenant.raw(), most], rows::lead)
    }

    /// How many wait for a person.
    pub fn ringing_count(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.connection
            .query_row(leads::RINGING_COUNT.text, [tenant.raw()], |row| row.get(0))
            .map_err(StoreError::at(leads::RINGING_COUNT.name))
    }

    /// How long leads waited that began to ring in this stretch and were answered, oldest first.
    pub fn waits(
        &self,
        tenant: TenantId,
        from: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<WaitView>, StoreError> {
        let text = "SELECT ringing_since, answered_at FROM leads WHERE tenant_id = ?1 AND merged_into IS NULL AND deleted_at IS NULL AND id >= ?2 AND ringing_since >= ?3 AND ringing_since < ?4 AND answered_at IS NOT NULL ORDER BY id LIMIT ?5";
        // Leads that began to ring in the stretch were made in it or some days before.
        let floor = id_floor(from.as_millisecond() - 30 * 86_400_000);
        self.all_text(
            text,
            "leads.waits",
            params![tenant.raw(), floor, micros(from), micros(until), most],
            |row| {
                let (since, answered): (i64, i64) = (
                    row.get(0).map_err(rows::sqlite)?,
                    row.get(1).map_err(rows::sqlite)?,
                );
                Ok(WaitView {
                    since: from_micros(since),
                    seconds: (answered - since) / 1_000_000,
                })
            },
        )
    }

    /// A lead's history, newest first.
    pub fn timeline(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: Option<EventId>,
        most: u32,
    ) -> Result<Vec<EventView>, StoreError> {
        let before = before.map_or(i64::MAX, |id| id.raw());
        self.all(
            &leads::TIMELINE,
            params![tenant.raw(), lead.raw(), before, most],
            |row| {
                let id: i64 = row.get(0).map_err(rows::sqlite)?;
                let properties: String = row.get(6).map_err(rows::sqlite)?;
                Ok(EventView {
                    id: EventId::from_raw(id),
                    kind: row.get(1).map_err(rows::sqlite)?,
                    at: from_micros(row.get(2).map_err(rows::sqlite)?),
                    source: row.get(3).map_err(rows::sqlite)?,
                    actor: row.get(4).map_err(rows::sqlite)?,
                    session: row
                        .get::<_, Option<i64>>(5)
                        .map_err(rows::sqlite)?
                        .map(SessionId::from_raw),
                    properties: from_json(&properties, "events", id, "properties")?,
                })
            },
        )
    }

    /// Every award of a lead, by model and visit, oldest first.
    pub fn ledger(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<AwardView>, StoreError> {
        self.all(&scoring::LEDGER, params![tenant.raw(), lead.raw()], |row| {
            let why: String = row.get(7).map_err(rows::sqlite)?;
            let session: i64 = row.get(1).map_err(rows::sqlite)?;
            Ok(AwardView {
                model: row.get(0).map_err(rows::sqlite)?,
                session: (session != 0).then_some(SessionId::from_raw(session)),
                event: EventId::from_raw(row.get(2).map_err(rows::sqlite)?),
                rule: row.get(3).map_err(rows::sqlite)?,
                version: row.get(4).map_err(rows::sqlite)?,
                points: row.get(5).map_err(rows::sqlite)?,
                at: from_micros(row.get(6).map_err(rows::sqlite)?),
                why: from_json(&why, "score_ledger", lead.raw(), "why")?,
            })
        })
    }

    /// Every standing of a lead, by model and visit.
    pub fn standings(
        &self,
        tenant: TenantId,
        lead: LeadId,
    ) -> Result<Vec<StandingView>, StoreError> {
        self.all(
            &scoring::ALL_STATES,
            params![tenant.raw(), lead.raw()],
            |row| {
                let session: i64 = row.get(1).map_err(rows::sqlite)?;
                Ok(StandingView {
                    model: row.get(0).map_err(rows::sqlite)?,
                    session: (session != 0).then_some(SessionId::from_raw(session)),
                    points: row.get(2).map_err(rows::sqlite)?,
                    tier: row.get(3).map_err(rows::sqlite)?,
                })
            },
        )
    }

    /// The runs of a lead, newest first.
    pub fn runs(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<Run>, StoreError> {
        let found = self.all(&crate::sql::workflows::RUNS_OF, [lead.raw()], rows::run)?;
        Ok(found
            .into_iter()
            .filter(|run| run.tenant == tenant)
            .collect())
    }

    /// A message of this tenant.
    pub fn message(&self, tenant: TenantId, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self
            .all(&messages::BY_ID, [id.raw()], rows::message)?
            .into_iter()
            .next()
            .filter(|message| message.tenant == tenant))
    }

    /// The messages about a lead, newest first.
    pub fn messages_of(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.all(
            &messages::OF_LEAD,
            params![
                tenant.raw(),
                lead.raw(),
                before.map_or(i64::MAX, |id| id.raw()),
                most
            ],
            rows::message,
        )
    }

    /// A tenant's messages, newest first, narrowed by what is given. Reads at most 20 times as many rows as are asked for.
    pub fn messages(
        &self,
        tenant: TenantId,
        status: Option<Status>,
        channel: Option<ChannelKind>,
        workflow: Option<&str>,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        let mut before = before.map_or(i64::MAX, |id| id.raw());
        let troubled = status.is_some_and(|status| {
            matches!(
                status,
                Status::Failed
                    | Status::Bounced
                    | Status::Blocked
                    | Status::Expired
                    | Status::Unknown
            )
        });
        let statement = if troubled {
            &messages::TROUBLE
        } else {
            &messages::NEWEST
        };
        let mut out = Vec::new();
        for _ in 0..20 {
            let page = self.all(
                statement,
                params![tenant.raw(), before, most],
                rows::message,
            )?;
            let last = page.last().map(|message| message.id.raw());
            let full = page.len() == most as usize;
            out.extend(page.into_iter().filter(|message| {
                status.is_none_or(|status| message.status == status)
                    && channel.is_none_or(|channel| message.channel == channel)
                    && workflow.is_none_or(|workflow| {
                        message
                            .step
                            .as_ref()
                            .is_some_and(|step| step.split('@').next() == Some(workflow))
                    })
            }));
            match last {
                Some(last) if full && out.len() < most as usize => before = last,
                _ => break,
            }
        }
        out.truncate(most as usize);
        Ok(out)
    }

    /// One page of a tenant's messages, newest first, and the cursor of the next page. A page that had to look at too many rows
    /// may hold fewer than asked for and still have a next one.
    pub fn messages_page(
        &self,
        tenant: TenantId,
        filter: &MessageFilter,
        before: Option<MessageId>,
        most: u32,
    ) -> Result<(Vec<Message>, Option<MessageId>), StoreError> {
        const STEP: u32 = 250;
        const ROUNDS: usize = 20;
        let mut before = before.map_or(i64::MAX, |id| id.raw());
        let troubled = filter.status.is_some_and(|status| {
            matches!(
                status,
                Status::Failed
                    | Status::Bounced
                    | Status::Blocked
                    | Status::Expired
                    | Status::Unknown
            )
        });
        let mut out: Vec<Message> = Vec::new();
        for _ in 0..ROUNDS {
            let page = match filter.lead {
                Some(lead) => {
                    let before = Some(MessageId::from_raw(before));
                    self.messages_of(tenant, lead, before, STEP)?
                }
                None => {
                    let statement = if troubled {
                        &messages::TROUBLE
                    } else {
                        &messages::NEWEST
                    };
                    self.all(
                        statement,
                        params![tenant.raw(), before, STEP],
                        rows::message,
                    )?
                }
            };
            let full = page.len() == STEP as usize;
            let last = page.last().map(|message| message.id.raw());
            for message in page.into_iter().filter(|message| filter.fits(message)) {
                if out.len() == most as usize {
                    let next = out.last().map(|message| message.id);
                    return Ok((out, next));
                }
                out.push(message);
            }
            match last {
                Some(last) if full => before = last,
                _ => return Ok((out, None)),
            }
        }
        Ok((out, Some(MessageId::from_raw(before))))
    }

    /// The calls of all messages about a lead, newest first.
    pub fn attempts_of_lead(
        &self,
        tenant: TenantId,
        lead: LeadId,
        before: i64,
        most: u32,
    ) -> Result<Vec<LeadAttempt>, StoreError> {
        self.all(
            &messages::ATTEMPTS_OF_LEAD,
            params![tenant.raw(), lead.raw(), before, most],
            |row| {
                let message: i64 = row.get(9).map_err(rows::sqlite)?;
                let channel = ChannelKind::from_code(row.get(10).map_err(rows::sqlite)?);
                Ok(LeadAttempt {
                    attempt: attempt_view(row)?,
                    message: MessageId::from_raw(message),
                    channel: channel.ok_or(StoreError::Impossible {
                        table: "messages",
                        id: message,
                        column: "channel",
                    })?,
                    staff: row.get(11).map_err(rows::sqlite)?,
                })
            },
        )
    }

    /// One send step for one recipient, over all its messages.
    pub fn notification(
        &self,
        tenant: TenantId,
        id: NotificationId,
    ) -> Result<Vec<Message>, StoreError> {
        // Messages of one notification get their ids right after its own; later stand-ins are found through the lead.
        let mut found = self.all(
            &messages::OF_NOTIFICATION,
            params![tenant.raw(), id.raw(), id.raw() + (1 << 22) * 4],
            rows::message,
        )?;
        if let Some(lead) = found.first().and_then(|message| message.lead) {
            for message in self.messages_of(tenant, lead, None, 200)? {
                if message.notification == id && !found.iter().any(|known| known.id == message.id) {
                    found.push(message);
                }
            }
        }
        Ok(found)
    }

    /// The calls of a message, first one first.
    pub fn attempts(
        &self,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Vec<AttemptView>, StoreError> {
        self.all(
            &messages::ATTEMPTS_OF,
            params![tenant.raw(), message.raw()],
            attempt_view,
        )
    }

    /// The consents of a lead, oldest first.
    pub fn consents(&self, tenant: TenantId, lead: LeadId) -> Result<Vec<ConsentView>, StoreError> {
        self.all(
            &messages::CONSENTS_OF,
            params![tenant.raw(), lead.raw()],
            |row| {
                let read = || -> Result<ConsentView, rusqlite::Error> {
                    Ok(ConsentView {
                        id: row.get(0)?,
                        kind: PointKind::from_code(row.get(1)?),
                        value: row.get(2)?,
                        channel: row.get(3)?,
                        purpose: row.get(4)?,
                        granted: row.get(5)?,
                        basis: row.get(6)?,
                        wording: row.get(7)?,
                        method: row.get(8)?,
                        page: row.get(9)?,
                        ip: row.get(10)?,
                        actor: row.get(11)?,
                        at: from_micros(row.get(12)?),
                    })
                };
                read().map_err(rows::sqlite)
            },
        )
    }

    /// The suppression list, newest first.
    pub fn suppressions(
        &self,
        tenant: TenantId,
        before: Option<Timestamp>,
        most: u32,
    ) -> Result<Vec<SuppressionView>, StoreError> {
        self.all(
            &leads::SUPPRESSIONS,
            params![tenant.raw(), before.map_or(i64::MAX, micros), most],
            suppression_view,
        )
    }

    /// One page of the suppression list, newest first, after the last row of the page before.
    pub fn suppressions_page(
        &self,
        tenant: TenantId,
        after: Option<(Timestamp, PointKind, String)>,
        most: u32,
    ) -> Result<Vec<SuppressionView>, StoreError> {
        let (at, kind, value) = match after {
            Some((at, kind, value)) => (micros(at), kind as i64, value),
            None => (i64::MAX, i64::MAX, String::new()),
        };
        let values = params![tenant.raw(), at, kind, value, most];
        self.all(&leads::SUPPRESSIONS_PAGE, values, suppression_view)
    }

    /// What was kept apart as spam, newest first.
    pub fn spam(
        &self,
        tenant: TenantId,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<SpamView>, StoreError> {
        self.all(
            &leads::SPAM,
            params![tenant.raw(), before.unwrap_or(i64::MAX), most],
            |row| {
                let read = || -> Result<SpamView, rusqlite::Error> {
                    Ok(SpamView {
                        id: row.get(0)?,
                        form: row.get(1)?,
                        sign: row.get(2)?,
                        raw: row.get(3)?,
                        ip: row.get(4)?,
                        at: from_micros(row.get(5)?),
                    })
                };
                read().map_err(rows::sqlite)
            },
        )
    }

    /// A booking that is not finished.
    pub fn draft(&self, tenant: TenantId, id: i64) -> Result<Option<DraftRow>, StoreError> {
        let found = self.all(&leads::DRAFT, params![tenant.raw(), id], |row| {
            let data: String = row.get(2).map_err(rows::sqlite)?;
            Ok(DraftRow {
                form: row.get(0).map_err(rows::sqlite)?,
                hash: row.get(1).map_err(rows::sqlite)?,
                data: from_json(&data, "drafts", id, "data")?,
                step: row.get(3).map_err(rows::sqlite)?,
                at: from_micros(row.get(4).map_err(rows::sqlite)?),
                lead: row
                    .get::<_, Option<i64>>(5)
                    .map_err(rows::sqlite)?
                    .map(LeadId::from_raw),
            })
        })?;
        Ok(found.into_iter().next())
    }

    /// When the event was taken that a caller gave this name, if it was.
    pub fn named_event(
        &self,
        tenant: TenantId,
        lead: LeadId,
        key: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = self.all(
            &leads::EVENT_KEY,
            params![tenant.raw(), lead.raw(), key],
            |row| row.get::<_, i64>(0).map_err(rows::sqlite),
        )?;
        Ok(found
            .first()
            .and_then(|id| Timestamp::from_millisecond((id >> 22) + ID_EPOCH_MS).ok()))
    }

    /// A message by its id alone, for links that prove themselves and name no tenant.
    pub fn message_behind_link(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self
            .all(&messages::BY_ID, [id.raw()], rows::message)?
            .into_iter()
            .next())
    }

    /// How many messages wait, per channel.
    pub fn waiting(&self) -> Result<Vec<WaitingCount>, StoreError> {
        self.all(&messages::COUNTS, [], |row| {
            let channel = ChannelKind::from_code(row.get(0).map_err(rows::sqlite)?).ok_or(
                StoreError::Impossible {
                    table: "messages",
                    id: 0,
                    column: "channel",
                },
            )?;
            Ok(WaitingCount {
                channel,
                n: row.get(1).map_err(rows::sqlite)?,
                oldest: row
                    .get::<_, Option<i64>>(2)
                    .map_err(rows::sqlite)?
                    .map(from_micros),
            })
        })
    }

    /// How many messages of a tenant wait, per channel and status.
    pub fn waiting_counts(&self, tenant: TenantId) -> Result<Vec<WaitingOf>, StoreError> {
        self.all(&messages::COUNTS_OF, [tenant.raw()], |row| {
            let wrong = |column| StoreError::Impossible {
                table: "messages",
                id: 0,
                column,
            };
            let channel = ChannelKind::from_code(row.get(0).map_err(rows::sqlite)?);
            let status = Status::from_code(row.get(1).map_err(rows::sqlite)?);
            let next: Option<i64> = row.get(3).map_err(rows::sqlite)?;
            Ok(WaitingOf {
                channel: channel.ok_or(wrong("channel"))?,
                status: status.ok_or(wrong("status"))?,
                n: row.get(2).map_err(rows::sqlite)?,
                next: next.map(from_micros),
            })
        })
    }

    /// The messages of a tenant that wait, the next one first.
    pub fn waiting_messages(
        &self,
        tenant: TenantId,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        self.all(
            &messages::WAITING_OF,
            params![tenant.raw(), most],
            rows::message,
        )
    }

    /// Messages of the last `days` that did not arrive and are nobody's wish.
    pub fn failed_count(
        &self,
        tenant: TenantId,
        now: Timestamp,
        days: i64,
    ) -> Result<i64, StoreError> {
        let floor = id_floor(now.as_millisecond() - days * 86_400_000);
        self.connection
            .query_row(
                messages::TROUBLE_COUNT.text,
                params![tenant.raw(), floor],
                |row| row.get(0),
            )
            .map_err(StoreError::at(messages::TROUBLE_COUNT.name))
    }

    /// Attempts under way.
    pub fn flying(&self) -> Result<i64, StoreError> {
        self.connection
            .query_row(messages::FLYING.text, [], |row| row.get(0))
            .map_err(StoreError::at(messages::FLYING.name))
    }

    /// What is wrong with the database file; nothing when it is whole. Reads all of it.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut faults = self.all_text("PRAGMA integrity_check(20)", "integrity", [], |row| {
            row.get::<_, String>(0).map_err(rows::sqlite)
        })?;
        faults.retain(|fault| fault != "ok");
        faults.extend(
            self.all_text("PRAGMA foreign_key_check", "foreign keys", [], |row| {
                row.get::<_, String>(0)
                    .map_err(rows::sqlite)
                    .map(|table| format!("a row of {table} points nowhere"))
            })?,
        );
        Ok(faults)
    }

    /// Whether the database answers.
    pub fn alive(&self) -> Result<(), StoreError> {
        House::answers(self)
    }
}

fn suppression_view(row: &Row<'_>) -> Result<SuppressionView, StoreError> {
    let read = || -> Result<SuppressionView, rusqlite::Error> {
        Ok(SuppressionView {
            kind: PointKind::from_code(row.get(0)?),
            value: row.get(1)?,
            reason: Suppression::from_code(row.get(2)?),
            at: from_micros(row.get::<_, Option<i64>>(3)?.unwrap_or(0)),
            how: row.get(4)?,
        })
    };
    read().map_err(rows::sqlite)
}

fn attempt_view(row: &Row<'_>) -> Result<AttemptView, StoreError> {
    let id: i64 = row.get(0).map_err(rows::sqlite)?;
    let why: Option<String> = row.get(7).map_err(rows::sqlite)?;
    Ok(AttemptView {
        id: AttemptId::from_raw(id),
        number: row.get(1).map_err(rows::sqlite)?,
        connection: row
            .get::<_, Option<i64>>(2)
            .map_err(rows::sqlite)?
            .map(ConnectionId::from_raw),
        started_at: from_micros(row.get(3).map_err(rows::sqlite)?),
        finished_at: from_micros(row.get(4).map_err(rows::sqlite)?),
        outcome: row.get(5).map_err(rows::sqlite)?,
        reference: row.get(6).map_err(rows::sqlite)?,
        why: why
            .map(|why| from_json(&why, "attempts", id, "why"))
            .transpose()?,
        late: row.get(8).map_err(rows::sqlite)?,
    })
}
/// Ids count milliseconds from here: the beginning of 2024.
const ID_EPOCH_MS: i64 = 1_704_067_200_000;

/// The lowest id of an instant, milliseconds since 1970.
fn id_floor(ms: i64) -> i64 {
    (ms - ID_EPOCH_MS).max(0) << 22
}

impl Writer {
    /// Keeps a submission apart (L3).
    #[expect(
        clippy::too_many_arguments,
        reason = "a row has so many columns, and it is written in one place"
    )]
    pub fn insert_spam(
        &self,
        id: i64,
        tenant: TenantId,
        form: &str,
        sign: &str,
        raw: &str,
        ip: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            &leads::INSERT_SPAM,
            params![id, tenant.raw(), form, sign, raw, ip, micros(now)],
        )
        .map(|_| ())
    }

    /// Keeps a booking that is not finished.
    pub fn insert_draft(
        &self,
        id: i64,
        tenant: TenantId,
        draft: &DraftRow,
    ) -> Result<(), StoreError> {
        let values = params![
            id,
            tenant.raw(),
            draft.form,
            draft.hash,
            rows::json(&draft.data),
            draft.step,
            micros(draft.at)
        ];
        self.run(&leads::INSERT_DRAFT, values).map(|_| ())
    }

    /// The next step of a booking.
    pub fn update_draft(
        &self,
        id: i64,
        tenant: TenantId,
        draft: &DraftRow,
    ) -> Result<(), StoreError> {
        let values = params![
            tenant.raw(),
            id,
            rows::json(&draft.data),
            draft.step,
            micros(draft.at),
            draft.lead.map(|lead| lead.raw())
        ];
        self.run(&leads::UPDATE_DRAFT, values).map(|_| ())
    }
}
