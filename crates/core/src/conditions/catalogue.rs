//! The catalogue of fields: what a condition may name, and what each field holds.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// A point in time.
    Instant,
    /// Several texts.
    List,
    /// Whatever the sender put there; its type is known only when it is seen.
    Any,
}

impl FieldKind {
    /// The kind with its article, for sentences.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "yes or no",
            Self::Instant => "a point in time",
            Self::List => "a list",
            Self::Any => "anything",
        }
    }
}

/// One entry of the catalogue, for checks, the form builder and the reference page.
#[derive(Debug)]
pub struct FieldInfo {
    /// The path as written in `field:`. One that ends in `.*` stands for any path below it.
    pub path: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// What it is called in sentences.
    pub label: &'static str,
    /// One sentence for the person who writes a condition.
    pub help: &'static str,
    pub(super) place: Place,
}

/// Where among the facts a field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    EventType,
    EventSource,
    EventAt,
    EventProperties,
    FirstName,
    LastName,
    Email,
    Phone,
    Source,
    Stage,
    Product,
    Tier,
    City,
    State,
    Zip,
    Country,
    Points,
    Tags,
    CreatedAt,
    Anonymous,
    Attributes,
    SessionNumber,
    SessionStartedAt,
    SessionSeconds,
    SessionViews,
    SessionPages,
    SessionPaths,
    SessionFirstPath,
    SessionReferrer,
    SessionReferrerQuery,
    SessionUtm,
    AfterHours,
    Weekend,
    BusinessHours,
    Holiday,
    Hour,
    Weekday,
    Run,
}

const fn info(
    place: Place,
    path: &'static str,
    kind: FieldKind,
    label: &'static str,
    help: &'static str,
) -> FieldInfo {
    FieldInfo {
        path,
        kind,
        label,
        help,
        place,
    }
}

use FieldKind::{Any, Bool, Instant, List, Number, Text};

pub(super) static CATALOGUE: [FieldInfo; 38] = [
    info(
        Place::EventType,
        "event.type",
        Text,
        "type of event",
        "What happened, such as page or lead.captured.",
    ),
    info(
        Place::EventSource,
        "event.source",
        Text,
        "source of the event",
        "Where the event came from.",
    ),
    info(
        Place::EventAt,
        "event.at",
        Instant,
        "time of the event",
        "When it happened.",
    ),
    info(
        Place::EventProperties,
        "event.properties.*",
        Any,
        "event",
        "What the event carries, such as event.properties.path.",
    ),
    info(
        Place::FirstName,
        "lead.first_name",
        Text,
        "first name",
        "Given name of the lead.",
    ),
    info(
        Place::LastName,
        "lead.last_name",
        Text,
        "last name",
        "Family name of the lead.",
    ),
    info(
        Place::Email,
        "lead.email",
        Text,
        "email address",
        "Email address of the lead.",
    ),
    info(
        Place::Phone,
        "lead.phone",
        Text,
        "phone number",
        "Phone number of the lead, such as +13035550142.",
    ),
    info(
        Place::Source,
        "lead.source",
        Text,
        "source of the lead",
        "Where the lead came from.",
    ),
    info(
        Place::Stage,
        "lead.stage",
        Text,
        "stage",
        "Stage in the product's pipeline.",
    ),
    info(
        Place::Product,
        "lead.product",
        Text,
        "product",
        "The product at hand.",
    ),
    info(
        Place::Tier,
        "lead.tier",
        Text,
        "tier",
        "Tier in the score model at hand.",
    ),
    info(
        Place::City,
        "lead.city",
        Text,
        "city",
        "City of the lead's address.",
    ),
    info(
        Place::State,
        "lead.state",
        Text,
        "state",
        "State or province of the lead's address.",
    ),
    info(
        Place::Zip,
        "lead.zip",
        Text,
        "ZIP",
        "ZIP or postcode of the lead's address.",
    ),
    info(
        Place::Country,
        "lead.country",
        Text,
        "country",
        "Country of the lead as two letters, in quotes (\"US\").",
    ),
    info(
        Place::Points,
        "lead.points",
        Number,
        "points",
        "Points in the score model at hand.",
    ),
    info(
        Place::Tags,
        "lead.tags",
        List,
        "tags",
        "Tags on the lead; a comparison holds when one of them fits.",
    ),
    info(
        Place::CreatedAt,
        "lead.created_at",
        Instant,
        "first sight of the lead",
        "When the lead was first seen.",
    ),
    info(
        Place::Anonymous,
        "lead.anonymous",
        Bool,
        "anonymous",
        "Whether the lead is a visitor without phone, email or other contact.",
    ),
    info(
        Place::Attributes,
        "lead.attributes.*",
        Any,
        "lead",
        "What is known besides, such as lead.attributes.service_type.",
    ),
    info(
        Place::SessionNumber,
        "session.number",
        Number,
        "number of the visit",
        "1 for the first visit, 2 and more for a returning visitor.",
    ),
    info(
        Place::SessionStartedAt,
        "session.started_at",
        Instant,
        "start of the visit",
        "When the visit began.",
    ),
    info(
        Place::SessionSeconds,
        "session.seconds",
        Number,
        "seconds on the site",
        "Seconds since the visit began.",
    ),
    info(
        Place::SessionViews,
        "session.views",
        Number,
        "page views",
        "Page views of the visit, repeated ones too.",
    ),
    info(
        Place::SessionPages,
        "session.pages",
        Number,
        "different pages seen",
        "Number of different pages of the visit.",
    ),
    info(
        Place::SessionPaths,
        "session.paths",
        List,
        "pages of the visit",
        "Paths of the different pages; at_least asks for several that fit.",
    ),
    info(
        Place::SessionFirstPath,
        "session.first_path",
        Text,
        "first page of the visit",
        "Path of the page the visit began on.",
    ),
    info(
        Place::SessionReferrer,
        "session.referrer",
        Text,
        "referrer",
        "Address the visitor came from.",
    ),
    info(
        Place::SessionReferrerQuery,
        "session.referrer_query",
        Text,
        "search before the visit",
        "The words searched for in the referrer's address, decoded (q, query, p, search and the like).",
    ),
    info(
        Place::SessionUtm,
        "session.utm.*",
        Text,
        "UTM",
        "Campaign values: session.utm.source, medium, campaign, term, content.",
    ),
    info(
        Place::AfterHours,
        "time.after_hours",
        Bool,
        "after hours",
        "Whether it is outside the opening hours.",
    ),
    info(
        Place::Weekend,
        "time.weekend",
        Bool,
        "weekend",
        "Whether it is Saturday or Sunday at the tenant's place.",
    ),
    info(
        Place::BusinessHours,
        "time.business_hours",
        Bool,
        "business hours",
        "Whether it is within the opening hours.",
    ),
    info(
        Place::Holiday,
        "time.holiday",
        Bool,
        "holiday",
        "Whether it is one of the tenant's holidays.",
    ),
    info(
        Place::Hour,
        "time.hour",
        Number,
        "hour of the day",
        "Hour at the tenant's place, 0 to 23.",
    ),
    info(
        Place::Weekday,
        "time.weekday",
        Text,
        "day of the week",
        "monday to sunday.",
    ),
    info(
        Place::Run,
        "run.*",
        Any,
        "run",
        "What the workflow run has gathered.",
    ),
];

/// Every field a condition may name.
pub fn catalogue() -> &'static [FieldInfo] {
    &CATALOGUE
}
