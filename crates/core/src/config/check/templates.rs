//! `templates/**`: variables that have a value where they are used, one category for one template (T1, T5, C2).

use super::Findings;
use crate::config::Target;
use crate::config::draft::Draft;
use crate::config::problem::{Problem, slip_of};
use crate::templates::Template;
use crate::workflows::{Recipient, Workflow};

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let attributes = attributes(draft);
    let complete = draft.workflows.values().all(|read| read.value.is_some());
    for (at, (path, template)) in draft.templates.iter().enumerate() {
        findings.template(path, template.check(&[]));
        let heard = Hearers::of(draft, template);
        foreign_variables(path, template, heard, findings);
        variants(&draft.templates[..at], path, template, findings);
        unknown_attributes(path, template, &attributes, findings);
        if complete && heard == Hearers::default() {
            findings.warning(Problem::of_file(
                path,
                format!(
                    "No workflow sends `{}` by {}.",
                    template.name, template.channel
                ),
            ));
        }
    }
    postal_address(draft, findings);
}

/// Who hears a template, by the workflows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Hearers {
    lead: bool,
    staff: bool,
    hook: bool,
}

impl Hearers {
    fn of(draft: &Draft, template: &Template) -> Self {
        let mut heard = Self::default();
        let workflows = draft
            .workflows
            .values()
            .filter_map(|read| read.value.as_ref());
        for (_, send) in workflows.flat_map(Workflow::sends) {
            if send.template != template.name || !send.channels.kinds().contains(&template.channel)
            {
                continue;
            }
            match send.to {
                Recipient::Lead => heard.lead = true,
                Recipient::Hook(_) => heard.hook = true,
                _ => heard.staff = true,
            }
        }
        heard
    }
}

/// T1: `staff` and the links for staff have no value in what others hear.
fn foreign_variables(path: &str, template: &Template, heard: Hearers, findings: &mut Findings) {
    for variable in template.variables() {
        let whose = match variable {
            "link.lead" if heard.lead => "a lead",
            "link.alert" | "staff" | "staff.name" | "staff.first_name" if heard.lead => "a lead",
            "link.alert" | "staff" | "staff.name" | "staff.first_name" if heard.hook => "a hook",
            _ => continue,
        };
        findings.problem(Problem::of_file(
            path,
            format!("`{variable}` is for staff alone, but a workflow sends this to {whose}."),
        ));
    }
}

/// The same template in two files, and variants that disagree about the category.
fn variants(
    before: &[(String, Template)],
    path: &str,
    template: &Template,
    findings: &mut Findings,
) {
    for (elsewhere, other) in before
        .iter()
        .filter(|(_, other)| other.name == template.name)
    {
        if other.channel == template.channel && other.locale == template.locale {
            findings.problem(Problem::of_file(
                path,
                format!("{elsewhere} is the same template already. Remove or rename one."),
            ));
        }
        if other.category != template.category {
            findings.problem(Problem::of_file(
                path,
                format!(
                    "The category is `{}`, but {elsewhere} says `{}`: a template has one category (C2).",
                    template.category, other.category
                ),
            ));
        }
    }
}

/// The attributes that forms fill.
fn attributes(draft: &Draft) -> Vec<String> {
    draft
        .forms
        .values()
        .filter_map(|read| read.value.as_ref())
        .flat_map(|form| &form.fields)
        .filter_map(|field| match field.target() {
            Target::Attribute(name) => Some(name),
            Target::Lead(_) => None,
        })
        .collect()
}

/// Attributes can come from anywhere; one that no form fills but that is near to one that a form fills is probably a slip.
fn unknown_attributes(
    path: &str,
    template: &Template,
    attributes: &[String],
    findings: &mut Findings,
) {
    for variable in template.variables() {
        let Some(name) = variable.strip_prefix("lead.attributes.") else {
            continue;
        };
        if attributes.iter().any(|one| one == name) {
            continue;
        }
        if let Some(near) = slip_of(name, attributes.iter().map(String::as_str)) {
            findings.warning(
                Problem::of_file(path, format!("No form fills the attribute `{name}`."))
                    .mend(format!("Did you mean `{near}`?")),
            );
        }
    }
}

/// Mails carry the address, so there has to be one (T5, US-17).
fn postal_address(draft: &Draft, findings: &mut Findings) {
    let Some(read) = &draft.settings else { return };
    let Some(settings) = &read.value else { return };
    let has_one = settings
        .postal_address
        .as_deref()
        .is_some_and(|address| !address.trim().is_empty());
    let needs = draft
        .templates
        .iter()
        .find(|(_, template)| template.uses("tenant.address"));
    if let (false, Some((path, _))) = (has_one, needs) {
        findings.mended(
            read,
            "",
            format!("{path} names the postal address, but there is none."),
            "Write `postal_address: …`.".to_owned(),
        );
    }
}
