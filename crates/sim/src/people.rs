//! The people of a world: where they are, how they are reached, and what their consent is by a naive reading of what they did.

use crate::dice::Dice;
use ringback_core::ids::LeadId;

/// A place: area code, ZIP code, state and zone, written down by hand so that nothing of the product judges itself.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Of its phone numbers.
    pub area: &'static str,
    /// A ZIP code there.
    pub zip: &'static str,
    /// Its state.
    pub state: &'static str,
    /// Its IANA zone.
    pub zone: &'static str,
}

/// Where people live.
pub const PLACES: [Place; 8] = [
    Place {
        area: "303",
        zip: "80202",
        state: "CO",
        zone: "America/Denver",
    },
    Place {
        area: "212",
        zip: "10001",
        state: "NY",
        zone: "America/New_York",
    },
    Place {
        area: "415",
        zip: "94105",
        state: "CA",
        zone: "America/Los_Angeles",
    },
    Place {
        area: "312",
        zip: "60601",
        state: "IL",
        zone: "America/Chicago",
    },
    Place {
        area: "305",
        zip: "33101",
        state: "FL",
        zone: "America/New_York",
    },
    Place {
        area: "206",
        zip: "98101",
        state: "WA",
        zone: "America/Los_Angeles",
    },
    Place {
        area: "808",
        zip: "96813",
        state: "HI",
        zone: "Pacific/Honolulu",
    },
    Place {
        area: "602",
        zip: "85004",
        state: "AZ",
        zone: "America/Phoenix",
    },
];

/// Somebody who may buy.
#[derive(Debug, Clone)]
pub struct Person {
    /// Which business's.
    pub house: usize,
    /// The first name.
    pub name: String,
    /// E.164.
    pub phone: String,
    /// The mail address, if told.
    pub email: Option<String>,
    /// Where the person says to be.
    pub lives: Place,
    /// Where the number is from.
    pub number_from: Place,
    /// A mark that is in everything the person tells, with the number of the business in it.
    pub mark: String,
    /// Allows offers by text when first asked.
    pub offers_sms: bool,
    /// Allows offers by mail when first asked.
    pub offers_email: bool,
    /// The lead, once somebody was told of it.
    pub lead: Option<LeadId>,
}

impl Person {
    /// Somebody; a few people are known to two businesses by the same number and address.
    pub fn draw(dice: &mut Dice, house: usize, n: i64) -> Self {
        let lives = dice.pick(&PLACES);
        let number_from = if dice.in_thousand(200) {
            dice.pick(&PLACES)
        } else {
            lives
        };
        Self {
            house,
            name: dice
                .pick(&["Dana", "Noor", "Kai", "Ines", "Tomas"])
                .to_owned(),
            phone: format!("+1{}55501{n:02}", number_from.area),
            email: dice
                .in_thousand(750)
                .then(|| format!("person{n}@example.com")),
            lives,
            number_from,
            mark: mark(house, n),
            offers_sms: dice.in_thousand(700),
            offers_email: dice.in_thousand(600),
            lead: None,
        }
    }

    /// The zones the person may be in.
    pub fn zones(&self) -> [&'static str; 2] {
        [self.lives.zone, self.number_from.zone]
    }
}

/// What marks everything that person `n` tells to business `house`.
pub fn mark(house: usize, n: i64) -> String {
    format!("mark{house}x{n}y")
}

/// Businesses whose marks are in a text.
pub fn marks_in(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.match_indices("mark").filter_map(|(at, _)| {
        let rest = text.get(at + 4..)?;
        let (house, rest) = rest.split_at_checked(1)?;
        rest.starts_with('x').then(|| house.parse().ok()).flatten()
    })
}

/// What somebody did about messages to a number or address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Will {
    /// STOP, or its like.
    Stop,
    /// The provider says that the person opted out there.
    StoppedThere,
    /// START.
    Start,
    /// YES: a START to who said STOP, else nothing.
    Yes,
    /// Words that may mean stop.
    Unsure,
    /// Offers are allowed.
    AllowOffers,
    /// Offers are taken back.
    RevokeOffers,
    /// Messages about the enquiry, and with them offers, are taken back.
    RevokeAll,
    /// The business put the number on its list.
    List,
    /// The business took it off.
    Unlist,
}

impl Will {
    /// True when it allows more than before.
    pub const fn opens(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Yes | Self::AllowOffers | Self::Unlist
        )
    }
}

/// What may be sent to a number or address, folded from [`Will`]s in the order of their commits. Written from the spec, not from the product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    stopped: bool,
    listed: bool,
    no_offers: bool,
    no_answers: bool,
    doubted: bool,
}

impl Wish {
    /// Takes in what somebody did.
    pub fn hear(&mut self, will: Will) {
        match will {
            Will::Stop => {
                self.stopped = true;
                self.no_offers = true;
                self.no_answers = true;
            }
            Will::Start => {
                if self.stopped || self.doubted {
                    self.no_answers = false;
                }
                self.stopped = false;
                self.doubted = false;
            }
            Will::Yes => {
                if self.stopped {
                    self.hear(Will::Start);
                }
            }
            Will::StoppedThere => self.stopped = true,
            Will::Unsure => self.doubted = true,
            Will::AllowOffers => self.no_offers = false,
            Will::RevokeOffers => self.no_offers = true,
            Will::RevokeAll => self.no_answers = true,
            Will::List => self.listed = true,
            Will::Unlist => {
                // What the person said stands on: only the person can undo it.
                self.listed = false;
                self.doubted = false;
            }
        }
    }

    /// Why an offer may not go; `None` when nothing is against it.
    pub const fn against_offers(self) -> Option<&'static str> {
        if self.doubted {
            return Some("a reply that may mean stop waits to be read");
        }
        if self.no_offers {
            return Some("offers were taken back");
        }
        self.against_anything()
    }

    /// Why a message about the enquiry may not go.
    pub const fn against_answers(self) -> Option<&'static str> {
        if self.no_answers {
            return Some("messages were taken back");
        }
        self.against_anything()
    }

    const fn against_anything(self) -> Option<&'static str> {
        if self.stopped {
            Some("the person said stop")
        } else if self.listed {
            Some("the number is on the business's list")
        } else {
            None
        }
    }
}
