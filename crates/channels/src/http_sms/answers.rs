//! What the provider's answer to a call means, as the settings describe it.

use super::{
    NAME,
    rules::{Pointer, Refusals, Statuses},
    settings::{pointer, read},
};
use crate::{
    answers::{by_status, reference, short, unreadable},
    http::{Answer, retry_after::retry_after},
    settings::{Settings, SettingsError},
};
use ringback_core::messages::{Outcome, Outgoing, ProviderRef};
use serde_json::Value;

/// How a yes and a no are told, and what each no means.
pub(super) struct Answers {
    success: Statuses,
    success_pointer: Option<Pointer>,
    id: Option<Pointer>,
    code: Option<Pointer>,
    pub refusals: Refusals,
}

impl Answers {
    pub fn open(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        Ok(Self {
            success: read(settings, "success", Statuses::parse)?.unwrap_or_default(),
            success_pointer: read(settings, "success_pointer", |text| {
                Pointer::parse(text, true)
            })?,
            id: pointer(settings, "id_pointer")?,
            code: pointer(settings, "code_pointer")?,
            refusals: read(settings, "refusals", Refusals::parse)?.unwrap_or_default(),
        })
    }

    pub fn outcome(&self, answer: &Answer, message: &Outgoing) -> Outcome {
        let document: Option<Value> = (!answer.cut)
            .then(|| serde_json::from_slice(&answer.body).ok())
            .flatten();
        let at = |pointer: &Pointer| pointer.text(document.as_ref()?);
        let confirmed = self
            .success_pointer
            .as_ref()
            .is_none_or(|pointer| document.as_ref().is_some_and(|found| pointer.holds(found)));
        if self.success.has(answer.status) && confirmed {
            let named = match &self.id {
                None => Some(ProviderRef(message.message.to_string())),
                Some(pointer) => at(pointer).and_then(reference),
            };
            return match named {
                Some(reference) => Outcome::Accepted {
                    reference,
                    cost: None,
                },
                None => unreadable(NAME),
            };
        }
        let code = self.code.as_ref().and_then(at).map(|code| short(&code, 40));
        match self.refusals.find(code.as_deref(), answer.status) {
            Some((class, code)) => class.outcome(code, retry_after(&answer.headers, message.at)),
            None => by_status(NAME, answer, message.at),
        }
    }
}
