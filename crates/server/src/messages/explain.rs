//! Why a message stands where it stands, in a sentence, and what would have to change (M10).

use super::views::GateBody;
use ringback_core::messages::{Message, Status};

/// Where it stands, as a sentence with its reason.
pub(super) fn explanation(message: &Message) -> String {
    let because = message
        .why
        .as_ref()
        .map(|why| why.detail.trim_end_matches('.').to_owned());
    let with = |plain: &str| match &because {
        Some(because) => format!("{plain}: {because}."),
        None => format!("{plain}."),
    };
    match message.status {
        Status::Scheduled => format!("Waits until {}, as it was asked for.", message.due_at),
        Status::Queued => with("Waits for its turn"),
        Status::Deferred => with(&format!("Held until {}", message.due_at)),
        Status::Sending => "The provider is being called.".into(),
        Status::Accepted if message.sandbox => "The sandbox took it; nobody was reached.".into(),
        Status::Delivered if message.sandbox => {
            "The sandbox took it as delivered; nobody was reached.".into()
        }
        Status::Accepted => "The provider took it; it has not said yet whether it arrived.".into(),
        Status::Delivered => "It arrived.".into(),
        Status::Failed => with("Failed"),
        Status::Bounced => with("The address is at fault"),
        Status::Blocked => with("Blocked"),
        Status::Cancelled => with("Taken back"),
        Status::Expired => with("Its time ran out before it could go"),
        Status::Unknown => with("May or may not have arrived"),
    }
}

/// What would have to change for it to go. Nothing, when it went or will go.
pub(super) fn to_change(message: &Message, gates: &[GateBody]) -> Option<String> {
    if matches!(
        message.status,
        Status::Accepted | Status::Delivered | Status::Sending | Status::Queued | Status::Scheduled
    ) {
        return None;
    }
    let code = message
        .why
        .as_ref()
        .map(|why| why.code.as_str())
        .unwrap_or_default();
    let held = gates
        .iter()
        .rev()
        .find(|gate| gate.says == "block" || gate.says == "defer")
        .map(|gate| gate.gate.as_str());
    let retry = "then POST /v1/messages/{id}/retry.";
    Some(match (message.status, code, held) {
        (Status::Deferred, _, Some("quiet_hours")) => "Nothing: it goes by itself when quiet hours end.".into(),
        (Status::Deferred, _, Some("caps")) => "Nothing: it goes by itself when the limit has room again.".into(),
        (Status::Deferred, _, Some("budget")) => "Raise the budget in tenant.yaml; else it goes by itself when the budget begins anew.".into(),
        (Status::Deferred, code, Some("connection")) if code.starts_with("limit") => "Nothing: it goes by itself when the connection has room again. A second connection for the channel takes what the first cannot.".into(),
        (Status::Deferred, _, Some("connection")) => "Switch a connection of this channel on.".into(),
        (Status::Deferred, _, Some("kill_switch" | "killed")) => "Switch sending on again with PATCH /v1/tenant.".into(),
        (Status::Deferred, ..) => "Nothing: it is tried again by itself.".into(),
        (_, "no_contact", _) => format!("Add the missing phone number or email address, {}", "then send a new message."),
        (_, "no_template", _) => "Write the template for this channel with PUT /v1/templates/{name}.".into(),
        (_, "suppressed", _) => "Only the person can undo an opt-out, with START. An entry that a person of yours made can be taken off with DELETE /v1/suppressions/{address}.".into(),
        (_, "no_consent" | "consent_revoked", _) => "The person's consent, written down with POST /v1/consents; then send again.".into(),
        (_, "number_type", _) => "A number that can take texts.".into(),
        (_, "unregistered", _) => format!("A registered sender: set `campaign` or `toll_free_verified` of the connection with PATCH /v1/connections/{{id}}, {retry}"),
        (_, "unconfirmed", _) => "The person's own yes: by answering the question that went to the number, or by its link.".into(),
        (_, "do_not_call", _) => "The person's written permission (POST /v1/consents), or a newer list (POST /v1/do-not-call/import); then send again.".into(),
        (_, "no_common_hour", _) => "A confirmed time zone of the person (PATCH /v1/leads/{id} with time_zone), so that an hour can be found that is allowed.".into(),
        (_, "template", _) => format!("Mend the template, {retry}"),
        (_, "no_connection", _) => format!("Add a connection for this channel, {retry}"),
        (Status::Expired, ..) => format!("It waited longer than it mattered. If it still does, {}", retry.trim_start_matches("then ")),
        (_, "quarantined", _) => format!("Look at its words and its connection: the server died while it was being sent. If they are fine, {}", retry.trim_start_matches("then ")),
        (Status::Cancelled, "lead_deleted", _) => "The lead was deleted; nothing brings it back.".into(),
        (Status::Cancelled, "digest", _) => "Nothing: the digest speaks for it.".into(),
        (Status::Cancelled, ..) => "POST /v1/messages/{id}/retry puts it back.".into(),
        (Status::Unknown, ..) if message.deadline.is_some() => "Nothing: it is found out by itself, or decided by its category.".into(),
        (Status::Unknown, ..) => "A report of the provider settles it. A retry may reach the person twice.".into(),
        (Status::Bounced, ..) => "A working address of the person.".into(),
        (Status::Blocked, ..) => format!("What the gate says, {retry}"),
        _ => format!("Mend what the provider says, {retry}"),
    })
}
