//! Records in memory beside the store: every batch is loaded from both, and both must know the same.

use crate::houses;
use ringback_core::ids::TenantId;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_core::turn::memory::Memory;
use ringback_core::turn::{Answered, Once, Order, QueueOf, Records, Tenant, Tenants, World};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;

/// Records in memory, and where they differed from the store.
#[derive(Debug, Default)]
pub struct Twin {
    /// What memory knows.
    pub memory: Memory,
    /// Sentences about what differed, at most 20.
    pub differs: Vec<String>,
    /// Rows that were held against each other.
    pub compared: u64,
    /// The world of the batch under way, as loaded.
    world: World,
}

fn sure<T>(done: Result<T, Infallible>) -> T {
    match done {
        Ok(done) => done,
        Err(never) => match never {},
    }
}

impl Twin {
    fn say(&mut self, what: String) {
        if self.differs.len() < 20 {
            self.differs.push(what);
        }
    }

    fn same<K: Eq + Hash + Debug, V: PartialEq + Debug>(
        &mut self,
        what: &str,
        store: &HashMap<K, V>,
        memory: &HashMap<K, V>,
    ) {
        self.compared += store.len() as u64;
        for (key, value) in store {
            if memory.get(key) != Some(value) {
                self.say(format!(
                    "{what} {key:?}: the store has {value:?}, memory {:?}",
                    memory.get(key)
                ));
            }
        }
        for key in memory.keys().filter(|key| !store.contains_key(*key)) {
            self.say(format!("{what} {key:?}: only memory loads it"));
        }
    }

    fn compare(&mut self, store: &World) {
        let world = std::mem::take(&mut self.world);
        self.same("lead", &store.leads, &world.leads);
        self.same("contact point", &store.points, &world.points);
        self.same("message", &store.messages, &world.messages);
        self.same("counter", &store.counters, &world.counters);
        self.same("number", &store.numbers, &world.numbers);
        self.same("event key", &store.event_keys, &world.event_keys);
        self.same("report", &store.seen, &world.seen);
        self.world = world;
    }

    /// A business moves in.
    pub fn move_in(&mut self, tenant: &Tenant, now: Timestamp) {
        let mut known = houses::confirmed(tenant, now);
        self.begin();
        self.apply(&mut known, now);
        self.commit();
    }

    pub(crate) fn begin(&mut self) {
        sure(self.memory.begin());
    }

    pub(crate) fn load(
        &mut self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
        store: &World,
    ) {
        self.world = sure(self.memory.load(orders, tenants, now));
        self.compare(store);
    }

    /// What a turn changed by now is in the store's world alone, so that only what is new in it is compared.
    pub(crate) fn load_for(
        &mut self,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
        store: &World,
    ) {
        let mut world = World::default();
        sure(self.memory.load_for(&mut world, due, tenants, now));
        let untouched = |key: &ringback_core::turn::world::PointKey| {
            store
                .points
                .get(key)
                .is_some_and(|point| point.as_ref().is_none_or(|point| !point.dirty))
        };
        for (id, state) in &world.leads {
            let Some(known) = store.leads.get(id) else {
                self.say(format!("lead {id}: only memory loads it"));
                continue;
            };
            self.compared += 1;
            if !known.dirty && known != state {
                self.say(format!("lead {id}: {known:?} and {state:?}"));
            }
        }
        for (key, point) in world.points.iter().filter(|(key, _)| untouched(key)) {
            self.compared += 1;
            if store.points.get(key) != Some(point) {
                self.say(format!(
                    "contact point {key:?}: {:?} and {point:?}",
                    store.points.get(key)
                ));
            }
        }
    }

    pub(crate) fn due(&mut self, queue: QueueOf, now: Timestamp, most: u32, store: &[Message]) {
        let due = sure(self.memory.due(queue, now, most));
        self.compared += due.len() as u64;
        if due != store {
            self.say(format!(
                "due in {queue:?}: the store has {store:?}, memory {due:?}"
            ));
        }
    }

    pub(crate) fn answered(
        &mut self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
        store: Option<&Answered>,
    ) {
        let answered = sure(self.memory.answered(tenant, once, now));
        if answered.as_ref() != store {
            self.say(format!(
                "key {}: the store has {store:?}, memory {answered:?}",
                once.key
            ));
        }
    }

    pub(crate) fn remember(
        &mut self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) {
        sure(self.memory.remember(tenant, once, status, body, now));
    }

    pub(crate) fn apply(&mut self, world: &mut World, now: Timestamp) {
        sure(self.memory.apply(world, now));
    }

    pub(crate) fn commit(&mut self) {
        sure(self.memory.commit());
    }

    pub(crate) fn roll_back(&mut self) {
        self.memory.roll_back();
    }
}
