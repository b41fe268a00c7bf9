use super::*;
use crate::templates::pieces::write;
use crate::templates::source::split;

fn understood(source: &str) -> Result<(String, Vec<Use>), Vec<Problem>> {
    let pieces = split(source, 1).map_err(|p| vec![p])?;
    let reading = read(pieces, &["lead.city".to_owned()], Target::Words)?;
    Ok((write(&reading.pieces), reading.uses))
}

/// T1: what is understood is written out in one form.
#[test]
fn tags_are_written_out_again() {
    for (source, expected) in [
        (
            "a {{lead.first_name|default('there')}} b",
            r#"a {{ lead.first_name|default("there") }} b"#,
        ),
        (
            "{%if a.b==1 and not c%}x{%elif d in ['p',2]%}y{%else%}z{%endif%}",
            r#"{% if a.b == 1 and not c %}x{% elif d in ["p", 2] %}y{% else %}z{% endif %}"#,
        ),
        (
            "{% for k, v in lead.attributes|items %}{{k}}={{ v }}{% endfor %}",
            "{% for k, v in lead.attributes|items %}{{ k }}={{ v }}{% endfor %}",
        ),
        ("{{ lead.city }}", r#"{{ (lead.city|default("")) }}"#),
        (
            "{{ lead.city|upper }}",
            r#"{{ (lead.city|default(""))|upper }}"#,
        ),
        ("{{ a['b c'][0].d }}", r#"{{ a["b c"][0].d }}"#),
        (
            "{{ a if b is not defined else 'c\"' }}",
            r#"{{ a if b is not defined else "c\"" }}"#,
        ),
        ("{{- a -}}\n{# no #}", "{{- a -}}\n{#  #}"),
        (
            "{% raw %}{{ a }} {%{% endraw %}{{ b }}",
            r#"{{ "{" }}{ a }} {{ "{" }}%{{ b }}"#,
        ),
        (
            "{% set x = a|upper() %}{{ x }}",
            "{% set x = a|upper %}{{ x }}",
        ),
        ("{{ a - 1 / -2 }}", "{{ a - 1 / -2 }}"),
        (
            "a\n  {% if b %}  \n c\n{# d #}\n{% endif %}\ne",
            "a\n{% if b %} c\n{#  #}{% endif %}e",
        ),
        (
            "a {% if b %}\nc{% endif %}\n",
            "a {% if b %}\nc{% endif %}\n",
        ),
    ] {
        assert_eq!(understood(source).unwrap().0, expected, "{source}");
    }
}

/// T1: only a value that is shown without condition and fallback is bare.
#[test]
fn a_condition_or_a_fallback_covers_a_variable() {
    for (source, bare) in [
        ("{{ lead.zip }}", true),
        ("{{ lead.zip|upper }}", true),
        ("{{ lead.zip|default('') }}", false),
        ("{{ lead.zip|upper|default('') }}", false),
        ("{% if lead.zip %}{{ lead.zip }}{% endif %}", false),
        ("{% if lead.state %}{{ lead.zip }}{% endif %}", true),
        ("{% for x in lead.zip %}{% endfor %}", false),
        ("{{ 'y' if lead.zip is defined else 'n' }}", false),
        ("{{ lead.city }}", false),
        ("{{ 'a'|default(lead.zip) }}", true),
    ] {
        let uses = understood(source).unwrap().1;
        assert_eq!(uses.iter().any(|u| u.bare), bare, "{source}: {uses:?}");
    }
    assert!(
        understood("{% for lead in list %}{{ lead.zip }}{% endfor %}")
            .unwrap()
            .1
            .iter()
            .all(|u| u.path == "list")
    );
}

/// T1: whatever is not part of the language is a problem with a line and a way out.
#[test]
fn the_rest_of_jinja_is_refused() {
    for source in [
        "{{ a ~ b }}",
        "{{ a + b }}",
        "{{ 'x' * 9 }}",
        "{{ 'x' ** 9 }}",
        "{{ [a] }}",
        "{{ [[1]] }}",
        "{{ (a, b) }}",
        "{{ a, b }}",
        "{{ range(9) }}",
        "{{ a.b() }}",
        "{{ a|indent(9) }}",
        "{{ a|safe }}",
        "{{ a|nope }}",
        "{{ a is nope }}",
        "{{ a|upper(1) }}",
        "{{ a|default(1,2) }}",
        "{{ a[b] }}",
        "{{ a[1:2] }}",
        "{{ a. }}",
        "{{ .a }}",
        "{{ a b }}",
        "{{ }}",
        "{{ if }}",
        "{{ not }}",
        "{{ a | }}",
        "{{ (a }}",
        "{{ a) }}",
        "{{ a = b }}",
        "{{ 1234567890123456789 }}",
        "{{ self.x }}",
        "{{ loop.index }}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% import 'x' as y %}",
        "{% macro x() %}",
        "{% block x %}",
        "{% with a = 1 %}",
        "{% filter upper %}",
        "{% autoescape false %}",
        "{% set a %}b{% endset %}",
        "{% set a.b = 1 %}",
        "{% do x %}",
        "{% iff a %}",
        "{% if a %}",
        "{% endif %}",
        "{% else %}",
        "{% elif a %}",
        "{% for a in b %}{% endif %}",
        "{% if a %}{% endfor %}",
        "{% if a %}{% else %}{% else %}{% endif %}",
        "{% for a in b recursive %}{% endfor %}",
        "{% for a in b if c %}{% endfor %}",
        "{% for a, b, c in d %}{% endfor %}",
        "{% for in in d %}{% endfor %}",
        "{% for a %}{% endfor %}",
        "{% 1 %}",
        "{% %}",
        "{% endraw %}",
        "{% if a %}{% endif a %}",
    ] {
        let problems = understood(&format!("x\n{source}")).unwrap_err();
        assert_eq!(problems[0].line, Some(2), "{source}: {problems:?}");
        assert!(problems[0].message.ends_with(['.', '?']), "{}", problems[0]);
    }
}

/// T1: nesting is bounded where it is read, so that nothing later recurses without end.
#[test]
fn nesting_is_bounded() {
    for source in [
        format!("{{{{ {}a{} }}}}", "(".repeat(9_000), ")".repeat(9_000)),
        format!("{{{{ {}a }}}}", "not ".repeat(9_000)),
        format!("{{{{ {}a }}}}", "-".repeat(9_000)),
        format!("{{{{ a{} }}}}", "|default(a".repeat(9_000)),
        format!("{{{{ a{} }}}}", " if a else a".repeat(9_000)),
        "{% if a %}".repeat(9_000),
        "{% for a in b %}".repeat(9_000),
        format!("{{{{ a{} }}}}", "|upper".repeat(9_000)),
        format!("{{{{ a{} }}}}", " - a".repeat(9_000)),
        format!("{{{{ a{} }}}}", " == a".repeat(9_000)),
        format!("{{{{ a{} }}}}", " and a".repeat(9_000)),
        format!("{{{{ a{} }}}}", ".a".repeat(9_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(4_000)),
    ] {
        assert!(understood(&source).is_err());
    }
}
