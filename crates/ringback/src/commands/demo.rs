//! `ringback demo`: everything in one, without any account: a tenant, sandbox channels, and a sample day that trickles in.

use super::serve::{Running, runtime};
use super::{Done, Failed, failed};
use crate::config::Config;
use clap::Args;
use ringback_core::ids::IdMaker;
use ringback_core::time::Clock as _;
use ringback_server::WallClock;
use ringback_server::onboarding::{MovedIn, NewTenant, add_key, add_user, move_in};
use ringback_server::presets::Preset;
use ringback_server::sign_in::make_link;
use ringback_store::{House as _, KeyKind};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Everything in one.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The business to show.
    #[arg(long, default_value = "plumbing")]
    preset: String,
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where it keeps everything; a folder of its own for each preset when it is left out, so that a second start finds the first.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Seconds of the sample day in one second.
    #[arg(long, default_value = "1")]
    speed: f64,
    /// No sample leads.
    #[arg(long)]
    quiet: bool,
}

/// What the demo works with.
struct Stage {
    slug: String,
    api_key: String,
    write_key: String,
    link: String,
}

impl Demo {
    pub(crate) fn run(self) -> Done {
        crate::logs::start();
        let preset = ringback_server::presets::find(&self.preset).map_err(failed)?;
        let mut config = Config::default();
        config.server.listen = self.listen;
        config.server.data = self
            .data
            .clone()
            .unwrap_or_else(|| PathBuf::from(format!("demo-data/{}", self.preset)));
        config.egress.allow = vec!["127.0.0.0/8".into(), "::1/128".into()];
        let stage = set_up(&config, &self.preset, &preset)?;
        runtime()?.block_on(async {
            let running = Running::start(&config).await?;
            self.say(
                &running,
                &stage,
                preset.site.is_some(),
                preset.demo.as_deref(),
            );
            let day = preset.events.filter(|_| !self.quiet);
            let trickle = day.map(|day| {
                tokio::spawn(trickle(
                    running.address,
                    stage.slug,
                    stage.write_key,
                    stage.api_key,
                    day,
                    self.speed,
                ))
            });
            running.until_stopped().await;
            if let Some(trickle) = trickle {
                trickle.abort();
            }
            Ok(())
        })
    }

    fn say(&self, running: &Running, stage: &Stage, site: bool, demo: Option<&str>) {
        let base = format!("http://{}", running.address);
        anstream::println!(
            "\nOpen the dashboard (this link signs you in, once):\n  {base}/sign-in/link/{}\n",
            stage.link
        );
        anstream::println!(
            "API key:   {}\nWrite key: {}\n",
            stage.api_key,
            stage.write_key
        );
        if let Some(demo) = demo {
            let visitor = format!(
                "visitor-{:x}",
                u32::from_be_bytes(ringback_server::random_bytes::<4>())
            );
            let filled = demo
                .replace("{{BASE}}", &base)
                .replace("{{TENANT}}", &stage.slug)
                .replace("{{KEY}}", &stage.api_key)
                .replace("{{WRITE_KEY}}", &stage.write_key)
                .replace("{{VISITOR}}", &visitor);
            anstream::println!("{}\n", filled.trim_end());
        }
        if site {
            anstream::println!(
                "An example page to copy:\n  {base}/t/{}/example?write_key={}\n",
                stage.slug,
                stage.write_key
            );
        }
        anstream::println!(
            "Nothing leaves this machine: messages go to the sandbox inbox. Ctrl-C ends it; everything stays in {}.",
            self.data
                .clone()
                .unwrap_or_else(|| PathBuf::from(format!("demo-data/{}", self.preset)))
                .display()
        );
    }
}

/// Makes the tenant on the first start; on later ones only new keys and a new link.
fn set_up(config: &Config, name: &str, preset: &Preset) -> Result<Stage, Failed> {
    let (mut writer, ..) = ringback_store::open(&config.server.data)?;
    let now = WallClock.now();
    let mut ids = IdMaker::new(1, writer.last_id());
    let tenants = writer.tenants()?;
    let (tenant, slug, api_key, write_key) = match tenants.into_iter().next() {
        Some(row) => {
            let api_key = add_key(
                &writer,
                &mut ids,
                row.id,
                KeyKind::Secret,
                "demo",
                &["*"],
                now,
            )?;
            let write_key = add_key(
                &writer,
                &mut ids,
                row.id,
                KeyKind::Write,
                "demo website",
                &["*"],
                now,
            )?;
            (row.id, row.slug, api_key, write_key)
        }
        None => {
            let business = ringback_server::onboarding::check(&preset.files)
                .map(|config| config.settings.name)
                .unwrap_or_else(|_| name.to_owned());
            let new = NewTenant {
                name: business,
                preset: preset.clone(),
                region: None,
                time_zone: None,
                requests_per_minute: None,
                messages_per_hour: None,
            };
            let MovedIn {
                tenant,
                slug,
                api_key,
                write_key,
                ..
            } = move_in(&mut writer, &mut ids, &new, now)?;
            (tenant, slug, api_key, write_key)
        }
    };
    let email = "owner@example.com";
    let known = writer
        .users(tenant)?
        .into_iter()
        .find(|user| user.email == email);
    let user = match known {
        Some(user) => user.id,
        None => add_user(
            &writer,
            &mut ids,
            tenant,
            email,
            "Demo Owner",
            "owner",
            None,
            now,
        )?,
    };
    let link = make_link(&writer, user, now)?;
    Ok(Stage {
        slug,
        api_key,
        write_key,
        link,
    })
}

/// Plays the sample day, again and again with new visitors, as long as the demo runs.
async fn trickle(
    address: SocketAddr,
    slug: String,
    write_key: String,
    api_key: String,
    day: String,
    speed: f64,
) {
    let mut round = 0u32;
    // Ids of the leads that came in, by number, address and visitor, for lines that name one in braces.
    let mut leads: HashMap<String, String> = HashMap::new();
    loop {
        let began = tokio::time::Instant::now();
        let run = format!(
            "{:x}",
            u32::from_be_bytes(ringback_server::random_bytes::<4>())
        );
        for line in day.lines() {
            let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            let offset = entry["at_offset_s"].as_f64().unwrap_or(0.0) / speed.max(0.01);
            tokio::time::sleep_until(began + std::time::Duration::from_secs_f64(offset)).await;
            let mut body = entry["body"].clone();
            if round > 0 {
                rename(&mut body, &run);
            } else {
                rename_messages(&mut body, &run);
            }
            let path = entry["path"].as_str().unwrap_or_default();
            let path = path
                .replace("{{TENANT}}", &slug)
                .replace("/f/", &format!("/f/{slug}."));
            let path = path.replace(&format!("{slug}.{slug}."), &format!("{slug}."));
            let Some(path) = with_lead(&path, &leads) else {
                tracing::debug!(path, "a sample event is about a lead that did not get in");
                continue;
            };
            match post(address, &path, &body.to_string(), &write_key, &api_key).await {
                Ok(answer) => {
                    let lead = answer["id"].as_str().or_else(|| answer["lead_id"].as_str());
                    for name in ["phone", "email"] {
                        if let (Some(lead), Some(known)) = (lead, body[name].as_str()) {
                            leads.insert(known.to_owned(), lead.to_owned());
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, path, "a sample lead did not get in"),
            }
        }
        round += 1;
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    }
}

/// A path with the id of the lead that it names in braces; none while nobody came in by that name.
fn with_lead(path: &str, leads: &HashMap<String, String>) -> Option<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return Some(path.to_owned());
    };
    let (name, after) = rest.split_once('}')?;
    Some(format!("{before}{}{after}", leads.get(name)?))
}

/// Another day, other visitors.
fn rename(body: &mut serde_json::Value, run: &str) {
    for name in ["anonymousId", "userId", "messageId"] {
        if let Some(value) = body.get_mut(name)
            && let Some(text) = value.as_str()
        {
            *value = serde_json::json!(format!("{text}-{run}"));
        }
    }
}

fn rename_messages(body: &mut serde_json::Value, run: &str) {
    if let Some(value) = body.get_mut("messageId")
        && let Some(text) = value.as_str()
    {
        *value = serde_json::json!(format!("{text}-{run}"));
    }
}

async fn post(
    address: SocketAddr,
    path: &str,
    body: &str,
    write_key: &str,
    api_key: &str,
) -> std::io::Result<serde_json::Value> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let tracking = !path.starts_with("/v1/leads") && path.starts_with("/v1/");
    let key = if tracking { write_key } else { api_key };
    let authorization = if tracking {
        format!("Basic {}", base64(&format!("{key}:")))
    } else {
        format!("Bearer {key}")
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let status = String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned();
    if !status.starts_with('2') {
        tracing::debug!(path, status, "a sample lead was not taken");
    }
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(serde_json::from_str(body).unwrap_or_default())
}

/// Base64 as Basic authorization wants it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for n in 0..4 {
            out.push(if n <= chunk.len() {
                LETTERS[(bits >> (18 - 6 * n) & 63) as usize] as char
            } else {
                '='
            });
        }
    }
    out
}
