//! A template's file name and front matter.

use super::problem::Problem;
use crate::messages::{Category, ChannelKind, Priority};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// What a file name says: `templates/{name}.{sms|email|webhook}[.{locale}].{txt|mjml|html|json}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    pub name: String,
    pub channel: ChannelKind,
    pub locale: Option<String>,
    pub form: Form,
}

/// How the body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Mjml,
    Html,
    Json,
}

/// Reads a path; folders before the file's name are for order only.
pub(super) fn file_name(path: &str) -> Result<FileName, Problem> {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let wrong = |message: String| Problem::of_file(message);
    let mut parts = file.split('.');
    let (name, channel, rest) = match (parts.next(), parts.next(), parts.collect::<Vec<_>>()) {
        (Some(name), Some(channel), rest) if !rest.is_empty() && rest.len() <= 2 => {
            (name, channel, rest)
        }
        _ => {
            return Err(wrong(format!(
                "The file name `{file}` does not say what it is. Templates are named like welcome.sms.txt, welcome.email.mjml or welcome.email.es.mjml."
            )));
        }
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        return Err(wrong(format!(
            "The template name `{name}` may have small letters, digits, `-` and `_`, at most 64 of them."
        )));
    }
    let Some(channel) = ChannelKind::from_name(channel) else {
        return Err(wrong(format!(
            "`{channel}` in the file name is no channel. Write sms, email or webhook."
        )));
    };
    let (locale, extension) = match rest[..] {
        [extension] => (None, extension),
        [locale, extension] => (Some(locale), extension),
        _ => (None, ""),
    };
    let form = match (channel, extension) {
        (ChannelKind::Sms, "txt") => Form::Text,
        (ChannelKind::Email, "mjml") => Form::Mjml,
        (ChannelKind::Email, "html") => Form::Html,
        (ChannelKind::Webhook, "json") => Form::Json,
        _ => {
            let right = match channel {
                ChannelKind::Sms => ".txt",
                ChannelKind::Email => ".mjml or .html",
                ChannelKind::Webhook => ".json",
            };
            return Err(wrong(format!(
                "The file name of a template for {channel} ends in {right}."
            )));
        }
    };
    let locale = match locale {
        None => None,
        Some(tag) => Some(super::set::normal_locale(tag).ok_or_else(|| {
            wrong(format!(
                "`{tag}` in the file name is no language. Write a tag such as es or es-MX."
            ))
        })?),
    };
    Ok(FileName {
        name: name.to_owned(),
        channel,
        locale,
        form,
    })
}

/// What stands between the `---` lines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Front {
    pub category: Category,
    pub priority: Option<Priority>,
    pub subject: Option<Spanned<String>>,
    pub preheader: Option<Spanned<String>>,
    pub text: Option<Spanned<String>>,
    pub sample: Option<Spanned<serde_json::Value>>,
    pub max_segments: Option<u32>,
    #[serde(default)]
    pub optional: Vec<String>,
    pub opt_out: Option<OptOut>,
    pub event: Option<String>,
    /// For people who read the file.
    #[serde(rename = "description")]
    pub _description: Option<String>,
}

/// Whether a text message carries the line that tells how to opt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OptOut {
    /// The body names `message.opt_out_line`. The default.
    Included,
    /// Left out on purpose.
    Omitted,
}

/// Front matter, body, and the line the body begins on.
pub(super) fn split(text: &str) -> Result<(Front, &str, u32), Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let missing = || {
        Problem::at(
            1,
            "A template begins with a line `---`, then its category and more, then a line `---`, then the text.",
        )
    };
    let mut lines = text.split_inclusive('\n');
    let first = lines
        .next()
        .filter(|line| line.trim_end() == "---")
        .ok_or_else(missing)?;
    let mut from = first.len();
    let mut number = 1;
    for line in lines {
        number += 1;
        if line.trim_end() == "---" {
            let front = read(&text[first.len()..from])?;
            return Ok((front, &text[from + line.len()..], number + 1));
        }
        from += line.len();
    }
    Err(Problem::at(
        1,
        "The front matter is not closed. Put a line `---` after it.",
    ))
}

fn read(yaml: &str) -> Result<Front, Problem> {
    let mut budget = serde_saphyr::Budget::default();
    budget.max_events = 20_000;
    budget.max_aliases = 0;
    budget.max_anchors = 0;
    budget.max_depth = 32;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let line = error
            .location()
            .and_then(|at| u32::try_from(at.line()).ok())
            .filter(|line| *line > 0);
        let message = error.without_snippet().to_string();
        // The place is told beside the message; the parser's own words for it count without the first line.
        let message = message.lines().next().unwrap_or_default().to_owned();
        let message = match message.find(" at line ") {
            Some(at) => message[..at].to_owned(),
            None => message,
        };
        Problem {
            line: Some(line.map_or(1, |line| line + 1)),
            message: format!(
                "The front matter cannot be read: {}.",
                message.trim_end_matches('.')
            ),
        }
    })
}

/// The line of the file a front matter value begins on.
pub(super) fn line_of<T>(value: &Spanned<T>) -> u32 {
    u32::try_from(value.referenced.line()).unwrap_or(0) + 1
}

/// The line of the file that the first line of a text stands on: in `text: |` the one after.
pub(super) fn line_of_text(value: &Spanned<String>, whole: &str) -> u32 {
    let line = line_of(value);
    let written = whole
        .lines()
        .nth(line.saturating_sub(1) as usize)
        .unwrap_or_default();
    let block = ["|", ">", "|-", ">-", "|+", ">+"]
        .iter()
        .any(|sign| written.trim_end().ends_with(&format!(" {sign}")));
    line + u32::from(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T1: the file's name says channel, language and form.
    #[test]
    fn file_names_are_read() {
        let got = file_name("presets/plumbing/templates/staff/emergency.email.es-mx.mjml").unwrap();
        assert_eq!(
            (got.name.as_str(), got.channel, got.form),
            ("emergency", ChannelKind::Email, Form::Mjml)
        );
        assert_eq!(got.locale.as_deref(), Some("es-MX"));
        assert_eq!(file_name("a.sms.txt").unwrap().locale, None);
        for path in [
            "a",
            "a.txt",
            "a.sms",
            "a.fax.txt",
            "a.sms.html",
            "a.email.txt",
            "a.webhook.xml",
            "A.sms.txt",
            ".sms.txt",
            "a.sms.english.txt",
            "a.b.sms.en.txt",
            "a b.sms.txt",
            "a.sms.e$.txt",
        ] {
            assert!(file_name(path).is_err(), "{path}");
        }
    }

    /// T1: mistakes in the front matter name their line.
    #[test]
    fn front_matter_problems_have_the_right_line() {
        for (text, line, part) in [
            ("hello", 1, "begins with"),
            ("---\ncategory: staff\n", 1, "not closed"),
            ("---\ncategory: staff\nsubjekt: x\n---\n", 3, "subjekt"),
            ("---\ncategory: transactonal\n---\n", 2, "transactonal"),
            ("---\n\ncategory: staff\nmax_segments: many\n---\n", 4, ""),
            ("---\ncategory: [\n---\n", 3, ""),
            ("---\ncategory: staff\nsample: &a {x: *a}\n---\n", 3, ""),
        ] {
            let problem = split(text).unwrap_err();
            assert!(problem.message.contains(part), "{problem}");
            assert!(
                problem
                    .line
                    .is_some_and(|l| l == line || (part.is_empty() && l + 1 >= line)),
                "{text:?}: {problem}"
            );
        }
        let (front, body, line) =
            split("---\r\ncategory: staff\r\nsubject: Hi\r\n---\r\nbody").unwrap();
        assert_eq!((body, line), ("body", 5));
        assert_eq!(line_of(front.subject.as_ref().unwrap()), 3);
    }
}
