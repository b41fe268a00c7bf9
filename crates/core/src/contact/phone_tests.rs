use super::*;
use proptest::prelude::*;

fn region(code: &str) -> Region {
    code.parse().unwrap()
}

/// L6: forms people fill in, and the number that is stored.
#[test]
fn what_people_type_becomes_e164() {
    for (home, typed, e164) in [
        ("US", "(212) 555-0123", "+12125550123"),
        ("US", "212.555.0123", "+12125550123"),
        ("US", "1-212-555-0123", "+12125550123"),
        ("US", "+1 212 555 0123", "+12125550123"),
        ("US", "12125550123", "+12125550123"),
        ("US", "tel:+1-212-555-0123", "+12125550123"),
        ("US", "\u{202a}+1 212 555 0123\u{202c}", "+12125550123"),
        ("US", "２１２５５５０１２３", "+12125550123"),
        ("US", "212-555-0123 ext. 42", "+12125550123"),
        ("US", "212-555-0123 x42", "+12125550123"),
        ("US", "011 44 7911 123456", "+447911123456"),
        ("US", "0044 7911 123456", "+447911123456"),
        ("GB", "07911 123456", "+447911123456"),
        ("GB", "+44 7911 123456", "+447911123456"),
        ("GB", "0044 7911 123456", "+447911123456"),
        ("GB", "+44 (0)7911 123456", "+447911123456"),
        ("GB", "+44 07911 123456", "+447911123456"),
        ("GB", "7911123456", "+447911123456"),
        ("GB", "020 7946 0123", "+442079460123"),
        ("CA", "604-555-0123", "+16045550123"),
        ("IT", "06 698 12345", "+390669812345"),
        ("FR", "06 12 34 56 78", "+33612345678"),
        ("AU", "0412 345 678", "+61412345678"),
        ("DE", "0151 23456789", "+4915123456789"),
    ] {
        let phone = Phone::parse(typed, region(home));
        assert_eq!(
            phone.map(|p| p.to_string()),
            Ok(e164.to_owned()),
            "{home} {typed}"
        );
        let phone = Phone::from_e164(e164).unwrap();
        assert_eq!(Phone::parse(e164, region(home)), Ok(phone));
    }
}

/// L6: a bad number is answered with what is wrong and for which country.
#[test]
fn a_bad_number_is_answered_with_advice() {
    for (home, typed, advice) in [
        (
            "GB",
            "07700 90012",
            "07700 90012 is one digit short for the United Kingdom.",
        ),
        (
            "GB",
            "07700 900123",
            "07700 900123 has the right length, but the United Kingdom has no such number; check the digits.",
        ),
        (
            "GB",
            "07911 1234567",
            "07911 1234567 has one digit too many for the United Kingdom.",
        ),
        (
            "GB",
            "+440 7911 1234567",
            "+440 7911 1234567 has one digit too many for the United Kingdom.",
        ),
        (
            "GB",
            "123456",
            "123456 is four digits short for the United Kingdom.",
        ),
        (
            "GB",
            "0791112345678",
            "0791112345678 has two digits too many for the United Kingdom.",
        ),
        (
            "US",
            "212 555 012",
            "212 555 012 is one digit short for the United States.",
        ),
        (
            "US",
            "555-0123",
            "555-0123 is three digits short for the United States.",
        ),
        (
            "US",
            "212 555 01234",
            "212 555 01234 has one digit too many for the United States.",
        ),
        (
            "US",
            "111 555 0123",
            "111 555 0123 has the right length, but the United States has no such number; check the digits.",
        ),
        (
            "US",
            "+44 7911 12345",
            "+44 7911 12345 is one digit short for the United Kingdom.",
        ),
        (
            "US",
            "+999 123 456",
            "+999 123 456 has no country code that exists; begin with + and the code, for example +1 or +44.",
        ),
        (
            "US",
            "1-800-FLOWERS",
            "1-800-FLOWERS has letters in it; write the phone number with digits only.",
        ),
        (
            "GB",
            "call me",
            "call me has letters in it; write the phone number with digits only.",
        ),
        ("US", "  ", "Write a phone number."),
        (
            "US",
            "()",
            "This cannot be read as a phone number; write it with its area code, for example +1 201-555-0123.",
        ),
        (
            "US",
            "1",
            "This cannot be read as a phone number; write it with its area code, for example +1 201-555-0123.",
        ),
    ] {
        let error = Phone::parse(typed, region(home)).expect_err(typed);
        assert_eq!(error.advice(), advice);
    }
}

/// L6: numbers from 555-0100 to 0199 are fine for examples and marked as such.
#[test]
fn fictional_numbers_are_accepted_and_known() {
    for last in [100, 150, 199] {
        let phone = Phone::parse(&format!("212-555-0{last}"), Region::US).unwrap();
        assert!(phone.is_fictional());
    }
    assert!(
        !Phone::parse("212-555-0200", Region::US)
            .unwrap()
            .is_fictional()
    );
    assert!(
        !Phone::parse("+442079460123", Region::US)
            .unwrap()
            .is_fictional()
    );
}

/// L6 and the table of British numbers: decided by region and kind, never by "+44".
#[test]
fn kind_and_region_decide_who_may_text_and_call() {
    use Calling::{Anyone, Nobody, StaffOnly};
    for (e164, at, kind, text, call) in [
        (
            "+442079460123",
            Some("GB"),
            PhoneKind::Landline,
            false,
            Anyone,
        ),
        ("+443001234567", Some("GB"), PhoneKind::Uan, false, Anyone),
        ("+447400123456", Some("GB"), PhoneKind::Mobile, true, Anyone),
        ("+447911123456", Some("GG"), PhoneKind::Mobile, true, Anyone),
        ("+447797123456", Some("JE"), PhoneKind::Mobile, true, Anyone),
        ("+447624123456", Some("IM"), PhoneKind::Mobile, true, Anyone),
        (
            "+447012345678",
            Some("GB"),
            PhoneKind::Personal,
            false,
            Nobody,
        ),
        ("+447640123456", Some("GB"), PhoneKind::Pager, false, Nobody),
        (
            "+445612345678",
            Some("GB"),
            PhoneKind::Voip,
            false,
            StaffOnly,
        ),
        (
            "+448001234567",
            Some("GB"),
            PhoneKind::TollFree,
            false,
            StaffOnly,
        ),
        (
            "+49180112345",
            Some("DE"),
            PhoneKind::SharedCost,
            false,
            StaffOnly,
        ),
        (
            "+449012345678",
            Some("GB"),
            PhoneKind::Premium,
            false,
            Nobody,
        ),
        (
            "+12125550123",
            Some("US"),
            PhoneKind::FixedOrMobile,
            true,
            Anyone,
        ),
        (
            "+18005550199",
            Some("US"),
            PhoneKind::TollFree,
            false,
            StaffOnly,
        ),
        (
            "+19002345678",
            Some("US"),
            PhoneKind::Premium,
            false,
            Nobody,
        ),
        (
            "+16045550123",
            Some("CA"),
            PhoneKind::FixedOrMobile,
            true,
            Anyone,
        ),
        (
            "+17875550123",
            Some("PR"),
            PhoneKind::FixedOrMobile,
            true,
            Anyone,
        ),
        (
            "+18765230123",
            Some("JM"),
            PhoneKind::FixedOrMobile,
            true,
            Anyone,
        ),
        ("+80012345678", None, PhoneKind::TollFree, false, StaffOnly),
    ] {
        let phone = Phone::from_e164(e164).unwrap();
        assert_eq!(phone.region(), at.map(region), "{e164}");
        assert_eq!(
            (phone.kind(), phone.can_text(), phone.can_call()),
            (kind, text, call),
            "{e164}"
        );
    }
}

/// Logs are read by many.
#[test]
fn debug_hides_the_middle_and_display_shows_all() {
    for (e164, debug) in [
        ("+447911123456", "+44…3456"),
        ("+12125550123", "+1…0123"),
        ("+35312345678", "+35…5678"),
    ] {
        let phone = Phone::from_e164(e164).unwrap();
        assert_eq!(format!("{phone:?}"), debug);
        assert_eq!(phone.to_string(), e164);
        assert_eq!(
            serde_json::to_string(&phone).unwrap(),
            format!("\"{e164}\"")
        );
        assert_eq!(
            serde_json::from_str::<Phone>(&format!("\"{e164}\"")).unwrap(),
            phone
        );
    }
    let error = Phone::parse("07700 90012", Region::GB).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("90012"));
}

#[test]
fn only_the_shape_is_checked_when_the_store_hands_a_number_back() {
    for wrong in [
        "",
        "+",
        "12125550123",
        "+0123456",
        "+1212555012a",
        "+1234567890123456",
        "+١٢٣٤٥٦٧",
        "+12 3456",
    ] {
        assert_eq!(Phone::from_e164(wrong), None, "{wrong}");
    }
    assert!(Phone::from_e164("+447700900123").is_some());
    // A stored number whose calling code is gone is still shown; it is just of no known kind.
    let gone = Phone::from_e164("+999123456").unwrap();
    assert_eq!(
        (gone.region(), gone.kind(), gone.can_text()),
        (None, PhoneKind::Unknown, false)
    );
}

proptest! {
    /// Hostile input is normal: any text is answered, shortly and without a panic.
    #[test]
    fn any_text_is_answered(typed in "\\PC{0,80}") {
        if let Err(error) = Phone::parse(&typed, Region::US) {
            prop_assert!(error.advice().chars().count() < 200);
        }
    }

    /// Numbers rebuilt from E.164 are what the library reads from the same text.
    #[test]
    fn a_stored_number_is_known_as_when_it_was_parsed(digits in "[1-9][0-9]{6,14}") {
        let e164 = format!("+{digits}");
        if let Ok(phone) = Phone::parse(&e164, Region::US) {
            let number = PHONE_NUMBER_UTIL.parse(&e164, None).unwrap();
            let stored = Phone::from_e164(phone.as_str()).unwrap();
            prop_assert_eq!(stored.kind(), PHONE_NUMBER_UTIL.get_number_type(&number).into());
            prop_assert_eq!(stored.region(), region_of(&number));
        }
    }

    #[test]
    fn near_numbers_are_answered(typed in "[+0-9() x.-]{0,20}", home in "(US|GB|IT|DE|CA|AR|BR|AQ)") {
        if let Err(error) = Phone::parse(&typed, region(&home)) {
            prop_assert!(!error.advice().is_empty());
        }
    }
}

/// Every country's example number is accepted and keeps its country.
#[test]
fn the_example_number_of_every_country_is_accepted() {
    for code in PHONE_NUMBER_UTIL.get_supported_regions() {
        let Ok(example) = PHONE_NUMBER_UTIL.get_example_number(code) else {
            continue;
        };
        let e164 = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164);
        let phone =
            Phone::parse(&e164, Region::US).unwrap_or_else(|error| panic!("{code}: {error}"));
        // A few territories share their ranges (Western Sahara and Morocco), but never with another calling code.
        let found: rlibphonenumber::Region = phone.region().unwrap().as_str().parse().unwrap();
        let calling = |region| PHONE_NUMBER_UTIL.get_country_code_for_region(region);
        assert_eq!(calling(found), calling(code), "{code} became {found}");
    }
}

/// The library's own verdict, without the short way.
fn by_library(typed: &str, home: Region) -> Option<(String, Option<Region>, PhoneKind)> {
    let code = rlibphonenumber::Region::from_code(home.as_str()).ok();
    let number = PHONE_NUMBER_UTIL.parse(typed, code).ok()?;
    let kind: PhoneKind = PHONE_NUMBER_UTIL.get_number_type(&number).into();
    let e164 = PHONE_NUMBER_UTIL
        .format(&number, PhoneNumberFormat::E164)
        .into_owned();
    (kind != PhoneKind::Unknown).then(|| (e164, region_of(&number), kind))
}

/// Every area code that takes the short way, over all its exchanges, is what the numbering plan says.
#[test]
fn the_short_way_knows_every_area_code_as_the_library_does() {
    let mut plain = 0;
    for code in (200..1000).filter(|code| plain_area_code(*code).is_some()) {
        plain += 1;
        for exchange in (200..1000)
            .step_by(37)
            .chain([200, 211, 555, 911, 976, 999])
        {
            let e164 = format!("+1{code}{exchange}0123");
            let short = plain_north_american(&e164, Region::US).map(|phone| phone.profile());
            let (_, region, kind) =
                by_library(&e164, Region::US).unwrap_or_else(|| panic!("{e164}"));
            assert_eq!(short, Some(PhoneProfile { region, kind }), "{e164}");
        }
    }
    assert!(plain > 400, "{plain}");
}

proptest! {
    /// Whatever the short way accepts, the library accepts as the same number.
    #[test]
    fn the_short_way_never_differs_from_the_library(
        typed in "([+]?[ (]{0,2}1?[ .(-]{0,2}[2-9][0-9]{2}[ .)-]{0,3}[0-9]{3}[ .-]{0,2}[0-9]{4}[ ).-]{0,2}|[+]?[0-9 ().-]{10,16})",
        home in "(US|CA|GB|PR)",
    ) {
        if let Some(phone) = plain_north_american(&typed, region(&home)) {
            let profile = phone.profile();
            let short = (phone.to_string(), profile.region, profile.kind);
            prop_assert_eq!(Some(short), by_library(&typed, region(&home)));
        }
    }
}
