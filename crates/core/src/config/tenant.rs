//! A tenant's configuration, checked: what turns, pages and forms ask for.

use super::{Form, Problem, Product, Settings, Staff, StaffMember};
use crate::conditions::Facts;
use crate::messages::ChannelKind;
use crate::scoring::ScoreModel;
use crate::templates::{Template, Templates};
use crate::workflows::{Action, Recipient, Trigger, Workflow};
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

/// A thing read from a document, with the version and path of that document.
#[derive(Debug, Clone)]
pub struct Versioned<T> {
    /// The document's version.
    pub version: i64,
    /// The document's path.
    pub path: String,
    /// What was read.
    pub item: T,
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

/// Everything of a tenant, read and checked.
#[derive(Debug, Clone)]
pub struct TenantConfig {
    /// `tenant.yaml`.
    pub settings: Settings,
    /// `products/*.yaml` by name.
    pub products: BTreeMap<String, Versioned<Product>>,
    /// `scores/*.yaml` by name.
    pub models: BTreeMap<String, Arc<Versioned<ScoreModel>>>,
    /// `workflows/*.yaml` by name.
    pub workflows: BTreeMap<String, Versioned<Workflow>>,
    /// `templates/**`, the newest version of each.
    pub templates: Templates,
    /// `staff.yaml`.
    pub staff: Staff,
    /// `forms/*.yaml` by name.
    pub forms: BTreeMap<String, Versioned<Form>>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
    pub(super) default_product: String,
    pub(super) facets: Facets,
    /// The models that score leads of a product.
    pub(super) models_of: BTreeMap<String, Vec<Arc<Versioned<ScoreModel>>>>,
    /// Earlier versions of workflows and templates, which running runs and planned messages still use.
    pub(super) earlier: Earlier,
}

/// Earlier versions by name (and channel), for runs and messages that began with them (W4).
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    workflows: HashMap<(String, i64), Arc<Versioned<Workflow>>>,
    templates: HashMap<(String, i64, ChannelKind), Arc<Template>>,
}

/// What turns ask about all workflows at once, found out when the configuration is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Facets {
    segments: bool,
    sweeps: bool,
    digests: bool,
    assigns: Vec<Recipient>,
}

impl Facets {
    pub(super) fn of<'a>(workflows: impl Iterator<Item = &'a Workflow>) -> Self {
        let mut facets = Self::default();
        for workflow in workflows {
            if let Trigger::Segment(segment) = &workflow.trigger {
                facets.segments = true;
                facets.sweeps |= segment.when.looks_at_the_clock();
            }
            for step in workflow.walk() {
                match &step.action {
                    Action::Digest(digest) => {
                        facets.digests |= digest.send.to != Recipient::Lead;
                    }
                    Action::Assign(assign) if !facets.assigns.contains(&assign.among) => {
                        facets.assigns.push(assign.among.clone());
                    }
                    _ => {}
                }
            }
        }
        facets
    }
}

impl TenantConfig {
    /// A product by name.
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.get(name).map(|product| &product.item)
    }

    /// The product of leads that nothing assigns elsewhere. A checked configuration has one.
    pub fn default_product(&self) -> Option<&str> {
        self.products
            .contains_key(&self.default_product)
            .then_some(self.default_product.as_str())
    }

    /// The product a lead belongs to by the routing list: the first that matches, else the default (L9).
    pub fn product_for(&self, facts: &Facts<'_>) -> &str {
        self.settings
            .routing
            .iter()
            .find(|route| route.when.as_ref().is_none_or(|when| when.holds(facts)))
            .map_or(&self.default_product, |route| &route.product)
    }

    /// The stage a lead of a product begins in.
    pub fn first_stage(&self, product: &str) -> Option<&str> {
        self.product(product).map(Product::first_stage)
    }

    /// Whether a lead may come into a stage; from none it may come into any. The error is a sentence (L9).
    pub fn may_move(&self, product: &str, from: Option<&str>, to: &str) -> Result<(), String> {
        let Some(product) = self.product(product) else {
            return Err(format!("There is no product `{product}`."));
        };
        match from {
            Some(from) => product.may_move(from, to),
            None => product.may_enter(to),
        }
    }

    /// The score model that speaks for a product.
    pub fn model_of(&self, product: &str) -> Option<&Arc<Versioned<ScoreModel>>> {
        self.models
            .get(self.product(product)?.score_model.as_deref()?)
    }

    /// The name of the model whose points and tier are shown for a lead: that of its product, else of the default product.
    pub fn shown_model(&self, product: Option<&str>) -> Option<&str> {
        let product = product.unwrap_or(&self.default_product);
        self.model_of(product).map(|model| model.name.as_str())
    }

    /// The models that score events of a lead in `product`: its own, and those that belong to no product (W6).
    pub fn models_of(&self, product: &str) -> &[Arc<Versioned<ScoreModel>>] {
        self.models_of.get(product).map_or(&[], Vec::as_slice)
    }

    /// Whether anything goes on by the clock alone: schedules, or segments that look at it.
    pub fn has_jobs(&self) -> bool {
        let mut workflows = self.workflows.values();
        self.facets.sweeps || workflows.any(|one| matches!(one.trigger, Trigger::Schedule(_)))
    }

    /// Whether any workflow waits for a condition to become true.
    pub const fn has_segments(&self) -> bool {
        self.facets.segments
    }

    /// Whether time alone can make such a condition true.
    pub const fn sweeps(&self) -> bool {
        self.facets.sweeps
    }

    /// Whether staff hear digests that several leads share.
    pub const fn has_digests(&self) -> bool {
        self.facets.digests
    }

    /// Among whom workflows choose the person that has a lead.
    pub fn assigns(&self) -> &[Recipient] {
        &self.facets.assigns
    }

    /// A workflow in exactly that version: a run goes on with the version it began with (W4).
    pub fn workflow_version(&self, name: &str, version: i64) -> Option<&Versioned<Workflow>> {
        self.workflows
            .get(name)
            .filter(|workflow| workflow.version == version)
            .or_else(|| {
                let key = (name.to_owned(), version);
                self.earlier.workflows.get(&key).map(Arc::as_ref)
            })
    }

    /// A template for a channel, in the wanted language when there is one.
    pub fn template(
        &self,
        name: &str,
        channel: ChannelKind,
        locale: Option<&str>,
    ) -> Option<&Arc<Template>> {
        self.templates.lookup(name, channel, locale)
    }

    /// A template in exactly that version: the proof of a message never needs today's words (M10).
    pub fn template_version(
        &self,
        name: &str,
        channel: ChannelKind,
        version: i64,
    ) -> Option<&Arc<Template>> {
        self.templates
            .iter()
            .find(|one| one.name == name && one.channel == channel && one.version == version)
            .or_else(|| {
                let key = (name.to_owned(), version, channel);
                self.earlier.templates.get(&key)
            })
    }

    /// Takes in earlier versions of workflows and templates by their path. They were checked when they were published, against what
    /// was there then; one that cannot be read any more is told and left out.
    pub fn remember<'a>(
        &mut self,
        documents: impl IntoIterator<Item = (&'a str, &'a super::Document)>,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (path, document) in documents {
            if let Err(told) = self.earlier.add(path, document) {
                problems.extend(told);
            }
        }
        problems
    }

    /// The members of staff that a recipient stands for.
    pub fn staff_of(&self, recipient: &Recipient) -> Vec<&StaffMember> {
        self.staff.of(recipient)
    }

    /// A form by name.
    pub fn form(&self, name: &str) -> Option<&Versioned<Form>> {
        self.forms.get(name)
    }

    /// The postal address that mails carry; empty when none is set.
    pub fn postal_address(&self) -> &str {
        self.settings.postal_address.as_deref().unwrap_or_default()
    }
}

impl Earlier {
    fn add(&mut self, path: &str, document: &super::Document) -> Result<(), Vec<Problem>> {
        if path.starts_with("workflows/") {
            let node = super::Node::read(path, &document.text).map_err(|problem| vec![problem])?;
            let item: Workflow = super::reader::read(path, &node)?;
            self.workflows.insert(
                (item.name.clone(), document.version),
                Arc::new(Versioned {
                    version: document.version,
                    path: path.to_owned(),
                    item,
                }),
            );
        } else if path.starts_with("templates/") {
            let template = Template::parse(path, &document.text)
                .map_err(|told| Problem::of_template(path, told))?
                .with_version(document.version);
            let key = (template.name.clone(), document.version, template.channel);
            self.templates.insert(key, Arc::new(template));
        }
        Ok(())
    }
}
