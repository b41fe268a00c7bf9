use super::*;
use proptest::prelude::*;

fn clean(text: &str) -> String {
    clean_for_strangers(text, 120).into_owned()
}

static LINKS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"://|(?:^|[^\p{L}\p{N}])www\.|[\p{L}\p{N}_-]\.\p{L}{2,}|xn--|@\S*\.|(?:^|\s)(?:\d{1,3}\.){3}\d{1,3}(?:$|\s)|(?:^|[^\p{L}\p{N}])(?:javascript|data|tel|sms|mailto):\S").unwrap()
});

/// What a phone or a mail program would underline, read independently of the rules under test.
fn linkable(text: &str) -> bool {
    let folded: String = text
        .nfkc()
        .filter(|c| !is_invisible(*c))
        .collect::<String>()
        .to_lowercase();
    let folded = folded.replace(['\u{3002}', '\u{ff61}'], ".");
    LINKS.is_match(&folded)
}

const SPOOFS: &[&str] = &[
    "http://evil.com",
    "https://evil.com/login",
    "HTTP://EVIL.COM",
    "hTtPs://evil.com",
    "http:/evil.com",
    "http:\\\\evil.com",
    "http:evil.com",
    "http://evil",
    "http://localhost",
    "http://1.2.3.4/",
    "http://0x7f000001/",
    "http://3232235521",
    "http://[::1]/",
    "http://[2001:db8::1]:8080/x",
    "ftp://evil.com",
    "hxxp://evil.com",
    "hxxps://evil[.]com",
    "//evil.com/x",
    "///evil",
    "\\\\evil\\share",
    "www.evil.com",
    "WWW.EVIL.COM",
    "www.evil",
    "www2.evil.org",
    "www . evil . com",
    "evil.com",
    "EVIL.COM",
    "Evil.Com",
    "evil.co.uk",
    "evil.co",
    "evil.io/x",
    "evil.xyz?a=b",
    "evil.top#x",
    "evil.com:8080",
    "evil.com.",
    "evil.com,",
    "(evil.com)",
    "<evil.com>",
    "\"evil.com\"",
    "'evil.com'",
    "see evil.com now",
    "see:evil.com",
    "see,evil.com,now",
    "sub.domain.evil.com",
    "a.b.c.d.evil.ru",
    "evil-bank.com",
    "evil_bank.com",
    "1evil.com",
    "123.com",
    "bit.ly/abc",
    "bit.ly",
    "t.co/abc",
    "t.me/evil",
    "wa.me/15125550100",
    "goo.gl/x",
    "youtu.be/x",
    "is.gd/x",
    "j.mp/x",
    "rb.gy/x",
    "evil . com",
    "evil .com",
    "evil. com",
    "evil . com / login",
    "evil dot com",
    "evil DOT com",
    "evil (dot) com",
    "evil[dot]com",
    "evil[.]com",
    "evil(.)com",
    "evil{.}com",
    "evil [ . ] com",
    "evil\u{3002}com",
    "evil\u{ff0e}com",
    "evil\u{ff61}com",
    "evil\u{2024}com",
    "evil\u{fe52}com",
    "evil\u{b7}com",
    "evil\u{2027}com",
    "evil\u{2022}com",
    "evil\u{22c5}com",
    "ｅｖｉｌ．ｃｏｍ",
    "ｈｔｔｐ：／／ｅｖｉｌ．ｃｏｍ",
    "𝐞𝐯𝐢𝐥.𝐜𝐨𝐦",
    "ⓔⓥⓘⓛ.ⓒⓞⓜ",
    "evil.ⓒⓞⓜ",
    "evil.ｃom",
    "еvil.com",
    "evil.сom",
    "пример.рф",
    "例え.テスト",
    "भारत.भारत",
    "xn--e1afmkfd.xn--p1ai",
    "xn--80ak6aa92e.com",
    "http://xn--80ak6aa92e.com",
    "evil.xn--p1ai",
    "192.0.2.1",
    "192.0.2.1/login",
    "192.0.2.1:8080",
    "call 192.0.2.1 now",
    "2001:db8::1",
    "ev\u{200b}il.c\u{200b}om",
    "evil\u{200d}.com",
    "evil.\u{200c}com",
    "evil.\u{2060}com",
    "evil.\u{feff}com",
    "evil.\u{ad}com",
    "evil.c\u{34f}om",
    "evil\u{200e}.\u{200e}com",
    "\u{202e}moc.live",
    "evil.com\u{202e}",
    "\u{2066}evil.com\u{2069}",
    "http\u{200b}://evil.com",
    "htt\u{ad}p://evil.com",
    "http:\u{2215}\u{2215}evil.com",
    "http\u{2236}//evil.com",
    "evil.com\r\nBcc: a@example.com",
    "evil\r\n.com",
    "a@evil.com",
    "mailto:a@example.com",
    "a@[192.0.2.1]",
    "user:pass@evil.com",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "tel:+15125550100",
    "sms:+15125550100",
    "whatsapp://send?text=x",
    "intent://evil#Intent",
    "itms-services://?action=x",
    "Your account is locked. Visit evil.com/unlock",
    "Mr evil.com Smith",
    "St.evil.com",
    "evil.com/evil.com",
    "evil.comevil.com",
    "evil..com",
    "evil.com..",
    "e.vil.com",
    "google.com.evil.biz",
    "evil.technology/x",
    "evil.museum/x",
    "evil.photography",
    "paypal.com-secure.evil.net",
    "http://user@evil.com@example.com/",
    "evil.com\u{0}",
    "evil.com\u{85}x",
    "evil.com\u{2028}x",
    "http ://evil.com",
    "http: //evil.com",
    "http : // evil . com",
    "https evil.com",
    "ev.il.com",
];

/// Content spoofing: no link reaches a stranger's phone through our sender.
#[test]
fn nothing_that_becomes_a_link_survives() {
    assert!(SPOOFS.len() >= 100, "{}", SPOOFS.len());
    let mut wrong = Vec::new();
    for spoof in SPOOFS {
        for text in [
            spoof.to_string(),
            format!("Anna {spoof} Beck"),
            format!("Anna {spoof}"),
        ] {
            let cleaned = clean(&text);
            if linkable(&cleaned) || clean(&cleaned) != cleaned {
                wrong.push((text.clone(), cleaned.clone()));
            }
            let bad = |c: char| c.is_control() || is_invisible(c);
            assert!(!cleaned.contains(bad), "{text:?} -> {cleaned:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Content spoofing: a certain link goes whole, with its path and its host's name; the words around it stay.
#[test]
fn the_words_around_a_link_stay() {
    for (text, expected) in [
        ("see http://evil.com/login?x=1 now", "see now"),
        ("Anna www.evil.com Beck", "Anna Beck"),
        ("Anna evil.com Beck", "Anna Beck"),
        ("Anna (evil.com) Beck", "Anna ( ) Beck"),
        ("call 192.0.2.1 now", "call now"),
        ("evil . com", "evil com"),
        ("evil dot com", "evil com"),
        ("write to a@example.com please", "write to please"),
        ("St.Paul", "St Paul"),
        ("A.J.Smith", "A.J Smith"),
        ("tel:5125550100", "tel 5125550100"),
        ("a\r\nb\tc\u{2028}d", "a b c d"),
        ("  two   spaces ", "two spaces"),
        ("abc\u{202e}def", "abcdef"),
        (
            "Z\u{335}\u{321}\u{322}\u{327}\u{328}\u{345}\u{316}algo",
            "Z\u{321}\u{322}\u{327}\u{328}algo",
        ),
    ] {
        let cleaned = clean(text);
        if text.starts_with('Z') {
            assert!(
                cleaned.chars().filter(|c| is_combining_mark(*c)).count() <= 4,
                "{cleaned:?}"
            );
        } else {
            assert_eq!(cleaned, expected, "{text:?}");
        }
    }
}

const HONEST: &[&str] = &[
    "O'Brien",
    "van der Berg",
    "José",
    "Müller-Lüdenscheidt",
    "Nguyễn Thị Hồng",
    "Łukasz Żółć",
    "Søren Kierkegård",
    "Björk Guðmundsdóttir",
    "Иван Петров",
    "Ελένη Παπαδοπούλου",
    "山田太郎",
    "김민준",
    "محمد علي",
    "שרה כהן",
    "नरेन्द्र शर्मा",
    "ශ්\u{200d}රී ලංකා",
    "می\u{200c}خواهم",
    "Gal·la Puig",
    "D'Angelo",
    "d’Artagnan",
    "Jean-Luc",
    "Mary Ann",
    "J. R. R. Tolkien",
    "J.R.R. Tolkien",
    "A. J. Smith",
    "Dr. Anna Beck",
    "Mr. T",
    "Anna Beck, Ph.D.",
    "Anna Beck (mobile)",
    "Smith & Sons",
    "Smith & Sons, Inc.",
    "Beck Ltd.",
    "2021 Subaru Outback 2.5i",
    "2019 Ford F-150 3.5L V6",
    "2020 BMW 330i xDrive",
    "Tesla Model 3",
    "1/2\" pipe",
    "½ bath",
    "2½ baths, 1,800 sq. ft.",
    "24/7",
    "St. Paul",
    "St. Louis, MO",
    "No. 5",
    "Apt. 4B",
    "P.O. Box 12",
    "123 Main St. Unit 4",
    "U.S.A.",
    "Washington, D.C.",
    "Windshield replacement",
    "water heater leaks at the bottom",
    "Kitchen sink, 2nd floor.",
    "It leaks. It is bad.",
    "Come at 5 p.m. please",
    "9:30 AM - 5:00 PM",
    "2026-11-21T16:00:00Z",
    "2026-11-21T16:00:00.123456Z",
    "2026-11-21",
    "11/21/2026",
    "21.11.2026",
    "$1,250.00",
    "1.250,00 €",
    "12.5%",
    "3.14",
    "v1.2.3",
    "America/New_York",
    "/emergency-plumbing",
    "/services/drain-cleaning/",
    "+1 512-555-0100",
    "(512) 555-0100",
    "+44 7700 900123",
    "Tel: 512 555 0100",
    "#12",
    "C++ developer",
    "50/50",
    "yes / no",
    "AT&T",
    "Yahoo!",
    "@home",
    "me",
    "Dot",
    "Dorothy Dotson",
    "Com",
    "Net 30 days",
    "Bjørn 🙂",
    "VIN 4S4BSANC5K3000000",
    "80ft",
    "ASAP!!!",
];

/// Content spoofing: people keep their names, and values keep their meaning.
#[test]
fn honest_names_and_values_survive() {
    assert!(HONEST.len() >= 60, "{}", HONEST.len());
    let changed: Vec<_> = HONEST
        .iter()
        .map(|text| (*text, clean(text)))
        .filter(|(text, cleaned)| text != cleaned)
        .collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

/// Content spoofing: a name is not a letter. Cut by characters, never within an accented letter.
#[test]
fn long_names_are_cut() {
    let long = "Wolfeschlegelsteinhausenbergerdorff ".repeat(5);
    let cut = clean_for_strangers(&long, NAME_CHARS);
    assert_eq!(cut, "Wolfeschlegelsteinhausenbergerdorff Wolf");
    assert_eq!(clean_for_strangers("żółć", 2), "żó");
    assert_eq!(clean_for_strangers("ab q\u{307}\u{323}x", 4), "ab");
    assert_eq!(clean_for_strangers(&"é".repeat(5_000_000), 3), "ééé");
    assert_eq!(clean_for_strangers("anything", 0), "");
}

/// Most of what people type is seen to be harmless at a glance.
#[test]
fn honest_values_rarely_need_the_rules() {
    let careful = HONEST.iter().filter(|text| {
        let letters: Vec<char> = fold(text).chars().collect();
        may_link(letters.len(), |at| letters[at])
    });
    assert!(careful.count() <= 8);
}

/// Header injection: one line, whatever was typed; an address stays an address.
#[test]
fn header_values_are_one_line() {
    assert_eq!(
        clean_header("Hi\r\nBcc: victim@example.com"),
        "Hi Bcc: victim@example.com"
    );
    assert_eq!(clean_header("a\0b\u{85}c\u{2028}d"), "a b c d");
    assert_eq!(
        clean_header("anna.beck+news@example.co.uk"),
        "anna.beck+news@example.co.uk"
    );
    assert_eq!(clean_header("\u{202e}abc"), "abc");
    assert_eq!(
        clean_header(&"x".repeat(1_000)).chars().count(),
        HEADER_CHARS
    );
    assert_eq!(clean_header("  a  b "), "a b");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Content spoofing: also combinations nobody listed do not become links, and cleaning twice changes nothing more.
    #[test]
    fn no_combination_becomes_a_link(pieces in prop::collection::vec(prop_oneof![
        "[a-zA-Z0-9]{1,4}",
        Just(".".to_owned()), Just("..".to_owned()), Just(" . ".to_owned()), Just(" ".to_owned()),
        Just("com".to_owned()), Just("www".to_owned()), Just("ru".to_owned()), Just("dot".to_owned()),
        Just("http".to_owned()), Just(":".to_owned()), Just("//".to_owned()), Just("/".to_owned()), Just("@".to_owned()),
        Just("xn--".to_owned()), Just("-".to_owned()), Just("[.]".to_owned()), Just("javascript:".to_owned()),
        Just("\u{200b}".to_owned()), Just("\u{200d}".to_owned()), Just("\u{202e}".to_owned()), Just("\u{3002}".to_owned()),
        Just("\u{2024}".to_owned()), Just("\u{301}".to_owned()), Just("192.0.2.1".to_owned()), Just("1.".to_owned()),
        Just("\r\n".to_owned()), "\\PC",
    ], 0..14)) {
        let text = pieces.concat();
        let cleaned = clean(&text);
        prop_assert!(!linkable(&cleaned), "{:?} -> {:?}", text, cleaned);
        prop_assert_eq!(&clean(&cleaned), &cleaned, "twice");
        prop_assert!(cleaned.chars().count() <= 120);
        prop_assert!(!cleaned.contains(['\r', '\n', '\0']));
    }

    /// The quick look misses nothing that a rule would find.
    #[test]
    fn the_quick_look_agrees_with_the_rules(pieces in prop::collection::vec(prop_oneof![
        "[a-zA-Z0-9]{1,4}", "[ .:/@()<>_-]{1,2}", "[wdothp.: ]{1,4}", Just("com".to_owned()), Just(" ".to_owned()),
        Just("net".to_owned()), Just("www".to_owned()), Just("dot".to_owned()), Just("1.2".to_owned()), "\\PC",
    ], 0..10)) {
        let folded = fold(&visible(&pieces.concat()));
        let letters: Vec<char> = folded.chars().collect();
        if !may_link(letters.len(), |at| letters[at]) {
            prop_assert_eq!(without_links(&folded), folded);
        }
    }

    /// Header injection: any text gives one line within the limit.
    #[test]
    fn any_header_value_is_one_line(text in "(\\PC|[\r\n\t\0]){0,300}") {
        let cleaned = clean_header(&text);
        prop_assert!(cleaned.chars().all(|c| !c.is_control()));
        prop_assert!(cleaned.chars().count() <= HEADER_CHARS);
    }
}
