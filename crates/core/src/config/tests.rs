//! W5: a folder is checked as a whole, and every mistake is told with file, line and mend.

use super::*;
use crate::messages::ChannelKind;
use crate::workflows::Recipient;
use proptest::prelude::*;
use std::path::Path;

const TENANT: &str = "name: Alder Plumbing\nregion: US\ntime_zone: America/Denver\npostal_address: 100 Example Street\n";
const PRODUCT: &str = "name: repair\nstages:\n  - { name: new }\n  - { name: contacted }\n  - { name: done, terminal: true }\nscore_model: intent\n";
const MODEL: &str = "name: intent\nscope: session\nrules:\n  - { name: click, label: Clicked emergency, event: emergency_click, points: 30 }\ntiers:\n  - { name: immediate, label: Immediate, from: 30 }\n";
const STAFF: &str = "people:\n  - { name: Ruth Alder, email: ruth@example.com, phone: 303-555-0101, roles: [owner] }\n  - { name: Sam Okafor, email: sam@example.com }\nlists:\n  emergency: [Ruth Alder, Sam Okafor]\non_call: Ruth Alder\nhooks:\n  - { name: crm }\n";
const WORKFLOW: &str = "name: alert\ntrigger: { tier_entered: { model: intent, tier: immediate } }\nsteps:\n  - send: { to: { list: emergency }, channels: { all: [sms] }, template: emergency, category: staff }\n  - wait_for: { event: lead.acknowledged, within: 5m }\n    otherwise:\n      - send: { to: { role: owner }, channels: { first: [sms] }, template: emergency }\n";
const FORM: &str = "name: contact\nfields:\n  - { name: first_name, type: text }\n  - { name: phone, type: phone, required: true }\n  - { name: sms_consent, type: checkbox }\nconsents:\n  - { field: sms_consent, channel: sms, purpose: transactional, wording: Text me about my request. }\n";
const ALERT: &str = "---\ncategory: staff\nsample:\n  score: { points: 95 }\n---\nURGENT: Emergency lead. Score: {{ score.points }}\n";

fn base() -> BTreeMap<String, Document> {
    [
        ("tenant.yaml", TENANT),
        ("products/repair.yaml", PRODUCT),
        ("scores/intent.yaml", MODEL),
        ("staff.yaml", STAFF),
        ("workflows/alert.yaml", WORKFLOW),
        ("forms/contact.yaml", FORM),
        ("templates/emergency.sms.txt", ALERT),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), Document::new(text)))
    .collect()
}

/// What is said when one file is another.
fn said(path: &str, text: &str) -> Vec<String> {
    let mut files = base();
    files.insert(path.to_owned(), Document::new(text));
    match load(&files) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

/// What is said when a piece of one of the base files is replaced.
fn changed(path: &str, from: &str, to: &str) -> Vec<String> {
    let files = base();
    let text = files[path].text.replace(from, to);
    assert_ne!(text, files[path].text, "{from:?} is not in {path}");
    said(path, &text)
}

#[test]
fn a_good_folder_loads_and_answers() {
    let config = load(&base()).unwrap();
    assert_eq!(config.default_product(), Some("repair"));
    assert_eq!(config.model_of("repair").unwrap().name, "intent");
    assert_eq!(config.workflows["alert"].trigger.kind(), "tier_entered");
    assert!(!config.has_segments() && !config.has_digests() && config.assigns().is_empty());
    assert!(
        config
            .template("emergency", ChannelKind::Sms, Some("es-MX"))
            .is_some()
    );
    assert!(
        config
            .template("emergency", ChannelKind::Email, None)
            .is_none()
    );
    let list = config.staff_of(&Recipient::List("emergency".to_owned()));
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].phone.as_ref().unwrap().as_str(), "+13035550101");
    assert_eq!(config.staff_of(&Recipient::OnCall)[0].first_name(), "Ruth");
    assert!(config.staff_of(&Recipient::Lead).is_empty());
    assert!(config.may_move("repair", Some("new"), "done").is_ok());
    assert!(config.may_move("nothing", None, "done").is_err());
    assert_eq!(config.form("contact").unwrap().source(), "contact");
    assert_eq!(config.workflows["alert"].version, 1);
}

#[test]
fn a_slip_of_the_pen_is_told_with_line_and_mend() {
    for (path, from, to, wanted) in [
        (
            "workflows/alert.yaml",
            "template: emergency,",
            "template: emergancy,",
            "workflows/alert.yaml:4: There is no template `emergancy` for sms. Did you mean `emergency`?",
        ),
        (
            "workflows/alert.yaml",
            "list: emergency",
            "list: emergancy",
            "workflows/alert.yaml:4: There is no list `emergancy`. Did you mean `emergency`?",
        ),
        (
            "workflows/alert.yaml",
            "role: owner",
            "role: ower",
            "workflows/alert.yaml:7: There is no person with the role `ower`. Did you mean `owner`?",
        ),
        (
            "workflows/alert.yaml",
            "tier: immediate",
            "tier: imediate",
            "workflows/alert.yaml:2: There is no tier `imediate`. Did you mean `immediate`?",
        ),
        (
            "workflows/alert.yaml",
            "model: intent",
            "model: intend",
            "workflows/alert.yaml:2: There is no score model `intend`. Did you mean `intent`?",
        ),
        (
            "workflows/alert.yaml",
            "category: staff",
            "category: stuff",
            "workflows/alert.yaml:4: `stuff` is not known here. Did you mean `staff`?",
        ),
        (
            "workflows/alert.yaml",
            "category: staff",
            "category: promotional",
            "workflows/alert.yaml:4: The step says `promotional`, but templates/emergency.sms.txt says `staff`: the template's category counts.",
        ),
        (
            "workflows/alert.yaml",
            "to: { list: emergency }",
            "to: lead",
            "workflows/alert.yaml:4: `emergency` is a staff alert; a lead must never read it (C2).",
        ),
        (
            "workflows/alert.yaml",
            "all: [sms]",
            "all: [sms, email]",
            "workflows/alert.yaml:4: There is no template `emergency` for email. Write templates/emergency.email.mjml.",
        ),
        (
            "workflows/alert.yaml",
            "within: 5m",
            "within: 5 minutes",
            "workflows/alert.yaml:5: `5 minutes` is no length of time.",
        ),
        (
            "workflows/alert.yaml",
            "wait_for:",
            "wait_fr:",
            "workflows/alert.yaml:5: There is no setting `wait_fr` here. Did you mean `wait_for`?",
        ),
        (
            "workflows/alert.yaml",
            "name: alert",
            "name: alarm",
            "workflows/alert.yaml:1: The name is `alarm`, but the file is called `alert`.",
        ),
        (
            "workflows/alert.yaml",
            "name: alert",
            "name: alert\nwhen: { field: lead.stge, is: new }",
            "workflows/alert.yaml:2: ",
        ),
        (
            "products/repair.yaml",
            "score_model: intent",
            "score_model: intend",
            "products/repair.yaml:6: There is no score model `intend`. Did you mean `intent`?",
        ),
        (
            "products/repair.yaml",
            "{ name: contacted }",
            "{ name: new }",
            "products/repair.yaml:4: The stage `new` is here twice.",
        ),
        (
            "products/repair.yaml",
            "score_model: intent",
            "qualification: { points: 50, stage: contactd }",
            "products/repair.yaml:6: There is no stage `contactd`. Did you mean `contacted`?",
        ),
        (
            "staff.yaml",
            "303-555-0101",
            "303-555-010",
            "staff.yaml:2: 303-555-010 is one digit short for the United States.",
        ),
        (
            "staff.yaml",
            "sam@example.com",
            "sam.example.com",
            "staff.yaml:3: ",
        ),
        (
            "staff.yaml",
            "[Ruth Alder, Sam Okafor]",
            "[Ruth Alda, Sam Okafor]",
            "staff.yaml:5: The list `emergency` names `Ruth Alda`, who is not among the people. Did you mean `Ruth Alder`?",
        ),
        (
            "staff.yaml",
            "on_call: Ruth Alder",
            "on_call: Nobody",
            "staff.yaml:6: `Nobody` is on call, but not among the people.",
        ),
        (
            "staff.yaml",
            ", phone: 303-555-0101",
            "",
            "workflows/alert.yaml:4: Nobody hears this by sms: no phone number is known for the list emergency.",
        ),
        (
            "forms/contact.yaml",
            "type: phone",
            "type: phon",
            "forms/contact.yaml:4: `phon` is not known here. Did you mean `phone`?",
        ),
        (
            "forms/contact.yaml",
            "type: phone, required",
            "type: text, required",
            "forms/contact.yaml:4: `phone` fills the lead's phone",
        ),
        (
            "forms/contact.yaml",
            "{ name: sms_consent, type: checkbox }",
            "{ name: sms_consent, type: checkbox, required: true }",
            "forms/contact.yaml:7: `sms_consent` is required, but consent may not be a condition",
        ),
        (
            "forms/contact.yaml",
            "purpose: transactional",
            "purpose: promotional",
            "forms/contact.yaml:7: Written consent to marketing texts has to say that it is not a condition of a purchase (US-1).",
        ),
        (
            "forms/contact.yaml",
            "name: contact",
            "name: contact\nthank_you: javascript:alert(1)",
            "forms/contact.yaml:2: `javascript:alert(1)` is neither a path nor an https address.",
        ),
        (
            "forms/contact.yaml",
            "name: contact",
            "name: contact\nanti_spam: { honeypot: phone }",
            "forms/contact.yaml:2: `phone` cannot be the trap",
        ),
        (
            "forms/contact.yaml",
            "name: contact",
            "name: contact\nsteps: [[first_name, phone], [phone]]",
            "forms/contact.yaml:2: No step asks for the field `sms_consent`.",
        ),
        (
            "tenant.yaml",
            "America/Denver",
            "America/Dever",
            "tenant.yaml:3: ",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: USA",
            "tenant.yaml:2: ",
        ),
        (
            "tenant.yaml",
            "name: Alder Plumbing\n",
            "",
            "tenant.yaml:1: `name` is missing.",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nquiet_hours: { transactional_until: 23 }",
            "tenant.yaml:3: Transactional messages stop at 20",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nlimits: { leads: { promotional_per_24h: 9 } }",
            "tenant.yaml:3: Three promotional contacts",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\ntracking: { origins: [\"https://a.example/x\"] }",
            "tenant.yaml:3: `https://a.example/x` is no origin.",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nretention: { messages: 30d }",
            "tenant.yaml:3: `messages` is 90d to 104w",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nretention: { visitors: 0d }",
            "tenant.yaml:3: `visitors` is 1d to 104w",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nproduct: repairs",
            "tenant.yaml:3: There is no product `repairs`. Did you mean `repair`?",
        ),
        (
            "tenant.yaml",
            "region: US",
            "region: US\nbudgte: {}",
            "tenant.yaml:3: There is no setting `budgte` here. Did you mean `budget`?",
        ),
    ] {
        let told = changed(path, from, to);
        assert!(
            told.iter().any(|one| one.starts_with(wanted)),
            "{path} with {to:?} should say\n  {wanted}\nbut said\n  {}",
            told.join("\n  ")
        );
    }
}

#[test]
fn steps_that_nobody_reaches_are_told() {
    let steps = |steps: &str| format!("name: alert\ntrigger: manual\nsteps:\n{steps}");
    for (text, wanted) in [
        (
            "  - end\n  - wait: 5m\n",
            "workflows/alert.yaml:5: Nothing comes here: the step before it ends the run.",
        ),
        (
            "  - branch: { field: lead.tier, is: high }\n    then: [end]\n    otherwise: [end]\n  - wait: 5m\n",
            "workflows/alert.yaml:7: Nothing comes here: both ways before it end the run.",
        ),
        (
            "  - wait: 0s\n",
            "workflows/alert.yaml:4: A wait of no time is none.",
        ),
        (
            "  - set_stage: { stage: don }\n",
            "workflows/alert.yaml:4: There is no stage `don`. Did you mean `done`?",
        ),
    ] {
        let told = said("workflows/alert.yaml", &steps(text));
        assert!(told.iter().any(|one| one == wanted), "{text}: {told:?}");
    }
    let conditional = "  - { end: true, when: { field: lead.tier, is: high } }\n  - wait: 5m\n";
    assert_eq!(
        said("workflows/alert.yaml", &steps(conditional)),
        Vec::<String>::new()
    );
}

/// C2: the words of a message fit its category.
#[test]
fn words_that_the_category_forbids_are_told() {
    let to_lead = "name: alert\ntrigger: lead_captured\nsteps:\n  - send: { to: lead, channels: { all: [sms] }, template: thanks }\n";
    let with = |template: &str, text: &str| {
        let mut files = base();
        files.insert("workflows/alert.yaml".to_owned(), Document::new(to_lead));
        files.insert(format!("templates/{template}"), Document::new(text));
        match load(&files) {
            Ok(config) => config.warnings.iter().map(Problem::to_string).collect(),
            Err(problems) => problems.iter().map(Problem::to_string).collect::<Vec<_>>(),
        }
    };
    let text = |category: &str, words: &str| {
        with(
            "thanks.sms.txt",
            &format!("---\ncategory: {category}\n---\n{words} {{{{ message.opt_out_line }}}}\n"),
        )
    };
    for (category, words, wanted) in [
        (
            "transactional",
            "Thank you. Next time 20% off!",
            "templates/thanks.sms.txt: “% off” is an offer",
        ),
        (
            "transactional",
            "Reply CANCEL to cancel your visit.",
            "templates/thanks.sms.txt: Whoever answers CANCEL",
        ),
        (
            "transactional",
            "Hello {{ staff.name }}",
            "templates/thanks.sms.txt: `staff.name` is for staff alone",
        ),
        (
            "staff",
            "New lead",
            "workflows/alert.yaml:4: `thanks` is a staff alert",
        ),
    ] {
        let told = text(category, words);
        assert!(
            told.iter().any(|one| one.starts_with(wanted)),
            "{words}: {told:#?}"
        );
    }
    for (category, words) in [
        ("transactional", "Thank you, we are offline now."),
        ("promotional", "Next time 20% off!"),
    ] {
        let told = text(category, words);
        assert!(
            !told.iter().any(|one| one.contains("thanks")),
            "{words}: {told:#?}"
        );
    }
    let told = with(
        "emergency.sms.txt",
        "---\ncategory: staff\n---\n{{ lead.phone|default(\"\") }} {{ lead.email|default(\"\") }}\n",
    );
    assert!(told.iter().any(|one| one.contains("(ST-2)")), "{told:#?}");
}

/// Everything the reader recurses into is bounded: the deepest documents are answered on an ordinary thread's stack.
#[test]
fn the_deepest_documents_are_answered() {
    let mut deep_when = "{ field: lead.tier, is: high }".to_owned();
    for _ in 0..14 {
        deep_when = format!("{{ not: {deep_when} }}");
    }
    for _ in 0..20 {
        deep_when = format!("{{ all: [{deep_when}] }}");
        let text = format!("name: alert\ntrigger: manual\nwhen: {deep_when}\nsteps: [end]\n");
        let _answer = said("workflows/alert.yaml", &text);
    }
    let mut deep_steps = "end".to_owned();
    for _ in 0..16 {
        deep_steps =
            format!("{{ branch: {{ field: lead.tier, is: high }}, then: [{deep_steps}] }}");
        let text = format!("name: alert\ntrigger: manual\nsteps: [{deep_steps}]\n");
        let _answer = said("workflows/alert.yaml", &text);
    }
}

/// Mistakes of different files come in one answer, and one mistake is told once.
#[test]
fn everything_is_told_at_once_and_nothing_twice() {
    let mut files = base();
    files.insert(
        "templates/emergency.sms.txt".to_owned(),
        Document::new("no front matter"),
    );
    files.insert(
        "scores/intent.yaml".to_owned(),
        Document::new("name: [intent\n"),
    );
    files.insert("staff.yaml".to_owned(), Document::new("people: 7\n"));
    files.insert("wrokflows/x.yaml".to_owned(), Document::new("name: x\n"));
    files.insert(
        "workflows/nested/x.yaml".to_owned(),
        Document::new("name: x\n"),
    );
    let told: Vec<String> = load(&files)
        .unwrap_err()
        .iter()
        .map(Problem::to_string)
        .collect();
    let of = |path: &str| told.iter().filter(|one| one.starts_with(path)).count();
    assert_eq!(of("scores/intent.yaml"), 1, "{told:#?}");
    assert_eq!(of("staff.yaml"), 1, "{told:#?}");
    assert_eq!(
        of("wrokflows/x.yaml: Nothing reads this file. Did you mean `workflows`?"),
        1,
        "{told:#?}"
    );
    assert_eq!(of("workflows/nested/x.yaml"), 1, "{told:#?}");
    // What could not be read is not said to be missing by those who refer to it.
    assert_eq!(of("workflows/alert.yaml"), 0, "{told:#?}");
    assert_eq!(of("products/repair.yaml"), 0, "{told:#?}");
}

#[test]
fn an_empty_folder_says_what_it_needs() {
    let told = load(&BTreeMap::new()).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "tenant.yaml: There is no tenant.yaml: it names the business, its region and its time zone."
    );
    let only: BTreeMap<_, _> = [("tenant.yaml".to_owned(), Document::new(TENANT))].into();
    assert!(
        load(&only).unwrap_err()[0]
            .message
            .starts_with("There is no product.")
    );
}

#[test]
fn sample_days_are_checked_line_by_line() {
    let told = said(
        "events/day.jsonl",
        "{\"at_offset_s\": 5, \"path\": \"/v1/track\", \"body\": {}}\n{\"at_offset_s\": 2, \"path\": \"/v1/track\"}\n{}\n",
    );
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("events/day.jsonl:2: "), "{told:?}");
    assert!(told[1].starts_with("events/day.jsonl:3: "), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a stranger uploads is answered, and never by a panic.
    #[test]
    fn hostile_documents_are_answered(
        name in "(tenant.yaml|staff.yaml|products/a.yaml|scores/a.yaml|workflows/alert.yaml|forms/contact.yaml|templates/a.sms.txt|templates/b.email.mjml|events/a.jsonl|é/../x)",
        text in "((name|steps|trigger|fields|people|stages|tiers|when|send|branch|then|region|routing|consents): ?(x|\\[\\{\\}\\]|\\{a: b\\}|-1|9e99|\"\"|~|\\[end\\]|!!binary x|&a \\[\\*a\\])?\n|\\PC{0,30}\n){0,8}",
    ) {
        let mut files = base();
        files.insert(name, Document::new(text));
        let _answer = load(&files);
    }
}

/// The documents of a preset's folder, as `tenant create` stores them.
fn preset(name: &str) -> BTreeMap<String, Document> {
    fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<String, Document>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, into);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                into.insert(name, Document::new(std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../presets")
        .join(name);
    let mut files = BTreeMap::new();
    collect(&root, &root, &mut files);
    files
}

/// W8: the presets ship without a problem and without a warning.
#[test]
fn the_presets_are_in_order() {
    for name in [
        "plumbing",
        "auto-glass",
        "saas-nurture",
        "real-estate-churn",
    ] {
        let config = load(&preset(name)).unwrap_or_else(|problems| {
            let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
            panic!("{name}:\n{}", told.join("\n"))
        });
        // Whoever takes a preset over is told to put in people of their own, and nothing else.
        let (examples, warnings): (Vec<String>, Vec<String>) = config
            .warnings
            .iter()
            .map(Problem::to_string)
            .partition(|warning| warning.contains("has an example"));
        assert_eq!(examples.len(), 8, "{name}:\n{}", examples.join("\n"));
        assert!(warnings.is_empty(), "{name}:\n{}", warnings.join("\n"));
    }
}

/// W8: each stage of the intervention names its GoHighLevel workflow, or the check fails with file, line and the mend.
#[test]
fn a_stage_without_its_crm_workflow_does_not_pass() {
    let mut files = preset("real-estate-churn");
    let staff = files.get_mut("staff.yaml").unwrap();
    staff.text = staff.text.replace("name: ghl-act,", "name: ghl-acts,");
    let problems = load(&files).unwrap_err();
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        told,
        ["workflows/churn-act.yaml:23: There is no hook `ghl-act`. Did you mean `ghl-acts`?"]
    );
}

/// W7: a promise that no workflow watches is told, with what to write.
#[test]
fn a_promise_that_nothing_watches_is_told() {
    let mut files = preset("auto-glass");
    let tenant = files.get_mut("tenant.yaml").unwrap();
    tenant.text = tenant
        .text
        .replace("first_response: 15m", "first_response: 20m");
    let warnings = load(&files).unwrap().warnings;
    let told: Vec<String> = warnings
        .iter()
        .map(Problem::to_string)
        .filter(|warning| warning.contains("promise"))
        .collect();
    assert_eq!(
        told,
        [
            "tenant.yaml:29: Nothing happens when the promise of a first response is broken. Let a workflow `wait_for: { event: lead.acknowledged, within: 20m, of: business_hours }`, and tell somebody `otherwise`."
        ]
    );
}

/// W8, T2: every template of the presets renders its sample, with a lead who left everything empty too, and texts keep their length.
#[test]
fn every_template_of_the_presets_renders() {
    use crate::messages::segments::segments;
    use crate::templates::{Data, RenderContext};
    let context = RenderContext::new(jiff::tz::TimeZone::UTC, "US", None);
    for name in [
        "plumbing",
        "auto-glass",
        "saas-nurture",
        "real-estate-churn",
    ] {
        let config = load(&preset(name)).unwrap();
        for template in config.templates.iter() {
            let shown = template
                .render(&Data::new(template.sample()), &context)
                .unwrap();
            let said = format!("{name}/{} {}: {shown:?}", template.name, template.channel);
            assert!(
                !shown.text.contains("{{") && !shown.text.contains("None"),
                "{said}"
            );
            if template.channel == ChannelKind::Sms {
                let most = template
                    .max_segments
                    .expect("every text of a preset has its bound");
                assert!(segments(&shown.text).count <= most, "{said}");
            }
        }
    }
}

/// W4: a run goes on with the version it began with, also when the workflow has changed or is gone.
#[test]
fn earlier_versions_are_found_by_name_and_version() {
    let mut files = base();
    let old = files["workflows/alert.yaml"].clone();
    let newer = Document {
        version: 2,
        text: old.text.replace("within: 5m", "within: 7m"),
    };
    files.insert("workflows/alert.yaml".to_owned(), newer);
    let mut config = load(&files).unwrap();
    assert!(config.workflow_version("alert", 1).is_none());
    let gone = Document::new("name: gone\ntrigger: manual\nsteps: [end]\n");
    let words = Document {
        version: 7,
        text: ALERT.to_owned(),
    };
    let broken = Document::new("name: [\n");
    let told = config.remember([
        ("workflows/alert.yaml", &old),
        ("workflows/gone.yaml", &gone),
        ("templates/emergency.sms.txt", &words),
        ("workflows/broken.yaml", &broken),
    ]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(config.workflow_version("alert", 1).unwrap().version, 1);
    assert_eq!(config.workflow_version("alert", 2).unwrap().version, 2);
    assert!(config.workflow_version("gone", 1).is_some());
    let sms = |version| config.template_version("emergency", ChannelKind::Sms, version);
    assert_eq!(sms(1).unwrap().version, 1);
    assert_eq!(sms(7).unwrap().version, 7);
    assert!(sms(3).is_none());
    assert!(
        !config.workflows.contains_key("gone"),
        "what is gone starts nothing"
    );
}

/// W6: what belongs to one product does not act on another's.
#[test]
fn products_stay_apart() {
    let mut files = base();
    files.insert(
        "products/sale.yaml".to_owned(),
        Document::new("name: sale\nstages: [{ name: new }, { name: sold }]\n"),
    );
    files.insert(
        "tenant.yaml".to_owned(),
        Document::new(format!("{TENANT}product: repair\n")),
    );
    let model = format!("{MODEL}product: repair\n");
    files.insert("scores/intent.yaml".to_owned(), Document::new(model));
    let of = |product: &str| {
        WORKFLOW.replace(
            "name: alert\n",
            &format!("name: alert\nproduct: {product}\n"),
        )
    };
    files.insert(
        "workflows/alert.yaml".to_owned(),
        Document::new(of("repair")),
    );
    let config = load(&files).unwrap();
    assert_eq!(config.workflows["alert"].product.as_deref(), Some("repair"));
    assert_eq!(
        (
            config.models_of("repair").len(),
            config.models_of("sale").len()
        ),
        (1, 0)
    );
    assert_eq!(config.shown_model(None), Some("intent"));
    assert_eq!(config.shown_model(Some("sale")), None);
    assert_eq!(config.first_stage("sale"), Some("new"));
    assert!(config.may_move("sale", None, "sold").is_ok());
    assert!(config.may_move("sale", None, "done").is_err());

    files.insert("workflows/alert.yaml".to_owned(), Document::new(of("sale")));
    let told = load(&files).unwrap_err();
    assert_eq!(
        told[0].to_string(),
        "workflows/alert.yaml:3: This score model belongs to the product `repair`, the workflow to `sale` (W6)."
    );
}
