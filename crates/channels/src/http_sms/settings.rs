//! What the settings are called and how they are read one by one.

use super::rules::Pointer;
use crate::{
    catalogue::{CAMPAIGN, ProviderInfo, RATE, SettingInfo, TOLL_FREE},
    settings::{Settings, SettingsError},
};
use http::HeaderName;
use ringback_core::messages::ChannelKind;

/// Headers that the client writes itself.
const RESERVED: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
];

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "http_sms",
    channel: ChannelKind::Sms,
    label: "Other SMS provider",
    settings: &[
        SettingInfo::needed(
            "url",
            "Address",
            "Where a text is posted to, starting with https://. Ready settings for Vonage, Telnyx and Plivo are in docs/sms-providers.md. Placeholders such as {{user}} may stand behind the host.",
        ),
        SettingInfo::optional("method", "Method", "POST is the default.").one_of(&["POST", "PUT", "GET"]),
        SettingInfo::optional(
            "headers",
            "Headers",
            "A JSON object, such as {\"Authorization\": \"Bearer {{secret}}\"} or {\"Authorization\": \"Basic {{basic}}\"}; basic is user and secret.",
        ),
        SettingInfo::optional("format", "Body format", "What the body is: json (the default) or form.")
            .one_of(&["json", "form"]),
        SettingInfo::optional(
            "body",
            "Body",
            "Such as {\"to\": \"{{to}}\", \"from\": \"{{from}}\", \"text\": \"{{text}}\"}, or to={{to}}&text={{text}} for a form. Also: to_digits, message_id, attempt_id, report_url, user, secret, second_secret. Values are escaped.",
        ),
        SettingInfo::optional("from", "Sender", "What {{from}} stands for: a number such as +15005550006, or a name."),
        SettingInfo::optional("user", "User", "What {{user}} stands for: the account or user name."),
        SettingInfo::optional("secret", "Secret", "What {{secret}} stands for: the password or API key. Kept encrypted.").secret(),
        SettingInfo::optional("second_secret", "Second secret", "What {{second_secret}} stands for. Kept encrypted.").secret(),
        SettingInfo::optional("success", "Success statuses", "Statuses of an answer that says yes: 200-299 is the default."),
        SettingInfo::optional(
            "success_pointer",
            "Success pointer",
            "A JSON pointer that a yes must have, such as /message_id, or with a value: /messages/0/status=0.",
        ),
        SettingInfo::optional(
            "id_pointer",
            "Pointer to the id",
            "Where the answer names the message, such as /data/id. A yes without it counts as unknown.",
        ),
        SettingInfo::optional("code_pointer", "Pointer to the error code", "Where a refusal has its code, such as /errors/0/code."),
        SettingInfo::optional(
            "refusals",
            "Refusals",
            "What codes and statuses mean, such as 40300=opted_out, 40001=invalid, http_402=config, *=permanent. The words are retry, permanent, config, invalid, opted_out, blocked; * is any other code. Write retry only for what certainly sent nothing.",
        ),
        SettingInfo::optional(
            "idempotency_header",
            "Idempotency header",
            "The header in which the provider takes a key by which it drops twins, such as Idempotency-Key. Leave it out unless the provider promises that.",
        ),
        SettingInfo::optional(
            "report_status",
            "Pointer to the status",
            "Where a delivery report has its status, such as /data/status; for a form /FieldName.",
        ),
        SettingInfo::optional(
            "report_statuses",
            "Status words",
            "What they mean, such as queued=accepted, sent=sent, delivered=delivered, undelivered=failed. The words are accepted, sent, delivered, read, failed, expired, cancelled, invalid, opted_out, blocked, nothing.",
        ),
        SettingInfo::optional(
            "report_message",
            "Pointer to our id",
            "Where a report gives {{message_id}} back. Not needed when {{report_url}} is sent along, which carries it.",
        ),
        SettingInfo::optional("report_id", "Pointer to the provider's id", "Where a report names the message as the provider does."),
        SettingInfo::optional(
            "report_code",
            "Pointer to the failure's code",
            "Where a report has the code of a failure; the table of refusals says what it means.",
        ),
        SettingInfo::optional(
            "reply_text",
            "Pointer to a reply's text",
            "Where a text that a person sends stands, so that STOP is heard. Point the number at the provider to this connection's webhook address.",
        ),
        SettingInfo::optional("reply_from", "Pointer to a reply's sender", "Where the number of the person stands."),
        SettingInfo::optional("reply_to", "Pointer to a reply's recipient", "Where our number stands."),
        SettingInfo::optional("reply_id", "Pointer to a reply's id", "Where the reply's own id stands, so that a repeated one counts once."),
        SettingInfo::optional(
            "reply_when",
            "What makes a reply",
            "A pointer with a value that only replies have, such as /data/event_type=message.received. Without it, a post without a status is a reply.",
        ),
        SettingInfo::optional(
            "proof",
            "Proof of reports",
            "How a post to us is proven beyond the secret address: path (the default) not at all, header by a shared secret, hmac_sha256_hex or hmac_sha256_base64 by a signature over the body.",
        )
        .one_of(&["path", "header", "hmac_sha256_hex", "hmac_sha256_base64"]),
        SettingInfo::optional("proof_header", "Header of the proof", "The header that carries the shared secret or the signature."),
        SettingInfo::optional("proof_secret", "Secret of the proof", "The shared secret, or what signatures are made with.").secret(),
        SettingInfo::optional(
            "proof_secret_secondary",
            "Second secret of the proof",
            "Accepted too, while you rotate secrets.",
        )
        .secret(),
        SettingInfo::optional(
            "proof_timestamp_header",
            "Header of the timestamp",
            "A header with Unix seconds. When given, the signature is over timestamp, dot and body, and reports older than 5 minutes are refused.",
        ),
        SettingInfo::optional(
            "answers_opt_out",
            "The provider answers STOP",
            "Yes when the provider confirms STOP and its like itself; no is the default.",
        )
        .one_of(&["no", "yes"]),
        SettingInfo::optional(
            "probe_url",
            "Address for tests",
            "An address that answers 200 to GET with the same headers and sends nothing, such as the account's balance.",
        ),
        CAMPAIGN,
        TOLL_FREE,
        RATE,
    ],
};

/// Reads a setting if it is there; its advice becomes the error of that setting.
pub(super) fn read<T>(
    settings: &Settings<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, SettingsError> {
    settings
        .get(name)
        .map(parse)
        .transpose()
        .map_err(|advice| SettingsError::new(name, advice))
}

pub(super) fn pointer(
    settings: &Settings<'_>,
    name: &str,
) -> Result<Option<Pointer>, SettingsError> {
    read(settings, name, |text| Pointer::parse(text, false))
}

pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .ok()
        .filter(|name| !RESERVED.contains(&name.as_str()))
        .ok_or_else(|| {
            "This cannot be the name of a header here; write one such as X-Signature.".to_owned()
        })
}
