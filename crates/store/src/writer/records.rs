//! The writer as what a batch of orders is decided against.

use super::Writer;
use crate::StoreError;
use ringback_core::ids::TenantId;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_core::turn::world::World;
use ringback_core::turn::{
    Answered, Breakers, Guesses, Once, Order, Placed, QueueOf, Records, Tenants,
};

impl Records for Writer {
    type Error = StoreError;

    fn begin(&mut self) -> Result<(), StoreError> {
        Self::begin(self)
    }

    fn load(
        &mut self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<World, StoreError> {
        Self::load(self, orders, tenants, now)
    }

    fn load_for(
        &mut self,
        world: &mut World,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Self::load_for(self, world, due, tenants, now)
    }

    fn foresee(
        &mut self,
        world: &mut World,
        shares: &mut Vec<(QueueOf, u32)>,
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.foresee_claims(world, shares, tenants, now)
    }

    fn due(
        &mut self,
        queue: QueueOf,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<Message>, StoreError> {
        Self::due(self, queue, now, most)
    }

    fn answered(
        &mut self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, StoreError> {
        Self::answered(self, tenant, once, now)
    }

    fn remember(
        &mut self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Self::remember(self, tenant, once, status, body, now)
    }

    fn apply(&mut self, world: &mut World, now: Timestamp) -> Result<(), StoreError> {
        Self::apply(self, world, now)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Self::commit(self)
    }

    fn roll_back(&mut self) {
        Self::roll_back(self);
    }

    fn breakers(&mut self) -> &mut Breakers {
        self.breakers.get_mut()
    }

    fn placed(&mut self) -> &mut Placed {
        self.placed.get_mut()
    }

    fn guesses(&mut self) -> &mut Guesses {
        self.guesses.get_mut()
    }
}
