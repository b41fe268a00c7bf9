//! Figures about how the business answers: speed to lead in its four parts (W7). Defined once, the same on the page and in the API (R2).

use crate::app::App;
use crate::http::{ApiError, ApiResult, Caller, Queries, Scope};
use crate::registry::Home;
use axum::Json;
use axum::extract::State;
use ringback_core::time::Timestamp;
use ringback_store::SpeedView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route about figures.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(speed))
}

/// Leads that a figure is made of: the newest.
const MOST_LEADS: u32 = 2_000;

/// A part of the way from a person's act to a person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From what the person did to its being taken in here.
    Detected,
    /// From then to somebody of yours having the lead; leads that nobody was given before they were taken are not in it.
    Routed,
    /// From its being taken in to a provider having the first alert.
    Notified,
    /// From its being taken in to a person saying "I take this one".
    Answered,
}

impl Part {
    pub(crate) const ALL: [Self; 4] =
        [Self::Detected, Self::Routed, Self::Notified, Self::Answered];

    /// How long this part took for a lead; never below nothing, whatever the sender's clock says.
    pub(crate) fn of(self, speed: &SpeedView) -> Option<i64> {
        let (from, to) = match self {
            Self::Detected => (speed.acted_at?, speed.rang_at),
            Self::Routed => {
                let routed = speed.routed_at?;
                // Who takes a lead is given it by that, which is no routing.
                if speed.answered_at == Some(routed) {
                    return None;
                }
                (speed.rang_at, routed)
            }
            Self::Notified => (speed.rang_at, speed.told_at?),
            Self::Answered => (speed.rang_at, speed.answered_at?),
        };
        let ms = to.as_millisecond() - from.as_millisecond();
        Some(ms.max(0))
    }
}

/// How long a part took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartBody {
    /// Which.
    pub(crate) part: Part,
    /// Leads that went through it.
    pub(crate) leads: usize,
    /// Half of them within so many milliseconds.
    pub(crate) half_ms: Option<i64>,
    /// Nine of ten within so many.
    pub(crate) nine_of_ten_ms: Option<i64>,
    /// The longest.
    pub(crate) longest_ms: Option<i64>,
    /// All of them, from the shortest on.
    #[serde(skip)]
    pub(crate) all_ms: Vec<i64>,
}

/// Speed to lead.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SpeedBody {
    /// Since when leads are looked at.
    pub(crate) since: Timestamp,
    /// Leads that rang; of more than 2,000 the newest.
    pub(crate) leads: usize,
    /// Those that nobody answered yet.
    pub(crate) unanswered: usize,
    /// The four parts.
    pub(crate) parts: Vec<PartBody>,
}

/// The figures from the instants of each lead.
pub(crate) fn measure(since: Timestamp, speeds: &[SpeedView]) -> SpeedBody {
    let part = |part: Part| {
        let mut all: Vec<i64> = speeds.iter().filter_map(|speed| part.of(speed)).collect();
        all.sort_unstable();
        let at = |share: f64| {
            let last = all.len().checked_sub(1)?;
            all.get((last as f64 * share).ceil() as usize).copied()
        };
        PartBody {
            part,
            leads: all.len(),
            half_ms: all.len().checked_sub(1).map(|last| all[last / 2]),
            nine_of_ten_ms: at(0.9),
            longest_ms: all.last().copied(),
            all_ms: all,
        }
    };
    SpeedBody {
        since,
        leads: speeds.len(),
        unanswered: speeds
            .iter()
            .filter(|speed| speed.answered_at.is_none())
            .count(),
        parts: Part::ALL.into_iter().map(part).collect(),
    }
}

/// Reads what the figures of the last days are made of.
pub(crate) async fn read(app: &App, home: &Home, days: u16) -> Result<SpeedBody, ApiError> {
    let since = app.now() - jiff::SignedDuration::from_hours(24 * i64::from(days));
    let tenant = home.row.id;
    let speeds = app
        .ask(move |store| store.speeds(tenant, since, MOST_LEADS))
        .await?;
    Ok(measure(since, &speeds))
}

/// Since when.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Leads that began to ring in so many days, 1 to 365; 7 when it is not given.
    days: Option<u16>,
}

/// Speed to lead in its four parts: detected, routed, notified, answered by a person (W7).
#[utoipa::path(get, path = "/v1/reports/speed-to-lead", tag = "reports", params(Since), responses((status = 200, description = "The figures", body = SpeedBody)))]
async fn speed(
    State(app): State<App>,
    caller: Caller,
    Queries(since): Queries<Since>,
) -> ApiResult<Json<SpeedBody>> {
    caller.may(Scope::Read)?;
    let days = since.days.unwrap_or(7);
    if !(1..=365).contains(&days) {
        return Err(ApiError::invalid("days", "Ask for 1 to 365 days."));
    }
    Ok(Json(read(&app, &caller.home, days).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringback_core::ids::LeadId;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    /// W7: each part has its own leads; a lead that was taken before it was given to anybody was not routed.
    #[test]
    fn the_four_parts_are_measured_apart() {
        let speed = |routed: Option<i64>, told: Option<i64>, answered: Option<i64>| SpeedView {
            lead: LeadId::from_raw(1),
            acted_at: Some(at(-250)),
            rang_at: at(0),
            routed_at: routed.map(at),
            told_at: told.map(at),
            answered_at: answered.map(at),
        };
        let told = measure(
            at(0),
            &[
                speed(Some(20), Some(900), Some(60_000)),
                speed(Some(90_000), Some(1_100), Some(90_000)),
                speed(None, None, None),
            ],
        );
        assert_eq!((told.leads, told.unanswered), (3, 1));
        let of = |n: usize| {
            (
                told.parts[n].leads,
                told.parts[n].half_ms,
                told.parts[n].longest_ms,
            )
        };
        assert_eq!(of(0), (3, Some(250), Some(250)));
        assert_eq!(of(1), (1, Some(20), Some(20)));
        assert_eq!(of(2), (2, Some(900), Some(1_100)));
        assert_eq!(of(3), (2, Some(60_000), Some(90_000)));
        // A browser whose clock is ahead did not act after it was heard.
        let ahead = SpeedView {
            acted_at: Some(at(5_000)),
            ..speed(None, None, None)
        };
        assert_eq!(Part::Detected.of(&ahead), Some(0));
        assert_eq!(measure(at(0), &[]).parts[3].half_ms, None);
    }
}
