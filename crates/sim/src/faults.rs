//! Where things go wrong: the seams of the store and the steps of a call, and who decides what happens there.

use crate::dice::Dice;
use crate::twin::Twin;
use ringback_core::ids::TenantId;
use ringback_core::messages::Message;
use ringback_core::time::Timestamp;
use ringback_core::turn::{
    Answered, Breakers, Guesses, Once, Order, Placed, QueueOf, Records, Tenants, World,
};
use ringback_store::{StoreError, Writer};
use std::collections::BTreeMap;

/// A place where things can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seam {
    /// The transaction begins.
    Begin,
    /// What the orders look at is loaded.
    Load,
    /// What is due is read.
    Due,
    /// What gating looks at is loaded.
    LoadFor,
    /// An earlier answer is looked for, or one is remembered.
    Once,
    /// Changes are written.
    Apply,
    /// The commit.
    Commit,
    /// The commit is on the disk, nobody has heard of it.
    Committed,
    /// The intent is on the disk, the provider was not called yet.
    BeforeCall,
    /// The provider is being called.
    MidCall,
    /// The provider has it, its answer was not read.
    AcceptedUnread,
    /// The answer was read, nothing of it is on the disk.
    ReadUncommitted,
}

impl Seam {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Begin,
        Self::Load,
        Self::Due,
        Self::LoadFor,
        Self::Once,
        Self::Apply,
        Self::Commit,
        Self::Committed,
        Self::BeforeCall,
        Self::MidCall,
        Self::AcceptedUnread,
        Self::ReadUncommitted,
    ];

    /// Its name in the counts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Load => "load",
            Self::Due => "due",
            Self::LoadFor => "load_for",
            Self::Once => "once",
            Self::Apply => "apply",
            Self::Commit => "commit",
            Self::Committed => "committed",
            Self::BeforeCall => "before_call",
            Self::MidCall => "mid_call",
            Self::AcceptedUnread => "accepted_unread",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }

    /// True for the store's own seams, which can fail without ending the process.
    pub const fn of_store(self) -> bool {
        matches!(
            self,
            Self::Begin
                | Self::Load
                | Self::Due
                | Self::LoadFor
                | Self::Once
                | Self::Apply
                | Self::Commit
        )
    }
}

/// What happens at a seam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing out of the ordinary.
    Go,
    /// The operation fails.
    Fail,
    /// The disk is full.
    Full,
    /// The process ends.
    Crash,
}

/// Who decides what goes wrong.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// Nothing goes wrong.
    None,
    /// Chance, with so many of a thousand for a crash and for a failure, and at most so many crashes.
    Chance {
        /// The throws.
        dice: Dice,
        /// Of a thousand.
        crashes: i64,
        /// Of a thousand.
        failures: i64,
        /// Crashes left.
        left: u32,
    },
    /// The n-th operation, and no other.
    Nth {
        /// Operations until then.
        left: u64,
        /// What happens there.
        act: Act,
        /// True once it happened.
        hit: bool,
    },
}

/// Decides and counts.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Who decides.
    pub trouble: Trouble,
    /// How often each thing happened: every one of them must happen sometimes.
    pub counts: BTreeMap<String, u64>,
}

impl Faults {
    /// With somebody who decides.
    pub const fn new(trouble: Trouble) -> Self {
        Self {
            trouble,
            counts: BTreeMap::new(),
        }
    }

    /// Notes that something happened that must happen sometimes.
    pub fn sometimes(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(n) => *n += 1,
            None => {
                self.counts.insert(what.to_owned(), 1);
            }
        }
    }

    /// What happens here.
    pub fn at(&mut self, seam: Seam) -> Act {
        let act = match &mut self.trouble {
            Trouble::None => Act::Go,
            Trouble::Chance {
                dice,
                crashes,
                failures,
                left,
            } => {
                let throw = dice.below(1_000);
                if throw < *crashes && *left > 0 {
                    *left -= 1;
                    Act::Crash
                } else if seam.of_store() && throw >= 1_000 - *failures {
                    if throw % 3 == 0 { Act::Full } else { Act::Fail }
                } else {
                    Act::Go
                }
            }
            Trouble::Nth { left, act, hit } => {
                if *hit || (!seam.of_store() && *act != Act::Crash) {
                    Act::Go
                } else if *left > 1 {
                    *left -= 1;
                    Act::Go
                } else {
                    *hit = true;
                    *act
                }
            }
        };
        match act {
            Act::Go => {}
            Act::Crash => self.sometimes(&format!("crash.{}", seam.as_str())),
            Act::Fail => self.sometimes(&format!("fail.{}", seam.as_str())),
            Act::Full => self.sometimes(&format!("full.{}", seam.as_str())),
        }
        act
    }
}

/// Why a batch did not get through.
#[derive(Debug)]
pub enum Failure {
    /// The store said no, or was made to say no.
    Store(String),
    /// The disk is full.
    Full,
    /// The process ended.
    Crash,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::Full,
            StoreError::Failed { at, source } => Self::Store(format!("{at}: {source}")),
            other => Self::Store(other.to_string()),
        }
    }
}

/// The writer, failing on purpose.
pub(crate) struct Fragile<'a> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) faults: &'a mut Faults,
    pub(crate) twin: Option<&'a mut Twin>,
}

impl Fragile<'_> {
    fn at(&mut self, seam: Seam) -> Result<(), Failure> {
        match self.faults.at(seam) {
            Act::Go => Ok(()),
            Act::Fail => Err(Failure::Store(format!(
                "{} was made to fail",
                seam.as_str()
            ))),
            Act::Full => Err(Failure::Full),
            Act::Crash => Err(Failure::Crash),
        }
    }
}

impl Records for Fragile<'_> {
    type Error = Failure;

    fn begin(&mut self) -> Result<(), Failure> {
        self.at(Seam::Begin)?;
        Writer::begin(self.writer)?;
        if let Some(twin) = &mut self.twin {
            twin.begin();
        }
        Ok(())
    }

    fn load(
        &mut self,
        orders: &[Order],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<World, Failure> {
        self.at(Seam::Load)?;
        let world = self.writer.load(orders, tenants, now)?;
        if let Some(twin) = &mut self.twin {
            twin.load(orders, tenants, now, &world);
        }
        Ok(world)
    }

    fn load_for(
        &mut self,
        world: &mut World,
        due: &[Message],
        tenants: &Tenants,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.at(Seam::LoadFor)?;
        self.writer.load_for(world, due, tenants, now)?;
        if let Some(twin) = &mut self.twin {
            twin.load_for(due, tenants, now, world);
        }
        Ok(())
    }

    fn due(&mut self, queue: QueueOf, now: Timestamp, most: u32) -> Result<Vec<Message>, Failure> {
        self.at(Seam::Due)?;
        let due = self.writer.due(queue, now, most)?;
        if let Some(twin) = &mut self.twin {
            twin.due(queue, now, most, &due);
        }
        Ok(due)
    }

    fn answered(
        &mut self,
        tenant: TenantId,
        once: &Once,
        now: Timestamp,
    ) -> Result<Option<Answered>, Failure> {
        self.at(Seam::Once)?;
        let before = self.writer.answered(tenant, once, now)?;
        if let Some(twin) = &mut self.twin {
            twin.answered(tenant, once, now, before.as_ref());
        }
        Ok(before)
    }

    fn remember(
        &mut self,
        tenant: TenantId,
        once: &Once,
        status: u16,
        body: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.at(Seam::Once)?;
        self.writer.remember(tenant, once, status, body, now)?;
        if let Some(twin) = &mut self.twin {
            twin.remember(tenant, once, status, body, now);
        }
        Ok(())
    }

    fn apply(&mut self, world: &mut World, now: Timestamp) -> Result<(), Failure> {
        if let Some(twin) = &mut self.twin {
            twin.apply(world, now);
        }
        self.writer.apply(world, now)?;
        // Everything is written and nothing is lasting.
        self.at(Seam::Apply)
    }

    fn commit(&mut self) -> Result<(), Failure> {
        self.at(Seam::Commit)?;
        Writer::commit(self.writer)?;
        if let Some(twin) = &mut self.twin {
            twin.commit();
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        Writer::roll_back(self.writer);
        if let Some(twin) = &mut self.twin {
            twin.roll_back();
        }
    }

    fn breakers(&mut self) -> &mut Breakers {
        self.writer.breakers.get_mut()
    }

    fn placed(&mut self) -> &mut Placed {
        self.writer.placed.get_mut()
    }

    fn guesses(&mut self) -> &mut Guesses {
        self.writer.guesses.get_mut()
    }
}
