//! Documents of workflows as people write them.

use super::*;
use crate::messages::{ChannelKind, Priority};

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
        let said = read(&format!("name: a\ntrigger: manual\nsteps:\n  - {step}\n")).unwrap_err();
        assert!(said.contains(why), "{step}: {said}");
    }
    let hook =
        read("name: a\ntrigger: manual\nsteps:\n  - send: { to: { hook: crm }, template: a }\n")
            .unwrap();
    let (_, send) = hook.sends().next().unwrap();
    assert_eq!(send.channels.kinds(), [ChannelKind::Webhook]);
}
