//! A workflow for a share of the leads first, the same leads every time, taken back by itself when too much of it fails (M12).

use super::limits::{Counted, CounterKey};
use super::{KillSwitch, Tenant, Turn};
use crate::ids::LeadId;
use crate::messages::Message;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// So many messages must have come to an end before a share of failures says anything.
const ENOUGH: i64 = 20;

/// A workflow that only a share of the leads goes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Which workflow.
    pub workflow: String,
    /// For so many of a hundred leads; 0 is for none.
    pub percent: u8,
    /// Taken back to 0 when more than so many of a hundred of its messages fail.
    #[serde(default = "usual_bound")]
    pub back_above: u8,
    /// Since when, microseconds UTC; what happened before does not count.
    #[serde(default)]
    pub since: i64,
}

const fn usual_bound() -> u8 {
    10
}

impl Share {
    /// Whether a lead is among those that go through. Always the same answer for the same lead and share.
    pub fn has(&self, lead: LeadId) -> bool {
        place(lead, &self.workflow) < self.percent
    }
}

/// Where a lead stands for a workflow, 0 to 99: whoever was in a tenth of the leads is in the half of them too.
fn place(lead: LeadId, workflow: &str) -> u8 {
    let mut hash = Sha256::new();
    hash.update(lead.raw().to_be_bytes());
    hash.update(workflow);
    let digest = hash.finalize();
    // Two bytes make no place more likely than another by more than 1 in 650.
    (u16::from_be_bytes([digest[0], digest[1]]) % 100) as u8
}

/// Names a workflow in a counter.
fn short(workflow: &str) -> u64 {
    let digest = Sha256::digest(workflow);
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

impl Tenant {
    /// The share of a workflow, when it is not for everybody.
    pub fn share_of(&self, workflow: &str) -> Option<&Share> {
        self.kill.iter().find_map(|switch| match switch {
            KillSwitch::Share(share) if share.workflow == workflow => Some(share),
            _ => None,
        })
    }
}

fn counters(tenant: &Tenant, share: &Share) -> [CounterKey; 2] {
    let workflow = short(&share.workflow);
    [false, true].map(|failed| CounterKey {
        tenant: tenant.id,
        what: Counted::Watched(workflow, failed),
        slot: share.since,
    })
}

/// The counters of workflows that are watched, for the store to load.
pub(super) fn counters_of(tenant: &Tenant) -> Vec<CounterKey> {
    let shares = tenant.kill.iter().filter_map(|switch| match switch {
        KillSwitch::Share(share) => Some(share),
        KillSwitch::All | KillSwitch::Channel(_) | KillSwitch::Workflow(_) => None,
    });
    shares.flat_map(|share| counters(tenant, share)).collect()
}

impl Turn<'_> {
    /// A message of a workflow came to its end: while the workflow is for a share only, what fails is counted, and too much of it takes
    /// it back.
    pub(super) fn watch(&mut self, tenant: &Tenant, message: &Message, failed: bool) {
        if tenant.kill.is_empty() {
            return;
        }
        let workflow = message
            .step
            .as_deref()
            .and_then(|step| step.split('@').next());
        let Some(share) = workflow.and_then(|name| tenant.share_of(name)) else {
            return;
        };
        if share.percent == 0 {
            return;
        }
        let [fine, bad] = counters(tenant, share);
        self.world.count(if failed { bad } else { fine }, 1);
        let (fine, bad) = (self.world.counter(&fine), self.world.counter(&bad));
        let all = fine + bad;
        let already = self.world.out.switched.iter().any(|(id, switch)| {
            *id == tenant.id
                && matches!(switch, KillSwitch::Share(one) if one.workflow == share.workflow)
        });
        if !failed || all < ENOUGH || bad * 100 <= i64::from(share.back_above) * all || already {
            return;
        }
        let back = Share {
            percent: 0,
            ..share.clone()
        };
        let text = format!(
            "Workflow {} was taken back: {bad} of its last {all} messages failed, and the bound is {} %. No lead begins it until somebody lets it go again.",
            share.workflow, share.back_above
        );
        self.raise(
            tenant,
            "error",
            text.clone(),
            json!({"component": "rollout", "workflow": share.workflow}),
        );
        let details = json!({"workflow": share.workflow, "percent": 0, "failed": bad, "of": all});
        self.audit(tenant, "ringback", "workflow.taken_back", details);
        self.world
            .out
            .switched
            .push((tenant.id, KillSwitch::Share(back)));
        let subject = format!("{} was taken back", share.workflow);
        self.alert_admins(tenant, Some(message.channel), &subject, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M12: stable for each lead, about as many as was asked for, and a larger share holds the smaller one.
    #[test]
    fn a_share_is_stable_and_grows() {
        let share = |percent| Share {
            workflow: "follow-up".into(),
            percent,
            back_above: 10,
            since: 0,
        };
        let (tenth, half) = (share(10), share(50));
        let leads: Vec<LeadId> = (1..=10_000).map(|n| LeadId::from_raw(n * 7_919)).collect();
        let n = |share: &Share| leads.iter().filter(|lead| share.has(**lead)).count();
        assert!((850..1_150).contains(&n(&tenth)), "{}", n(&tenth));
        assert!((4_700..5_300).contains(&n(&half)), "{}", n(&half));
        assert!(
            leads
                .iter()
                .all(|lead| !tenth.has(*lead) || half.has(*lead))
        );
        assert_eq!((n(&share(0)), n(&share(100))), (0, 10_000));
        let other = Share {
            workflow: "other".into(),
            ..share(10)
        };
        assert!(
            leads
                .iter()
                .any(|lead| tenth.has(*lead) != other.has(*lead))
        );
    }
}
