//! Templates: what exactly will they read, how many segments, filled with sample data (T1, T2).

use super::format::amount;
use super::{Frame, Named, Page, PageError, PageResult, Session, html};
use crate::app::App;
use crate::registry::{Home, about};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use jiff::tz::TimeZone;
use ringback_core::config::TenantConfig;
use ringback_core::messages::segments::{Encoding, segments};
use ringback_core::messages::{Category, ChannelKind};
use ringback_core::templates::{Data, RenderContext, Rendered, Template};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/t/{slug}/templates", get(list))
        .route("/t/{slug}/templates/{name}", get(one))
        .route("/t/{slug}/templates/{name}/mail", get(mail))
}

/// A template in the list.
#[derive(Debug)]
struct Row {
    name: String,
    href: String,
    variants: String,
    category: String,
    used: String,
    size: String,
}

#[derive(askama::Template)]
#[template(path = "templates/list.html")]
struct ListPage {
    frame: Frame,
    headline: String,
    rows: Vec<Row>,
    server: String,
}

/// One channel and language of a template, filled in.
#[derive(Debug)]
struct Variant {
    title: String,
    id: String,
    category: &'static str,
    version: i64,
    size: String,
    subject: String,
    /// A text message.
    text: String,
    /// The text part of a mail, or JSON.
    plain: String,
    /// The address of the mail's HTML.
    mail: String,
    problem: String,
    edit: String,
    variables: String,
}

#[derive(askama::Template)]
#[template(path = "templates/one.html")]
struct OnePage {
    frame: Frame,
    name: String,
    line: String,
    variants: Vec<Variant>,
}

async fn list(State(app): State<App>, session: Session) -> PageResult {
    let frame = Frame::load(&app, &session, Page::Templates).await?;
    let home = &session.home;
    Ok(html(&list_page(
        frame,
        &home.tenant.config,
        &home.tenant.zone,
        &app.settings.public_url,
    )))
}

fn list_page(frame: Frame, config: &TenantConfig, zone: &TimeZone, server: &str) -> ListPage {
    let names: Vec<String> = config.templates.names().map(str::to_owned).collect();
    let rows: Vec<Row> = names
        .iter()
        .map(|name| {
            let all: Vec<&Template> = config
                .templates
                .iter()
                .filter(|one| one.name == *name)
                .map(AsRef::as_ref)
                .collect();
            let size = all
                .iter()
                .find(|one| one.channel == ChannelKind::Sms)
                .and_then(|one| fill(one, config, zone).ok())
                .map(|filled| segment_words(&filled.text))
                .unwrap_or_default();
            let used: Vec<&str> = config
                .workflows
                .values()
                .filter(|workflow| workflow.sends().any(|(_, send)| send.template == *name))
                .map(|workflow| workflow.name.as_str())
                .collect();
            Row {
                href: format!("{}/templates/{name}", frame.base),
                variants: all
                    .iter()
                    .map(|one| variant_words(one))
                    .collect::<Vec<_>>()
                    .join(", "),
                category: all
                    .first()
                    .map(|one| category_words(one.category).to_owned())
                    .unwrap_or_default(),
                used: used.join(", "),
                size,
                name: name.clone(),
            }
        })
        .collect();
    let unused = rows.iter().filter(|row| row.used.is_empty()).count();
    let all = amount(i64::try_from(rows.len()).unwrap_or(i64::MAX), "template");
    ListPage {
        headline: if unused == 0 {
            all
        } else {
            format!("{all}, {unused} of them not used by a workflow")
        },
        rows,
        server: server.to_owned(),
        frame,
    }
}

fn variant_words(template: &Template) -> String {
    let channel = match template.channel {
        ChannelKind::Sms => "text",
        ChannelKind::Email => "mail",
        ChannelKind::Webhook => "webhook",
    };
    match &template.locale {
        Some(locale) => format!("{channel} ({locale})"),
        None => channel.to_owned(),
    }
}

const fn category_words(category: Category) -> &'static str {
    match category {
        Category::Transactional => "answers or serves what was asked for",
        Category::Promotional => "wants to sell",
        Category::Staff => "to staff",
        Category::Emergency => "health and safety",
    }
}

/// `2 segments, 203 characters of GSM-7`.
fn segment_words(text: &str) -> String {
    let counted = segments(text);
    let encoding = match counted.encoding {
        Encoding::Gsm7 => "GSM-7",
        Encoding::Ucs2 => "UCS-2, because a letter is outside GSM-7",
    };
    format!(
        "{}, {} of {encoding}",
        amount(i64::from(counted.count), "segment"),
        amount(i64::from(counted.units), "unit")
    )
}

/// The template with its sample data, under the tenant's own name and address.
fn fill(template: &Template, config: &TenantConfig, zone: &TimeZone) -> Result<Rendered, String> {
    let mut data = template.sample();
    let settings = &config.settings;
    let own = about(settings);
    if let Value::Object(map) = &mut data {
        let tenant = map.entry("tenant").or_insert_with(|| json!({}));
        if let (Value::Object(tenant), Value::Object(own)) = (tenant, own) {
            tenant.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    let context = RenderContext::new(
        zone.clone(),
        settings.region.as_str(),
        template.locale.as_deref(),
    );
    template
        .render(&Data::new(data), &context)
        .map_err(|error| error.to_string())
}

async fn one(
    State(app): State<App>,
    session: Session,
    Named((_, name)): Named<(String, String)>,
) -> PageResult {
    let config = &session.home.tenant.config;
    if !config.templates.names().any(|one| one == name) {
        return Err(PageError::NotFound);
    }
    let frame = Frame::load(&app, &session, Page::Templates).await?;
    let tenant = session.home.row.id;
    let paths: Vec<String> = {
        use ringback_store::House as _;
        app.ask(move |store| store.documents(tenant))
            .await?
            .into_iter()
            .map(|row| row.path)
            .filter(|path| path.starts_with("templates/"))
            .collect()
    };
    Ok(html(&one_page(
        frame,
        config,
        &session.home.tenant.zone,
        &name,
        &paths,
    )))
}

fn one_page(
    frame: Frame,
    config: &TenantConfig,
    zone: &TimeZone,
    name: &str,
    paths: &[String],
) -> OnePage {
    let used: Vec<&str> = config
        .workflows
        .values()
        .filter(|workflow| workflow.sends().any(|(_, send)| send.template == name))
        .map(|workflow| workflow.name.as_str())
        .collect();
    let variants = config
        .templates
        .iter()
        .filter(|one| one.name == name)
        .map(|template| variant(&frame, config, zone, template, paths))
        .collect();
    OnePage {
        name: name.to_owned(),
        line: match used.as_slice() {
            [] => "No workflow uses it. Filled with sample data.".to_owned(),
            used => format!("Used by {}. Filled with sample data.", used.join(", ")),
        },
        variants,
        frame,
    }
}

fn variant(
    frame: &Frame,
    config: &TenantConfig,
    zone: &TimeZone,
    template: &Template,
    paths: &[String],
) -> Variant {
    let begins = match &template.locale {
        Some(locale) => format!("{}.{}.{locale}.", template.name, template.channel),
        None => format!("{}.{}.", template.name, template.channel),
    };
    let path = paths.iter().find(|path| {
        path.rsplit('/').next().is_some_and(|file| {
            file.strip_prefix(&begins)
                .is_some_and(|ending| template.locale.is_some() || !ending.contains('.'))
        })
    });
    let edit = match path {
        Some(path) if frame.admin => format!(
            "{}/settings/document?path={}",
            frame.base,
            super::format::query(path)
        ),
        _ => String::new(),
    };
    let locale = template.locale.as_deref().unwrap_or_default();
    let word = match template.channel {
        ChannelKind::Sms => "Text",
        ChannelKind::Email => "Mail",
        ChannelKind::Webhook => "Webhook",
    };
    let mut view = Variant {
        title: if locale.is_empty() {
            word.to_owned()
        } else {
            format!("{word}, {locale}")
        },
        id: format!(
            "{}-{}",
            template.channel,
            if locale.is_empty() { "all" } else { locale }
        ),
        category: category_words(template.category),
        version: template.version,
        size: String::new(),
        subject: String::new(),
        text: String::new(),
        plain: String::new(),
        mail: String::new(),
        problem: String::new(),
        edit,
        variables: template.variables().join(", "),
    };
    match fill(template, config, zone) {
        Err(problem) => view.problem = problem,
        Ok(filled) => match template.channel {
            ChannelKind::Sms => {
                view.size = segment_words(&filled.text);
                view.text = filled.text;
            }
            ChannelKind::Email => {
                view.subject = filled.subject.unwrap_or_default();
                if let Some(html) = &filled.html {
                    view.size = format!("{} KB of HTML", html.len().div_ceil(1024));
                    view.mail = format!(
                        "{}/templates/{}/mail?locale={}",
                        frame.base,
                        template.name,
                        super::format::query(locale)
                    );
                }
                view.plain = filled.text;
            }
            ChannelKind::Webhook => {
                let pretty = serde_json::from_str::<Value>(&filled.text)
                    .ok()
                    .and_then(|value| serde_json::to_string_pretty(&value).ok());
                view.plain = pretty.unwrap_or(filled.text);
            }
        },
    }
    view
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    locale: String,
}

/// The HTML of a mail by itself, with a policy of its own: no script, no form, nothing of ours within reach.
async fn mail(
    session: Session,
    Named((_, name)): Named<(String, String)>,
    Query(asked): Query<Asked>,
) -> PageResult {
    let home: &Home = &session.home;
    let locale = Some(asked.locale.as_str()).filter(|locale| !locale.is_empty());
    let template = home
        .tenant
        .config
        .template(&name, ChannelKind::Email, locale)
        .ok_or(PageError::NotFound)?;
    let filled =
        fill(template, &home.tenant.config, &home.tenant.zone).map_err(|_| PageError::NotFound)?;
    Ok(framed(filled.html.ok_or(PageError::NotFound)?))
}

/// What a person wrote, for a sandboxed frame of our own pages.
fn framed(text: String) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-frame-options"), "SAMEORIGIN"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::frame;
    use super::super::tests::sound;
    use super::*;
    use askama::Template as _;

    fn config(preset: &str) -> TenantConfig {
        crate::onboarding::check(&crate::presets::find(preset).unwrap().files).unwrap()
    }

    fn paths(preset: &str) -> Vec<String> {
        crate::presets::find(preset)
            .unwrap()
            .files
            .into_keys()
            .collect()
    }

    /// T2: a text shows what it costs in segments; a mail shows its subject and stands in a frame that may nothing.
    #[test]
    fn every_template_is_shown_as_it_will_be_read() {
        for preset in [
            "plumbing",
            "auto-glass",
            "saas-nurture",
            "real-estate-churn",
        ] {
            let config = config(preset);
            let list = list_page(frame(), &config, &TimeZone::UTC, "https://x.example")
                .render()
                .unwrap();
            sound(&list);
            for name in config.templates.names() {
                let text = one_page(frame(), &config, &TimeZone::UTC, name, &paths(preset))
                    .render()
                    .unwrap();
                sound(&text);
                assert!(!text.contains("class=\"say late\""), "{name}");
                if config.templates.has(name, ChannelKind::Email) {
                    assert!(
                        text.contains("<iframe sandbox src=\"/t/alder/templates/"),
                        "{name}"
                    );
                }
            }
        }
    }

    /// The tenant's own name stands in the sample, and the file that is edited is found.
    #[test]
    fn a_preview_is_the_tenants_own() {
        let mut config = config("plumbing");
        config.settings.name = "Birch Plumbing".into();
        let text = one_page(
            frame(),
            &config,
            &TimeZone::UTC,
            "request-received",
            &paths("plumbing"),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(
            text.contains("Birch Plumbing")
                && text.contains("segment")
                && text.contains("templates%2Frequest-received.sms.txt"),
            "{text}"
        );
    }

    /// X4: what a person wrote as mail runs nothing and reaches nothing.
    #[test]
    fn a_mail_is_framed_without_rights() {
        let response = framed("<p>hi</p>".into());
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(
            policy.contains("sandbox;")
                && policy.contains("default-src 'none'")
                && policy.contains("form-action 'none'")
        );
    }
}
