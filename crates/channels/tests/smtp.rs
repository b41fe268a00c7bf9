//! N2 by SMTP: one mail, one verdict, at whatever step the server misbehaves. Before the final dot nothing was handed over; after it
//! without a reply we do not know (M3).

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use lettre::message::Mailbox;
use ringback_channels::{Egress, Http, http::SystemResolver, open};
use ringback_core::messages::{Content, Outcome, Suppress};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    http, map, message_id, outgoing,
    sink::{At, Does, Log, Script, Sink, Talk, usual},
    word,
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn a_mail_arrives_whole_under_a_stable_id() {
    let sink = Sink::usual().await;
    let channel = sink.channel();
    for _ in 0..2 {
        let outcome = channel.send(&outgoing("smtp")).await;
        let Outcome::Accepted { reference, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(reference.0, "2.0.0 Ok: queued as 4XyZ");
    }
    let log = sink.log();
    assert_eq!(log.connections, 1, "the connection is used again");
    assert_eq!(log.mails.len(), 2);
    let mail = &log.mails[0];
    for line in [
        format!("Message-ID: <{}@example.test>\r\n", message_id()),
        "From: =?utf-8?b?QWNtZSwgSW5jLg==?= <hello@example.test>\r\n".into(), // "Acme, Inc."
        "To: lead@example.test\r\n".into(),
        "Reply-To: inbox@example.test\r\n".into(),
        "Date: Thu, 01 Jan 2026 00:00:05 +0000\r\n".into(),
        "List-Unsubscribe: <https://example.test/u/1>\r\n".into(),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".into(),
        "MIME-Version: 1.0\r\n".into(),
        "multipart/alternative".into(),
        "\r\nHello,\r\n.\r\n..\r\nthat was a dot.".into(),
        "<p>Hello</p>".into(),
    ] {
        assert!(mail.contains(&line), "{line:?} is not in {mail}");
    }
    assert!(mail.is_ascii());
    assert!(log.commands.contains(&"EHLO example.test".to_owned()));
    assert!(
        log.commands
            .contains(&"MAIL FROM:<hello@example.test>".to_owned())
    );
    assert!(
        log.commands
            .contains(&"RCPT TO:<lead@example.test>".to_owned())
    );
}

/// A mail that is larger than the buffers in between cannot have reached its dot when the server goes away in its middle.
#[tokio::test]
async fn a_large_mail_that_breaks_in_the_middle_was_not_handed_over() {
    let mut message = outgoing("smtp");
    let Content::Mail { text, .. } = &mut message.content else {
        unreachable!()
    };
    *text = "a line of text that is repeated very often\n".repeat(200_000);
    let sink = Sink::at(At::Body, Does::Closes).await;
    assert_eq!(word(&sink.channel().send(&message).await), "retry");
}

#[tokio::test]
async fn replies_fall_into_their_class_and_the_connection_lives_on() {
    for (step, reply, expected, suppress) in [
        (At::Greeting, "554 5.7.1 go away", "config", Suppress::No),
        (At::Greeting, "421 4.3.2 busy", "retry", Suppress::No),
        (
            At::Mail,
            "530 5.7.0 authentication required",
            "config",
            Suppress::No,
        ),
        (At::Mail, "451 4.3.0 later", "retry", Suppress::No),
        (At::Rcpt, "450 4.7.1 greylisted", "retry", Suppress::No),
        (
            At::Rcpt,
            "550 5.1.1 no such user",
            "permanent",
            Suppress::Invalid,
        ),
        (
            At::Rcpt,
            "550-5.1.1 no such\r\n550 5.1.1 user",
            "permanent",
            Suppress::Invalid,
        ),
        (At::Rcpt, "552 5.2.2 full", "permanent", Suppress::No),
        (
            At::Data,
            "554 5.5.1 no valid recipients",
            "permanent",
            Suppress::No,
        ),
        (
            At::Dot,
            "550 5.7.26 unauthenticated mail",
            "config",
            Suppress::No,
        ),
        (At::Dot, "452 4.3.1 disk full", "retry", Suppress::No),
        (At::Dot, "554 5.7.1 spam", "permanent", Suppress::No),
    ] {
        let sink = Sink::at(step, Does::Says(reply)).await;
        let channel = sink.channel();
        for _ in 0..2 {
            let outcome = channel.send(&outgoing("smtp")).await;
            assert_eq!(word(&outcome), expected, "{reply}: {outcome:?}");
            if let Outcome::Permanent {
                suppress: found, ..
            } = outcome
            {
                assert_eq!(found, suppress, "{reply}");
            }
        }
        if step != At::Greeting {
            assert_eq!(sink.log().connections, 1, "{reply}");
            assert!(sink.log().commands.contains(&"RSET".to_owned()), "{reply}");
        }
    }
}

/// A reply to the dot that is no SMTP tells nothing; nor does one that never ends.
#[tokio::test]
async fn nonsense_after_the_dot_is_unknown() {
    for nonsense in ["hello", "999999", "25"] {
        let sink = Sink::at(At::Dot, Does::Says(nonsense)).await;
        let outcome = sink.channel().send(&outgoing("smtp")).await;
        assert_eq!(word(&outcome), "unknown", "{nonsense}: {outcome:?}");
    }
    let endless: &'static str = Box::leak("x".repeat(300_000).into_boxed_str());
    let sink = Sink::at(At::Greeting, Does::Says(endless)).await;
    assert_eq!(word(&sink.channel().send(&outgoing("smtp")).await), "retry");
}

/// 421 or a close on a connection that rested: nothing was said yet, so a fresh connection carries the mail.
#[tokio::test]
async fn a_connection_that_closed_while_it_rested_is_replaced() {
    for does in [Does::Closes, Does::Says("421 4.4.2 idle too long")] {
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let sink = Sink::with(
            move |at, connection| {
                if at == At::Mail && connection == 0 {
                    let mut count = counted.lock().unwrap();
                    *count += 1;
                    if *count == 2 {
                        return does.clone();
                    }
                }
                Does::Says(usual(at))
            },
            None,
        )
        .await;
        let channel = sink.channel();
        for _ in 0..3 {
            assert_eq!(word(&channel.send(&outgoing("smtp")).await), "accepted");
        }
        let log = sink.log();
        assert_eq!((log.connections, log.mails.len()), (2, 3));
    }
}

/// What rested longer than five seconds is asked first; what is old is left.
#[tokio::test]
async fn rested_connections_are_asked_and_old_ones_left() {
    let sink = Sink::usual().await;
    let channel = sink.channel();
    channel.send(&outgoing("smtp")).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    channel.send(&outgoing("smtp")).await;
    let log = sink.log();
    assert_eq!(log.connections, 1);
    assert_eq!(log.commands.iter().filter(|one| *one == "NOOP").count(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(120)).await;
    tokio::time::resume();
    channel.send(&outgoing("smtp")).await;
    assert_eq!(sink.log().connections, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_mails_share_at_most_ten_connections() {
    let sink = Sink::usual().await;
    let channel = sink.channel();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let channel = Arc::clone(&channel);
        all.spawn(async move { word(&channel.send(&outgoing("smtp")).await) });
    }
    assert!(all.join_all().await.iter().all(|word| *word == "accepted"));
    let log = sink.log();
    assert_eq!(log.mails.len(), 100);
    assert!(log.connections <= 10, "{}", log.connections);
}

#[tokio::test]
async fn addresses_outside_ascii_need_the_servers_consent() {
    let sink = Sink::usual().await;
    let mut message = outgoing("smtp");
    message.to = "żółw@example.test".into();
    assert_eq!(word(&sink.channel().send(&message).await), "permanent");
    message.to = "lead@bücher.example".into();
    assert_eq!(word(&sink.channel().send(&message).await), "accepted");
    assert!(
        sink.log()
            .commands
            .contains(&"RCPT TO:<lead@xn--bcher-kva.example>".to_owned())
    );
}

#[tokio::test]
async fn hostile_mails_never_reach_the_line() {
    let sink = Sink::usual().await;
    let channel = sink.channel();
    for change in 0..5 {
        let mut message = outgoing("smtp");
        let Content::Mail {
            subject, headers, ..
        } = &mut message.content
        else {
            unreachable!()
        };
        match change {
            0 => *subject = "x\r\nBcc: other@example.test".into(),
            1 => headers.push(("X: y\r\nBcc".into(), "z".into())),
            2 => headers.push(("X-A".into(), "y\r\n\r\nbody".into())),
            3 => message.to = "a@b.example>\r\nRCPT TO:<c@d.example".into(),
            _ => message.from_name = Some("Acme\nBcc: x".into()),
        }
        assert_eq!(word(&channel.send(&message).await), "permanent", "{change}");
    }
    assert_eq!(sink.log().connections, 0);
}

/// A text cannot end the mail early and begin another (smuggling): dots are doubled, line ends are CRLF.
#[tokio::test]
async fn a_text_cannot_smuggle_a_second_mail() {
    for ending in ["\r\n.\r\n", "\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n"] {
        let sink = Sink::usual().await;
        let mut message = outgoing("smtp");
        let Content::Mail { text, html, .. } = &mut message.content else {
            unreachable!()
        };
        *text = format!("Hello{ending}MAIL FROM:<evil@example.test>{ending}bye");
        *html = None;
        assert_eq!(
            word(&sink.channel().send(&message).await),
            "accepted",
            "{ending:?}"
        );
        let log = sink.log();
        assert_eq!(log.mails.len(), 1, "{ending:?}");
        let from = log
            .commands
            .iter()
            .filter(|one| one.starts_with("MAIL FROM"));
        assert_eq!(from.count(), 1, "{ending:?}");
        assert!(log.mails[0].contains("bye"), "{ending:?}");
        assert!(
            !log.mails[0].replace("\r\n", "").contains(['\r', '\n']),
            "{ending:?}"
        );
    }
}

/// A certificate for loopback, a client that trusts it, and a server that shows it.
fn trusted() -> (Http, TlsAcceptor) {
    let names = ["127.0.0.1", "mail.example.test"];
    support::trusted(&names, "127.0.0.0/8", Arc::new(SystemResolver))
}

#[tokio::test]
async fn implicit_tls_carries_password_and_mail() {
    let (http, acceptor) = trusted();
    let sink = Sink::with(|at, _| Does::Says(usual(at)), Some(acceptor)).await;
    let mut settings = sink.settings();
    settings.extend(map(&[
        ("tls", "implicit"),
        ("username", "acme"),
        ("password", "made-up"),
    ]));
    let channel = open("smtp", &settings, &http).unwrap();
    assert!(
        channel
            .probe()
            .await
            .unwrap()
            .contains("accepts the password")
    );
    assert_eq!(word(&channel.send(&outgoing("smtp")).await), "accepted");
    let log = sink.log();
    assert_eq!(log.connections, 1);
    assert!(
        log.commands
            .iter()
            .any(|one| one.starts_with("AUTH PLAIN "))
    );
    // The same server for a client that does not trust it.
    let stranger = open("smtp", &settings, &support::http()).unwrap();
    let outcome = stranger.send(&outgoing("smtp")).await;
    assert!(
        matches!(&outcome, Outcome::Retryable { why, .. } if why.code == "tls"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_a_matter_of_configuration() {
    let (http, acceptor) = trusted();
    let refuse = |at, _| {
        Does::Says(if at == At::Auth {
            "535 5.7.8 no"
        } else {
            usual(at)
        })
    };
    let sink = Sink::with(refuse, Some(acceptor)).await;
    let mut settings = sink.settings();
    settings.extend(map(&[
        ("tls", "implicit"),
        ("username", "acme"),
        ("password", "wrong"),
    ]));
    let channel = open("smtp", &settings, &http).unwrap();
    assert_eq!(word(&channel.send(&outgoing("smtp")).await), "config");
    assert_eq!(channel.probe().await.unwrap_err().code, "535 5.7.8");
}

/// A server for STARTTLS: plain words first, then the same conversation encrypted.
async fn starttls_sink(offers: &'static str, consent: &'static str, acceptor: TlsAcceptor) -> Sink {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Arc::new(Mutex::new(Log::default()));
    let hung = Arc::new(Notify::new());
    let (all, bell) = (Arc::clone(&log), Arc::clone(&hung));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            all.lock().unwrap().connections += 1;
            let script: Arc<Script> = Arc::new(move |at, _| {
                Does::Says(match at {
                    At::Ehlo => offers,
                    At::StartTls => consent,
                    other => usual(other),
                })
            });
            let mut talk = Talk {
                number: 0,
                log: Arc::clone(&all),
                script,
                bell: Arc::clone(&bell),
                greet: true,
            };
            let Some(stream) = talk.go(stream).await else {
                continue;
            };
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            talk.greet = false;
            talk.script = Arc::new(|at, _| Does::Says(usual(at)));
            talk.go(stream).await;
        }
    });
    Sink { address, log, hung }
}

#[tokio::test]
async fn starttls_is_demanded_and_believes_nothing_said_before_it() {
    const TLS: &str = "250-sink.example.test\r\n250-STARTTLS\r\n250 HELP";
    for (offers, consent, expected, code) in [
        (TLS, "220 go", "accepted", ""),
        ("250 sink.example.test", "220 go", "config", "no_starttls"),
        (TLS, "220 go\r\n250 injected", "config", "injection"),
        (TLS, "454 4.7.0 not now", "retry", "454 4.7.0"),
    ] {
        let (http, acceptor) = trusted();
        let sink = starttls_sink(offers, consent, acceptor).await;
        let mut settings = sink.settings();
        settings.extend(map(&[
            ("tls", "start"),
            ("username", "acme"),
            ("password", "made-up"),
        ]));
        let channel = open("smtp", &settings, &http).unwrap();
        let outcome = channel.send(&outgoing("smtp")).await;
        assert_eq!(word(&outcome), expected, "{offers} {consent}: {outcome:?}");
        let log = sink.log();
        match outcome {
            Outcome::Accepted { .. } => {
                assert_eq!(
                    log.commands
                        .iter()
                        .filter(|one| one.starts_with("EHLO"))
                        .count(),
                    2
                );
                assert_eq!(log.mails.len(), 1);
            }
            Outcome::Misconfigured { why } | Outcome::Retryable { why, .. } => {
                assert_eq!(why.code, code);
                assert!(
                    !log.commands
                        .iter()
                        .any(|one| one.starts_with("AUTH") || one.starts_with("MAIL"))
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

/// X8: a mail server inside is not reached unless it is listed, and nothing goes out in the clear.
#[tokio::test]
async fn mail_servers_are_guarded_like_everything() {
    let sink = Sink::usual().await;
    let channel = open("smtp", &sink.settings(), &Http::new(Egress::default())).unwrap();
    let outcome = channel.send(&outgoing("smtp")).await;
    assert_eq!(word(&outcome), "config", "{outcome:?}");
    assert_eq!(sink.log().connections, 0);
}

#[test]
fn half_a_configuration_is_refused() {
    let base = map(&[("host", "smtp.example.com"), ("from", "hello@example.com")]);
    assert!(open("smtp", &base, &http()).is_ok());
    for (extra, setting) in [
        (map(&[("port", "0")]), "port"),
        (map(&[("port", "smtp")]), "port"),
        (map(&[("port", "65536")]), "port"),
        (map(&[("username", "a")]), "password"),
        (map(&[("password", "a")]), "username"),
        (map(&[("tls", "maybe")]), "tls"),
        (
            map(&[("tls", "none"), ("username", "a"), ("password", "b")]),
            "tls",
        ),
        (map(&[("host", "smtp.example.com/x y")]), "host"),
        (map(&[("from", "nobody")]), "from"),
        (map(&[("from", "a@b.example\r\nX: y")]), "from"),
        (map(&[("hots", "x")]), "hots"),
        (map(&[("host", " ")]), "host"),
    ] {
        let mut all = base.clone();
        all.extend(extra);
        let error = open("smtp", &all, &http()).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert!(error.advice.ends_with('.'), "{error}");
    }
    let sender: Mailbox = "Acme <hello@example.com>".parse().unwrap();
    assert_eq!(sender.email.domain(), "example.com");
}
