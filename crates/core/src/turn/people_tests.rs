//! Who has a lead and who hears of it (D1, W7).

use super::rehearsal::Rehearsal;
use super::trial::{event, form, instant, lead_in, open, told};
use super::{Answer, Intake, Who};
use crate::ids::LeadId;
use serde_json::json;
use std::time::Duration;

const STAFF: (&str, &str) = (
    "staff.yaml",
    "people:
  - { name: Ana Castro, email: ana@example.com, phone: +1 303-555-0101, roles: [agent], skills: [drains], territory: { zips: [802] }, manager: Ruth Alder }
  - { name: Bo Marsh, email: bo@example.com, phone: +1 303-555-0102, roles: [agent], skills: [gas, drains], territory: { states: [WY] }, away: [2026-11-25 to 2026-11-26], manager: Ruth Alder }
  - { name: Cy Dale, email: cy@example.com, phone: +1 303-555-0103, roles: [agent], skills: [gas] }
  - { name: Ruth Alder, email: ruth@example.com, phone: +1 303-555-0104, roles: [owner] }
lists:
  agents: [Ana Castro, Bo Marsh, Cy Dale]
  office: [Ruth Alder]
on_call:
  - { name: Cy Dale, on: [tuesday], from: \"08:00\", to: \"18:00\" }
  - { name: Bo Marsh }
",
);

fn house(steps: &str) -> Rehearsal {
    let text = format!("name: flow\ntrigger: {{ event: go }}\nsteps:\n{steps}");
    open(
        &[STAFF, ("workflows/flow.yaml", &text)],
        "2026-11-24T17:15:00Z",
    )
}

fn go(house: &mut Rehearsal, n: u32) -> LeadId {
    let lead = lead_in(&house.take(form(None, n)));
    let now = house.now();
    house.take(event(Who::Lead(lead), "go", now, json!({"service": "gas"})));
    lead
}

fn owner(house: &Rehearsal, lead: LeadId) -> String {
    house
        .memory
        .lead(lead)
        .and_then(|lead| lead.owner.clone())
        .unwrap_or_default()
}

fn owners(house: &mut Rehearsal, from: u32, n: u32) -> Vec<String> {
    (from..from + n)
        .map(|n| {
            let lead = go(house, n);
            let whole = owner(house, lead);
            whole.split(' ').next().unwrap_or_default().to_owned()
        })
        .collect()
}

/// D1: one after the other; who is away is passed over, and is nobody's turn lost.
#[test]
fn leads_go_round() {
    let mut house = house("  - assign: { by: round_robin, among: { list: agents } }\n");
    assert_eq!(owners(&mut house, 0, 5), ["Ana", "Bo", "Cy", "Ana", "Bo"]);
    house.run_until(instant("2026-11-25T18:00:00Z"), &mut |_, _, _| {});
    assert_eq!(owners(&mut house, 10, 4), ["Cy", "Ana", "Cy", "Ana"]);
    house.run_until(instant("2026-11-27T18:00:00Z"), &mut |_, _, _| {});
    assert_eq!(owners(&mut house, 20, 3), ["Bo", "Cy", "Ana"]);
}

/// D1: who has the fewest leads in hand; a lead that is won is in nobody's hands.
#[test]
fn the_least_loaded_has_the_next() {
    let mut house = house("  - assign: { by: least_loaded, among: { list: agents } }\n");
    let first = go(&mut house, 0);
    assert_eq!(owners(&mut house, 1, 3), ["Bo", "Cy", "Ana"]);
    let won = house.take(Intake::Stage(super::StageMove {
        lead: first,
        product: None,
        stage: "won".into(),
        reason: None,
        actor: "Ana Castro".into(),
    }));
    assert_eq!(won, Answer::Done);
    assert_eq!(owners(&mut house, 5, 1), ["Ana"]);
}

/// D1: skills and places; where nobody fits somebody has it all the same.
#[test]
fn skills_and_places_decide() {
    for (step, wanted) in [
        (
            "{ among: { list: agents }, skill: { named: drains } }",
            vec!["Ana", "Bo", "Ana"],
        ),
        (
            "{ among: { list: agents }, skill: { field: event.properties.service } }",
            vec!["Bo", "Cy", "Bo"],
        ),
        (
            "{ by: territory, among: { list: agents } }",
            vec!["Ana", "Ana", "Ana"],
        ),
        (
            "{ by: territory, among: { list: agents }, skill: { named: gas } }",
            vec!["Bo", "Cy", "Bo"],
        ),
        ("{ among: on_call }", vec!["Cy", "Cy", "Cy"]),
    ] {
        let mut house = house(&format!("  - assign: {step}\n"));
        assert_eq!(owners(&mut house, 0, 3), wanted, "{step}");
    }
}

/// D1: who has a lead keeps it, unless somebody else is wanted.
#[test]
fn an_owner_stays_until_somebody_else_is_wanted() {
    let mut house = house(
        "  - assign: { among: { list: agents } }\n  - wait_for: { event: lead.acknowledged, within: 10m }\n    otherwise:\n      - assign: { among: { list: agents }, again: true }\n",
    );
    let lead = go(&mut house, 0);
    let now = house.now();
    house.take(event(Who::Lead(lead), "go", now, json!({})));
    assert_eq!(owner(&house, lead), "Ana Castro");
    house.wait(Duration::from_secs(601));
    let after = owner(&house, lead);
    assert_ne!(after, "Ana Castro", "it was not answered in time");
    let told = house.take(Intake::Assign {
        lead,
        to: "Nobody".into(),
        actor: "Ruth Alder".into(),
    });
    assert!(matches!(
        told,
        Answer::Refused {
            code: "unknown_staff",
            ..
        }
    ));
}

/// W7: levels, one after the other, until somebody answers; the manager is the owner's. The first to take it has it, and the others are told.
#[test]
fn an_escalation_climbs_until_somebody_answers() {
    const STEPS: &str = "  - assign: Ana Castro
  - escalate:
      template: alert
      channels: { all: [email] }
      levels:
        - { to: lead_owner, within: 5m }
        - { to: manager, within: 10m }
        - { to: { list: agents } }
";
    let mut house = house(STEPS);
    let lead = go(&mut house, 0);
    house.wait(Duration::from_secs(3_600));
    assert_eq!(
        told(&house),
        [
            "24T17:15:00 email ana@example.com alert accepted",
            "24T17:20:00 email ruth@example.com alert accepted",
            "24T17:30:00 email ana@example.com alert accepted",
            "24T17:30:00 email bo@example.com alert accepted",
            "24T17:30:00 email cy@example.com alert accepted",
        ]
    );
    let alerted = house.memory.lead(lead).expect("a lead").alerted.clone();
    assert_eq!(alerted, ["Ana Castro", "Ruth Alder", "Bo Marsh", "Cy Dale"]);

    let mut house = self::house(STEPS);
    let lead = go(&mut house, 0);
    house.wait(Duration::from_secs(400));
    let first = house.take(Intake::Take {
        lead,
        actor: "Ruth Alder".into(),
    });
    assert!(matches!(first, Answer::Taken { now: true, .. }));
    let second = house.take(Intake::Take {
        lead,
        actor: "Bo Marsh".into(),
    });
    assert!(matches!(second, Answer::Taken { now: false, ref by, .. } if by == "Ruth Alder"));
    house.wait(Duration::from_secs(3_600));
    assert_eq!(house.memory.messages().count(), 2, "nobody else is called");
    assert_eq!(owner(&house, lead), "Ruth Alder");
}

/// W7: speed to lead in four parts.
#[test]
fn speed_is_told_in_four_parts() {
    use crate::leads::Speed;
    let mut house = house(
        "  - wait: 1m\n  - assign: { among: { list: agents } }\n  - wait: 1m\n  - send: { to: lead_owner, channels: { all: [email] }, template: alert }\n",
    );
    let lead = go(&mut house, 0);
    let speed = |house: &Rehearsal| {
        let known = house.memory.lead(lead).expect("a lead");
        let speed = Speed::of(known, house.memory.messages_of(lead));
        speed.expect("it waits").seconds()
    };
    assert_eq!(speed(&house), [None, None, None]);
    house.wait(Duration::from_secs(90));
    assert_eq!(speed(&house), [Some(60), None, None]);
    house.wait(Duration::from_secs(90));
    house.take(Intake::Take {
        lead,
        actor: "ruth@example.com".into(),
    });
    assert_eq!(speed(&house), [Some(60), Some(120), Some(180)]);
}

/// W7: whoever was alerted and did not take it can be told who did.
#[test]
fn the_others_are_told() {
    let both = "name: flow\ntrigger: { event: go }\nsteps:\n  - send: { to: { list: agents }, channels: { all: [email] }, template: alert }\n";
    let taken = "name: taken\ntrigger: { event: lead.acknowledged }\nsteps:\n  - send: { to: others_alerted, channels: { all: [email] }, template: alert }\n";
    let mut house = open(
        &[
            STAFF,
            ("workflows/flow.yaml", both),
            ("workflows/taken.yaml", taken),
        ],
        "2026-11-24T17:15:00Z",
    );
    let lead = go(&mut house, 0);
    house.take(Intake::Take {
        lead,
        actor: "Bo Marsh".into(),
    });
    let said: Vec<String> = house
        .memory
        .messages()
        .skip(3)
        .map(|message| message.recipient.clone())
        .collect();
    assert_eq!(said, ["ana@example.com", "cy@example.com"]);
}

/// D1: a lead that nobody has reaches who is on call, by the plan; without a plan's person, who runs the business.
#[test]
fn a_lead_that_nobody_has_reaches_somebody() {
    const STEP: &str =
        "  - send: { to: lead_owner, channels: { all: [email] }, template: alert }\n";
    for (at, wanted) in [
        ("2026-11-24T17:15:00Z", "cy@example.com"),
        ("2026-11-27T17:15:00Z", "bo@example.com"),
    ] {
        let mut house = house(STEP);
        house.run_until(instant(at), &mut |_, _, _| {});
        go(&mut house, 0);
        let said = house.memory.messages().last().expect("one");
        assert_eq!(said.recipient, wanted);
    }
    let staff = (STAFF.0, STAFF.1.split("on_call:").next().expect("a part"));
    let text = format!("name: flow\ntrigger: {{ event: go }}\nsteps:\n{STEP}");
    let mut house = open(
        &[staff, ("workflows/flow.yaml", &text)],
        "2026-11-24T17:15:00Z",
    );
    go(&mut house, 0);
    assert_eq!(
        house.memory.messages().last().expect("one").recipient,
        "ruth@example.com"
    );
    assert!(house.memory.set_aside().is_empty());
}
