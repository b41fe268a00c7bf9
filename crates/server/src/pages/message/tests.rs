//! Titles, answers and pages of messages, whatever is in them.

use super::super::tests::{HOSTILE, sound};
use super::explain::Telling;
use super::gates;
use super::*;
use ringback_core::ids::{MessageId, NotificationId, TenantId};
use ringback_core::messages::{Category, Cost, Plan, Priority, Reason};
use ringback_core::turn::Said;
use std::collections::BTreeMap;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A frame without a server behind it.
pub(in super::super) fn frame() -> Frame {
    Frame {
        business: HOSTILE.into(),
        base: "/t/alder".into(),
        place: "Denver".into(),
        time: "6:49 am".into(),
        now_ms: 0,
        menu: Vec::new(),
        tabs: Vec::new(),
        more: Vec::new(),
        ringing: 1,
        failed: 2,
        sandbox: true,
        held: None,
        user: HOSTILE.into(),
        writes: true,
        admin: true,
        notice: None,
        css: "/assets/ui.css",
        script: "/assets/live.js",
    }
}

fn message(status: Status, why: Option<(&str, &str)>) -> Message {
    let now = at("2026-11-21T13:40:00Z");
    Message {
        id: MessageId::from_raw(7),
        tenant: TenantId::from_raw(1),
        lead: None,
        staff: None,
        run: None,
        step: Some("feedback@3#1.otherwise.0".into()),
        notification: NotificationId::from_raw(6),
        event: None,
        channel: ChannelKind::Sms,
        connection: None,
        recipient: "+13035550142".into(),
        category: Category::Promotional,
        priority: Priority::Normal,
        status,
        due_at: at("2026-11-21T15:07:00Z"),
        created_at: now,
        expires_at: None,
        template: Some(("feedback".into(), 5)),
        locale: None,
        body: None,
        data: "{}".to_owned().into(),
        plan: Plan::default(),
        verdict: "{}".into(),
        epoch: 1,
        attempt: None,
        deadline: None,
        hash: None,
        attempts: u32::from(why.is_some_and(|(code, _)| code == "30006")),
        sandbox: false,
        repeated: false,
        reference: None,
        accepted_at: Some(at("2026-11-21T13:43:09Z")),
        settled_at: None,
        facts: BTreeMap::new(),
        why: why.map(|(code, detail)| Reason::new(code, detail)),
        cost: Some(Cost {
            micros: 8_300,
            currency: "USD".into(),
        }),
    }
}

const HELD: &str = "It is 06:49 on Saturday in Denver; Colorado has hours 08:00-20:00 (US-6). It goes at 2026-11-21T15:00:00Z or shortly after. 06:49 in America/Denver (postal code, area code). Rules 2026-11.1 US-6";

fn with<T>(message: &Message, said: Vec<Said>, look: impl FnOnce(&Telling<'_>) -> T) -> T {
    let local = Local::new(
        jiff::tz::TimeZone::get("America/Denver").unwrap(),
        "US",
        "Denver",
    );
    let verdict = VerdictView {
        at: 1,
        rules: "2026-11-21".into(),
        said,
    };
    look(&Telling {
        message,
        verdict: &verdict,
        local: &local,
        region: "US",
        now: at("2026-11-21T13:49:52Z"),
        whom: "Owen Pryce",
        provider: "Twilio",
    })
}

fn said(gate: &str, says: &str, because: &str) -> Said {
    Said {
        gate: gate.into(),
        says: says.into(),
        rule: String::new(),
        because: because.into(),
    }
}

/// Section 9 of the design: every status and reason has its sentence: who, until when, where, because.
#[test]
fn every_status_is_told_in_a_sentence() {
    for (status, why, gate, title) in [
        (
            Status::Scheduled,
            None,
            "",
            "Waits until 8:07 am, as it was asked for",
        ),
        (Status::Queued, None, "", "Waits for its turn"),
        (
            Status::Queued,
            Some(("http_503", "Twilio has trouble of its own.")),
            "",
            "Waits to be tried again at 8:07 am: Twilio has trouble of its own",
        ),
        (
            Status::Deferred,
            Some(("quiet_hours", HELD)),
            HELD,
            "Held until 8:07 am in Denver, because quiet hours end there at 8:00",
        ),
        (
            Status::Deferred,
            Some(("limit", "3 promotional contacts in 24 hours are the limit.")),
            "",
            "Waits until 8:07 am: 3 promotional contacts in 24 hours are the limit",
        ),
        (
            Status::Deferred,
            Some(("no_connection", "Every sms connection is switched off.")),
            "",
            "Held until 8:07 am: every text connection is switched off",
        ),
        (
            Status::Sending,
            None,
            "",
            "On its way: Twilio is being called",
        ),
        (
            Status::Accepted,
            None,
            "",
            "Twilio took it at 6:43 am; it has not said yet whether it arrived",
        ),
        (
            Status::Delivered,
            None,
            "",
            "Delivered to Owen Pryce at 6:43 am",
        ),
        (
            Status::Delivered,
            None,
            "It answers what the person did within the last 15 minutes. 06:43 in America/Denver (area code). Rules 1",
            "Sent at 6:43 am although hours are closed there: a direct answer within 15 minutes",
        ),
        (
            Status::Failed,
            Some(("30006", "The number is a landline.")),
            "",
            "Failed: the number is a landline (Twilio 30006). It will not be tried again by itself",
        ),
        (
            Status::Failed,
            Some(("30006", "The number is a landline. Said by email instead.")),
            "",
            "Failed: the number is a landline (Twilio 30006). Said by email instead",
        ),
        (
            Status::Bounced,
            Some(("21211", "The number does not exist.")),
            "",
            "Bounced: the number does not exist. The address is at fault",
        ),
        (
            Status::Blocked,
            Some((
                "suppressed",
                "On the suppression list since 3 November 2026: by replying STOP",
            )),
            "",
            "Blocked: Owen Pryce opted out on 3 November 2026 by replying STOP. Only they can undo it, with START",
        ),
        (
            Status::Blocked,
            Some(("no_consent", "There is no consent to offers by sms.")),
            "",
            "Blocked: there is no consent to offers by text",
        ),
        (
            Status::Blocked,
            Some(("no_contact", "Skipped: the lead has no phone number.")),
            "",
            "Skipped: the lead has no phone number",
        ),
        (
            Status::Cancelled,
            Some(("cancelled", "Taken back by user:Inez Ford.")),
            "",
            "Taken back by Inez Ford before it went",
        ),
        (
            Status::Cancelled,
            Some(("digest", "Part of the digest msg_1.")),
            "",
            "Said in a digest instead: too many alerts came at once",
        ),
        (
            Status::Expired,
            Some(("expired", "It stopped to matter.")),
            "",
            "Expired: it stopped to matter",
        ),
        (
            Status::Unknown,
            Some(("timeout", "The line to Twilio broke after we spoke.")),
            "",
            "May or may not have arrived: the line to Twilio broke after we spoke. It is not sent again by itself",
        ),
    ] {
        let message = message(status, why);
        let told = with(&message, vec![said("quiet_hours", "pass", gate)], |told| {
            told.title()
        });
        assert_eq!(told, title, "{status}");
    }
}

/// M10: whatever became of it, there are four answers, and each is a sentence.
#[test]
fn there_are_always_four_answers() {
    let codes = [
        "",
        "quiet_hours",
        "limit",
        "no_connection",
        "suppressed",
        "no_consent",
        "number_type",
        "kill_switch",
        "no_contact",
        "no_template",
        "no_common_hour",
        "digest",
        "lead_deleted",
        "template",
        "made_up",
    ];
    for status in Status::ALL {
        for code in codes {
            let message = message(*status, Some((code, "Because.")));
            for (word, answer) in with(&message, Vec::new(), |told| told.changes()) {
                assert!(
                    !word.is_empty() && answer.ends_with('.'),
                    "{status} {code}: {word} {answer}"
                );
            }
        }
    }
}

/// M10: gates stand in their order, the one that holds is lit, and those after it were not asked yet.
#[test]
fn the_gate_that_holds_is_lit_and_the_rest_not_asked() {
    let message = message(Status::Deferred, Some(("quiet_hours", HELD)));
    let asked = vec![
        said("kill_switch", "pass", ""),
        said("sandbox", "pass", ""),
        said("suppression", "pass", ""),
        said("consent", "pass", "Granted for offers."),
        said("number", "pass", ""),
        said("caps", "pass", ""),
        said("quiet_hours", "defer", HELD),
    ];
    let rows = with(&message, asked, gates::table);
    assert_eq!(
        rows.iter().map(|row| row.name).collect::<Vec<_>>(),
        [
            "Kill switch",
            "Sandbox",
            "Suppression",
            "Consent",
            "Number",
            "How often",
            "Quiet hours",
            "Connection"
        ]
    );
    assert_eq!(rows.iter().position(|row| row.stop), Some(6));
    assert_eq!((rows[6].answer, rows[6].rule.as_str()), ("Holds", "US-6"));
    assert!(rows[6].because.contains("Opens at 8:00 am in Denver"));
    assert_eq!(
        (rows[7].answer, rows[7].because.as_str()),
        ("Not yet asked", "Asked at 8:07 am")
    );
}

fn shown(status: Status, shown: Shown) -> MessagePage {
    let message = message(status, Some(("no_consent", HOSTILE)));
    let asked = vec![
        said("kill_switch", "pass", HOSTILE),
        said("consent", "block", HOSTILE),
    ];
    with(&message, asked, |told| MessagePage {
        frame: frame(),
        href: "/t/alder/messages/msg_7".into(),
        id: "msg_7".into(),
        title: told.title(),
        chip: chip(status),
        repeated: true,
        kind: "Text",
        whom: HOSTILE.into(),
        whom_href: "/t/alder/leads/lead_1".into(),
        line: trace::line(told),
        trace: trace::trace(&Story {
            told,
            attempts: &[],
            cause: None,
            lead: HOSTILE,
            providers: &[],
        }),
        changes: told.changes(),
        heading: "The text",
        shown,
        facts: vec![
            Line::new("To", HOSTILE),
            Line::new("To", HOSTILE).masked(),
            Line::new("To", HOSTILE).to("/x".into()),
        ],
        siblings: vec![Sibling {
            href: "/x".into(),
            what: "Email",
            chip: chip(Status::Failed),
        }],
        cancel: true,
        retry: true,
        twice: true,
        dead: "/t/alder/queue/dead/msg_1".into(),
        change: true,
        discarded: true,
    })
}

/// U: the page is sound in every state, whatever people wrote.
#[test]
fn a_message_page_is_sound_whatever_is_in_it() {
    let text = || HOSTILE.to_owned();
    for one in [
        Shown::Text {
            body: text(),
            size: text(),
        },
        Shown::Mail {
            subject: text(),
            text: text(),
            html: true,
        },
        Shown::Mail {
            subject: text(),
            text: text(),
            html: false,
        },
        Shown::Json {
            event: text(),
            body: text(),
        },
        Shown::Nothing(text()),
    ] {
        for status in Status::ALL {
            let page = shown(*status, one.clone()).render().unwrap();
            sound(&page);
            assert!(
                page.len() < 60_000,
                "section 11 of the design: {} bytes",
                page.len()
            );
        }
    }
}
