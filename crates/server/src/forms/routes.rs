//! `/f/{tenant}.{form}`: a page for people, a door for pages and scripts of the tenant's own (L2).

use super::check::{Wrong, check};
use super::draft::Draft;
use super::memory::Sent;
use super::page::{Showing, missing, page, thanks};
use super::posted::Posted;
use super::spam::{self, Shown};
use super::{Door, take};
use crate::app::App;
use crate::http::{ApiError, Code, PathText, Peer};
use crate::throttle::Rate;
use axum::Json;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ringback_core::ids::LeadId;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Every route about public forms.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/f/{form}", get(show).post(submit).options(preflight))
        .route("/f/{form}/time", get(time).options(preflight))
        .route("/f/{form}/thanks", get(thank))
}

async fn show(
    State(app): State<App>,
    PathText(name): PathText,
    Peer(ip): Peer,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Err(left) = app.limits.public(ip) {
        return ApiError::too_many(left.wait).into_response();
    }
    let Some(door) = Door::find(&app, &name) else {
        return missing();
    };
    // A link may fill in what the page does not ask, such as where the visitor came from.
    let hidden = door
        .form()
        .fields
        .iter()
        .filter(|field| field.kind == ringback_core::config::FieldKind::Hidden);
    let values = hidden
        .filter_map(|field| {
            Some((
                field.name.clone(),
                query
                    .get(&field.name)?
                    .chars()
                    .take(field.most() as usize)
                    .collect(),
            ))
        })
        .collect();
    let posted = Posted {
        values,
        ..Posted::default()
    };
    page(
        &app,
        &door,
        StatusCode::OK,
        &Showing {
            posted: Some(&posted),
            ..Showing::default()
        },
    )
}

/// The signed instant for pages that post by script.
async fn time(
    State(app): State<App>,
    PathText(name): PathText,
    Peer(ip): Peer,
    headers: HeaderMap,
) -> Response {
    if let Err(left) = app.limits.public(ip) {
        return ApiError::too_many(left.wait).into_response();
    }
    let Some(door) = Door::find(&app, &name) else {
        return ApiError::not_found().into_response();
    };
    let token = app.tokens.form_time(&door.name, app.now().as_millisecond());
    let mut response = Json(json!({"_t": token})).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    allow(&app, &door, &headers, response)
}

async fn thank(
    State(app): State<App>,
    PathText(name): PathText,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    Door::find(&app, &name).map_or_else(missing, |door| {
        thanks(&door, query.get("ref").map(String::as_str))
    })
}

async fn preflight(
    State(app): State<App>,
    PathText(name): PathText,
    headers: HeaderMap,
) -> Response {
    let Some(door) = Door::find(&app, &name) else {
        return ApiError::not_found().into_response();
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    let to = response.headers_mut();
    to.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    to.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type, accept, idempotency-key"),
    );
    to.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    allow(&app, &door, &headers, response)
}

/// Lets a page of an origin on the form's list read the answer.
fn allow(app: &App, door: &Door, headers: &HeaderMap, mut response: Response) -> Response {
    let to = response.headers_mut();
    to.insert(header::VARY, HeaderValue::from_static("Origin, Accept"));
    if let Some(origin) = headers.get(header::ORIGIN)
        && origin.to_str().is_ok_and(|origin| door.allows(app, origin))
    {
        to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

/// One submission on its way.
struct Visit<'a> {
    app: &'a App,
    door: &'a Door,
    headers: HeaderMap,
    ip: IpAddr,
    /// The answer is read by a script.
    script: bool,
}

async fn submit(
    State(app): State<App>,
    PathText(name): PathText,
    Peer(ip): Peer,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let script = wants_json(&headers);
    let Some(door) = Door::find(&app, &name) else {
        return if script {
            ApiError::not_found().into_response()
        } else {
            missing()
        };
    };
    let mut visit = Visit {
        app: &app,
        door: &door,
        headers,
        ip,
        script,
    };
    let response = visit
        .receive(request)
        .await
        .unwrap_or_else(|error| visit.failed(error, None));
    allow(&app, &door, &visit.headers, response)
}

fn wants_json(headers: &HeaderMap) -> bool {
    let holds = |name, word: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().contains(word))
    };
    holds(header::ACCEPT, "application/json") || holds(header::CONTENT_TYPE, "application/json")
}

impl Visit<'_> {
    async fn receive(&mut self, request: Request) -> Result<Response, ApiError> {
        let (app, door) = (self.app, self.door);
        let origin = self
            .headers
            .get(header::ORIGIN)
            .and_then(|origin| origin.to_str().ok());
        if self.script && origin.is_some_and(|origin| !door.allows(app, origin)) {
            return Err(ApiError::forbidden(
                "Pages of this origin may not send this form by script. Add the origin to `cors` of the form.",
            ));
        }
        let raw = crate::http::extract::read(request, app).await?;
        let posted = Posted::read(app, &self.headers, &raw).await?;
        self.script |= posted.json;
        let steps = door.form().pages().len();
        let step = posted
            .get("_step")
            .and_then(|step| step.parse::<usize>().ok())
            .filter(|step| steps > 1 && *step < steps);
        match step {
            Some(step) if !self.script => self.step(posted, &raw, step, steps).await,
            _ => self.whole(&posted, &raw, None).await,
        }
    }

    /// Draws from the limits of the form; `steps` are the many requests that one submission takes.
    fn draw(&self, steps: u32) -> Result<(), ApiError> {
        let rules = &self.door.form().anti_spam;
        let who = format!(
            "form:{}:{}:{steps}",
            self.door.home.row.id.raw(),
            self.door.form().name
        );
        let ip = crate::http::network(self.ip);
        let times = |count: u32| count.saturating_mul(steps);
        let limits = [
            (
                format!("{who}:{ip}:m"),
                Rate::a_minute(times(rules.per_ip_per_minute)),
            ),
            (
                format!("{who}:{ip}:h"),
                Rate::an_hour(times(rules.per_ip_per_hour)),
            ),
            (format!("{who}:m"), Rate::a_minute(times(rules.per_minute))),
        ];
        self.app
            .throttle
            .draw(self.app.now(), &limits)
            .map_err(ApiError::too_many)
    }

    /// One step of several: kept as a draft, then the next one, or the whole.
    async fn step(
        &self,
        mut posted: Posted,
        raw: &[u8],
        step: usize,
        steps: usize,
    ) -> Result<Response, ApiError> {
        let (app, door) = (self.app, self.door);
        let pages = door.form().pages();
        let fields = pages.get(step).map(Vec::as_slice).unwrap_or_default();
        let last = step + 1 == steps;
        if !last && let Err(error) = self.draw(u32::try_from(steps * 4).unwrap_or(u32::MAX)) {
            return Ok(self.failed(error, Some((&posted, step, None))));
        }
        let draft = Draft::open(app, door, &posted).await?;
        let lost = draft.is_none() && step > 0;
        if let Some(draft) = &draft {
            draft.lay_beside(&mut posted, fields);
        }
        let mut draft = draft.unwrap_or_else(|| Draft::fresh(app));
        let time = posted.get(spam::TIME).map(str::to_owned);
        let showing = |step, wrong, notice: Option<&str>| Showing {
            step,
            wrong,
            notice: notice.map(str::to_owned),
            time: time.clone(),
            ..Showing::default()
        };
        if lost {
            let notice = "Your earlier answers are not here any more. Please begin again.";
            return Ok(page(
                app,
                door,
                StatusCode::OK,
                &Showing {
                    posted: Some(&posted),
                    ..showing(0, Vec::new(), Some(notice))
                },
            ));
        }
        if posted.get("_go") == Some("back") {
            draft
                .keep(app, door, &posted, step.saturating_sub(1), None)
                .await?;
            let shown = Showing {
                posted: Some(&posted),
                draft: Some(&draft),
                ..showing(step.saturating_sub(1), Vec::new(), None)
            };
            return Ok(page(app, door, StatusCode::OK, &shown));
        }
        let (_, wrong) = check(
            door.form(),
            fields,
            &posted,
            door.home.tenant.config.settings.region,
        );
        if !wrong.is_empty() {
            let known = (step > 0).then_some(&draft);
            return Ok(page(
                app,
                door,
                StatusCode::UNPROCESSABLE_ENTITY,
                &Showing {
                    posted: Some(&posted),
                    draft: known,
                    ..showing(step, wrong, None)
                },
            ));
        }
        if last {
            return self.whole(&posted, raw, Some((draft, step))).await;
        }
        draft.keep(app, door, &posted, step + 1, None).await?;
        Ok(page(
            app,
            door,
            StatusCode::OK,
            &Showing {
                posted: Some(&posted),
                draft: Some(&draft),
                ..showing(step + 1, Vec::new(), None)
            },
        ))
    }

    /// A submission that is whole.
    async fn whole(
        &self,
        posted: &Posted,
        raw: &[u8],
        draft: Option<(Draft, usize)>,
    ) -> Result<Response, ApiError> {
        let (app, door) = (self.app, self.door);
        let form = door.form();
        let at = draft.as_ref().map_or(0, |(_, step)| *step);
        let seen = draft.as_ref().map(|(draft, _)| draft);
        if let Err(error) = self.draw(1) {
            return Ok(self.failed(error, Some((posted, at, seen))));
        }
        let once = crate::http::once(&self.headers, &format!("POST {}", door.path()), raw)?;
        let shown = spam::shown(app, door, posted, app.now());
        if let Some(sign) = spam::sign(form, posted, shown) {
            self.set_apart(posted, sign).await?;
            return Ok(self.done(&self.made_up()));
        }
        let fields: Vec<_> = form.fields.iter().collect();
        let (filled, wrong) = check(
            form,
            &fields,
            posted,
            door.home.tenant.config.settings.region,
        );
        if !wrong.is_empty() {
            // Of several steps, the first that has something wrong is shown.
            let of = |one: &Wrong| {
                form.pages()
                    .iter()
                    .position(|page| page.iter().any(|field| field.name == one.field))
                    .unwrap_or(0)
            };
            let first = wrong.iter().map(of).min().unwrap_or(0);
            return Ok(self.wrong(posted, wrong, first, seen));
        }
        if let Some(lead) = seen.and_then(Draft::lead) {
            return Ok(self.done(&self.known(lead).await?));
        }
        let content = spam::content(door, posted);
        let used = spam::page(posted).is_some_and(|page| app.forms.used_for_other(&page, &content));
        if used || shown == Shown::TooOld {
            self.set_apart(posted, if used { "page_used" } else { "too_old" })
                .await?;
            return Ok(self.again(posted, at, seen));
        }
        let taken = match take::take(app, door, posted, filled, &self.headers, self.ip, once).await
        {
            Ok(taken) => taken,
            Err(error) => return Ok(self.failed(error, Some((posted, at, seen)))),
        };
        if let Some((mut draft, step)) = draft {
            draft.keep(app, door, posted, step, taken.lead).await?;
        }
        Ok(self.done(&taken.sent))
    }

    /// Keeps a submission apart: seen by staff, never notified (L3).
    async fn set_apart(&self, posted: &Posted, sign: &'static str) -> Result<(), ApiError> {
        let (app, tenant, form, ip, raw) = (
            self.app,
            self.door.home.row.id,
            self.door.form().name.clone(),
            self.ip.to_string(),
            posted.raw(),
        );
        let (id, now) = (app.new_id(), app.now());
        metrics::counter!("ringback_spam_total", "sign" => sign).increment(1);
        app.write(move |writer| writer.insert_spam(id, tenant, &form, sign, &raw, Some(&ip), now))
            .await
    }

    /// What a robot is told: nothing that tells it from a person.
    fn made_up(&self) -> Sent {
        let number = i64::from_be_bytes(crate::clock::random_bytes::<8>()) & ((1 << 40) - 1);
        Sent {
            id: LeadId::from_raw(self.app.new_id()).to_string(),
            reference: self.door.home.tenant.references.write(number),
        }
    }

    /// What was answered when this draft was sent the first time.
    async fn known(&self, lead: LeadId) -> Result<Sent, ApiError> {
        let tenant = self.door.home.row.id;
        let found = self
            .app
            .ask(move |store| store.lead(tenant, lead))
            .await?
            .ok_or_else(ApiError::not_found)?;
        Ok(Sent {
            id: found.id.to_string(),
            reference: self.door.home.tenant.references.write(found.number),
        })
    }

    fn done(&self, sent: &Sent) -> Response {
        if self.script {
            let body = json!({"id": sent.id, "reference": sent.reference, "files": []});
            return (StatusCode::CREATED, Json(body)).into_response();
        }
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(location) = HeaderValue::from_str(&self.door.thanks(&sent.reference)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    fn wrong(
        &self,
        posted: &Posted,
        wrong: Vec<Wrong>,
        step: usize,
        draft: Option<&Draft>,
    ) -> Response {
        if !self.script {
            let time = posted.get(spam::TIME).map(str::to_owned);
            return page(
                self.app,
                self.door,
                StatusCode::UNPROCESSABLE_ENTITY,
                &Showing {
                    posted: Some(posted),
                    wrong,
                    step,
                    draft,
                    time,
                    ..Showing::default()
                },
            );
        }
        let (field, say) = wrong
            .first()
            .map(|first| (first.field.clone(), first.say.clone()))
            .unwrap_or_default();
        let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Invalid)
            .say(say)
            .at(field);
        let mut body: serde_json::Value = serde_json::from_str(&error.body()).unwrap_or_default();
        body["errors"] = wrong
            .iter()
            .map(|one| json!({"field": one.field, "detail": one.say}))
            .collect();
        let mut response = (StatusCode::UNPROCESSABLE_ENTITY, body.to_string()).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }

    /// The page is too old or was used up: a person presses the button once more, with everything still there.
    fn again(&self, posted: &Posted, step: usize, draft: Option<&Draft>) -> Response {
        if self.script {
            let say = "This page was open for too long, or was sent before. Fetch a new `_t` and send it again.";
            let mut error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Invalid)
                .say(say)
                .at(spam::TIME);
            error.code = "form_expired".into();
            return error.into_response();
        }
        let notice = Some("This page was open for a long time, or was sent before. Everything you typed is still here: look it over, then send it once more.".to_owned());
        page(
            self.app,
            self.door,
            StatusCode::UNPROCESSABLE_ENTITY,
            &Showing {
                posted: Some(posted),
                notice,
                step,
                draft,
                ..Showing::default()
            },
        )
    }

    /// An error on the way, as a page for people with what they typed, as a problem for scripts.
    fn failed(&self, error: ApiError, typed: Option<(&Posted, usize, Option<&Draft>)>) -> Response {
        if self.script {
            return error.into_response();
        }
        let (status, wait) = (error.status, error.retry_after);
        let notice = match status {
            StatusCode::TOO_MANY_REQUESTS => format!("Too many requests came from your network. Nothing was sent yet: wait {} seconds, then send it again.", wait.unwrap_or(60)),
            StatusCode::PAYLOAD_TOO_LARGE => "This was more than the form can take. Send it without files.".to_owned(),
            status if status.is_server_error() => "This could not be stored just now. Nothing was sent yet: please send it again in a moment.".to_owned(),
            _ => error.detail.clone().into_owned(),
        };
        let (posted, step, draft) = typed.map_or((None, 0, None), |(posted, step, draft)| {
            (Some(posted), step, draft)
        });
        let time = posted
            .and_then(|posted| posted.get(spam::TIME))
            .map(str::to_owned);
        let logged = error.into_response();
        let mut response = page(
            self.app,
            self.door,
            status,
            &Showing {
                posted,
                notice: Some(notice),
                step,
                draft,
                time,
                ..Showing::default()
            },
        );
        if let Some(retry) = logged.headers().get(header::RETRY_AFTER) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, retry.clone());
        }
        response
    }
}
