//! A workflow as it is written down: trigger, condition, steps (W1, W2).
//!
//! A run keeps its place as the id of a step, which is the path to it in the document (`0`, `1.otherwise.0`); since a published
//! version never changes (W4), the path is as stable as the version. [`Workflow::step`] and [`Workflow::next`] walk it.

use crate::conditions::Condition;
use crate::config::durations;
use crate::messages::{Category, ChannelKind, Priority};
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What happens, in order, after a trigger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Workflow {
    /// The name, which is the file's too.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// The product it belongs to; none is every product (W6).
    pub product: Option<String>,
    /// What starts a run.
    pub trigger: Trigger,
    /// What must hold when the trigger comes.
    #[serde(serialize_with = "crate::config::maybe_in_words")]
    pub when: Option<Condition>,
    /// Whether a lead can go through it again.
    pub reentry: Reentry,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A lead came in, by this form or by any way.
    LeadCaptured {
        /// The form's name.
        form: Option<String>,
    },
    /// An event of one of these types.
    Event {
        /// Types such as `emergency_click`.
        types: Vec<String>,
    },
    /// A score rose into a tier (S5).
    TierEntered {
        /// The score model.
        model: String,
        /// The tier.
        tier: String,
    },
    /// A lead's stage changed.
    StageChanged {
        /// In this product; none is the workflow's own or any.
        product: Option<String>,
        /// To this stage; none is any.
        to: Option<String>,
    },
    /// A person or the API starts it.
    Manual,
}

impl Trigger {
    /// The kind of trigger, as it is written.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LeadCaptured { .. } => "lead_captured",
            Self::Event { .. } => "event",
            Self::TierEntered { .. } => "tier_entered",
            Self::StageChanged { .. } => "stage_changed",
            Self::Manual => "manual",
        }
    }
}

/// Whether a lead can go through a workflow again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reentry {
    /// Every trigger starts a run.
    #[default]
    Always,
    /// Once in the lead's life.
    OncePerLead,
    /// Once in a visit; without a visit, every trigger.
    OncePerSession,
    /// Not while a run of it is under way.
    WhenDone,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// The path to it in the document.
    pub id: String,
    /// The step is passed over unless this holds when it is its turn.
    #[serde(serialize_with = "crate::config::maybe_in_words")]
    pub when: Option<Condition>,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Says something to somebody.
    Send(Send),
    /// Lets time pass.
    Wait(#[serde(with = "durations")] Duration),
    /// Waits for an event of the lead, but not for ever.
    WaitFor {
        /// The event's type.
        event: String,
        /// How long.
        #[serde(with = "durations")]
        within: Duration,
        /// What is done when it came.
        then: Vec<Step>,
        /// What is done when it did not.
        otherwise: Vec<Step>,
    },
    /// Goes one way or the other.
    Branch {
        /// What decides.
        #[serde(serialize_with = "crate::config::in_words")]
        when: Condition,
        /// What is done when it holds.
        then: Vec<Step>,
        /// What is done when it does not.
        otherwise: Vec<Step>,
    },
    /// Moves the lead in its pipeline (L9).
    SetStage {
        /// The product; none is the workflow's or the lead's own.
        product: Option<String>,
        /// The stage.
        stage: String,
    },
    /// Ends the run.
    End,
}

impl Action {
    /// The kind of step, as it is written.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Wait(_) => "wait",
            Self::WaitFor { .. } => "wait_for",
            Self::Branch { .. } => "branch",
            Self::SetStage { .. } => "set_stage",
            Self::End => "end",
        }
    }

    fn ways(&self) -> [(&'static str, &[Step]); 2] {
        match self {
            Self::WaitFor {
                then, otherwise, ..
            }
            | Self::Branch {
                then, otherwise, ..
            } => [("then", then), ("otherwise", otherwise)],
            _ => [("then", &[]), ("otherwise", &[])],
        }
    }
}

/// One send step: a notification over one or several channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Send {
    /// Who hears it.
    pub to: Recipient,
    /// On which channels.
    pub channels: Channels,
    /// What is said.
    pub template: String,
    /// Repeats the template's category, for readers; the check insists that they agree.
    pub category: Option<Category>,
    /// Who goes first in a queue; none is the template's.
    pub priority: Option<Priority>,
    /// After this long nobody needs it any more.
    #[serde(with = "durations::option")]
    pub expires: Option<Duration>,
}

/// Who hears it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipient {
    /// The person.
    Lead,
    /// Everybody on a list of staff.yaml.
    List(String),
    /// Everybody with a role.
    Role(String),
    /// One member of staff.
    Staff(String),
    /// Who is on call.
    OnCall,
    /// A server, by the name of its hook in staff.yaml.
    Hook(String),
}

impl Recipient {
    /// Who it is, within a sentence.
    pub fn describe(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lead => f.write_str("the lead"),
            Self::List(name) => write!(f, "the list {name}"),
            Self::Role(name) => write!(f, "everybody with the role {name}"),
            Self::Staff(name) => f.write_str(name),
            Self::OnCall => f.write_str("who is on call"),
            Self::Hook(name) => write!(f, "the hook {name}"),
        }
    }
}

/// On which channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// On every one of them, at once (M8).
    All(Vec<ChannelKind>),
    /// On the first that works (M5).
    First(Vec<ChannelKind>),
}

impl Channels {
    /// The channels in the order they are written.
    pub fn kinds(&self) -> &[ChannelKind] {
        match self {
            Self::All(kinds) | Self::First(kinds) => kinds,
        }
    }
}

/// Which way a run leaves a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The condition held, the event came.
    Then,
    /// It did not.
    Otherwise,
    /// The step is done; there is nothing inside it.
    On,
}

impl Workflow {
    /// The step with an id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        let mut parts = id.split('.');
        let mut step = self.steps.get(parts.next()?.parse::<usize>().ok()?)?;
        while let Some(way) = parts.next() {
            let index: usize = parts.next()?.parse().ok()?;
            step = step
                .action
                .ways()
                .iter()
                .find(|(name, _)| *name == way)
                .and_then(|(_, inside)| inside.get(index))?;
        }
        Some(step)
    }

    /// The step after a step: into the chosen way when it has steps, else on to the following step, out of the nest where it
    /// ends. None is the end of the run.
    pub fn next(&self, id: &str, way: Way) -> Option<&Step> {
        self.step(id)?;
        let name = match way {
            Way::Then => Some("then"),
            Way::Otherwise => Some("otherwise"),
            Way::On => None,
        };
        if let Some(name) = name
            && let Some(inside) = self.step(&format!("{id}.{name}.0"))
        {
            return Some(inside);
        }
        let mut here = id;
        loop {
            let (nest, index) = match here.rsplit_once('.') {
                Some((nest, index)) => (Some(nest), index),
                None => (None, here),
            };
            let following = index.parse::<usize>().ok()?.checked_add(1)?;
            let sibling = match nest {
                Some(nest) => self.step(&format!("{nest}.{following}")),
                None => self.steps.get(following),
            };
            if sibling.is_some() {
                return sibling;
            }
            // `1.otherwise` lies in step `1`.
            here = nest?.rsplit_once('.')?.0;
        }
    }

    /// Every step with those inside it, in the order of the document.
    pub fn walk(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        let mut open: Vec<&Step> = self.steps.iter().rev().collect();
        while let Some(step) = open.pop() {
            all.push(step);
            let [then, otherwise] = step.action.ways();
            open.extend(otherwise.1.iter().rev());
            open.extend(then.1.iter().rev());
        }
        all
    }

    /// Every send step.
    pub fn sends(&self) -> impl Iterator<Item = (&Step, &Send)> {
        self.walk()
            .into_iter()
            .filter_map(|step| match &step.action {
                Action::Send(send) => Some((step, send)),
                _ => None,
            })
    }
}

/// The document of a workflow.
#[derive(Deserialize)]
#[serde(rename = "workflow", deny_unknown_fields)]
struct Written {
    name: String,
    label: Option<String>,
    product: Option<String>,
    trigger: Trigger,
    when: Option<Condition>,
    #[serde(default)]
    reentry: Reentry,
    steps: Vec<Step>,
}

impl From<Written> for Workflow {
    fn from(written: Written) -> Self {
        let mut steps = written.steps;
        number(&mut steps, "");
        Self {
            name: written.name,
            label: written.label,
            product: written.product,
            trigger: written.trigger,
            when: written.when,
            reentry: written.reentry,
            steps,
        }
    }
}

/// Gives every step its path.
fn number(steps: &mut [Step], nest: &str) {
    for (index, step) in steps.iter_mut().enumerate() {
        step.id = format!("{nest}{index}");
        if let Action::WaitFor {
            then, otherwise, ..
        }
        | Action::Branch {
            then, otherwise, ..
        } = &mut step.action
        {
            number(then, &format!("{}.then.", step.id));
            number(otherwise, &format!("{}.otherwise.", step.id));
        }
    }
}

/// A send step as it is written: `channels` may be left out for a hook.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSend {
    to: Recipient,
    channels: Option<Channels>,
    template: String,
    category: Option<Category>,
    priority: Option<Priority>,
    #[serde(default, with = "durations::option")]
    expires: Option<Duration>,
}

impl<'de> Deserialize<'de> for Send {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = WrittenSend::deserialize(from)?;
        let hook = matches!(written.to, Recipient::Hook(_));
        let channels = match written.channels {
            Some(channels) => channels,
            None if hook => Channels::All(vec![ChannelKind::Webhook]),
            None => return Err(de::Error::missing_field("channels")),
        };
        let kinds = channels.kinds();
        if kinds.is_empty() {
            return Err(de::Error::custom("`channels` names no channel."));
        }
        if (1..kinds.len()).any(|at| kinds[..at].contains(&kinds[at])) {
            return Err(de::Error::custom("`channels` names a channel twice."));
        }
        if hook != kinds.contains(&ChannelKind::Webhook) || hook && kinds.len() > 1 {
            return Err(de::Error::custom(
                "The channel `webhook` reaches hooks and nothing else does: a person is reached by sms or email.",
            ));
        }
        Ok(Self {
            to: written.to,
            channels,
            template: written.template,
            category: written.category,
            priority: written.priority,
            expires: written.expires,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWait {
    event: String,
    #[serde(with = "durations")]
    within: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStage {
    product: Option<String>,
    stage: String,
}

/// A step as it is written: one of the actions, and beside it what belongs to it.
#[derive(Default, Deserialize)]
#[serde(rename = "step", deny_unknown_fields, default)]
struct WrittenStep {
    when: Option<Condition>,
    send: Option<Send>,
    #[serde(with = "durations::option")]
    wait: Option<Duration>,
    wait_for: Option<WrittenWait>,
    branch: Option<Condition>,
    set_stage: Option<WrittenStage>,
    end: Option<bool>,
    then: Option<Vec<Step>>,
    otherwise: Option<Vec<Step>>,
}

impl WrittenStep {
    fn settle(self) -> Result<Step, String> {
        let nests = self.then.is_some() || self.otherwise.is_some();
        let (then, otherwise) = (
            self.then.unwrap_or_default(),
            self.otherwise.unwrap_or_default(),
        );
        let mut actions = Vec::new();
        if let Some(send) = self.send {
            actions.push(Action::Send(send));
        }
        if let Some(wait) = self.wait {
            actions.push(Action::Wait(wait));
        }
        if let Some(stage) = self.set_stage {
            actions.push(Action::SetStage {
                product: stage.product,
                stage: stage.stage,
            });
        }
        if self.end == Some(true) {
            actions.push(Action::End);
        }
        if nests && !actions.is_empty() {
            return Err(format!(
                "`then` and `otherwise` belong to `wait_for` and `branch`, not to `{}`.",
                actions[0].kind()
            ));
        }
        match (self.wait_for, self.branch) {
            (Some(_), Some(_)) => return Err(one_action()),
            (Some(wait), None) => actions.push(Action::WaitFor {
                event: wait.event,
                within: wait.within,
                then,
                otherwise,
            }),
            (None, Some(when)) if then.is_empty() && otherwise.is_empty() => {
                let _unused = when;
                return Err("A `branch` needs steps in `then` or `otherwise`.".to_owned());
            }
            (None, Some(when)) => actions.push(Action::Branch {
                when,
                then,
                otherwise,
            }),
            (None, None) => {}
        }
        match (actions.pop(), actions.is_empty()) {
            (Some(action), true) => Ok(Step {
                id: String::new(),
                when: self.when,
                action,
            }),
            _ => Err(one_action()),
        }
    }
}

fn one_action() -> String {
    "A step does exactly one of `send`, `wait`, `wait_for`, `branch`, `set_stage` and `end`."
        .to_owned()
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneStep;
        impl<'de> Visitor<'de> for OneStep {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step such as `send: { … }`, `wait: 5m` or `end`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Step, E> {
                if word != "end" {
                    return Err(E::custom(one_action()));
                }
                Ok(Step {
                    id: String::new(),
                    when: None,
                    action: Action::End,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
                WrittenStep::deserialize(MapAccessDeserializer::new(map))?
                    .settle()
                    .map_err(de::Error::custom)
            }
        }
        from.deserialize_any(OneStep)
    }
}

/// A trigger as it is written; `event` takes a type, a list of types or `{ types: […] }`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenTrigger {
    LeadCaptured {
        form: Option<String>,
    },
    Event(Types),
    TierEntered {
        model: String,
        tier: String,
    },
    StageChanged {
        product: Option<String>,
        to: Option<String>,
    },
    Manual,
}

struct Types(Vec<String>);

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Listed {
            types: Vec<String>,
        }
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Types;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the type of an event or a list of types")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Types, E> {
                Ok(Types(vec![word.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Types, A::Error> {
                let mut types = Vec::new();
                while let Some(one) = items.next_element()? {
                    types.push(one);
                }
                Ok(Types(types))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Types, A::Error> {
                Listed::deserialize(MapAccessDeserializer::new(map))
                    .map(|listed| Types(listed.types))
            }
        }
        let types = from.deserialize_any(OneOrMore)?;
        if types.0.is_empty() {
            return Err(de::Error::custom("`event` names no type of event."));
        }
        Ok(types)
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match WrittenTrigger::deserialize(from)? {
            WrittenTrigger::LeadCaptured { form } => Self::LeadCaptured { form },
            WrittenTrigger::Event(types) => Self::Event { types: types.0 },
            WrittenTrigger::TierEntered { model, tier } => Self::TierEntered { model, tier },
            WrittenTrigger::StageChanged { product, to } => Self::StageChanged { product, to },
            WrittenTrigger::Manual => Self::Manual,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Workflow, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    const ESCALATING: &str = "
name: emergency-alert
trigger: { tier_entered: { model: intent, tier: immediate } }
steps:
  - send: { to: { list: emergency }, channels: { all: [sms, email] }, template: emergency, category: staff, priority: critical }
  - wait_for: { event: lead.acknowledged, within: 5m }
    otherwise:
      - send: { to: { role: owner }, channels: { first: [sms, email] }, template: escalation, category: staff, priority: critical }
      - branch: { field: time.after_hours, is: true }
        then:
          - wait: 1h
        otherwise:
          - end
  - set_stage: { stage: contacted }
";

    /// W1: the document of the contract reads as it stands.
    #[test]
    fn the_workflow_of_the_contract_is_read() {
        let workflow = read(ESCALATING).unwrap();
        assert_eq!(
            workflow.trigger,
            Trigger::TierEntered {
                model: "intent".to_owned(),
                tier: "immediate".to_owned()
            }
        );
        let ids: Vec<(&str, &str)> = workflow
            .walk()
            .into_iter()
            .map(|step| (step.id.as_str(), step.action.kind()))
            .collect();
        assert_eq!(
            ids,
            [
                ("0", "send"),
                ("1", "wait_for"),
                ("1.otherwise.0", "send"),
                ("1.otherwise.1", "branch"),
                ("1.otherwise.1.then.0", "wait"),
                ("1.otherwise.1.otherwise.0", "end"),
                ("2", "set_stage"),
            ]
        );
        let Action::Send(send) = &workflow.steps[0].action else {
            panic!("a send");
        };
        assert_eq!(send.to, Recipient::List("emergency".to_owned()));
        assert_eq!(
            send.channels,
            Channels::All(vec![ChannelKind::Sms, ChannelKind::Email])
        );
        assert_eq!(send.priority, Some(Priority::Critical));
        assert_eq!(workflow.sends().count(), 2);
    }

    /// W3: a run finds its way by ids alone, into a fork, on, and out of it.
    #[test]
    fn the_next_step_is_found_by_id() {
        let workflow = read(ESCALATING).unwrap();
        for (from, way, to) in [
            ("0", Way::On, Some("1")),
            ("1", Way::Then, Some("2")),
            ("1", Way::Otherwise, Some("1.otherwise.0")),
            ("1.otherwise.0", Way::On, Some("1.otherwise.1")),
            ("1.otherwise.1", Way::Then, Some("1.otherwise.1.then.0")),
            (
                "1.otherwise.1",
                Way::Otherwise,
                Some("1.otherwise.1.otherwise.0"),
            ),
            ("1.otherwise.1.then.0", Way::On, Some("2")),
            ("2", Way::On, None),
            ("9", Way::On, None),
            ("", Way::On, None),
            ("1.sideways.0", Way::On, None),
            ("1.otherwise", Way::On, None),
            ("9", Way::Otherwise, None),
        ] {
            let next = workflow.next(from, way).map(|step| step.id.as_str());
            assert_eq!(next, to, "{from} {way:?}");
        }
        assert!(workflow.step("1.otherwise.1.then.0").is_some());
        assert!(workflow.step("1.then.0").is_none());
        assert!(workflow.step("99999999999999999999").is_none());
    }

    #[test]
    fn triggers_are_read_in_their_short_and_long_forms() {
        for (written, wanted) in [
            ("manual", Trigger::Manual),
            ("lead_captured", Trigger::LeadCaptured { form: None }),
            (
                "{ lead_captured: {} }",
                Trigger::LeadCaptured { form: None },
            ),
            (
                "{ lead_captured: { form: quote } }",
                Trigger::LeadCaptured {
                    form: Some("quote".to_owned()),
                },
            ),
            (
                "{ event: a }",
                Trigger::Event {
                    types: vec!["a".to_owned()],
                },
            ),
            (
                "{ event: [a, b] }",
                Trigger::Event {
                    types: vec!["a".to_owned(), "b".to_owned()],
                },
            ),
            (
                "{ event: { types: [a] } }",
                Trigger::Event {
                    types: vec!["a".to_owned()],
                },
            ),
            (
                "{ stage_changed: {} }",
                Trigger::StageChanged {
                    product: None,
                    to: None,
                },
            ),
        ] {
            let text = format!("name: a\ntrigger: {written}\nsteps: [end]\n");
            // `lead_captured` alone is read by the loader; serde itself asks for a map.
            match (read(&text), written) {
                (Ok(workflow), _) => assert_eq!(workflow.trigger, wanted, "{written}"),
                (Err(_), "lead_captured") => {}
                (Err(why), _) => panic!("{written}: {why}"),
            }
        }
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        for (step, why) in [
            ("{ wait: 5m, end: true }", "exactly one"),
            ("{}", "exactly one"),
            ("stop", "exactly one"),
            ("{ wait: 5m, then: [end] }", "belong to"),
            ("{ branch: { field: lead.tier, is: high } }", "needs steps"),
            ("{ wait: soon }", "no length of time"),
            ("{ send: { to: lead, template: a } }", "channels"),
            (
                "{ send: { to: lead, channels: { all: [] }, template: a } }",
                "no channel",
            ),
            (
                "{ send: { to: lead, channels: { all: [sms, sms] }, template: a } }",
                "twice",
            ),
            (
                "{ send: { to: lead, channels: { all: [webhook] }, template: a } }",
                "hooks",
            ),
            (
                "{ send: { to: { hook: crm }, channels: { all: [sms] }, template: a } }",
                "hooks",
            ),
        ] {
            let said =
                read(&format!("name: a\ntrigger: manual\nsteps:\n  - {step}\n")).unwrap_err();
            assert!(said.contains(why), "{step}: {said}");
        }
        let hook = read(
            "name: a\ntrigger: manual\nsteps:\n  - send: { to: { hook: crm }, template: a }\n",
        )
        .unwrap();
        let (_, send) = hook.sends().next().unwrap();
        assert_eq!(send.channels.kinds(), [ChannelKind::Webhook]);
    }
}
