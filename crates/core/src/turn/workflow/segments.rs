//! Segments: a condition that becomes true for a lead starts a workflow, once, until it was left (W1, S8).

use super::super::react::{Happening, facts};
use super::super::{Fault, Tenant, Turn};
use crate::ids::LeadId;
use crate::leads::Inside;
use crate::workflows::{Segment, Trigger};
use serde_json::json;
use std::sync::Arc;

/// What a look at a segment found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing changed.
    Same,
    /// It is in now, and was not before.
    Enters,
    /// It is out, or begins to be.
    Leaves,
    /// It is in again before it was out for good.
    Stays,
}

impl Turn<'_> {
    /// Looks at every segment of the tenant for a lead that changed, and starts what is entered. What that changes is looked at again.
    pub(in super::super) fn segments(
        &mut self,
        tenant: &Arc<Tenant>,
        lead: LeadId,
    ) -> Result<(), Fault> {
        let config = Arc::clone(&tenant.config);
        if !config.has_segments() {
            return Ok(());
        }
        loop {
            let mut entered = false;
            for workflow in config.workflows.values() {
                let Trigger::Segment(segment) = &workflow.trigger else {
                    continue;
                };
                let product = workflow.product.as_deref();
                match self.look(tenant, lead, &workflow.name, product, segment) {
                    Look::Same => {}
                    Look::Leaves => self.note_left(lead, &workflow.name),
                    Look::Stays => self.note_inside(lead, &workflow.name),
                    Look::Enters => {
                        self.burn()?;
                        self.note_inside(lead, &workflow.name);
                        entered = true;
                        let properties = json!({"segment": workflow.name});
                        let event = self.note(
                            tenant.id,
                            lead,
                            "segment.entered",
                            "workflow",
                            None,
                            properties.clone(),
                        );
                        let happening = Happening::new(
                            event,
                            "segment.entered",
                            "workflow",
                            self.now,
                            &properties,
                        );
                        if self.may_start(tenant, lead, &happening, workflow) {
                            self.start(tenant, lead, &happening, workflow)?;
                        }
                    }
                }
            }
            if !entered {
                return Ok(());
            }
        }
    }

    fn look(
        &self,
        tenant: &Tenant,
        lead: LeadId,
        name: &str,
        product: Option<&str>,
        segment: &Segment,
    ) -> Look {
        let Some(state) = self.world.lead(lead) else {
            return Look::Same;
        };
        let in_product = product.is_none_or(|product| {
            let mut placements = state.lead.products.iter();
            placements.any(|placement| placement.product == product)
        });
        let holds = in_product
            && segment
                .when
                .holds(&facts(tenant, state, None, self.now, None, product));
        let known = state.lead.inside.iter().find(|one| one.segment == name);
        match (known, holds) {
            (None, false) => Look::Same,
            (None, true) => Look::Enters,
            (Some(Inside { left_at: None, .. }), true) => Look::Same,
            (Some(Inside { left_at: None, .. }), false) => Look::Leaves,
            (
                Some(Inside {
                    left_at: Some(_), ..
                }),
                false,
            ) => Look::Same,
            (
                Some(Inside {
                    left_at: Some(left),
                    ..
                }),
                true,
            ) => {
                let rest = segment
                    .leaves_after
                    .and_then(|length| i64::try_from(length.as_micros()).ok())
                    .unwrap_or(0);
                if self.now.as_microsecond() - left >= rest {
                    Look::Enters
                } else {
                    Look::Stays
                }
            }
        }
    }

    fn note_inside(&mut self, lead: LeadId, name: &str) {
        if let Some(state) = self.world.lead_mut(lead) {
            state.lead.inside.retain(|one| one.segment != name);
            state.lead.inside.push(Inside {
                segment: name.to_owned(),
                left_at: None,
            });
        }
    }

    fn note_left(&mut self, lead: LeadId, name: &str) {
        let now = self.now.as_microsecond();
        if let Some(state) = self.world.lead_mut(lead)
            && let Some(one) = state.lead.inside.iter_mut().find(|one| one.segment == name)
        {
            one.left_at = Some(now);
        }
    }
}
