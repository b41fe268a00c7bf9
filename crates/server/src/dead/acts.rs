//! What is done about dead letters: previewed, replayed over time, mended, discarded, one by one or many.

use super::find::{Chosen, Which, choose};
use crate::app::App;
use crate::http::once::{other_body, respond};
use crate::http::{ApiError, ApiResult, Body, Caller, MaybeBody, PathId, Scope, once, reply};
use crate::leads::text;
use crate::messages::{ComposedBody, address, check_text};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::SignedDuration;
use ringback_core::ids::{MessageId, TenantId};
use ringback_core::messages::{ChannelKind, Cost, Message, Status};
use ringback_core::time::Timestamp;
use ringback_core::turn::{Amend, Answer, Intake, Once, Order, Weighed};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(preview_them))
        .routes(routes!(replay_them))
        .routes(routes!(discard_them))
}

/// Letters that go in a minute when many are replayed together and nothing else is asked for.
pub(crate) const PER_MINUTE: u32 = 50;
/// The most that may be asked for.
const MOST_PER_MINUTE: u32 = 600;
/// Letters of one call when nothing else is asked for, and at most.
const USUAL: u32 = 1_000;
const MOST: u32 = 2_000;
/// Orders that wait at the same time, so that a large replay does not fill the inbox.
const AT_ONCE: usize = 200;
/// Messages that are looked at for what one costs.
const COSTED: u32 = 250;

/// What is decided for each, some hundred at a time.
async fn take_all(
    app: &App,
    tenant: TenantId,
    intakes: Vec<Intake>,
) -> Vec<Result<Answer, crate::loops::Refused>> {
    let now = app.now();
    let mut answers = Vec::with_capacity(intakes.len());
    let mut rest = intakes.into_iter();
    loop {
        let orders: Vec<Order> = rest
            .by_ref()
            .take(AT_ONCE)
            .map(|intake| Order {
                tenant,
                at: now,
                intake,
                once: None,
            })
            .collect();
        if orders.is_empty() {
            return answers;
        }
        answers.extend(app.inbox.take_all(orders).await);
    }
}

/// How many of a call.
fn limit(asked: Option<u32>) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=MOST).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid(
            "limit",
            format!("A limit is a number from 1 to {MOST}."),
        ))
    }
}

/// How many a minute.
fn pace(asked: Option<u32>) -> Result<u32, ApiError> {
    let pace = asked.unwrap_or(PER_MINUTE);
    if (1..=MOST_PER_MINUTE).contains(&pace) {
        Ok(pace)
    } else {
        Err(ApiError::invalid(
            "per_minute",
            format!("From 1 to {MOST_PER_MINUTE} go in a minute."),
        ))
    }
}

/// What a call about many may say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayBody {
    /// How many go in a minute, 1 to 600; 50 when it is not given.
    #[schema(example = 50)]
    per_minute: Option<u32>,
    /// The oldest so many, 1 to 2,000; 1,000 when it is not given.
    limit: Option<u32>,
}

/// Why letters are discarded.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiscardBody {
    /// In your words; kept with the message and in the audit log.
    #[schema(example = "They called us instead")]
    reason: Option<String>,
    /// The oldest so many, 1 to 2,000; 1,000 when it is not given.
    limit: Option<u32>,
}

/// What would become of dead letters if they were replayed now.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Preview {
    /// How many were looked at.
    pub count: usize,
    /// How many more there are.
    pub left: i64,
    /// How many would go.
    pub would_go: usize,
    /// How many a gate would hold until later.
    pub would_wait: usize,
    /// How many a gate would end.
    pub would_be_stopped: usize,
    /// How many cannot be replayed.
    pub refused: usize,
    /// How many of those that would go may have gone out before.
    pub may_arrive_twice: usize,
    /// How many would stay in the sandbox.
    pub sandbox: usize,
    /// What would hold or end them, the largest group first.
    pub reasons: Vec<PreviewReason>,
    /// What it may cost, from what such messages cost lately; null when nobody told.
    pub cost: Option<PreviewCost>,
    /// How long the replay would take, seconds.
    pub takes_seconds: i64,
}

/// Letters that the same gate would hold or end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PreviewReason {
    /// `deferred`, `blocked`, `expired`, or `refused` when it cannot be replayed at all.
    pub status: String,
    /// Code of the reason.
    pub code: String,
    /// The reason as one of them has it.
    pub detail: String,
    /// How many.
    pub count: usize,
}

/// What a replay may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PreviewCost {
    /// About so much, millionths of the currency's unit.
    pub micros: i64,
    /// The currency.
    pub currency: String,
    /// From the cost of so many messages.
    pub from: usize,
}

/// What became of each letter.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Replays {
    /// How many were put back.
    pub replayed: usize,
    /// How many could not be.
    pub refused: usize,
    /// How many more there are.
    pub left: i64,
    /// When the last of them is due.
    pub last_due_at: Option<Timestamp>,
    /// Each with where it stands.
    pub results: Vec<Replayed>,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// The message.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// Where it stands; null when it could not be put back.
    #[schema(value_type = Option<String>)]
    pub status: Option<Status>,
    /// When it goes, if its gates agree then.
    pub due_at: Option<Timestamp>,
    /// Why.
    pub why: Option<String>,
}

/// What became of letters that were to be discarded.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Discards {
    /// How many are out of the list.
    pub discarded: usize,
    /// How many could not be.
    pub refused: usize,
    /// How many more there are.
    pub left: i64,
}

/// Looks at what a replay would come to. Changes nothing.
pub(crate) async fn preview(
    app: &App,
    tenant: TenantId,
    which: Which,
    sandbox: bool,
    per_minute: u32,
    most: u32,
) -> Result<Preview, ApiError> {
    let Chosen { letters, left } = choose(app, tenant, which, sandbox, most).await?;
    let intakes = letters
        .iter()
        .map(|letter| Intake::Weigh { message: letter.id })
        .collect();
    let answers = take_all(app, tenant, intakes).await;
    let mut preview = Preview {
        count: letters.len(),
        left,
        takes_seconds: spread(letters.len().saturating_sub(1), per_minute).as_secs(),
        ..Preview::default()
    };
    let mut reasons: BTreeMap<(String, String), (String, usize)> = BTreeMap::new();
    let mut goes: [usize; 3] = [0; 3];
    for (letter, answer) in letters.iter().zip(answers) {
        match answer {
            Ok(Answer::Weighed(weighed)) => {
                preview.count_one(letter, &weighed, &mut goes);
                if let Some(why) = weighed.why {
                    let key = (weighed.status.as_str().to_owned(), why.code);
                    reasons.entry(key).or_insert((why.detail, 0)).1 += 1;
                }
            }
            Ok(Answer::Refused { code, detail, .. }) => {
                preview.refused += 1;
                let key = ("refused".to_owned(), code.to_owned());
                reasons.entry(key).or_insert((detail, 0)).1 += 1;
            }
            Ok(_) => preview.refused += 1,
            Err(refused) => return Err(refused.into()),
        }
    }
    preview.reasons = reasons
        .into_iter()
        .map(|((status, code), (detail, count))| PreviewReason {
            status,
            code,
            detail,
            count,
        })
        .collect();
    preview
        .reasons
        .sort_by_key(|reason| std::cmp::Reverse(reason.count));
    preview.cost = cost(app, tenant, goes).await?;
    Ok(preview)
}

impl Preview {
    fn count_one(&mut self, letter: &Message, weighed: &Weighed, goes: &mut [usize; 3]) {
        match weighed.status {
            Status::Queued => {
                self.would_go += 1;
                if !weighed.sandbox {
                    goes[letter.channel.code() as usize] += 1;
                }
            }
            Status::Deferred => self.would_wait += 1,
            _ => self.would_be_stopped += 1,
        }
        let may_go = matches!(weighed.status, Status::Queued | Status::Deferred);
        self.may_arrive_twice += usize::from(weighed.twice && may_go);
        self.sandbox += usize::from(weighed.sandbox && may_go);
    }
}

/// What so many messages of each channel may cost, from what the last ones did.
async fn cost(
    app: &App,
    tenant: TenantId,
    goes: [usize; 3],
) -> Result<Option<PreviewCost>, ApiError> {
    let mut all: Option<PreviewCost> = None;
    for (channel, n) in ChannelKind::ALL.iter().zip(goes).filter(|(_, n)| *n > 0) {
        let channel = *channel;
        let costs: Vec<Cost> = app
            .ask(move |store| {
                let lately = store.messages(tenant, None, Some(channel), None, None, COSTED)?;
                Ok(lately
                    .into_iter()
                    .filter(|message| !message.sandbox)
                    .filter_map(|message| message.cost)
                    .collect())
            })
            .await?;
        let Some(first) = costs.first() else {
            continue;
        };
        let same: Vec<i64> = costs
            .iter()
            .filter(|cost| cost.currency == first.currency)
            .map(|cost| cost.micros)
            .collect();
        let from = i64::try_from(same.len()).unwrap_or(1).max(1);
        let each = same.iter().sum::<i64>() / from;
        let micros = each.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX));
        match &mut all {
            Some(cost) if cost.currency == first.currency => {
                cost.micros = cost.micros.saturating_add(micros);
                cost.from += same.len();
            }
            Some(_) => {}
            None => {
                all = Some(PreviewCost {
                    micros,
                    currency: first.currency.clone(),
                    from: same.len(),
                });
            }
        }
    }
    Ok(all)
}

/// When the letter of this place goes, counted from the first.
fn spread(place: usize, per_minute: u32) -> SignedDuration {
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    SignedDuration::from_millis(place.saturating_mul(60_000) / i64::from(per_minute.max(1)))
}

impl Replays {
    /// Replays letters, each gated from scratch; many go one after the other over time, at most `per_minute` in a minute.
    pub(crate) async fn of(
        app: &App,
        tenant: TenantId,
        chosen: Chosen,
        per_minute: u32,
        actor: &str,
    ) -> Self {
        let now = app.now();
        let due = |place| now + spread(place, per_minute);
        let intakes = chosen
            .letters
            .iter()
            .enumerate()
            .map(|(place, letter)| Intake::Retry {
                message: letter.id,
                at: Some(due(place)).filter(|at| *at > now),
                actor: actor.to_owned(),
            })
            .collect();
        let answers = take_all(app, tenant, intakes).await;
        let mut done = Self {
            left: chosen.left,
            ..Self::default()
        };
        for (place, (letter, answer)) in chosen.letters.iter().zip(answers).enumerate() {
            let (status, why) = match answer {
                Ok(Answer::Composed { status, why, .. }) => (Some(status), why),
                Ok(Answer::Refused { detail, .. }) => (None, Some(detail)),
                Ok(_) => (None, None),
                Err(refused) => (None, Some(refused.to_string())),
            };
            let due_at = (status == Some(Status::Scheduled)).then(|| due(place));
            if status.is_some() {
                done.replayed += 1;
                done.last_due_at = due_at.or(done.last_due_at).or(Some(now));
            } else {
                done.refused += 1;
            }
            done.results.push(Replayed {
                id: letter.id,
                status,
                due_at,
                why,
            });
        }
        done
    }
}

impl Discards {
    /// Takes letters out of the list; the rows stay.
    pub(crate) async fn of(
        app: &App,
        tenant: TenantId,
        chosen: Chosen,
        reason: &str,
        actor: &str,
    ) -> Self {
        let intakes = chosen
            .letters
            .iter()
            .map(|letter| Intake::Discard {
                message: letter.id,
                reason: reason.to_owned(),
                actor: actor.to_owned(),
            })
            .collect();
        let answers = take_all(app, tenant, intakes).await;
        let discarded = answers
            .iter()
            .filter(|answer| matches!(answer, Ok(Answer::Done)))
            .count();
        Self {
            discarded,
            refused: answers.len() - discarded,
            left: chosen.left,
        }
    }
}

/// What was answered to a call with this key before.
async fn before(app: &App, tenant: TenantId, once: Option<&Once>) -> ApiResult<Option<Response>> {
    let Some(once) = once.cloned() else {
        return Ok(None);
    };
    let now = app.now();
    let hash = once.hash;
    let known = app
        .inbox
        .job(move |writer| writer.answered(tenant, &once, now))
        .await??;
    match known {
        Some(known) if known.hash == hash => Ok(Some(respond(known.status, known.body, true))),
        Some(_) => Err(other_body()),
        None => Ok(None),
    }
}

/// Answers, and remembers it for the key.
async fn answer(
    app: &App,
    tenant: TenantId,
    once: Option<Once>,
    done: &impl Serialize,
) -> ApiResult<Response> {
    let text = serde_json::to_string(done).map_err(ApiError::internal)?;
    if let Some(once) = once {
        let (kept, now) = (text.clone(), app.now());
        app.write(move |writer| writer.remember(tenant, &once, 200, &kept, now))
            .await?;
    }
    Ok(respond(200, text, false))
}

/// Says what a replay would come to, and changes nothing: how many would go, what the gates would hold or end now and why, and what it
/// may cost.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/preview", tag = "dead letters", params(("id" = String, Path, description = "A group, a message, or `all`")), request_body = ReplayBody, responses((status = 200, description = "What it would come to", body = Preview)))]
async fn preview_them(
    State(app): State<App>,
    caller: Caller,
    PathId(which): PathId<Which>,
    body: MaybeBody<ReplayBody>,
) -> ApiResult<Json<Preview>> {
    caller.may(Scope::Read)?;
    let (per_minute, most) = (pace(body.value.per_minute)?, limit(body.value.limit)?);
    let tenant = caller.home.row.id;
    let found = preview(&app, tenant, which, caller.sandbox(), per_minute, most).await?;
    Ok(Json(found))
}

/// Replays dead letters: each keeps its id and with it the provider's key, is asked at all gates again and tried as if for the first time.
/// Many go one after the other over time; each has its due time.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/replay", tag = "dead letters", params(("id" = String, Path, description = "A group, a message, or `all`")), request_body = ReplayBody, responses((status = 200, description = "What became of each", body = Replays)))]
async fn replay_them(
    State(app): State<App>,
    caller: Caller,
    PathId(which): PathId<Which>,
    headers: HeaderMap,
    body: MaybeBody<ReplayBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let tenant = caller.home.row.id;
    let once = once(
        &headers,
        &format!("POST /v1/dead-letters/{which}/replay"),
        &body.raw,
    )?;
    if let Some(said) = before(&app, tenant, once.as_ref()).await? {
        return Ok(said);
    }
    let (per_minute, most) = (pace(body.value.per_minute)?, limit(body.value.limit)?);
    let chosen = choose(&app, tenant, which, caller.sandbox(), most).await?;
    real_enough(&caller, &chosen)?;
    let done = Replays::of(&app, tenant, chosen, per_minute, &caller.actor()).await;
    answer(&app, tenant, once, &done).await
}

/// Takes dead letters out of the list. The messages stay with who did it, when and why.
#[utoipa::path(post, path = "/v1/dead-letters/{id}/discard", tag = "dead letters", params(("id" = String, Path, description = "A group, a message, or `all`")), request_body = DiscardBody, responses((status = 200, description = "How many", body = Discards)))]
async fn discard_them(
    State(app): State<App>,
    caller: Caller,
    PathId(which): PathId<Which>,
    headers: HeaderMap,
    body: MaybeBody<DiscardBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let tenant = caller.home.row.id;
    let once = once(
        &headers,
        &format!("POST /v1/dead-letters/{which}/discard"),
        &body.raw,
    )?;
    if let Some(said) = before(&app, tenant, once.as_ref()).await? {
        return Ok(said);
    }
    let most = limit(body.value.limit)?;
    let reason = text(body.value.reason, "reason")?.unwrap_or_default();
    let chosen = choose(&app, tenant, which, caller.sandbox(), most).await?;
    real_enough(&caller, &chosen)?;
    let done = Discards::of(&app, tenant, chosen, &reason, &caller.actor()).await;
    answer(&app, tenant, once, &done).await
}

/// A test key acts on sandbox messages alone.
fn real_enough(caller: &Caller, chosen: &Chosen) -> Result<(), ApiError> {
    if caller.sandbox() && chosen.letters.iter().any(|letter| !letter.sandbox) {
        return Err(ApiError::forbidden(
            "A test key only reaches the sandbox, and this message is a real one.",
        ));
    }
    Ok(())
}

/// What to change about a dead letter. What is left out stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AmendBody {
    /// Another number or address.
    #[schema(example = "+13035550143")]
    to: Option<String>,
    /// Other words; they replace the template.
    body: Option<String>,
    /// Another subject of a mail.
    subject: Option<String>,
    /// A merge patch (RFC 7396) for what the template is filled with: `{"lead": {"first_name": "Dana"}}`.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// What a person wants to change.
#[derive(Debug, Default)]
pub(crate) struct Amendment {
    pub to: Option<String>,
    pub body: Option<String>,
    pub subject: Option<String>,
    pub data: Option<Value>,
}

/// Changes recipient or words: a new message goes through the gates and stands in for the old one.
pub(crate) async fn amend(
    app: &App,
    home: &Arc<Home>,
    letter: &Message,
    wanted: Amendment,
    actor: String,
    once: Option<Once>,
) -> Result<Answer, ApiError> {
    let channel = letter.channel;
    let words = wanted.body.is_some() || wanted.subject.is_some();
    if channel == ChannelKind::Webhook && (wanted.to.is_some() || words) {
        return Err(ApiError::invalid(
            "data",
            "A webhook goes to its connection and says what its template says: change data, or the connection.",
        ));
    }
    let to = wanted
        .to
        .map(|typed| address(&typed, channel, &home.tenant))
        .transpose()?;
    let mut body = wanted.body.filter(|body| !body.trim().is_empty());
    let mut subject = text(wanted.subject, "subject")?;
    if let Some(body) = &body {
        check_text(body, channel)?;
    }
    // Words take the place of the template: what was not changed of a mail is said as it was.
    if channel == ChannelKind::Email
        && letter.template.is_some()
        && (body.is_some() || subject.is_some())
    {
        let said = rendered(app, home, letter).await?;
        body = body.or_else(|| said["text"].as_str().map(str::to_owned));
        subject = subject.or_else(|| said["subject"].as_str().map(str::to_owned));
    }
    let amend = Amend {
        message: letter.id,
        channel,
        to,
        body,
        subject,
        data: wanted.data,
        actor,
    };
    app.take(home.row.id, Intake::Amend(Box::new(amend)), once)
        .await
}

async fn rendered(app: &App, home: &Arc<Home>, letter: &Message) -> Result<Value, ApiError> {
    let said = crate::messages::said(app, home, letter).await?;
    if said.get("problem").is_some() {
        return Err(ApiError::invalid(
            "body",
            "Its template cannot be filled, so that subject and body have to be given together.",
        ));
    }
    Ok(said)
}

/// Changes recipient or words of one dead letter. The changed message is a new one with an id of its own, goes through all gates and
/// stands in for the old one, which leaves the list.
#[utoipa::path(patch, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path, description = "The message's id")), request_body = AmendBody, responses((status = 201, description = "The message that stands in for it", body = ComposedBody)))]
pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    PathId(which): PathId<Which>,
    headers: HeaderMap,
    body: Body<AmendBody>,
) -> ApiResult<Response> {
    caller.may(Scope::Send)?;
    let Which::One(id) = which else {
        return Err(ApiError::not_found());
    };
    let tenant = caller.home.row.id;
    let once = once(&headers, &format!("PATCH /v1/dead-letters/{id}"), &body.raw)?;
    let chosen = choose(&app, tenant, which, false, 1).await?;
    real_enough(&caller, &chosen)?;
    let letter = chosen.letters.first().ok_or_else(ApiError::not_found)?;
    let wanted = Amendment {
        to: body.value.to,
        body: body.value.body,
        subject: body.value.subject,
        data: body.value.data.map(Value::Object),
    };
    let answer = amend(&app, &caller.home, letter, wanted, caller.actor(), once).await?;
    Ok(reply(&answer))
}
