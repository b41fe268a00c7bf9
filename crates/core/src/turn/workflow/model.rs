//! Random workflows and random events against a naive interpreter (W1 to W3): no store, no batches, no rows; the same effects at the same
//! instants.

use super::super::trial::{event, form, instant, lead_in, open};
use super::super::{Edit, Intake, Who};
use crate::ids::LeadId;
use crate::leads::Profile;
use proptest::prelude::*;
use serde_json::json;
use std::fmt::Write as _;

const MINUTE: i64 = 60_000_000;
const EVENTS: [&str; 3] = ["a", "b", "c"];

/// A step as the interpreter knows it.
#[derive(Debug, Clone)]
enum Do {
    Task(u32),
    Wait(i64),
    WaitFor(usize, i64, Vec<Do>, Vec<Do>),
    Branch(Vec<Do>, Vec<Do>),
    End,
}

#[derive(Debug, Clone)]
struct Flow {
    trigger: usize,
    goal: Option<usize>,
    reentry: usize,
    steps: Vec<Do>,
}

const REENTRY: [&str; 3] = ["always", "when_done", "once_per_lead"];

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let leaf = prop_oneof![
        4 => (0u32..1_000).prop_map(Do::Task),
        2 => (1i64..300).prop_map(Do::Wait),
        1 => Just(Do::End),
    ];
    let step = leaf.prop_recursive(3, 16, 3, |inner| {
        let list = prop::collection::vec(inner, 0..3);
        prop_oneof![
            (0usize..3, 1i64..300, list.clone(), list.clone())
                .prop_map(|(kind, within, then, other)| Do::WaitFor(kind, within, then, other)),
            (list.clone(), list).prop_map(|(mut then, other)| {
                then.push(Do::Task(7));
                Do::Branch(then, other)
            }),
        ]
    });
    // What stands behind an end is refused when it is read, so that there is one at most, and last.
    prop::collection::vec(step, 1..5).prop_map(tidy)
}

fn tidy(steps: Vec<Do>) -> Vec<Do> {
    let mut out = Vec::new();
    for step in steps {
        let step = match step {
            Do::WaitFor(kind, within, then, other) => {
                Do::WaitFor(kind, within, tidy(then), tidy(other))
            }
            Do::Branch(then, other) => Do::Branch(tidy(then), tidy(other)),
            other => other,
        };
        let over = ends(&step);
        out.push(step);
        if over {
            break;
        }
    }
    out
}

fn ends(step: &Do) -> bool {
    let all = |list: &[Do]| list.last().is_some_and(ends);
    match step {
        Do::End => true,
        Do::WaitFor(_, _, then, other) | Do::Branch(then, other) => all(then) && all(other),
        Do::Task(_) | Do::Wait(_) => false,
    }
}

fn flow() -> impl Strategy<Value = Flow> {
    (0usize..3, prop::option::of(0usize..3), 0usize..3, steps()).prop_map(
        |(trigger, goal, reentry, steps)| Flow {
            trigger,
            goal,
            reentry,
            steps,
        },
    )
}

/// The workflow as people would write it.
fn yaml(name: &str, flow: &Flow) -> String {
    let mut out = format!(
        "name: {name}\ntrigger: {{ event: {} }}\nreentry: {}\n",
        EVENTS[flow.trigger], REENTRY[flow.reentry]
    );
    if let Some(goal) = flow.goal {
        let _ = writeln!(out, "goals: [{}]", EVENTS[goal]);
    }
    out.push_str("steps:\n");
    write(&mut out, name, &flow.steps, 1);
    out
}

fn write(out: &mut String, name: &str, steps: &[Do], depth: usize) {
    let pad = "  ".repeat(depth);
    let ways = |out: &mut String, then: &[Do], other: &[Do]| {
        for (way, list) in [("then", then), ("otherwise", other)] {
            if !list.is_empty() {
                let _ = writeln!(out, "{pad}  {way}:");
                write(out, name, list, depth + 2);
            }
        }
    };
    for step in steps {
        match step {
            Do::Task(n) => {
                let _ = writeln!(out, "{pad}- create_task: {{ title: {name} {n} }}");
            }
            Do::Wait(minutes) => {
                let _ = writeln!(out, "{pad}- wait: {minutes}m");
            }
            Do::End => {
                let _ = writeln!(out, "{pad}- end");
            }
            Do::WaitFor(kind, within, then, other) => {
                let kind = EVENTS[*kind];
                let _ = writeln!(
                    out,
                    "{pad}- wait_for: {{ event: {kind}, within: {within}m }}"
                );
                ways(out, then, other);
            }
            Do::Branch(then, other) => {
                let _ = writeln!(
                    out,
                    "{pad}- branch: {{ field: lead.attributes.flag, is: true }}"
                );
                ways(out, then, other);
            }
        }
    }
}

/// A run of the interpreter: what is still to be done, innermost last, and what it waits for.
#[derive(Debug, Clone)]
struct Run {
    flow: usize,
    lead: usize,
    left: Vec<Vec<Do>>,
    wake: Option<i64>,
    waits: Option<(usize, Vec<Do>, Vec<Do>)>,
    over: bool,
}

#[derive(Default)]
struct Naive {
    runs: Vec<Run>,
    flags: [bool; 3],
    done: Vec<(i64, usize, String)>,
}

impl Naive {
    fn go(&mut self, at: usize, now: i64) {
        loop {
            let run = &mut self.runs[at];
            let Some(list) = run.left.last_mut() else {
                run.over = true;
                return;
            };
            if list.is_empty() {
                run.left.pop();
                continue;
            }
            match list.remove(0) {
                Do::Task(n) => {
                    let title = format!("flow{} {n}", run.flow);
                    self.done.push((now, run.lead, title));
                }
                Do::Wait(minutes) => {
                    run.wake = Some(now + minutes * MINUTE);
                    return;
                }
                Do::WaitFor(kind, within, then, other) => {
                    run.wake = Some(now + within * MINUTE);
                    run.waits = Some((kind, then, other));
                    return;
                }
                Do::Branch(then, other) => {
                    let way = if self.flags[run.lead] { then } else { other };
                    run.left.push(way);
                }
                Do::End => {
                    run.over = true;
                    return;
                }
            }
        }
    }

    fn pass(&mut self, until: i64) {
        loop {
            let due = self
                .runs
                .iter()
                .enumerate()
                .filter(|(_, run)| !run.over)
                .filter_map(|(at, run)| Some((run.wake.filter(|wake| *wake <= until)?, at)))
                .min();
            let Some((now, at)) = due else { return };
            let run = &mut self.runs[at];
            run.wake = None;
            if let Some((_, _, other)) = run.waits.take() {
                run.left.push(other);
            }
            self.go(at, now);
        }
    }

    fn hear(&mut self, flows: &[Flow], lead: usize, kind: usize, now: i64) {
        for run in &mut self.runs {
            if run.lead == lead && flows[run.flow].goal == Some(kind) {
                run.over = true;
            }
        }
        for at in 0..self.runs.len() {
            let run = &mut self.runs[at];
            let waits = run.waits.as_ref().is_some_and(|(event, ..)| *event == kind);
            if !run.over && run.lead == lead && waits {
                run.wake = None;
                if let Some((_, then, _)) = run.waits.take() {
                    run.left.push(then);
                }
                self.go(at, now);
            }
        }
        for (n, flow) in flows.iter().enumerate() {
            let mut before = self
                .runs
                .iter()
                .filter(|run| run.flow == n && run.lead == lead);
            let closed = match REENTRY[flow.reentry] {
                "always" => false,
                "when_done" => before.any(|run| !run.over),
                _ => before.next().is_some(),
            };
            if flow.trigger == kind && !closed {
                self.runs.push(Run {
                    flow: n,
                    lead,
                    left: vec![flow.steps.clone()],
                    wake: None,
                    waits: None,
                    over: false,
                });
                self.go(self.runs.len() - 1, now);
            }
        }
    }
}

fn flag(lead: LeadId, on: bool) -> Intake {
    let mut profile = Profile::default();
    profile.attributes.insert("flag".into(), json!(on));
    Intake::Edit(Box::new(Edit {
        lead,
        profile,
        clear: Vec::new(),
        phone: None,
        email: None,
        actor: "Ruth".into(),
    }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// W1 to W3: the engine does what the steps say, nothing twice, nothing too early and nothing never.
    #[test]
    fn the_engine_does_what_a_naive_interpreter_does(
        flows in prop::collection::vec(flow(), 1..3),
        happens in prop::collection::vec((0usize..3, 0usize..5, 0i64..200), 1..25),
    ) {
        let texts: Vec<(String, String)> = flows
            .iter()
            .enumerate()
            .map(|(n, flow)| (format!("workflows/flow{n}.yaml"), yaml(&format!("flow{n}"), flow)))
            .collect();
        let documents: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let mut house = open(&documents, "2026-11-24T17:00:00Z");
        let mut naive = Naive::default();
        let leads: Vec<LeadId> = (0..3).map(|n| lead_in(&house.take(form(None, n)))).collect();
        let mut now = instant("2026-11-24T17:00:00Z").as_microsecond();
        for (lead, kind, minutes) in happens {
            // Half a minute apart from every wake-up, so that no two things come at the same instant but by themselves.
            now += minutes * MINUTE + 1;
            house.run_until(crate::time::from_micros(now), &mut |_, _, _| {});
            naive.pass(now);
            if kind < 3 {
                house.take(event(Who::Lead(leads[lead]), EVENTS[kind], house.now(), json!({})));
                naive.hear(&flows, lead, kind, now);
            } else {
                house.take(flag(leads[lead], kind == 3));
                naive.flags[lead] = kind == 3;
            }
        }
        now += 30 * 24 * 60 * MINUTE;
        house.run_until(crate::time::from_micros(now), &mut |_, _, _| {});
        naive.pass(now);
        prop_assert!(house.memory.set_aside().is_empty(), "{:?}", house.memory.set_aside());
        let mut done: Vec<(i64, usize, String)> = house
            .memory
            .work()
            .iter()
            .map(|row| {
                let lead = leads.iter().position(|lead| *lead == row.lead).unwrap();
                (row.created_at.as_microsecond(), lead, row.title.clone())
            })
            .collect();
        done.sort();
        naive.done.sort();
        prop_assert_eq!(done, naive.done);
        prop_assert_eq!(house.next(), None);
    }
}
