//! A workflow as it is written down: trigger, condition, steps (W1, W2).
//!
//! A run keeps its place as the id of a step, which is the path to it in the document (`0`, `1.otherwise.0`); since a published
//! version never changes (W4), the path is as stable as the version.

use super::ask::Ask;
use super::trigger::Trigger;
use super::wait::Wait;
use crate::conditions::Condition;
use crate::config::durations;
use crate::messages::{Category, ChannelKind, Priority};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use std::{fmt, time::Duration};

/// What happens, in order, after a trigger.
#[derive(Debug, Clone, Serialize)]
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
    /// What it is for: a run whose goal is reached is done.
    pub goals: Vec<Until>,
    /// What makes it pointless: a run is stopped.
    pub exits: Vec<Until>,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// What ends a run from outside: an event, or a condition that holds, or an event for which a condition holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Until {
    /// One of these types of event; none is whatever happens.
    pub events: Vec<String>,
    /// What must hold.
    #[serde(serialize_with = "crate::config::maybe_in_words")]
    pub when: Option<Condition>,
}

/// Whether a lead can go through a workflow again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
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
    /// Not before so long after the last run began.
    After(#[serde(with = "durations")] Duration),
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
    /// Collects what happened, and says it once.
    Digest(Digest),
    /// Asks the lead a question and reads the answer.
    Ask(Box<Ask>),
    /// Lets time pass.
    Wait(Wait),
    /// Waits for an event of the lead, but not for ever.
    WaitFor {
        /// The event's type, or several.
        events: Vec<String>,
        /// Only an event for which this holds.
        #[serde(serialize_with = "crate::config::maybe_in_words")]
        filter: Option<Condition>,
        /// How long.
        #[serde(with = "durations")]
        within: Duration,
        /// Which time counts.
        of: Clock,
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
    /// Goes one of several ways by lot, the same lead always the same way.
    Split(Vec<Variant>),
    /// Gives the lead to a person of the business.
    Assign(Assign),
    /// Tells one after the other until somebody answers (W7): a send and a wait in each level, the next one inside.
    Escalate(Vec<Step>),
    /// Moves the lead in its pipeline (L9).
    SetStage {
        /// The product; none is the workflow's or the lead's own.
        product: Option<String>,
        /// The stage.
        stage: String,
    },
    /// Writes down something about the lead.
    SetAttribute {
        /// The attribute's name.
        name: String,
        /// What it is from now on.
        value: Source,
    },
    /// Puts tags on the lead and takes others off.
    Tag {
        /// Tags it gets.
        add: Vec<String>,
        /// Tags it loses.
        remove: Vec<String>,
    },
    /// Gives a person of the business something to do.
    CreateTask(Task),
    /// Orders a call to the lead (A2).
    StartCall(Call),
    /// Starts another workflow for the same lead.
    StartWorkflow(String),
    /// Stops the runs of a workflow for the same lead.
    StopWorkflow(String),
    /// Ends the run.
    End,
}

/// One of several ways by lot.
#[derive(Debug, Clone, Serialize)]
pub struct Variant {
    /// Its name, part of the path to its steps.
    pub name: String,
    /// So many of a hundred leads go this way.
    pub percent: u8,
    /// What is done.
    pub steps: Vec<Step>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It is written in the step.
    Value(Value),
    /// It is read from a field, such as `event.properties.budget`.
    Field(String),
    /// It is so much more than it was; what is no number counts as nought.
    Add(Number),
}

/// Collects for a time or a count, then says it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// What is said, to whom, how.
    pub send: Send,
    /// After so long from the first one it is said.
    #[serde(with = "durations")]
    pub collect: Duration,
    /// After so many it is said at once.
    pub count: Option<u32>,
}

/// Gives the lead to a person of the business (D1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assign {
    /// How the person is chosen.
    pub by: By,
    /// Among whom.
    pub among: Recipient,
    /// Only people with this skill, or with the skill that a field names.
    pub skill: Option<Skill>,
    /// Somebody else than who has it now; otherwise who has it keeps it.
    pub again: bool,
}

/// A skill that a person must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skill {
    /// This one.
    Named(String),
    /// The one in this field, such as `lead.attributes.service_type`.
    Field(String),
}

/// How a person is chosen among several (D1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Who has the fewest leads in hand.
    LeastLoaded,
    /// Who is responsible for the lead's ZIP or state; among several, one after the other.
    Territory,
}

/// Something to do for a person of the business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// What is to be done, a line.
    pub title: String,
    /// Who; none is whoever owns the lead.
    pub to: Option<Recipient>,
    /// Until when, from now on.
    #[serde(with = "durations::option")]
    pub due: Option<Duration>,
}

/// A call to the lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Who calls, by the name of an assistant; none is the business's own.
    pub assistant: Option<String>,
    /// Why, in words that the assistant is given.
    pub about: Option<String>,
}

impl Action {
    /// The kind of step, as it is written.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Digest(_) => "digest",
            Self::Ask(_) => "ask",
            Self::Wait(_) => "wait",
            Self::WaitFor { .. } => "wait_for",
            Self::Branch { .. } => "branch",
            Self::Split(_) => "split",
            Self::Assign(_) => "assign",
            Self::Escalate(_) => "escalate",
            Self::SetStage { .. } => "set_stage",
            Self::SetAttribute { .. } => "set_attribute",
            Self::Tag { .. } => "tag",
            Self::CreateTask(_) => "create_task",
            Self::StartCall(_) => "start_call",
            Self::StartWorkflow(_) => "start_workflow",
            Self::StopWorkflow(_) => "stop_workflow",
            Self::End => "end",
        }
    }

    /// The lists of steps inside it, each with its name in the path.
    pub fn ways(&self) -> Vec<(&str, &[Step])> {
        match self {
            Self::WaitFor {
                then, otherwise, ..
            }
            | Self::Branch {
                then, otherwise, ..
            } => vec![(THEN, then), (OTHERWISE, otherwise)],
            Self::Ask(ask) => vec![(THEN, &ask.then), (OTHERWISE, &ask.otherwise)],
            Self::Split(variants) => variants
                .iter()
                .map(|variant| (variant.name.as_str(), variant.steps.as_slice()))
                .collect(),
            Self::Escalate(steps) => vec![(LEVELS, steps)],
            _ => Vec::new(),
        }
    }

    /// The list of steps inside it with this name.
    pub fn way(&self, name: &str) -> Option<&[Step]> {
        let mut ways = self.ways().into_iter();
        ways.find(|(way, _)| *way == name).map(|(_, inside)| inside)
    }
}

/// What is done when a condition holds or an event came.
pub const THEN: &str = "then";
/// What is done when it does not, or did not.
pub const OTHERWISE: &str = "otherwise";
/// The levels of an escalation.
pub const LEVELS: &str = "levels";

/// Which time counts while something is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// All of it.
    #[default]
    Always,
    /// Only the time in which the business is open (W7).
    BusinessHours,
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
    /// Who has the lead in hand; who runs the business, while nobody has.
    LeadOwner,
    /// Whom that person reports to.
    Manager,
    /// Everybody who was alerted about the lead and did not take it.
    OthersAlerted,
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
            Self::LeadOwner => f.write_str("the lead's owner"),
            Self::Manager => f.write_str("the manager of the lead's owner"),
            Self::OthersAlerted => f.write_str("the others who were alerted"),
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
    /// On the one that the lead prefers, else the cheapest that is allowed; the others when it fails.
    Preferred(Vec<ChannelKind>),
}

impl Channels {
    /// The channels in the order they are written.
    pub fn kinds(&self) -> &[ChannelKind] {
        match self {
            Self::All(kinds) | Self::First(kinds) | Self::Preferred(kinds) => kinds,
        }
    }
}

impl Workflow {
    /// The step with an id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        let mut parts = id.split('.');
        let mut step = self.steps.get(parts.next()?.parse::<usize>().ok()?)?;
        while let Some(way) = parts.next() {
            let index: usize = parts.next()?.parse().ok()?;
            step = step.action.way(way)?.get(index)?;
        }
        Some(step)
    }

    /// Every step with those inside it, in the order of the document.
    pub fn walk(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        let mut open: Vec<&Step> = self.steps.iter().rev().collect();
        while let Some(step) = open.pop() {
            all.push(step);
            for (_, inside) in step.action.ways().into_iter().rev() {
                open.extend(inside.iter().rev());
            }
        }
        all
    }

    /// Everything that is said, questions and digests too.
    pub fn sends(&self) -> impl Iterator<Item = (&Step, &Send)> {
        self.walk().into_iter().flat_map(|step| {
            let said: Vec<&Send> = match &step.action {
                Action::Send(send) | Action::Digest(Digest { send, .. }) => vec![send],
                Action::Ask(ask) => std::iter::once(&ask.question).chain(&ask.again).collect(),
                _ => Vec::new(),
            };
            said.into_iter().map(move |send| (step, send))
        })
    }
}
