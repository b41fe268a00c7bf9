//! Checking a condition against the catalogue (W5): does the field exist, and can the operator be asked of it?

use super::{
    Condition,
    catalogue::{FieldKind, Place, catalogue},
    operators::{Comparison, Test},
    suggest::{did_you_mean, nearest, quoted, shown},
    values::{Bound, Literal, truth},
};

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

pub(super) fn check(condition: &Condition, problems: &mut Vec<String>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| check(part, problems));
        }
        Condition::Not(part) => check(part, problems),
        Condition::Compare(comparison) => problems.extend(problem(comparison)),
    }
}

fn problem(comparison: &Comparison) -> Option<String> {
    let Comparison {
        field,
        test,
        wanted,
        zone,
    } = comparison;
    let path = field.written();
    if field.info().is_none() {
        return Some(format!(
            "there is no field {}{}",
            quoted(path),
            field_meant(path)
        ));
    }
    let kind = field.kind();
    let name = test.name();
    if *wanted > 1 && !matches!(kind, FieldKind::List | FieldKind::Any) {
        return Some(format!(
            "{path} is {}, not a list; leave at_least away",
            kind.noun()
        ));
    }
    let dated = matches!(test, Test::Within(_) | Test::OlderThan(_))
        || bounds(test)
            .iter()
            .any(|bound| matches!(bound, Bound::Instant(..)));
    if zone.is_some() && !dated {
        return Some(format!(
            "zone is for comparisons with dates; {name} for {path} does without"
        ));
    }
    let fits = match (kind, test) {
        (FieldKind::Any, _) | (_, Test::Exists(_)) => true,
        (FieldKind::Text | FieldKind::List, test) => {
            !matches!(test, Test::Within(_) | Test::OlderThan(_)) && bounds(test).is_empty()
        }
        (FieldKind::Number, test) => {
            matches!(
                test,
                Test::Is(_) | Test::IsNot(_) | Test::In(_) | Test::NotIn(_)
            ) || !bounds(test).is_empty()
        }
        (FieldKind::Bool, test) => matches!(test, Test::Is(_) | Test::IsNot(_)),
        (FieldKind::Instant, test) => {
            matches!(test, Test::Within(_) | Test::OlderThan(_)) || !bounds(test).is_empty()
        }
    };
    if !fits {
        return Some(format!(
            "{path} is {}; {name} cannot be asked of it, {} can",
            kind.noun(),
            possible(kind)
        ));
    }
    literals(test)
        .iter()
        .find_map(|literal| value_problem(comparison, literal))
        .or_else(|| {
            let wrong = bounds(test).into_iter().find(|bound| match kind {
                FieldKind::Number => matches!(bound, Bound::Instant(..)),
                FieldKind::Instant => matches!(bound, Bound::Number(_)),
                _ => false,
            })?;
            Some(format!(
                "{path} is {}, but {name} compares it with {wrong}",
                kind.noun()
            ))
        })
}

fn value_problem(comparison: &Comparison, literal: &Literal) -> Option<String> {
    let path = comparison.field.written();
    let kind = comparison.field.kind();
    let name = comparison.test.name();
    match (kind, literal) {
        (FieldKind::Text | FieldKind::List, Literal::Bool(_)) => Some(format!(
            "{path} is {}, but {name} compares it with yes or no; put the word in quotes",
            kind.noun()
        )),
        (FieldKind::Number, Literal::Bool(_) | Literal::Text { number: None, .. }) => {
            Some(format!(
                "{path} is a number, but {name} compares it with {}",
                match literal {
                    Literal::Text { text, .. } => quoted(text),
                    _ => "yes or no".to_owned(),
                }
            ))
        }
        (FieldKind::Bool, Literal::Number(_) | Literal::Text { truth: None, .. }) => Some(format!(
            "{path} is yes or no; write {name}: true or {name}: false"
        )),
        (_, Literal::Text { text, .. }) if comparison.field.is(Place::Weekday) => {
            let known = WEEKDAYS.iter().any(|day| day.eq_ignore_ascii_case(text));
            (!known).then(|| {
                format!(
                    "{} is no day of the week{}",
                    quoted(text),
                    did_you_mean(text, WEEKDAYS)
                )
            })
        }
        _ => None,
    }
}

fn literals(test: &Test) -> &[Literal] {
    match test {
        Test::Is(literal) | Test::IsNot(literal) => std::slice::from_ref(literal),
        Test::In(literals) | Test::NotIn(literals) => literals,
        _ => &[],
    }
}

fn bounds(test: &Test) -> Vec<&Bound> {
    match test {
        Test::Gt(bound) | Test::Gte(bound) | Test::Lt(bound) | Test::Lte(bound) => vec![bound],
        Test::Between(from, to) => vec![from, to],
        _ => Vec::new(),
    }
}

const fn possible(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => {
            "is, is_not, in, not_in, contains, starts_with, ends_with, matches, exists"
        }
        FieldKind::List => {
            "is, is_not, in, not_in, contains, starts_with, ends_with, matches, exists, with at_least"
        }
        FieldKind::Number => "is, is_not, in, not_in, gt, gte, lt, lte, between, exists",
        FieldKind::Bool => "is: true and is: false",
        FieldKind::Instant => "gt, gte, lt, lte, between, within, older_than, exists",
        FieldKind::Any => "everything",
    }
}

/// Whether a literal asks for yes (`Some(true)`), no or neither.
pub(super) fn asks(literal: &Literal) -> Option<bool> {
    match literal {
        Literal::Bool(wanted) => Some(*wanted),
        Literal::Text { text, .. } => truth(text),
        Literal::Number(_) => None,
    }
}

/// “; did you mean lead.stage?” for a field that the catalogue does not know.
fn field_meant(written: &str) -> String {
    let known = || catalogue().iter();
    for info in known() {
        // Below a root everything is allowed, so only the path itself can be empty or too deep.
        let root = info.path.trim_end_matches('*');
        if root.len() < info.path.len() && written.starts_with(root.trim_end_matches('.')) {
            return format!("; write {root}name, with at most eight names joined by dots");
        }
    }
    // Attributes and properties are often written without their middle part.
    if let Some(("lead" | "event", name)) = written.split_once('.')
        && nearest(written, known().map(|info| info.path)).is_none()
        && !name.is_empty()
    {
        let root = if written.starts_with("lead.") {
            "lead.attributes"
        } else {
            "event.properties"
        };
        return format!("; did you mean {root}.{}?", shown(name, 80));
    }
    did_you_mean(written, known().map(|info| info.path))
}
