//! One template: read, checked, rendered.

use super::context::RenderContext;
use super::data::Data;
use super::engine::{self, OUTPUT_BYTES, SOURCE_BYTES};
use super::front::{self, OptOut, line_of};
use super::parts::{Parts, misplaced};
use super::pieces::write;
use super::problem::Problem;
use super::reading::Use;
use super::variables::{self, Known, Presence};
use crate::messages::text::clean_header;
use crate::messages::{Category, ChannelKind, Priority, segments};
use minijinja::{Environment, ErrorKind, Value};
use std::fmt;

/// The most bytes of HTML that mailbox providers show whole.
const HTML_BYTES: usize = 100 * 1024;
/// The most characters a text message may have at any provider.
const SMS_CHARS: usize = 1_600;

/// What is said on one channel in one language.
#[derive(Clone)]
pub struct Template {
    /// The name that workflows use.
    pub name: String,
    /// The channel it is written for.
    pub channel: ChannelKind,
    /// The language, `es` or `es-MX`; `None` is for everybody else.
    pub locale: Option<String>,
    /// What kind of message it is.
    pub category: Category,
    /// How urgent it is, where that differs from the category's.
    pub priority: Option<Priority>,
    /// The most SMS segments that the sample may take.
    pub max_segments: Option<u32>,
    /// The event's name in a webhook; the template's own name where none is given.
    pub event: Option<String>,
    /// The version of the document it was read from; set by whoever keeps documents, 0 until then.
    pub version: i64,
    opt_out: OptOut,
    sample: serde_json::Value,
    sample_line: Option<u32>,
    uses: Vec<Use>,
    /// Variables of the parts a recipient reads, for the checks on footers.
    body_uses: Vec<Use>,
    html_uses: Vec<Use>,
    env: Environment<'static>,
    bytes: [usize; 3],
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("name", &self.name)
            .field("channel", &self.channel)
            .field("locale", &self.locale)
            .field("category", &self.category)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A message's text, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// A mail's subject: one line, without control characters.
    pub subject: Option<String>,
    /// The text message, the text part of the mail, or the JSON document.
    pub text: String,
    /// The HTML part of a mail.
    pub html: Option<String>,
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value is missing.
    #[error(
        "the template {template} shows {variable}, which is empty here; give it a fallback such as {variable}|default(\"…\")"
    )]
    Empty {
        /// The template's name.
        template: String,
        /// The variable, or `a value` when it cannot be told which.
        variable: String,
    },
    /// More steps or bytes than any message needs.
    #[error("the template {template} makes too much of this data: {why}")]
    TooMuch {
        /// The template's name.
        template: String,
        /// Which bound was met.
        why: &'static str,
    },
    /// The result is no JSON.
    #[error("the template {template} gives no valid JSON: {why}")]
    Json {
        /// The template's name.
        template: String,
        /// What the reader of JSON says.
        why: String,
    },
    /// A value does not fit its filter.
    #[error("the template {template} cannot be filled in: {why}")]
    Value {
        /// The template's name.
        template: String,
        /// What went wrong.
        why: String,
    },
}

impl Template {
    /// Reads a template from its path and text. All problems that can be seen without knowing the tenant are told at once.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > SOURCE_BYTES {
            return Err(vec![Problem::of_file(
                "A template has at most 64 KiB. Shorten it.",
            )]);
        }
        let file = front::file_name(path).map_err(|problem| vec![problem])?;
        let (front, body, first_line) = front::split(text).map_err(|problem| vec![problem])?;
        let mut problems = misplaced(&file, &front);
        let mut parts = Parts::default();
        let told = parts.read(&file, &front, text, body, first_line);
        problems.extend(told.err().into_iter().flatten());
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            problems.dedup();
            return Err(problems);
        }
        let mut env = engine::engine();
        for (name, pieces) in &parts.pieces {
            env.add_template_owned(*name, write(pieces))
                .map_err(|error| vec![of_engine(&error)])?;
        }
        let mut uses: Vec<Use> = parts
            .uses
            .iter()
            .flat_map(|(_, uses)| uses.iter().cloned())
            .collect();
        uses.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
        uses.dedup();
        let of = |name: &str| {
            parts
                .uses
                .iter()
                .filter(|(part, _)| *part == name)
                .flat_map(|(_, uses)| uses.iter().cloned())
                .collect()
        };
        Ok(Self {
            name: file.name,
            channel: file.channel,
            locale: file.locale,
            category: front.category,
            priority: front.priority,
            max_segments: front.max_segments,
            event: front.event,
            version: 0,
            opt_out: front.opt_out.unwrap_or(OptOut::Included),
            sample_line: front.sample.as_ref().map(line_of),
            sample: front.sample.map(|sample| sample.value).unwrap_or_default(),
            uses,
            body_uses: of("text"),
            html_uses: of("html"),
            env,
            bytes: ["subject", "text", "html"].map(|part| {
                let length = parts
                    .pieces
                    .iter()
                    .find(|(name, _)| *name == part)
                    .map_or(0, |(_, pieces)| write(pieces).len());
                (length + length / 8 + 64).min(OUTPUT_BYTES)
            }),
        })
    }

    /// The same template with the version of its document.
    pub fn with_version(mut self, version: i64) -> Self {
        self.version = version;
        self
    }

    /// The variables it uses, as dotted paths, each once.
    pub fn variables(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.uses.iter().map(|used| used.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// True when the template uses the variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.uses.iter().any(|used| used.path == variable)
    }

    /// Sample data: every variable there is, and over it what the front matter gives.
    pub fn sample(&self) -> serde_json::Value {
        let mut data = variables::sample();
        merge(&mut data, &self.sample);
        data
    }

    /// What is wrong with the template, beyond what [`Template::parse`] sees. `known` are further variables and groups (`run.quote.*`)
    /// that the tenant offers; where it names members of `lead.attributes`, `event.properties` or `run`, only those are known.
    pub fn check(&self, known: &[&str]) -> Vec<Problem> {
        let mut problems = self.check_variables(known);
        problems.extend(self.check_footer());
        if problems.is_empty() {
            problems.extend(self.check_sample());
        }
        problems
    }

    fn check_variables(&self, known: &[&str]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut told = Vec::new();
        for used in &self.uses {
            let Use { path, line, bare } = used;
            let problem = match variables::look_up(path, known) {
                Known::No(nearest) => format!("There is no variable `{path}`.{nearest}"),
                Known::Yes(Presence::MayBeEmpty) if *bare => {
                    format!(
                        "`{path}` can be empty. Write what stands there then, `{{{{ {path}|default(\"…\") }}}}`, or list it under `optional:`."
                    )
                }
                Known::Yes(_) => continue,
            };
            if !told.contains(&path) {
                told.push(path);
                problems.push(Problem::at(*line, problem));
            }
        }
        problems
    }

    /// T2, T5: what must stand in messages to people who may want no more of them.
    fn check_footer(&self) -> Vec<Problem> {
        let to_leads = matches!(
            self.category,
            Category::Promotional | Category::Transactional
        );
        let category = self.category;
        let mut problems = Vec::new();
        let has = |uses: &[Use], variable: &str| uses.iter().any(|used| used.path == variable);
        match self.channel {
            ChannelKind::Sms
                if to_leads
                    && self.opt_out == OptOut::Included
                    && !has(&self.body_uses, "message.opt_out_line") =>
            {
                problems.push(Problem::of_file(format!(
                    "A {category} text says how to opt out. End it with `{{{{ message.opt_out_line }}}}`, or write `opt_out: omitted` into the front matter."
                )));
            }
            ChannelKind::Email if to_leads => {
                let mut needed = vec![("tenant.address", "the sender's postal address")];
                if category == Category::Promotional {
                    needed.push(("link.unsubscribe", "a link to unsubscribe"));
                }
                for (variable, what) in needed {
                    for (part, uses) in [("HTML", &self.html_uses), ("text", &self.body_uses)] {
                        if !has(uses, variable) {
                            problems.push(Problem::of_file(format!("The {part} part of a {category} mail carries {what}. Add `{{{{ {variable} }}}}`.")));
                        }
                    }
                }
            }
            _ => {}
        }
        problems
    }

    fn check_sample(&self) -> Vec<Problem> {
        let context = RenderContext::new(jiff::tz::TimeZone::UTC, "US", self.locale.as_deref());
        let full = self.sample();
        let mut sparse = full.clone();
        variables::sparse(&mut sparse);
        let mut problems = Vec::new();
        match self.render(&Data::new(full), &context) {
            Ok(rendered) => problems.extend(self.check_size(&rendered)),
            Err(error) => problems.push(Problem {
                line: self.sample_line,
                message: format!("The sample cannot be rendered: {error}."),
            }),
        }
        if problems.is_empty()
            && let Err(error) = self.render(&Data::new(sparse), &context)
        {
            problems.push(Problem::of_file(format!(
                "For a lead who left everything empty this cannot be rendered: {error}."
            )));
        }
        problems
    }

    fn check_size(&self, rendered: &Rendered) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut tell = |message: String| problems.push(Problem::of_file(message));
        if rendered.text.trim().is_empty() {
            tell("With the sample nothing is said. Write a text.".to_owned());
        }
        if rendered.subject.as_deref().is_some_and(str::is_empty) {
            tell("With the sample the subject is empty.".to_owned());
        }
        if self.channel == ChannelKind::Sms {
            let count = segments::segments(&rendered.text);
            if let Some(most) = self.max_segments.filter(|most| count.count > *most) {
                let why = match count.encoding {
                    segments::Encoding::Gsm7 => "",
                    segments::Encoding::Ucs2 => {
                        " A character outside the GSM alphabet, such as an emoji, makes segments less than half as long."
                    }
                };
                tell(format!(
                    "With the sample the text takes {} segments; max_segments allows {most}.{why}",
                    count.count
                ));
            }
            if rendered.text.chars().count() > SMS_CHARS {
                tell(format!(
                    "With the sample the text has more than {SMS_CHARS} characters, which no provider takes."
                ));
            }
        }
        if rendered
            .html
            .as_ref()
            .is_some_and(|html| html.len() > HTML_BYTES)
        {
            tell("With the sample the HTML has more than 100 KB; mail programs cut it off. Shorten it.".to_owned());
        }
        problems
    }

    /// Fills the template in. The data was made presentable when [`Data`] was built; HTML is escaped here.
    pub fn render(&self, data: &Data, context: &RenderContext) -> Result<Rendered, RenderError> {
        let root = engine::root(data, context);
        let [subject_bytes, text_bytes, html_bytes] = self.bytes;
        match self.channel {
            ChannelKind::Sms => {
                let text = self.part("text", &root, data, text_bytes)?;
                let text = tidy(&text);
                let text = match segments::economical(&text) {
                    std::borrow::Cow::Borrowed(_) => text,
                    std::borrow::Cow::Owned(cheaper) => cheaper,
                };
                Ok(Rendered {
                    subject: None,
                    text,
                    html: None,
                })
            }
            ChannelKind::Email => {
                let subject = self.part("subject", &root, data, subject_bytes)?;
                Ok(Rendered {
                    subject: Some(clean_header(&subject).into_owned()),
                    text: tidy(&self.part("text", &root, data, text_bytes)?),
                    html: Some(self.part("html", &root, data, html_bytes)?),
                })
            }
            ChannelKind::Webhook => {
                let text = self.part("json", &root, data, text_bytes)?;
                serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| {
                    RenderError::Json {
                        template: self.name.clone(),
                        why: error.to_string(),
                    }
                })?;
                Ok(Rendered {
                    subject: None,
                    text,
                    html: None,
                })
            }
        }
    }

    fn part(
        &self,
        part: &str,
        root: &Value,
        data: &Data,
        bytes: usize,
    ) -> Result<String, RenderError> {
        engine::render(&self.env, part, root.clone(), bytes)
            .map_err(|error| self.explain(&error, data))
    }

    fn explain(&self, error: &minijinja::Error, data: &Data) -> RenderError {
        let template = self.name.clone();
        match error.kind() {
            ErrorKind::UndefinedError => RenderError::Empty {
                template,
                variable: self
                    .uses
                    .iter()
                    .find(|used| used.bare && !data.has(&used.path))
                    .or_else(|| self.uses.iter().find(|used| !data.has(&used.path)))
                    .map_or_else(|| "a value".to_owned(), |used| used.path.clone()),
            },
            ErrorKind::OutOfFuel => RenderError::TooMuch {
                template,
                why: "its loops take too many steps",
            },
            ErrorKind::WriteFailure => RenderError::TooMuch {
                template,
                why: "the result has more than 512 KiB",
            },
            _ => RenderError::Value {
                template,
                why: error
                    .detail()
                    .map_or_else(|| error.kind().to_string(), str::to_owned),
            },
        }
    }
}

/// Without blanks at the ends of lines, without empty lines at the ends, with at most one empty line between others.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            empty += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if empty > 0 { "\n\n" } else { "\n" });
        }
        empty = 0;
        out.push_str(line);
    }
    out
}

fn merge(under: &mut serde_json::Value, over: &serde_json::Value) {
    match (under, over) {
        (serde_json::Value::Object(under), serde_json::Value::Object(over)) => {
            for (name, value) in over {
                match under.get_mut(name) {
                    Some(known) => merge(known, value),
                    None => {
                        under.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (_, serde_json::Value::Null) => {}
        (under, over) => *under = over.clone(),
    }
}

/// What the engine still finds after our own reading: nothing an author should meet.
fn of_engine(error: &minijinja::Error) -> Problem {
    Problem::of_file(format!(
        "The template cannot be read: {}.",
        error.detail().unwrap_or("unknown syntax")
    ))
}
