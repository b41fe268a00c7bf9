use super::*;
use crate::{
    contact::Phone,
    places::{Holidays, Whereabouts},
};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use proptest::prelude::*;

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An instant by the clock of a zone.
fn local(zone: &str, text: &str) -> Timestamp {
    let zone: Zone = zone.parse().unwrap();
    let at: DateTime = text.parse().unwrap();
    at.to_zoned(zone.rules().clone()).unwrap().timestamp()
}

/// Places with these zones, states and countries and nothing else.
fn places(zones: &[&str], states: &[&str], countries: &[&str]) -> Places {
    Places {
        zones: zones
            .iter()
            .map(|zone| (zone.parse().unwrap(), Sources::default()))
            .collect(),
        states: states
            .iter()
            .map(|state| (state.parse().unwrap(), Sources::default()))
            .collect(),
        countries: countries
            .iter()
            .map(|region| region.parse().unwrap())
            .collect(),
        unknown: false,
        unread: Sources::default(),
    }
}

fn of_phone(e164: &str) -> Phone {
    Phone::from_e164(e164).unwrap()
}

fn judge(category: Category, places: &Places, now: Timestamp) -> Hours<'static> {
    let question = HoursQuestion {
        category,
        places,
        reply_to: None,
        now,
    };
    QuietHours::built_in()
        .judge(&question, &HoursSettings::default())
        .hours
}

fn promotional(places: &Places, now: Timestamp) -> Hours<'static> {
    judge(Category::Promotional, places, now)
}

fn opening(hours: &Hours) -> Option<Timestamp> {
    match hours {
        Hours::Opens { at, .. } => Some(*at),
        _ => None,
    }
}

const CLOSED: (i64, i64) = (0, 0);

/// The table of compliance 5.1, written a second time by hand: hours on weekdays, Saturdays, Sundays and holidays.
fn table(state: &str) -> [(i64, i64); 4] {
    let everyday = |hours| [hours; 4];
    match state {
        "CT" | "NV" | "MI" | "MN" | "NM" => everyday((9, 20)),
        "TX" => [(9, 20), (9, 20), (12, 20), (9, 20)],
        "KY" => everyday((10, 20)),
        "AL" | "LA" | "MS" | "UT" => [(8, 20), (8, 20), CLOSED, CLOSED],
        "SD" => [(9, 20), (9, 20), CLOSED, (9, 20)],
        "PA" => [(8, 20), (8, 12), (8, 20), CLOSED],
        "RI" => [(9, 18), (10, 17), CLOSED, CLOSED],
        _ => everyday((8, 20)),
    }
}

/// C4: every state on every weekday and on a holiday, a second to each side of each edge.
#[test]
fn every_state_opens_and_closes_on_its_own_edges() {
    let rules = QuietHours::built_in();
    let mut cases = 0;
    for state in State::all().filter(|state| state.country() == Region::US && !state.is_military())
    {
        let zone = state.zones().next().unwrap();
        // Texas must also be open by Central time, so it is tested there.
        let zone: Zone = if state.code() == "TX" {
            "America/Chicago".parse().unwrap()
        } else {
            zone
        };
        let places = places(&[zone.name()], &[state.code()], &["US"]);
        let midnight = |date: &str| {
            let date: Date = date.parse().unwrap();
            date.to_zoned(zone.rules().clone()).unwrap().timestamp()
        };
        for (date, kind) in [
            ("2026-10-05", 0),
            ("2026-10-06", 0),
            ("2026-10-07", 0),
            ("2026-10-08", 0),
            ("2026-10-09", 0),
            ("2026-10-10", 1),
            ("2026-10-11", 2),
            ("2026-11-26", 3),
        ] {
            let (from, to) = table(state.code())[kind];
            let midnight = midnight(date);
            let edges = if (from, to) == CLOSED {
                vec![
                    (0, false),
                    (8 * 3600, false),
                    (12 * 3600, false),
                    (DAY - 1, false),
                ]
            } else {
                vec![
                    (from * 3600 - 1, false),
                    (from * 3600, true),
                    (to * 3600 - 600 - 1, true),
                    (to * 3600 - 600, false),
                ]
            };
            for (second, open) in edges {
                let question = HoursQuestion {
                    category: Category::Promotional,
                    places: &places,
                    reply_to: None,
                    now: midnight + second.seconds(),
                };
                let ruling = rules.judge(&question, &HoursSettings::default());
                let found = ruling.hours == Hours::Open;
                assert_eq!(
                    found, open,
                    "{state} {date} at second {second}: {}",
                    ruling.hours
                );
                cases += 1;
            }
        }
    }
    assert!(cases >= 1_600, "{cases}");
}

/// C4: without the margin, 19:59:59 is open and 20:00:00 is not.
#[test]
fn the_closing_second_itself_is_closed() {
    let places = places(&["America/New_York"], &["NY"], &["US"]);
    let settings = HoursSettings {
        margin_minutes: 0,
        ..HoursSettings::default()
    };
    for (at, open) in [
        ("07:59:59.999999", false),
        ("08:00:00", true),
        ("19:59:59.999999", true),
        ("20:00:00", false),
    ] {
        let now = local("America/New_York", &format!("2026-10-07T{at}"));
        for category in [Category::Promotional, Category::Transactional] {
            let question = HoursQuestion {
                category,
                places: &places,
                reply_to: None,
                now,
            };
            let hours = QuietHours::built_in().judge(&question, &settings).hours;
            assert_eq!(hours == Hours::Open, open, "{category} {at}");
        }
    }
}

/// C4, worked examples: a New York number with a Seattle ZIP, a Honolulu number with a New York ZIP.
#[test]
fn all_zones_of_a_person_must_agree() {
    let eastern = |text: &str| local("America/New_York", text);
    let phone = of_phone("+12125550123");
    let seattle = Whereabouts {
        phone: Some(&phone),
        zip: Some("98101"),
        ..Whereabouts::default()
    }
    .places();
    let phone = of_phone("+18085550123");
    let honolulu = Whereabouts {
        phone: Some(&phone),
        zip: Some("10001"),
        ..Whereabouts::default()
    }
    .places();
    for (who, opens) in [(&seattle, "11:00:00"), (&honolulu, "14:00:00")] {
        let open = eastern(&format!("2026-07-15T{opens}"));
        assert_eq!(
            opening(&promotional(who, eastern("2026-07-15T06:00:00"))),
            Some(open)
        );
        assert_eq!(opening(&promotional(who, open - 1.seconds())), Some(open));
        assert_eq!(promotional(who, open), Hours::Open);
        assert_eq!(
            promotional(who, eastern("2026-07-15T19:49:59")),
            Hours::Open
        );
        let tomorrow = eastern(&format!("2026-07-16T{opens}"));
        assert_eq!(
            opening(&promotional(who, eastern("2026-07-15T19:50:00"))),
            Some(tomorrow)
        );
    }
    // When New York closes, Singapore opens, and the other way round.
    let apart = places(&["America/New_York", "Asia/Singapore"], &["NY"], &["US"]);
    let never = promotional(&apart, eastern("2026-07-15T12:00:00"));
    assert!(
        matches!(
            never,
            Hours::Never {
                because: Barred::NoCommonHour(_)
            }
        ),
        "{never}"
    );
}

/// C4: one source reads "Central Time" for Texas, so El Paso waits for both.
#[test]
fn el_paso_keeps_mountain_and_central_hours() {
    let places = places(&["America/Denver"], &["TX"], &["US"]);
    let mountain = |text: &str| local("America/Denver", text);
    // 21:00 by Central time is 20:00 in El Paso, where the product closes anyway.
    assert_eq!(
        promotional(&places, mountain("2026-10-07T09:00:00")),
        Hours::Open
    );
    assert_eq!(
        promotional(&places, mountain("2026-10-07T19:49:59")),
        Hours::Open
    );
    assert_eq!(
        opening(&promotional(&places, mountain("2026-10-07T08:30:00"))),
        Some(mountain("2026-10-07T09:00:00"))
    );
    // Noon on Sunday must have passed on both clocks.
    assert_eq!(
        opening(&promotional(&places, mountain("2026-10-11T11:30:00"))),
        Some(mountain("2026-10-11T12:00:00"))
    );
}

/// C4: transactional messages keep 08:00 to 20:00 (21:00 at most), not the states' hours.
#[test]
fn transactional_messages_have_their_own_hours() {
    let places = places(&["America/Chicago"], &["AL"], &["US"]);
    let sunday = |text: &str| local("America/Chicago", &format!("2026-10-11T{text}"));
    let at = |now, close| {
        let question = HoursQuestion {
            category: Category::Transactional,
            places: &places,
            reply_to: None,
            now,
        };
        let settings = HoursSettings {
            transactional_close: close,
            ..HoursSettings::default()
        };
        QuietHours::built_in().judge(&question, &settings).hours
    };
    assert_eq!(at(sunday("08:00:00"), 20), Hours::Open);
    assert_eq!(
        opening(&at(sunday("19:50:00"), 20)),
        Some(local("America/Chicago", "2026-10-12T08:00:00"))
    );
    assert_eq!(at(sunday("20:49:59"), 21), Hours::Open);
    assert!(opening(&at(sunday("20:50:00"), 21)).is_some());
    // More than 21:00 cannot be had.
    assert!(opening(&at(sunday("20:50:00"), 23)).is_some());
}

/// C4: a form at 22:00 is confirmed at once, and only then.
#[test]
fn the_direct_answer_to_a_persons_act_goes_at_once() {
    let places = places(&["America/New_York"], &["NY"], &["US"]);
    let act = local("America/New_York", "2026-10-07T22:00:00");
    let answer = |category, now| {
        let question = HoursQuestion {
            category,
            places: &places,
            reply_to: Some(act),
            now,
        };
        QuietHours::built_in()
            .judge(&question, &HoursSettings::default())
            .hours
    };
    assert_eq!(
        answer(Category::Transactional, act),
        Hours::OpenBecause(Exempt::Reply { act })
    );
    assert_eq!(
        answer(Category::Transactional, act + 15.minutes()),
        Hours::OpenBecause(Exempt::Reply { act })
    );
    let morning = local("America/New_York", "2026-10-08T08:00:00");
    assert_eq!(
        opening(&answer(
            Category::Transactional,
            act + 15.minutes() + 1.seconds()
        )),
        Some(morning)
    );
    assert_eq!(opening(&answer(Category::Promotional, act)), Some(morning));
    // An act that lies ahead is no act, but for the skew of clocks.
    assert!(matches!(
        answer(Category::Transactional, act - 1.seconds()),
        Hours::OpenBecause(_)
    ));
    assert_eq!(
        opening(&answer(Category::Transactional, act - 5.minutes())),
        Some(morning)
    );
    // In the open hours it is simply open.
    assert_eq!(answer(Category::Transactional, morning), Hours::Open);
}

#[test]
fn staff_and_emergency_messages_are_not_held() {
    let places = places(&["America/New_York"], &["NY"], &["US"]);
    let night = local("America/New_York", "2026-10-07T03:00:00");
    for category in [Category::Staff, Category::Emergency] {
        assert_eq!(
            judge(category, &places, night),
            Hours::OpenBecause(Exempt::Category(category))
        );
    }
}

/// C4: an unknown place keeps promotional messages and narrows the others to what Eastern and Pacific share.
#[test]
fn an_unknown_place_means_no_or_narrow() {
    let phone = of_phone("+18005550199");
    let unknown = Whereabouts {
        phone: Some(&phone),
        ..Whereabouts::default()
    }
    .places();
    let eastern = |text: &str| local("America/New_York", &format!("2026-10-07T{text}"));
    assert_eq!(
        promotional(&unknown, eastern("12:00:00")),
        Hours::Never {
            because: Barred::UnknownPlace
        }
    );
    for (at, open) in [
        ("10:59:59", false),
        ("11:00:00", true),
        ("19:49:59", true),
        ("19:50:00", false),
    ] {
        let hours = judge(Category::Transactional, &unknown, eastern(at));
        assert_eq!(hours == Hours::Open, open, "{at}");
    }
    let settings = HoursSettings {
        transactional_close: 21,
        margin_minutes: 0,
        ..HoursSettings::default()
    };
    let now = eastern("20:59:59");
    let question = HoursQuestion {
        category: Category::Transactional,
        places: &unknown,
        reply_to: None,
        now,
    };
    assert_eq!(
        QuietHours::built_in().judge(&question, &settings).hours,
        Hours::Open
    );
}

/// C4: a country without a profile gets no promotional messages; Britain has hours, holidays and the crown's islands.
#[test]
fn countries_keep_their_profile_or_wait_for_one() {
    let noon = instant("2026-10-07T12:00:00Z");
    for country in ["DE", "FR", "ES", "AU", "IN", "NZ", "BR", "MX", "JM"] {
        let region: Region = country.parse().unwrap();
        let zone = region.zones().next().unwrap().name();
        let hours = promotional(&places(&[zone], &[], &[country]), noon);
        assert_eq!(
            hours,
            Hours::Never {
                because: Barred::NoProfile(region)
            }
        );
    }
    let london = |text: &str| local("Europe/London", text);
    for country in ["GB", "GG", "JE", "IM"] {
        let there = places(&["Europe/London"], &[], &[country]);
        for (at, open) in [
            ("2026-10-07T08:00:00", true),
            ("2026-10-10T08:59:59", false),
            ("2026-10-10T09:00:00", true),
            ("2026-10-11T09:59:59", false),
            ("2026-10-11T17:49:59", true),
            ("2026-10-11T17:50:00", false),
            ("2026-12-25T12:00:00", false),
            ("2026-12-28T12:00:00", false),
        ] {
            assert_eq!(
                promotional(&there, london(at)) == Hours::Open,
                open,
                "{country} {at}"
            );
        }
    }
    let ottawa = places(&["America/Toronto"], &["ON"], &["CA"]);
    let toronto = |text: &str| local("America/Toronto", text);
    assert_eq!(
        opening(&promotional(&ottawa, toronto("2026-10-07T08:30:00"))),
        Some(toronto("2026-10-07T09:00:00"))
    );
    assert_eq!(
        promotional(&ottawa, toronto("2026-10-10T17:49:59")),
        Hours::Open
    );
    assert!(opening(&promotional(&ottawa, toronto("2026-10-10T17:50:00"))).is_some());
    // Both laws: a Florida number and a Canadian address.
    let both = places(
        &["America/New_York", "America/Toronto"],
        &["FL", "ON"],
        &["US", "CA"],
    );
    assert_eq!(
        opening(&promotional(&both, toronto("2026-10-10T08:30:00"))),
        Some(toronto("2026-10-10T10:00:00"))
    );
}

/// C4: Vancouver and Edmonton kept their clocks in November 2026; a message at 08:00 there is not at 07:00.
#[test]
fn vancouver_and_edmonton_open_by_their_new_time() {
    for (zone, state, opens) in [
        ("America/Vancouver", "BC", "2026-12-02T16:00:00Z"),
        ("America/Edmonton", "AB", "2026-12-02T15:00:00Z"),
    ] {
        let there = places(&[zone], &[state], &["CA"]);
        // Canada's own hours begin at nine.
        let nine = instant(opens);
        assert_eq!(
            opening(&promotional(&there, nine - 1.seconds())),
            Some(nine),
            "{zone}"
        );
        let eight = judge(Category::Transactional, &there, nine - 1.hours());
        assert_eq!(eight, Hours::Open, "{zone}");
        assert!(
            opening(&judge(
                Category::Transactional,
                &there,
                nine - 1.hours() - 1.seconds()
            ))
            .is_some()
        );
    }
}

/// C4: the operator closes a state at once, and an unknown year of holidays keeps the day closed and says so.
#[test]
fn a_state_can_be_closed_at_once_and_missing_data_is_said() {
    let louisiana = places(&["America/Chicago"], &["LA"], &["US"]);
    let noon = local("America/Chicago", "2026-10-07T12:00:00");
    let settings = HoursSettings {
        closed_states: vec!["LA".parse().unwrap()],
        ..HoursSettings::default()
    };
    let question = HoursQuestion {
        category: Category::Promotional,
        places: &louisiana,
        reply_to: None,
        now: noon,
    };
    let hours = QuietHours::built_in().judge(&question, &settings).hours;
    assert_eq!(
        hours,
        Hours::Never {
            because: Barred::ClosedState("LA".parse().unwrap())
        }
    );
    let far = promotional(&louisiana, local("America/Chicago", "2046-10-08T12:00:00"));
    assert!(far.to_string().contains(NO_DATA), "{far}");
    assert!(matches!(far, Hours::Never { .. }));
}

/// C7: the ruling holds all that it was made from, in words a person can read.
#[test]
fn a_ruling_says_what_it_was_made_from() {
    let phone = of_phone("+13055550123");
    let who = Whereabouts {
        phone: Some(&phone),
        zip: Some("75201"),
        ..Whereabouts::default()
    }
    .places();
    let now = local("America/New_York", "2026-10-11T09:30:00");
    let question = HoursQuestion {
        category: Category::Promotional,
        places: &who,
        reply_to: None,
        now,
    };
    let ruling = QuietHours::built_in().judge(&question, &HoursSettings::default());
    assert_eq!(ruling.rules.as_slice(), ["US-6", "US-TX", "US-FL"]);
    assert_eq!(ruling.rules_version, QuietHours::built_in().version);
    assert_eq!(ruling.zone_data, zone_data_version());
    let seen: Vec<String> = ruling
        .seen
        .iter()
        .map(|seen| {
            format!(
                "{} {:?} {}",
                seen.zone,
                seen.sources,
                seen.local.strftime("%H:%M")
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "America/Chicago {PostalCode} 08:30",
            "America/New_York {AreaCode} 09:30"
        ]
    );
    assert_eq!(
        ruling.hours.to_string(),
        "It is 08:30 on Sunday in Chicago; Texas has hours 12:00-21:00 (US-TX). It goes at 2026-10-11T17:00:00Z or shortly after."
    );
}

/// C4: a reminder that would come too late moves to the last open moment before.
#[test]
fn a_late_reminder_moves_to_the_last_open_moment() {
    let there = places(&["America/New_York"], &["NY"], &["US"]);
    let eastern = |text: &str| local("America/New_York", text);
    let now = eastern("2026-10-05T12:00:00");
    let question = HoursQuestion {
        category: Category::Transactional,
        places: &there,
        reply_to: None,
        now,
    };
    let last = |latest| {
        QuietHours::built_in().last_open(&question, &HoursSettings::default(), eastern(latest))
    };
    assert_eq!(
        last("2026-10-08T07:00:00"),
        Some(eastern("2026-10-07T19:49:59"))
    );
    assert_eq!(
        last("2026-10-08T09:00:00"),
        Some(eastern("2026-10-08T09:00:00"))
    );
    assert_eq!(last("2026-10-05T11:00:00"), None);
    let night = HoursQuestion {
        now: eastern("2026-10-05T21:00:00"),
        ..question
    };
    let last = QuietHours::built_in().last_open(
        &night,
        &HoursSettings::default(),
        eastern("2026-10-06T07:00:00"),
    );
    assert_eq!(last, None);
}

/// C4: on the days the clocks change, every minute is judged by the clock on the wall.
#[test]
fn the_days_the_clocks_change_are_judged_by_the_wall() {
    let zones: std::collections::BTreeSet<Zone> = State::all().flat_map(State::zones).collect();
    assert!(zones.len() > 40);
    for date in ["2026-03-08", "2026-11-01", "2027-03-14", "2027-11-07"] {
        for zone in &zones {
            let there = places(&[zone.name()], &[], &["US"]);
            let midnight = date
                .parse::<Date>()
                .unwrap()
                .to_zoned(zone.rules().clone())
                .unwrap()
                .timestamp();
            for step in 0..(24 * 6) {
                for second in [0, 1, 599] {
                    let now = midnight + (step * 600 + second).seconds();
                    let wall = now.to_zoned(zone.rules().clone());
                    let minute = i32::from(wall.hour()) * 60 + i32::from(wall.minute());
                    let open = (8 * 60..20 * 60 - 10).contains(&minute);
                    let found = judge(Category::Transactional, &there, now);
                    assert_eq!(found == Hours::Open, open, "{wall}: {found}");
                }
            }
        }
    }
}

/// A minute-by-minute judge that knows nothing of the code above but the table.
fn naive(
    zones: &[&str],
    states: &[&str],
    promotional: bool,
    margin: i64,
    now: Timestamp,
) -> Option<Timestamp> {
    let zones: Vec<TimeZone> = zones
        .iter()
        .map(|zone| TimeZone::get(zone).unwrap())
        .collect();
    let central = TimeZone::get("America/Chicago").unwrap();
    let inside = |at: Timestamp, zone: &TimeZone, state: Option<&str>| {
        let wall = at.to_zoned(zone.clone());
        let second = i64::from(wall.hour()) * 3600
            + i64::from(wall.minute()) * 60
            + i64::from(wall.second());
        let kind = match wall.weekday() {
            jiff::civil::Weekday::Saturday => 1,
            jiff::civil::Weekday::Sunday => 2,
            _ => 0,
        };
        let (from, to) = match state {
            None => (8, 20),
            Some(state) => {
                let key = format!("us_{}", state.to_lowercase());
                let set = Holidays::built_in().set(&key);
                let holiday = set.is_some_and(|set| set.on(wall.date()) != Holiday::No);
                table(state)[if holiday { 3 } else { kind }]
            }
        };
        // The table above is cut to the product's 20:00, which does not bind Texas by Central time.
        let to = if state == Some("TX") { 21 } else { to };
        from * 3600 <= second && second < to * 3600 - margin * 60
    };
    let open = |at: Timestamp| {
        zones.iter().all(|zone| {
            inside(at, zone, None)
                && (!promotional || states.iter().all(|state| inside(at, zone, Some(state))))
        }) && (!promotional || !states.contains(&"TX") || inside(at, &central, Some("TX")))
    };
    if open(now) {
        return Some(now);
    }
    let first = now.as_second().div_euclid(60) + 1;
    (first..=(now.as_second() + HORIZON).div_euclid(60))
        .map(|minute| Timestamp::from_second(minute * 60).unwrap())
        .find(|at| open(*at))
}

fn agree(
    zones: &[&str],
    states: &[&str],
    promotional: bool,
    margin: u8,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let there = places(zones, states, &["US"]);
    let category = if promotional {
        Category::Promotional
    } else {
        Category::Transactional
    };
    let question = HoursQuestion {
        category,
        places: &there,
        reply_to: None,
        now,
    };
    let settings = HoursSettings {
        margin_minutes: margin,
        ..HoursSettings::default()
    };
    let found = QuietHours::built_in().judge(&question, &settings).hours;
    let at = match &found {
        Hours::Open => Some(now),
        Hours::Opens { at, .. } => Some(*at),
        _ => None,
    };
    let expected = naive(zones, states, promotional, i64::from(margin), now);
    prop_assert_eq!(
        at,
        expected,
        "{:?} {:?} {} {}: {}",
        zones,
        states,
        promotional,
        now,
        found
    );
    Ok(())
}

const SOME_ZONES: &[&str] = &[
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/St_Johns",
    "America/Vancouver",
    "America/Edmonton",
    "Europe/London",
    "Asia/Kathmandu",
    "America/Havana",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Pacific/Apia",
];
const SOME_STATES: &[&str] = &[
    "FL", "NY", "CT", "TX", "KY", "AL", "LA", "MS", "SD", "UT", "PA", "RI", "NV", "CA",
];

fn random_person() -> impl Strategy<Value = (Vec<&'static str>, Vec<&'static str>, bool, u8, i64)> {
    (
        prop::sample::subsequence(SOME_ZONES, 1..=3),
        prop::sample::subsequence(SOME_STATES, 0..=2),
        any::<bool>(),
        prop::sample::select(vec![0u8, 10, 37]),
        // 2026 to 2028, to the second.
        1_767_225_600i64..1_861_920_000,
    )
}

/// C4: a random person at a random instant, against the naive judge. A few hundred each time, and as many as `RINGBACK_HOURS_CASES`
/// says in a campaign; `RINGBACK_SEED` repeats one.
#[test]
fn a_naive_judge_agrees() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let cases = number("RINGBACK_HOURS_CASES").unwrap_or(256);
    let seed = number("RINGBACK_SEED").unwrap_or(20_261_121);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let dice =
        prop::test_runner::TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &bytes);
    let mut runner = prop::test_runner::TestRunner::new_with_rng(config, dice);
    let agreed = runner.run(
        &random_person(),
        |(zones, states, promotional, margin, second)| {
            agree(
                &zones,
                &states,
                promotional,
                margin,
                Timestamp::from_second(second).unwrap(),
            )
        },
    );
    agreed.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// C4: a file with a missing state, an overlap or hours wider than the law is not used, and says why.
#[test]
fn a_wrong_file_of_rules_does_not_load() {
    let good = include_str!("../../data/rules.yaml");
    let load = |yaml: &str| crate::consent::rules::Rules::load(yaml, Holidays::built_in());
    load(good).unwrap();
    for (from, to, part) in [
        ("[AK, AR,", "[AR,", "Alaska"),
        ("[AK, AR,", "[AK, FL, AR,", "Florida"),
        ("state: OK,", "state: FL,", "Florida"),
        (
            "mon_fri: \"09:00-18:00\"",
            "mon_fri: \"07:00-18:00\"",
            "wider",
        ),
        (
            "mon_fri: \"09:00-18:00\"",
            "mon_fri: [\"09:00-13:00\", \"12:00-18:00\"]",
            "12:00 begins before",
        ),
        ("sat: \"08:00-12:00\"", "sat: \"08:00-22:00\"", "wider"),
        (
            "promotional: { id: US-6, hours: \"08:00-20:00\"",
            "promotional: { id: US-6, hours: \"07:00-20:00\"",
            "wider",
        ),
        ("holidays: us_ri", "holidays: us_xx", "us_xx"),
        (
            "also_in: America/Chicago",
            "also_in: America/Springfield",
            "Springfield",
        ),
        ("as_of: 2026-11-21", "as_of: yesterday", "yesterday"),
        ("state: RI,", "", "US-RI"),
    ] {
        assert!(good.contains(from), "{from}");
        let problems = load(&good.replacen(from, to, 1)).expect_err(to).join("\n");
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

/// C4: nothing is deferred further than 72 hours, and exactly 72 is not further.
#[test]
fn three_days_are_the_furthest() {
    // On Saturday Pennsylvania closes before Los Angeles is up, on Sunday and Labor Day Rhode Island is closed, and Kentucky opens at ten.
    let apart = places(
        &["America/New_York", "America/Los_Angeles"],
        &["RI", "PA", "KY"],
        &["US"],
    );
    let eastern = |text: &str| local("America/New_York", text);
    let opens = eastern("2026-09-08T13:00:00");
    let saturday = eastern("2026-09-05T13:00:00");
    assert_eq!(opening(&promotional(&apart, saturday)), Some(opens));
    let before = promotional(&apart, saturday - 1.seconds());
    assert!(
        matches!(
            before,
            Hours::Never {
                because: Barred::NoCommonHour(_)
            }
        ),
        "{before}"
    );
}

/// C4: the last open moment is the latest itself where that is open, and never one at which nothing may go.
#[test]
fn the_last_open_moment_has_its_edges() {
    let there = places(&["America/New_York"], &["NY"], &["US"]);
    let unknown = Places {
        unknown: true,
        ..places(&["America/New_York"], &[], &["US"])
    };
    let eastern = |text: &str| local("America/New_York", &format!("2026-10-06T{text}"));
    let last = |category, places: &Places, now: &str, latest: &str| {
        let question = HoursQuestion {
            category,
            places,
            reply_to: None,
            now: eastern(now),
        };
        QuietHours::built_in().last_open(&question, &HoursSettings::default(), eastern(latest))
    };
    use Category::{Emergency, Promotional, Staff, Transactional};
    for (category, now, latest, found) in [
        (Transactional, "06:00:00", "07:59:59", None),
        (Transactional, "06:00:00", "08:00:00", Some("08:00:00")),
        (Transactional, "06:00:00", "19:49:59", Some("19:49:59")),
        (Transactional, "06:00:00", "19:50:00", Some("19:49:59")),
        (Promotional, "06:00:00", "23:00:00", Some("19:49:59")),
        (Staff, "03:00:00", "03:00:00", Some("03:00:00")),
        (Emergency, "03:00:00", "04:00:00", Some("04:00:00")),
        (Staff, "03:00:00", "02:59:59", None),
    ] {
        assert_eq!(
            last(category, &there, now, latest),
            found.map(eastern),
            "{category} {now} {latest}"
        );
    }
    assert_eq!(
        last(Promotional, &unknown, "10:00:00", "12:00:00"),
        None,
        "an offer goes nowhere unknown"
    );
    assert_eq!(
        last(Transactional, &unknown, "10:00:00", "12:00:00"),
        Some(eastern("12:00:00"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// C4: any set of zones in which a person of any state may be, around the changes of clocks on either side of the ocean and in the south,
    /// against the naive judge, to the second and at its edges.
    #[test]
    fn every_set_of_zones_is_judged_minute_by_minute(
        zones in prop::sample::subsequence(every_zone(), 1..=4),
        states in prop::sample::subsequence(SOME_STATES, 0..=2),
        promotional in any::<bool>(),
        margin in prop::sample::select(vec![0u8, 10, 60]),
        day in prop::sample::select(vec![
            "2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-12-31", "2027-03-14", "2027-11-07", "2028-02-29",
        ]),
        (quarters, edge) in (-96i64..=96, prop::sample::select(vec![-1i64, 0, 1, 437])),
    ) {
        let midnight = day.parse::<Date>().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
        agree(&zones, &states, promotional, margin, midnight + (quarters * 900 + edge).seconds())?;
    }
}

/// Every zone that a state has, and some of elsewhere.
fn every_zone() -> Vec<&'static str> {
    let own = State::all().flat_map(State::zones).map(|zone| zone.name());
    let all: std::collections::BTreeSet<&str> = own.chain(SOME_ZONES.iter().copied()).collect();
    all.into_iter().collect()
}
