//! `staff.yaml`: who works the leads, on which lists they are, who is on call, and the servers that hear of leads (D1, D2).

use super::problem::{Problem, did_you_mean_or_list};
use super::rota::{Away, Rota, Territory};
use super::{Node, reader};
use crate::contact::{Email, Phone};
use crate::places::OpeningHours;
use crate::places::Region;
use crate::workflows::Recipient;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everybody and everything that hears of leads.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Staff {
    /// The members of staff, in order.
    pub people: Vec<StaffMember>,
    /// Lists of people by name, such as `emergency`.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Who is on call, where it is always the same person.
    pub on_call: Option<String>,
    /// Who is on call when, where it changes.
    #[serde(skip)]
    pub rota: Option<Rota>,
    /// Servers that hear of leads.
    pub hooks: Vec<Hook>,
}

/// One member of staff.
#[derive(Debug, Clone, Serialize)]
pub struct StaffMember {
    /// The name, which lists and workflows use too.
    pub name: String,
    /// Where mails go.
    pub email: Option<Email>,
    /// Where texts go.
    pub phone: Option<Phone>,
    /// Roles such as `owner`, `admin`, `agent`.
    pub roles: Vec<String>,
    /// What they are good at.
    pub skills: Vec<String>,
    /// Whom they report to, by name (W7).
    pub manager: Option<String>,
    /// When they are there; none is always.
    #[serde(skip)]
    pub hours: Option<OpeningHours>,
    /// Days on which they are not.
    #[serde(skip)]
    pub away: Vec<Away>,
    /// Where the leads live that they are responsible for.
    #[serde(skip)]
    pub territory: Option<Territory>,
}

impl StaffMember {
    /// The first word of the name.
    pub fn first_name(&self) -> &str {
        self.name.split_whitespace().next().unwrap_or(&self.name)
    }
}

/// A server that hears of leads: it is reached by the webhook connection of the same name, or by the sandbox while there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The name, which workflows and the connection use too.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// The value of the `X-Webhook-Source` header; none is the tenant's name (D2).
    pub source: Option<String>,
}

impl Staff {
    /// A member by name.
    pub fn member(&self, name: &str) -> Option<&StaffMember> {
        self.people.iter().find(|one| one.name == name)
    }

    /// A hook by name.
    pub fn hook(&self, name: &str) -> Option<&Hook> {
        self.hooks.iter().find(|one| one.name == name)
    }

    /// The members that a recipient stands for, each once, in order. The lead and hooks are nobody here.
    pub fn of(&self, recipient: &Recipient) -> Vec<&StaffMember> {
        match recipient {
            Recipient::Lead
            | Recipient::Hook(_)
            | Recipient::LeadOwner
            | Recipient::Manager
            | Recipient::OthersAlerted => Vec::new(),
            Recipient::Staff(name) => self.member(name).into_iter().collect(),
            Recipient::OnCall => {
                let of_rota = self.rota.iter().flat_map(Rota::people);
                let mut names: Vec<&str> =
                    self.on_call.as_deref().into_iter().chain(of_rota).collect();
                names.sort_unstable();
                names.dedup();
                let people = names.into_iter().filter_map(|name| self.member(name));
                people.collect()
            }
            Recipient::Role(role) => self
                .people
                .iter()
                .filter(|one| one.roles.contains(role))
                .collect(),
            Recipient::List(list) => self
                .lists
                .get(list)
                .into_iter()
                .flatten()
                .filter_map(|name| self.member(name))
                .collect(),
        }
    }

    /// Every role that somebody has.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self
            .people
            .iter()
            .flat_map(|one| one.roles.iter().map(String::as_str))
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Reads staff.yaml; numbers without a country belong to `region`.
    pub(super) fn read(
        path: &str,
        node: &Node,
        region: Option<Region>,
    ) -> Result<Self, Vec<Problem>> {
        let written: Written = reader::read(path, node)?;
        let mut problems = Vec::new();
        let mut people: Vec<StaffMember> = Vec::new();
        for (at, person) in written.people.into_iter().enumerate() {
            let line = |field: &str| node.line_near(&format!("people/{at}/{field}"));
            if people.iter().any(|other| other.name == person.name) {
                problems.push(
                    Problem::at(
                        path,
                        line("name"),
                        format!("`{}` is here twice.", person.name),
                    )
                    .mend(Some(
                        "Lists and workflows know people by name, so every name is its own."
                            .to_owned(),
                    )),
                );
            }
            let email = person.email.and_then(|typed| {
                Email::parse(&typed)
                    .map_err(|why| problems.push(Problem::at(path, line("email"), why.advice())))
                    .ok()
            });
            let phone = person.phone.and_then(|typed| {
                // Without a region tenant.yaml has a problem of its own, and that one is told.
                Phone::parse(&typed, region?)
                    .map_err(|why| problems.push(Problem::at(path, line("phone"), why.advice())))
                    .ok()
            });
            people.push(StaffMember {
                name: person.name,
                email,
                phone,
                roles: person.roles,
                skills: person.skills,
                manager: person.manager,
                hours: person.hours,
                away: person.away,
                territory: person.territory,
            });
        }
        let names = || people.iter().map(|one| one.name.as_str());
        for (list, members) in &written.lists {
            for (at, name) in members.iter().enumerate() {
                if !names().any(|known| known == name) {
                    let line = node.line_near(&format!("lists/{list}/{at}"));
                    problems.push(
                        Problem::at(
                            path,
                            line,
                            format!(
                                "The list `{list}` names `{name}`, who is not among the people."
                            ),
                        )
                        .mend(did_you_mean_or_list(name, names())),
                    );
                }
            }
        }
        let managed = people.iter().enumerate();
        for (at, name) in managed.filter_map(|(at, one)| Some((at, one.manager.as_deref()?))) {
            let place = format!("people/{at}/manager");
            if !names().any(|known| known == name) {
                problems.push(
                    Problem::at(
                        path,
                        node.line_near(&place),
                        format!("The manager `{name}` is not among the people."),
                    )
                    .mend(did_you_mean_or_list(name, names())),
                );
            } else if reports_in_a_circle(&people, at) {
                problems.push(Problem::at(
                    path,
                    node.line_near(&place),
                    format!("{} reports to themselves in the end.", people[at].name),
                ));
            }
        }
        let (on_call, rota) = match written.on_call {
            None => (None, None),
            Some(WrittenOnCall::Person(name)) => (Some(name), None),
            Some(WrittenOnCall::Rota(rota)) => (None, Some(rota)),
        };
        let of_rota = rota.iter().flat_map(Rota::people);
        for name in on_call
            .as_deref()
            .into_iter()
            .chain(of_rota)
            .filter(|name| !names().any(|known| known == *name))
        {
            problems.push(
                Problem::at(
                    path,
                    node.line_near("on_call"),
                    format!("`{name}` is on call, but not among the people."),
                )
                .mend(did_you_mean_or_list(name, names())),
            );
        }
        for (at, hook) in written.hooks.iter().enumerate() {
            if written.hooks[..at]
                .iter()
                .any(|other| other.name == hook.name)
            {
                let line = node.line_near(&format!("hooks/{at}/name"));
                problems.push(Problem::at(
                    path,
                    line,
                    format!("The hook `{}` is here twice.", hook.name),
                ));
            }
        }
        if problems.is_empty() {
            Ok(Self {
                people,
                lists: written.lists,
                on_call,
                rota,
                hooks: written.hooks,
            })
        } else {
            Err(problems)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    people: Vec<WrittenPerson>,
    #[serde(default)]
    lists: BTreeMap<String, Vec<String>>,
    on_call: Option<WrittenOnCall>,
    #[serde(default)]
    hooks: Vec<Hook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerson {
    name: String,
    email: Option<String>,
    phone: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    skills: Vec<String>,
    manager: Option<String>,
    hours: Option<OpeningHours>,
    #[serde(default)]
    away: Vec<Away>,
    territory: Option<Territory>,
}

/// A person, or a plan.
enum WrittenOnCall {
    Person(String),
    Rota(Rota),
}

impl<'de> Deserialize<'de> for WrittenOnCall {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::{
            self, Visitor, value::MapAccessDeserializer, value::SeqAccessDeserializer,
        };
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = WrittenOnCall;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name, a list of shifts, or `rotate: [names]`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<WrittenOnCall, E> {
                Ok(WrittenOnCall::Person(name.to_owned()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<WrittenOnCall, A::Error> {
                Rota::of_shifts(SeqAccessDeserializer::new(items)).map(WrittenOnCall::Rota)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<WrittenOnCall, A::Error> {
                Rota::of_turns(MapAccessDeserializer::new(map)).map(WrittenOnCall::Rota)
            }
        }
        from.deserialize_any(Either)
    }
}

/// Whether somebody's managers lead back to themselves.
fn reports_in_a_circle(people: &[StaffMember], at: usize) -> bool {
    let manager = |name: &str| {
        let one = people.iter().find(|one| one.name == name);
        one.and_then(|one| one.manager.as_deref())
    };
    let mut above = people[at].manager.as_deref();
    for _ in 0..people.len() {
        match above {
            Some(name) if name == people[at].name => return true,
            Some(name) => above = manager(name),
            None => return false,
        }
    }
    false
}
