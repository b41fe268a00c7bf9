//! The closed lists a message is described with.

macro_rules! closed_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant = $code,)* }

        impl $name {
            /// Every value, in order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of the API and of configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The number that is stored.
            pub const fn code(self) -> i64 {
                self as i64
            }

            /// Reads a stored number.
            pub const fn from_code(code: i64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Reads the word of the API.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use closed_list;

closed_list! {
    /// The way a message travels.
    ChannelKind {
        /// A text message.
        Sms = 0, "sms";
        /// A mail.
        Email = 1, "email";
        /// A signed request to somebody's server (N11).
        Webhook = 2, "webhook";
    }
}

closed_list! {
    /// What kind of message it is; decides consent, hours and limits (C2).
    Category {
        /// Answers or serves what the person asked for.
        Transactional = 0, "transactional";
        /// Wants to sell.
        Promotional = 1, "promotional";
        /// Tells the people who work the leads.
        Staff = 2, "staff";
        /// Concerns the recipient's own health and safety.
        Emergency = 3, "emergency";
    }
}

closed_list! {
    /// Who goes first when there is a queue (M7).
    Priority {
        /// Before everything.
        Critical = 0, "critical";
        /// Soon.
        High = 1, "high";
        /// The usual.
        Normal = 2, "normal";
        /// When there is room.
        Low = 3, "low";
    }
}

impl Priority {
    /// True for what may take the room that is kept for it (M7).
    pub const fn urgent(self) -> bool {
        matches!(self, Self::Critical | Self::High)
    }
}
