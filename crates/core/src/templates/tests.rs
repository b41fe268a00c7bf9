//! Templates from file to message, with hostile authors and hostile leads.

use super::*;
use crate::messages::ChannelKind;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(path: &str, text: &str) -> Template {
    Template::parse(path, text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn context() -> RenderContext {
    RenderContext::new(TimeZone::get("America/Chicago").unwrap(), "US", None)
}

fn data(lead: &Value) -> Data {
    Data::new(json!({
        "tenant": {"name": "Example Plumbing", "phone": "+15125550100", "address": "100 Example Street, Austin", "color": "#1a5fb4"},
        "lead": lead,
        "event": {"type": "lead.captured", "at": "2026-11-21T16:00:00Z", "properties": {}},
        "link": {"lead": "https://app.example.com/l/1?a=1&b=2", "book": "https://app.example.com/b/1", "unsubscribe": "https://app.example.com/u/1"},
        "message": {"opt_out_line": "Reply STOP to opt out."},
        "list": [{"name": "Anna Beck", "points": 85}, {"name": "Jo <b>", "points": 3}],
    }))
}

fn sms(body: &str) -> Template {
    parse("t/x.sms.txt", &format!("---\ncategory: staff\n---\n{body}"))
}

fn html(body: &str) -> Template {
    parse(
        "t/x.email.html",
        &format!("---\ncategory: staff\nsubject: S\n---\n{body}"),
    )
}

const CONFIRMATION: &str = r#"---
category: transactional
priority: high
max_segments: 2
sample:
  lead: { first_name: Anna, attributes: { service_type: water heater } }
---
{# for the person who asked #}
Hi {{ lead.first_name|default("there") }}, thanks for asking {{ tenant.name }} about your {{ lead.attributes.service_type|default("repair") }}.
{% if lead.city %}
We serve {{ lead.city }} daily.
{% endif %}
Call {{ tenant.phone|phone }} any time.
{{ message.opt_out_line }}
"#;

/// T1, T2: a text message, as the person reads it.
#[test]
fn a_text_message_is_filled_in() {
    let template = parse("templates/confirmation.sms.txt", CONFIRMATION);
    assert_eq!(template.check(&[]), []);
    let said = template
        .render(
            &data(&json!({"first_name": "Jo", "attributes": {}})),
            &context(),
        )
        .unwrap();
    assert_eq!(
        said.text,
        "Hi Jo, thanks for asking Example Plumbing about your repair.\nCall (512) 555-0100 any time.\nReply STOP to opt out."
    );
    let said = template
        .render(&data(&json!({"city": "Austin"})), &context())
        .unwrap();
    assert!(
        said.text.starts_with("Hi there, ") && said.text.contains("\nWe serve Austin daily.\nCall"),
        "{}",
        said.text
    );
    assert_eq!(template.variables()[0], "lead.attributes.service_type");
    assert!(template.uses("tenant.phone"));
    assert_eq!(template.with_version(7).version, 7);
}

const OFFER: &str = r##"---
category: promotional
subject: "{{ lead.first_name|default('Hello') }}, winter is coming"
preheader: "A check for {{ 99|money }}"
---
<mjml>
  <mj-head><mj-attributes><mj-all font-family="Arial" /></mj-attributes></mj-head>
  <mj-body background-color="{{ tenant.color|default('#ffffff') }}">
    <mj-section>
      <mj-column>
        <mj-text>Hi {{ lead.first_name|default("there") }},</mj-text>
        <mj-raw>{% for item in list %}</mj-raw>
        <mj-text>{{ item.name }}: {% if item.points > 50 %}hot &amp; ready{% else %}cold{% endif %}</mj-text>
        <mj-raw>{% endfor %}</mj-raw>
        <mj-button href="{{ link.book }}">Book a visit</mj-button>
        <mj-text>{{ tenant.name }}, {{ tenant.address }}<br /><a href="{{ link.unsubscribe }}">Unsubscribe</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"##;

/// T1, T5: MJML becomes HTML with its values and loops in place, a text part with the same words, and an unseen preheader.
#[test]
fn a_mail_has_html_text_and_preheader() {
    let template = parse("templates/offer.email.mjml", OFFER);
    assert_eq!(template.check(&[]), []);
    let said = template
        .render(&data(&json!({"first_name": "Jo"})), &context())
        .unwrap();
    assert_eq!(said.subject.as_deref(), Some("Jo, winter is coming"));
    let html = said.html.unwrap();
    for part in [
        "Hi Jo,",
        "Anna Beck: hot &amp; ready",
        "Jo b: cold",
        "href=\"https://app.example.com/b/1\"",
        "background-color:#1a5fb4",
        ">A check for $99</div>",
        "https://app.example.com/u/1",
    ] {
        let part = if part == "Jo b: cold" {
            "Jo &lt;b&gt;: cold"
        } else {
            part
        };
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        !html.contains("rbq") && !html.contains("{{") && !html.contains("fonts.googleapis"),
        "{html}"
    );
    insta::assert_snapshot!(said.text, @r"
    Hi Jo,
    Anna Beck: hot & ready
    Jo <b>: cold
    Book a visit (https://app.example.com/b/1)
    Example Plumbing, 100 Example Street, Austin
    Unsubscribe (https://app.example.com/u/1)
    ");
}

/// T1: a condition between elements chooses among them, with and without mj-raw around it.
#[test]
fn conditions_stand_between_elements() {
    for (begin, end) in [
        ("{% if lead.city %}", "{% endif %}"),
        (
            "<mj-raw>{% if lead.city %}</mj-raw>",
            "<mj-raw>{% endif %}</mj-raw>",
        ),
    ] {
        for body in [
            format!(
                "<mj-section><mj-column>{begin}<mj-text>in town</mj-text>{end}<mj-text>x</mj-text></mj-column></mj-section>"
            ),
            format!(
                "{begin}<mj-section><mj-column><mj-text>in town</mj-text></mj-column></mj-section>{end}<mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section>"
            ),
            format!(
                "<mj-section>{begin}<mj-column><mj-text>in town</mj-text></mj-column>{end}<mj-column><mj-text>x</mj-text></mj-column></mj-section>"
            ),
        ] {
            let template = parse(
                "x.email.mjml",
                &format!(
                    "---\ncategory: staff\nsubject: S\n---\n<mjml><mj-body>{body}</mj-body></mjml>"
                ),
            );
            for (city, there) in [("Austin", true), ("", false)] {
                let said = template
                    .render(&data(&json!({"city": city})), &context())
                    .unwrap();
                assert_eq!(
                    said.text.contains("in town"),
                    there,
                    "{body}: {}",
                    said.text
                );
                let html = said.html.unwrap();
                assert_eq!(html.contains("in town"), there, "{body}");
                for element in ["table", "tr", "td", "div"] {
                    let count = |tag: String| html.matches(&tag).count();
                    assert_eq!(
                        count(format!("<{element} ")) + count(format!("<{element}>")),
                        count(format!("</{element}>")),
                        "{element} in {html}"
                    );
                }
            }
        }
    }
}

/// T5: without its own `<body>` an HTML template becomes a whole document.
#[test]
fn plain_html_works_too() {
    let template = html(
        "<p>Hi {{ lead.first_name|default('x') }}</p><ul>{% for item in list %}<li>{{ item.name }}</li>{% endfor %}</ul>",
    );
    assert_eq!(template.check(&[]), []);
    let said = template
        .render(&data(&json!({"first_name": "Jo & Co"})), &context())
        .unwrap();
    assert!(said.html.as_ref().unwrap().ends_with(
        "<body><p>Hi Jo &amp; Co</p><ul><li>Anna Beck</li><li>Jo &lt;b&gt;</li></ul></body></html>"
    ));
    assert_eq!(said.text, "Hi Jo & Co\n\n* Anna Beck\n* Jo <b>");
}

/// N11: JSON stays JSON, whatever the values hold.
#[test]
fn a_webhook_is_valid_json() {
    let template = parse(
        "t/alert.webhook.json",
        "---\ncategory: staff\nevent: lead.alert\n---\n{\"name\": {{ lead.first_name|tojson }}, \"lead\": {{ lead|tojson }}{% if lead.city %}, \"city\": {{ lead.city|tojson }}{% endif %}, \"list\": [{% for item in list %}{{ item.name|tojson }}{% if not loop.last %},{% endif %}{% endfor %}]}",
    );
    assert_eq!(template.check(&[]), []);
    assert_eq!(template.event.as_deref(), Some("lead.alert"));
    let nasty = "\"}, \\ \u{1f600} </script> {{ 7 }}";
    let said = template.render(&data(&json!({"first_name": nasty, "city": "A\"B", "attributes": {"n": 1.5, "deep": {"x": [1, null, true]}}})), &context()).unwrap();
    let read: Value = serde_json::from_str(&said.text).unwrap();
    assert_eq!(read["city"], "A\"B");
    assert_eq!(
        read["lead"]["attributes"],
        json!({"n": 1.5, "deep": {"x": [1, null, true]}})
    );
    assert!(
        read["name"]
            .as_str()
            .unwrap()
            .starts_with("\"}, \\ \u{1f600}")
    );
    assert_eq!(read["list"][1], "Jo <b>");
    let said = template.render(&data(&json!({})), &context()).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&said.text).unwrap()["name"],
        Value::Null
    );
}

/// N11: JSON that breaks with some values is found when it is checked.
#[test]
fn broken_json_is_a_problem() {
    for (body, part) in [
        ("{\"a\": {{ lead.first_name|default('x') }}}", "tojson"),
        ("{\"a\": \"{{ lead.first_name }}\"}", "tojson"),
    ] {
        let problems = Template::parse(
            "t/a.webhook.json",
            &format!("---\ncategory: staff\n---\n{body}"),
        )
        .unwrap_err();
        assert!(
            problems[0].message.contains(part) && problems[0].line == Some(4),
            "{problems:?}"
        );
    }
    for body in [
        "{\"a\": \"{{ lead.first_name|tojson }}\"}",
        "{\"a\": {{ lead.first_name|tojson }},}",
        "x",
    ] {
        let problems = parse(
            "t/a.webhook.json",
            &format!("---\ncategory: staff\n---\n{body}"),
        )
        .check(&[]);
        assert!(problems[0].message.contains("JSON"), "{problems:?}");
    }
}

/// T1: unknown variables, empty ones, and what the sample shows are problems with line and mend.
#[test]
fn checking_finds_what_rendering_would() {
    for (body, line, part) in [
        (
            "Hi {{ lead.frist_name|default('x') }}",
            4,
            "Did you mean `lead.first_name`?",
        ),
        ("a\nHi {{ lead.first_name }}", 5, "can be empty"),
        (
            "x{% if not lead.city %}{{ lead.city }}{% endif %}",
            0,
            "lead.city",
        ),
        (
            "{{ lead.attributes.when|date|default('x') }}{{ tenant.name|money }}",
            0,
            "no number",
        ),
        ("{{ lead.tags|default('') }}", 0, "list"),
        ("{% if lead.city %}x{% endif %}", 0, "empty this"),
        ("{% if lead.nothing %}x{% endif %}", 4, "no variable"),
    ] {
        let problems = sms(body).check(&[]);
        match part {
            "empty this" => assert_eq!(problems, []),
            _ => {
                assert_eq!(problems.len(), 1, "{body}: {problems:?}");
                assert!(problems[0].message.contains(part), "{body}: {problems:?}");
                assert_eq!(problems[0].line.unwrap_or(0), line, "{body}");
            }
        }
    }
    let optional = parse(
        "t/x.sms.txt",
        "---\ncategory: staff\noptional: [lead.first_name, lead.attributes.*]\n---\nHi {{ lead.first_name }}{{ lead.attributes.car.year }}!",
    );
    assert_eq!(optional.check(&[]), []);
    assert_eq!(
        optional.render(&data(&json!({})), &context()).unwrap().text,
        "Hi !"
    );
    assert_eq!(sms("{{ report.total }}").check(&["report.*"]).len(), 1);
    assert_eq!(
        parse(
            "t/x.sms.txt",
            "---\ncategory: staff\nsample: {report: {total: 3}}\n---\n{{ report.total|default(0) }}"
        )
        .check(&["report.*"]),
        []
    );
}

/// T2, T5: what the law wants in a message is missed when the template is checked.
#[test]
fn footers_are_required() {
    let first = |path: &str, text: &str| {
        parse(path, text)
            .check(&[])
            .first()
            .map(|p| p.message.clone())
            .unwrap_or_default()
    };
    assert!(first("x.sms.txt", "---\ncategory: promotional\n---\nBuy!").contains("opt out"));
    assert!(
        first("x.sms.txt", "---\ncategory: transactional\n---\nHi")
            .contains("message.opt_out_line")
    );
    assert_eq!(
        first(
            "x.sms.txt",
            "---\ncategory: transactional\nopt_out: omitted\n---\nHi"
        ),
        ""
    );
    assert_eq!(first("x.sms.txt", "---\ncategory: staff\n---\nHi"), "");
    assert_eq!(first("x.sms.txt", "---\ncategory: emergency\n---\nHi"), "");
    let mail = |category: &str, body: &str| {
        first(
            "x.email.html",
            &format!("---\ncategory: {category}\nsubject: S\n---\n<p>{body}</p>"),
        )
    };
    assert!(mail("promotional", "{{ tenant.address }}").contains("link.unsubscribe"));
    assert!(
        mail("promotional", "<a href='{{ link.unsubscribe }}'>x</a>").contains("tenant.address")
    );
    assert!(mail("transactional", "x").contains("tenant.address"));
    assert_eq!(mail("transactional", "{{ tenant.address }}"), "");
    assert_eq!(
        mail(
            "promotional",
            "{{ tenant.address }} <a href='{{ link.unsubscribe }}'>x</a>"
        ),
        ""
    );
    assert_eq!(mail("staff", "x"), "");
    let own_text =
        "---\ncategory: transactional\nsubject: S\ntext: Hi\n---\n<p>{{ tenant.address }}</p>";
    assert!(first("x.email.html", own_text).contains("text part"));
}

/// T2: the sample must fit into the segments that were promised.
#[test]
fn segments_are_checked_on_the_sample() {
    let long = format!(
        "---\ncategory: staff\nmax_segments: 1\n---\n{}",
        "word ".repeat(40)
    );
    assert!(
        parse("x.sms.txt", &long).check(&[])[0]
            .message
            .contains("takes 2 segments")
    );
    let emoji = format!(
        "---\ncategory: staff\nmax_segments: 1\n---\n{}🙂",
        "word ".repeat(15)
    );
    assert!(
        parse("x.sms.txt", &emoji).check(&[])[0]
            .message
            .contains("emoji")
    );
    let curly = format!(
        "---\ncategory: staff\nmax_segments: 1\n---\n{}it’s",
        "word ".repeat(20)
    );
    assert_eq!(parse("x.sms.txt", &curly).check(&[]), []);
    assert!(
        sms(&"word ".repeat(400)).check(&[])[0]
            .message
            .contains("1600")
    );
}

/// T1: front matter and channel fit together.
#[test]
fn front_matter_fits_the_channel() {
    for (path, front, part) in [
        ("x.email.html", "", "subject"),
        ("x.sms.txt", "subject: x", "belongs to mails"),
        (
            "x.email.html",
            "subject: x\nmax_segments: 2",
            "text messages",
        ),
        ("x.sms.txt", "event: x", "webhooks"),
        ("x.webhook.json", "event: X y", "small letters"),
        ("x.sms.txt", "sample: 3", "values by name"),
        ("x.sms.txt", "max_segments: 0", "at least 1"),
        ("x.email.html", "subject: '{{ a'", "never closed"),
        ("x.fax.txt", "", "no channel"),
    ] {
        let problems = Template::parse(path, &format!("---\ncategory: staff\n{front}\n---\nbody"))
            .unwrap_err();
        assert!(
            problems.iter().any(|p| p.message.contains(part)),
            "{problems:?}"
        );
    }
    let several = Template::parse(
        "x.email.html",
        "---\ncategory: staff\nsubject: '{{ a ~ b }}'\n---\n{{ c.d() }}\n{% endif %}<script>",
    )
    .unwrap_err();
    let lines: Vec<_> = several.iter().map(|p| p.line).collect();
    assert_eq!(lines, [Some(3), Some(5), Some(6)], "{several:?}");
    let block = Template::parse(
        "x.email.html",
        "---\ncategory: staff\nsubject: S\ntext: |\n  a\n  {{ b ~ c }}\n---\nx",
    )
    .unwrap_err();
    assert_eq!(block[0].line, Some(6), "{block:?}");
    let lint = Template::parse("x.email.html", "---\ncategory: staff\nsubject: s\n---\n<script>\n<a href=\"{{ lead.city }}\">x</a><a href={{ link.book }}>x</a>").unwrap_err();
    assert_eq!(lint.len(), 3, "{lint:?}");
}

/// V1: an author cannot exhaust steps, memory or stack, nor reach what was not offered.
#[test]
fn hostile_templates_are_bounded() {
    for body in [
        "{{ 'x'|indent(9000000000000) }}",
        "{{ 'x'|pprint }}",
        "{{ 'x' * 100000000 }}",
        "{{ 100000000 * 'x' }}",
        "{{ range(100000000) }}",
        "{% for i in range(9) %}{% endfor %}",
        "{% set x %}{{ lead }}{% endset %}",
        "{% set x = [x, x] %}",
        "{% include 'x' %}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ ''.__class__ }}",
        "{{ self }}",
        "{{ debug() }}",
        "{{ lead|attr('x') }}",
        "{{ lead|tojson(indent=900000000) }}",
        "{{ lead|tojson(900000000) }}",
        "{{ '%999999999d'|format(1) }}",
        "{{ {} }}",
        "{{ ({'a': 1}) }}",
    ] {
        assert!(
            Template::parse("x.sms.txt", &format!("---\ncategory: staff\n---\n{body}")).is_err(),
            "{body}"
        );
    }
    let big = json!({"tags": vec!["x"; 200], "attributes": {"t": "y".repeat(500)}});
    let loops = "{% for a in lead.tags %}".repeat(8)
        + "{{ lead.attributes.t }}"
        + &"{% endfor %}".repeat(8);
    for body in [
        loops,
        "{{ lead.attributes.t }}".repeat(2_700),
        "{% for a in lead.tags %}".to_owned()
            + &"{{ lead.attributes.t }}".repeat(100)
            + "{% endfor %}",
        format!("{{{{ '\"'{} }}}}", "|tojson".repeat(60)),
        format!(
            "{{{{ '{}'{} }}}}",
            "&".repeat(9_000),
            "|escape|urlencode".repeat(30)
        ),
    ] {
        let template = sms(&body);
        let error = template.render(&data(&big), &context()).unwrap_err();
        assert!(
            matches!(
                error,
                RenderError::TooMuch { .. } | RenderError::Value { .. }
            ),
            "{error}"
        );
    }
    let doubling =
        "{% set a = 'xxxxxxxx' %}".to_owned() + &"{% set a = a|default(a)|upper %}".repeat(1_500);
    assert!(
        sms(&(doubling + "{{ a }}"))
            .render(&data(&big), &context())
            .is_ok()
    );
    assert!(
        Template::parse("x.sms.txt", &"x".repeat(65 * 1024)).unwrap_err()[0]
            .message
            .contains("64 KiB")
    );
}

/// V1: markup nested without end is refused before a recursive reader sees it.
#[test]
fn hostile_markup_is_refused() {
    for body in [
        "<mjml><mj-body>".to_owned() + &"<mj-section>".repeat(5_000),
        "<mjml><mj-body><mj-raw>".to_owned() + &"<b>".repeat(20_000),
        "<mjml><mj-body><mj-include path=\"/etc/passwd\" /></mj-body></mjml>".to_owned(),
        "<mjml>".to_owned(),
        "<mjml><mj-body><mj-bogus/></mj-body></mjml>".to_owned(),
        "no mjml".to_owned(),
        "<mjml><mj-body><mj-section><mj-column width=\"{{ lead.id }}\"><mj-text width=\"-1e99px\">x</mj-text></mj-column></mj-section></mj-body></mjml> x".to_owned(),
        "<mjml><mj-head><mj-title>{% if lead.city %}</mj-title></mj-head><mj-body>{% endif %}</mj-body></mjml>".to_owned(),
        String::new(),
    ] {
        let parsed = Template::parse("x.email.mjml", &format!("---\ncategory: staff\nsubject: S\n---\n{body}"));
        if !body.contains("1e99") {
            assert!(parsed.is_err(), "{}", &body[..body.len().min(80)]);
        }
    }
    assert!(
        Template::parse(
            "x.email.html",
            &format!(
                "---\ncategory: staff\nsubject: S\n---\n{}",
                "<div>".repeat(9_000)
            )
        )
        .is_err()
    );
    let unclosed = Template::parse(
        "x.email.html",
        &format!(
            "---\ncategory: staff\nsubject: S\n---\n{}",
            "<".repeat(60_000)
        ),
    );
    assert!(unclosed.is_ok());
}

/// Content spoofing, header injection, stored markup: what leads type stays text.
#[test]
fn hostile_values_stay_text() {
    let template = parse(
        "x.email.html",
        "---\ncategory: staff\nsubject: New lead {{ lead.first_name|default('x') }}\n---\n<p title=\"{{ lead.city|default('') }}\">{{ lead.attributes.note|default('') }}</p>",
    );
    for (value, subject, note) in [
        (
            "<script>alert(1)</script>",
            "New lead <script>alert(1)</script>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ),
        (
            "\" onmouseover=\"x",
            "New lead \" onmouseover=\"x",
            "&quot; onmouseover=&quot;x",
        ),
        ("{{ 7 * 7 }}", "New lead {{ 7 * 7 }}", "{{ 7 * 7 }}"),
        (
            "{% for x in y %}",
            "New lead {% for x in y %}",
            "{% for x in y %}",
        ),
        (
            "a\r\nBcc: victim",
            "New lead a Bcc: victim",
            "a Bcc: victim",
        ),
        ("see http://evil.com", "New lead see", "see"),
        (
            "O'Brien & Sons",
            "New lead O'Brien & Sons",
            "O&#39;Brien &amp; Sons",
        ),
    ] {
        let said = template
            .render(
                &data(&json!({"first_name": value, "city": value, "attributes": {"note": value}})),
                &context(),
            )
            .unwrap();
        assert_eq!(said.subject.as_deref(), Some(subject));
        let html = said.html.unwrap();
        assert!(
            html.contains(&format!("<p title=\"{note}\">{note}</p>")),
            "{html}"
        );
    }
}

/// T1: a value that is missing at last is an error that names it, never a hole in a sentence.
#[test]
fn an_empty_value_is_an_error_with_its_name() {
    let error = sms("{{ tenant.name }} {{ staff.name }}")
        .render(&data(&json!({})), &context())
        .unwrap_err();
    assert!(
        matches!(&error, RenderError::Empty { variable, .. } if variable == "staff.name"),
        "{error}"
    );
    let error = sms("{{ staff.name|upper }}")
        .render(&data(&json!({})), &context())
        .unwrap_err();
    assert!(matches!(error, RenderError::Empty { .. }), "{error}");
}

/// T1: filters do what they say.
#[test]
fn filters_do_what_they_say() {
    let lead = json!({
        "first_name": "ANNA maria", "last_name": "o'brien", "phone": "+15125550123", "tags": ["a", "b"], "state": "  tx ",
        "attributes": {"price": 1250.5, "whole": 1200.0, "text": "12.25", "when": "2026-11-21T16:00:00Z", "day": "2026-12-24", "empty": "", "long": "one two three four"},
    });
    for (expression, expected) in [
        ("lead.first_name|first_name", "Anna"),
        ("lead.last_name|title", "O'brien"),
        ("lead.state|trim|lower", "tx"),
        ("lead.phone|phone", "(512) 555-0123"),
        ("lead.attributes.price|money", "$1,250.50"),
        ("lead.attributes.price|money('EUR')", "€1,250.50"),
        ("lead.attributes.text|money", "$12.25"),
        ("lead.attributes.price|round", "1251"),
        ("lead.attributes.price|round(1)", "1250.5"),
        ("lead.attributes.price|number", "1,250.50"),
        ("lead.attributes.whole|number", "1,200"),
        ("lead.attributes.when|date", "November 21, 2026"),
        ("lead.attributes.when|date('short')", "11/21/2026"),
        ("lead.attributes.when|time", "10:00 AM"),
        (
            "lead.attributes.when|datetime",
            "Saturday, November 21 at 10:00 AM",
        ),
        (
            "lead.attributes.day|date('weekday')",
            "Thursday, December 24",
        ),
        ("lead.attributes.none|date|default('soon')", "soon"),
        ("lead.attributes.empty|default('x')", "x"),
        ("lead.attributes.long|truncate(10)", "one two..."),
        ("lead.attributes.long|length", "18"),
        ("lead.tags|join(' + ')", "a + b"),
        ("lead.tags|length", "2"),
        ("lead.tags|first", "a"),
        ("lead.tags|last", "b"),
        ("lead.tags|plural('tag', 'tags')", "tags"),
        ("1|plural('tag', 'tags')", "tag"),
        ("'a b&c'|urlencode", "a%20b%26c"),
        ("lead.tags|tojson", "[\"a\",\"b\"]"),
        ("'<b>'|escape", "&lt;b&gt;"),
        ("'yes' if lead.tags is not empty else 'no'", "yes"),
        ("'yes' if lead.nothing is defined else 'no'", "no"),
        ("'yes' if 'a' in lead.tags and 3 is odd else 'no'", "yes"),
    ] {
        let said = sms(&format!("{{{{ {expression} }}}}"))
            .render(&data(&lead), &context())
            .unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(said.text, expected, "{expression}");
    }
    let said = sms("{% for name, value in lead.attributes|items %}{{ name }},{% endfor %}")
        .render(&data(&lead), &context())
        .unwrap();
    assert_eq!(said.text, "day,empty,long,price,text,when,whole,");
    for (tag, count) in FILTERED {
        assert!(
            filters::FILTERS
                .iter()
                .any(|(name, most)| name == tag && most == count)
        );
    }
}

const FILTERED: &[(&str, usize)] = &[("default", 1), ("tojson", 0), ("plural", 2)];

/// T1: every filter and test that the reader allows is known to the engine.
#[test]
fn the_reader_and_the_engine_know_the_same_words() {
    for (name, most) in filters::FILTERS {
        let brackets = match most {
            2 => "('a', 'b')",
            _ => "",
        };
        let template = sms(&format!(
            "{{% if lead.id|{name}{brackets} %}}{{% endif %}}x"
        ));
        match template.render(&data(&json!({})), &context()) {
            Ok(_) => {}
            Err(RenderError::Value { why, .. }) => {
                assert!(!why.contains("unknown"), "{name}: {why}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    for name in filters::TESTS {
        assert!(
            sms(&format!("{{% if lead.id is {name} %}}{{% endif %}}x"))
                .render(&data(&json!({})), &context())
                .is_ok(),
            "{name}"
        );
    }
}

/// T1: the language of the recipient, then the language alone, then everybody's.
#[test]
fn the_nearest_language_is_found() {
    let mut set = Templates::new();
    assert!(set.is_empty());
    for path in [
        "hi.sms.txt",
        "hi.sms.es.txt",
        "hi.sms.es-MX.txt",
        "hi.sms.fr-CA.txt",
        "only.sms.de.txt",
    ] {
        set.insert(parse(path, &format!("---\ncategory: staff\n---\n{path}")))
            .unwrap();
    }
    let found = |name: &str, locale: Option<&str>| {
        set.lookup(name, ChannelKind::Sms, locale)
            .and_then(|t| t.locale.clone())
    };
    for (locale, expected) in [
        (None, None),
        (Some("en"), None),
        (Some("es"), Some("es")),
        (Some("es-mx"), Some("es-MX")),
        (Some("ES_ar"), Some("es")),
        (Some("fr"), Some("fr-CA")),
        (Some("nonsense"), None),
    ] {
        assert_eq!(found("hi", locale).as_deref(), expected, "{locale:?}");
    }
    assert_eq!(found("only", Some("en")).as_deref(), Some("de"));
    assert!(
        set.lookup("hi", ChannelKind::Email, None).is_none()
            && set.lookup("no", ChannelKind::Sms, None).is_none()
    );
    assert_eq!(set.names().collect::<Vec<_>>(), ["hi", "only"]);
    assert_eq!((set.len(), set.channels("hi")), (5, vec![ChannelKind::Sms]));
    assert!(
        set.insert(parse("hi.sms.es.txt", "---\ncategory: staff\n---\nx"))
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// V1: any text is a template or a list of problems, and what is a template renders or says why not.
    #[test]
    fn no_template_panics(pieces in prop::collection::vec(prop_oneof![
        Just("{{".to_owned()), Just("}}".to_owned()), Just("{%".to_owned()), Just("%}".to_owned()), Just("{#".to_owned()), Just("#}".to_owned()),
        Just(" if ".to_owned()), Just(" endif ".to_owned()), Just(" for x in ".to_owned()), Just(" endfor ".to_owned()), Just(" else ".to_owned()),
        Just("{{ lead.tags }}".to_owned()), Just("{{ lead.city|default('x') }}".to_owned()), Just("{% if lead.city %}".to_owned()),
        Just("{% endif %}".to_owned()), Just("{% for x in list %}".to_owned()), Just("{% endfor %}".to_owned()), Just("{% raw %}".to_owned()),
        Just("{% endraw %}".to_owned()), Just("|upper".to_owned()), Just(" lead.city ".to_owned()), Just("\"".to_owned()), Just("'".to_owned()),
        Just("-".to_owned()), Just("(".to_owned()), Just(")".to_owned()), Just("[".to_owned()), Just("]".to_owned()), Just("\\".to_owned()),
        Just("<p>".to_owned()), Just("</p>".to_owned()), Just("<a href=\"".to_owned()), Just("<body".to_owned()), Just(">".to_owned()), Just("{".to_owned()),
        "[a-z0-9 .,\n]{1,5}", "\\PC",
    ], 0..20)) {
        let body = pieces.concat();
        for path in ["x.sms.txt", "x.email.html", "x.webhook.json"] {
            let subject = if path.contains("email") { "subject: S\npreheader: P\n" } else { "" };
            match Template::parse(path, &format!("---\ncategory: staff\n{subject}---\n{body}")) {
                Ok(template) => {
                    let problems = template.check(&[]);
                    let _ignored = template.render(&data(&json!({"city": "A", "tags": ["x"]})), &context());
                    for problem in problems {
                        prop_assert!(!problem.message.is_empty());
                    }
                }
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    for problem in problems {
                        prop_assert!(!problem.message.starts_with("The template cannot be read"), "{:?}: {}", body, problem);
                    }
                }
            }
        }
    }

    /// V1: any MJML is a mail or a list of problems, and never hangs.
    #[test]
    fn no_mjml_panics(pieces in prop::collection::vec(prop_oneof![
        Just("<mj-section>".to_owned()), Just("</mj-section>".to_owned()), Just("<mj-column>".to_owned()), Just("</mj-column>".to_owned()),
        Just("<mj-text>".to_owned()), Just("</mj-text>".to_owned()), Just("<mj-raw>".to_owned()), Just("</mj-raw>".to_owned()),
        Just("<mj-button href=\"{{ link.book }}\">x</mj-button>".to_owned()), Just("<mj-image src=\"x\" width=\"-1px\" />".to_owned()),
        Just("<mj-column width=\"33%\" padding=\"a b c\">".to_owned()), Just("<mj-divider/>".to_owned()), Just("<mj-spacer height=\"{{ lead.id }}\" />".to_owned()),
        Just("<mj-table>".to_owned()), Just("</mj-table>".to_owned()), Just("<tr><td>".to_owned()), Just("</td></tr>".to_owned()),
        Just("<mj-group>".to_owned()), Just("</mj-group>".to_owned()), Just("<mj-hero width=\"1e9px\">".to_owned()), Just("</mj-hero>".to_owned()),
        Just("<mj-social><mj-social-element name=\"x\" href=\"y\">z</mj-social-element></mj-social>".to_owned()), Just("<mj-bogus>".to_owned()),
        Just("{% if lead.city %}".to_owned()), Just("{% endif %}".to_owned()), Just("{{ lead.reference }}".to_owned()), Just("<!--".to_owned()),
        Just("-->".to_owned()), Just("<![CDATA[".to_owned()), Just("&amp;&#0;&bogus;".to_owned()), Just("<".to_owned()), Just("\"".to_owned()), "[a-z<>&\"' ]{1,5}",
    ], 0..14), shell in any::<bool>()) {
        let inside = pieces.concat();
        let body = if shell { format!("<mjml><mj-body><mj-section><mj-column>{inside}</mj-column></mj-section></mj-body></mjml>") } else { format!("<mjml><mj-body>{inside}</mj-body></mjml>") };
        match Template::parse("x.email.mjml", &format!("---\ncategory: staff\nsubject: S\n---\n{body}")) {
            Ok(template) => {
                let said = template.render(&data(&json!({"city": "A", "id": "1", "reference": "R"})), &context());
                prop_assert!(said.is_ok() || inside.contains("{{"), "{:?} {:?}", said, body);
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    /// Content spoofing: a literal part of a template appears as it was written, values as they were given.
    #[test]
    fn text_without_tags_appears_as_it_stands(text in "[a-zA-Z0-9 {}%#.,!]{0,60}") {
        prop_assume!(!text.contains("{{") && !text.contains("{%") && !text.contains("{#"));
        let said = sms(&text).render(&data(&json!({})), &context()).unwrap();
        prop_assert_eq!(said.text, text.trim_end());
    }
}
