//! The parts of a template: subject, preheader, text, HTML and JSON, each read on its own.

use super::front::{FileName, Form, Front, line_of, line_of_text};
use super::pieces::{Checked, write};
use super::problem::Problem;
use super::reading::{Reading, Target, Use, read};
use super::{mail, source};
use crate::messages::ChannelKind;

/// Front matter that the channel has no use for, or misses.
pub(super) fn misplaced(file: &FileName, front: &Front) -> Vec<Problem> {
    let mut problems = Vec::new();
    let channel = file.channel;
    let mail_only = [
        ("subject", &front.subject),
        ("preheader", &front.preheader),
        ("text", &front.text),
    ];
    if channel == ChannelKind::Email {
        if front.subject.is_none() {
            problems.push(Problem::at(
                1,
                "A mail needs a subject: write `subject: …` into the front matter.",
            ));
        }
    } else {
        for (name, value) in mail_only {
            if let Some(value) = value {
                problems.push(Problem::at(
                    line_of(value),
                    format!("`{name}` belongs to mails; remove it from this {channel} template."),
                ));
            }
        }
    }
    if channel != ChannelKind::Sms && (front.max_segments.is_some() || front.opt_out.is_some()) {
        problems.push(Problem::at(
            1,
            "`max_segments` and `opt_out` belong to text messages; remove them here.",
        ));
    }
    if channel != ChannelKind::Webhook && front.event.is_some() {
        problems.push(Problem::at(
            1,
            "`event` belongs to webhooks; remove it here.",
        ));
    }
    if let Some(event) = &front.event {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
        if event.is_empty() || event.len() > 64 || !event.chars().all(fine) {
            problems.push(Problem::at(1, "`event` has small letters, digits, dots and `_`, at most 64 of them, such as lead.captured."));
        }
    }
    if let Some(sample) = front
        .sample
        .as_ref()
        .filter(|sample| !sample.value.is_object())
    {
        problems.push(Problem::at(
            line_of(sample),
            "`sample` holds values by name, such as `lead: { first_name: Anna }`.",
        ));
    }
    if front.max_segments == Some(0) {
        problems.push(Problem::at(1, "`max_segments` is at least 1."));
    }
    problems
}

/// The parts of a template by name, on their way to the engine.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) pieces: Vec<(&'static str, Vec<Checked>)>,
    pub(super) uses: Vec<(&'static str, Vec<Use>)>,
}

impl Parts {
    pub(super) fn read(
        &mut self,
        file: &FileName,
        front: &Front,
        whole: &str,
        body: &str,
        first_line: u32,
    ) -> Result<(), Vec<Problem>> {
        let reading = |source: &str, line: u32, target: Target| {
            let pieces = source::split(source, line).map_err(|problem| vec![problem])?;
            read(pieces, &front.optional, target)
        };
        let mut problems = Vec::new();
        let mut keep = |part: &'static str, found: Result<Reading, Vec<Problem>>| match found {
            Ok(found) => {
                self.uses.push((part, found.uses));
                Some(found.pieces)
            }
            Err(told) => {
                problems.extend(told);
                None
            }
        };
        let matter = |value: &serde_saphyr::Spanned<String>| {
            reading(&value.value, line_of_text(value, whole), Target::Words)
        };
        match file.form {
            Form::Text => {
                if let Some(pieces) = keep("text", reading(body, first_line, Target::Words)) {
                    self.pieces.push(("text", pieces));
                }
            }
            Form::Json => {
                if let Some(pieces) = keep("json", reading(body, first_line, Target::Json)) {
                    self.pieces.push(("json", pieces));
                }
            }
            Form::Mjml | Form::Html => {
                if let Some(subject) = &front.subject
                    && let Some(pieces) = keep("subject", matter(subject))
                {
                    self.pieces.push(("subject", pieces));
                }
                let preheader = front
                    .preheader
                    .as_ref()
                    .and_then(|preheader| keep("preheader", matter(preheader)));
                let text = front.text.as_ref().map(|text| keep("text", matter(text)));
                let html = keep("html", reading(body, first_line, Target::Words));
                if let Some(html) = html {
                    problems.extend(mail::lint(&html));
                    let html = match file.form {
                        Form::Mjml => {
                            mail::compile(&html, first_line, file.locale.as_deref().unwrap_or("en"))
                        }
                        _ => mail::document(html, first_line),
                    };
                    match html {
                        Ok(html) => {
                            match text {
                                None => match mail::text_of(&html) {
                                    Ok(pieces) => {
                                        self.uses.push(("text", uses_in(&pieces, &self.uses)));
                                        self.pieces.push(("text", pieces));
                                    }
                                    Err(problem) => problems.push(problem),
                                },
                                Some(Some(pieces)) => self.pieces.push(("text", pieces)),
                                Some(None) => {}
                            }
                            let html = match preheader {
                                Some(preheader) => mail::with_preheader(html, preheader),
                                None => html,
                            };
                            self.pieces.push(("html", html));
                        }
                        Err(told) => problems.extend(told),
                    }
                }
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

/// The variables of the HTML that also stand in the text made from it.
fn uses_in(text: &[Checked], uses: &[(&'static str, Vec<Use>)]) -> Vec<Use> {
    let written = write(text);
    uses.iter()
        .filter(|(part, _)| *part == "html")
        .flat_map(|(_, uses)| uses)
        .filter(|used| written.contains(&used.path))
        .cloned()
        .collect()
}
