//! How far limits and budgets are used, which of them hold messages, until when, and what a lead costs (M6, M11).

use crate::app::App;
use crate::http::{ApiResult, Caller, Scope};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use ringback_core::ids::MessageId;
use ringback_core::messages::{ChannelKind, Prices};
use ringback_core::time::Timestamp;
use ringback_core::turn::budget::{PurseView, purses_of};
use ringback_core::turn::limits::{Standing, said, standings};
use ringback_core::turn::world::Counted;
use ringback_store::{HeldBy, Reader, SpentOn, StoreError};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(limits))
        .routes(routes!(costs))
}

/// Days that the costs look back.
const DAYS: i64 = 30;

/// A limit, with how far it is used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LimitBody {
    /// Its name, as messages that it holds say it.
    #[schema(example = "sms.hour")]
    pub name: String,
    /// What it limits, for people.
    #[schema(example = "texts an hour")]
    pub what: String,
    /// The connection it is for, when it is for one.
    pub connection: Option<String>,
    /// Used so far.
    pub used: i64,
    /// What there may be.
    pub most: i64,
    /// When it begins anew.
    pub anew_at: Timestamp,
}

/// Messages that one reason holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HeldBody {
    /// `limit:` or `budget:` with its name, `quiet_hours`, `rests`, …
    #[schema(example = "limit:sms.hour")]
    pub reason: String,
    /// The channel.
    #[schema(value_type = String)]
    pub channel: ChannelKind,
    /// How many.
    pub messages: i64,
    /// When the first of them is asked again.
    pub first_at: Timestamp,
    /// When the last of them is asked again.
    pub last_at: Timestamp,
    /// One of them.
    #[schema(value_type = String)]
    pub sample: MessageId,
}

/// Every limit of the business, and what is held now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LimitsBody {
    /// The limits.
    pub limits: Vec<LimitBody>,
    /// What waits, and what for.
    pub held: Vec<HeldBody>,
}

/// A budget, with how far it is used.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetBody {
    /// The channel.
    #[schema(value_type = String)]
    pub channel: ChannelKind,
    /// `day` or `month`, in the zone of the business.
    pub period: &'static str,
    /// Spent and reserved for calls under way, millionths of the currency's unit.
    pub used_micros: i64,
    /// What may be spent; null is without limit.
    pub most_micros: Option<i64>,
    /// When it begins anew.
    pub anew_at: Timestamp,
}

/// What was spent in a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DayBody {
    /// The day in the zone of the business.
    #[schema(value_type = String, example = "2026-11-21")]
    pub day: Date,
    /// The channel.
    #[schema(value_type = String)]
    pub channel: ChannelKind,
    /// Millionths of the currency's unit.
    pub micros: i64,
}

/// What sending costs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CostsBody {
    /// ISO 4217.
    pub currency: String,
    /// The budgets.
    pub budgets: Vec<BudgetBody>,
    /// The last 30 days that cost something, the newest first.
    pub days: Vec<DayBody>,
    /// Leads since the month began.
    pub leads_this_month: i64,
    /// What the month cost so far with the monthly fees, by lead: millionths; null without a lead.
    pub per_lead_micros: Option<i64>,
    /// The version of the price list that counts where a provider names no price.
    pub price_list: String,
}

/// What the store knows of limits.
#[derive(Debug)]
pub struct Known {
    limits: Vec<(Standing, i64)>,
    held: Vec<HeldBy>,
}

/// What the store knows of costs.
#[derive(Debug)]
pub struct Spent {
    purses: Vec<(PurseView, i64)>,
    days: Vec<(ChannelKind, Vec<SpentOn>)>,
    leads: i64,
}

/// Reads how far the limits are used.
pub fn known(store: &Reader<'_>, home: &Home, now: Timestamp) -> Result<Known, StoreError> {
    let standings = standings(&home.tenant, now);
    let keys: Vec<_> = standings.iter().map(|one| one.key).collect();
    let used = store.counters(&keys)?;
    Ok(Known {
        limits: standings.into_iter().zip(used).collect(),
        held: store.held(home.row.id)?,
    })
}

/// Reads what was spent.
pub fn spent(store: &Reader<'_>, home: &Home, now: Timestamp) -> Result<Spent, StoreError> {
    let purses = purses_of(&home.tenant, now);
    let keys: Vec<_> = purses.iter().map(|one| one.key).collect();
    let used = store.counters(&keys)?;
    let today = |channel: ChannelKind| {
        let day = Counted::SpentDay(channel);
        keys.iter()
            .find(|key| key.what == day)
            .map_or(0, |key| key.slot)
    };
    let mut days = Vec::new();
    for channel in [ChannelKind::Sms, ChannelKind::Email] {
        let (by_day, _) = store.spent(home.row.id, channel, today(channel) - DAYS + 1, i64::MAX)?;
        days.push((channel, by_day));
    }
    let zone = &home.tenant.zone;
    let month = zone.to_datetime(now).date().first_of_month();
    let since = zone.to_timestamp(month.at(0, 0, 0, 0)).unwrap_or(now);
    Ok(Spent {
        purses: purses.into_iter().zip(used).collect(),
        days,
        leads: store.leads_since(home.row.id, since)?,
    })
}

impl LimitsBody {
    /// As it is answered and shown.
    pub fn new(home: &Home, known: &Known) -> Self {
        let limits = known
            .limits
            .iter()
            .map(|(standing, used)| LimitBody {
                name: standing.key.what.name().into_owned(),
                what: said(standing.key.what).to_owned(),
                connection: match standing.key.what {
                    Counted::Account(id, _) => home
                        .connections
                        .iter()
                        .find(|row| row.id == id)
                        .map(|row| row.name.clone()),
                    _ => None,
                },
                used: *used,
                most: standing.most,
                anew_at: standing.anew_at,
            })
            .collect();
        let held = known
            .held
            .iter()
            .map(|held| HeldBody {
                reason: held.code.clone(),
                channel: held.channel,
                messages: held.n,
                first_at: held.first,
                last_at: held.last,
                sample: held.sample,
            })
            .collect();
        Self { limits, held }
    }
}

impl CostsBody {
    /// As it is answered and shown.
    pub fn new(home: &Home, spent: &Spent) -> Self {
        let budget = &home.tenant.config.settings.budget;
        let budgets: Vec<BudgetBody> = spent
            .purses
            .iter()
            .map(|(purse, used)| BudgetBody {
                channel: purse.channel,
                period: purse.period,
                used_micros: *used,
                most_micros: purse.most,
                anew_at: purse.anew_at,
            })
            .collect();
        let mut days: Vec<DayBody> = spent
            .days
            .iter()
            .flat_map(|(channel, days)| {
                days.iter()
                    .filter(|day| day.micros != 0)
                    .map(|day| DayBody {
                        day: Date::constant(1970, 1, 1)
                            .saturating_add(jiff::Span::new().days(day.slot.clamp(0, 2_900_000))),
                        channel: *channel,
                        micros: day.micros,
                    })
            })
            .collect();
        days.sort_by_key(|day| (std::cmp::Reverse(day.day), day.channel));
        let month: i64 = budgets
            .iter()
            .filter(|one| one.period == "month")
            .map(|one| one.used_micros)
            .sum();
        let all = month + i64::from(budget.monthly_fees) * 1_000_000;
        Self {
            currency: budget.currency.clone(),
            budgets,
            days,
            leads_this_month: spent.leads,
            per_lead_micros: all.checked_div(spent.leads),
            price_list: Prices::built_in().version.clone(),
        }
    }
}

/// The limits, how far each is used, and which of them hold messages until when.
#[utoipa::path(get, path = "/v1/limits", tag = "messages", responses((status = 200, description = "The limits, and what waits", body = LimitsBody)))]
async fn limits(State(app): State<App>, caller: Caller) -> ApiResult<Json<LimitsBody>> {
    caller.may(Scope::Read)?;
    let (home, now) = (caller.home.clone(), app.now());
    let known = app.ask(move |store| known(store, &home, now)).await?;
    Ok(Json(LimitsBody::new(&caller.home, &known)))
}

/// What sending costs: budgets, the last days, and the cost of a lead.
#[utoipa::path(get, path = "/v1/costs", tag = "messages", responses((status = 200, description = "Budgets and costs", body = CostsBody)))]
async fn costs(State(app): State<App>, caller: Caller) -> ApiResult<Json<CostsBody>> {
    caller.may(Scope::Read)?;
    let (home, now) = (caller.home.clone(), app.now());
    let spent = app.ask(move |store| spent(store, &home, now)).await?;
    Ok(Json(CostsBody::new(&caller.home, &spent)))
}
