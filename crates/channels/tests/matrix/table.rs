//! The table: each fault, what happens on the line, and what is right.

use super::Module;
use super::support::{
    Patience, Reply, answer,
    sink::{At, Does, usual},
};

/// The rows, as the plan names them.
pub const FAULTS: [&str; 26] = [
    "DNS: no such name",
    "DNS: the name server fails",
    "DNS: no answer",
    "connect: refused",
    "connect: black hole",
    "TLS: another name",
    "TLS: expired",
    "TLS: broken off",
    "reset before the body",
    "reset in the body",
    "reset after the body",
    "no answer",
    "a head, then silence",
    "one byte a second",
    "a truncated answer",
    "an answer of the wrong type",
    "100 MB",
    "gzip bomb",
    "a yes with an error inside",
    "429",
    "500, 502, 503, 504",
    "400, 401, 403, 404, 409, 422",
    "redirect to loopback",
    "HTTP/2 GOAWAY, RST_STREAM",
    "stale keep-alive",
    "callbacks",
];

/// What is right, by where the exchange broke or what was answered.
#[derive(Clone, Copy)]
pub enum Right {
    /// Not a byte of the request left, or not the last that counts: certainly not sent.
    NotSent,
    /// The request left and no whole answer came.
    Unknown,
    /// The provider's own trouble: it may have sent it all the same. A webhook's receiver is told at least once.
    Trouble,
    /// A yes whose body is nonsense: unknown to who reads the body for the message's name; SendGrid's is in a header, and a
    /// webhook's receiver gives none.
    Unread,
    /// A definite no, to be tried again: when the provider said so.
    Slow(Option<u64>),
    /// A definite answer, the same for all.
    Said(&'static str),
    /// A definite answer that each provider gives in its own words.
    Says(fn(Module) -> &'static str),
}

impl Right {
    pub fn word(self, module: Module) -> &'static str {
        match self {
            Self::NotSent | Self::Slow(_) => "retry",
            Self::Unknown => "unknown",
            Self::Trouble if module == Module::Webhook => "retry",
            Self::Trouble => "unknown",
            Self::Unread => match module {
                Module::SendGrid => "accepted",
                Module::Webhook => "delivered",
                _ => "unknown",
            },
            Self::Said(word) => word,
            Self::Says(words) => words(module),
        }
    }

    /// True when the provider may have taken the message before anything went wrong.
    pub fn may_be_out(self) -> bool {
        matches!(self, Self::Unknown | Self::Trouble | Self::Unread)
    }
}

/// What the provider got to see of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saw {
    Nothing,
    Part,
    Whole,
}

/// What goes wrong below the request, where all channels are alike. Nothing of the message is seen.
#[derive(Debug, Clone, Copy)]
pub enum Below {
    Lookup(Lookup),
    Refused,
    BlackHole,
    OtherName,
    Expired,
    BrokenOff,
    /// Plain words where a handshake is due.
    NotSpoken,
}

#[derive(Debug, Clone, Copy)]
pub enum Lookup {
    NoSuchName,
    NoAddress,
    Failure,
    Silence,
}

/// A case of a fault for channels that speak HTTP.
pub struct Line {
    pub what: &'static str,
    pub does: fn(Module) -> Reply,
    pub patience: Patience,
    pub right: Right,
}

/// A case of a fault for mail servers, by the step at which it comes.
pub struct Step {
    pub at: At,
    pub does: Does,
    pub right: Right,
}

/// What a row is for one kind of channel.
pub enum Cell {
    Below(Vec<Below>),
    Lines(Vec<Line>),
    Steps(Vec<Step>),
    Redirect,
    Stale,
    Callbacks,
    /// This cannot happen here, and why.
    Not(&'static str),
}

pub struct Row {
    pub fault: &'static str,
    pub http: Cell,
    pub smtp: Cell,
}

pub const HTML: &str = "<html>oops</html>";

/// A case with an answer to a whole request.
pub fn line(what: &'static str, right: Right, does: fn(Module) -> Reply) -> Line {
    Line {
        what,
        does,
        patience: Patience::Whole,
        right,
    }
}

/// A case of a server that resets the connection before it has read everything.
pub fn impatient(what: &'static str, patience: Patience) -> Line {
    Line {
        what,
        does: |_| Reply::Reset,
        patience,
        right: Right::Unknown,
    }
}

pub fn step(at: At, right: Right, does: Does) -> Step {
    Step { at, does, right }
}

/// A yes with this body, as the provider would write its head.
pub fn yes(module: Module, body: &str) -> Reply {
    let (status, headers) = module.yes();
    answer(status, headers, body)
}

/// The bytes of a yes whose body has only begun.
pub fn begun(module: Module, length: usize) -> Vec<u8> {
    let (status, headers) = module.yes();
    let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n{");
    text.into_bytes()
}

/// The table: each fault, what happens on the line, and what is right.
pub fn rows() -> Vec<Row> {
    use Right::{NotSent, Said, Says, Slow, Trouble, Unknown, Unread};
    let below = |fault: &'static str, cases: &[Below]| Row {
        fault,
        http: Cell::Below(cases.to_vec()),
        smtp: Cell::Below(cases.to_vec()),
    };
    let row = |fault: &'static str, http: Vec<Line>, smtp: Vec<Step>| Row {
        fault,
        http: Cell::Lines(http),
        smtp: Cell::Steps(smtp),
    };
    vec![
        below(
            FAULTS[0],
            &[
                Below::Lookup(Lookup::NoSuchName),
                Below::Lookup(Lookup::NoAddress),
            ],
        ),
        below(FAULTS[1], &[Below::Lookup(Lookup::Failure)]),
        below(FAULTS[2], &[Below::Lookup(Lookup::Silence)]),
        below(FAULTS[3], &[Below::Refused]),
        below(FAULTS[4], &[Below::BlackHole]),
        below(FAULTS[5], &[Below::OtherName]),
        below(FAULTS[6], &[Below::Expired]),
        below(FAULTS[7], &[Below::BrokenOff, Below::NotSpoken]),
        row(
            FAULTS[8],
            vec![impatient("after the head", Patience::Head)],
            vec![
                step(At::Greeting, NotSent, Does::Closes),
                step(At::Ehlo, NotSent, Does::Closes),
                step(At::Mail, NotSent, Does::Closes),
                step(At::Rcpt, NotSent, Does::Closes),
                step(At::Data, NotSent, Does::Closes),
            ],
        ),
        row(
            FAULTS[9],
            vec![impatient("in the middle", Patience::SomeOfTheBody)],
            vec![step(At::Body, NotSent, Does::Closes)],
        ),
        row(
            FAULTS[10],
            vec![
                line("reset", Unknown, |_| Reply::Reset),
                line("closed without a word", Unknown, |_| Reply::Cut(Vec::new())),
            ],
            vec![step(At::Dot, Unknown, Does::Closes)],
        ),
        row(
            FAULTS[11],
            vec![line("silence", Unknown, |_| Reply::Hang(Vec::new()))],
            vec![
                step(At::Greeting, NotSent, Does::Hangs),
                step(At::Ehlo, NotSent, Does::Hangs),
                step(At::Mail, NotSent, Does::Hangs),
                step(At::Rcpt, NotSent, Does::Hangs),
                step(At::Data, NotSent, Does::Hangs),
                step(At::Dot, Unknown, Does::Hangs),
            ],
        ),
        row(
            FAULTS[12],
            vec![
                line("half a status line", Unknown, |_| {
                    Reply::Hang(b"HTTP/1.1 2".to_vec())
                }),
                line("half a head", Unknown, |_| {
                    Reply::Hang(b"HTTP/1.1 200 OK\r\n".to_vec())
                }),
                line("the head", Unknown, |module| Reply::Hang(begun(module, 50))),
            ],
            vec![
                step(At::Rcpt, NotSent, Does::Begins("250-2.1.5 Ok\r\n")),
                step(At::Dot, Unknown, Does::Begins("25")),
                step(At::Dot, Unknown, Does::Begins("250-2.0.0 Ok\r\n")),
            ],
        ),
        row(
            FAULTS[13],
            vec![
                line("the head", Unknown, |module| {
                    Reply::Drip(Vec::new(), begun(module, 50))
                }),
                line("the body", Unknown, |module| {
                    Reply::Drip(begun(module, 50), vec![b' '; 49])
                }),
            ],
            vec![
                step(At::Greeting, NotSent, Does::Drips(usual(At::Greeting))),
                step(At::Dot, Unknown, Does::Drips(usual(At::Dot))),
            ],
        ),
        row(
            FAULTS[14],
            vec![
                line("half a status line", Unknown, |_| {
                    Reply::Cut(b"HTTP/1.1 20".to_vec())
                }),
                line("half a head", Unknown, |_| {
                    Reply::Cut(b"HTTP/1.1 201 Created\r\ncontent-le".to_vec())
                }),
                line("half a body", Unknown, |module| {
                    Reply::Cut(begun(module, 50))
                }),
                line("half a chunk", Unknown, |_| {
                    Reply::Cut(
                        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"id\""
                            .to_vec(),
                    )
                }),
                line("half a document", Unread, |module| yes(module, "{\"id\":")),
                line("nothing", Unread, |module| yes(module, "")),
            ],
            vec![
                step(At::Dot, Unknown, Does::Breaks("250 2.0.0 O")),
                step(At::Dot, Unknown, Does::Breaks("250-2.0.0 Ok\r\n")),
                step(At::Rcpt, NotSent, Does::Breaks("250 2.1.5 O")),
            ],
        ),
        row(
            FAULTS[15],
            vec![
                line("a page", Unread, |module| yes(module, HTML)),
                line("a list", Unread, |module| yes(module, "[]")),
                line("numbers for words", Unread, |module| {
                    yes(module, r#"{"sid":7,"id":7,"MessageId":7,"data":{"id":{}}}"#)
                }),
                line("empty names", Unread, |module| {
                    yes(
                        module,
                        r#"{"sid":"","id":"","MessageId":"","data":{"id":""}}"#,
                    )
                }),
                line("no HTTP at all", Unknown, |_| {
                    Reply::Cut(b"SSH-2.0-server\r\n\r\n".to_vec())
                }),
            ],
            vec![
                step(At::Greeting, NotSent, Does::Says("SSH-2.0-server")),
                step(At::Dot, Unknown, Does::Says("HTTP/1.1 200 OK")),
                step(At::Dot, Unknown, Does::Says("999999")),
            ],
        ),
        row(
            FAULTS[16],
            vec![
                line("with a yes", Unread, |module| {
                    Reply::Huge(match module {
                        Module::SendGrid => {
                            "HTTP/1.1 202 Accepted\r\nx-message-id: m-1\r\ncontent-length: 104857600\r\n\r\n"
                        }
                        _ => "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
                    })
                }),
                line("with a no", Said("permanent"), |_| {
                    Reply::Huge("HTTP/1.1 400 Bad Request\r\n\r\n")
                }),
            ],
            vec![
                step(At::Ehlo, NotSent, Does::Floods),
                step(At::Dot, Unknown, Does::Floods),
            ],
        ),
        Row {
            fault: FAULTS[17],
            http: Cell::Lines(vec![line("never asked for", Unread, |module| {
                let (status, headers) = module.yes();
                let mut all = headers.to_vec();
                all.push(("content-encoding", "gzip"));
                answer(status, &all, &"\u{1f}zzzz".repeat(2_000))
            })]),
            smtp: Cell::Not("SMTP has no encoding of replies that could be unpacked."),
        },
        Row {
            fault: FAULTS[18],
            http: Cell::Lines(vec![line(
                "an error in words",
                Says(|module| match module {
                    // Its code for a sender that is not registered stands beside a name.
                    Module::Twilio => "config",
                    Module::Webhook => "delivered",
                    _ => "unknown",
                }),
                |module| {
                    let body = r#"{"sid":"SM1","status":"failed","error_code":30034,"name":"invalid_api_key","statusCode":401,"__type":"AccountSuspendedException","errors":[{"message":"no","code":"40300"}]}"#;
                    let (status, _) = module.yes();
                    answer(status, &[], body)
                },
            )]),
            smtp: Cell::Not("The code of a reply is its whole verdict; its words are for people."),
        },
        row(
            FAULTS[19],
            vec![
                line("in seconds", Slow(Some(7)), |_| {
                    answer("429 Too Many Requests", &[("retry-after", "7")], "")
                }),
                line("at a date", Slow(Some(60)), |_| {
                    answer(
                        "429 Too Many Requests",
                        &[("retry-after", "Thu, 01 Jan 2026 00:01:05 GMT")],
                        "",
                    )
                }),
                line("at an old form of date", Slow(Some(60)), |_| {
                    answer(
                        "429 Too Many Requests",
                        &[("retry-after", "Thu Jan  1 00:01:05 2026")],
                        "",
                    )
                }),
                line("at a date that has passed", Slow(Some(0)), |_| {
                    answer(
                        "429 Too Many Requests",
                        &[("retry-after", "Wed, 31 Dec 2025 23:00:00 GMT")],
                        "",
                    )
                }),
                line("nothing", Slow(None), |_| {
                    answer("429 Too Many Requests", &[], "")
                }),
                line("absurd seconds", Slow(Some(86_400)), |_| {
                    answer(
                        "429 Too Many Requests",
                        &[("retry-after", "99999999999999999999")],
                        "",
                    )
                }),
                line("an absurd date", Slow(Some(86_400)), |_| {
                    answer(
                        "429 Too Many Requests",
                        &[("retry-after", "Thu, 31 Dec 2099 23:59:59 GMT")],
                        "",
                    )
                }),
                line("a word", Slow(None), |_| {
                    answer("429 Too Many Requests", &[("retry-after", "soon")], "")
                }),
                line("below zero", Slow(None), |_| {
                    answer("429 Too Many Requests", &[("retry-after", "-1")], "")
                }),
                line("too early", Slow(None), |_| {
                    answer("425 Too Early", &[], "")
                }),
                line("gave up waiting", Slow(Some(3)), |_| {
                    answer("408 Request Timeout", &[("retry-after", "3")], "")
                }),
            ],
            vec![
                step(At::Mail, Slow(None), Does::Says("421 4.3.2 busy")),
                step(
                    At::Rcpt,
                    Slow(Some(300)),
                    Does::Says("450 4.7.1 greylisted"),
                ),
                step(At::Dot, Slow(None), Does::Says("452 4.3.1 full")),
            ],
        ),
        row(
            FAULTS[20],
            vec![
                line("500", Trouble, |_| answer("500 Oops", &[], HTML)),
                line("502", Trouble, |_| answer("502 Bad Gateway", &[], HTML)),
                line("503", Trouble, |_| answer("503 Unavailable", &[], HTML)),
                line("504", Trouble, |_| answer("504 Timeout", &[], HTML)),
            ],
            // A mail server that says 4yz to the dot has not taken the mail (RFC 5321, 4.2.1).
            vec![
                step(At::Greeting, Slow(None), Does::Says("421 4.3.2 going down")),
                step(At::Dot, Slow(None), Does::Says("451 4.3.0 trouble")),
                step(At::Dot, Slow(None), Does::Says("421 4.3.2 going down")),
            ],
        ),
        row(
            FAULTS[21],
            vec![
                line("400", Said("permanent"), |_| answer("400 No", &[], HTML)),
                line("401", Said("config"), |_| answer("401 No", &[], HTML)),
                line("402", Said("config"), |_| answer("402 No", &[], HTML)),
                line("403", Said("config"), |_| answer("403 No", &[], HTML)),
                line("404", Said("config"), |_| answer("404 No", &[], HTML)),
                line("405", Said("config"), |_| answer("405 No", &[], HTML)),
                line(
                    "409",
                    Says(|module| match module {
                        // As its table of refusals says.
                        Module::HttpSms | Module::HttpSmsWithKey => "retry",
                        _ => "permanent",
                    }),
                    |_| answer("409 No", &[], HTML),
                ),
                line("410", Said("config"), |_| answer("410 No", &[], HTML)),
                line("413", Said("permanent"), |_| answer("413 No", &[], HTML)),
                line("422", Said("permanent"), |_| answer("422 No", &[], HTML)),
            ],
            vec![
                step(
                    At::Greeting,
                    Said("config"),
                    Does::Says("554 5.7.1 go away"),
                ),
                step(At::Mail, Said("config"), Does::Says("530 5.7.0 sign in")),
                step(At::Rcpt, Said("permanent"), Does::Says("550 5.1.1 nobody")),
                step(At::Dot, Said("permanent"), Does::Says("554 5.7.1 spam")),
            ],
        ),
        Row {
            fault: FAULTS[22],
            http: Cell::Redirect,
            smtp: Cell::Steps(vec![step(
                At::Rcpt,
                Said("permanent"),
                Does::Says("551 5.1.6 please try <lead@[127.0.0.1]>"),
            )]),
        },
        Row {
            fault: FAULTS[23],
            http: Cell::Lines(vec![
                line("GOAWAY", Unknown, |_| {
                    // SETTINGS, then GOAWAY without an error.
                    Reply::Cut(
                        b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
                    )
                }),
                line("RST_STREAM", Unknown, |_| {
                    // SETTINGS, then RST_STREAM of stream 1: refused.
                    Reply::Cut(b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07".to_vec())
                }),
            ]),
            smtp: Cell::Not("A mail server speaks no HTTP."),
        },
        Row {
            fault: FAULTS[24],
            http: Cell::Stale,
            smtp: Cell::Stale,
        },
        Row {
            fault: FAULTS[25],
            http: Cell::Callbacks,
            smtp: Cell::Callbacks,
        },
    ]
}
