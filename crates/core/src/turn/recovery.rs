//! After a restore (reliability 4.6): what the journals remember is done again, what may have gone out since the backup is doubted, and
//! nothing goes to customers until a person lets it go.
//!
//! Every step is an order like any other, so that the same rules decide and everything leaves its trace. Doing one twice changes nothing.

use super::world::{Cancel, Point, PointKey, Purpose, Suppression};
use super::{Answer, ConsentTold, Tenant, Turn};
use crate::consent::Basis;
use crate::ids::{LeadId, MessageId, RunId, TenantId};
use crate::messages::{Category, ChannelKind, Doubt, Message, Reason, Status};
use crate::time::{Timestamp, from_micros, micros};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// The code of a message that waits because the database was restored.
pub const HELD: &str = "recovery_hold";
/// The code of a message that may have gone out between the backup and the restore.
pub const RESTORED: &str = "restored";
/// Held messages are due when everything is long over: only a person ends the hold.
const FAR: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 3_650);

/// Since when a tenant's messages to customers are held after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// When it was restored.
    pub since: Timestamp,
    /// Every id that is lower was given before the restore.
    pub floor: i64,
}

impl Hold {
    /// When held messages are due. The same instant for all of them: they are found by it.
    pub fn until(&self) -> Timestamp {
        self.since + FAR
    }

    /// True when a message has to wait. Alerts to staff and hooks go when what they tell happened after the restore.
    pub fn holds(&self, message: &Message) -> bool {
        let ours = message.category == Category::Staff || message.plan.hook.is_some();
        let new = message.id.raw() > self.floor && message.plan.doubt.is_none();
        !(message.plan.let_go || (ours && new))
    }
}

/// Where a contact point stands on the suppression list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The entry in front: why, since when, how we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front: Option<(Suppression, Timestamp, String)>,
    /// What the person asked for, whatever stands in front of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<Suppression>,
}

impl Standing {
    /// Where a contact point stands.
    pub fn of(point: &Point) -> Self {
        let front = point.suppressed.map(|reason| {
            let since = point.suppressed_at.unwrap_or(point.added_at);
            (
                reason,
                since,
                point.suppressed_how.clone().unwrap_or_default(),
            )
        });
        Self {
            front,
            wishes: point.consent.wishes(),
        }
    }

    /// Puts a contact point there.
    pub fn put(&self, point: &mut Point) {
        point.consent.set_wishes(&self.wishes);
        point.suppressed = self.front.as_ref().map(|(reason, ..)| *reason);
        point.suppressed_at = self.front.as_ref().map(|(_, since, _)| *since);
        point.suppressed_how = self.front.as_ref().map(|(.., how)| how.clone());
    }

    /// How much it holds back: nothing, offers, or all.
    fn weight(&self) -> u8 {
        match &self.front {
            None => 0,
            Some((reason, ..)) if reason.offers_only() => 1,
            Some(_) => 2,
        }
    }

    /// True unless it holds back less than before: what was taken away outweighs what came.
    pub fn holds_more_than(&self, before: &Self) -> bool {
        let lost = before.wishes.iter().any(|wish| !self.wishes.contains(wish));
        self.weight() >= before.weight() && !lost
    }
}

/// What must be remembered outside of the database, so that a restored one does not forget it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalEntry {
    /// A contact point stands elsewhere on the suppression list: what it says from now on.
    Stands {
        /// Which.
        key: PointKey,
        /// Where.
        standing: Standing,
        /// True when it holds back more than before, or as much for another reason.
        holds_back: bool,
        /// When.
        at: Timestamp,
    },
    /// A consent was taken back.
    Revoked {
        /// Whose.
        key: PointKey,
        /// The channel.
        channel: ChannelKind,
        /// What for.
        purpose: Purpose,
        /// When.
        at: Timestamp,
    },
    /// A consent that had been taken back was given again.
    Granted {
        /// Whose.
        key: PointKey,
        /// The channel.
        channel: ChannelKind,
        /// What for.
        purpose: Purpose,
        /// When.
        at: Timestamp,
    },
    /// A lead was deleted. The journal keeps marks of its contact points, made with a key; never the points themselves.
    Erased {
        /// Whose.
        tenant: TenantId,
        /// The lead.
        lead: LeadId,
        /// Whoever has one of the contact points and a lower id is the same person, not merged yet.
        before: i64,
        /// Its contact points, until they are written down as marks.
        #[serde(skip)]
        points: Vec<PointKey>,
        /// Their marks.
        marks: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// What the consents of a number or address said was erased at the person's request.
    Forgotten {
        /// Whose.
        tenant: TenantId,
        /// Consents with a lower id.
        before: i64,
        /// Marks of the number or address.
        marks: Vec<String>,
        /// When.
        at: Timestamp,
    },
}

impl JournalEntry {
    /// True for what holds something back. It is in the journal before the commit: one too many harms nobody, one too few does.
    pub const fn holds_back(&self) -> bool {
        match self {
            Self::Stands { holds_back, .. } => *holds_back,
            Self::Revoked { .. } | Self::Erased { .. } | Self::Forgotten { .. } => true,
            Self::Granted { .. } => false,
        }
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Stands { at, .. }
            | Self::Revoked { at, .. }
            | Self::Granted { at, .. }
            | Self::Erased { at, .. }
            | Self::Forgotten { at, .. } => *at,
        }
    }

    /// Whose it is.
    pub const fn tenant(&self) -> TenantId {
        match self {
            Self::Stands { key, .. } | Self::Revoked { key, .. } | Self::Granted { key, .. } => {
                key.tenant
            }
            Self::Erased { tenant, .. } | Self::Forgotten { tenant, .. } => *tenant,
        }
    }

    /// What it is about: later entries about the same overturn it.
    fn about(&self) -> Option<(&PointKey, Option<(ChannelKind, Purpose)>)> {
        match self {
            Self::Stands { key, .. } => Some((key, None)),
            Self::Revoked {
                key,
                channel,
                purpose,
                ..
            }
            | Self::Granted {
                key,
                channel,
                purpose,
                ..
            } => Some((key, Some((*channel, *purpose)))),
            Self::Erased { .. } | Self::Forgotten { .. } => None,
        }
    }

    /// What of a turn's entries is written before its commit, and what after it. What gives something back is left out when the same turn
    /// held it back again: written last, it would have the last word.
    pub fn around_commit(all: &[Self]) -> (Vec<Self>, Vec<Self>) {
        let before = all.iter().filter(|one| one.holds_back()).cloned().collect();
        let stands = |(at, one): &(usize, &Self)| {
            let later = &all[at + 1..];
            !one.holds_back()
                && !later
                    .iter()
                    .any(|other| other.holds_back() && other.about() == one.about())
        };
        let after = all.iter().enumerate().filter(stands);
        (before, after.map(|(_, one)| one.clone()).collect())
    }

    /// What remains to be done of a whole journal, in its order: of each contact point and consent only the last word.
    pub fn fold(all: Vec<Self>) -> Vec<Self> {
        type About = (PointKey, Option<(ChannelKind, Purpose)>);
        let owned =
            |one: &Self| -> Option<About> { one.about().map(|(key, what)| (key.clone(), what)) };
        let mut last: HashMap<About, usize> = HashMap::new();
        for (at, one) in all.iter().enumerate() {
            if let Some(about) = owned(one) {
                last.insert(about, at);
            }
        }
        let stands = |(at, one): (usize, Self)| {
            let final_word =
                owned(&one).is_none_or(|about| last.get(&about).is_none_or(|last| *last == at));
            final_word.then_some(one)
        };
        all.into_iter().enumerate().filter_map(stands).collect()
    }
}

/// Categories that a reason for suppression stops.
pub(super) const fn stopped_by(reason: Suppression) -> &'static [Category] {
    if reason.offers_only() {
        &[Category::Promotional]
    } else {
        &[
            Category::Transactional,
            Category::Promotional,
            Category::Staff,
        ]
    }
}

impl Turn<'_> {
    /// Does again what a journal remembers.
    pub(super) fn replay(&mut self, tenant: &Arc<Tenant>, entry: &JournalEntry) -> Answer {
        match entry {
            JournalEntry::Stands {
                key,
                standing,
                holds_back,
                at,
            } => {
                let known = self.world.point(key);
                // What was given back is not taken from whoever took it again meanwhile.
                let newer = known
                    .and_then(|point| point.suppressed_at)
                    .is_some_and(|since| !holds_back && since > *at);
                if newer || known.map(Standing::of).unwrap_or_default() == *standing {
                    return Answer::Done;
                }
                let now = self.now;
                standing.put(self.world.point_mut(key, now));
                if let Some((reason, since, how)) = &standing.front {
                    self.world.out.cancels.push(Cancel {
                        tenant: tenant.id,
                        recipient: key.value.clone(),
                        categories: stopped_by(*reason),
                        status: Status::Blocked,
                        why: Reason::new(
                            "suppressed",
                            format!("On the suppression list since {since}, by the journal: {how}"),
                        ),
                        except: None,
                        run: None,
                        lead: None,
                    });
                }
            }
            JournalEntry::Revoked {
                key,
                channel,
                purpose,
                at,
            } => {
                let known = self.world.point(key);
                let revoked = known.is_some_and(|point| {
                    point.consent.get(channel.code(), *purpose) == super::world::Consent::Revoked
                });
                if !revoked {
                    let lead = known.and_then(|point| point.lead);
                    let told = ConsentTold {
                        channel: *channel,
                        purpose: *purpose,
                        granted: false,
                        wording: None,
                        method: format!("journal, taken back at {at}"),
                        page: None,
                        basis: Some(Basis::Written),
                        expires_at: None,
                        soft_opt_in: None,
                    };
                    let actor = Some("restore".to_owned());
                    self.write_consent(lead, key.clone(), &told, None, actor);
                }
            }
            // The ledger's own erasure is not a matter of leads: the restore does it beside the turns.
            JournalEntry::Granted { .. } | JournalEntry::Forgotten { .. } => {}
            JournalEntry::Erased { lead, .. } => return self.delete(tenant, *lead, "restore"),
        }
        Answer::Done
    }

    /// A message of a restored database that was due, or under way, between the backup and now: it may have gone out. Offers end here;
    /// the others are looked up where their provider can be asked, and wait for a person where it cannot.
    pub(super) fn restored(
        &mut self,
        tenant: &Arc<Tenant>,
        message: MessageId,
        since: Timestamp,
    ) -> Answer {
        let known = self.world.messages.get(&message).cloned();
        let Some(mut message) = known.filter(|known| known.tenant == tenant.id) else {
            return Answer::NotFound;
        };
        let due = message.status.waits() && message.due_at <= self.now;
        if !(due || message.status == Status::Sending) || self.stays_in_house(tenant, &message) {
            return Answer::Done;
        }
        let why = Reason::new(
            RESTORED,
            format!(
                "The database was restored from a backup of {since}, and the message was due after that: it may have gone out already."
            ),
        );
        // The first account would have carried it.
        if message.connection.is_none() {
            let first = super::say::all_ways(tenant, &message).next();
            let first = first.map(|way| way.id);
            message.connection = first;
        }
        let under_way = message
            .deadline
            .filter(|_| message.status == Status::Sending)
            .map(|deadline| deadline - super::say::signed(self.lease));
        let called_at = under_way.unwrap_or(since).min(since);
        message.deadline = None;
        if message.category == Category::Promotional {
            let before = message.plan.doubt.take();
            message.plan.doubt = Some(Doubt {
                connection: message.connection,
                called_at: micros(called_at),
                claimed_at: micros(called_at),
                since: micros(self.now),
                looks: 0,
                absent_at: None,
                calls: before.as_ref().map_or(0, |doubt| doubt.calls) + 1,
                spent: before.map_or(0, |doubt| doubt.spent),
                again: false,
                stopped: true,
            });
            message.status = Status::Unknown;
            let why = Reason::new(
                RESTORED,
                format!("{} Offers are not sent twice, so it ends here.", why.detail),
            );
            self.end(&mut message, Some(why));
            self.change(message);
        } else {
            self.doubted(tenant, message, called_at, &why);
        }
        Answer::Done
    }

    /// A run of a restored database whose time came between the backup and now may have said already what it says next.
    pub(super) fn restored_run(&mut self, lead: LeadId, run: RunId, since: Timestamp) -> Answer {
        let Some(state) = self.world.lead_mut(lead) else {
            return Answer::NotFound;
        };
        let Some(run) = state.runs.iter_mut().find(|one| one.id == run) else {
            return Answer::NotFound;
        };
        if let Some(data) = run.data.as_object_mut() {
            data.insert(RESTORED.into(), json!(micros(since)));
            run.dirty = true;
        }
        Answer::Done
    }

    /// What a run of a restored database says may have been said before: an alert or answer is doubted, an offer is not made.
    pub(super) fn said_before(&self, message: &mut Message, since: Option<i64>) -> Option<String> {
        let since = since?;
        if message.category == Category::Promotional {
            return Some(format!(
                "Skipped: the database was restored from a backup of {}, and the offer may have gone out after that. Offers are not sent twice.",
                from_micros(since)
            ));
        }
        message.plan.doubt = Some(Doubt {
            connection: None,
            called_at: since,
            claimed_at: since,
            since: micros(self.now),
            looks: 0,
            absent_at: None,
            calls: 1,
            spent: 0,
            again: true,
            stopped: false,
        });
        None
    }

    /// A person lets a message go that was held since a restore. Every gate is asked anew.
    pub(super) fn let_go(&mut self, tenant: &Arc<Tenant>, id: MessageId) -> Answer {
        let known = self.world.messages.get(&id).cloned();
        let Some(mut message) = known.filter(|known| known.tenant == tenant.id) else {
            return Answer::NotFound;
        };
        let held = message.why.as_ref().is_some_and(|why| why.code == HELD);
        if !(held && message.status.waits()) {
            return Answer::Refused {
                code: "not_held",
                detail: "It is not held since a restore: nothing has to let it go.".into(),
                field: None,
            };
        }
        message.plan.let_go = true;
        message.status = Status::Queued;
        message.due_at = self.now;
        message.why = None;
        self.change(message);
        Answer::Done
    }

    /// A person decides that a held message does not go.
    pub(super) fn hold_back(&mut self, tenant: &Arc<Tenant>, id: MessageId, actor: &str) -> Answer {
        let known = self.world.messages.get(&id).cloned();
        let Some(mut message) = known.filter(|known| known.tenant == tenant.id) else {
            return Answer::NotFound;
        };
        let held = message.why.as_ref().is_some_and(|why| why.code == HELD);
        if !(held && message.status.waits()) {
            return Answer::Refused {
                code: "not_held",
                detail: "It is not held since a restore: cancel it like any other message.".into(),
                field: None,
            };
        }
        message.stop(Status::Cancelled);
        let why = Reason::new(
            "cancelled",
            format!("Discarded after a restore by {actor}."),
        );
        self.end(&mut message, Some(why));
        self.change(message);
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn::world::PointKind;

    fn key(value: &str) -> PointKey {
        PointKey {
            tenant: TenantId::from_raw(1),
            kind: PointKind::Phone,
            value: value.into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        from_micros(second * 1_000_000)
    }

    fn listed(value: &str, second: i64) -> JournalEntry {
        JournalEntry::Stands {
            key: key(value),
            standing: Standing {
                front: Some((Suppression::OptedOut, at(second), "by replying STOP".into())),
                wishes: vec![Suppression::OptedOut],
            },
            holds_back: true,
            at: at(second),
        }
    }

    fn lifted(value: &str, second: i64) -> JournalEntry {
        JournalEntry::Stands {
            key: key(value),
            standing: Standing::default(),
            holds_back: false,
            at: at(second),
        }
    }

    /// P12: a contact point that is put where it stood stands there, wishes beneath included; what eases is told from what holds.
    #[test]
    fn a_standing_is_kept_whole() {
        let mut point = Point::new(None, at(1));
        let mut before = Standing::of(&point);
        let suppress = |reason| move |point: &mut Point| point.suppress(reason, "how", at(2));
        let stop = suppress(Suppression::OptedOut);
        let bounce = suppress(Suppression::Bounced);
        let complain = suppress(Suppression::Complained);
        type Step<'s> = (&'s str, &'s dyn Fn(&mut Point), bool);
        let steps: [Step<'_>; 5] = [
            ("a complaint", &complain, true),
            ("a STOP", &stop, true),
            ("a bounce in front", &bounce, true),
            ("START beneath it", &|point| _ = point.start(at(3)), false),
            ("taken off", &|point| point.lift(at(4)), false),
        ];
        for (case, step, holds) in steps {
            step(&mut point);
            let after = Standing::of(&point);
            assert_eq!(after.holds_more_than(&before), holds, "{case}");
            let mut restored = Point::new(None, at(1));
            restored.suppress(Suppression::Listed, "as the backup had it", at(1));
            after.put(&mut restored);
            assert_eq!(Standing::of(&restored), after, "{case}");
            assert_eq!(restored.consent, point.consent, "{case}");
            before = after;
        }
        assert_eq!(
            point.suppressed,
            Some(Suppression::Complained),
            "a complaint outlasts all of it"
        );
    }

    /// P12: what holds back is written before the commit, what gives back after it, and the last word stays the last.
    #[test]
    fn what_holds_back_is_written_first() {
        let both = [lifted("a", 1), listed("a", 2), lifted("b", 3)];
        let (before, after) = JournalEntry::around_commit(&both);
        assert_eq!(before, [listed("a", 2)]);
        assert_eq!(after, [lifted("b", 3)]);
        let both = [listed("a", 1), lifted("a", 2)];
        let (before, after) = JournalEntry::around_commit(&both);
        assert_eq!((before.len(), after.len()), (1, 1));
    }

    /// P12: of a whole journal each number hears the last word alone, in order.
    #[test]
    fn the_last_word_counts() {
        let all = vec![
            listed("a", 1),
            listed("b", 2),
            lifted("a", 3),
            listed("c", 4),
            lifted("c", 5),
            listed("c", 6),
            listed("b", 7),
        ];
        assert_eq!(
            JournalEntry::fold(all),
            [lifted("a", 3), listed("c", 6), listed("b", 7)]
        );
        let offers = |granted: bool, second: i64| {
            let (key, channel, purpose, at) =
                (key("a"), ChannelKind::Sms, Purpose::Promotional, at(second));
            if granted {
                JournalEntry::Granted {
                    key,
                    channel,
                    purpose,
                    at,
                }
            } else {
                JournalEntry::Revoked {
                    key,
                    channel,
                    purpose,
                    at,
                }
            }
        };
        // A consent given anew says nothing about the list, nor the other way round.
        let all = vec![offers(false, 1), listed("a", 2), offers(true, 3)];
        assert_eq!(JournalEntry::fold(all), [listed("a", 2), offers(true, 3)]);
    }
}
