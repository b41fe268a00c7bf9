//! Bugs that are put in on purpose, in builds with the feature `seeded-bugs` alone: a campaign that finds nothing in the real product
//! must find each of them. Without the feature [`has`] is a constant `false`, so a release carries none of this.

/// One bug for each thing that a campaign promises to see (reliability 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Callers are answered before the commit (I1).
    AnswerBeforeCommit,
    /// A call without an answer counts as one that certainly failed and is made again (I3).
    RetryOnUnknown,
    /// Suppression and consent are asked when a message is planned, not again when it is sent (I4).
    ConsentAtPlanningOnly,
    /// The gates look at what was known before the transaction that writes the intent (I4).
    GateOutsideIntent,
    /// Quiet hours go by the server's time zone instead of the person's (I5).
    LocalZoneOfServer,
    /// Limits look at a count that others of the same turn do not raise (I5).
    CapCheckThenSet,
    /// A late report overwrites what is known already (I6).
    LateReportWins,
    /// A claim holds by the wall clock alone, so a clock that jumps ends it early (I2, I3).
    LeaseByNodeClock,
    /// A report or reply that comes twice is taken twice (I3).
    WebhookTakenTwice,
    /// A row of the ledger is changed after it was written (I8).
    LedgerRowChanged,
    /// One query forgets its tenant (I7).
    TenantFilterMissing,
    /// What a message reserved of a budget is not given back when it does not go (I9).
    BudgetNotReleased,
    /// A restore reads the journals and does nothing of what they remember (P12).
    JournalNotReplayed,
}

impl Bug {
    /// All of them, in the order of the table in docs/promises.md.
    pub const ALL: [Self; 13] = [
        Self::AnswerBeforeCommit,
        Self::RetryOnUnknown,
        Self::ConsentAtPlanningOnly,
        Self::GateOutsideIntent,
        Self::LocalZoneOfServer,
        Self::CapCheckThenSet,
        Self::LateReportWins,
        Self::LeaseByNodeClock,
        Self::WebhookTakenTwice,
        Self::LedgerRowChanged,
        Self::TenantFilterMissing,
        Self::BudgetNotReleased,
        Self::JournalNotReplayed,
    ];

    /// Its name on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnswerBeforeCommit => "answer-before-commit",
            Self::RetryOnUnknown => "retry-on-unknown",
            Self::ConsentAtPlanningOnly => "consent-at-planning-only",
            Self::GateOutsideIntent => "gate-outside-intent",
            Self::LocalZoneOfServer => "local-zone-of-server",
            Self::CapCheckThenSet => "cap-check-then-set",
            Self::LateReportWins => "late-report-wins",
            Self::LeaseByNodeClock => "lease-by-node-clock",
            Self::WebhookTakenTwice => "webhook-taken-twice",
            Self::LedgerRowChanged => "ledger-row-changed",
            Self::TenantFilterMissing => "tenant-filter-missing",
            Self::BudgetNotReleased => "budget-not-released",
            Self::JournalNotReplayed => "journal-not-replayed",
        }
    }
}

#[cfg(feature = "seeded-bugs")]
static SOWN: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// Puts a bug in, for the rest of the process.
#[cfg(feature = "seeded-bugs")]
pub fn sow(bug: Bug) {
    SOWN.fetch_or(1 << bug as u16, std::sync::atomic::Ordering::Relaxed);
}

/// True when the bug was put in.
#[cfg(feature = "seeded-bugs")]
#[inline]
pub fn has(bug: Bug) -> bool {
    SOWN.load(std::sync::atomic::Ordering::Relaxed) & (1 << bug as u16) != 0
}

/// Never: this build carries no bugs on purpose.
#[cfg(not(feature = "seeded-bugs"))]
#[inline]
pub const fn has(_: Bug) -> bool {
    false
}
