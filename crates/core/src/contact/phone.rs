//! Phone numbers: parsed once, compared by E.164 only (L6).

use super::{Calling, PhoneError, PhoneFault, PhoneKind, PhoneProfile};
use crate::places::{Region, plain_area_code};
use rlibphonenumber::{
    PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType,
    get_national_significant_number_owned,
};
use std::{borrow::Cow, fmt, sync::LazyLock};

/// What people type is shorter than this; longer texts are not looked at.
const MAX_TYPED: usize = 64;
/// E.164: at most 15 digits behind the plus.
const MAX_DIGITS: usize = 15;

/// A phone number in E.164: `+`, then at most 15 digits. Held in place, 17 bytes, no heap.
/// Its `Debug` shows `+44…0123`, since logs are read by many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone {
    text: [u8; MAX_DIGITS + 1],
    len: u8,
}

/// Reads the numbering plans, some milliseconds once per process, so that the first lead does not wait for it.
pub fn warm_phones() {
    LazyLock::force(&PHONE_NUMBER_UTIL);
    LazyLock::force(&CALLING_CODES);
}

impl Phone {
    /// Reads what a person typed; numbers without a country belong to `home`, the tenant's region. An extension is cut.
    ///
    /// # Errors
    /// When the numbering plan of the country has no such number; [`PhoneError::advice`] says what to do.
    pub fn parse(typed: &str, home: Region) -> Result<Self, PhoneError> {
        if let Some(phone) = plain_north_american(typed, home) {
            return Ok(phone);
        }
        let fail = |fault, country| Err(PhoneError::new(fault, country, typed));
        let text = match tidy(typed) {
            Ok(text) => text,
            Err(fault) => return fail(fault, home),
        };
        let region = rlibphonenumber::Region::from_code(home.as_str()).ok();
        let read = PHONE_NUMBER_UTIL.parse(&text, region);
        if let Ok(number) = &read
            && let Some(phone) = assigned(number)
        {
            return Ok(phone);
        }
        // 00 is how most of the world dials out; where the home country dials otherwise, try it once.
        if let Some(rest) = text.strip_prefix("00")
            && let Ok(number) = PHONE_NUMBER_UTIL.parse(format!("+{rest}"), region)
            && let Some(phone) = assigned(&number)
        {
            return Ok(phone);
        }
        match read {
            Ok(number) => fail(diagnose(&number), country_of(&number, home)),
            Err(error) => fail(unreadable(&error, &text, home), home),
        }
    }

    /// Takes a number from the store, which holds only numbers that were parsed once. Checks the shape and nothing else.
    pub fn from_e164(stored: &str) -> Option<Self> {
        let bytes = stored.as_bytes();
        let (plus, digits) = bytes.split_first()?;
        if *plus != b'+'
            || !(4..=MAX_DIGITS).contains(&digits.len())
            || digits[0] == b'0'
            || !digits.iter().all(u8::is_ascii_digit)
        {
            return None;
        }
        let mut text = [0; MAX_DIGITS + 1];
        text[..bytes.len()].copy_from_slice(bytes);
        Some(Self {
            text,
            len: bytes.len() as u8,
        })
    }

    /// The number in E.164, as it is stored, compared and sent.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The country and kind: some nanoseconds for most numbers of North America, a microsecond or two for others.
    pub fn profile(&self) -> PhoneProfile {
        if let Some(region) = self.plain_region() {
            return PhoneProfile {
                region: Some(region),
                kind: PhoneKind::FixedOrMobile,
            };
        }
        let Some(number) = self.number() else {
            return PhoneProfile {
                region: None,
                kind: PhoneKind::Unknown,
            };
        };
        PhoneProfile {
            region: region_of(&number),
            kind: PHONE_NUMBER_UTIL.get_number_type(&number).into(),
        }
    }

    /// The country by its numbering plan; none for international services such as +800.
    pub fn region(&self) -> Option<Region> {
        self.plain_region().or_else(|| region_of(&self.number()?))
    }

    /// True for a number that carriers of the United States serve: its states and territories, and what of North America is known to be
    /// of no other country.
    pub fn is_american(&self) -> bool {
        self.area_code().is_some()
            && self.region().is_none_or(|region| {
                matches!(
                    region.as_str(),
                    "US" | "PR" | "VI" | "GU" | "AS" | "MP" | "UM"
                )
            })
    }

    /// The kind of number.
    pub fn kind(&self) -> PhoneKind {
        self.profile().kind
    }

    /// Whether a text may be sent there; see [`PhoneProfile::can_text`].
    pub fn can_text(&self) -> bool {
        self.profile().can_text()
    }

    /// Who may call there; see [`PhoneProfile::can_call`].
    pub fn can_call(&self) -> Calling {
        self.profile().can_call()
    }

    /// The three digits behind `+1`, for numbers of North America.
    pub fn area_code(&self) -> Option<u16> {
        let digits = self.as_str().strip_prefix("+1")?;
        (digits.len() == 10).then(|| digits[..3].parse().ok())?
    }

    /// Whether it is one of the numbers 555-0100 to 0199, kept free for stories and examples: nobody answers there.
    pub fn is_fictional(&self) -> bool {
        self.area_code().is_some() && self.as_str()[5..].starts_with("55501")
    }

    fn plain_region(&self) -> Option<Region> {
        let region = plain_area_code(self.area_code()?)?;
        matches!(self.text[5], b'2'..=b'9').then_some(region)
    }

    /// The library's form, without parsing again.
    fn number(&self) -> Option<PhoneNumber> {
        let digits = &self.as_str()[1..];
        let split = (1..=3).find(|len| {
            digits
                .get(..*len)
                .and_then(|code| code.parse::<usize>().ok())
                .is_some_and(|code| CALLING_CODES[code])
        })?;
        let (code, national) = digits.split_at(split);
        from_parts(code.parse().ok()?, national)
    }
}

/// The short way for what most leads of North America type: ten digits, or eleven with the 1, and the usual marks. It gives
/// the library's verdict or none, twenty times faster; tests compare the two.
fn plain_north_american(typed: &str, home: Region) -> Option<Phone> {
    let typed = typed.trim();
    let international = typed.starts_with('+');
    if !international && !matches!(home, Region::US | Region::CA) {
        return None;
    }
    let mut text = [0; MAX_DIGITS + 1];
    text[..2].copy_from_slice(b"+1");
    let mut len = 2;
    let mut leading_one = false;
    for byte in typed.bytes().skip(usize::from(international)) {
        match byte {
            b'1' if len == 2 && !leading_one => leading_one = true,
            b'0'..=b'9' if len < 12 => {
                text[len] = byte;
                len += 1;
            }
            b' ' | b'(' | b')' | b'-' | b'.' => {}
            _ => return None,
        }
    }
    if len != 12 || (international && !leading_one) || typed.len() > MAX_TYPED {
        return None;
    }
    let phone = Phone { text, len: 12 };
    phone.plain_region().map(|_| phone)
}

/// Which calling codes exist. No code begins another, so the first that fits is the one.
static CALLING_CODES: LazyLock<[bool; 1000]> = LazyLock::new(|| {
    let mut known = [false; 1000];
    for code in PHONE_NUMBER_UTIL.get_supported_calling_codes() {
        if let Some(slot) = usize::try_from(code).ok().and_then(|at| known.get_mut(at)) {
            *slot = true;
        }
    }
    known
});

fn from_parts(country_code: i32, national: &str) -> Option<PhoneNumber> {
    let zeros = national.bytes().take_while(|digit| *digit == b'0').count();
    // The last digit is never counted as a leading zero, even when all are zeros.
    let zeros = zeros.min(national.len().saturating_sub(1));
    Some(PhoneNumber {
        country_code,
        national_number: national.parse().ok()?,
        italian_leading_zero: (zeros > 0).then_some(true),
        number_of_leading_zeros: (zeros > 1).then_some(i32::try_from(zeros).ok()?),
        ..PhoneNumber::default()
    })
}

/// The number, when its country gives out such numbers.
fn assigned(number: &PhoneNumber) -> Option<Phone> {
    if PHONE_NUMBER_UTIL.get_number_type(number) == PhoneNumberType::Unknown {
        return None;
    }
    Phone::from_e164(&PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164))
}

fn region_of(number: &PhoneNumber) -> Option<Region> {
    let region = PHONE_NUMBER_UTIL.get_region_for_number(number)?;
    region.as_region_str().parse().ok()
}

/// The country to name in an error: home when it shares the calling code, else the main country of the code.
fn country_of(number: &PhoneNumber, home: Region) -> Region {
    let code = number.country_code;
    let home_code = rlibphonenumber::Region::from_code(home.as_str())
        .ok()
        .and_then(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region));
    if home_code == Some(code) {
        return home;
    }
    PHONE_NUMBER_UTIL
        .get_region_for_country_code(code)
        .and_then(|region| region.as_region_str().parse().ok())
        .unwrap_or(home)
}

/// Drops what copying leaves behind and cuts an extension; refuses letters, which are mostly a name in the wrong field.
fn tidy(typed: &str) -> Result<Cow<'_, str>, PhoneFault> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(PhoneFault::Empty);
    }
    if typed.chars().take(MAX_TYPED + 1).count() > MAX_TYPED {
        return Err(PhoneFault::NotANumber);
    }
    let mut text = Cow::Borrowed(typed);
    if text.contains(invisible) {
        text = Cow::Owned(text.replace(invisible, ""));
    }
    if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("tel:"))
    {
        text = Cow::Owned(text[4..].to_owned());
    }
    if let Some(at) = text.find(char::is_alphabetic) {
        if !is_extension(&text[at..]) {
            return Err(PhoneFault::Letters);
        }
        let kept = text[..at]
            .trim_end_matches([' ', ',', ';', '.', '-'])
            .to_owned();
        text = Cow::Owned(kept);
    }
    Ok(text)
}

/// Marks of writing direction and zero width that come along when a number is copied from a page or a contact card.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

fn is_extension(tail: &str) -> bool {
    let tail = tail.to_lowercase();
    ["extension", "extn", "ext", "xtn", "x"].iter().any(|word| {
        tail.strip_prefix(word).is_some_and(|rest| {
            let digits = rest.trim_start_matches(['.', ':', '=', ' ', '#']);
            (1..=7).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

fn unreadable(error: &ParseError, text: &str, home: Region) -> PhoneFault {
    let digits: String = text
        .chars()
        .filter_map(|c| c.to_digit(10))
        .map(|d| d.to_string())
        .collect();
    match error {
        ParseError::InvalidCountryCode => PhoneFault::UnknownCountry,
        ParseError::TooLongNsn => PhoneFault::TooLong {
            by: by(digits.len(), MAX_DIGITS),
        },
        ParseError::TooShortNsn | ParseError::TooShortAfterIdd if !digits.is_empty() => {
            let shortest = rlibphonenumber::Region::from_code(home.as_str())
                .ok()
                .and_then(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region))
                .and_then(|code| lengths(code).next())
                .unwrap_or(7);
            PhoneFault::TooShort {
                by: by(shortest, digits.len()),
            }
        }
        _ => PhoneFault::NotANumber,
    }
}

/// The lengths that national numbers of a calling code can have, rising.
fn lengths(country_code: i32) -> impl Iterator<Item = usize> {
    (4..=MAX_DIGITS).filter(move |len| {
        from_parts(country_code, &"2".repeat(*len))
            .is_some_and(|probe| PHONE_NUMBER_UTIL.is_possible_number(&probe))
    })
}

fn by(more: usize, less: usize) -> u8 {
    u8::try_from(more.saturating_sub(less).max(1)).unwrap_or(u8::MAX)
}

/// What is wrong with a number that reads well but is not assigned. We keep less and less of its beginning and look at which
/// lengths some assigned number with that beginning exists; the numbering plan itself does not say.
fn diagnose(number: &PhoneNumber) -> PhoneFault {
    let national = get_national_significant_number_owned(number);
    let have = national.len();
    let wanted: Vec<usize> = lengths(number.country_code).collect();
    let exists = |kept: &str, len: usize| {
        FILLERS.iter().any(|filler| {
            let text: String = kept
                .chars()
                .chain(filler.chars().cycle())
                .take(len)
                .collect();
            from_parts(number.country_code, &text).is_some_and(|probe| {
                PHONE_NUMBER_UTIL.get_number_type(&probe) != PhoneNumberType::Unknown
            })
        })
    };
    let kept_lengths = [
        have,
        have.saturating_sub(1),
        have.saturating_sub(2),
        4,
        3,
        2,
        0,
    ];
    for kept in kept_lengths.into_iter().filter(|kept| *kept <= have) {
        let mut nearest: Option<usize> = None;
        for &len in &wanted {
            if exists(&national[..kept.min(len)], len)
                && nearest.is_none_or(|known| len.abs_diff(have) < known.abs_diff(have))
            {
                nearest = Some(len);
            }
        }
        match nearest {
            Some(len) if len > have => return PhoneFault::TooShort { by: by(len, have) },
            Some(len) if len < have => return PhoneFault::TooLong { by: by(have, len) },
            Some(_) => return PhoneFault::NotAssigned,
            None => {}
        }
    }
    PhoneFault::NotAssigned
}

/// Endings that are tried behind a beginning; between them they reach a number of nearly every range.
const FILLERS: [&str; 6] = ["2345678", "1234567", "2", "7", "9", "0"];

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.as_str();
        let code = match text.as_bytes().get(1) {
            Some(b'1' | b'7') => 2,
            _ => 3,
        };
        let tail = text.len().saturating_sub(4).max(code);
        write!(f, "{}…{}", &text[..code], &text[tail..])
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Phone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Phone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_e164(&text)
            .ok_or_else(|| serde::de::Error::custom("not a phone number in E.164"))
    }
}

#[cfg(test)]
#[path = "phone_tests.rs"]
mod tests;
