//! What `simulate` predicts is what the server then does (W5): the golden weeks happen to a real server with a real store, whose clock is
//! moved by hand, and every message is compared.

use crate::house::{Guest, House};
use ringback_core::config::{Document, load};
use ringback_core::contact::Phone;
use ringback_core::ids::LeadId;
use ringback_core::messages::{ChannelKind, Inbound};
use ringback_core::places::Region;
use ringback_core::time::Timestamp;
use ringback_core::turn::Intake;
use ringback_core::turn::simulate::{Event, Simulated, read, simulate};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

const FROM: &str = "2027-11-05T06:00:00Z";
const UNTIL: &str = "2027-11-13T07:00:00Z";
/// Until so long after eight in the morning what waited for the night to end goes; when exactly is a matter of dice.
const SPREAD: jiff::SignedDuration = jiff::SignedDuration::from_secs(1_201);

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The week without what happens to the world: accounts that are out and nodes that die have tests of their own.
fn week(preset: &str) -> Vec<Event> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../core/weeks")
        .join(format!("{preset}.jsonl"));
    let text = std::fs::read_to_string(file).unwrap();
    let mut events = read(&text, instant(FROM)).unwrap();
    events.retain(|event| {
        !matches!(
            event.path.as_str(),
            "/simulate/outage" | "/simulate/restart"
        )
    });
    events
}

fn predicted(preset: &str, events: &[Event]) -> Simulated {
    let found = ringback_server::presets::find(preset).unwrap();
    let files: BTreeMap<String, Document> = found
        .files
        .into_iter()
        .map(|(path, text)| (path, Document::new(text)))
        .collect();
    let config = Arc::new(load(&files).unwrap());
    let told = simulate(config, events, instant(FROM), instant(UNTIL), 0);
    assert!(
        told.errors.is_empty() && told.refused.is_empty(),
        "{told:?}"
    );
    assert_eq!(told.waiting, 0, "a week that ends with nothing open");
    told
}

/// One message as it ended: what a person would compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ended {
    /// When; of what waited for the morning only the day.
    at: String,
    what: &'static str,
    channel: String,
    to: String,
    template: String,
    step: String,
    why: String,
}

struct Expected {
    messages: Vec<Ended>,
    /// When each of them has ended at the latest.
    by: Vec<Timestamp>,
}

fn expected(told: &Simulated) -> Expected {
    let key = |line: &ringback_core::turn::simulate::Line| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        (
            line.channel,
            text(&line.to),
            text(&line.template),
            text(&line.step),
            text(&line.lead),
        )
    };
    let held: HashSet<_> = told
        .timeline
        .iter()
        .filter(|line| line.what == "waits")
        .map(key)
        .collect();
    let mut all = Expected {
        messages: Vec::new(),
        by: Vec::new(),
    };
    for line in &told.timeline {
        let (Some(channel), "sent" | "not_sent") = (line.channel, line.what.as_str()) else {
            continue;
        };
        let spread = held.contains(&key(line));
        all.by.push(if spread { line.at + SPREAD } else { line.at });
        all.messages.push(Ended {
            at: if spread {
                day(line.at)
            } else {
                line.at.to_string()
            },
            what: if line.what == "sent" {
                "sent"
            } else {
                "not_sent"
            },
            channel: channel.to_string(),
            to: line.to.clone().unwrap_or_default(),
            template: line.template.clone().unwrap_or_default(),
            step: line.step.clone().unwrap_or_default(),
            why: line.why.clone().unwrap_or_default(),
        });
    }
    all.messages.sort();
    all
}

fn day(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap().to_owned()
}

/// A server to which the week happens.
struct Life {
    house: House,
    guest: Guest,
    preset: &'static str,
    leads: HashMap<String, String>,
}

impl Life {
    async fn nudge(&self) {
        self.house.app.write(|_| Ok(())).await.unwrap();
    }

    /// The clock moves to an instant, and what falls due on the way is done.
    async fn at(&self, at: Timestamp) {
        let ahead = at.duration_since(self.house.app.now());
        if ahead.is_positive() {
            self.house.clock.forward(ahead);
        }
        for _ in 0..4 {
            self.nudge().await;
        }
    }

    fn lead(&self, body: &Value) -> LeadId {
        let name = body["lead"].as_str().unwrap();
        self.leads[name].parse().unwrap()
    }

    async fn happens(&mut self, event: &Event) {
        let (house, key, body) = (&self.house, &self.guest.key, &event.body);
        let take = |intake| house.app.take(self.guest.id, intake, None);
        match event.path.as_str() {
            "/simulate/take" => {
                let (lead, actor) = (self.lead(body), body["by"].as_str().unwrap().to_owned());
                take(Intake::Take { lead, actor }).await.unwrap();
            }
            "/simulate/reply" => {
                let inbound = Inbound {
                    dedup: format!("line {}", event.line),
                    channel: ChannelKind::Sms,
                    from: Phone::parse(body["from"].as_str().unwrap(), Region::US)
                        .unwrap()
                        .as_str()
                        .to_owned(),
                    to: "+13035550100".into(),
                    body: body["body"].as_str().unwrap().to_owned(),
                    answered_by_provider: false,
                    at: house.app.now(),
                };
                let intake = Intake::Inbound {
                    inbound: Box::new(inbound),
                    connection: None,
                };
                take(intake).await.unwrap();
            }
            path => {
                let path = match path.split_once('{') {
                    Some((before, rest)) => {
                        let (name, after) = rest.split_once('}').unwrap();
                        format!("{before}{}{after}", self.leads[name])
                    }
                    None => path.replace("/f/", &format!("/f/{}.", self.preset)),
                };
                let reply = house.post(key, &path, body.clone()).await;
                assert!(reply.status.is_success(), "{path}: {}", reply.text);
                // A tracked event has an id of its own beside its lead's.
                let lead = reply.json["lead_id"]
                    .as_str()
                    .or_else(|| reply.json["id"].as_str());
                if let Some(lead) = lead.filter(|lead| lead.starts_with("lead_")) {
                    for name in ["phone", "email", "anonymousId"] {
                        if let Some(name) = body[name].as_str() {
                            self.leads.insert(name.to_owned(), lead.to_owned());
                        }
                    }
                }
            }
        }
    }

    /// The ids of all messages that ended, and whether any is still under way.
    async fn ended(&self) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/messages?limit=200{after}");
            let page = self.house.get(&self.guest.key, &path).await.is(200);
            for one in page.data() {
                let status = one["status"].as_str().unwrap();
                if !["queued", "sending", "deferred", "scheduled"].contains(&status) {
                    ids.push(one["id"].as_str().unwrap().to_owned());
                }
            }
            match page.json["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return ids,
            }
        }
    }

    /// Waits until so many messages have ended; a server that does less than was predicted is told by the comparison.
    async fn settle(&self, wanted: usize) {
        for _ in 0..60 {
            if self.ended().await.len() >= wanted {
                return;
            }
            self.nudge().await;
        }
    }

    async fn message(&self, id: &str, held: &HashSet<String>) -> Ended {
        let path = format!("/v1/messages/{id}");
        let one = self.house.get(&self.guest.key, &path).await.is(200).json;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sent = ["accepted", "delivered"].contains(&one["status"].as_str().unwrap());
        let at = if sent {
            &one["accepted_at"]
        } else {
            &one["settled_at"]
        };
        let at = instant(
            at.as_str()
                .unwrap_or_else(|| panic!("when did it end? {one}")),
        );
        let cause = &one["cause"];
        let step = match cause["step"].as_str() {
            Some(step) if step.contains('#') => step.to_owned(),
            Some(step) => format!("{}@{}#{step}", text(&cause["workflow"]), cause["version"]),
            None => String::new(),
        };
        let to = one["staff"].as_str().or_else(|| one["recipient"].as_str());
        Ended {
            at: if held.contains(id) {
                day(at)
            } else {
                at.to_string()
            },
            what: if sent { "sent" } else { "not_sent" },
            channel: text(&one["channel"]),
            to: to.unwrap_or_default().to_owned(),
            template: text(&one["template"]["name"]),
            step,
            why: if sent {
                String::new()
            } else {
                text(&one["why"]["detail"])
            },
        }
    }
}

async fn lives_as_predicted(preset: &'static str) {
    let events = week(preset);
    let told = predicted(preset, &events);
    let wanted = expected(&told);
    assert!(
        wanted.messages.len() > 15,
        "{preset}: {}",
        wanted.messages.len()
    );
    let (house, guest) = House::with(preset).await;
    let mut life = Life {
        house,
        guest,
        preset,
        leads: HashMap::new(),
    };
    let mut stops: BTreeSet<Timestamp> = events.iter().map(|event| event.at).collect();
    stops.extend(told.timeline.iter().map(|line| line.at));
    stops.extend(wanted.by.iter().copied());
    // What wakes and says nothing, such as a wait after a wait, wakes in time too: the weeks wait in tens of minutes.
    let ten = jiff::SignedDuration::from_mins(10);
    let grid = std::iter::successors(Some(instant(FROM)), |at| Some(*at + ten));
    stops.extend(grid.take_while(|at| *at <= instant(UNTIL)));
    let mut held: HashSet<String> = HashSet::new();
    let mut to_come = events.iter().peekable();
    for stop in stops {
        life.at(stop).await;
        while let Some(event) = to_come.next_if(|event| event.at <= stop) {
            life.happens(event).await;
        }
        let by_now = wanted.by.iter().filter(|by| **by <= stop).count();
        life.settle(by_now).await;
        let waits = "/v1/messages?status=deferred&limit=200";
        let waits = life.house.get(&life.guest.key, waits).await.is(200);
        held.extend(
            waits
                .data()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
    }
    let mut did = Vec::new();
    for id in life.ended().await {
        did.push(life.message(&id, &held).await);
    }
    did.sort();
    let mut only_predicted = wanted.messages;
    let mut only_done = Vec::new();
    for message in did {
        match only_predicted.iter().position(|one| *one == message) {
            Some(at) => {
                only_predicted.remove(at);
            }
            None => only_done.push(message),
        }
    }
    assert!(
        only_predicted.is_empty() && only_done.is_empty(),
        "{preset}: predicted and not done {only_predicted:#?}, done and not predicted {only_done:#?}"
    );
}

/// W5: three products, sequences over nights and the change of the clock, replies and a STOP.
#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_trials_goes_as_predicted() {
    lives_as_predicted("saas-nurture").await;
}

/// W5: stages, escalations in opening hours, messages that wait for the morning.
#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_predictions_goes_as_predicted() {
    lives_as_predicted("real-estate-churn").await;
}

/// W5: visits that are scored, alerts and their escalation.
#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_visits_goes_as_predicted() {
    lives_as_predicted("plumbing").await;
}

/// W5: forms, hooks, and the promised first response.
#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_quotes_goes_as_predicted() {
    lives_as_predicted("auto-glass").await;
}

/// The comparison itself sees a difference of one word.
#[test]
fn a_message_that_differs_is_no_match() {
    let told = predicted("plumbing", &week("plumbing"));
    let one = expected(&told);
    let mut other = expected(&told);
    other.messages[3].to.push('x');
    assert_ne!(one.messages, other.messages);
    assert_eq!(json!(one.messages.len()), json!(one.by.len()));
}
