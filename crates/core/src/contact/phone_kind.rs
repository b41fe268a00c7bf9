//! What kind of number it is, and what may be done with it (L6, compliance: numbers).

use crate::{messages::closed_list, places::Region};
use rlibphonenumber::PhoneNumberType;

closed_list! {
    /// The kind of a phone number by its country's numbering plan.
    PhoneKind {
        /// A mobile.
        Mobile = 0, "mobile";
        /// A landline: no texts, calls are fine.
        Landline = 1, "landline";
        /// Either; in North America the number does not say.
        FixedOrMobile = 2, "fixed_or_mobile";
        /// Free for the caller.
        TollFree = 3, "toll_free";
        /// Costs the caller more than a call; never used.
        Premium = 4, "premium";
        /// Caller and owner share the cost.
        SharedCost = 5, "shared_cost";
        /// Over the internet.
        Voip = 6, "voip";
        /// Follows a person and can cost like a premium number.
        Personal = 7, "personal";
        /// A pager.
        Pager = 8, "pager";
        /// One number for a whole company.
        Uan = 9, "uan";
        /// A voicemail box.
        Voicemail = 10, "voicemail";
        /// Not known.
        Unknown = 11, "unknown";
    }
}

impl From<PhoneNumberType> for PhoneKind {
    fn from(kind: PhoneNumberType) -> Self {
        match kind {
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLine => Self::Landline,
            PhoneNumberType::FixedLineOrMobile => Self::FixedOrMobile,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::Premium,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::PersonalNumber => Self::Personal,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::UAN => Self::Uan,
            PhoneNumberType::VoiceMail => Self::Voicemail,
            PhoneNumberType::Unknown => Self::Unknown,
        }
    }
}

/// Who may call a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calling {
    /// Anyone, by hand or by program.
    Anyone,
    /// A person of the staff, never a program: it is a business or costs by the minute.
    StaffOnly,
    /// Nobody.
    Nobody,
}

/// A number's country and kind, worked out together. The country is that of the numbering plan and never the calling code:
/// Guernsey, Jersey and the Isle of Man share +44, twenty countries and territories share +1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneProfile {
    /// The country; none for international services such as +800.
    pub region: Option<Region>,
    /// The kind.
    pub kind: PhoneKind,
}

impl PhoneProfile {
    /// Whether a text may be sent there at all. Landlines cannot show it; the blocked kinds cost too much or reach nobody.
    pub fn can_text(self) -> bool {
        match self.kind {
            PhoneKind::Mobile | PhoneKind::FixedOrMobile => true,
            // Around the Channel and in Britain 05 numbers take no texts; elsewhere many do.
            PhoneKind::Voip => !self.british(),
            PhoneKind::Landline
            | PhoneKind::TollFree
            | PhoneKind::Premium
            | PhoneKind::SharedCost
            | PhoneKind::Personal
            | PhoneKind::Pager
            | PhoneKind::Uan
            | PhoneKind::Voicemail
            | PhoneKind::Unknown => false,
        }
    }

    /// Who may call there.
    pub fn can_call(self) -> Calling {
        match self.kind {
            PhoneKind::Mobile | PhoneKind::FixedOrMobile | PhoneKind::Landline | PhoneKind::Uan => {
                Calling::Anyone
            }
            PhoneKind::Voip if self.british() => Calling::StaffOnly,
            PhoneKind::Voip => Calling::Anyone,
            PhoneKind::TollFree | PhoneKind::SharedCost => Calling::StaffOnly,
            PhoneKind::Premium
            | PhoneKind::Personal
            | PhoneKind::Pager
            | PhoneKind::Voicemail
            | PhoneKind::Unknown => Calling::Nobody,
        }
    }

    fn british(self) -> bool {
        self.region
            .is_some_and(|region| matches!(region.as_str(), "GB" | "GG" | "JE" | "IM"))
    }
}
