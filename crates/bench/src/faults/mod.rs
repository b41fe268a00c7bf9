//! `faults`: providers that do everything wrong that a provider can do wrong, while the server is killed; then three records side by side,
//! and the number of copies that people got (P3, P4, reliability 4.4).

mod kinds;
mod provider;

use crate::{
    crash::{clients::Manners, kill_at, records::open_messages},
    dice::Dice,
    fault::Tried,
    figures::round,
    rig::{Rig, Size},
};
use clap::{Args, ValueEnum};
use kinds::{Callback, Kind};
use provider::{Provider, TOKEN};
use ringback_core::messages::ChannelKind;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Who carries the mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mail {
    Resend,
    Ses,
    Sendgrid,
    Smtp,
}

/// Who carries the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Texts {
    /// Its log can be asked, and its reports come back.
    Twilio,
    /// Any provider by HTTP, with the settings for Telnyx: it drops twins by a key.
    HttpSms,
}

/// How large the campaign is.
#[derive(Debug, Args)]
pub struct FaultsArgs {
    #[command(flatten)]
    size: Size,
    /// One call in so many meets a fault.
    #[arg(long, default_value_t = 8)]
    one_in: u64,
    /// A message meets at most so many faults; each may cost it minutes.
    #[arg(long, default_value_t = 2)]
    most_each: u32,
    /// How often the server is killed meanwhile.
    #[arg(long, default_value_t = 3)]
    kills: u64,
    /// Leads a second, so that kills and rests of accounts fall among them.
    #[arg(long, default_value_t = 100)]
    pace: u32,
    /// How long to wait, once all leads are in, until most messages are through.
    #[arg(long, default_value_t = 60)]
    patience_seconds: u64,
    /// Who carries the mails.
    #[arg(long, value_enum, default_value = "resend")]
    mail: Mail,
    /// Who carries the texts.
    #[arg(long, value_enum, default_value = "twilio")]
    texts: Texts,
}

/// Runs the campaign. True when every promise held.
pub async fn run(args: &FaultsArgs) -> Tried<(Value, bool)> {
    let mut rig = Rig::new("faults", &args.size)?;
    let provider = Provider::start(
        rig.sink.clone(),
        args.size.seed,
        args.one_in,
        args.most_each,
    )?;
    rig.subject.start()?;
    connect(&rig, &provider, args.mail, args.texts).await?;
    let clients = Arc::new(rig.clients().with(Manners {
        pace: Some(args.pace),
        ..Manners::default()
    }));
    let mut dice = Dice::new(args.size.seed, 61);
    let mut instants: Vec<u64> = (0..args.kills)
        .map(|_| 1 + dice.below(args.size.leads))
        .collect();
    instants.sort_unstable();
    let seed = args.size.seed;
    let kills = rig
        .storm(&clients, move |subject, clients| {
            kill_at(subject, clients, &instants, seed)
        })
        .await?;
    // What is tried again meets faults too, until most is through; then all comes to rest.
    let database = rig.subject.records()?;
    let begun = Instant::now();
    while open_messages(&database)?.waiting as u64 > args.size.leads / 20
        && begun.elapsed() < Duration::from_secs(args.patience_seconds)
    {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    provider.behave();
    let ended = rig.end(&clients, &[]).await?;
    let did = provider.did();
    let doubled: HashMap<ChannelKind, usize> = ChannelKind::ALL
        .iter()
        .map(|channel| {
            let twice = ended
                .saw
                .iter()
                .filter(|((_, on), n)| on == channel && **n > 1);
            (*channel, twice.count())
        })
        .collect();
    let texts = doubled.get(&ChannelKind::Sms).copied().unwrap_or(0);
    let mails = doubled.get(&ChannelKind::Email).copied().unwrap_or(0);
    let faulted: u64 = did.faults.values().sum();
    // Texts can be looked up, keys drop twins and SendGrid reports what it took, so hardly anything is left to chance there; a mail server
    // tells nothing afterwards.
    let can_tell = match args.mail {
        Mail::Resend | Mail::Sendgrid => texts + mails,
        Mail::Ses | Mail::Smtp => texts,
    };
    let few = can_tell as u64 * 200 <= faulted;
    let keyed =
        (args.mail != Mail::Resend || mails == 0) && (args.texts != Texts::HttpSms || texts == 0);
    let every =
        args.size.leads < 2_000 || did.faults.len() == Kind::ALL.len() || args.mail != Mail::Resend;
    let honest = did.forged_believed == 0 && did.refused == 0;
    let held = ended.verdict.held() && few && keyed && every && honest;
    let mut line = ended.line;
    line["held"] = held.into();
    line["faults"] = json!({
        "mail": format!("{:?}", args.mail).to_lowercase(), "texts": format!("{:?}", args.texts).to_lowercase(), "one_in": args.one_in, "kills": kills.len(),
        "faulted_sends": faulted, "taken_all_the_same": did.taken, "messages_that_met_one": did.faulted.len(),
        "texts_doubled_and_listed": texts, "mails_doubled_and_listed": mails,
        "share_doubled": round((texts + mails) as f64 / faulted.max(1) as f64, 4),
        "forged_reports_believed": did.forged_believed, "true_reports_refused": did.refused,
        "by_kind": by_word(did.faults.iter().map(|(kind, n)| (kind.word(), *n))),
        "reports": by_word(did.callbacks.iter().map(|(kind, n)| (callback(*kind), *n))),
    });
    Ok((line, held))
}

fn callback(kind: Callback) -> String {
    format!("{kind:?}")
}

fn by_word(counts: impl Iterator<Item = (String, u64)>) -> Value {
    Value::Object(counts.map(|(word, n)| (word, json!(n))).collect())
}

async fn connect(rig: &Rig, provider: &Provider, mail: Mail, texts: Texts) -> Tried<()> {
    let url = provider.url();
    let texts = match texts {
        Texts::Twilio => {
            json!({"channel": "sms", "provider": "twilio", "name": "bench texts", "settings": {
            "account_sid": "AC00000000000000000000000000000001", "auth_token": TOKEN, "from": "+12125550100", "campaign": "CM0000", "base_url": url}})
        }
        Texts::HttpSms => {
            json!({"channel": "sms", "provider": "http_sms", "name": "bench texts", "settings": {
            "url": format!("{url}/v2/messages"), "headers": r#"{"Authorization": "Bearer {{secret}}"}"#,
            "body": r#"{"to": "{{to}}", "from": "{{from}}", "text": "{{text}}", "webhook_url": "{{report_url}}"}"#,
            "from": "+12125550100", "secret": TOKEN, "campaign": "CM0000", "id_pointer": "/data/id", "code_pointer": "/errors/0/code",
            "idempotency_header": "Idempotency-Key"}})
        }
    };
    let from = "Bench <bench@example.com>";
    let settings = match mail {
        Mail::Resend => {
            json!({"provider": "resend", "settings": {"api_key": "re_0123456789", "from": from, "base_url": url}})
        }
        Mail::Ses => json!({"provider": "ses", "settings": {
            "region": "us-east-1", "access_key_id": "AKIAEXAMPLE", "secret_access_key": "example", "from": from, "base_url": url}}),
        Mail::Sendgrid => {
            json!({"provider": "sendgrid", "settings": {
            "api_key": "SG.0123456789", "from": from, "base_url": url, "verification_key": provider.verification_key()}})
        }
        Mail::Smtp => json!({"provider": "smtp", "settings": {
            "host": "127.0.0.1", "port": provider.smtp_port().to_string(), "tls": "none", "from": from}}),
    };
    let mut mails = json!({"channel": "email", "name": "bench mail"});
    mails["provider"] = settings["provider"].clone();
    mails["settings"] = settings["settings"].clone();
    for body in [texts, mails] {
        let made = rig
            .subject
            .post(&rig.tenant.api_key, "/v1/connections", &body)
            .await?;
        if made["channel"] == "email" {
            provider.report_to(made["webhook_url"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}
