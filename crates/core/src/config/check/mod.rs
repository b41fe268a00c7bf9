//! What documents say about each other: names that must exist, categories that must agree, steps that nobody reaches (W5).

mod cycles;
mod forms;
mod products;
mod settings;
mod templates;
mod words;
mod workflows;

use super::draft::{Draft, Read};
use super::problem::{Problem, did_you_mean_or_list};
use crate::conditions::Condition;
use crate::contact::{Email, Phone};

/// What was found: problems that stop the configuration, warnings that do not.
#[derive(Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings {
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub fn warning(&mut self, problem: Problem) {
        self.warnings.push(problem);
    }

    /// What a template says about itself.
    pub fn template(&mut self, path: &str, told: Vec<crate::templates::Problem>) {
        self.problems.extend(Problem::of_template(path, told));
    }

    /// Problems and warnings, each in the order of path and line.
    pub fn split(self) -> (Vec<Problem>, Vec<Problem>) {
        let order = |mut all: Vec<Problem>| {
            all.sort();
            all.dedup();
            all
        };
        (order(self.problems), order(self.warnings))
    }

    /// A problem at a place of a document.
    fn at<T>(&mut self, read: &Read<T>, place: &str, message: impl Into<String>) {
        self.problem(Problem::at(&read.path, read.line(place), message));
    }

    /// A problem at a place of a document, with its mend.
    fn mended<T>(
        &mut self,
        read: &Read<T>,
        place: &str,
        message: impl Into<String>,
        mend: impl Into<Option<String>>,
    ) {
        self.problem(Problem::at(&read.path, read.line(place), message).mend(mend));
    }

    /// A warning at a place of a document.
    fn warn<T>(
        &mut self,
        read: &Read<T>,
        place: &str,
        message: impl Into<String>,
        mend: impl Into<Option<String>>,
    ) {
        self.warning(Problem::at(&read.path, read.line(place), message).mend(mend));
    }

    /// A name that must be among the known ones.
    fn known<'a, T>(
        &mut self,
        read: &Read<T>,
        place: &str,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> bool {
        if known.clone().into_iter().any(|one| one == name) {
            return true;
        }
        self.mended(
            read,
            place,
            format!("There is no {what} `{name}`."),
            did_you_mean_or_list(name, known),
        );
        false
    }

    /// A condition, with every sentence at the line it is about.
    fn condition<T>(&mut self, read: &Read<T>, place: &str, condition: &Condition) {
        let node = read.node.near(place);
        for sentence in condition.check() {
            let line = node.line_quoted(&sentence);
            self.problem(Problem::at(&read.path, line, sentence));
        }
    }
}

/// Runs every check that the read documents allow.
pub(super) fn everything(draft: &Draft, findings: &mut Findings) {
    settings::check(draft, findings);
    products::check(draft, findings);
    models(draft, findings);
    forms::check(draft, findings);
    workflows::check(draft, findings);
    templates::check(draft, findings);
    words::check(draft, findings);
    examples(draft, findings);
    staff(draft, findings);
}

/// Score models, by what they say about themselves.
fn models(draft: &Draft, findings: &mut Findings) {
    for read in draft.models.values() {
        let Some(model) = &read.value else { continue };
        for sentence in model.check() {
            let line = read.node.line_quoted(&sentence);
            findings.problem(Problem::at(&read.path, line, sentence));
        }
        if let Some(product) = &model.product {
            findings.known(
                read,
                "product",
                "product",
                product,
                draft.products.keys().map(String::as_str),
            );
        }
    }
}

/// Numbers and addresses of examples: fine for a first look, but nobody hears anything there.
fn examples(draft: &Draft, findings: &mut Findings) {
    let example_mail = |email: &Email| {
        let domain = email.domain();
        domain == "example.com" || domain.ends_with(".example.com") || domain.ends_with(".example")
    };
    let mend = "Put your own there before you connect a provider.";
    if let Some(read) = &draft.settings
        && let Some(settings) = &read.value
    {
        let phone = settings
            .phone
            .as_deref()
            .and_then(|phone| Phone::parse(phone, settings.region).ok());
        if phone.is_some_and(|phone| phone.is_fictional()) {
            findings.warn(
                read,
                "phone",
                "The business has an example number.",
                mend.to_owned(),
            );
        }
        let email = settings
            .email
            .as_deref()
            .and_then(|email| Email::parse(email).ok());
        if email.is_some_and(|email| example_mail(&email)) {
            findings.warn(
                read,
                "email",
                "The business has an example address.",
                mend.to_owned(),
            );
        }
    }
    let Some(read) = &draft.staff else { return };
    let Some(staff) = &read.value else { return };
    for (at, one) in staff.people.iter().enumerate() {
        if one.phone.as_ref().is_some_and(Phone::is_fictional) {
            let place = format!("people/{at}/phone");
            findings.warn(
                read,
                &place,
                format!("{} has an example number.", one.name),
                mend.to_owned(),
            );
        }
        if one.email.as_ref().is_some_and(example_mail) {
            let place = format!("people/{at}/email");
            findings.warn(
                read,
                &place,
                format!("{} has an example address.", one.name),
                mend.to_owned(),
            );
        }
    }
}

/// Lists and hooks that nothing uses.
fn staff(draft: &Draft, findings: &mut Findings) {
    use crate::workflows::{Action, Recipient};
    let Some(read) = &draft.staff else { return };
    let Some(staff) = &read.value else { return };
    if draft
        .workflows
        .values()
        .any(|workflow| workflow.value.is_none())
    {
        return;
    }
    let used = |wanted: &Recipient| {
        draft
            .workflows
            .values()
            .filter_map(|workflow| workflow.value.as_ref())
            .any(|workflow| {
                let told = workflow.sends().any(|(_, send)| send.to == *wanted);
                told || workflow.walk().into_iter().any(|step| match &step.action {
                    Action::Assign(assign) => assign.among == *wanted,
                    Action::CreateTask(task) => task.to.as_ref() == Some(wanted),
                    _ => false,
                })
            })
    };
    for list in staff.lists.keys() {
        if !used(&Recipient::List(list.clone())) {
            findings.warn(
                read,
                &format!("lists/{list}"),
                format!("No workflow writes to the list `{list}`."),
                None,
            );
        }
    }
    for (at, hook) in staff.hooks.iter().enumerate() {
        if !used(&Recipient::Hook(hook.name.clone())) {
            findings.warn(
                read,
                &format!("hooks/{at}"),
                format!("No workflow posts to the hook `{}`.", hook.name),
                None,
            );
        }
    }
}
