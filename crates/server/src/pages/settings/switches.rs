//! Settings, switches: stop a channel, a workflow or everything at once, and keep everything in the sandbox (M12).

use super::super::{Fields, Frame, Page, PageError, PageResult, Session, html, see_other_with};
use super::{Part, Tab, tabs};
use crate::app::App;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ringback_core::config::TenantConfig;
use ringback_core::messages::ChannelKind;
use ringback_core::turn::{KillSwitch, Share};
use ringback_store::{House as _, TenantRow};
use serde::Deserialize;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/settings/switches", get(show).post(turn))
}

/// One switch.
#[derive(Debug)]
struct Switch {
    /// What the form sends: `all`, `channel:sms`, `workflow:name` or `sandbox`.
    what: String,
    /// For ids in the page.
    at: usize,
    title: String,
    label: String,
    help: String,
    /// Stopped, or for the sandbox: on.
    on: bool,
    class: &'static str,
    symbol: &'static str,
    word: &'static str,
    /// The verb of the button.
    verb: &'static str,
    question: String,
    /// Turning it is asked about first.
    asks: bool,
}

#[derive(Template)]
#[template(path = "settings/switches.html")]
struct SwitchesPage {
    frame: Frame,
    tabs: Vec<Tab>,
    headline: String,
    line: String,
    switches: Vec<Switch>,
    workflows: Vec<Switch>,
    shares: Vec<ShareRow>,
    action: String,
}

/// For how many of the leads a workflow is.
#[derive(Debug)]
struct ShareRow {
    workflow: String,
    at: usize,
    says: String,
    class: &'static str,
    symbol: &'static str,
    word: String,
    /// Value, word, and whether it is chosen.
    choices: Vec<(u8, String, bool)>,
}

/// The shares that can be chosen (M12).
const SHARES: [u8; 4] = [0, 10, 50, 100];

fn shares(row: &TenantRow, config: &TenantConfig) -> Vec<ShareRow> {
    let of = |name: &str| {
        row.kill.iter().find_map(|switch| match switch {
            KillSwitch::Share(share) if share.workflow == name => Some(share),
            _ => None,
        })
    };
    config
        .workflows
        .values()
        .enumerate()
        .map(|(at, workflow)| {
            let share = of(&workflow.name);
            let percent = share.map_or(100, |share| share.percent);
            ShareRow {
                workflow: workflow.name.clone(),
                at,
                says: match share {
                    Some(share) if share.percent > 0 => format!(
                        "The same leads every time. Taken back by itself when more than {} % of its messages fail.",
                        share.back_above
                    ),
                    Some(_) => "No lead begins it; runs that began go on.".to_owned(),
                    None => workflow.label.clone().unwrap_or_default(),
                },
                class: if percent == 100 { "kept" } else { "held" },
                symbol: if percent == 100 { "delivered" } else { "deferred" },
                word: if percent == 100 { "All leads".into() } else { format!("{percent} % of the leads") },
                choices: SHARES
                    .iter()
                    .copied()
                    .chain(Some(percent).filter(|one| !SHARES.contains(one)))
                    .map(|one| (one, if one == 100 { "all leads".into() } else { format!("{one} %") }, one == percent))
                    .collect(),
            }
        })
        .collect()
}

async fn show(State(app): State<App>, session: Session) -> PageResult {
    session.admin()?;
    let frame = Frame::load(&app, &session, Page::Settings).await?;
    Ok(html(&page(
        frame,
        &session.home.row,
        &session.home.tenant.config,
    )))
}

fn page(frame: Frame, row: &TenantRow, config: &TenantConfig) -> SwitchesPage {
    let stopped = row.kill.len();
    let headline = if row.kill.contains(&KillSwitch::All) {
        "Everything is stopped".to_owned()
    } else {
        match (stopped, row.sandbox) {
            (0, false) => "Nothing is stopped".to_owned(),
            (0, true) => "Everything stays in the sandbox".to_owned(),
            (1, _) => "One switch is off".to_owned(),
            (n, _) => format!("{n} switches are off"),
        }
    };
    let mut at = 0;
    let mut kill = |what: String, label: String, help: String, switch: &KillSwitch| {
        at += 1;
        let on = row.kill.contains(switch);
        Switch {
            what,
            at,
            question: if on {
                format!("Let {label} go again?")
            } else {
                format!("Stop {label}?")
            },
            title: label.clone(),
            label,
            help,
            on,
            class: if on { "late" } else { "kept" },
            symbol: if on { "blocked" } else { "delivered" },
            word: if on { "Stopped" } else { "Goes" },
            verb: if on { "Let it go" } else { "Stop" },
            asks: true,
        }
    };
    let mut switches = vec![kill("all".into(), "everything".into(), "No message of any kind leaves: what is due is blocked and says why. Leads and events are still stored and scored.".into(), &KillSwitch::All)];
    for (channel, label) in [
        (ChannelKind::Sms, "texts"),
        (ChannelKind::Email, "mails"),
        (ChannelKind::Webhook, "webhooks"),
    ] {
        switches.push(kill(
            format!("channel:{channel}"),
            label.into(),
            format!("No {label} leave: what is due is blocked and says why."),
            &KillSwitch::Channel(channel),
        ));
    }
    for switch in &mut switches {
        switch.title = super::super::people::plain(&switch.title);
    }
    let workflows = config
        .workflows
        .values()
        .map(|workflow| {
            kill(
                format!("workflow:{}", workflow.name),
                workflow.name.clone(),
                workflow.label.clone().unwrap_or_default(),
                &KillSwitch::Workflow(workflow.name.clone()),
            )
        })
        .collect();
    switches.push(Switch {
        what: "sandbox".into(),
        at: 0,
        title: "Sandbox for everything".into(),
        label: "the sandbox for everything".into(),
        help: sandbox_help(&config.settings.sandbox.test_recipients),
        on: row.sandbox,
        class: if row.sandbox { "held" } else { "" },
        symbol: if row.sandbox { "deferred" } else { "accepted" },
        word: if row.sandbox { "On" } else { "Off" },
        verb: if row.sandbox {
            "Switch off"
        } else {
            "Switch on"
        },
        question: if row.sandbox {
            "Let messages reach people?".into()
        } else {
            "Keep everything in the sandbox?".into()
        },
        asks: row.sandbox,
    });
    SwitchesPage {
        tabs: tabs(&frame.base, Part::Switches),
        headline,
        line: "A switch works from the next second on, without a restart.".to_owned(),
        switches,
        workflows,
        shares: shares(row, config),
        action: format!("{}/settings/switches", frame.base),
        frame,
    }
}

/// What the sandbox keeps back, and who is reached for real all the same (M12).
fn sandbox_help(test_recipients: &[String]) -> String {
    let kept = "Messages are decided, written and shown under Sandbox inbox, but none reaches a provider, whatever is connected";
    match test_recipients {
        [] => format!(
            "{kept}. To reach a few test recipients for real, write them into `sandbox.test_recipients` of tenant.yaml."
        ),
        [one] => format!(
            "{kept}, except what goes to the test recipient {one}: that is real (`sandbox.test_recipients` of tenant.yaml)."
        ),
        [most @ .., last] => format!(
            "{kept}, except what goes to the test recipients {} and {last}: that is real (`sandbox.test_recipients` of tenant.yaml).",
            most.join(", ")
        ),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Turned {
    what: String,
    /// `yes` stops (or switches the sandbox on), else it goes again.
    on: String,
    /// For a share: of how many of a hundred leads.
    percent: String,
}

/// What is turned.
enum What {
    Kill(KillSwitch),
    Sandbox,
    Share(String),
}

fn what(text: &str, config: &TenantConfig) -> Option<What> {
    if let Some(name) = text.strip_prefix("share:") {
        let known = config.workflows.contains_key(name);
        return known.then(|| What::Share(name.to_owned()));
    }
    if text == "all" {
        return Some(What::Kill(KillSwitch::All));
    }
    if text == "sandbox" {
        return Some(What::Sandbox);
    }
    if let Some(channel) = text.strip_prefix("channel:") {
        return ChannelKind::from_name(channel)
            .map(|channel| What::Kill(KillSwitch::Channel(channel)));
    }
    let name = text.strip_prefix("workflow:")?;
    config
        .workflows
        .contains_key(name)
        .then(|| What::Kill(KillSwitch::Workflow(name.to_owned())))
}

async fn turn(
    State(app): State<App>,
    session: Session,
    Fields(turned): Fields<Turned>,
) -> PageResult {
    session.admin()?;
    let what = what(&turned.what, &session.home.tenant.config).ok_or(PageError::NotFound)?;
    let on = turned.on == "yes";
    let percent = turned.percent.trim().parse::<u8>().unwrap_or(100).min(100);
    let said = match (&what, on) {
        (What::Share(name), _) if percent == 100 => format!("{name} is for all leads."),
        (What::Share(name), _) => format!("{name} is for {percent} % of the leads from now on."),
        (What::Sandbox, true) => "Everything stays in the sandbox from now on.".to_owned(),
        (What::Sandbox, false) => {
            "The sandbox stands in only where no provider is connected.".to_owned()
        }
        (What::Kill(switch), true) => format!("Stopped: {}.", say(switch)),
        (What::Kill(switch), false) => format!("Goes again: {}.", say(switch)),
    };
    let (tenant, now, actor, peer) = (
        session.home.row.id,
        app.now(),
        session.actor(),
        session.peer.clone(),
    );
    app.change(move |writer| {
        // Read anew: somebody else may have turned another switch since the page was shown.
        let Some(mut row) = writer.tenants()?.into_iter().find(|row| row.id == tenant) else {
            return Ok(());
        };
        match what {
            What::Sandbox => row.sandbox = on,
            What::Share(workflow) => {
                let mut kill = row.kill.clone();
                kill.retain(
                    |one| !matches!(one, KillSwitch::Share(share) if share.workflow == workflow),
                );
                if percent < 100 {
                    kill.push(KillSwitch::Share(Share {
                        workflow,
                        percent,
                        back_above: 10,
                        since: 0,
                    }));
                }
                row.kill = crate::tenant::begun(kill, &row.kill, now);
            }
            What::Kill(switch) => {
                row.kill.retain(|one| *one != switch);
                if on {
                    row.kill.push(switch);
                }
            }
        }
        writer.update_tenant(&row)?;
        writer.write_audit(
            tenant,
            &actor,
            Some(&peer),
            "switch",
            &serde_json::json!({"what": turned.what, "on": on, "percent": turned.percent}),
            now,
        )
    })
    .await?;
    Ok(see_other_with(
        &format!("{}/settings/switches", session.base()),
        if on { "held" } else { "kept" },
        &said,
    ))
}

fn say(switch: &KillSwitch) -> String {
    match switch {
        KillSwitch::All => "everything".to_owned(),
        KillSwitch::Channel(ChannelKind::Sms) => "texts".to_owned(),
        KillSwitch::Channel(ChannelKind::Email) => "mails".to_owned(),
        KillSwitch::Channel(ChannelKind::Webhook) => "webhooks".to_owned(),
        KillSwitch::Workflow(name) => format!("the workflow {name}"),
        KillSwitch::Share(share) => {
            format!(
                "the workflow {} for {} % of the leads",
                share.workflow, share.percent
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::sound;
    use super::super::tests::{frame, now};
    use super::*;
    use ringback_core::ids::TenantId;

    fn config() -> TenantConfig {
        crate::onboarding::check(&crate::presets::find("plumbing").unwrap().files).unwrap()
    }

    fn row(kill: Vec<KillSwitch>, sandbox: bool) -> TenantRow {
        TenantRow {
            id: TenantId::from_raw(1),
            slug: "alder".into(),
            name: "Alder".into(),
            secret: Vec::new(),
            requests_per_minute: None,
            messages_per_hour: None,
            sandbox,
            kill,
            created_at: now(),
        }
    }

    /// M12: every channel and every workflow has its switch, and the title says what is stopped.
    #[test]
    fn every_channel_and_workflow_has_a_switch() {
        let text = page(
            frame(),
            &row(vec![KillSwitch::Channel(ChannelKind::Sms)], false),
            &config(),
        )
        .render()
        .unwrap();
        sound(&text);
        assert!(text.contains("One switch is off"));
        for what in [
            "all",
            "channel:sms",
            "channel:email",
            "channel:webhook",
            "workflow:emergency-alert",
            "share:emergency-alert",
            "sandbox",
        ] {
            assert!(text.contains(&format!("value=\"{what}\"")), "{what}");
        }
        let all = page(frame(), &row(vec![KillSwitch::All], true), &config())
            .render()
            .unwrap();
        sound(&all);
        assert!(all.contains("Everything is stopped"));
    }

    /// M12: who is reached for real while the sandbox is on is said beside its switch, as text.
    #[test]
    fn test_recipients_are_said_beside_the_sandbox() {
        let mut config = config();
        let shown = |config: &TenantConfig| {
            page(frame(), &row(Vec::new(), true), config)
                .render()
                .unwrap()
        };
        assert!(shown(&config).contains("To reach a few test recipients for real"));
        config.settings.sandbox.test_recipients = vec![
            "+1 303-555-0142".into(),
            super::super::super::tests::HOSTILE.into(),
        ];
        let text = shown(&config);
        sound(&text);
        assert!(
            text.contains("the test recipients +1 303-555-0142 and"),
            "{text}"
        );
    }

    /// Only what exists can be switched.
    #[test]
    fn only_what_exists_is_switched() {
        let config = config();
        assert!(matches!(
            what("channel:sms", &config),
            Some(What::Kill(KillSwitch::Channel(ChannelKind::Sms)))
        ));
        assert!(matches!(what("sandbox", &config), Some(What::Sandbox)));
        assert!(matches!(
            what("share:emergency-alert", &config),
            Some(What::Share(_))
        ));
        for text in [
            "channel:fax",
            "workflow:nobody",
            "share:nobody",
            "workflow",
            "",
        ] {
            assert!(what(text, &config).is_none(), "{text}");
        }
    }
}
