//! Administrative actions: one commit with its line in the audit log (X6), repeatable by Idempotency-Key (X7), in force at once.

use super::once::{other_body, respond};
use super::{ApiError, ApiResult, Caller, Peer, once};
use crate::app::App;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::ids::{ConnectionId, TenantId};
use ringback_core::turn::Once;
use ringback_store::Writer;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who does what to a tenant, for the audit log.
#[derive(Debug)]
pub(crate) struct Act {
    tenant: TenantId,
    actor: String,
    address: String,
    action: &'static str,
    details: Value,
    once: Option<Once>,
}

impl Act {
    /// An action by the caller of a route.
    pub(crate) fn new(caller: &Caller, peer: Peer, action: &'static str, details: Value) -> Self {
        Self {
            tenant: caller.home.row.id,
            actor: caller.actor(),
            address: peer.0.to_string(),
            action,
            details,
            once: None,
        }
    }

    /// With the caller's Idempotency-Key, if it sent one.
    pub(crate) fn once(
        mut self,
        headers: &HeaderMap,
        route: &str,
        body: &[u8],
    ) -> Result<Self, ApiError> {
        self.once = once(headers, route, body)?;
        Ok(self)
    }
}

/// What an action came to: the answer, and whether it holds something that is shown once.
#[derive(Debug)]
pub(crate) struct Deed {
    status: StatusCode,
    body: String,
    secret: bool,
}

impl Deed {
    /// Something was made: 201.
    pub(crate) fn made(body: &impl Serialize) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::done(body)
        }
    }

    /// Something was changed: 200.
    pub(crate) fn done(body: &impl Serialize) -> Self {
        Self {
            status: StatusCode::OK,
            body: serde_json::to_string(body).unwrap_or_else(|_| "{}".into()),
            secret: false,
        }
    }

    /// Something is gone: 204.
    pub(crate) const fn gone() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: String::new(),
            secret: false,
        }
    }

    /// The answer holds a secret: kept sealed for a repeated call, never in the clear.
    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

const SEALED: &str = "sealed:";

impl App {
    /// Does an administrative action in one commit with its audit entry, then reads the houses anew.
    pub(crate) async fn administer(
        &self,
        act: Act,
        work: impl FnOnce(&Writer) -> Result<Deed, ApiError> + Send + 'static,
    ) -> ApiResult<Response> {
        let app = self.clone();
        let done = self
            .inbox
            .job(move |writer| app.administer_now(writer, &act, work))
            .await?;
        let (status, body, repeated) = done?;
        Ok(respond(status, body, repeated))
    }

    fn administer_now(
        &self,
        writer: &mut Writer,
        act: &Act,
        work: impl FnOnce(&Writer) -> Result<Deed, ApiError>,
    ) -> Result<(u16, String, bool), ApiError> {
        let now = self.now();
        if let Some(once) = &act.once
            && let Some(before) = writer.answered(act.tenant, once, now)?
        {
            if before.hash != once.hash {
                return Err(other_body());
            }
            return Ok((before.status, self.unsealed(act.tenant, before.body)?, true));
        }
        writer.begin()?;
        let deed = work(writer).and_then(|deed| {
            writer.write_audit(
                act.tenant,
                &act.actor,
                Some(&act.address),
                act.action,
                &act.details,
                now,
            )?;
            if let Some(once) = &act.once {
                let kept = if deed.secret {
                    self.sealed(act.tenant, &deed.body)
                } else {
                    deed.body.clone()
                };
                writer.remember(act.tenant, once, deed.status.as_u16(), &kept, now)?;
            }
            writer.commit()?;
            Ok(deed)
        });
        match deed {
            Ok(deed) => {
                self.registry.reload(writer)?;
                if let Some(others) = &self.neighbours {
                    others.tell(crate::loops::HOUSE);
                }
                self.live.ask_again();
                Ok((deed.status.as_u16(), deed.body, false))
            }
            Err(error) => {
                writer.roll_back();
                Err(error)
            }
        }
    }

    fn sealed(&self, tenant: TenantId, body: &str) -> String {
        let map = BTreeMap::from([("body".to_owned(), body.to_owned())]);
        format!(
            "{SEALED}{}",
            URL_SAFE_NO_PAD.encode(self.registry.master().seal(
                tenant,
                ConnectionId::from_raw(0),
                &map
            ))
        )
    }

    fn unsealed(&self, tenant: TenantId, kept: String) -> Result<String, ApiError> {
        let Some(sealed) = kept.strip_prefix(SEALED) else {
            return Ok(kept);
        };
        let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(ApiError::internal)?;
        let mut map = self
            .registry
            .master()
            .open(tenant, ConnectionId::from_raw(0), &bytes)
            .map_err(ApiError::internal)?;
        map.remove("body")
            .ok_or_else(|| ApiError::internal("a sealed answer without a body"))
    }
}
