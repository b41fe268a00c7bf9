//! Leads that are made up: valid numbers and addresses that are all different, and a token that finds its way to the provider.
//!
//! The numbers are scattered, as real ones are: numbers that rise with time would flatter the indexes of any database.

const AREAS: [u64; 4] = [212, 312, 415, 617];
const EXCHANGES: u64 = 792; // 200 to 999 without N11
const LINES: u64 = 10_000;
const NUMBERS: u64 = AREAS.len() as u64 * EXCHANGES * LINES;
// Prime to NUMBERS = 2^9 * 3^2 * 5^4 * 11, so that multiplying by it visits every number once.
const STRIDE: u64 = 19_577_647;

/// `Qx<n>z<t0>xq` with each digit as a letter a to j: survives name checks, title case, HTML, JSON and form encoding.
/// It names lead `n`, whose request was due at `t0`, microseconds since 1970.
pub fn token(n: u64, t0: u64) -> String {
    let letters = |v: u64| -> String {
        v.to_string()
            .bytes()
            .map(|digit| (digit - b'0' + b'a') as char)
            .collect()
    };
    format!("Qx{}z{}xq", letters(n), letters(t0))
}

/// The first token in `text`, as (n, t0), in any case.
pub fn read_token(text: &[u8]) -> Option<(u64, u64)> {
    (0..text.len()).find_map(|at| token_at(&text[at..]))
}

fn token_at(text: &[u8]) -> Option<(u64, u64)> {
    let rest = tag(text, b"qx")?;
    let (n, rest) = letters(rest)?;
    let rest = tag(rest, b"z")?;
    let (t0, rest) = letters(rest)?;
    tag(rest, b"xq").map(|_| (n, t0))
}

fn tag<'a>(text: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(tag.len())?;
    head.eq_ignore_ascii_case(tag).then_some(rest)
}

fn letters(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text
        .iter()
        .position(|c| !(b'a'..=b'j').contains(&c.to_ascii_lowercase()))
        .unwrap_or(text.len());
    let value = text[..end].iter().try_fold(0u64, |value, c| {
        value
            .checked_mul(10)?
            .checked_add(u64::from(c.to_ascii_lowercase() - b'a'))
    })?;
    (end > 0).then_some((value, &text[end..]))
}

/// The phone number of person `n`, in E.164.
pub fn phone(n: u64) -> String {
    let scattered = (n % NUMBERS) * STRIDE % NUMBERS;
    let line = scattered % LINES;
    let place = scattered / LINES % EXCHANGES;
    let area = AREAS[(scattered / LINES / EXCHANGES) as usize];
    // 99 exchanges in each hundred: 11 is left out, since N11 are service codes.
    let rest = place % 99;
    let exchange = 200 + place / 99 * 100 + if rest >= 11 { rest + 1 } else { rest };
    format!("+1{area}{exchange}{line:04}")
}

/// The address of person `n`: different for each, in no order.
pub fn email(n: u64) -> String {
    let scattered = (n % NUMBERS) * STRIDE % NUMBERS;
    format!("dana.{scattered:08}.{n}@example.com")
}

/// The body of `POST /v1/leads` for person `n`, due at `t0`.
pub fn lead(n: u64, t0: u64) -> String {
    format!(
        concat!(
            r#"{{"first_name":"Dana","last_name":"Whitfield {token}","phone":"{phone}","email":"{email}","source":"web-form","#,
            r#""attributes":{{"vehicle":"2021 Subaru Outback","message":"I would like to book a visit this week."}},"#,
            r#""consents":[{{"channel":"sms","purpose":"transactional","granted":true,"#,
            r#""wording":"Text me about my request.","method":"web_form"}}]}}"#
        ),
        token = token(n, t0),
        phone = phone(n),
        email = email(n),
    )
}

/// The same for a person who also agrees to offers by text.
pub fn lead_who_wants_offers(n: u64, t0: u64) -> String {
    lead(n, t0).replacen(
        r#""consents":["#,
        concat!(
            r#""consents":[{"channel":"sms","purpose":"promotional","granted":true,"#,
            r#""wording":"Yes, text me offers.","method":"web_form"},"#
        ),
        1,
    )
}

/// Microseconds since 1970, for tokens.
pub fn now_us() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_token_is_found_again_in_any_case_and_among_any_text() {
        for (n, t0) in [
            (0, 0),
            (9, 1_700_000_000_000_000),
            (1_234_567, 1_799_999_999_999_999),
        ] {
            let token = token(n, t0);
            for text in [
                token.clone(),
                format!("Hi Dana Whitfield {token}, thanks"),
                format!("To=%2B1212&Body=qxQx+{}+q", token.to_uppercase()),
                format!("<p>{}</p>", token.to_lowercase()),
            ] {
                assert_eq!(read_token(text.as_bytes()), Some((n, t0)), "{text}");
            }
        }
        for nothing in ["", "qx", "Qxaz", "Qxazbxr", "Qxzbxq", "a quick fox"] {
            assert_eq!(read_token(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[test]
    fn people_do_not_share_a_number_or_an_address() {
        let count = 200_000;
        let phones: HashSet<String> = (0..count).map(phone).collect();
        let emails: HashSet<String> = (0..count).map(email).collect();
        assert_eq!(phones.len() as u64, count);
        assert_eq!(emails.len() as u64, count);
        assert!(
            phones
                .iter()
                .all(|p| p.len() == 12 && &p[6..8] != "11" && p.as_bytes()[5] >= b'2')
        );
    }

    #[test]
    fn the_body_is_json_that_holds_the_token() {
        let body = lead(31, 1_790_000_000_000_000);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let name = json["last_name"].as_str().unwrap();
        assert_eq!(
            read_token(name.as_bytes()),
            Some((31, 1_790_000_000_000_000))
        );
        assert!(
            name.len() <= 40,
            "names over 40 letters are cut in messages: {name}"
        );
    }
}
