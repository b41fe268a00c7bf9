//! `/t/{slug}/example`: how a form and tracking look on a business's own website. Public, made of the preset's page, with this server's
//! address and the tenant's form filled in.

use super::{PageError, PageResult};
use crate::app::App;
use crate::http::{ApiError, Peer};
use crate::presets;
use crate::registry::Home;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/example", get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// A write key, which is public: the page then tracks.
    write_key: String,
}

async fn show(
    State(app): State<App>,
    Path(slug): Path<String>,
    Peer(peer): Peer,
    Query(asked): Query<Asked>,
) -> PageResult {
    if let Err(left) = app.limits.public(peer) {
        return Err(PageError::Api(ApiError::too_many(left.wait)));
    }
    let home = app.registry.by_slug(&slug).ok_or(PageError::NotFound)?;
    let page =
        fill(&home, &app.settings.public_url, &asked.write_key).ok_or(PageError::NotFound)?;
    Ok(answer(page))
}

fn fill(home: &Home, server: &str, write_key: &str) -> Option<String> {
    let config = &home.tenant.config;
    let industry = config.settings.industry.as_deref().into_iter();
    let products = config.products.keys().map(String::as_str);
    let preset = industry.chain(products).find_map(|name| {
        presets::names()
            .contains(&name)
            .then(|| presets::find(name).ok())
            .flatten()
    })?;
    let forms: Vec<&str> = config.forms.keys().map(String::as_str).collect();
    fill_page(
        &preset,
        &config.settings.name,
        &home.row.slug,
        &forms,
        server,
        write_key,
    )
}

/// The preset's page under the tenant's name. The preset's own form is used where the tenant still has it, else its first.
fn fill_page(
    preset: &presets::Preset,
    business: &str,
    slug: &str,
    forms: &[&str],
    server: &str,
    write_key: &str,
) -> Option<String> {
    let site = preset.site.as_deref()?;
    let own = preset
        .files
        .keys()
        .find_map(|path| path.strip_prefix("forms/")?.strip_suffix(".yaml"));
    let form = own
        .filter(|own| forms.contains(own))
        .or_else(|| forms.first().copied())?;
    // A write key has letters, digits and underscores; nothing else gets into the page.
    let write_key = if write_key.len() <= 120
        && write_key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        write_key
    } else {
        ""
    };
    let name = preset
        .files
        .get("tenant.yaml")
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("name:")))
        .map(str::trim)
        .unwrap_or_default();
    let mut page = site
        .replace("{{BASE}}", &escape(server))
        .replace("{{FORM}}", &format!("{slug}.{form}"))
        .replace("{{WRITE_KEY}}", write_key);
    if !name.is_empty() && name != business {
        page = page.replace(name, &escape(business));
    }
    // Without a key, nothing would be taken: the form is shown alone.
    if write_key.is_empty()
        && let (Some(begin), Some(end)) = (page.find("<script>"), page.rfind("</script>"))
        && begin < end
    {
        page.replace_range(begin..end + "</script>".len(), "");
    }
    Some(page)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '`' => out.push_str("&#96;"),
            '$' => out.push_str("&#36;"),
            '\\' => out.push_str("&#92;"),
            c => out.push(c),
        }
    }
    out
}

/// The example has a style and a few lines of script of its own, as a website has; both come with this program.
fn answer(page: String) -> Response {
    let mut response = page.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::tests::HOSTILE;
    use super::*;

    /// W8: the page of every preset that has one is filled, and nothing of the tenant's becomes markup.
    #[test]
    fn every_example_is_filled() {
        for name in presets::names() {
            let preset = presets::find(name).unwrap();
            let forms: Vec<String> = preset
                .files
                .keys()
                .filter_map(|path| {
                    path.strip_prefix("forms/")?
                        .strip_suffix(".yaml")
                        .map(str::to_owned)
                })
                .collect();
            let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
            // Whose leads come from elsewhere has no page of its own.
            assert_eq!(preset.site.is_some(), !forms.is_empty(), "{name}");
            if forms.is_empty() {
                continue;
            }
            let page = fill_page(
                &preset,
                HOSTILE,
                "alder",
                &forms,
                "https://ringback.example",
                HOSTILE,
            )
            .unwrap();
            assert!(!page.contains("{{") && !page.contains("<script"), "{name}");
            assert!(
                page.contains("action=\"https://ringback.example/f/alder."),
                "{name}"
            );
            assert!(!page.contains(HOSTILE), "{name}");
            assert!(
                fill_page(&preset, "A", "alder", &[], "https://ringback.example", "").is_none()
            );
        }
        let preset = presets::find("plumbing").unwrap();
        let page = fill_page(
            &preset,
            "Birch Plumbing",
            "birch",
            &["contact"],
            "https://r.example",
            "rb_write_Ab3",
        )
        .unwrap();
        assert!(
            page.contains("<title>Birch Plumbing</title>")
                && page.contains("writeKey: \"rb_write_Ab3\"")
        );
    }
}
