//! What pages load: one stylesheet and one script, in the binary, named by their content so that browsers keep them for ever.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A file with its address.
struct Asset {
    name: String,
    text: String,
    kind: &'static str,
}

const CSS: &str = include_str!("../../assets/ui.css");
/// Every module in its own block, so that their names never meet.
const SCRIPTS: &[&str] = &[
    include_str!("../../assets/js/clock.js"),
    include_str!("../../assets/js/live.js"),
    include_str!("../../assets/js/keys.js"),
    include_str!("../../assets/js/find.js"),
    include_str!("../../assets/js/select.js"),
    include_str!("../../assets/js/reveal.js"),
];

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("ui", "css", shorten(CSS), "text/css; charset=utf-8"));
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = SCRIPTS
        .iter()
        .map(|text| format!("{{\n{}}}\n", without_notes(text)))
        .collect::<String>();
    Asset::new("ui", "js", text, "text/javascript; charset=utf-8")
});

/// The mark in a browser's tab.
static MARK: LazyLock<Asset> = LazyLock::new(|| Asset { name: "/assets/mark.svg".to_owned(), text: include_str!("../../assets/mark.svg").to_owned(), kind: "image/svg+xml" });

impl Asset {
    fn new(stem: &str, ending: &str, text: String, kind: &'static str) -> Self {
        let hash: String = Sha256::digest(text.as_bytes())
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            name: format!("/assets/{stem}.{hash}.{ending}"),
            text,
            kind,
        }
    }
}

/// The stylesheet's address.
pub fn css() -> &'static str {
    &STYLE.name
}

/// The script's address.
pub fn script() -> &'static str {
    &SCRIPT.name
}

/// Serves them. An address of an older version gets the present one, which browsers then do not keep.
pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let asset: &Asset = match name.rsplit('.').next() {
        Some("css") => &STYLE,
        Some("js") => &SCRIPT,
        Some("svg") => &MARK,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let keep = if asset.name.strip_prefix("/assets/") == Some(name.as_str()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = asset.text.as_str().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The sign beside the page's title: a line that rings.
pub(super) async fn icon() -> Response {
    let mut response = ICON.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#11181a"/><path d="M4 16h4M11 16h4" stroke="#e8eeee" stroke-width="3"/><circle cx="22.5" cy="16" r="5.5" fill="#f2a93b"/></svg>"##;

/// CSS without comments and needless spaces.
fn shorten(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(begin) = rest.find("/*") {
        out.push_str(&rest[..begin]);
        rest = rest[begin..]
            .find("*/")
            .map_or("", |end| &rest[begin + end + 2..]);
    }
    out.push_str(rest);
    let mut out: String = out.split_whitespace().collect::<Vec<_>>().join(" ");
    // None of these stands in a string of ours.
    for (loose, tight) in [(" {", "{"), ("{ ", "{"), (" }", "}"), ("} ", "}"), ("; ", ";"), (": ", ":"), (", ", ","), (";}", "}")] {
        out = out.replace(loose, tight);
    }
    out
}

/// A script without its lines of comment.
fn without_notes(script: &str) -> String {
    script
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 11 of the design: the page's weight has a limit.
    #[test]
    fn style_and_script_stay_within_their_budget() {
        assert!(
            STYLE.text.len() < 30_000,
            "{} bytes of CSS",
            STYLE.text.len()
        );
        assert!(
            SCRIPT.text.len() < 20_000,
            "{} bytes of script",
            SCRIPT.text.len()
        );
        assert!(!STYLE.text.contains("/*"));
    }

    /// The strict policy allows no address but our own.
    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for text in [&STYLE.text, &SCRIPT.text] {
            assert!(
                !text.contains("http://") && !text.contains("https://") && !text.contains("url(")
            );
        }
    }
}
