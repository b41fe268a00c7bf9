//! Whether carriers of the United States take texts from a connection's sender (US-15).

use ringback_core::contact::Phone;
use ringback_core::turn::Registration;
use std::collections::BTreeMap;

/// What a connection's settings say of its registration. Only what sends texts needs one.
pub fn registration_of(provider: &str, settings: &BTreeMap<String, String>) -> Registration {
    if !matches!(provider, "twilio" | "http_sms") {
        return Registration::NotNeeded;
    }
    let get = |name: &str| {
        settings
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    };
    let campaign = || {
        match get("campaign") {
        Some(id) => Registration::Registered(format!("campaign {id}")),
        None => Registration::Missing(
            "US carriers block long codes without a registered campaign. Register one with the provider and enter its id as `campaign`.".to_owned(),
        ),
    }
    };
    let toll_free = || {
        match get("toll_free_verified") {
        Some("yes") => Registration::Registered("verified toll-free number".to_owned()),
        _ => Registration::Missing(
            "US carriers block toll-free numbers that are not verified. Have the provider verify it, then set `toll_free_verified` to yes.".to_owned(),
        ),
    }
    };
    if provider == "twilio" && get("messaging_service_sid").is_some() {
        // The service picks the number, and takes precedence over one that is named beside it.
        return campaign();
    }
    match get("from").map(Sender::read) {
        Some(Sender::TollFree) => toll_free(),
        Some(Sender::LongCode) => campaign(),
        Some(Sender::NeedsNone) => Registration::NotNeeded,
        // The number stands somewhere in the request; whoever is registered says so.
        None => match (campaign(), toll_free()) {
            (known @ Registration::Registered(_), _) | (_, known @ Registration::Registered(_)) => known,
            _ => Registration::Missing(
                "It is not known from which number it sends. Enter it as `from`, or the registered `campaign`, or set `toll_free_verified` to yes.".to_owned(),
            ),
        },
    }
}

/// What a text is sent from.
enum Sender {
    /// A number of the United States that looks like any other.
    LongCode,
    /// One that the recipient's calls cost nothing to.
    TollFree,
    /// A short code, a name, or a number of another country.
    NeedsNone,
}

impl Sender {
    fn read(from: &str) -> Self {
        let digits: String = from
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '+'))
            .collect();
        let plus = from.starts_with('+');
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::NeedsNone;
        }
        let e164 = match (plus, digits.len()) {
            (false, 3..=8) => return Self::NeedsNone,
            (false, 10) => format!("+1{digits}"),
            _ => format!("+{digits}"),
        };
        let Some(phone) = Phone::from_e164(&e164).filter(Phone::is_american) else {
            return Self::NeedsNone;
        };
        match phone.area_code() {
            Some(800 | 833 | 844 | 855 | 866 | 877 | 888) => Self::TollFree,
            _ => Self::LongCode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Registration::{Missing, NotNeeded, Registered};

    fn of(provider: &str, settings: &[(&str, &str)]) -> Registration {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        registration_of(provider, &settings)
    }

    /// US-15: long codes and messaging services need a campaign, toll-free numbers verification, and each only its own.
    #[test]
    fn long_codes_need_a_campaign_and_toll_free_numbers_verification() {
        let campaign = Registered("campaign CM1".into());
        let verified = Registered("verified toll-free number".into());
        let long = ("from", "+13035550100");
        let free = ("from", "+18005550100");
        let service = ("messaging_service_sid", "MG1");
        let (named, yes) = (("campaign", "CM1"), ("toll_free_verified", "yes"));
        for provider in ["twilio", "http_sms"] {
            assert!(matches!(of(provider, &[long]), Missing(why) if why.contains("`campaign`")));
            assert!(matches!(of(provider, &[long, yes]), Missing(_)));
            assert!(matches!(
                of(provider, &[long, ("campaign", "  ")]),
                Missing(_)
            ));
            assert_eq!(of(provider, &[long, named]), campaign);
            assert!(
                matches!(of(provider, &[free]), Missing(why) if why.contains("toll_free_verified"))
            );
            assert!(matches!(
                of(provider, &[free, ("toll_free_verified", "no"), named]),
                Missing(_)
            ));
            assert_eq!(of(provider, &[free, yes]), verified);
        }
        assert!(matches!(of("twilio", &[service, yes]), Missing(_)));
        assert!(matches!(
            of("twilio", &[service, ("from", "+447400123456")]),
            Missing(_)
        ));
        assert_eq!(of("twilio", &[service, named]), campaign);
        // Without a plus, as some providers want it, and a number that stands only in the body.
        assert!(matches!(
            of("http_sms", &[("from", "13035550100")]),
            Missing(_)
        ));
        assert!(matches!(
            of("http_sms", &[("from", "3035550100")]),
            Missing(_)
        ));
        assert!(matches!(of("http_sms", &[]), Missing(why) if why.contains("`from`")));
        assert_eq!(of("http_sms", &[named]), campaign);
        assert_eq!(of("http_sms", &[yes]), verified);
    }

    /// US-15: short codes, names and numbers of other countries need none, and neither does what sends no texts.
    #[test]
    fn short_codes_and_other_countries_need_none() {
        for from in [
            "12345",
            "898989",
            "AlderCo",
            "+447400123456",
            "+16042500100",
        ] {
            assert_eq!(of("twilio", &[("from", from)]), NotNeeded, "{from}");
        }
        for provider in ["resend", "smtp", "webhook", "sandbox"] {
            assert_eq!(of(provider, &[("from", "a@example.com")]), NotNeeded);
        }
        // A territory is of the United States.
        assert!(matches!(
            of("twilio", &[("from", "+17872340100")]),
            Missing(_)
        ));
    }
}
