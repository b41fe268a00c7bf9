//! X8: nothing inside is reached unless the operator listed it, whatever the address looks like.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use ringback_channels::{
    Egress, Http, SettingsError,
    http::{Broke, Call, Resolve, parse_url},
    open,
};
use ringback_core::messages::Outcome;
use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{Server, answer, outgoing, settings};

/// Addresses that must not be reached, written in every way that some library reads.
const INSIDE: &[&str] = &[
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0177.0.0.01/",
    "https://00000177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0X7F000001/",
    "https://0x7f.1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://127.0.0.1./",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://127%2e0%2e0%2e1/",
    "https://%31%32%37.0.0.1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0x0/",
    "https://00/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://0xa.1.2.3/",
    "https://012.1.2.3/",
    "https://167772161/",
    "https://10.1/",
    "https://100.64.0.1/",
    "https://100.127.255.254/",
    "https://0x64.0x40.1/",
    "https://169.254.0.1/",
    "https://169.254.169.254/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0xA9.0xFE.0xA9.0xFE/",
    "https://0251.0376.0251.0376/",
    "https://169.254.43518/",
    "https://169.16689662/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://0254.020.0.1/",
    "https://2886729729/",
    "https://192.0.0.1/",
    "https://192.0.0.170/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://192.168.0.1/",
    "https://192.168.1/",
    "https://0300.0250.0.1/",
    "https://3232235521/",
    "https://0xc0a80001/",
    "https://198.18.0.1/",
    "https://198.19.255.255/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://4294967295/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000::0001]/",
    "https://[::127.0.0.1]/",
    "https://[::7f00:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::FFFF:7F00:0001]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::ffff:192.168.0.1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[::ffff:0.0.0.0]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[2002:c0a8:1::1]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::f7f7:f7f7]/",
    "https://[2001:0:808:808:0:0:80ff:fffe]/",
    "https://[2001:0:808:808::f5ff:fffe]/",
    "https://[2001:db8::1]/",
    "https://[2001:10::1]/",
    "https://[2001:2::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[fc00::1]/",
    "https://[fd00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fdff:ffff::1]/",
    "https://[fe80::1]/",
    "https://[febf::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[ff0e::1]/",
    "https://[4000::1]/",
    "https://[5f00::1]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost:8443/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://loc%61lhost/",
    "https://user@127.0.0.1/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1?@example.com/",
    "https://example.com:80@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "http://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/",
    "http://[::1]:8080/",
    "http://localhost/",
    "http://metadata/",
    "http://8.8.8.8/",
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "gopher://8.8.8.8:25/_HELO",
    "unix:/var/run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//127.0.0.1/",
    "127.0.0.1",
    "https://",
    "https:///path",
    "",
];

fn get(uri: Uri) -> Call {
    Call {
        method: Method::GET,
        uri,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        deadline: Duration::from_secs(5),
        ends: None,
    }
}

/// The default rules: the public internet over TLS and nothing else.
#[tokio::test]
async fn no_address_inside_is_reached_in_any_spelling() {
    assert!(INSIDE.len() >= 120);
    let http = Http::new(Egress::default());
    for typed in INSIDE {
        // Refused when it is typed, or at the latest when it is dialled.
        let Ok(uri) = parse_url(typed) else {
            continue;
        };
        match http.call(get(uri)).await {
            Err(Broke::BeforeRequest(why)) => assert!(
                matches!(
                    why.code.as_str(),
                    "address_refused" | "not_encrypted" | "url" | "dns"
                ),
                "{typed}: {why:?}"
            ),
            other => panic!("{typed}: {other:?}"),
        }
    }
}

/// The same spellings given past the parser, as a URI from elsewhere would come.
#[tokio::test]
async fn the_guard_does_not_rely_on_the_parser() {
    let http = Http::new(Egress::default());
    let mut dialled = 0;
    for typed in INSIDE {
        let Ok(uri) = typed.parse::<Uri>() else {
            continue;
        };
        dialled += 1;
        let result = http.call(get(uri)).await;
        assert!(
            matches!(result, Err(Broke::BeforeRequest(_))),
            "{typed}: {result:?}"
        );
    }
    assert!(dialled > 80);
}

#[test]
fn forms_refuse_addresses_inside_with_advice() {
    let http = Http::new(Egress::default());
    for url in [
        "https://10.0.0.1/hook",
        "http://example.com/hook",
        "https://a:b@example.com/",
        "nonsense",
    ] {
        let Err(SettingsError { setting, advice }) =
            open("webhook", &settings("webhook", url), &http)
        else {
            panic!("{url} was accepted");
        };
        assert_eq!(setting, "url");
        assert!(advice.ends_with('.'), "{advice}");
    }
    for provider in ["twilio", "resend", "ses", "sendgrid"] {
        let found = open(provider, &settings(provider, "https://192.168.1.1"), &http);
        assert_eq!(
            found.err().map(|error| error.setting).as_deref(),
            Some("base_url")
        );
    }
    assert!(
        open(
            "webhook",
            &settings("webhook", "https://example.com/hook?a=b"),
            &http
        )
        .is_ok()
    );
}

/// A name server that says something public first and something inside next (rebinding).
struct Rebinding {
    asked: AtomicUsize,
    answers: Vec<Vec<IpAddr>>,
}

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.answers[number.min(self.answers.len() - 1)].clone())
    }
}

fn resolving(egress: Egress, answers: &[&[&str]]) -> (Http, Arc<Rebinding>) {
    let resolver = Arc::new(Rebinding {
        asked: AtomicUsize::new(0),
        answers: answers
            .iter()
            .map(|all| all.iter().map(|one| one.parse().unwrap()).collect())
            .collect(),
    });
    (
        Http::with_resolver(egress, Arc::clone(&resolver) as Arc<dyn Resolve>),
        resolver,
    )
}

/// The address that is checked is the one that is dialled, and a name is looked up once for each connection.
#[tokio::test]
async fn a_name_that_moves_inside_is_refused() {
    let server = Server::always(answer("200 OK", &[], "")).await;
    let port = server.address.port();
    let uri: Uri = format!("http://rebind.example:{port}/").parse().unwrap();
    let listed = Egress {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        allow_http: false,
    };
    let (http, resolver) = resolving(listed.clone(), &[&["127.0.0.1"]]);
    assert!(http.call(get(uri.clone())).await.is_ok());
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);

    let (http, _) = resolving(listed.clone(), &[&["127.0.0.2"]]);
    let refused = http.call(get(uri.clone())).await.unwrap_err();
    assert_eq!(refused.reason().code, "address_refused");

    // One bad address among good ones is enough.
    let (http, _) = resolving(listed.clone(), &[&["127.0.0.1", "10.0.0.1"]]);
    let refused = http.call(get(uri.clone())).await.unwrap_err();
    assert_eq!(refused.reason().code, "address_refused");
    assert_eq!(server.requests().len(), 1);

    let (http, _) = resolving(listed, &[&[]]);
    assert_eq!(http.call(get(uri)).await.unwrap_err().reason().code, "dns");
}

/// Plain http reaches only what is listed, even when the name is public.
#[tokio::test]
async fn plain_http_is_for_listed_networks() {
    let (http, _) = resolving(Egress::default(), &[&["8.8.8.8"]]);
    let refused = http
        .call(get("http://example.com/".parse().unwrap()))
        .await
        .unwrap_err();
    assert_eq!(refused.reason().code, "not_encrypted");
}

/// A refusal of the guard is no outage: it does not pass by itself, so the message waits for the operator.
#[tokio::test]
async fn a_name_inside_is_a_matter_of_configuration() {
    let (http, _) = resolving(Egress::default(), &[&["10.0.0.7"]]);
    for provider in ["twilio", "resend", "ses", "sendgrid", "http_sms", "webhook"] {
        let channel = open(
            provider,
            &settings(provider, "https://inside.example"),
            &http,
        )
        .unwrap();
        let outcome = channel.send(&outgoing(provider)).await;
        assert!(
            matches!(outcome, Outcome::Misconfigured { .. }),
            "{provider}: {outcome:?}"
        );
    }
}

/// A black hole: the connection never stands. Nothing was sent, and it takes seconds, not minutes.
#[tokio::test]
async fn a_name_server_that_is_silent_ends_in_a_retry() {
    struct Silent;
    #[async_trait]
    impl Resolve for Silent {
        async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
    }
    tokio::time::pause();
    let http = Http::with_resolver(Egress::default(), Arc::new(Silent));
    let channel = open(
        "twilio",
        &settings("twilio", "https://api.example.com"),
        &http,
    )
    .unwrap();
    let began = tokio::time::Instant::now();
    let outcome = channel.send(&outgoing("twilio")).await;
    assert!(matches!(outcome, Outcome::Retryable { .. }), "{outcome:?}");
    assert!(began.elapsed() <= Duration::from_secs(4));
}
