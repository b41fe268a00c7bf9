//! The list of leads: who came, who waits, who has them.

use super::format::{Local, mask_email, mask_phone, query};
use super::frame::{Frame, Page};
use super::line::{self, Line, Wait};
use super::people::{self, TierView};
use super::{PageResult, Session, html};
use crate::app::App;
use crate::registry::Home;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use ringback_core::contact::Phone;
use ringback_core::ids::LeadId;
use ringback_core::leads::Lead;
use ringback_core::time::Timestamp;
use ringback_store::{LeadFilter, SpamView};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/t/{slug}/leads", get(show))
}

/// Rows a page.
const ROWS: u32 = 50;

/// What the address says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    view: String,
    q: String,
    tier: String,
    stage: String,
    product: String,
    source: String,
    after: String,
}

#[derive(Debug)]
struct View {
    href: String,
    label: String,
    current: bool,
}

#[derive(Debug)]
struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Debug)]
struct Chip {
    label: String,
    without: String,
}

#[derive(Debug)]
struct Row {
    href: String,
    name: String,
    reference: String,
    test: bool,
    state: &'static str,
    symbol: &'static str,
    wait: String,
    since_ms: i64,
    line: Option<Line>,
    tier: Option<TierView>,
    points: i64,
    stage: String,
    source: String,
    who: String,
    contact: String,
    at: String,
    machine: String,
}

#[derive(Debug)]
struct Spam {
    form: String,
    sign: String,
    what: String,
    from: String,
    at: String,
    machine: String,
}

#[derive(Template)]
#[template(path = "leads/list.html")]
struct List {
    frame: Frame,
    title: &'static str,
    views: Vec<View>,
    asked: Asked,
    tiers: Vec<Choice>,
    stages: Vec<Choice>,
    products: Vec<Choice>,
    chips: Vec<Chip>,
    rows: Vec<Row>,
    spam: Vec<Spam>,
    shown: String,
    newest: String,
    older: String,
    narrowed: bool,
    public_url: String,
}

impl Asked {
    fn view(&self) -> &'static str {
        ["ringing", "known", "spam"]
            .into_iter()
            .find(|view| *view == self.view)
            .unwrap_or("all")
    }

    /// The address of this list with one part changed; the cursor is left out.
    fn with(&self, base: &str, part: &str, value: &str) -> String {
        let parts = [
            ("view", self.view.as_str()),
            ("q", &self.q),
            ("tier", &self.tier),
            ("stage", &self.stage),
            ("product", &self.product),
            ("source", &self.source),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .map(|(name, now)| (name, if name == part { value } else { now }))
            .chain((part == "after").then_some(("after", value)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", query(value)))
            .collect();
        if parts.is_empty() {
            format!("{base}/leads")
        } else {
            format!("{base}/leads?{}", parts.join("&"))
        }
    }

    fn bound(&mut self) {
        for text in [
            &mut self.view,
            &mut self.q,
            &mut self.tier,
            &mut self.stage,
            &mut self.product,
            &mut self.source,
            &mut self.after,
        ] {
            *text = text.chars().filter(|c| !c.is_control()).take(200).collect();
        }
    }

    fn filter(&self, home: &Home) -> LeadFilter {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let words = self.q.trim();
        LeadFilter {
            stage: given(&self.stage),
            product: given(&self.product),
            source: given(&self.source),
            tier: given(&self.tier),
            ringing: self.view() == "ringing",
            known: self.view() == "known",
            phone: Phone::parse(words, home.tenant.config.settings.region)
                .ok()
                .map(|phone| phone.as_str().to_owned()),
            number: (!words.is_empty())
                .then(|| home.tenant.references.read(words))
                .flatten(),
            words: given(words),
            created_after: None,
        }
    }
}

fn row(home: &Home, local: &Local, lead: &Lead, now: Timestamp) -> Row {
    let wait = lead.ringing_since.map(|since| Wait {
        since,
        promised: line::promised(home, since),
        answered: lead.answered_at,
        told: None,
        seen: None,
        passed: None,
    });
    let late = wait.as_ref().is_some_and(|wait| wait.is_late(now));
    let (state, symbol) = match (&wait, lead.answered_at) {
        (Some(_), None) => (if late { "late" } else { "lamp" }, "ringing"),
        (Some(_), Some(_)) => (if late { "late" } else { "" }, ""),
        (None, _) => ("", ""),
    };
    Row {
        href: format!("/t/{}/leads/{}", home.row.slug, lead.id),
        name: people::name(&home.tenant, lead),
        reference: home.tenant.references.write(lead.number),
        test: lead.test,
        state,
        symbol,
        wait: wait
            .as_ref()
            .map(|wait| wait.clock(now))
            .unwrap_or_default(),
        since_ms: if lead.answered_at.is_none() {
            lead.ringing_since.map_or(0, Timestamp::as_millisecond)
        } else {
            0
        },
        line: wait.map(|wait| wait.draw(now, true)),
        tier: people::tier(&home.tenant, lead),
        points: lead.points,
        stage: people::stage(&home.tenant, lead),
        source: lead
            .source
            .as_deref()
            .map(people::plain)
            .unwrap_or_default(),
        who: lead
            .answered_by
            .as_deref()
            .map(people::actor)
            .unwrap_or_default(),
        contact: lead
            .phone
            .as_deref()
            .map(mask_phone)
            .or_else(|| lead.email.as_deref().map(mask_email))
            .unwrap_or_default(),
        at: local.when(lead.created_at, now),
        machine: Local::machine(lead.created_at),
    }
}

fn spam(local: &Local, view: &SpamView, now: Timestamp) -> Spam {
    let raw: Value = serde_json::from_str(&view.raw).unwrap_or(Value::Null);
    let what = match &raw {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}: {}", people::said(value)?)))
            .collect::<Vec<_>>()
            .join(" · "),
        _ => view.raw.clone(),
    };
    Spam {
        form: view.form.clone(),
        sign: people::plain(&view.sign),
        what: people::short(&what, 160),
        from: view.ip.clone().unwrap_or_default(),
        at: local.when(view.at, now),
        machine: Local::machine(view.at),
    }
}

fn choices(named: impl IntoIterator<Item = (String, String)>, chosen: &str) -> Vec<Choice> {
    let mut seen = BTreeSet::new();
    named
        .into_iter()
        .filter(|(value, _)| seen.insert(value.clone()))
        .map(|(value, label)| Choice {
            chosen: value == chosen,
            value,
            label,
        })
        .collect()
}

impl List {
    fn new(
        frame: Frame,
        home: &Home,
        asked: Asked,
        leads: &[Lead],
        kept_apart: &[SpamView],
        public_url: &str,
        now: Timestamp,
    ) -> Self {
        let local = Local::of(home);
        let base = frame.base.clone();
        let config = &home.tenant.config;
        let is_spam = asked.view() == "spam";
        let more = if is_spam {
            kept_apart.len()
        } else {
            leads.len()
        } > ROWS as usize;
        let rows: Vec<Row> = leads
            .iter()
            .take(ROWS as usize)
            .map(|lead| row(home, &local, lead, now))
            .collect();
        let apart: Vec<Spam> = kept_apart
            .iter()
            .take(ROWS as usize)
            .map(|one| spam(&local, one, now))
            .collect();
        let cursor = match (more, is_spam) {
            (false, _) => None,
            (true, true) => kept_apart
                .get(ROWS as usize - 1)
                .map(|one| one.id.to_string()),
            (true, false) => leads.get(ROWS as usize - 1).map(|lead| lead.id.to_string()),
        };
        let views = [
            ("ringing", "Ringing"),
            ("known", "Known"),
            ("all", "Everyone"),
            ("spam", "Spam"),
        ];
        let views = views.into_iter().map(|(view, label)| View {
            href: if view == "all" {
                format!("{base}/leads")
            } else {
                format!("{base}/leads?view={view}")
            },
            label: if view == "ringing" && frame.ringing > 0 {
                format!("{label} {}", frame.ringing)
            } else {
                label.to_owned()
            },
            current: asked.view() == view,
        });
        let label = |name: &str, label: &Option<String>| {
            (
                name.to_owned(),
                label.clone().unwrap_or_else(|| people::plain(name)),
            )
        };
        let tiers = choices(
            config.models.values().flat_map(|model| {
                model
                    .tiers
                    .iter()
                    .map(|tier| label(&tier.name, &tier.label))
            }),
            &asked.tier,
        );
        let stages = choices(
            config.products.values().flat_map(|product| {
                product
                    .stages
                    .iter()
                    .map(|stage| label(&stage.name, &stage.label))
            }),
            &asked.stage,
        );
        let products = choices(
            config
                .products
                .values()
                .map(|product| (product.name.clone(), product.title().to_owned())),
            &asked.product,
        );
        let chosen = |list: &[Choice]| {
            list.iter()
                .find(|choice| choice.chosen)
                .map(|choice| choice.label.clone())
        };
        let chip = |what: &str, value: Option<String>, part: &str| {
            value.map(|value| Chip {
                label: format!("{what}: {value}"),
                without: asked.with(&base, part, ""),
            })
        };
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let chips: Vec<Chip> = [
            chip("Words", given(&asked.q), "q"),
            chip(
                "Tier",
                chosen(&tiers).or_else(|| given(&asked.tier)),
                "tier",
            ),
            chip(
                "Stage",
                chosen(&stages).or_else(|| given(&asked.stage)),
                "stage",
            ),
            chip(
                "Product",
                chosen(&products).or_else(|| given(&asked.product)),
                "product",
            ),
            chip("Source", given(&asked.source), "source"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let n = rows.len() + apart.len();
        let shown = match (n, more || !asked.after.is_empty()) {
            (0, _) => String::new(),
            (n, true) => format!("{n} on this page, newest first"),
            (n, false) => format!(
                "{}, newest first",
                super::format::amount(
                    i64::try_from(n).unwrap_or(0),
                    if is_spam { "submission" } else { "lead" }
                )
            ),
        };
        Self {
            title: match asked.view() {
                "ringing" => "Leads that ring",
                "known" => "Leads we can reach",
                "spam" => "Kept apart as spam",
                _ => "Leads",
            },
            narrowed: !chips.is_empty() || asked.view() != "all",
            newest: if asked.after.is_empty() {
                String::new()
            } else {
                asked.with(&base, "", "")
            },
            older: cursor
                .map(|cursor| asked.with(&base, "after", &cursor))
                .unwrap_or_default(),
            views: views.collect(),
            spam: apart,
            public_url: public_url.to_owned(),
            asked,
            tiers,
            stages,
            products,
            chips,
            rows,
            shown,
            frame,
        }
    }
}

async fn show(
    State(app): State<App>,
    session: Session,
    Query(mut asked): Query<Asked>,
) -> PageResult {
    asked.bound();
    let now = app.now();
    let tenant = session.home.row.id;
    let (mut leads, mut apart) = (Vec::new(), Vec::new());
    if asked.view() == "spam" {
        let before = asked.after.parse::<i64>().ok();
        apart = app
            .ask(move |store| store.spam(tenant, before, ROWS + 1))
            .await?;
    } else {
        let filter = asked.filter(&session.home);
        let before = asked.after.parse::<LeadId>().ok();
        leads = app
            .ask(move |store| store.leads(tenant, &filter, before, ROWS + 1))
            .await?;
    }
    let frame = Frame::load(&app, &session, Page::Leads).await?;
    Ok(html(&List::new(
        frame,
        &session.home,
        asked,
        &leads,
        &apart,
        &app.settings.public_url,
        now,
    )))
}
