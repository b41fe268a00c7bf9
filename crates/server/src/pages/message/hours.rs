//! What quiet hours said, read back from the sentence that is kept with a message (C7), so that a page can say it shortly and in the
//! recipient's own time.

use super::super::format::Local;
use ringback_core::places::Zone;
use ringback_core::time::Timestamp;
use ringback_core::turn::Said;

/// A place that quiet hours looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Place {
    /// Its zone.
    pub zone: Zone,
    /// Local time there then, `06:49`.
    pub time: String,
    /// Why it counts, in the gate's words.
    pub sources: Vec<String>,
}

/// The answer of quiet hours, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct HoursSaid {
    /// Its sentences, without places and rule ids.
    pub sentence: String,
    /// The opening it waits for.
    pub opens: Option<Timestamp>,
    /// The city that holds it.
    pub city: Option<String>,
    /// Where the person may be.
    pub places: Vec<Place>,
    /// Version of the rules.
    pub version: String,
    /// The rules that counted.
    pub rules: Vec<String>,
    /// It goes although hours are closed: a direct answer.
    pub reply: bool,
}

impl HoursSaid {
    /// Reads what the gate kept. What is not there stays empty.
    pub fn read(said: &Said) -> Self {
        let text = said.because.as_str();
        let (text, tail) = text.rsplit_once(" Rules ").unwrap_or((text, ""));
        let mut words = tail.split_whitespace();
        let version = words
            .next()
            .unwrap_or_default()
            .trim_end_matches([',', ';'])
            .to_owned();
        let rules = words
            .filter(|word| word.contains('-') && word.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(str::to_owned)
            .collect();
        let mut places = Vec::new();
        let mut sentence = text;
        // Places are at the end, each ` HH:MM in Zone/City (why, why).`
        while let Some((before, place)) = last_place(sentence) {
            places.insert(0, place);
            sentence = before;
        }
        let opens = sentence
            .split_once(" It goes at ")
            .and_then(|(_, rest)| rest.split(' ').next())
            .and_then(|at| at.parse().ok());
        let city = opens
            .and_then(|_| sentence.split_once(" in "))
            .and_then(|(_, rest)| rest.split([';', '(', ',']).next())
            .map(|city| city.trim().to_owned());
        let sentence = sentence
            .split(" It goes at ")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let reply = sentence.starts_with("It answers what the person did");
        Self {
            sentence,
            opens,
            city,
            places,
            version,
            rules,
            reply,
        }
    }

    /// The place that holds it, else the only one.
    fn holder(&self) -> Option<&Place> {
        let held = self
            .city
            .as_deref()
            .and_then(|city| self.places.iter().find(|place| place.zone.city() == city));
        held.or_else(|| self.places.first())
    }

    /// Local time where the message is held; the business's own when no place is known.
    pub fn local(&self, of_business: &Local, region: &str) -> Local {
        match self.holder() {
            Some(place) => Local::new(place.zone.rules().clone(), region, place.zone.city()),
            None => of_business.clone(),
        }
    }

    /// Why it is held, after "Held until 8:07 am in Denver": places that disagree are named, else the hour at which it opens.
    pub fn because(&self, local: &Local) -> String {
        let disagree = self.places.len() > 1
            && self
                .places
                .iter()
                .any(|place| place.zone.city() != local.place());
        if disagree {
            let says: Vec<String> = self
                .places
                .iter()
                .map(|place| {
                    format!(
                        "{} {} {}",
                        sources(&place.sources),
                        if place.sources.len() == 1 {
                            "says"
                        } else {
                            "say"
                        },
                        place.zone.city()
                    )
                })
                .collect();
            let all = if self.places.len() == 2 {
                "both"
            } else {
                "all"
            };
            return format!(": {}, and {all} must be open", says.join(", "));
        }
        match self.opens {
            Some(at) => format!(
                ", because quiet hours end there at {}",
                local
                    .time(at)
                    .trim_end_matches(" am")
                    .trim_end_matches(" pm")
            ),
            None => ", because of quiet hours".to_owned(),
        }
    }

    /// The places as a line: `6:49 in Denver by postal code and area code`.
    pub fn seen(&self) -> String {
        let seen: Vec<String> = self
            .places
            .iter()
            .map(|place| {
                format!(
                    "{} in {} by {}",
                    place.time.trim_start_matches('0'),
                    place.zone.city(),
                    place.sources.join(" and ")
                )
            })
            .collect();
        seen.join("; ")
    }
}

fn sources(sources: &[String]) -> String {
    let said: Vec<String> = sources
        .iter()
        .map(|source| match source.as_str() {
            "area code" => "the number".to_owned(),
            "postal code" => "the ZIP".to_owned(),
            other => format!("the {other}"),
        })
        .collect();
    said.join(" and ")
}

/// The last place of a text, with what is before it.
fn last_place(text: &str) -> Option<(&str, Place)> {
    let inner = text.strip_suffix(").")?;
    let (head, why) = inner.rsplit_once(" (")?;
    let (head, zone) = head.rsplit_once(" in ")?;
    let zone = Zone::find(zone)?;
    let (before, time) = head.rsplit_once(' ')?;
    let clock = time.len() == 5 && time.as_bytes().get(2) == Some(&b':');
    clock.then(|| {
        (
            before,
            Place {
                zone,
                time: time.to_owned(),
                sources: why.split(", ").map(str::to_owned).collect(),
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(because: &str) -> Said {
        Said {
            gate: "quiet_hours".into(),
            says: "defer".into(),
            rule: String::new(),
            because: because.into(),
        }
    }

    fn denver() -> Local {
        Local::new(
            Zone::find("America/Denver").unwrap().rules().clone(),
            "US",
            "Denver",
        )
    }

    /// C7, section 9 of the design: held, with the place and the hour at which quiet hours end there.
    #[test]
    fn a_held_message_says_where_and_until_when() {
        let read = HoursSaid::read(&said(
            "It is 06:49 on Saturday in Denver; Colorado has hours 08:00 to 20:00 (US-6). It goes at 2026-11-21T15:00:00Z or shortly after. 06:49 in America/Denver (postal code, area code). Rules 2026-11.1 US-6 US-2",
        ));
        assert_eq!(read.city.as_deref(), Some("Denver"));
        assert_eq!(read.opens, "2026-11-21T15:00:00Z".parse().ok());
        assert_eq!(
            (read.version.as_str(), read.rules.as_slice()),
            (
                "2026-11.1",
                ["US-6".to_owned(), "US-2".to_owned()].as_slice()
            )
        );
        assert_eq!(
            read.sentence,
            "It is 06:49 on Saturday in Denver; Colorado has hours 08:00 to 20:00 (US-6)."
        );
        let local = read.local(&denver(), "US");
        assert_eq!(
            read.because(&local),
            ", because quiet hours end there at 8:00"
        );
        assert_eq!(read.seen(), "6:49 in Denver by postal code and area code");
    }

    /// Places that disagree are both named.
    #[test]
    fn places_that_disagree_are_named() {
        let read = HoursSaid::read(&said(
            "It is 22:10 on Friday in New York; the federal rule has hours 08:00 to 21:00 (US-3). It goes at 2026-11-21T16:00:00Z or shortly after. 22:10 in America/New_York (area code). 19:10 in America/Los_Angeles (postal code). Rules 2026-11.1 US-3",
        ));
        let local = read.local(&denver(), "US");
        assert_eq!(local.place(), "New York");
        assert_eq!(
            read.because(&local),
            ": the number says New York, the ZIP says Los Angeles, and both must be open"
        );
    }

    /// A text that is none of ours is shown as it is and breaks nothing.
    #[test]
    fn other_texts_are_left_as_they_are() {
        for text in [
            "",
            "Open everywhere the person may be.",
            "Messages of the category staff do not wait for hours.",
            ").",
            " in ().",
            "é (x).",
        ] {
            let read = HoursSaid::read(&said(text));
            assert_eq!(read.sentence, text.trim());
            assert_eq!(read.opens, None);
        }
        assert!(HoursSaid::read(&said("It answers what the person did within the last 15 minutes. 06:43 in America/Denver (state). Rules 2026-11.1")).reply);
    }
}
