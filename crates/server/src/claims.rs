//! An answer to an alert that takes a lead: whose number it is, and which lead was meant (D1, W7).

use crate::app::App;
use crate::http::ApiError;
use crate::registry::Home;
use ringback_core::ids::{ConnectionId, LeadId};
use ringback_core::leads::Lead;
use ringback_core::messages::{ChannelKind, Inbound};
use ringback_core::turn::{Intake, is_claim};
use ringback_store::LeadFilter;

/// Ringing leads among which the one that was meant is looked for.
const MOST_RINGING: u32 = 500;
/// Newest leads among them, when none of theirs rings any more.
const MOST_NEWEST: u32 = 100;

/// What an inbound message is to the turn: the claim of somebody on the staff who was alerted, or what a person wrote.
pub(crate) async fn order(
    app: &App,
    home: &Home,
    inbound: Inbound,
    connection: Option<ConnectionId>,
) -> Result<Intake, ApiError> {
    let staff = home
        .tenant
        .staff
        .iter()
        .find(|one| one.phone.as_deref() == Some(&*inbound.from));
    let said = inbound.channel == ChannelKind::Sms && is_claim(&inbound.body);
    if let (Some(staff), true) = (staff, said)
        && let Some(lead) = meant(app, home, &staff.name).await?
    {
        return Ok(Intake::Claim {
            lead,
            staff: staff.name.clone(),
            inbound: Box::new(inbound),
            connection,
        });
    }
    Ok(Intake::Inbound {
        inbound: Box::new(inbound),
        connection,
    })
}

/// The lead that somebody was alerted about last: one that rings, else the one that was taken last.
async fn meant(app: &App, home: &Home, staff: &str) -> Result<Option<LeadId>, ApiError> {
    let (tenant, staff) = (home.row.id, staff.to_owned());
    app.ask(move |store| {
        let theirs = |lead: &Lead| lead.alerted.contains(&staff);
        let ringing = store.ringing(tenant, MOST_RINGING)?;
        let last = ringing.iter().filter(|lead| theirs(lead));
        if let Some(lead) = last.max_by_key(|lead| lead.ringing_since) {
            return Ok(Some(lead.id));
        }
        let newest = store.leads(tenant, &LeadFilter::default(), None, MOST_NEWEST)?;
        let taken = newest.iter().filter(|lead| theirs(lead));
        Ok(taken
            .max_by_key(|lead| lead.answered_at)
            .map(|lead| lead.id))
    })
    .await
}
