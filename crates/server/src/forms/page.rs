//! The page of a form: complete without a script, every mistake in words at its field and in a summary, nothing typed is lost (L2).

use super::Door;
use super::check::Wrong;
use super::draft::Draft;
use super::posted::Posted;
use crate::app::App;
use crate::paper::Paper;
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use ringback_core::config::{Field, FieldKind, LeadField, Target};

/// What a page shows beside the questions.
#[derive(Debug, Default)]
pub(super) struct Showing<'a> {
    /// What was typed already.
    pub(super) posted: Option<&'a Posted>,
    /// What is wrong with it.
    pub(super) wrong: Vec<Wrong>,
    /// A sentence on top.
    pub(super) notice: Option<String>,
    /// The step, counted from 0.
    pub(super) step: usize,
    /// The draft of a form of several steps.
    pub(super) draft: Option<&'a Draft>,
    /// The signed instant of an earlier step, kept on.
    pub(super) time: Option<String>,
}

#[derive(Template)]
#[template(path = "forms/form.html")]
struct FormPage<'a> {
    paper: &'a Paper,
    title: &'a str,
    action: String,
    time: String,
    honeypot: &'a str,
    step: usize,
    steps: usize,
    draft: Option<(String, &'a str)>,
    notice: Option<&'a str>,
    wrong: &'a [Wrong],
    fields: Vec<Shown<'a>>,
    button: &'static str,
}

/// A question as the template draws it.
struct Shown<'a> {
    name: &'a str,
    label: String,
    shape: &'static str,
    kind: &'static str,
    inputmode: &'static str,
    autocomplete: &'static str,
    required: bool,
    most: u32,
    value: String,
    ticked: bool,
    choices: Vec<(&'a str, &'a str, bool)>,
    aside: String,
    wrong: Option<&'a str>,
    described: String,
}

/// The page of a form at one of its steps.
pub(super) fn page(app: &App, door: &Door, status: StatusCode, showing: &Showing<'_>) -> Response {
    let form = door.form();
    let paper = Paper::of(&door.home);
    let pages = form.pages();
    let step = showing.step.min(pages.len().saturating_sub(1));
    let fields = pages.get(step).map(Vec::as_slice).unwrap_or_default();
    let last = step + 1 >= pages.len();
    let page = FormPage {
        paper: &paper,
        title: form.title(),
        action: door.path(),
        time: showing
            .time
            .clone()
            .unwrap_or_else(|| app.tokens.form_time(&door.name, app.now().as_millisecond())),
        honeypot: &form.anti_spam.honeypot,
        step,
        steps: pages.len(),
        draft: showing
            .draft
            .map(|draft| (draft.id.to_string(), draft.secret.as_str())),
        notice: showing.notice.as_deref(),
        wrong: &showing.wrong,
        fields: fields
            .iter()
            .filter(|field| field.kind != FieldKind::Photos)
            .map(|field| shown(door, field, showing))
            .collect(),
        button: if last { "Send" } else { "Next" },
    };
    paper.answer(status, &page, &door.elsewhere(), &form.cors)
}

fn shown<'a>(door: &'a Door, field: &'a Field, showing: &'a Showing<'_>) -> Shown<'a> {
    let value = showing
        .posted
        .and_then(|posted| posted.values.get(&field.name))
        .cloned()
        .unwrap_or_default();
    let wrong = showing
        .wrong
        .iter()
        .find(|wrong| wrong.field == field.name)
        .map(|wrong| wrong.say.as_str());
    let mut aside: Vec<&str> = field
        .hint
        .as_deref()
        .into_iter()
        .chain(field.purpose.as_deref())
        .collect();
    let wording = wording(door, &field.name);
    if !field.required
        && wording.is_none()
        && field.kind != FieldKind::Hidden
        && field.kind != FieldKind::Checkbox
    {
        aside.insert(0, "Optional.");
    }
    let aside = aside.join(" ");
    let mut described = Vec::new();
    if !aside.is_empty() {
        described.push(format!("{}-aside", field.name));
    }
    if wrong.is_some() {
        described.push(format!("{}-wrong", field.name));
    }
    let (shape, kind, inputmode) = match field.kind {
        FieldKind::Phone => ("line", "tel", ""),
        FieldKind::Email => ("line", "email", ""),
        FieldKind::Number => ("line", "text", "decimal"),
        FieldKind::Date => ("line", "date", ""),
        FieldKind::Text | FieldKind::Photos => ("line", "text", ""),
        FieldKind::Select => ("select", "", ""),
        FieldKind::Checkbox => ("box", "checkbox", ""),
        FieldKind::Textarea => ("text", "", ""),
        FieldKind::Hidden => ("hidden", "hidden", ""),
    };
    Shown {
        name: &field.name,
        label: wording.unwrap_or_else(|| field.title().to_owned()),
        shape,
        kind,
        inputmode,
        autocomplete: autocomplete(field),
        required: field.required,
        most: field.most(),
        ticked: super::check::ticked(value.trim()) == Some(true),
        choices: field
            .choices
            .iter()
            .map(|choice| {
                (
                    choice.value.as_str(),
                    choice.label.as_str(),
                    choice.value == value.trim(),
                )
            })
            .collect(),
        value,
        aside,
        wrong,
        described: described.join(" "),
    }
}

/// The words beside a box that gives consent, as they are kept with it (C1).
pub(super) fn wording(door: &Door, field: &str) -> Option<String> {
    let consent = door
        .form()
        .consents
        .iter()
        .find(|consent| consent.field == field)?;
    Some(
        consent
            .wording
            .replace("{business}", &door.home.tenant.config.settings.name),
    )
}

fn autocomplete(field: &Field) -> &'static str {
    match field.target() {
        Target::Lead(LeadField::FirstName) => "given-name",
        Target::Lead(LeadField::LastName) => "family-name",
        Target::Lead(LeadField::Phone) => "tel",
        Target::Lead(LeadField::Email) => "email",
        Target::Lead(LeadField::City) => "address-level2",
        Target::Lead(LeadField::State) => "address-level1",
        Target::Lead(LeadField::Zip) => "postal-code",
        Target::Lead(LeadField::Country) => "country",
        Target::Attribute(_) => "off",
    }
}

#[derive(Template)]
#[template(path = "forms/thanks.html")]
struct ThanksPage<'a> {
    paper: &'a Paper,
    reference: Option<&'a str>,
}

/// What a person sees afterwards.
pub(super) fn thanks(door: &Door, reference: Option<&str>) -> Response {
    // Only what looks like a reference is shown: nobody writes on a tenant's paper by making up a link.
    let fits = |text: &&str| {
        text.len() == 9
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let paper = Paper::of(&door.home);
    paper.answer(
        StatusCode::OK,
        &ThanksPage {
            paper: &paper,
            reference: reference.filter(fits),
        },
        &[],
        &door.form().cors,
    )
}

#[derive(Template)]
#[template(path = "forms/missing.html")]
struct MissingPage<'a> {
    paper: &'a Paper,
}

/// There is no such form.
pub(super) fn missing() -> Response {
    let paper = Paper::plain();
    paper.answer(
        StatusCode::NOT_FOUND,
        &MissingPage { paper: &paper },
        &[],
        &[],
    )
}
