//! What starts a run (W1).

use super::schedule::Schedule;
use crate::conditions::Condition;
use crate::config::durations;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A lead came in, by this form or by any way.
    LeadCaptured {
        /// The form's name.
        form: Option<String>,
    },
    /// An event of one of these types.
    Event {
        /// Types such as `emergency_click`.
        types: Vec<String>,
    },
    /// A score rose into a tier (S5).
    TierEntered {
        /// The score model.
        model: String,
        /// The tier.
        tier: String,
    },
    /// A lead's stage changed.
    StageChanged {
        /// In this product; none is the workflow's own or any.
        product: Option<String>,
        /// To this stage; none is any.
        to: Option<String>,
    },
    /// A call ended (A2).
    CallEnded {
        /// With one of these outcomes; none is any.
        outcomes: Vec<CallOutcome>,
    },
    /// So long before or after an appointment (A1). A run waits for it from the moment the appointment is known, goes along when it is
    /// moved, and ends when it is cancelled.
    Appointment(Offset),
    /// At times of the business's own clock, for every lead for which `when` holds.
    Schedule(Schedule),
    /// A condition becomes true for a lead.
    Segment(Segment),
    /// A person or the API starts it.
    Manual,
}

/// How a call ended (A2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// An appointment was made.
    Booked,
    /// The person does not want it.
    NotInterested,
    /// Nobody answered.
    NoAnswer,
    /// A machine answered.
    Voicemail,
    /// The person wants to be called later.
    CallbackRequested,
    /// It is somebody else's number.
    WrongNumber,
}

impl CallOutcome {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::NotInterested => "not_interested",
            Self::NoAnswer => "no_answer",
            Self::Voicemail => "voicemail",
            Self::CallbackRequested => "callback_requested",
            Self::WrongNumber => "wrong_number",
        }
    }
}

/// How far from an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offset {
    /// So long before it begins.
    Before(#[serde(with = "durations")] Duration),
    /// So long after it ends; after its beginning, where no end is known.
    After(#[serde(with = "durations")] Duration),
}

/// A condition that becomes true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// What is to hold.
    #[serde(serialize_with = "crate::config::in_words")]
    pub when: Condition,
    /// A lead is out only when it did not hold for so long; until then it does not enter again.
    #[serde(with = "durations::option")]
    pub leaves_after: Option<Duration>,
}

impl Trigger {
    /// The kind of trigger, as it is written.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LeadCaptured { .. } => "lead_captured",
            Self::Event { .. } => "event",
            Self::TierEntered { .. } => "tier_entered",
            Self::StageChanged { .. } => "stage_changed",
            Self::CallEnded { .. } => "call_ended",
            Self::Appointment(_) => "appointment",
            Self::Schedule(_) => "schedule",
            Self::Segment(_) => "segment",
            Self::Manual => "manual",
        }
    }

    /// Whether an event of this type and with these properties starts it.
    pub fn hears(&self, kind: &str, also: Option<&str>, properties: &serde_json::Value) -> bool {
        match self {
            Self::Event { types } => types
                .iter()
                .any(|one| one == kind || Some(one.as_str()) == also),
            Self::CallEnded { outcomes } => {
                let ended = properties["outcome"].as_str();
                kind == CALL_ENDED
                    && (outcomes.is_empty()
                        || outcomes.iter().any(|one| ended == Some(one.as_str())))
            }
            _ => false,
        }
    }
}

/// The event that ends a call.
pub const CALL_ENDED: &str = "call.ended";

/// A trigger as it is written; `event` takes a type, a list of types or `{ types: […] }`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenTrigger {
    LeadCaptured {
        form: Option<String>,
    },
    Event(Types),
    TierEntered {
        model: String,
        tier: String,
    },
    StageChanged {
        product: Option<String>,
        to: Option<String>,
    },
    CallEnded {
        outcome: Option<Outcomes>,
    },
    Appointment(WrittenOffset),
    Schedule(Schedule),
    Segment(WrittenSegment),
    Manual,
}

/// One outcome or several.
#[derive(Deserialize)]
#[serde(transparent)]
struct Outcomes(#[serde(deserialize_with = "one_or_more")] Vec<CallOutcome>);

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CallOutcome>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<CallOutcome>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an outcome of a call or a list of them")
        }
        fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
            CallOutcome::deserialize(de::value::StrDeserializer::new(word)).map(|one| vec![one])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut outcomes = Vec::new();
            while let Some(one) = items.next_element()? {
                outcomes.push(one);
            }
            Ok(outcomes)
        }
    }
    from.deserialize_any(OneOrMore)
}

#[derive(Deserialize)]
#[serde(rename = "appointment", deny_unknown_fields)]
struct WrittenOffset {
    #[serde(default, with = "durations::option")]
    before: Option<Duration>,
    #[serde(default, with = "durations::option")]
    after: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename = "segment", deny_unknown_fields)]
struct WrittenSegment {
    when: Condition,
    #[serde(default, with = "durations::option")]
    leaves_after: Option<Duration>,
}

/// One type of event or several.
pub(super) struct Types(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Listed {
            types: Vec<String>,
        }
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Types;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the type of an event or a list of types")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Types, E> {
                Ok(Types(vec![word.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Types, A::Error> {
                let mut types = Vec::new();
                while let Some(one) = items.next_element()? {
                    types.push(one);
                }
                Ok(Types(types))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Types, A::Error> {
                Listed::deserialize(MapAccessDeserializer::new(map))
                    .map(|listed| Types(listed.types))
            }
        }
        let types = from.deserialize_any(OneOrMore)?;
        if types.0.is_empty() {
            return Err(de::Error::custom("`event` names no type of event."));
        }
        Ok(types)
    }
}

impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match WrittenTrigger::deserialize(from)? {
            WrittenTrigger::LeadCaptured { form } => Self::LeadCaptured { form },
            WrittenTrigger::Event(types) => Self::Event { types: types.0 },
            WrittenTrigger::TierEntered { model, tier } => Self::TierEntered { model, tier },
            WrittenTrigger::StageChanged { product, to } => Self::StageChanged { product, to },
            WrittenTrigger::CallEnded { outcome } => Self::CallEnded {
                outcomes: outcome.map_or_else(Vec::new, |outcomes| outcomes.0),
            },
            WrittenTrigger::Appointment(WrittenOffset { before, after }) => {
                Self::Appointment(match (before, after) {
                    (Some(length), None) => Offset::Before(length),
                    (None, Some(length)) => Offset::After(length),
                    _ => {
                        return Err(de::Error::custom(
                            "`appointment` has exactly one of `before` and `after`, such as `before: 24h`.",
                        ));
                    }
                })
            }
            WrittenTrigger::Schedule(schedule) => Self::Schedule(schedule),
            WrittenTrigger::Segment(WrittenSegment { when, leaves_after }) => {
                Self::Segment(Segment { when, leaves_after })
            }
            WrittenTrigger::Manual => Self::Manual,
        })
    }
}
