//! Dead letters (M4): messages that ended without reaching anybody, and that a person can still do something about.

use super::{ChannelKind, Message, Status};
use crate::ids::{CauseId, ConnectionId};
use sha2::{Digest, Sha256};

/// What dead letters of one group have in common: whoever mends it mends all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// How they ended.
    pub status: Status,
    /// The channel.
    pub channel: ChannelKind,
    /// The account of the last call; `None` for the sandbox, and where no account was called.
    pub connection: Option<ConnectionId>,
    /// Code of the reason, `none` when nobody gave one.
    pub code: String,
    /// The template; `None` for what a person wrote.
    pub template: Option<String>,
}

impl Cause {
    /// The cause of a dead letter; `None` for every other message.
    pub fn of(message: &Message) -> Option<Self> {
        message.is_dead().then(|| Self {
            status: message.status,
            channel: message.channel,
            connection: message.connection,
            code: message
                .why
                .as_ref()
                .map_or_else(|| "none".to_owned(), |why| why.code.clone()),
            template: message.template.as_ref().map(|(name, _)| name.clone()),
        })
    }

    /// The name of the group: the same cause has the same id, today and next year.
    pub fn id(&self) -> CauseId {
        let mut hash = Sha256::new();
        for number in [
            self.status.code(),
            self.channel.code(),
            self.connection.map_or(0, ConnectionId::raw),
        ] {
            hash.update(number.to_be_bytes());
        }
        for text in [Some(&self.code), self.template.as_ref()] {
            hash.update([u8::from(text.is_some())]);
            hash.update(text.map_or("", String::as_str));
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        // Ids are positive and have 63 bits.
        CauseId::from_raw((i64::from_be_bytes(first) & i64::MAX).max(1))
    }
}

impl Message {
    /// True for a dead letter: it failed or came back, its time ran out after calls that failed, or its end stayed unknown. Not what a
    /// gate or a person ended, what another message says instead, and what somebody discarded.
    pub fn is_dead(&self) -> bool {
        let open = self.plan.replaced_by.is_none() && self.plan.discarded.is_none();
        open && match self.status {
            Status::Failed | Status::Bounced => true,
            Status::Expired => self.attempt.is_some(),
            Status::Unknown => {
                self.deadline.is_none()
                    && self.plan.doubt.as_ref().is_none_or(|doubt| !doubt.stopped)
            }
            _ => false,
        }
    }
}
