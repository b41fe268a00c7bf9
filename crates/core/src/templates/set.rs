//! All templates of a tenant, found by name, channel and language.

use super::problem::Problem;
use super::template::Template;
use crate::messages::ChannelKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tenant's templates.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    by_name: BTreeMap<String, [Vec<Arc<Template>>; 3]>,
}

impl Templates {
    /// No templates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a template; one of the same name, channel and language may not be there yet.
    pub fn insert(&mut self, template: Template) -> Result<(), Problem> {
        let variants =
            &mut self.by_name.entry(template.name.clone()).or_default()[place(template.channel)];
        if variants.iter().any(|other| other.locale == template.locale) {
            let locale = template
                .locale
                .as_deref()
                .map_or(String::new(), |l| format!(" in {l}"));
            return Err(Problem::of_file(format!(
                "There are two templates `{}` for {}{locale}. Remove or rename one.",
                template.name, template.channel
            )));
        }
        variants.push(Arc::new(template));
        // The variant without a language first: it is the one to fall back to.
        variants.sort_by(|a, b| a.locale.cmp(&b.locale));
        Ok(())
    }

    /// The template for a recipient's language: the same tag, else the language alone, else the one without a language, else any
    /// of the same language, else the first there is.
    pub fn lookup(
        &self,
        name: &str,
        channel: ChannelKind,
        locale: Option<&str>,
    ) -> Option<&Arc<Template>> {
        let variants = &self.by_name.get(name)?[place(channel)];
        let first = variants.first()?;
        let (Some(wanted), true) = (locale.and_then(normal_locale), variants.len() > 1) else {
            return Some(first);
        };
        let language = &wanted[..2];
        let with = |tag: &str| {
            variants
                .iter()
                .find(|one| one.locale.as_deref() == Some(tag))
        };
        with(&wanted)
            .or_else(|| with(language))
            .or_else(|| {
                variants.iter().find(|one| {
                    one.locale
                        .as_deref()
                        .is_some_and(|l| l.starts_with(language))
                })
            })
            .or(Some(first))
    }

    /// True when a template of that name exists for the channel, in any language.
    pub fn has(&self, name: &str, channel: ChannelKind) -> bool {
        self.by_name
            .get(name)
            .is_some_and(|channels| !channels[place(channel)].is_empty())
    }

    /// The channels a name is written for.
    pub fn channels(&self, name: &str) -> Vec<ChannelKind> {
        ChannelKind::ALL
            .iter()
            .copied()
            .filter(|channel| self.has(name, *channel))
            .collect()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// All templates, by name, channel and language.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.by_name.values().flatten().flatten()
    }

    /// How many templates there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

const fn place(channel: ChannelKind) -> usize {
    match channel {
        ChannelKind::Sms => 0,
        ChannelKind::Email => 1,
        ChannelKind::Webhook => 2,
    }
}

/// `ES_mx` as `es-MX`; `None` for what is no language tag of two letters with or without a region.
pub(super) fn normal_locale(tag: &str) -> Option<String> {
    let (language, region) = match tag.split_once(['-', '_']) {
        Some((language, region)) => (language, Some(region)),
        None => (tag, None),
    };
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic());
    match region {
        None if two(language) => Some(language.to_ascii_lowercase()),
        Some(region) if two(language) && two(region) => Some(format!(
            "{}-{}",
            language.to_ascii_lowercase(),
            region.to_ascii_uppercase()
        )),
        _ => None,
    }
}
