//! How values are written for one recipient.

use jiff::tz::TimeZone;
use minijinja::Value;
use minijinja::value::Object;
use std::sync::Arc;

/// The recipient's zone, region and language. Cheap to clone; make one and use it for many templates.
#[derive(Debug, Clone)]
pub struct RenderContext {
    pub(super) manners: Arc<Manners>,
}

/// What the filters for dates, money and numbers ask for.
#[derive(Debug)]
pub(super) struct Manners {
    pub zone: TimeZone,
    pub region: [u8; 2],
    pub language: [u8; 2],
}

impl Object for Manners {}

impl RenderContext {
    /// For a recipient in `zone`; `region` is an ISO 3166-1 alpha-2 code, `locale` a language tag such as `en` or `es-MX`. A
    /// locale's own region counts only where `region` is no code; without a locale the language is English.
    pub fn new(zone: TimeZone, region: &str, locale: Option<&str>) -> Self {
        let mut parts = locale.unwrap_or_default().split(['-', '_']);
        let language = parts
            .next()
            .and_then(two_letters)
            .unwrap_or(*b"en")
            .map(|b| b.to_ascii_lowercase());
        let region = two_letters(region)
            .or_else(|| parts.next_back().and_then(two_letters))
            .unwrap_or(*b"US");
        Self {
            manners: Arc::new(Manners {
                zone,
                region: region.map(|b| b.to_ascii_uppercase()),
                language,
            }),
        }
    }

    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.manners))
    }
}

fn two_letters(text: &str) -> Option<[u8; 2]> {
    <[u8; 2]>::try_from(text.as_bytes())
        .ok()
        .filter(|two| two.iter().all(u8::is_ascii_alphabetic))
}
