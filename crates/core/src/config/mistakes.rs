//! Mistakes that people make when they begin, each with what `check` says to it: file, line, the mend (W5).

use super::load;
use crate::turn::trial::files;
use std::fmt::Write as _;

/// A workflow with these lines after its name.
fn flow(rest: &str) -> String {
    format!("name: flow\n{rest}\n")
}

const GO: &str = "trigger: { event: go }\nsteps:\n";

fn mistakes() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let step = |step: &str| vec![("workflows/flow.yaml", flow(&format!("{GO}  - {step}")))];
    let flow = |rest: &str| vec![("workflows/flow.yaml", flow(rest))];
    let one = |path: &'static str, text: &str| vec![(path, text.to_owned())];
    vec![
        (
            "a template that is not there",
            step("send: { to: lead, channels: { all: [sms] }, template: notes }"),
        ),
        (
            "a channel that is not there",
            step("send: { to: lead, channels: { all: [smss] }, template: note }"),
        ),
        (
            "a step of another name",
            step("sned: { to: lead, channels: { all: [sms] }, template: note }"),
        ),
        ("two steps in one", step("{ wait: 5m, tag: a }")),
        ("a wait without a unit", step("wait: 5")),
        (
            "a time of the day without quotes around it that is none",
            step("wait: { until: 9am }"),
        ),
        (
            "a day of the week that is none",
            step("wait: { until: \"09:00\", on: moonday }"),
        ),
        (
            "a field that is not there",
            step("wait: { until: { field: event.propertis.start } }"),
        ),
        (
            "a list that is not there",
            step("send: { to: { list: offise }, channels: { all: [email] }, template: alert }"),
        ),
        (
            "an alert to the lead",
            step("send: { to: lead, channels: { all: [sms] }, template: alert }"),
        ),
        (
            "a note to staff",
            step("send: { to: { list: office }, channels: { all: [email] }, template: note }"),
        ),
        (
            "nobody on call",
            step("send: { to: on_call, channels: { all: [sms] }, template: alert }"),
        ),
        (
            "nobody has a manager",
            step("send: { to: manager, channels: { all: [sms] }, template: alert }"),
        ),
        (
            "a stage that is not there",
            step("set_stage: { stage: contactd }"),
        ),
        (
            "a product that is not there",
            step("set_stage: { product: repairs, stage: contacted }"),
        ),
        ("a person that is not there", step("assign: Sam Okafur")),
        (
            "a skill that nobody has",
            step("assign: { by: round_robin, among: { list: office }, skill: { named: drains } }"),
        ),
        (
            "territories that nobody has",
            step("assign: { by: territory, among: { list: office } }"),
        ),
        (
            "ways that are no hundred",
            step("split: [ { name: a, percent: 30 }, { name: b, percent: 60 } ]"),
        ),
        (
            "a branch that does nothing",
            step("branch: { field: lead.tier, is: high }"),
        ),
        (
            "a condition on a field that is not there",
            step("{ tag: a, when: { field: lead.stge, is: new } }"),
        ),
        (
            "a condition that does not fit its field",
            step("{ tag: a, when: { field: lead.points, contains: 5 } }"),
        ),
        (
            "a question with one answer",
            step(
                "ask: { channels: { first: [sms] }, template: note, answer: { choice: [a] }, into: a, within: 1h }",
            ),
        ),
        (
            "an attribute with a bad name",
            step("set_attribute: { name: My Budget, value: 1 }"),
        ),
        (
            "an attribute from two places",
            step("set_attribute: { name: a, value: 1, from: event.type }"),
        ),
        ("a workflow that is not there", step("start_workflow: flw")),
        (
            "a workflow that starts itself",
            step("start_workflow: flow"),
        ),
        (
            "an escalation of one level",
            step(
                "escalate: { template: alert, channels: { all: [sms] }, levels: [ { to: { list: office } } ] }",
            ),
        ),
        (
            "a level without its time",
            step(
                "escalate: { template: alert, channels: { all: [sms] }, levels: [ { to: { list: office } }, { to: { role: owner } } ] }",
            ),
        ),
        (
            "a digest of nothing",
            step(
                "digest: { to: { list: office }, channels: { all: [email] }, template: alert, collect: 1h, count: 0 }",
            ),
        ),
        ("a step after the end", step("end\n  - tag: never")),
        ("no steps", flow("trigger: { event: go }\nsteps: []")),
        ("no trigger", flow("steps:\n  - tag: a")),
        (
            "a trigger that is not there",
            flow("trigger: { lead_captred: {} }\nsteps:\n  - tag: a"),
        ),
        (
            "a tier of a model that is not there",
            flow("trigger: { tier_entered: { model: intent, tier: hot } }\nsteps:\n  - tag: a"),
        ),
        (
            "an appointment with two offsets",
            flow("trigger: { appointment: { before: 1h, after: 1h } }\nsteps:\n  - tag: a"),
        ),
        (
            "a schedule that never comes",
            flow("trigger: { schedule: { cron: \"0 0 30 2 *\" } }\nsteps:\n  - tag: a"),
        ),
        (
            "a cron line that is none",
            flow("trigger: { schedule: { cron: \"9 o'clock\" } }\nsteps:\n  - tag: a"),
        ),
        (
            "an event that a schedule does not have",
            flow(
                "trigger: { schedule: { every: day, at: \"09:00\" } }\nwhen: { field: event.properties.plan, is: gold }\nsteps:\n  - tag: a",
            ),
        ),
        (
            "a re-entry that is not there",
            flow("trigger: { event: go }\nreentry: onec\nsteps:\n  - tag: a"),
        ),
        (
            "an outcome that is not there",
            flow("trigger: { call_ended: { outcome: no_anser } }\nsteps:\n  - tag: a"),
        ),
        (
            "a product that nobody sells",
            flow("product: repairs\ntrigger: { event: go }\nsteps:\n  - tag: a"),
        ),
        (
            "two workflows in a circle",
            vec![
                (
                    "workflows/flow.yaml",
                    super::mistakes::flow(
                        "trigger: { event: go }\nsteps:\n  - start_workflow: back",
                    ),
                ),
                (
                    "workflows/back.yaml",
                    "name: back\ntrigger: manual\nsteps:\n  - start_workflow: flow\n".to_owned(),
                ),
            ],
        ),
        (
            "a variable that the trigger does not have",
            vec![
                ("workflows/flow.yaml", super::mistakes::flow("trigger: { event: go }\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: visit }")),
                ("templates/visit.sms.txt", "---\ncategory: transactional\nsample: {}\n---\nSee you at {{ appointment.time }}. {{ message.opt_out_line }}\n".to_owned()),
            ],
        ),
        (
            "an answer that nobody asked for",
            vec![
                ("workflows/flow.yaml", super::mistakes::flow("trigger: { event: go }\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: visit }")),
                ("templates/visit.sms.txt", "---\ncategory: transactional\nsample: {}\n---\nYou said {{ run.rooms|default(\"nothing\") }}. {{ message.opt_out_line }}\n".to_owned()),
            ],
        ),
        (
            "a file of another name",
            one(
                "workflows/other.yaml",
                "name: flow\ntrigger: manual\nsteps:\n  - tag: a\n",
            ),
        ),
        (
            "a folder that nobody reads",
            one("workflow/flow.yaml", "name: flow\n"),
        ),
        (
            "what is no YAML",
            one("workflows/flow.yaml", "name: flow\n  trigger: [\n"),
        ),
        (
            "a zone that is none",
            one(
                "tenant.yaml",
                "name: Alder\nregion: US\ntime_zone: America/Denvre\npostal_address: 1 Example Street\n",
            ),
        ),
        (
            "a stage that moves nowhere known",
            one(
                "products/repair.yaml",
                "name: repair\nstages:\n  - { name: new }\n  - { name: contacted }\nprogression:\n  - { event: paid, to: won }\n",
            ),
        ),
        (
            "a rule that moves everybody",
            one(
                "products/repair.yaml",
                "name: repair\nstages:\n  - { name: new }\n  - { name: contacted }\nprogression:\n  - { to: contacted }\n",
            ),
        ),
        (
            "a manager who is nobody",
            one(
                "staff.yaml",
                "people:\n  - { name: Ruth Alder, email: ruth@example.com, manager: Sam Okafor }\n",
            ),
        ),
    ]
}

/// W5: every mistake is told with its file, its line and, where we know it, the mend.
#[test]
fn what_beginners_write_is_answered_with_the_mend() {
    let mut out = String::new();
    for (what, documents) in mistakes() {
        let documents: Vec<(&str, &str)> = documents
            .iter()
            .map(|(path, text)| (*path, text.as_str()))
            .collect();
        let _ = writeln!(out, "{what}");
        match load(&files(&documents)) {
            Ok(_) => panic!("{what} is not told"),
            Err(problems) => {
                for problem in problems {
                    let _ = writeln!(out, "    {problem}");
                }
            }
        }
    }
    assert!(mistakes().len() >= 40);
    insta::assert_snapshot!(out);
}
