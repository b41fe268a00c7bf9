//! A submission that is whole becomes a lead: once, however often it is sent (L3).

use super::check::Filled;
use super::memory::{Sent, within};
use super::posted::Posted;
use super::{Door, page, spam};
use crate::app::App;
use crate::http::ApiError;
use axum::http::{HeaderMap, StatusCode, header};
use ringback_core::config;
use ringback_core::ids::{LeadId, TenantId};
use ringback_core::leads::Overwrite;
use ringback_core::turn::world::{PointKey, PointKind, Purpose};
use ringback_core::turn::{Answer, Capture, ConsentTold, Intake, Once};
use std::net::IpAddr;

/// What a submission came to.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) sent: Sent,
    pub(super) lead: Option<LeadId>,
}

/// Takes a submission in, or answers what was answered to its first sending.
pub(super) async fn take(
    app: &App,
    door: &Door,
    posted: &Posted,
    filled: Filled,
    headers: &HeaderMap,
    ip: IpAddr,
    once: Option<Once>,
) -> Result<Taken, ApiError> {
    let now = app.now();
    let form = door.form();
    let content = spam::content(door, posted);
    if let Some(sent) = app
        .forms
        .answered(&content, now, form.anti_spam.duplicate_window)
    {
        let lead = sent.id.parse().ok();
        return Ok(Taken { sent, lead });
    }
    let names = spam::names(form, &content, now);
    if let Some(taken) = taken_before(app, door, &filled, &names).await? {
        app.forms
            .note(spam::page(posted), content, taken.sent.clone(), now);
        return Ok(taken);
    }
    let [key, _] = names;
    let capture = capture(app, door, posted, filled, headers, ip, key);
    let answer = app
        .take(door.home.row.id, Intake::Capture(Box::new(capture)), once)
        .await?;
    let taken = match answer {
        Answer::Captured(captured) => Taken {
            sent: Sent {
                id: captured.id.to_string(),
                reference: captured.reference,
            },
            lead: Some(captured.id),
        },
        Answer::Repeated { status, body } if (200..300).contains(&status) => {
            let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let sent = Sent {
                id: text("id"),
                reference: text("reference"),
            };
            Taken {
                lead: sent.id.parse().ok(),
                sent,
            }
        }
        other => return Err(refused(&other)),
    };
    app.forms
        .note(spam::page(posted), content, taken.sent.clone(), now);
    Ok(taken)
}

/// What a turn refused, as the error that its answer is anywhere else.
fn refused(answer: &Answer) -> ApiError {
    let (status, body) = crate::http::written(answer);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let mut error = ApiError::new(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        crate::http::Code::Invalid,
    );
    if let Some(detail) = body["detail"].as_str() {
        error = error.say(detail.to_owned());
    }
    if let Some(code) = body["code"].as_str() {
        error.code = code.to_owned().into();
    }
    error
}

/// The lead that the same content came to within the window, also when the server was restarted in between.
async fn taken_before(
    app: &App,
    door: &Door,
    filled: &Filled,
    names: &[String; 2],
) -> Result<Option<Taken>, ApiError> {
    let tenant = door.home.row.id;
    let Some(point) = point(tenant, filled) else {
        return Ok(None);
    };
    let (names, now, window) = (
        names.clone(),
        app.now(),
        door.form().anti_spam.duplicate_window,
    );
    let found = app
        .ask(move |store| {
            let Some(lead) = store.lead_of(&point)? else {
                return Ok(None);
            };
            let Some(lead) = store.lead(tenant, lead)? else {
                return Ok(None);
            };
            for name in &names {
                if store
                    .named_event(tenant, lead.id, name)?
                    .is_some_and(|at| within(at, now, window))
                {
                    return Ok(Some((lead.id, lead.number)));
                }
            }
            Ok(None)
        })
        .await?;
    Ok(found.map(|(lead, number)| Taken {
        sent: Sent {
            id: lead.to_string(),
            reference: door.home.tenant.references.write(number),
        },
        lead: Some(lead),
    }))
}

fn point(tenant: TenantId, filled: &Filled) -> Option<PointKey> {
    let phone = filled
        .phone
        .as_ref()
        .map(|phone| (PointKind::Phone, phone.as_str().to_owned()));
    let (kind, value) = phone.or_else(|| {
        filled
            .email
            .as_ref()
            .map(|email| (PointKind::Email, email.key()))
    })?;
    Some(PointKey {
        tenant,
        kind,
        value,
    })
}

fn capture(
    app: &App,
    door: &Door,
    posted: &Posted,
    filled: Filled,
    headers: &HeaderMap,
    ip: IpAddr,
    key: String,
) -> Capture {
    let form = door.form();
    let place = page_of(app, door, headers);
    let told = |consent: &config::Consent| ConsentTold {
        channel: consent.channel,
        purpose: match consent.purpose {
            config::Purpose::Transactional => Purpose::Transactional,
            config::Purpose::Promotional => Purpose::Promotional,
            config::Purpose::AutomatedCall => Purpose::AutomatedCall,
            config::Purpose::Tracking => Purpose::Tracking,
        },
        granted: true,
        wording: page::wording(door, &consent.field),
        method: "web_form".to_owned(),
        page: Some(place.clone()),
        basis: None,
        expires_at: None,
        soft_opt_in: None,
    };
    let consents = form
        .consents
        .iter()
        .filter(|consent| filled.consents.contains(&consent.field))
        .map(told)
        .collect();
    let mut profile = filled.profile;
    profile.source = Some(form.source().to_owned());
    let anonymous_id = posted
        .get("anonymous_id")
        .filter(|id| id.len() <= 200 && !id.chars().any(char::is_control));
    Capture {
        profile,
        phone: filled.phone,
        email: filled.email,
        anonymous_id: anonymous_id.map(str::to_owned),
        product: form.product.clone(),
        consents,
        form: Some(form.name.clone()),
        key: Some(key),
        test: false,
        own_enquiry: true,
        overwrite: Overwrite::Newer,
        ip: Some(ip.to_string()),
    }
}

/// The page that the person filled in: the one that the browser names, else ours.
fn page_of(app: &App, door: &Door, headers: &HeaderMap) -> String {
    let named = headers
        .get(header::REFERER)
        .or_else(|| headers.get(header::ORIGIN))
        .and_then(|value| value.to_str().ok());
    let named = named.filter(|page| page.starts_with("https://") || page.starts_with("http://"));
    named.map_or_else(
        || format!("{}{}", app.settings.public_url, door.path()),
        |page| page.chars().take(500).collect(),
    )
}
