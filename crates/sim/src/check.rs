//! The checker: three records of one world, what clients were told, what providers saw, and what the store says, held against I1 to I11.
//! Where the product decides, the checker decides again by itself and simpler.

use crate::houses;
use crate::people::{Person, Wish, marks_in};
use crate::requests::{lead_in, message_in};
use crate::world::{Call, End, SECOND, Sim};
use jiff::tz::TimeZone;
use ringback_core::ids::MessageId;
use ringback_core::messages::{Category, ChannelKind, Repeat, Status};
use ringback_core::time::from_micros;
use ringback_core::turn::Intake;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// An offer that a provider took: when by the clock that is judged, when by the provider's own, and which message.
type Offered = (i64, i64, MessageId);

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, 1 to 12.
    pub invariant: u8,
    /// What, with the ids concerned.
    pub says: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{}: {}", self.invariant, self.says)
    }
}

/// A message as the store has it.
#[derive(Debug)]
struct Row {
    id: MessageId,
    status: Status,
    state: i64,
    repeated: bool,
    why: Option<String>,
    category: Category,
    body: Option<String>,
    connection: Option<i64>,
}

/// The three records, opened for reading.
struct Records<'a> {
    sim: &'a Sim,
    store: Connection,
    rows: BTreeMap<MessageId, Row>,
    calls: HashMap<MessageId, Vec<&'a Call>>,
    found: Vec<Violation>,
}

/// Everything in a world that must not be. Empty is good.
pub fn check(sim: &Sim) -> Vec<Violation> {
    let mut records = match Records::open(sim) {
        Ok(records) => records,
        Err(error) => {
            return vec![Violation {
                invariant: 9,
                says: format!("the store cannot be read: {error}"),
            }];
        }
    };
    let checked = [
        records.acknowledged_is_stored(),
        records.every_message_ends_once(),
        records.copies_are_accounted_for(),
        records.nothing_against_the_will(),
        records.offers_keep_hours_and_limits(),
        records.statuses_only_go_forward(),
        records.tenants_stay_apart(),
        records.chains_verify(),
        records.store_is_whole(),
        records.alerts_are_quick(),
        records.counts_equal_the_store(),
    ];
    for (n, checked) in checked.into_iter().enumerate() {
        if let Err(error) = checked {
            records.broken(n as u8 + 1, format!("it cannot be checked: {error}"));
        }
    }
    records.found
}

impl<'a> Records<'a> {
    fn open(sim: &'a Sim) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Connection::open_with_flags(sim.folder.join("ringback.db"), flags)?;
        let mut rows = BTreeMap::new();
        {
            let mut read = store.prepare("SELECT id, status, state, repeated, why, category, body, connection_id FROM messages")?;
            let mut all = read.query([])?;
            while let Some(row) = all.next()? {
                let id = MessageId::from_raw(row.get(0)?);
                let one = Row {
                    id,
                    status: Status::from_code(row.get(1)?).unwrap_or(Status::Queued),
                    state: row.get(2)?,
                    repeated: row.get(3)?,
                    why: row.get(4)?,
                    category: Category::from_code(row.get(5)?).unwrap_or(Category::Staff),
                    body: row.get(6)?,
                    connection: row.get(7)?,
                };
                rows.insert(id, one);
            }
        }
        let mut calls: HashMap<MessageId, Vec<&Call>> = HashMap::new();
        for call in &sim.calls {
            calls.entry(call.message.id).or_default().push(call);
        }
        Ok(Self {
            sim,
            store,
            rows,
            calls,
            found: Vec::new(),
        })
    }

    fn broken(&mut self, invariant: u8, says: String) {
        self.found.push(Violation { invariant, says });
    }

    fn count(&self, text: &str, values: impl rusqlite::Params) -> Result<i64, rusqlite::Error> {
        self.store.query_row(text, values, |row| row.get(0))
    }

    fn copies(&self, id: MessageId) -> usize {
        let logs = self.sim.providers.values();
        logs.map(|far| far.log.iter().filter(|one| one.message == id).count())
            .sum()
    }

    /// I1: what was acknowledged is stored, and nothing twice under one key.
    fn acknowledged_is_stored(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut seen = BTreeSet::new();
        for request in &sim.requests {
            let tenant = houses::id(request.house).raw();
            if let Some(lead) = request.told.as_ref().and_then(lead_in) {
                let n = self.count(
                    "SELECT count(*) FROM leads WHERE id = ?1 AND tenant_id = ?2",
                    [lead.raw(), tenant],
                )?;
                if n != 1 {
                    self.broken(
                        1,
                        format!(
                            "{lead} was acknowledged to {} and is not stored",
                            request.token
                        ),
                    );
                }
            }
            if let Some(message) = request.told.as_ref().and_then(message_in)
                && !self.rows.contains_key(&message)
            {
                self.broken(
                    1,
                    format!(
                        "{message} was acknowledged to {} and is not stored",
                        request.token
                    ),
                );
            }
            if !seen.insert(&request.token) {
                continue;
            }
            // Of a deleted lead no name of an event stays; nor of one that had been merged into it, whoever it was.
            let gone = match request.told.as_ref().and_then(lead_in) {
                Some(lead) => self.count(
                    "SELECT count(*) FROM leads AS l LEFT JOIN leads AS m ON m.id = l.merged_into \
                     WHERE l.id = ?1 AND l.tenant_id = ?2 AND (l.deleted_at IS NOT NULL OR m.deleted_at IS NOT NULL)",
                    [lead.raw(), tenant],
                )?,
                None => 0,
            };
            let deleted = gone > 0
                || request
                    .person
                    .is_some_and(|person| sim.deleted.contains(&person));
            match &request.intake {
                Intake::Capture(_) | Intake::Track(_) => {
                    let n = self.count(
                        "SELECT count(*) FROM event_keys WHERE tenant_id = ?1 AND key = ?2",
                        rusqlite::params![tenant, request.token],
                    )?;
                    let told = sim
                        .requests
                        .iter()
                        .any(|one| one.token == request.token && one.told.is_some());
                    if n > 1 {
                        self.broken(1, format!("{} is stored {n} times", request.token));
                    }
                    // A visitor hears nothing of its lead, so only this tells that the lead may be gone.
                    let visited = matches!(&request.intake, Intake::Track(_))
                        && self.count(
                            "SELECT count(*) FROM leads WHERE tenant_id = ?1 AND deleted_at IS NOT NULL",
                            [tenant],
                        )? > 0;
                    if told && n == 0 && !deleted && !visited {
                        self.broken(
                            1,
                            format!("{} was acknowledged and left no trace", request.token),
                        );
                    }
                    if matches!(request.intake, Intake::Capture(_)) {
                        let like = format!("%\"sent\":\"{}\"%", request.token);
                        let n = self.count("SELECT count(*) FROM events WHERE tenant_id = ?1 AND kind = 'lead.captured' AND properties LIKE ?2", rusqlite::params![tenant, like])?;
                        if n > 1 {
                            self.broken(1, format!("{} was taken {n} times", request.token));
                        }
                    }
                }
                Intake::Compose(_) => {
                    let about = format!("about {}.", request.token);
                    let n = self
                        .rows
                        .values()
                        .filter(|row| row.body.as_ref().is_some_and(|body| body.contains(&about)))
                        .count();
                    if n > 1 {
                        self.broken(1, format!("{} became {n} messages", request.token));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// I2: every planned message is stored and ended, once, with a reason; counts add up.
    fn every_message_ends_once(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        for id in sim.planned.keys() {
            if !self.rows.contains_key(id) {
                self.broken(2, format!("{id} was planned by a commit and is not stored"));
            }
        }
        let mut says = Vec::new();
        for row in self.rows.values() {
            if !sim.planned.contains_key(&row.id) {
                says.push(format!("{} is stored and no commit planned it", row.id));
            }
            if row.state != 2 || row.status.waits() || row.status == Status::Sending {
                says.push(format!("{} never ended: it is {}", row.id, row.status));
            }
            let speaks_for_itself = matches!(row.status, Status::Accepted | Status::Delivered);
            if !speaks_for_itself && row.why.is_none() {
                says.push(format!("{} is {} without a reason", row.id, row.status));
            }
        }
        for one in says {
            self.broken(2, one);
        }
        if sim.steps > crate::world::MOST_STEPS {
            self.broken(
                2,
                format!("the world was not quiet after {} steps", sim.steps),
            );
        }
        let given_up = sim.given_up.clone();
        for one in given_up {
            self.broken(2, one);
        }
        Ok(())
    }

    /// I3: copies at providers are accounted for. One where twins are dropped, one more for each unknown end elsewhere, never two of an
    /// offer, exactly one of what is said to have been accepted; and one answer to what came in twice.
    fn copies_are_accounted_for(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut says = Vec::new();
        for row in self.rows.values() {
            let copies = self.copies(row.id);
            let none = Vec::new();
            let calls = self.calls.get(&row.id).unwrap_or(&none);
            let unknown = calls.iter().filter(|call| call.end == End::Unknown).count();
            let retried = sim
                .planned
                .get(&row.id)
                .is_some_and(|planned| planned.retried);
            let accounts: BTreeSet<i64> = calls
                .iter()
                .filter_map(|call| call.message.connection)
                .map(|id| id.raw())
                .collect();
            let drop_twins = |id: &i64| {
                let id = ringback_core::ids::ConnectionId::from_raw(*id);
                sim.providers
                    .get(&id)
                    .is_some_and(|far| far.repeat == Repeat::ByKey)
            };
            let marked = calls.iter().any(|call| call.message.marked_as_repeat());
            if copies > 1
                && accounts.len() == 1
                && accounts.iter().all(drop_twins)
                && !marked
                && !retried
            {
                says.push(format!(
                    "{} went out {copies} times at a provider that drops twins",
                    row.id
                ));
            }
            if copies > 1 + unknown && !retried {
                says.push(format!(
                    "{} went out {copies} times with {unknown} unknown ends",
                    row.id
                ));
            }
            if copies > 1 && row.category == Category::Promotional && !retried {
                says.push(format!(
                    "{} is an offer and went out {copies} times",
                    row.id
                ));
            }
            if copies > 1 && !row.repeated && !retried {
                says.push(format!(
                    "{} went out {copies} times and is not listed as repeated",
                    row.id
                ));
            }
            let arrived = matches!(row.status, Status::Accepted | Status::Delivered);
            if arrived && row.connection.is_some() && copies == 0 {
                says.push(format!(
                    "{} is {} and no provider has it",
                    row.id, row.status
                ));
            }
            if arrived && unknown == 0 && copies > 1 && !retried {
                says.push(format!(
                    "{} was accepted and went out {copies} times",
                    row.id
                ));
            }
            let denied = matches!(
                row.status,
                Status::Cancelled | Status::Expired | Status::Blocked
            );
            if denied && copies > 0 && !retried {
                says.push(format!("{} is {} and went out", row.id, row.status));
            }
            let reported = sim.reports.iter().any(|(id, _)| *id == row.id);
            if row.status == Status::Failed && copies > 0 && !reported && !retried {
                says.push(format!(
                    "{} is failed, nobody reported it, and it went out",
                    row.id
                ));
            }
        }
        // One answer for each HELP, STOP and START, however often the provider tells of it.
        let mut tokens: BTreeMap<(usize, String), BTreeSet<&str>> = BTreeMap::new();
        for request in &sim.requests {
            if let Intake::Inbound { inbound, .. } = &request.intake {
                tokens
                    .entry((request.house, inbound.from.clone()))
                    .or_default()
                    .insert(&request.token);
            }
        }
        for ((house, from), tokens) in &tokens {
            let n = self.count(
                "SELECT count(*) FROM messages WHERE tenant_id = ?1 AND recipient = ?2 AND plan LIKE '%keyword_answer%'",
                rusqlite::params![houses::id(*house).raw(), from],
            )?;
            if n as usize > tokens.len() {
                says.push(format!(
                    "{from} wrote {} times and was answered {n} times",
                    tokens.len()
                ));
            }
            let heard = self.count(
                "SELECT count(*) FROM events e JOIN leads l ON l.id = e.lead_id WHERE e.tenant_id = ?1 AND e.kind = 'message.received' AND l.phone = ?2",
                rusqlite::params![houses::id(*house).raw(), from],
            )?;
            if heard as usize > tokens.len() {
                says.push(format!(
                    "{from} wrote {} times and the history has {heard}",
                    tokens.len()
                ));
            }
        }
        for one in says {
            self.broken(3, one);
        }
        Ok(())
    }

    /// I4: nothing goes out whose intent came after a revocation of its kind was committed.
    fn nothing_against_the_will(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut says = Vec::new();
        for call in sim.calls.iter().filter(|call| call.copied_at.is_some()) {
            let message = &call.message;
            if message.plan.keyword_answer || message.channel == ChannelKind::Webhook {
                continue;
            }
            let house = (message.tenant.raw() - 1) as usize;
            let retried = sim
                .planned
                .get(&message.id)
                .is_some_and(|planned| planned.retried);
            let mut wish = Wish::default();
            let mut last = None;
            for willed in &sim.wills {
                // What a commit claims when due it claims after all it heard. What it planned may have come before a revocation of the
                // same commit, and after a grant, which is often the very cause of it.
                let same = willed.commit == call.commit;
                let heard_first = (call.claimed && !retried) || willed.will.opens();
                let before = willed.commit < call.commit || (same && heard_first);
                if before && willed.house == house && willed.address == message.recipient {
                    wish.hear(willed.will);
                    last = Some(willed);
                }
            }
            let against = match message.category {
                Category::Promotional => wish.against_offers(),
                Category::Transactional => wish.against_answers(),
                Category::Staff | Category::Emergency => None,
            };
            if let (Some(against), Some(last)) = (against, last) {
                says.push(format!(
                    "{} went to {} although {against} ({:?} at {}, {:.1} s before the intent)",
                    message.id,
                    message.recipient,
                    last.will,
                    from_micros(last.at),
                    (call.intent_at - last.at) as f64 / 1e6,
                ));
            }
        }
        for one in says {
            self.broken(4, one);
        }
        Ok(())
    }

    /// I5: every offer a provider took lies within 8 to 20 o'clock at every place the person may be, and under the limits of a rolling day,
    /// by the provider's clock. Under a wall clock that was hours wrong the server's own clock is what it can keep to.
    fn offers_keep_hours_and_limits(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let wrong = sim.farthest > 0;
        let slack = 2 * sim.farthest.min(300 * SECOND);
        let mut says = Vec::new();
        let mut days: BTreeMap<(usize, &str), Vec<Offered>> = BTreeMap::new();
        for call in &sim.calls {
            let message = &call.message;
            let Some(copied_at) = call
                .copied_at
                .filter(|_| message.category == Category::Promotional)
            else {
                continue;
            };
            let house = (message.tenant.raw() - 1) as usize;
            let person = sim.people.iter().find(|one| {
                one.house == house
                    && (one.phone == message.recipient
                        || one.email.as_deref() == Some(&*message.recipient))
            });
            let Some(person) = person else {
                says.push(format!(
                    "{} is an offer to {}, whom nobody knows",
                    message.id, message.recipient
                ));
                continue;
            };
            let at = if wrong {
                copied_at + call.offset
            } else {
                copied_at
            };
            for zone in person.zones() {
                let Ok(zone) = TimeZone::get(zone) else {
                    continue;
                };
                let local = from_micros(at).to_zoned(zone.clone());
                if !(8..20).contains(&local.hour()) {
                    says.push(format!(
                        "{} is an offer and went to {} at {:02}:{:02} in {}",
                        message.id,
                        message.recipient,
                        local.hour(),
                        local.minute(),
                        zone.iana_name().unwrap_or("?")
                    ));
                }
            }
            // Deleting a lead forgets its contacts of the day as well.
            let same = |other: &Person| {
                other.house == house && (other.phone == person.phone || other.email == person.email)
            };
            if sim.deleted.iter().any(|n| same(&sim.people[*n])) {
                continue;
            }
            days.entry((house, &message.recipient))
                .or_default()
                .push((at, copied_at, message.id));
        }
        for ((house, recipient), mut times) in days {
            times.sort_unstable();
            let most = houses::MOST_OFFERS[house];
            for window in times.windows(most + 1) {
                let ids: BTreeSet<MessageId> = window.iter().map(|(.., id)| *id).collect();
                let (first, last) = (window[0].0, window[most].0);
                let real = window.iter().map(|(_, at, _)| *at);
                let really = real.clone().max().unwrap_or(0) - real.min().unwrap_or(0);
                // The limit counts intents; calls take some seconds. A day that passed by either clock was a day.
                let short = (86_400 - 60) * SECOND - slack;
                if ids.len() > most && last - first < short && really < short {
                    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                    says.push(format!(
                        "{} offers to {recipient} within {:.1} hours: {}",
                        most + 1,
                        (last - first) as f64 / 3.6e9,
                        ids.join(", ")
                    ));
                }
            }
        }
        for one in says {
            self.broken(5, one);
        }
        Ok(())
    }

    /// I6: a status never goes back, and reports come to the same whatever their order.
    fn statuses_only_go_forward(&mut self) -> Result<(), rusqlite::Error> {
        // How far a status is, by the providers' meaning of it.
        fn far(status: Status) -> u8 {
            match status {
                Status::Accepted => 1,
                Status::Delivered => 2,
                Status::Failed => 3,
                Status::Blocked => 4,
                Status::Bounced => 5,
                _ => 0,
            }
        }
        let sim = self.sim;
        let mut says = Vec::new();
        for (id, planned) in &sim.planned {
            if planned.retried {
                continue;
            }
            let mut before = 0;
            for (_, status) in &planned.statuses {
                if far(*status) < before && before > 0 {
                    says.push(format!("{id} went back to {status}"));
                }
                before = before.max(far(*status));
            }
            let Some(row) = self.rows.get(id) else {
                continue;
            };
            let reported = sim
                .reports
                .iter()
                .filter(|(of, _)| of == id)
                .map(|(_, status)| far(*status))
                .max();
            if let Some(reported) = reported
                && far(row.status) < reported
            {
                says.push(format!(
                    "{id} is {} although a report said more",
                    row.status
                ));
            }
        }
        for one in says {
            self.broken(6, one);
        }
        Ok(())
    }

    /// I7: what people told one business is in no byte that went to another's people, providers or pages.
    fn tenants_stay_apart(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut says = sim.leaks.clone();
        for call in &sim.calls {
            let message = &call.message;
            let house = (message.tenant.raw() - 1) as usize;
            let foreign = marks_in(message.data.text())
                .chain(marks_in(message.body.as_deref().unwrap_or_default()));
            for other in foreign.filter(|other| *other != house) {
                says.push(format!(
                    "{} of {} carries what a person told {}",
                    message.id,
                    houses::NAMES[house],
                    houses::NAMES[other]
                ));
            }
            let own = |id: i64| id / 100 == message.tenant.raw();
            if let Some(connection) = message.connection
                && !own(connection.raw())
            {
                says.push(format!(
                    "{} went over an account of another business",
                    message.id
                ));
            }
        }
        let crossed = [
            (
                "events",
                "SELECT count(*) FROM events x JOIN leads l ON l.id = x.lead_id WHERE l.tenant_id <> x.tenant_id",
            ),
            (
                "messages",
                "SELECT count(*) FROM messages x JOIN leads l ON l.id = x.lead_id WHERE l.tenant_id <> x.tenant_id",
            ),
            (
                "contact points",
                "SELECT count(*) FROM contact_points x JOIN leads l ON l.id = x.lead_id WHERE l.tenant_id <> x.tenant_id",
            ),
            (
                "runs",
                "SELECT count(*) FROM runs x JOIN leads l ON l.id = x.lead_id WHERE l.tenant_id <> x.tenant_id",
            ),
        ];
        for (what, text) in crossed {
            let n = self.count(text, [])?;
            if n > 0 {
                says.push(format!("{n} {what} hang on a lead of another business"));
            }
        }
        for one in says {
            self.broken(7, one);
        }
        Ok(())
    }

    /// I8: every chain verifies.
    fn chains_verify(&mut self) -> Result<(), rusqlite::Error> {
        let readers = match ringback_store::look(&self.sim.folder) {
            Ok(readers) => readers,
            Err(error) => {
                self.broken(8, format!("the chains cannot be read: {error}"));
                return Ok(());
            }
        };
        for house in 0..houses::NAMES.len() {
            let said = readers.ask(|store| store.verify_chain(houses::id(house), &[]));
            match said {
                Ok(Ok(_)) => {}
                Ok(Err(broken)) => self.broken(
                    8,
                    format!("the chain of {}: {broken}", houses::NAMES[house]),
                ),
                Err(error) => self.broken(
                    8,
                    format!(
                        "the chain of {} cannot be read: {error}",
                        houses::NAMES[house]
                    ),
                ),
            }
        }
        Ok(())
    }

    /// I9: the database is whole, and nothing is held that nobody gives back: no lease of a call, no place at a provider's probe, no
    /// reservation of a budget.
    fn store_is_whole(&mut self) -> Result<(), rusqlite::Error> {
        let whole: String = self
            .store
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if whole != "ok" {
            self.broken(9, format!("integrity: {whole}"));
        }
        let mut orphans = 0;
        {
            let mut check = self.store.prepare("PRAGMA foreign_key_check")?;
            let mut rows = check.query([])?;
            while rows.next()?.is_some() {
                orphans += 1;
            }
        }
        if orphans > 0 {
            self.broken(9, format!("{orphans} rows point to nothing"));
        }
        let held = self.count("SELECT count(*) FROM messages WHERE state IN (1, 3)", [])?;
        if held > 0 {
            self.broken(9, format!("{held} calls hold a lease for ever"));
        }
        self.budgets_add_up()
    }

    /// I9: what budgets say is spent is what the messages carry as their cost, and what did not go costs nothing.
    fn budgets_add_up(&mut self) -> Result<(), rusqlite::Error> {
        let mut says = Vec::new();
        {
            let mut read = self.store.prepare(
                "SELECT t.tenant_id, coalesce((SELECT sum(n) FROM counters AS c WHERE c.tenant_id = t.tenant_id AND c.name LIKE 'spent.%.date' AND c.slot >= 0), 0), \
                        coalesce((SELECT sum(n) FROM counters AS c WHERE c.tenant_id = t.tenant_id AND c.name LIKE 'spent.%.month' AND c.slot >= 0), 0), \
                        coalesce(t.cost, 0) \
                 FROM (SELECT tenant_id, sum(cost_micros) AS cost FROM messages GROUP BY tenant_id) AS t",
            )?;
            let mut rows = read.query([])?;
            while let Some(row) = rows.next()? {
                let (tenant, days, months, cost): (i64, i64, i64, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                if days != cost || months != cost {
                    says.push(format!(
                        "tenant {tenant}: its messages cost {cost}, its days say {days} and its months {months}"
                    ));
                }
            }
        }
        // Failed, blocked, cancelled, expired: nobody took it, and no call of it has an end that is unknown.
        let kept = self.count(
            "SELECT count(*) FROM messages WHERE status IN (6, 8, 9, 10) AND accepted_at IS NULL AND cost_micros IS NOT NULL AND coalesce(plan ->> 'doubt', '') = '' AND coalesce(plan ->> 'paid', 0) < cost_micros",
            [],
        )?;
        if kept > 0 {
            says.push(format!(
                "{kept} messages that did not go keep what was reserved for them"
            ));
        }
        for one in says {
            self.broken(9, one);
        }
        Ok(())
    }

    /// I10: a critical alert that nothing holds is called for at once: within seconds of the server being there.
    fn alerts_are_quick(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut says = Vec::new();
        for (id, planned) in &sim.planned {
            // Deferred by a limit or a rest, or queued for lack of room: that is the gates' and the account's business.
            if planned.statuses.first().map(|(_, status)| *status) != Some(Status::Sending) {
                continue;
            }
            let Some(call) = self.calls.get(id).and_then(|calls| calls.first()) else {
                says.push(format!("{id} was born claimed and never called for"));
                continue;
            };
            if !Sim::is_critical(&call.message) {
                continue;
            }
            if call.intent_at - planned.at > SECOND {
                says.push(format!(
                    "{id} is critical and its call waited {:.1} s",
                    (call.intent_at - planned.at) as f64 / 1e6
                ));
            }
        }
        for one in says {
            self.broken(10, one);
        }
        Ok(())
    }

    /// I11: metrics and rows tell the same: one attempt for each intent, as many unknown ends as were counted, and every possible
    /// duplicate that was counted is listed.
    fn counts_equal_the_store(&mut self) -> Result<(), rusqlite::Error> {
        let sim = self.sim;
        let mut says = Vec::new();
        let of_calls = "outcome NOT IN ('found', 'absent', 'unclear')";
        let mut kept = BTreeSet::new();
        {
            let mut read = self
                .store
                .prepare(&format!("SELECT id FROM attempts WHERE {of_calls}"))?;
            let mut all = read.query([])?;
            while let Some(row) = all.next()? {
                kept.insert(row.get::<_, i64>(0)?);
            }
        }
        for call in &sim.calls {
            let attempt = call.message.attempt.map_or(0, |attempt| attempt.raw());
            // A report settled it, and the server died before the call ended: nothing was left to be found out.
            let settled = call.died && sim.reports.iter().any(|(id, _)| *id == call.message.id);
            if !kept.remove(&attempt) && !settled {
                says.push(format!(
                    "call {} for {} is kept nowhere",
                    call.message.attempts, call.message.id
                ));
            }
        }
        for attempt in kept {
            says.push(format!("attempt {attempt} is kept and no intent named it"));
        }
        for (word, slot) in [("found", 2), ("absent", 3)] {
            let rows = self.count("SELECT count(*) FROM attempts WHERE outcome = ?1", [word])?;
            if slot == 3 && (sim.tallies[slot] as i64) > rows {
                says.push(format!(
                    "{} look-ups were counted as absent and {rows} are kept",
                    sim.tallies[slot]
                ));
            }
        }
        let unknown = self.count(
            "SELECT count(*) FROM attempts WHERE outcome = 'unknown' AND late = 0",
            [],
        )?;
        // A late answer takes the place of the unknown end that was counted for it, and is marked so.
        let late = self.count(
            &format!("SELECT count(*) FROM attempts WHERE late = 1 AND {of_calls}"),
            [],
        )?;
        let counted = sim.tallies[0] as i64;
        if counted < unknown || counted > unknown + late {
            says.push(format!(
                "{counted} unknown ends were counted; {unknown} are kept, and {late} came late"
            ));
        }
        let died = |row: &&Row| {
            self.calls
                .get(&row.id)
                .is_some_and(|calls| calls.iter().any(|call| call.died))
        };
        // A message whose second call surely came to nothing may be listed all the same when a report was faster.
        let listed: Vec<&Row> = self
            .rows
            .values()
            .filter(|row| row.repeated && self.copies(row.id) > 1 && !died(row))
            .collect();
        if listed.len() > sim.tallies[1] as usize {
            let ids: Vec<String> = listed.iter().map(|row| row.id.to_string()).collect();
            says.push(format!(
                "{} messages are listed as repeated and {} were counted: {}",
                listed.len(),
                sim.tallies[1],
                ids.join(", ")
            ));
        }
        for one in says {
            self.broken(11, one);
        }
        Ok(())
    }
}
