//! Documents as they were read, before they are checked against each other. What could not be read is still known by name, so
//! that one mistake is told once and not again by everybody who refers to it.

use super::check::Findings;
use super::problem::did_you_mean;
use super::tenant::{Earlier, Facets};
use super::{Document, Form, Node, Problem, Product, Settings, Staff, TenantConfig};
use super::{Versioned, is_name, reader};
use crate::messages::ChannelKind;
use crate::scoring::ScoreModel;
use crate::templates::{Template, Templates};
use crate::workflows::Workflow;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A document and, when it could be read, what it says.
pub(super) struct Read<T> {
    pub path: String,
    pub version: i64,
    pub node: Node,
    pub value: Option<T>,
}

impl<T> Read<T> {
    pub fn line(&self, path: &str) -> u32 {
        self.node.line_near(path)
    }
}

/// By the name that the file has.
pub(super) type Named<T> = BTreeMap<String, Read<T>>;

pub(super) struct Draft {
    pub settings: Option<Read<Settings>>,
    pub staff: Option<Read<Staff>>,
    pub products: Named<Product>,
    pub models: Named<ScoreModel>,
    pub workflows: Named<Workflow>,
    pub forms: Named<Form>,
    /// With their paths.
    pub templates: Vec<(String, Template)>,
    /// Name and channel of every template's file, also of those that could not be read.
    pub template_files: Vec<(String, ChannelKind)>,
}

/// Anything that says its own name.
trait HasName {
    fn name(&self) -> &str;
}

macro_rules! has_name {
    ($($kind:ty),*) => {$(
        impl HasName for $kind {
            fn name(&self) -> &str {
                &self.name
            }
        }
    )*};
}
has_name!(Product, ScoreModel, Workflow, Form);

impl Draft {
    pub fn read(files: &BTreeMap<String, Document>, findings: &mut Findings) -> Self {
        let mut draft = Self {
            settings: None,
            staff: None,
            products: Named::new(),
            models: Named::new(),
            workflows: Named::new(),
            forms: Named::new(),
            templates: Vec::new(),
            template_files: Vec::new(),
        };
        if let Some(document) = files.get("tenant.yaml") {
            draft.settings = one("tenant.yaml", document, findings, |path, node| {
                reader::read::<Settings>(path, node)
            });
        } else {
            findings.problem(Problem::of_file(
                "tenant.yaml",
                "There is no tenant.yaml: it names the business, its region and its time zone.",
            ));
        }
        let region = draft
            .settings
            .as_ref()
            .and_then(|read| read.value.as_ref())
            .map(|settings| settings.region);
        for (path, document) in files {
            let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
            match (folder.split('/').next().unwrap_or_default(), file) {
                ("", "tenant.yaml" | "README.md") => {}
                ("", "staff.yaml") => {
                    draft.staff = one(path, document, findings, |path, node| {
                        Staff::read(path, node, region)
                    });
                }
                ("products", _) => many(path, document, &mut draft.products, findings),
                ("scores", _) => many(path, document, &mut draft.models, findings),
                ("workflows", _) => many(path, document, &mut draft.workflows, findings),
                ("forms", _) => many(path, document, &mut draft.forms, findings),
                ("templates", _) => draft.template(path, file, document, findings),
                ("events", _) => events(path, document, findings),
                ("site", _) => {}
                (top, _) => {
                    let known = [
                        "tenant.yaml",
                        "staff.yaml",
                        "products",
                        "scores",
                        "workflows",
                        "forms",
                        "templates",
                        "events",
                    ];
                    let word = if top.is_empty() { file } else { top };
                    findings.problem(
                        Problem::of_file(path, "Nothing reads this file.")
                            .mend(did_you_mean(word, known)),
                    );
                }
            }
        }
        draft
    }

    fn template(&mut self, path: &str, file: &str, document: &Document, findings: &mut Findings) {
        let mut parts = file.split('.');
        if let (Some(name), Some(channel)) = (parts.next(), parts.next())
            && let Some(channel) = ChannelKind::from_name(channel)
        {
            self.template_files.push((name.to_owned(), channel));
        }
        match Template::parse(path, &document.text) {
            Ok(template) => self
                .templates
                .push((path.to_owned(), template.with_version(document.version))),
            Err(told) => findings.template(path, told),
        }
    }

    /// The name of the product of leads that nothing assigns elsewhere, when it can be told.
    pub fn default_product(&self) -> Option<&str> {
        let named = self
            .settings
            .as_ref()
            .and_then(|read| read.value.as_ref())
            .and_then(|settings| settings.product.as_deref());
        match named {
            Some(name) => Some(name),
            None if self.products.len() == 1 => self.products.keys().next().map(String::as_str),
            None => None,
        }
    }

    /// The configuration, when everything could be read.
    pub fn finish(self, warnings: Vec<Problem>) -> Option<TenantConfig> {
        let default_product = self.default_product()?.to_owned();
        let workflows = settle(self.workflows)?;
        let mut templates = Templates::new();
        for (_, template) in self.templates {
            templates.insert(template).ok()?;
        }
        let products = settle(self.products)?;
        let models: BTreeMap<_, _> = settle(self.models)?
            .into_iter()
            .map(|(name, model)| (name, Arc::new(model)))
            .collect();
        let models_of = products
            .keys()
            .map(|product| {
                let own = models
                    .values()
                    .filter(|model| model.product.as_deref().is_none_or(|of| of == product));
                (product.clone(), own.cloned().collect())
            })
            .collect();
        Some(TenantConfig {
            settings: self.settings?.value?,
            products,
            models,
            models_of,
            earlier: Earlier::default(),
            facets: Facets::of(workflows.values().map(|workflow| &workflow.item)),
            workflows,
            templates,
            staff: match self.staff {
                Some(read) => read.value?,
                None => Staff::default(),
            },
            forms: settle(self.forms)?,
            warnings,
            default_product,
        })
    }
}

fn settle<T>(named: Named<T>) -> Option<BTreeMap<String, Versioned<T>>> {
    named
        .into_iter()
        .map(|(name, read)| {
            let value = Versioned {
                version: read.version,
                path: read.path,
                item: read.value?,
            };
            Some((name, value))
        })
        .collect()
}

fn one<T>(
    path: &str,
    document: &Document,
    findings: &mut Findings,
    read: impl FnOnce(&str, &Node) -> Result<T, Vec<Problem>>,
) -> Option<Read<T>> {
    let node = match Node::read(path, &document.text) {
        Ok(node) => node,
        Err(problem) => {
            findings.problem(problem);
            return None;
        }
    };
    let value = match read(path, &node) {
        Ok(value) => Some(value),
        Err(problems) => {
            problems
                .into_iter()
                .for_each(|problem| findings.problem(problem));
            None
        }
    };
    Some(Read {
        path: path.to_owned(),
        version: document.version,
        node,
        value,
    })
}

fn many<T: DeserializeOwned + HasName>(
    path: &str,
    document: &Document,
    into: &mut Named<T>,
    findings: &mut Findings,
) {
    let Some((folder, name)) = path
        .strip_suffix(".yaml")
        .and_then(|stem| stem.rsplit_once('/'))
        .filter(|(folder, _)| !folder.contains('/'))
    else {
        findings.problem(
            Problem::of_file(path, "Nothing reads this file.")
                .mend("Documents lie directly in their folder and end in .yaml.".to_owned()),
        );
        return;
    };
    if !is_name(name) {
        findings.problem(Problem::of_file(
            path,
            format!("`{name}` is no name: small letters, digits, - and _ are, at most 64 of them."),
        ));
    }
    let read = one(path, document, findings, |path, node| {
        reader::read::<T>(path, node)
    });
    let read = read.unwrap_or_else(|| Read {
        path: path.to_owned(),
        version: document.version,
        node: Node::nothing(),
        value: None,
    });
    if let Some(value) = &read.value
        && value.name() != name
    {
        findings.problem(
            Problem::at(
                path,
                read.line("name"),
                format!(
                    "The name is `{}`, but the file is called `{name}`.",
                    value.name()
                ),
            )
            .mend(format!(
                "Write `name: {name}` or call the file {folder}/{}.yaml.",
                value.name()
            )),
        );
    }
    into.insert(name.to_owned(), read);
}

/// A sample day: one JSON object a line with when, where and what.
fn events(path: &str, document: &Document, findings: &mut Findings) {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        at_offset_s: f64,
        path: String,
        #[serde(default)]
        #[expect(
            dead_code,
            reason = "any JSON is a body; it is checked where it is posted"
        )]
        body: serde_json::Value,
    }
    if !path.ends_with(".jsonl") {
        findings.problem(
            Problem::of_file(path, "Nothing reads this file.")
                .mend("Sample days end in .jsonl.".to_owned()),
        );
        return;
    }
    let lines = document
        .text
        .lines()
        .zip(1..)
        .filter(|(text, _)| !text.trim().is_empty());
    let mut before = 0.0;
    for (text, line) in lines {
        match serde_json::from_str::<Sample>(text) {
            Err(why) => {
                findings.problem(Problem::at(path, line, format!("This is no event: {why}.")).mend(
                    "A line is {\"at_offset_s\": seconds, \"path\": \"/v1/track\", \"body\": {…}}.".to_owned(),
                ));
            }
            Ok(sample) if !sample.path.starts_with('/') => {
                findings.problem(Problem::at(path, line, "`path` begins with /."));
            }
            Ok(sample) if sample.at_offset_s < before => {
                findings.problem(Problem::at(
                    path,
                    line,
                    "This event lies before the one above it.",
                ));
            }
            Ok(sample) => before = sample.at_offset_s,
        }
    }
}
