//! Sending: the text is rendered, the provider called outside of any transaction, and what came of it goes back to the turns.

use crate::app::Settings;
use crate::registry::{Home, Registry};
use crate::secrets::{TokenFor, Tokens};
use futures_util::FutureExt as _;
use metrics::{counter, histogram};
use ringback_channels::Channel;
use ringback_core::messages::segments::segments;
use ringback_core::messages::{
    Category, ChannelKind, Content, Cost, Finding, Message, Outcome, Outgoing, Reason, Suppress,
};
use ringback_core::templates::{Data, FeedbackId, Own, RenderContext, headers_for};
use ringback_core::time::{Clock, Timestamp, from_micros};
use ringback_core::turn::{CONFIRM_LINK, Looked, Settled, budget};
use ringback_store::{House as _, Readers};
use serde_json::{Value, json};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use super::inbox::Inbox;
use super::nodes::Neighbours;

/// What a message says, as the provider gets it or the sandbox shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What is said.
    pub content: Content,
}

/// Sends messages off, each in a task of its own.
#[derive(Clone)]
pub(crate) struct Sender(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    inbox: Arc<Inbox>,
    neighbours: Option<Neighbours>,
    readers: Readers,
    clock: Arc<dyn Clock>,
    tokens: Tokens,
    public_url: String,
    lease: Duration,
    runtime: tokio::runtime::Handle,
    sandbox: [Arc<dyn Channel>; 3],
}

/// A call ends well before its lease does; texts sooner (M4).
const fn call_limit(channel: ChannelKind) -> Duration {
    match channel {
        ChannelKind::Sms => Duration::from_secs(10),
        ChannelKind::Email | ChannelKind::Webhook => Duration::from_secs(15),
    }
}

/// Look-ups have no person waiting for them; each ends after this at the latest.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// Nothing is written in the last third of a message's lease, after which somebody else may take it over (reliability 3.1): 20 s of 60.
fn writes_for(lease: Duration) -> Duration {
    lease - lease / 3
}

/// No call takes so long, unless the server itself stood still.
const FROZEN: Duration = Duration::from_secs(30);

/// A call that a standstill of the server ended says nothing against the provider.
fn frozen(outcome: &mut Outcome) {
    if let Outcome::Retryable { why, .. } | Outcome::Unknown { why } = outcome {
        why.code = "frozen".into();
        why.detail
            .push_str(" The server itself stood still meanwhile.");
    }
}

impl Sender {
    #[expect(
        clippy::too_many_arguments,
        reason = "the wiring of everything that a call needs"
    )]
    pub(crate) fn new(
        registry: Arc<Registry>,
        inbox: Arc<Inbox>,
        neighbours: Option<Neighbours>,
        readers: Readers,
        clock: Arc<dyn Clock>,
        tokens: Tokens,
        settings: &Settings,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let sandbox = [ChannelKind::Sms, ChannelKind::Email, ChannelKind::Webhook]
            .map(ringback_channels::sandbox);
        Self(Arc::new(Inner {
            registry,
            inbox,
            neighbours,
            readers,
            clock,
            tokens,
            public_url: settings.public_url.clone(),
            lease: settings.lease,
            runtime,
            sandbox,
        }))
    }

    pub(crate) fn send_off(&self, message: Arc<Message>, leased: Option<Duration>) {
        let sender = self.clone();
        // Between the commit of the lease and this line the server may have stood still.
        let leased = leased.unwrap_or_else(|| self.0.registry.http().boot().now());
        let ends = leased + writes_for(self.0.lease);
        self.0.runtime.spawn(async move {
            let started_at = sender.0.clock.now();
            let boot = sender.0.registry.http().boot();
            let began = boot.now();
            // A panic is an attempt whose end nobody knows (reliability 3.3); the process goes on.
            let attempt = AssertUnwindSafe(sender.attempt(&message, ends));
            let (mut outcome, segments) = attempt.catch_unwind().await.unwrap_or_else(|_| {
                let why = Reason::new("panic", "A bug of this program ended the call; see the log.");
                (Outcome::Unknown { why }, None)
            });
            if boot.now().saturating_sub(began) > FROZEN.min(sender.0.lease) {
                frozen(&mut outcome);
            }
            let finished_at = sender.0.clock.now();
            let taken = finished_at.duration_since(started_at).as_secs_f64();
            histogram!("ringback_provider_seconds", "channel" => message.channel.as_str()).record(taken);
            counter!("ringback_attempts_total", "channel" => message.channel.as_str(), "outcome" => word(&outcome)).increment(1);
            sender.0.inbox.settled(Settled { message, started_at, finished_at, outcome, segments, died: false });
        });
    }

    /// Finds out what became of a message whose call has no known end; the answer is an order of the next turn.
    pub(crate) fn look_up(&self, message: Arc<Message>) {
        let sender = self.clone();
        self.0.runtime.spawn(async move {
            let started_at = sender.0.clock.now();
            let looked = tokio::time::timeout(LOOK_LIMIT, sender.search(&message)).await;
            let finding = looked.unwrap_or_else(|_| Finding::Unclear {
                why: Reason::new(
                    "timeout",
                    "The provider did not say in time what its log has.",
                ),
            });
            let finished_at = sender.0.clock.now();
            sender.0.inbox.looked(Looked {
                message,
                started_at,
                finished_at,
                finding,
            });
        });
    }

    async fn search(&self, message: &Message) -> Finding {
        let inner = &self.0;
        let unclear = |code: &str, detail: &str| Finding::Unclear {
            why: Reason::new(code, detail),
        };
        let home = inner.registry.home(message.tenant);
        let found = home.as_ref().and_then(|home| {
            let id = message.connection?;
            Some((home, home.channels.get(&id)?))
        });
        let (Some((home, channel)), Some(doubt)) = (found, &message.plan.doubt) else {
            return unclear(
                "no_connection",
                "The connection is not there any more, so its provider cannot be asked.",
            );
        };
        let now = inner.clock.now();
        match self.outgoing(home, message, now, None) {
            Ok(outgoing) => {
                channel
                    .look_up(&outgoing, from_micros(doubt.called_at))
                    .await
            }
            Err(why) => Finding::Unclear { why },
        }
    }

    /// The message as its provider gets it.
    fn outgoing(
        &self,
        home: &Arc<Home>,
        message: &Message,
        now: Timestamp,
        ends: Option<Duration>,
    ) -> Result<Outgoing, Reason> {
        let inner = &self.0;
        let rendered = render(
            home,
            &inner.readers,
            &inner.tokens,
            &inner.public_url,
            message,
        )?;
        let report_url = message.connection.and_then(|id| {
            let row = home.connections.iter().find(|row| row.id == id)?;
            Some(webhook_url(&inner.public_url, row))
        });
        let remaining = message
            .expires_at
            .map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default());
        // Other words are another message to a provider that drops twins.
        let mark = if message.marked_as_repeat() {
            "-repeat"
        } else {
            ""
        };
        let round = match message.plan.rounds {
            0 => String::new(),
            n => format!("-round-{n}"),
        };
        Ok(Outgoing {
            message: message.id,
            attempt: message
                .attempt
                .unwrap_or(ringback_core::ids::AttemptId::from_raw(1)),
            key: format!("{}{round}{mark}", message.id),
            to: message.recipient.clone(),
            from_name: None,
            content: rendered.content,
            report_url,
            at: now,
            remaining,
            ends,
        })
    }

    /// One call. Answers what it came to, and how many segments its text had when it was one.
    async fn attempt(&self, message: &Message, ends: Duration) -> (Outcome, Option<u32>) {
        match self.prepared(message, ends) {
            Err((outcome, segments)) => (outcome, segments),
            Ok(ready) => {
                let limit = call_limit(message.channel) + Duration::from_secs(5);
                let limit = limit.min(writes_for(self.0.lease));
                let call = ready.channel.send(&ready.outgoing);
                let outcome = match tokio::time::timeout(limit, call).await {
                    Ok(outcome) => ready.priced(outcome),
                    Err(_) => Outcome::Unknown {
                        why: Reason::new("deadline", "The provider did not answer in time."),
                    },
                };
                (outcome, ready.segments)
            }
        }
    }

    /// Everything before the first byte: whether it may still be called, by which account, with which words, at which price.
    fn prepared(&self, message: &Message, ends: Duration) -> Result<Ready, (Outcome, Option<u32>)> {
        let inner = &self.0;
        let gone = |why: Reason| {
            let suppress = Suppress::No;
            (Outcome::Permanent { why, suppress }, None)
        };
        let Some(home) = inner.registry.home(message.tenant) else {
            let why = Reason::new("no_tenant", "The business is not here any more.");
            return Err(gone(why));
        };
        let now = inner.clock.now();
        // A worker that was frozen past its lease must not speak any more: somebody else may have taken over (reliability 3.1).
        // By the boot clock: the wall clock may have been set meanwhile.
        let fenced = inner.neighbours.as_ref().is_some_and(|one| !one.holds());
        if fenced || inner.registry.http().boot().now() >= ends {
            let why = Reason::new(
                "late",
                "The server was frozen past the deadline before it called.",
            );
            return Err((Outcome::Retryable { why, after: None }, None));
        }
        let misconfigured = |detail: &str| {
            let why = Reason::new("no_connection", detail);
            (Outcome::Misconfigured { why }, None)
        };
        let channel: Arc<dyn Channel> = match message.connection {
            None if message.sandbox => Arc::clone(&inner.sandbox[message.channel.code() as usize]),
            None => {
                return Err(misconfigured("There is no connection that is switched on."));
            }
            Some(id) => home.channels.get(&id).map(Arc::clone).ok_or_else(|| {
                misconfigured(
                    "The connection is not there any more, or its settings cannot be opened.",
                )
            })?,
        };
        let outgoing = self
            .outgoing(&home, message, now, Some(ends))
            .map_err(gone)?;
        let segments = match &outgoing.content {
            Content::Text { body } => Some(segments(body).count),
            Content::Mail { .. } | Content::Json { .. } => None,
        };
        #[cfg(feature = "seeded-bugs")]
        super::seeded::die_of(&outgoing.content);
        let price = budget::listed(&home.tenant, message, segments.unwrap_or(1));
        let reserved = budget::reserved(message);
        match &price {
            // Not a byte has left: what it really costs is reserved first (M11).
            Some(price) if price.micros > reserved => {
                let why = Reason::new(
                    budget::DEARER,
                    format!(
                        "It has {} segments, more than was reserved for; reserved anew before it goes.",
                        segments.unwrap_or(1)
                    ),
                );
                Err((Outcome::Retryable { why, after: None }, segments))
            }
            _ => Ok(Ready {
                channel,
                outgoing,
                segments,
                price,
            }),
        }
    }
}

/// A call that can be made.
struct Ready {
    channel: Arc<dyn Channel>,
    outgoing: Outgoing,
    segments: Option<u32>,
    price: Option<Cost>,
}

impl Ready {
    /// The price by the list, where the provider names none.
    fn priced(&self, outcome: Outcome) -> Outcome {
        let or_listed = |cost: Option<Cost>| cost.or_else(|| self.price.clone());
        match outcome {
            Outcome::Accepted { reference, cost } => Outcome::Accepted {
                reference,
                cost: or_listed(cost),
            },
            Outcome::Delivered { reference, cost } => Outcome::Delivered {
                reference,
                cost: or_listed(cost),
            },
            other => other,
        }
    }
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Accepted { .. } => "accepted",
        Outcome::Retryable { .. } => "retry",
        Outcome::Misconfigured { .. } => "misconfigured",
        Outcome::Permanent { .. } => "refused",
        Outcome::Unknown { .. } => "unknown",
    }
}

/// Where a provider's reports and replies go.
pub fn webhook_url(public_url: &str, row: &ringback_store::ConnectionRow) -> String {
    format!("{public_url}/hooks/{}/{}", row.id, row.path_secret)
}

/// What a message says. The text is made of template version and data, so it is the same today as when it went. An alert that is said
/// again because nobody knows whether it arrived says so.
pub fn render(
    home: &Home,
    readers: &Readers,
    tokens: &Tokens,
    public_url: &str,
    message: &Message,
) -> Result<Rendered, Reason> {
    let mut rendered = render_once(home, readers, tokens, public_url, message)?;
    if message.marked_as_repeat() {
        match &mut rendered.content {
            Content::Text { body } => body.insert_str(0, "(repeat) "),
            Content::Mail { subject, .. } => subject.insert_str(0, "(repeat) "),
            Content::Json { .. } => {}
        }
    }
    Ok(rendered)
}

fn render_once(
    home: &Home,
    readers: &Readers,
    tokens: &Tokens,
    public_url: &str,
    message: &Message,
) -> Result<Rendered, Reason> {
    let wrong = |detail: String| Reason::new("template", detail);
    if let Some(body) = &message.body {
        let body = if message.plan.asks_staff {
            let link = format!(
                "{public_url}/c/{}",
                tokens.write(TokenFor::Confirm, message.id)
            );
            std::borrow::Cow::Owned(body.replace(CONFIRM_LINK, &link))
        } else {
            std::borrow::Cow::Borrowed(&**body)
        };
        return Ok(Rendered {
            content: written(home, message, &body),
        });
    }
    let Some((name, version)) = &message.template else {
        return Err(wrong("It has neither a text nor a template.".into()));
    };
    let find = |channel: ChannelKind| {
        home.template(name, channel, *version, || {
            let begins = format!("{name}.{channel}.");
            let found = readers.ask(|store| {
                let paths = store.documents(message.tenant)?;
                let of_name = |path: &str| {
                    path.starts_with("templates/")
                        && path
                            .rsplit('/')
                            .next()
                            .is_some_and(|file| file.starts_with(&begins))
                };
                match paths.into_iter().find(|document| of_name(&document.path)) {
                    Some(document) => {
                        store.document(message.tenant, &document.path, Some(*version))
                    }
                    None => Ok(None),
                }
            });
            found
                .ok()
                .flatten()
                .and_then(|document| Some((document.path, document.text?)))
        })
    };
    // An alert that may not go as a text and has no mail of its own says the words of the text by mail (ST-1).
    let instead = message.channel == ChannelKind::Email && message.plan.instead_of.is_some();
    let template =
        find(message.channel).or_else(|| instead.then(|| find(ChannelKind::Sms)).flatten());
    let Some(template) = template else {
        return Err(wrong(format!(
            "Template {name} is not there in version {version}."
        )));
    };
    let data = message
        .data
        .data()
        .map_err(|error| wrong(format!("Its data cannot be read: {error}")))?;
    let unsubscribe = format!(
        "{public_url}/u/{}",
        tokens.write(TokenFor::Unsubscribe, message.id)
    );
    let data = surrounded(data, home, tokens, public_url, message, &unsubscribe);
    let settings = &home.tenant.config.settings;
    let context = RenderContext::new(
        home.tenant.zone.clone(),
        settings.region.as_str(),
        message.locale.as_deref(),
    );
    let rendered = template
        .render(&data, &context)
        .map_err(|error| wrong(format!("Template {name} could not be filled: {error}")))?;
    let content = match message.channel {
        ChannelKind::Sms => Content::Text {
            body: rendered.text,
        },
        ChannelKind::Email => {
            let category = message.category;
            let step = message
                .step
                .as_deref()
                .and_then(|step| step.split('@').next())
                .unwrap_or(name);
            let feedback = FeedbackId {
                campaign: step,
                tenant: &home.row.slug,
                sender: "ringback",
            };
            Content::Mail {
                subject: rendered
                    .subject
                    .unwrap_or_else(|| format!("{}: an alert", settings.name)),
                text: rendered.text,
                html: rendered.html,
                reply_to: settings
                    .email
                    .clone()
                    .filter(|_| category != Category::Staff),
                headers: headers_for(category, Some(&unsubscribe), &feedback),
            }
        }
        ChannelKind::Webhook => Content::Json {
            event: message
                .step
                .as_deref()
                .map_or("message", |_| "lead.captured")
                .to_owned(),
            body: rendered.text,
        },
    };
    Ok(Rendered { content })
}

/// Adds what is the same for every message of the tenant, and the links of this one.
fn surrounded(
    data: &Data,
    home: &Home,
    tokens: &Tokens,
    public_url: &str,
    message: &Message,
    unsubscribe: &str,
) -> Data {
    let mut link = json!({
        "alert": format!("{public_url}/a/{}", tokens.write(TokenFor::Alert, message.id)),
        "unsubscribe": unsubscribe,
    });
    if let Some(lead) = message.lead {
        link["lead"] = format!("{public_url}/t/{}/leads/{lead}", home.row.slug).into();
    }
    let opt_out = if message.channel == ChannelKind::Sms && message.category != Category::Staff {
        "Reply STOP to end."
    } else {
        ""
    };
    let this = json!({"id": message.id, "opt_out_line": opt_out});
    data.clone()
        .with("tenant", &home.about)
        .with("link", &Own::new(link))
        .with("message", &Own::new(this))
}

/// A message that a person wrote, or an answer to STOP, START or HELP.
fn written(home: &Home, message: &Message, body: &str) -> Content {
    match message.channel {
        ChannelKind::Sms => Content::Text {
            body: body.to_owned(),
        },
        ChannelKind::Webhook => Content::Json {
            event: "message".into(),
            body: body.to_owned(),
        },
        ChannelKind::Email => {
            let parts: Value = serde_json::from_str(body).unwrap_or_else(|_| json!({"text": body}));
            let settings = &home.tenant.config.settings;
            let mut text = parts["text"].as_str().unwrap_or_default().to_owned();
            if message.category != Category::Staff {
                text.push_str(&format!("\n\n--\n{}", settings.name));
                if let Some(address) = &settings.postal_address {
                    text.push_str(&format!("\n{address}"));
                }
            }
            Content::Mail {
                subject: parts["subject"]
                    .as_str()
                    .unwrap_or(&settings.name)
                    .to_owned(),
                text,
                html: None,
                reply_to: settings.email.clone(),
                headers: Vec::new(),
            }
        }
    }
}
