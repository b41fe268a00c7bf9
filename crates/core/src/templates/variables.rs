//! The variables that templates may use (T1).

use super::problem::did_you_mean;

/// Whether a variable always has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Whoever renders the template provides it.
    Always,
    /// People leave fields empty: the template says what stands there then.
    MayBeEmpty,
}

use Presence::{Always, MayBeEmpty};

/// Every variable, and what it looks like in a sample. `*` stands for names that the tenant chooses.
pub(super) const CATALOGUE: &[(&str, Presence, &str)] = &[
    ("tenant.name", Always, r#""Example Plumbing""#),
    ("tenant.phone", Always, r#""+15125550100""#),
    ("tenant.email", Always, r#""office@example.com""#),
    (
        "tenant.address",
        Always,
        r#""100 Example Street, Austin, TX 78701""#,
    ),
    ("tenant.website", MayBeEmpty, r#""https://www.example.com""#),
    ("tenant.region", Always, r#""US""#),
    ("tenant.color", MayBeEmpty, r##""#1a5fb4""##),
    (
        "tenant.logo",
        MayBeEmpty,
        r#""https://www.example.com/logo.png""#,
    ),
    ("lead.id", Always, r#""lead_0000000000000""#),
    ("lead.reference", Always, r#""RB-4F7K2""#),
    ("lead.first_name", MayBeEmpty, r#""Anna""#),
    ("lead.last_name", MayBeEmpty, r#""Beck""#),
    ("lead.full_name", MayBeEmpty, r#""Anna Beck""#),
    ("lead.phone", MayBeEmpty, r#""+15125550123""#),
    ("lead.email", MayBeEmpty, r#""anna@example.com""#),
    ("lead.city", MayBeEmpty, r#""Austin""#),
    ("lead.state", MayBeEmpty, r#""TX""#),
    ("lead.zip", MayBeEmpty, r#""78701""#),
    ("lead.country", MayBeEmpty, r#""US""#),
    ("lead.source", MayBeEmpty, r#""website""#),
    ("lead.product", MayBeEmpty, r#""repair""#),
    ("lead.stage", MayBeEmpty, r#""new""#),
    ("lead.tags", MayBeEmpty, r#"["returning"]"#),
    ("lead.created_at", Always, r#""2026-11-21T16:00:00Z""#),
    ("lead.attributes.*", MayBeEmpty, "null"),
    ("event.type", Always, r#""lead.captured""#),
    ("event.at", Always, r#""2026-11-21T16:00:00Z""#),
    ("event.source", MayBeEmpty, r#""website""#),
    ("event.properties.*", MayBeEmpty, "null"),
    ("score.model", Always, r#""intent""#),
    ("score.points", Always, "85"),
    ("score.tier", MayBeEmpty, r#""hot""#),
    ("score.label", MayBeEmpty, r#""Hot""#),
    (
        "score.reasons",
        Always,
        r#"["Asked for a visit today", "Looked at prices twice"]"#,
    ),
    ("staff.name", Always, r#""Sam Ortiz""#),
    ("staff.first_name", Always, r#""Sam""#),
    (
        "link.lead",
        Always,
        r#""https://app.example.com/t/example/leads/4F7K2""#,
    ),
    (
        "link.alert",
        Always,
        r#""https://app.example.com/a/3q2yQx7LkP0fWn8RtVbZ""#,
    ),
    (
        "link.book",
        Always,
        r#""https://app.example.com/b/3q2yQx7LkP0fWn8RtVbZ""#,
    ),
    (
        "link.unsubscribe",
        Always,
        r#""https://app.example.com/u/3q2yQx7LkP0fWn8RtVbZ""#,
    ),
    ("message.id", Always, r#""msg_0000000000000""#),
    (
        "message.opt_out_line",
        Always,
        r#""Reply STOP to opt out.""#,
    ),
    // Only while the promise of a first response can be kept (W7).
    ("promise.within", MayBeEmpty, r#""15 minutes""#),
    ("promise.by", MayBeEmpty, r#""2026-11-23T16:15:00Z""#),
    ("run.*", MayBeEmpty, "null"),
    ("appointment.date", Always, r#""2026-11-23""#),
    ("appointment.time", Always, r#""14:30""#),
    ("appointment.at", Always, r#""2026-11-23T20:30:00Z""#),
    (
        "list",
        Always,
        r#"[{"reference": "RB-4F7K2", "name": "Anna Beck", "first_name": "Anna", "last_name": "Beck", "phone": "+15125550123",
            "email": "anna@example.com", "stage": "new", "tier": "hot", "points": 85, "at": "2026-11-21T16:00:00Z",
            "link": "https://app.example.com/t/example/leads/4F7K2"}]"#,
    ),
];

/// The variables that every template may use; `*` stands for names that the tenant chooses.
pub const VARIABLES: &[&str] = &{
    let mut names = [""; CATALOGUE.len()];
    let mut at = 0;
    while at < CATALOGUE.len() {
        names[at] = CATALOGUE[at].0;
        at += 1;
    }
    names
};

/// What is known of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Yes(Presence),
    /// With the nearest known name, as a sentence.
    No(String),
}

/// Looks a path up among the catalogue and `known`: names and groups (`run.quote.*`) that this tenant adds. Where `known` names
/// members of a group of the catalogue (`lead.attributes.*`), only those members are known.
pub(super) fn look_up(path: &str, known: &[&str]) -> Known {
    if known.iter().any(|name| fits(path, name)) {
        let presence = CATALOGUE
            .iter()
            .find(|(name, ..)| fits(path, name))
            .map_or(MayBeEmpty, |(_, presence, _)| *presence);
        return Known::Yes(presence);
    }
    let narrowed = |name: &str| {
        name.strip_suffix('*')
            .is_some_and(|group| known.iter().any(|k| k.starts_with(group)))
    };
    let found = CATALOGUE
        .iter()
        .find(|(name, ..)| fits(path, name) && !narrowed(name));
    match found {
        Some((_, presence, _)) => Known::Yes(*presence),
        None => Known::No(did_you_mean(
            path,
            VARIABLES
                .iter()
                .chain(known)
                .filter(|n| !n.ends_with('*'))
                .copied(),
        )),
    }
}

/// `lead.attributes.*` fits the group, its members and theirs; `lead.tags` fits itself and what is in it.
fn fits(path: &str, name: &str) -> bool {
    match name.strip_suffix(".*") {
        Some(group) => path
            .strip_prefix(group)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
        // A whole group, as in `{% if lead %}` or `lead|tojson`.
        None => {
            path == name
                || name
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('.'))
                || (name == "list" && path.starts_with("list."))
        }
    }
}

/// Sample data with every variable of the catalogue.
pub(super) fn sample() -> serde_json::Value {
    let mut root = serde_json::Map::new();
    for (name, _, sample) in CATALOGUE {
        let value = serde_json::from_str(sample).unwrap_or_default();
        let mut at = &mut root;
        let mut steps = name.split('.').peekable();
        while let Some(step) = steps.next() {
            if step == "*" {
                break;
            }
            if steps.peek().is_none() {
                at.insert(step.to_owned(), value);
                break;
            }
            let next = at
                .entry(step.to_owned())
                .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            match next {
                serde_json::Value::Object(map) => at = map,
                _ => break,
            }
        }
    }
    serde_json::Value::Object(root)
}

/// Removes all that may be empty from sample data: what a lead looks like that left every field blank.
pub(super) fn sparse(data: &mut serde_json::Value) {
    for (name, presence, _) in CATALOGUE {
        if *presence == Always {
            continue;
        }
        let mut steps: Vec<&str> = name.split('.').collect();
        let Some(last) = steps.pop() else { continue };
        let mut at = Some(&mut *data);
        for step in steps {
            at = at.and_then(|value| value.get_mut(step));
        }
        if let Some(serde_json::Value::Object(map)) = at {
            if last == "*" {
                map.clear();
            } else {
                map.remove(last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T1: a wrong name is found, and the right one offered.
    #[test]
    fn a_name_is_known_or_the_nearest_is_offered() {
        for path in [
            "lead.first_name",
            "lead.attributes.color",
            "lead.attributes.car.year",
            "run.x",
            "lead",
            "event.properties",
            "list",
        ] {
            assert!(matches!(look_up(path, &[]), Known::Yes(_)), "{path}");
        }
        assert_eq!(
            look_up("lead.frist_name", &[]),
            Known::No(" Did you mean `lead.first_name`?".into())
        );
        assert_eq!(look_up("zzz", &[]), Known::No(String::new()));
        assert!(matches!(
            look_up("tenant.fax", &["tenant.fax"]),
            Known::Yes(_)
        ));
    }

    /// T1: a tenant that declares its attributes has only those.
    #[test]
    fn declared_attributes_close_the_group() {
        let known = ["lead.attributes.vehicle"];
        assert!(matches!(
            look_up("lead.attributes.vehicle", &known),
            Known::Yes(MayBeEmpty)
        ));
        assert!(matches!(look_up("run.x", &known), Known::Yes(_)));
        assert_eq!(
            look_up("lead.attributes.vehicel", &known),
            Known::No(" Did you mean `lead.attributes.vehicle`?".into())
        );
    }

    #[test]
    fn the_sample_has_every_variable_and_the_sparse_one_only_what_is_always_there() {
        let mut data = sample();
        assert_eq!(data["lead"]["first_name"], "Anna");
        assert!(data["run"].is_object() || data["run"].is_null());
        sparse(&mut data);
        assert!(data["lead"].get("first_name").is_none());
        assert_eq!(data["tenant"]["name"], "Example Plumbing");
    }
}
