//! The forms that a tenant's customers fill in (L2), and how robots are kept out of them (L3).

mod check;
mod draft;
mod memory;
mod page;
mod posted;
mod routes;
mod spam;
mod take;

pub(crate) use memory::Memory;
pub(crate) use routes::routes;

use crate::app::App;
use crate::registry::Home;
use ringback_core::config::{Form, Versioned};
use std::sync::Arc;

/// A form behind its public name, `{tenant}.{form}`.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// Whose it is.
    pub(crate) home: Arc<Home>,
    /// The form's own name.
    form: String,
    /// The public name.
    pub(crate) name: String,
}

impl Door {
    /// Finds a form by its public name.
    pub(crate) fn find(app: &App, name: &str) -> Option<Self> {
        let (slug, form) = name.split_once('.')?;
        let home = app.registry.by_slug(slug)?;
        home.tenant.config.forms.contains_key(form).then(|| Self {
            form: form.to_owned(),
            name: name.to_owned(),
            home: Arc::clone(&home),
        })
    }

    /// The form. It was there when the door was found, and the configuration of a door never changes.
    pub(crate) fn form(&self) -> &Form {
        let found: Option<&Versioned<Form>> = self.home.tenant.config.forms.get(&self.form);
        #[expect(
            clippy::expect_used,
            reason = "`find` looked, and the Arc holds the same configuration ever since"
        )]
        found.expect("the form was found")
    }

    /// The path of its page.
    pub(crate) fn path(&self) -> String {
        format!("/f/{}", self.name)
    }

    /// Where a browser goes afterwards: a page of ours when the form names a path, else the address it names.
    pub(crate) fn thanks(&self, reference: &str) -> String {
        let target = self.form().thank_you.as_str();
        if target.starts_with('/') {
            return format!("{}/thanks?ref={reference}", self.path());
        }
        if target.contains("{reference}") {
            return target.replace("{reference}", reference);
        }
        let (address, fragment) = target
            .split_once('#')
            .map_or((target, String::new()), |(address, fragment)| {
                (address, format!("#{fragment}"))
            });
        let joint = if address.contains('?') { '&' } else { '?' };
        format!("{address}{joint}ref={reference}{fragment}")
    }

    /// The origin that the redirect afterwards leads to, when it is not ours.
    pub(crate) fn elsewhere(&self) -> Vec<String> {
        let address = self.form().thank_you.replace("{reference}", "");
        let origin = url::Url::parse(&address)
            .ok()
            .map(|url| url.origin())
            .filter(url::Origin::is_tuple);
        origin
            .map(|origin| origin.ascii_serialization())
            .into_iter()
            .collect()
    }

    /// Whether pages of this origin may post by script: those on the form's list, and our own.
    pub(crate) fn allows(&self, app: &App, origin: &str) -> bool {
        let ours = url::Url::parse(&app.settings.public_url)
            .is_ok_and(|url| url.origin().ascii_serialization() == origin);
        ours || self.form().cors.iter().any(|one| one == origin)
    }
}
