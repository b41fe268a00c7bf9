//! What a batch changed becomes known, kind of row by kind of row, in the order in which the store writes them.

use super::super::Job;
use super::super::world::{Cancel, Expects, LeadState, MessageChange, Output, World};
use super::{DAY, Memory, Point, PointKey, QueueOf, Run, RunState, Staged, Stands};
use crate::ids::{LeadId, MessageId};
use crate::messages::{Attempt, Message, Reason, Status};
use crate::time::{Timestamp, from_micros, micros};
use serde_json::Value;
use std::collections::HashSet;

impl Memory {
    /// Sets aside what a turn changed.
    pub(super) fn stage(&mut self, world: &World, now: Timestamp) {
        let mut leads: Vec<LeadState> = world
            .leads
            .values()
            .filter(|state| state.new || state.dirty)
            .cloned()
            .collect();
        leads.sort_unstable_by_key(|state| state.lead.id);
        let points = world.points.iter();
        let points = points
            .filter_map(|(key, point)| Some((key, point.as_ref().filter(|point| point.dirty)?)))
            .map(|(key, point)| (key.clone(), point.clone()));
        let counters = world.counters.iter();
        let counters = counters
            .filter(|(_, count)| count.added != 0)
            .map(|(key, count)| (*key, count.added));
        self.staged.leads = leads;
        self.staged.points = points.collect();
        self.staged.counters = counters.collect();
        self.staged.numbers = world.numbers.iter().map(|(id, n)| (*id, *n)).collect();
        self.staged.out = world.out.clone();
        self.staged.now = Some(now);
    }

    /// What was set aside is known from now on.
    pub(super) fn keep(&mut self) {
        let Staged {
            leads,
            points,
            counters,
            numbers,
            mut out,
            once,
            now,
        } = std::mem::take(&mut self.staged);
        for (tenant, key, day, answered) in once {
            self.once.insert((tenant, key), (day, answered));
        }
        let Some(now) = now else { return };
        for (from, into) in std::mem::take(&mut out.merges) {
            let fresh = leads.iter().any(|state| state.lead.id == from && state.new);
            if !fresh {
                self.merge(from, into);
            }
        }
        for state in leads {
            self.keep_lead(state);
        }
        for (key, point) in points {
            let point = Point {
                new: false,
                dirty: false,
                ..point
            };
            self.keep_point(key, point);
        }
        self.keep_rows(&mut out);
        let late = self.keep_changes(std::mem::take(&mut out.changes));
        for attempt in std::mem::take(&mut out.attempts) {
            let late = attempt.late || late.contains(&attempt.id.raw());
            self.keep_attempt(Attempt { late, ..attempt });
        }
        let day = micros(now) / DAY;
        for name in std::mem::take(&mut out.seen) {
            self.seen.insert(name, day);
        }
        for cancel in std::mem::take(&mut out.cancels) {
            self.cancel_waiting(&cancel, now);
        }
        for (key, added) in counters {
            *self.counters.entry(key).or_default() += added;
        }
        let gone = std::mem::take(&mut out.deleted);
        // A rehearsal is over before a proof is needed: whoever was silent goes whole.
        let silent = std::mem::take(&mut out.anonymised);
        for (_, lead) in gone.into_iter().chain(silent) {
            self.delete(lead, now);
        }
        self.set_aside.append(&mut out.set_aside);
        self.errors.append(&mut out.errors);
        self.audit.append(&mut out.audit);
        self.switched.append(&mut out.switched);
        for row in std::mem::take(&mut out.work) {
            if !self.work.iter().any(|one| one.key == row.key) {
                self.work.push(row);
            }
        }
        for job in std::mem::take(&mut out.jobs) {
            let job = Job {
                due_at: job.due_at.map(whole),
                ..job
            };
            self.jobs.insert((job.tenant, job.name.clone()), job);
        }
        self.numbers.extend(numbers);
    }

    fn keep_rows(&mut self, out: &mut Output) {
        for event in std::mem::take(&mut out.events) {
            self.events.entry(event.lead).or_default().push(event);
        }
        for (_, lead, key, event) in std::mem::take(&mut out.event_keys) {
            let names = self.event_keys.entry(lead).or_default();
            names.entry(key).or_insert(event);
        }
        for row in std::mem::take(&mut out.ledger) {
            self.ledger.entry(row.lead).or_default().push(row);
        }
        self.consents.append(&mut out.consents);
        for message in std::mem::take(&mut out.messages) {
            self.put_message(message);
        }
    }

    fn keep_lead(&mut self, state: LeadState) {
        let id = state.lead.id;
        self.leads.insert(id, state.lead);
        if let Some(session) = state.session.filter(|session| session.dirty) {
            let all = self.sessions.entry(id).or_default();
            match all.iter_mut().find(|one| one.id == session.id) {
                Some(known) => *known = session,
                None => {
                    all.push(session);
                    all.sort_by_key(|one| one.id);
                }
            }
        }
        for row in state.scores.into_iter().filter(|row| row.dirty) {
            let session = row.session.map_or(0, crate::ids::SessionId::raw);
            let key = (id, row.model, session);
            if row.new || self.states.contains_key(&key) {
                self.states.insert(key, row.state);
            }
        }
        for run in state.runs.into_iter().filter(|run| run.dirty) {
            self.put_run(run);
        }
    }

    fn put_run(&mut self, mut run: Run) {
        if let Some(before) = self.runs.get(&run.id) {
            if let Some(at) = before.wake_at {
                self.wakes.remove(&(at, run.id));
            }
            if before.lead != run.lead
                && let Some(others) = self.runs_of.get_mut(&before.lead)
            {
                others.remove(&run.id);
            }
        }
        run.wake_at = run.wake_at.map(whole);
        if let Some(at) = run.wake_at.filter(|_| run.state == RunState::Open) {
            self.wakes.insert((at, run.id));
        }
        self.runs_of.entry(run.lead).or_default().insert(run.id);
        if run.new && run.state != RunState::Open {
            // A run that ended within its turn carries nothing on.
            run.data = Value::Null;
        }
        run.new = false;
        run.dirty = false;
        self.runs.insert(run.id, run);
    }

    pub(super) fn keep_point(&mut self, key: PointKey, point: Point) {
        if let Some(before) = self.points.get(&key).and_then(|before| before.lead)
            && Some(before) != point.lead
            && let Some(others) = self.points_of.get_mut(&before)
        {
            others.remove(&key);
        }
        if let Some(lead) = point.lead {
            self.points_of.entry(lead).or_default().insert(key.clone());
        }
        self.points.insert(key, point);
    }

    /// Takes a message out of the indexes of what is to be done about it.
    fn forget(&mut self, id: MessageId) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        match Stands::of(&message) {
            Stands::Waits => {
                if let Some(queue) = self.queues.get_mut(&QueueOf::of(&message)) {
                    queue.remove(&(message.due_at, id));
                }
                let to = (message.tenant, message.recipient.clone());
                if let Some(waiting) = self.waiting.get_mut(&to) {
                    waiting.remove(&id);
                    if waiting.is_empty() {
                        self.waiting.remove(&to);
                    }
                }
            }
            Stands::InFlight => {
                self.open
                    .remove(&(message.deadline.unwrap_or(message.due_at), id));
            }
            Stands::LookedUp => {
                self.looks
                    .remove(&(message.deadline.unwrap_or(message.due_at), id));
            }
            Stands::Settled => {}
        }
        Some(message)
    }

    fn put_message(&mut self, mut message: Message) {
        self.forget(message.id);
        message.due_at = whole(message.due_at);
        message.deadline = message.deadline.map(whole);
        message.expires_at = message.expires_at.map(whole);
        let id = message.id;
        match Stands::of(&message) {
            Stands::Waits => {
                self.queues
                    .entry(QueueOf::of(&message))
                    .or_default()
                    .insert((message.due_at, id));
                let to = (message.tenant, message.recipient.clone());
                self.waiting.entry(to).or_default().insert(id);
            }
            Stands::InFlight => {
                self.open
                    .insert((message.deadline.unwrap_or(message.due_at), id));
            }
            Stands::LookedUp => {
                self.looks
                    .insert((message.deadline.unwrap_or(message.due_at), id));
            }
            Stands::Settled => {}
        }
        if let Some(lead) = message.lead {
            self.messages_of.entry(lead).or_default().insert(id);
        }
        self.messages.insert(id, message);
    }

    /// Answers the attempts whose message had moved on already.
    fn keep_changes(&mut self, changes: Vec<MessageChange>) -> HashSet<i64> {
        let mut late = HashSet::new();
        for MessageChange { message, expects } in changes {
            match expects {
                Expects::Read => self.change(message),
                Expects::InFlight(epoch) => {
                    let Some(mut known) = self.messages.get(&message.id).cloned() else {
                        continue;
                    };
                    if known.epoch == epoch && known.status == Status::Sending {
                        known.status = message.status;
                        known.reference = message.reference;
                        known.accepted_at = message.accepted_at;
                        known.settled_at = message.settled_at;
                        known.deadline = None;
                        known.why = None;
                        known.cost = message.cost;
                    } else {
                        late.extend(message.attempt.map(crate::ids::AttemptId::raw));
                        came_late(&mut known, &message, epoch);
                    }
                    self.put_message(known);
                }
            }
        }
        late
    }

    /// A message that was read moves on. Whose it is, and what it says to whom, stays as the row has it.
    fn change(&mut self, mut message: Message) {
        if let Some(known) = self.messages.get(&message.id) {
            message.lead = known.lead;
        }
        if !matches!(message.status, Status::Sending | Status::Unknown) {
            message.deadline = None;
        }
        self.put_message(message);
    }

    fn keep_attempt(&mut self, attempt: Attempt) {
        let all = self.attempts.entry(attempt.message).or_default();
        match all.iter_mut().find(|one| one.id == attempt.id) {
            Some(known) => {
                known.finished_at = attempt.finished_at;
                known.outcome = attempt.outcome;
                known.reference = attempt.reference;
                known.why = attempt.why;
                known.late = true;
            }
            None => all.push(attempt),
        }
    }

    fn cancel_waiting(&mut self, cancel: &Cancel, now: Timestamp) {
        let to = (cancel.tenant, cancel.recipient.clone());
        let waiting = self.waiting.get(&to).cloned().unwrap_or_default();
        for id in waiting {
            let Some(mut message) = self.messages.get(&id).cloned() else {
                continue;
            };
            if !cancel.ends(&message) {
                continue;
            }
            message.stop(cancel.status);
            message.settled_at = Some(now);
            message.why = Some(cancel.why.clone());
            self.change(message);
        }
    }

    /// Personal data go, the lead stays as a gap in the count.
    fn delete(&mut self, lead: LeadId, now: Timestamp) {
        for merged in self.merged.get(&lead).cloned().unwrap_or_default() {
            self.forget_person(merged);
        }
        self.forget_person(lead);
        for id in self.messages_of.get(&lead).cloned().unwrap_or_default() {
            let Some(mut message) = self.messages.get(&id).cloned() else {
                continue;
            };
            if Stands::of(&message) != Stands::Settled {
                message.expires_at = Some(now);
            }
            if message.staff.is_none() {
                message.recipient.clear();
            }
            message.data = "{}".to_owned().into();
            message.body = None;
            message.verdict = "{}".into();
            let gone = Reason::new("lead_deleted", "The lead was deleted.");
            message.why = message.why.map(|_| gone);
            for attempt in self.attempts.get_mut(&id).into_iter().flatten() {
                attempt.why = None;
            }
            self.put_message(message);
        }
        for id in self.runs_of.get(&lead).cloned().unwrap_or_default() {
            if let Some(run) = self.runs.get_mut(&id) {
                run.data = Value::Null;
            }
        }
        self.sessions.remove(&lead);
        self.event_keys.remove(&lead);
        self.ledger.remove(&lead);
        self.states.retain(|key, _| key.0 != lead);
        for row in &mut self.set_aside {
            if row.lead == Some(lead) {
                row.raw.clear();
            }
        }
        for key in self.points_of.remove(&lead).unwrap_or_default() {
            let remembered = self
                .points
                .get(&key)
                .is_some_and(|point| point.suppressed.is_some() || point.consent.has_a_no());
            if !remembered {
                self.points.remove(&key);
            } else if let Some(point) = self.points.get_mut(&key) {
                point.lead = None;
                point.terms.clear();
                point.consent = point.consent.only_no();
            }
        }
        self.events.remove(&lead);
    }

    /// What says who it was goes from the lead's own row.
    fn forget_person(&mut self, lead: LeadId) {
        self.deleted.insert(lead);
        if let Some(known) = self.leads.get_mut(&lead) {
            known.first_name = None;
            known.last_name = None;
            known.phone = None;
            known.email = None;
            known.city = None;
            known.state = None;
            known.zip = None;
            known.attributes = Value::Object(serde_json::Map::new());
            known.tags.clear();
            known.ringing_since = None;
        }
    }

    /// Every row of the first lead becomes the second's; see the statements of the store that begin with `merge`.
    fn merge(&mut self, from: LeadId, into: LeadId) {
        for mut event in self.events.remove(&from).unwrap_or_default() {
            event.lead = into;
            self.events.entry(into).or_default().push(event);
        }
        if let Some(all) = self.events.get_mut(&into) {
            all.sort_by_key(|event| event.id);
        }
        for (key, event) in self.event_keys.remove(&from).unwrap_or_default() {
            let names = self.event_keys.entry(into).or_default();
            names.entry(key).or_insert(event);
        }
        let visits = self.sessions.remove(&from).unwrap_or_default();
        let all = self.sessions.entry(into).or_default();
        all.extend(visits);
        all.sort_by_key(|session| session.id);
        for mut row in self.ledger.remove(&from).unwrap_or_default() {
            row.lead = into;
            self.ledger.entry(into).or_default().push(row);
        }
        let keys: Vec<_> = self
            .states
            .range((from, String::new(), i64::MIN)..)
            .take_while(|((lead, ..), _)| *lead == from)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let session = key.2;
            if let Some(state) = self.states.remove(&key)
                && session != 0
            {
                self.states.insert((into, key.1, session), state);
            }
        }
        for id in self.runs_of.remove(&from).unwrap_or_default() {
            if let Some(run) = self.runs.get_mut(&id) {
                run.lead = into;
            }
            self.runs_of.entry(into).or_default().insert(id);
        }
        let messages = self.messages_of.remove(&from).unwrap_or_default();
        for id in &messages {
            if let Some(message) = self.messages.get_mut(id) {
                message.lead = Some(into);
            }
        }
        self.messages_of.entry(into).or_default().extend(messages);
        for row in &mut self.consents {
            if row.lead == Some(from) {
                row.lead = Some(into);
            }
        }
        let mut others = self.merged.remove(&from).unwrap_or_default();
        for other in &others {
            if let Some(lead) = self.leads.get_mut(other) {
                lead.merged_into = Some(into);
            }
        }
        others.push(from);
        self.merged.entry(into).or_default().extend(others);
    }
}

/// Whole microseconds, as the store keeps them.
fn whole(at: Timestamp) -> Timestamp {
    from_micros(micros(at))
}

/// An answer that came when the message had moved on: the name it gave is kept, and it counts when nothing better is known of this call.
fn came_late(known: &mut Message, answer: &Message, epoch: i64) {
    if known.reference.is_none() {
        known.reference.clone_from(&answer.reference);
    }
    let counts = known.epoch == epoch
        && matches!(
            known.status,
            Status::Scheduled | Status::Queued | Status::Deferred | Status::Unknown
        );
    if counts {
        known.settled_at = answer.accepted_at;
        known.why = None;
        if Stands::of(known) == Stands::LookedUp {
            known.deadline = None;
        }
        known.status = Status::Accepted;
    }
    known.accepted_at = known.accepted_at.or(answer.accepted_at);
}
