//! A form of several steps keeps what was filled in so far (L2): a draft that only its own page opens, by a secret of which we keep
//! the hash.

use super::Door;
use super::posted::Posted;
use crate::app::App;
use crate::http::ApiError;
use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::config::Field;
use ringback_core::ids::LeadId;
use ringback_store::DraftRow;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The hidden field with the draft's number.
pub(super) const ID: &str = "_draft";
/// The hidden field with its secret.
pub(super) const SECRET: &str = "_key";

/// A draft, open.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) id: i64,
    pub(super) secret: String,
    row: Option<DraftRow>,
}

impl Draft {
    /// A fresh one; kept with the first step.
    pub(super) fn fresh(app: &App) -> Self {
        Self {
            id: app.new_id(),
            secret: URL_SAFE_NO_PAD.encode(crate::clock::random_bytes::<18>()),
            row: None,
        }
    }

    /// The draft that a page names, when it knows the secret.
    pub(super) async fn open(
        app: &App,
        door: &Door,
        posted: &Posted,
    ) -> Result<Option<Self>, ApiError> {
        let (Some(id), Some(secret)) = (
            posted.get(ID).and_then(|id| id.parse::<i64>().ok()),
            posted.get(SECRET).map(str::to_owned),
        ) else {
            return Ok(None);
        };
        let tenant = door.home.row.id;
        let row = app.ask(move |store| store.draft(tenant, id)).await?;
        let hash = Sha256::digest(secret.as_bytes());
        let row = row.filter(|row| {
            row.form == door.form().name
                && constant_time::verify_slices_are_equal(&hash, &row.hash).is_ok()
        });
        Ok(row.map(|row| Self {
            id,
            secret,
            row: Some(row),
        }))
    }

    /// The lead that it became, when it was sent already.
    pub(super) fn lead(&self) -> Option<LeadId> {
        self.row.as_ref().and_then(|row| row.lead)
    }

    /// Puts the other steps' answers beside those of the step that was just sent; that one's own are what it says now, so that a box
    /// can be unticked.
    pub(super) fn lay_beside(&self, posted: &mut Posted, step: &[&Field]) {
        let Some(Value::Object(known)) = self.row.as_ref().map(|row| &row.data) else {
            return;
        };
        for (name, value) in known {
            if let Value::String(value) = value
                && step.iter().all(|field| field.name != *name)
            {
                posted.values.insert(name.clone(), value.clone());
            }
        }
    }

    /// Keeps the answers. `step` is the step that is shown next, `lead` what it became.
    pub(super) async fn keep(
        &mut self,
        app: &App,
        door: &Door,
        posted: &Posted,
        step: usize,
        lead: Option<LeadId>,
    ) -> Result<(), ApiError> {
        // The trap is kept too: who fell into it at the first step is still a robot at the last.
        let names = door
            .form()
            .fields
            .iter()
            .map(|field| &field.name)
            .chain([&door.form().anti_spam.honeypot]);
        let data: Map<String, Value> = names
            .filter_map(|name| Some((name.clone(), Value::from(posted.get(name)?))))
            .collect();
        let row = DraftRow {
            form: door.form().name.clone(),
            hash: Sha256::digest(self.secret.as_bytes()).to_vec(),
            data: Value::Object(data),
            step: u32::try_from(step).unwrap_or(u32::MAX),
            at: app.now(),
            lead,
        };
        let (id, tenant, new, written) =
            (self.id, door.home.row.id, self.row.is_none(), row.clone());
        app.write(move |writer| {
            if new {
                writer.insert_draft(id, tenant, &written)
            } else {
                writer.update_draft(id, tenant, &written)
            }
        })
        .await?;
        self.row = Some(row);
        Ok(())
    }
}
