//! Reading a workflow as people write it: short forms, one action a step, and what belongs to it beside it.

use super::ask::{Answer, Ask};
use super::definition::{
    Action, Assign, By, Call, Channels, Clock, Digest, Recipient, Reentry, Send, Skill, Source,
    Step, Task, Until, Variant, Workflow,
};
use super::trigger::{Trigger, Types};
use super::wait::Wait;
use crate::conditions::Condition;
use crate::config::durations;
use crate::messages::{Category, ChannelKind, Priority};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;
use std::{fmt, time::Duration};

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
    #[serde(default)]
    goals: Vec<Until>,
    #[serde(default)]
    exits: Vec<Until>,
    steps: Vec<Step>,
}

impl<'de> Deserialize<'de> for Workflow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut written = Written::deserialize(from)?;
        number(&mut written.steps, "");
        Ok(Self {
            name: written.name,
            label: written.label,
            product: written.product,
            trigger: written.trigger,
            when: written.when,
            reentry: written.reentry,
            goals: written.goals,
            exits: written.exits,
            steps: written.steps,
        })
    }
}

/// Gives every step its path.
fn number(steps: &mut [Step], nest: &str) {
    for (index, step) in steps.iter_mut().enumerate() {
        step.id = format!("{nest}{index}");
        let id = &step.id;
        match &mut step.action {
            Action::WaitFor {
                then, otherwise, ..
            }
            | Action::Branch {
                then, otherwise, ..
            } => {
                number(then, &format!("{id}.then."));
                number(otherwise, &format!("{id}.otherwise."));
            }
            Action::Ask(ask) => {
                number(&mut ask.then, &format!("{id}.then."));
                number(&mut ask.otherwise, &format!("{id}.otherwise."));
            }
            Action::Split(variants) => {
                for variant in variants {
                    number(&mut variant.steps, &format!("{id}.{}.", variant.name));
                }
            }
            Action::Escalate(steps) => number(steps, &format!("{id}.levels.")),
            _ => {}
        }
    }
}

/// What ends a run: a type of event, several, or `{ event, when }`.
impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "goal", deny_unknown_fields)]
        struct Long {
            event: Option<Types>,
            when: Option<Condition>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Until;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the type of an event, or `event` and `when`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Until, E> {
                Ok(Until {
                    events: vec![word.to_owned()],
                    when: None,
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Until, A::Error> {
                let Long { event, when } = Long::deserialize(MapAccessDeserializer::new(map))?;
                if event.is_none() && when.is_none() {
                    return Err(de::Error::custom(
                        "This needs an `event`, a condition in `when`, or both.",
                    ));
                }
                Ok(Until {
                    events: event.map_or_else(Vec::new, |types| types.0),
                    when,
                })
            }
        }
        from.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Reentry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case", rename = "reentry")]
        enum Written {
            Always,
            OncePerLead,
            OncePerSession,
            WhenDone,
            After(#[serde(with = "durations")] Duration),
        }
        Ok(match Written::deserialize(from)? {
            Written::Always => Self::Always,
            Written::OncePerLead => Self::OncePerLead,
            Written::OncePerSession => Self::OncePerSession,
            Written::WhenDone => Self::WhenDone,
            Written::After(length) => Self::After(length),
        })
    }
}

/// A send step as it is written: `channels` may be left out for a hook.
#[derive(Deserialize)]
#[serde(rename = "send", deny_unknown_fields)]
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
#[serde(rename = "wait_for", deny_unknown_fields)]
struct WrittenWait {
    event: Types,
    #[serde(with = "durations")]
    within: Duration,
    #[serde(default)]
    of: Clock,
    #[serde(rename = "where")]
    filter: Option<Condition>,
}

/// A digest as it is written: a send step, and how long or how many it collects.
#[derive(Deserialize)]
#[serde(rename = "digest", deny_unknown_fields)]
struct WrittenDigest {
    to: Recipient,
    channels: Option<Channels>,
    template: String,
    category: Option<Category>,
    priority: Option<Priority>,
    #[serde(default, with = "durations::option")]
    expires: Option<Duration>,
    #[serde(with = "durations")]
    collect: Duration,
    count: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename = "ask", deny_unknown_fields)]
struct WrittenAsk {
    channels: Channels,
    template: String,
    again: Option<String>,
    answer: Answer,
    into: String,
    #[serde(with = "durations")]
    within: Duration,
}

#[derive(Deserialize)]
#[serde(rename = "set_stage", deny_unknown_fields)]
struct WrittenStage {
    product: Option<String>,
    stage: String,
}

#[derive(Deserialize)]
#[serde(rename = "set_attribute", deny_unknown_fields)]
struct WrittenAttribute {
    name: String,
    value: Option<Value>,
    from: Option<String>,
    add: Option<serde_json::Number>,
}

#[derive(Deserialize)]
#[serde(rename = "split", deny_unknown_fields)]
struct WrittenVariant {
    name: String,
    percent: u8,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename = "create_task", deny_unknown_fields)]
struct WrittenTask {
    title: String,
    to: Option<Recipient>,
    #[serde(default, with = "durations::option")]
    due: Option<Duration>,
}

/// To whom a lead is given: a person by name, or `{ by, among }`.
#[derive(Deserialize)]
#[serde(rename = "assign", deny_unknown_fields)]
struct WrittenAssign {
    #[serde(default)]
    by: By,
    among: Recipient,
    skill: Option<Skill>,
    #[serde(default)]
    again: bool,
}

#[derive(Deserialize)]
#[serde(rename = "call_webhook", deny_unknown_fields)]
struct WrittenHook {
    hook: String,
    template: String,
    priority: Option<Priority>,
    #[serde(default, with = "durations::option")]
    expires: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename = "escalate", deny_unknown_fields)]
struct WrittenEscalation {
    template: String,
    channels: Channels,
    priority: Option<Priority>,
    #[serde(default = "acknowledged")]
    until: Types,
    levels: Vec<WrittenLevel>,
}

/// A level of an escalation: who hears it, and how long they have before the next one does.
#[derive(Deserialize)]
#[serde(rename = "level", deny_unknown_fields)]
struct WrittenLevel {
    to: Recipient,
    #[serde(default, with = "durations::option")]
    within: Option<Duration>,
    #[serde(default)]
    of: Clock,
    template: Option<String>,
}

fn acknowledged() -> Types {
    Types(vec!["lead.acknowledged".to_owned()])
}

impl<'de> Deserialize<'de> for Assign {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Assign;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a person's name, or `by` and `among`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Assign, E> {
                Ok(Assign {
                    by: By::default(),
                    among: Recipient::Staff(name.to_owned()),
                    skill: None,
                    again: false,
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Assign, A::Error> {
                let written = WrittenAssign::deserialize(MapAccessDeserializer::new(map))?;
                if matches!(written.among, Recipient::Lead | Recipient::Hook(_)) {
                    return Err(de::Error::custom(
                        "A lead is given to people of the business: a list, a role, who is on call, or one of them.",
                    ));
                }
                Ok(Assign {
                    by: written.by,
                    among: written.among,
                    skill: written.skill,
                    again: written.again,
                })
            }
        }
        from.deserialize_any(Either)
    }
}

/// One tag, several, or `{ add, remove }`.
struct WrittenTag {
    add: Vec<String>,
    remove: Vec<String>,
}

impl<'de> Deserialize<'de> for WrittenTag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "tag", deny_unknown_fields)]
        struct Long {
            #[serde(default)]
            add: Vec<String>,
            #[serde(default)]
            remove: Vec<String>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WrittenTag;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag, a list of tags, or `add` and `remove`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<WrittenTag, E> {
                Ok(WrittenTag {
                    add: vec![word.to_owned()],
                    remove: Vec::new(),
                })
            }
            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<WrittenTag, A::Error> {
                let mut add = Vec::new();
                while let Some(one) = items.next_element()? {
                    add.push(one);
                }
                Ok(WrittenTag {
                    add,
                    remove: Vec::new(),
                })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenTag, A::Error> {
                let Long { add, remove } = Long::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WrittenTag { add, remove })
            }
        }
        from.deserialize_any(Either)
    }
}

/// A step as it is written: one of the actions, and beside it what belongs to it.
#[derive(Default, Deserialize)]
#[serde(rename = "step", deny_unknown_fields, default)]
struct WrittenStep {
    when: Option<Condition>,
    send: Option<Send>,
    digest: Option<WrittenDigest>,
    ask: Option<WrittenAsk>,
    wait: Option<Wait>,
    wait_for: Option<WrittenWait>,
    branch: Option<Condition>,
    split: Option<Vec<WrittenVariant>>,
    assign: Option<Assign>,
    set_stage: Option<WrittenStage>,
    set_attribute: Option<WrittenAttribute>,
    tag: Option<WrittenTag>,
    create_task: Option<WrittenTask>,
    start_call: Option<Call>,
    call_webhook: Option<WrittenHook>,
    start_workflow: Option<String>,
    stop_workflow: Option<String>,
    escalate: Option<WrittenEscalation>,
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
        // What may have steps inside takes them; everything else must have none.
        let mut nesting: Vec<Action> = Vec::new();
        if self.wait_for.is_some() as u8 + self.branch.is_some() as u8 + self.ask.is_some() as u8
            > 1
        {
            return Err(one_action());
        }
        if let Some(wait) = self.wait_for {
            nesting.push(Action::WaitFor {
                events: wait.event.0,
                filter: wait.filter,
                within: wait.within,
                of: wait.of,
                then,
                otherwise,
            });
        } else if let Some(when) = self.branch {
            if then.is_empty() && otherwise.is_empty() {
                return Err("A `branch` needs steps in `then` or `otherwise`.".to_owned());
            }
            nesting.push(Action::Branch {
                when,
                then,
                otherwise,
            });
        } else if let Some(ask) = self.ask {
            nesting.push(Action::Ask(Box::new(question(ask, then, otherwise)?)));
        }
        let plain: Vec<Action> = [
            self.send.map(Action::Send),
            self.digest.map(collected).transpose()?.map(Action::Digest),
            self.wait.map(Action::Wait),
            self.split.map(lots).transpose()?.map(Action::Split),
            self.assign.map(Action::Assign),
            self.set_stage.map(|stage| Action::SetStage {
                product: stage.product,
                stage: stage.stage,
            }),
            self.set_attribute.map(attribute).transpose()?,
            self.tag.map(|tag| Action::Tag {
                add: tag.add,
                remove: tag.remove,
            }),
            self.create_task.map(|task| {
                Action::CreateTask(Task {
                    title: task.title,
                    to: task.to,
                    due: task.due,
                })
            }),
            self.start_call.map(Action::StartCall),
            self.call_webhook.map(|hook| {
                Action::Send(Send {
                    to: Recipient::Hook(hook.hook),
                    channels: Channels::All(vec![ChannelKind::Webhook]),
                    template: hook.template,
                    category: None,
                    priority: hook.priority,
                    expires: hook.expires,
                })
            }),
            self.start_workflow.map(Action::StartWorkflow),
            self.stop_workflow.map(Action::StopWorkflow),
            self.escalate.map(ladder).transpose()?.map(Action::Escalate),
            (self.end == Some(true)).then_some(Action::End),
        ]
        .into_iter()
        .flatten()
        .collect();
        if nests
            && nesting.is_empty()
            && let Some(action) = plain.first()
        {
            return Err(format!(
                "`then` and `otherwise` belong to `wait_for`, `branch` and `ask`, not to `{}`.",
                action.kind()
            ));
        }
        let mut actions = nesting.into_iter().chain(plain);
        match (actions.next(), actions.next()) {
            (Some(action), None) => Ok(Step {
                id: String::new(),
                when: self.when,
                action,
            }),
            _ => Err(one_action()),
        }
    }
}

fn one_action() -> String {
    "A step does exactly one of `send`, `digest`, `ask`, `wait`, `wait_for`, `branch`, `split`, `assign`, `escalate`, `set_stage`, `set_attribute`, `tag`, `create_task`, `start_call`, `call_webhook`, `start_workflow`, `stop_workflow` and `end`."
        .to_owned()
}

fn question(ask: WrittenAsk, then: Vec<Step>, otherwise: Vec<Step>) -> Result<Ask, String> {
    if ask.channels.kinds().contains(&ChannelKind::Webhook) || ask.channels.kinds().is_empty() {
        return Err("A question goes to the lead by sms or email.".to_owned());
    }
    if let Answer::Choice(choices) = &ask.answer
        && choices.len() < 2
    {
        return Err("A choice needs two answers or more.".to_owned());
    }
    let words = |template: String| Send {
        to: Recipient::Lead,
        channels: match &ask.channels {
            // A question is asked once, wherever it gets through.
            Channels::All(kinds) => Channels::First(kinds.clone()),
            other => other.clone(),
        },
        template,
        category: None,
        priority: None,
        expires: Some(ask.within),
    };
    Ok(Ask {
        again: ask.again.map(words),
        question: words(ask.template),
        answer: ask.answer,
        into: ask.into,
        within: ask.within,
        then,
        otherwise,
    })
}

fn collected(digest: WrittenDigest) -> Result<Digest, String> {
    let Some(channels) = digest.channels else {
        return Err("`channels` is missing.".to_owned());
    };
    if digest.count == Some(0) {
        return Err("A digest of none is never sent.".to_owned());
    }
    if matches!(digest.to, Recipient::Hook(_)) || channels.kinds().contains(&ChannelKind::Webhook) {
        return Err("A digest is for people, by sms or email.".to_owned());
    }
    if channels.kinds().is_empty() {
        return Err("`channels` names no channel.".to_owned());
    }
    Ok(Digest {
        send: Send {
            to: digest.to,
            channels,
            template: digest.template,
            category: digest.category,
            priority: digest.priority,
            expires: digest.expires,
        },
        collect: digest.collect,
        count: digest.count,
    })
}

fn attribute(written: WrittenAttribute) -> Result<Action, String> {
    let value = match (written.value, written.from, written.add) {
        (Some(value), None, None) if !value.is_object() => Source::Value(value),
        (None, Some(field), None) => Source::Field(field),
        (None, None, Some(more)) => Source::Add(more),
        _ => {
            return Err(
                "`set_attribute` has exactly one of `value`, `from` and `add`, such as `from: event.properties.budget`."
                    .to_owned(),
            );
        }
    };
    Ok(Action::SetAttribute {
        name: written.name,
        value,
    })
}

fn lots(variants: Vec<WrittenVariant>) -> Result<Vec<Variant>, String> {
    let sum: u32 = variants.iter().map(|one| u32::from(one.percent)).sum();
    if variants.len() < 2 {
        return Err("A `split` needs two ways or more.".to_owned());
    }
    if sum != 100 {
        return Err(format!(
            "The ways of a `split` make up 100 percent; these are {sum}."
        ));
    }
    for (at, one) in variants.iter().enumerate() {
        if !crate::config::is_name(&one.name) {
            return Err(format!(
                "`{}` is no name: small letters, digits, - and _ are.",
                one.name
            ));
        }
        if variants[..at].iter().any(|other| other.name == one.name) {
            return Err(format!("The way `{}` is here twice.", one.name));
        }
    }
    let variants = variants.into_iter().map(|one| Variant {
        name: one.name,
        percent: one.percent,
        steps: one.steps,
    });
    Ok(variants.collect())
}

/// An escalation is a send and a wait in each level, the next level inside the last one's `otherwise` (W7).
fn ladder(written: WrittenEscalation) -> Result<Vec<Step>, String> {
    if written.levels.len() < 2 {
        return Err("An escalation has two levels or more; one is a `send`.".to_owned());
    }
    let last = written.levels.len() - 1;
    let step = |action| Step {
        id: String::new(),
        when: None,
        action,
    };
    let mut inner: Vec<Step> = Vec::new();
    for (at, level) in written.levels.into_iter().enumerate().rev() {
        let mut steps = vec![step(Action::Send(Send {
            to: level.to,
            channels: written.channels.clone(),
            template: level.template.unwrap_or_else(|| written.template.clone()),
            category: Some(Category::Staff),
            priority: written.priority,
            expires: None,
        }))];
        match level.within {
            Some(within) if at < last => steps.push(step(Action::WaitFor {
                events: written.until.0.clone(),
                filter: None,
                within,
                of: level.of,
                then: Vec::new(),
                otherwise: std::mem::take(&mut inner),
            })),
            None if at == last => {}
            Some(_) => {
                return Err(
                    "After the last level of an escalation nobody is left: it has no `within`."
                        .to_owned(),
                );
            }
            None => {
                return Err(format!(
                    "Level {} of the escalation needs `within`, how long they have.",
                    at + 1
                ));
            }
        }
        inner = steps;
    }
    Ok(inner)
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
