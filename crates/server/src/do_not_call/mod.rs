//! National do-not-call lists (US-9, UK-4): read in as a stream, in force whole, and which of them there are.

pub mod read;

use crate::app::App;
use crate::http::{Act, ApiError, ApiResult, Caller, Deed, Listed, Peer, Queries, Scope};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http_body_util::BodyExt as _;
use jiff::civil::Date;
use read::Lines;
use ringback_core::consent::national::{NationalList, day_of};
use ringback_core::consent::rules::Rules;
use ringback_core::ids::TenantId;
use ringback_core::places::Region;
use ringback_store::House as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about national lists.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(import))
}

/// A list that is asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct NationalListBody {
    /// Whose list, two letters.
    #[schema(example = "US")]
    country: String,
    /// The rule that asks for it.
    #[schema(example = "US-9")]
    rule: String,
    /// The day it was drawn up.
    #[schema(value_type = String, example = "2026-11-20")]
    date: Date,
    /// How many numbers are on it.
    #[schema(example = 4_812_331)]
    numbers: i64,
    /// The last day on which it is asked; from then on offers that nothing exempts are blocked.
    #[schema(value_type = String, example = "2026-12-21")]
    good_until: Date,
    /// That day is over.
    too_old: bool,
}

impl NationalListBody {
    fn new(list: &NationalList, today: Date) -> Option<Self> {
        let rule = Rules::built_in().national(list.country)?;
        let good_until = rule.last_day(list.as_of);
        Some(Self {
            country: list.country.to_string(),
            rule: rule.rule.clone(),
            date: list.as_of,
            numbers: list.numbers,
            good_until,
            too_old: today > good_until,
        })
    }

    /// For a page: what there is, and until when it is asked.
    pub(crate) fn sentence(list: &NationalList, today: Date) -> Option<String> {
        let body = Self::new(list, today)?;
        let day = |date: Date| date.strftime("%-d %B %Y").to_string();
        Some(format!(
            "{}: the list of {} with {} numbers, asked until {}{}.",
            list.country.name(),
            day(body.date),
            body.numbers,
            day(body.good_until),
            if body.too_old {
                "; that day is over, so offers that nothing exempts are blocked until a newer one is imported"
            } else {
                ""
            }
        ))
    }
}

/// The national lists that are asked.
#[utoipa::path(get, path = "/v1/do-not-call", tag = "consents", responses((status = 200, description = "One for each country that has one", body = Listed<NationalListBody>)))]
async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Listed<NationalListBody>>> {
    caller.may(Scope::Read)?;
    let (tenant, today) = (caller.home.row.id, day_of(app.now()));
    let lists = app.ask(move |store| store.national_lists(tenant)).await?;
    Ok(Json(Listed::all(
        lists
            .iter()
            .filter_map(|list| NationalListBody::new(list, today))
            .collect(),
    )))
}

/// Which list is imported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Whose list: `US` or `GB`.
    country: String,
    /// The day it was drawn up, such as `2026-11-20`.
    date: String,
}

/// What an import came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct NationalImported {
    /// The list that is asked from now on.
    list: NationalListBody,
    /// Lines that held no number of the country.
    passed_over: u64,
    /// The first of them, by their place from 1.
    #[schema(value_type = Vec<u64>)]
    first_passed_over: Vec<u64>,
}

/// Numbers written in one commit, so that nothing waits long for it.
const AT_ONCE: usize = 2_000;

/// Reads a national list in, however long it is: one number a line, or CSV with the number (or area code and number) in the first columns.
/// It is asked when it was read whole; until then, and when the import ends early, the one before is.
#[utoipa::path(post, path = "/v1/do-not-call/import", tag = "consents", params(Which), request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "It is asked from now on", body = NationalImported),
        (status = 409, description = "The list that is asked is newer", body = crate::http::Problem, content_type = "application/problem+json"),
        (status = 422, description = "No date, no country with a rule, or no list", body = crate::http::Problem, content_type = "application/problem+json")))]
async fn import(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    headers: HeaderMap,
    Queries(which): Queries<Which>,
    body: Body,
) -> ApiResult<Response> {
    caller.may_change(Scope::Admin)?;
    let (tenant, now) = (caller.home.row.id, app.now());
    let (country, date) = read_which(&which.country, &which.date, day_of(now))
        .map_err(|(field, why)| ApiError::invalid(field, why))?;
    let have = app.ask(move |store| store.national_lists(tenant)).await?;
    newer(&have, country, date)?;
    let id = app.new_id();
    app.write(move |writer| writer.begin_national_list(tenant, id, country, date, now))
        .await?;
    let read = match take_in(&app, tenant, id, country, body).await {
        Ok(read) => read,
        Err(error) => {
            app.write(move |writer| writer.give_up_national_list(tenant, id))
                .await?;
            return Err(error);
        }
    };
    let details = json!({"country": country, "date": date.to_string(), "numbers": read.numbers, "passed_over": read.passed_over});
    let act = Act::new(&caller, peer, "do_not_call.import", details).once(
        &headers,
        "POST /v1/do-not-call/import",
        which.date.as_bytes(),
    )?;
    let deed = move |writer: &ringback_store::Writer| {
        // Another import may have been faster.
        newer(&writer.national_lists(tenant)?, country, date)?;
        if !writer.ask_national_list(tenant, id, country, read.numbers)? {
            return Err(ApiError::internal("a list that was read is not there"));
        }
        let list = NationalList {
            id,
            country,
            as_of: date,
            numbers: read.numbers,
        };
        let list = NationalListBody::new(&list, day_of(now)).ok_or_else(ApiError::not_found)?;
        Ok(Deed::done(&NationalImported {
            list,
            passed_over: read.passed_over,
            first_passed_over: read.first_passed_over.clone(),
        }))
    };
    app.administer(act, deed).await
}

/// The country and the day of a list, or which of them is wrong and why.
pub fn read_which(
    country: &str,
    date: &str,
    today: Date,
) -> Result<(Region, Date), (&'static str, String)> {
    let rules = Rules::built_in();
    let country = country
        .parse::<Region>()
        .ok()
        .filter(|country| rules.national(*country).is_some())
        .ok_or_else(|| {
            let known: Vec<&str> = rules.nationals().map(|rule| rule.country.name()).collect();
            (
                "country",
                format!(
                    "There are rules for the lists of {}; write US or GB.",
                    known.join(" and ")
                ),
            )
        })?;
    let date: Date = date.parse().map_err(|_| {
        (
            "date",
            "Write the day the list was drawn up, such as 2026-11-20.".to_owned(),
        )
    })?;
    if date > today {
        return Err(("date", "That day is still to come.".to_owned()));
    }
    Ok((country, date))
}

fn newer(have: &[NationalList], country: Region, date: Date) -> Result<(), ApiError> {
    match have
        .iter()
        .find(|list| list.country == country && list.as_of > date)
    {
        Some(list) => Err(ApiError::conflict(
            "older_list",
            format!("The list that is asked is newer: it is of {}.", list.as_of),
        )
        .at("date")),
        None => Ok(()),
    }
}

/// What was read of a list.
struct Taken {
    numbers: i64,
    passed_over: u64,
    first_passed_over: Vec<u64>,
}

async fn take_in(
    app: &App,
    tenant: TenantId,
    id: i64,
    country: Region,
    mut body: Body,
) -> Result<Taken, ApiError> {
    let mut lines = Lines::new(country);
    let mut numbers = 0;
    let mut write = async |piece: Vec<i64>| -> Result<(), ApiError> {
        let new = app
            .write(move |writer| writer.add_national_numbers(tenant, id, &piece))
            .await?;
        numbers += i64::try_from(new).unwrap_or(0);
        Ok(())
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            ApiError::invalid(
                "",
                "The list ended in the middle; the one before is still asked. Send it again.",
            )
        })?;
        let bytes: Bytes = frame.into_data().unwrap_or_default();
        lines.feed(&bytes);
        while lines.ready() >= AT_ONCE {
            write(lines.take(AT_ONCE)).await?;
        }
    }
    lines.end();
    while lines.ready() > 0 {
        write(lines.take(AT_ONCE)).await?;
    }
    lines.sound().map_err(|why| ApiError::invalid("", why))?;
    Ok(Taken {
        numbers,
        passed_over: lines.passed_over,
        first_passed_over: lines.first_passed_over,
    })
}
