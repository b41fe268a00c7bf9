//! What documents say about each other: names that must exist, categories that must agree, steps that nobody reaches (W5).

mod forms;
mod products;
mod settings;
mod templates;
mod workflows;

use super::draft::{Draft, Read};
use super::problem::{Problem, did_you_mean_or_list};
use crate::conditions::Condition;

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

/// Lists and hooks that nothing uses.
fn staff(draft: &Draft, findings: &mut Findings) {
    use crate::workflows::Recipient;
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
            .any(|workflow| workflow.sends().any(|(_, send)| send.to == *wanted))
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
