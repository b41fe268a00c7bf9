//! Twilio Programmable Messaging (N1). Source: <https://www.twilio.com/docs/messaging/api/message-resource>.

mod codes;
mod hook;
mod log;

use crate::{
    answers::{by_status, probe_failed, reference, unreadable, wrong_kind},
    catalogue::{BASE_URL, CAMPAIGN, ProviderInfo, RATE, SettingInfo, TOLL_FREE},
    channel::{Capabilities, Channel, HookError, Length, Rate, RawHook, Repeat, Reports},
    http::{Answer, Call, Http, retry_after::retry_after},
    report_url::with_reference,
    settings::{Settings, SettingsError, secret_header, under},
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use ringback_core::{
    messages::{ChannelKind, Content, Cost, Finding, HookEvent, Outcome, Outgoing, Reason},
    time::Timestamp,
};
use serde::Deserialize;
use std::time::Duration;
use url::form_urlencoded::byte_serialize;

const NAME: &str = "Twilio";
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest that Twilio keeps a message in its own queue, and its default.
const LONGEST_VALIDITY_S: u64 = 36_000;

pub(crate) const INFO: ProviderInfo = ProviderInfo {
    name: "twilio",
    channel: ChannelKind::Sms,
    label: NAME,
    settings: &[
        SettingInfo::needed(
            "account_sid",
            "Account SID",
            "Starts with AC; on the first page of the Twilio console.",
        ),
        SettingInfo::needed(
            "auth_token",
            "Auth token",
            "Beside the account SID. Webhooks are proven with it, so it is needed even if calls use an API key.",
        )
        .secret(),
        SettingInfo::optional(
            "from",
            "Sender",
            "The number to send from, such as +15005550006, or an alphanumeric sender. Leave it out when you use a messaging service.",
        ),
        SettingInfo::optional(
            "messaging_service_sid",
            "Messaging service SID",
            "Starts with MG; the service picks the sender. Takes precedence over the sender.",
        ),
        SettingInfo::optional(
            "api_sid",
            "API key SID",
            "Starts with SK; calls are then made with this key instead of the auth token.",
        ),
        SettingInfo::optional("api_secret", "API key secret", "Belongs to the API key SID.").secret(),
        SettingInfo::optional(
            "auth_token_secondary",
            "Second auth token",
            "Webhooks signed with this one are accepted too, while you rotate tokens.",
        )
        .secret(),
        SettingInfo::optional(
            "webhook_shared_key",
            "Shared webhook key",
            "The secret of the shared key, when the account signs webhooks with one (HMAC_SHA256).",
        )
        .secret(),
        SettingInfo::optional(
            "answers_opt_out",
            "Twilio answers STOP",
            "Yes (the default) when Twilio confirms STOP and its like itself; no when that is switched off in the account.",
        )
        .one_of(&["yes", "no"]),
        CAMPAIGN,
        TOLL_FREE,
        BASE_URL,
        RATE,
    ],
};

/// A Twilio account with a sender.
pub struct Twilio {
    http: Http,
    messages: Uri,
    balance: Uri,
    headers: HeaderMap,
    /// `From=…&` or `MessagingServiceSid=…&`, encoded.
    sender: String,
    from: Option<String>,
    service: Option<String>,
    tokens: Vec<String>,
    shared_key: Option<String>,
    rate: Option<Rate>,
    answers_opt_out: bool,
}

impl Twilio {
    pub(crate) fn open(settings: &Settings<'_>, http: &Http) -> Result<Self, SettingsError> {
        let account = settings.required("account_sid")?;
        if !account.starts_with("AC") || !account.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(SettingsError::new(
                "account_sid",
                "An account SID starts with AC and has only letters and digits.",
            ));
        }
        let token = settings.required("auth_token")?;
        let (user, password) = match (settings.get("api_sid"), settings.get("api_secret")) {
            (Some(sid), Some(secret)) => (sid, secret),
            (None, None) => (account, token),
            (Some(_), None) => {
                return Err(SettingsError::new(
                    "api_secret",
                    "The API key SID needs its secret.",
                ));
            }
            (None, Some(_)) => {
                return Err(SettingsError::new(
                    "api_sid",
                    "The API key secret needs its SID.",
                ));
            }
        };
        let encoded = |value: &str| byte_serialize(value.as_bytes()).collect::<String>();
        let sender = match (settings.get("messaging_service_sid"), settings.get("from")) {
            (Some(service), _) if service.starts_with("MG") => {
                format!("MessagingServiceSid={}&", encoded(service))
            }
            (Some(_), _) => {
                return Err(SettingsError::new(
                    "messaging_service_sid",
                    "A messaging service SID starts with MG.",
                ));
            }
            (None, Some(from)) => format!("From={}&", encoded(from)),
            (None, None) => {
                return Err(SettingsError::new(
                    "from",
                    "Enter the number to send from, or a messaging service SID.",
                ));
            }
        };
        let base = settings.base("https://api.twilio.com", http)?;
        let account_path = format!("/2010-04-01/Accounts/{account}");
        let mut headers = HeaderMap::new();
        let basic = STANDARD.encode(format!("{user}:{password}"));
        headers.insert(
            header::AUTHORIZATION,
            secret_header("auth_token", &format!("Basic {basic}"))?,
        );
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, crate::user_agent());
        let mut tokens = vec![token.to_owned()];
        tokens.extend(settings.get("auth_token_secondary").map(str::to_owned));
        Ok(Self {
            messages: under(&base, &format!("{account_path}/Messages.json"))?,
            balance: under(&base, &format!("{account_path}/Balance.json"))?,
            http: http.clone(),
            headers,
            sender,
            from: settings.get("from").map(str::to_owned),
            service: settings.get("messaging_service_sid").map(str::to_owned),
            tokens,
            shared_key: settings.get("webhook_shared_key").map(str::to_owned),
            rate: settings.rate()?,
            answers_opt_out: settings.get("answers_opt_out") != Some("no"),
        })
    }

    fn form(&self, message: &Outgoing, text: &str) -> Bytes {
        let mut form = String::with_capacity(256 + text.len() * 2);
        form.push_str(&self.sender);
        form.push_str("To=");
        form.extend(byte_serialize(message.to.as_bytes()));
        form.push_str("&Body=");
        form.extend(byte_serialize(text.as_bytes()));
        if let Some(url) = &message.report_url {
            form.push_str("&StatusCallback=");
            form.extend(byte_serialize(
                with_reference(url, message.message).as_bytes(),
            ));
        }
        if let Some(remaining) = message.remaining {
            let seconds = remaining.as_secs().max(1);
            if seconds < LONGEST_VALIDITY_S {
                form.push_str("&ValidityPeriod=");
                form.push_str(&seconds.to_string());
            }
        }
        Bytes::from(form)
    }
}

#[derive(Deserialize)]
struct Created {
    sid: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    error_code: Option<u32>,
    #[serde(default)]
    price: Option<String>,
    #[serde(default)]
    price_unit: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    code: u32,
}

#[derive(Deserialize)]
struct Balance {
    balance: String,
    currency: String,
}

/// Twilio's price: a negative decimal as a string, and its unit.
pub(super) fn cost(price: Option<&str>, unit: Option<&str>) -> Option<Cost> {
    let text = price?.trim().trim_start_matches('-');
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part = format!("{:0<6}", part.get(..6).unwrap_or(part));
    let micros = whole.parse::<i64>().ok()?.checked_mul(1_000_000)? + part.parse::<i64>().ok()?;
    Some(Cost {
        micros,
        currency: unit.unwrap_or("USD").to_ascii_uppercase(),
    })
}

fn outcome(answer: &Answer, now: Timestamp) -> Outcome {
    if answer.status.is_success() {
        let Ok(created) = serde_json::from_slice::<Created>(&answer.body) else {
            return unreadable(NAME);
        };
        if matches!(created.status.as_deref(), Some("failed" | "undelivered"))
            && let Some(code) = created.error_code
        {
            return codes::outcome(code, None);
        }
        let cost = cost(created.price.as_deref(), created.price_unit.as_deref());
        return match reference(created.sid) {
            Some(reference) => Outcome::Accepted { reference, cost },
            None => unreadable(NAME),
        };
    }
    // From 500 on their code only repeats the status; below, a code we know says more than the status.
    if answer.status.is_client_error()
        && let Ok(refused) = serde_json::from_slice::<Refused>(&answer.body)
        && (codes::known(refused.code) || matches!(answer.status.as_u16(), 400 | 422))
    {
        return codes::outcome(refused.code, retry_after(&answer.headers, now));
    }
    by_status(NAME, answer, now)
}

#[async_trait]
impl Channel for Twilio {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kind: ChannelKind::Sms,
            length: Some(Length::Characters(1600)),
            rate: self.rate,
            repeat: Repeat::ByLog,
            reports: Reports {
                delivery: true,
                failure: true,
                engagement: false,
                replies: true,
            },
            answers_opt_out: self.answers_opt_out,
        }
    }

    async fn send(&self, message: &Outgoing) -> Outcome {
        let Content::Text { body } = &message.content else {
            return wrong_kind(NAME);
        };
        let call = Call {
            method: Method::POST,
            uri: self.messages.clone(),
            headers: self.headers.clone(),
            body: self.form(message, body),
            deadline: DEADLINE,
            ends: message.ends,
        };
        match self.http.call(call).await {
            Ok(answer) => outcome(&answer, message.at),
            Err(broke) => broke.outcome(),
        }
    }

    async fn look_up(&self, message: &Outgoing, since: Timestamp) -> Finding {
        self.search(message, since).await
    }

    fn read(&self, hook: &RawHook, now: Timestamp) -> Result<Vec<HookEvent>, HookError> {
        hook::read(&self.tokens, self.shared_key.as_deref(), hook, now)
    }

    async fn probe(&self) -> Result<String, Reason> {
        let mut headers = self.headers.clone();
        headers.remove(header::CONTENT_TYPE);
        let call = Call {
            method: Method::GET,
            uri: self.balance.clone(),
            headers,
            body: Bytes::new(),
            deadline: DEADLINE,
            ends: None,
        };
        let answer = self
            .http
            .call(call)
            .await
            .map_err(crate::http::Broke::reason)?;
        if answer.status != StatusCode::OK {
            return Err(probe_failed(NAME, &answer));
        }
        Ok(match serde_json::from_slice::<Balance>(&answer.body) {
            Ok(found) => format!(
                "Twilio knows this account; its balance is {} {}.",
                crate::answers::short(&found.balance, 20),
                crate::answers::short(&found.currency, 3)
            ),
            Err(_) => "Twilio knows this account.".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M11: the price comes as a negative decimal.
    #[test]
    fn prices_are_read_exactly() {
        let micros = |text| cost(Some(text), Some("usd")).map(|cost| cost.micros);
        for (text, expected) in [
            ("-0.00750", Some(7_500)),
            ("-0.0079", Some(7_900)),
            ("0", Some(0)),
            ("12.3456789", Some(12_345_678)),
            ("", None),
            ("-", None),
            ("1e3", None),
            ("0.00é750", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(cost(Some("1"), Some("eur")).unwrap().currency, "EUR");
        assert_eq!(cost(None, None), None);
    }
}
