//! `hostile`: random and malicious bodies to every route. The server answers each with an error it can explain, keeps its memory,
//! and lives on.

use crate::{
    dice::Dice,
    fault::{Tried, fault},
    meter,
    routes::{self, Route},
    sink::Sink,
    subject::{Scratch, Subject},
    wire::{Answer, Request, Wire},
};
use clap::Args;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Requests at the same time.
const CONNECTIONS: u64 = 16;
/// Examples kept of what went wrong.
const EXAMPLES: usize = 20;
/// An answer that takes longer counts as none.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How much to send.
#[derive(Debug, Args)]
pub struct HostileArgs {
    /// The server to annoy.
    #[arg(long, default_value = "target/release/ringback")]
    binary: PathBuf,
    /// Bodies for each route.
    #[arg(long, default_value_t = 2_000)]
    per_route: u64,
    /// Decides the bodies.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// MiB that the memory may grow from the first requests (a tenth, at least 50 a route) to the end.
    #[arg(long, default_value_t = 20.0)]
    growth_mib: f64,
    /// The rest after the first requests comes in so many rounds over all routes, and memory is read after each: what leaks grows in
    /// every round, what is cached or fragmented does not.
    #[arg(long, default_value_t = 4)]
    rounds: u64,
    /// Only routes whose method and path hold this text.
    #[arg(long)]
    only: Option<String>,
    /// Where the data folder is made; the system's temporary folder otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Leaves the data folder behind.
    #[arg(long)]
    keep: bool,
}

/// Runs the campaign. True when no answer was wrong and the server lives.
pub async fn run(args: &HostileArgs) -> Tried<(Value, bool)> {
    let scratch = Scratch::new("hostile", args.folder.as_deref(), args.keep)?;
    let sink = Sink::start(false)?;
    let mut subject = Subject::new(&args.binary, scratch.path())?;
    let tenant = subject.create_tenant("Hostile", "bench")?;
    subject.start()?;
    subject.connect(&tenant, &sink).await?;
    let lead = subject
        .post(
            &tenant.api_key,
            "/v1/leads",
            &json!({"first_name": "Dana", "phone": "+12125550100", "email": "dana@example.com"}),
        )
        .await?;
    let lead = lead["id"].as_str().unwrap_or_default().to_owned();
    let mut routes = routes::listed(subject.addr()).await?;
    routes.extend(public());
    if let Some(only) = &args.only {
        routes.retain(|route| format!("{} {}", route.method, route.path).contains(only));
    }
    let pid = subject.pid()?;

    let mut findings = Findings::default();
    let mut early_kib = 0;
    let mut growers = Vec::new();
    // Every route gets some before any gets the rest, so that caches are full when memory is first read.
    let first = (args.per_route / 10).max(50).min(args.per_route);
    let mut after_each = Vec::new();
    let rounds = args.rounds.max(1);
    let rest = args.per_route - first;
    let round = |at: u64| rest / rounds + u64::from(at < rest % rounds);
    let parts = std::iter::once((0, first)).chain((0..rounds).map(|at| (at + 1, round(at))));
    for (part, share) in parts {
        for (at, route) in routes.iter().enumerate() {
            let seed = args.seed ^ (at as u64) << 8 ^ part << 40;
            let plan = Arc::new(Attack {
                addr: subject.addr(),
                route: route.clone(),
                api_key: tenant.api_key.clone(),
                write_key: tenant.write_key.clone(),
                lead: lead.clone(),
                seed,
                count: share,
            });
            let before_kib = meter::rss_kib(pid)?;
            findings.join(attack(plan).await);
            let grown_kib = meter::rss_kib(pid)?.saturating_sub(before_kib);
            growers.push((grown_kib, format!("{} {}", route.method, route.path)));
            if !subject.alive() {
                return Err(fault!(
                    "the server died at {} {}; the end of its log:\n{}",
                    route.method,
                    route.path,
                    subject.end_of_log()
                ));
            }
        }
        if part == 0 {
            early_kib = meter::rss_kib(pid)?;
            growers.clear();
        } else {
            after_each.push(meter::mib(meter::rss_kib(pid)?));
        }
    }
    // What is still at work is given a moment to end before memory is read.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let late_kib = meter::rss_kib(pid)?;
    let grown = meter::mib(late_kib.saturating_sub(early_kib));
    growers.sort_unstable_by(|one, other| other.cmp(one));
    growers.truncate(5);
    let healthy = healthy(subject.addr()).await;
    let held = findings.wrong == 0 && healthy && grown <= args.growth_mib;
    let line = json!({
        "campaign": "hostile", "held": held, "seed": args.seed, "routes": routes.len(), "requests": findings.requests,
        "by_status": findings.by_status, "wrong": findings.wrong, "examples": findings.examples, "cut": findings.cut,
        "rss_mib": {"after_the_first": meter::mib(early_kib), "after_each_round": after_each, "after": meter::mib(late_kib), "grown": grown},
        "grew_most_kib": growers,
        "healthy": healthy,
    });
    subject.stop()?;
    Ok((line, held))
}

async fn healthy(addr: SocketAddr) -> bool {
    crate::wire::call(addr, "GET", "/health/live", None, None)
        .await
        .is_ok_and(|answer| answer.status == 200)
}

/// What can be reached without a key and stands in no API description.
fn public() -> Vec<Route> {
    [
        ("POST", "/f/{form}"),
        ("POST", "/hooks/{connection}/{secret}"),
        ("GET", "/u/{token}"),
        ("POST", "/u/{token}"),
        ("GET", "/a/{token}"),
        ("POST", "/a/{token}"),
        ("GET", "/sign-in"),
        ("POST", "/sign-in"),
        ("GET", "/t/{tenant}"),
        ("GET", "/t/{tenant}/leads"),
    ]
    .into_iter()
    .map(|(method, path)| Route::plain(method, path))
    .collect()
}

struct Attack {
    addr: SocketAddr,
    route: Route,
    api_key: String,
    write_key: String,
    lead: String,
    seed: u64,
    count: u64,
}

#[derive(Default)]
struct Findings {
    requests: u64,
    wrong: u64,
    cut: u64,
    by_status: BTreeMap<String, u64>,
    examples: Vec<String>,
}

impl Findings {
    fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.wrong += other.wrong;
        self.cut += other.cut;
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }

    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.examples.len() < 3 {
            self.examples.push(what);
        }
    }
}

async fn attack(plan: Arc<Attack>) -> Findings {
    let share = |lane: u64| plan.count / CONNECTIONS + u64::from(lane < plan.count % CONNECTIONS);
    let lanes: Vec<_> = (0..CONNECTIONS)
        .map(|lane| tokio::spawn(one_lane(plan.clone(), lane, share(lane))))
        .collect();
    let mut findings = Findings::default();
    for lane in lanes {
        match lane.await {
            Ok(found) => findings.join(found),
            Err(why) => findings.wrong(format!("a client failed: {why}")),
        }
    }
    findings
}

async fn one_lane(plan: Arc<Attack>, lane: u64, count: u64) -> Findings {
    let mut findings = Findings::default();
    let mut wire = None;
    for turn in 0..count {
        let mut dice = Dice::new(plan.seed, lane << 32 | turn);
        let shot = shot(&plan, &mut dice);
        let route = &plan.route;
        findings.requests += 1;
        let name = |wrong: &str| {
            format!(
                "{} {}: {wrong} (seed {}, lane {lane}, turn {turn})",
                route.method, route.path, plan.seed
            )
        };
        match timeout(ANSWER_LIMIT, fire(&mut wire, plan.addr, &shot)).await {
            Err(_) => {
                wire = None;
                findings.wrong(name("no answer"));
            }
            Ok(Err(_)) => {
                // Closing on an unreadable or oversized request is a lawful answer; that the server lives is checked apart.
                wire = None;
                findings.cut += 1;
            }
            Ok(Ok(answer)) => {
                *findings
                    .by_status
                    .entry(answer.status.to_string())
                    .or_default() += 1;
                if let Some(wrong) = wrong_answer(route, &answer) {
                    findings.wrong(name(&wrong));
                }
            }
        }
    }
    findings
}

async fn fire(wire: &mut Option<Wire>, addr: SocketAddr, shot: &[u8]) -> std::io::Result<Answer> {
    if let Some(open) = wire.as_mut().filter(|open| open.kept()) {
        // A kept connection may have been closed meanwhile; then the shot goes over a new one.
        if let Ok(answer) = open.ask(shot).await {
            return Ok(answer);
        }
    }
    wire.insert(Wire::connect(addr).await?).ask(shot).await
}

/// What is wrong with an answer, if anything.
fn wrong_answer(route: &Route, answer: &Answer) -> Option<String> {
    let start: String = answer.text().chars().take(200).collect();
    if answer.status >= 500 {
        return Some(format!("answered {}: {start}", answer.status));
    }
    if answer.status < 400 || !route.speaks_problems() {
        return None;
    }
    let kind = answer.header("content-type");
    if !kind.starts_with("application/problem+json") {
        return Some(format!("answered {} as {kind:?}: {start}", answer.status));
    }
    match answer.json()["code"].as_str() {
        Some(code) if !code.is_empty() => None,
        _ => Some(format!(
            "answered {} without a code: {start}",
            answer.status
        )),
    }
}

/// One request: a path, headers and a body that mean no good.
fn shot(plan: &Attack, dice: &mut Dice) -> Vec<u8> {
    let route = &plan.route;
    let mut path = route.filled(|_| match dice.below(4) {
        0 => plan.lead.clone(),
        1 => format!("lead_{:013}", dice.below(1_000_000_000)),
        _ => text(dice, 40),
    });
    if dice.once_in(3) {
        let asked: Vec<String> = route
            .query
            .iter()
            .chain([&"limit".to_owned(), &"after".to_owned()])
            .map(|name| format!("{name}={}", crate::wire::escape(&text(dice, 60))))
            .collect();
        path = format!("{path}?{}", asked.join("&"));
    }
    let mut request =
        Request::new(&route.method, &path, plan.addr).header("accept", "application/json");
    request = match dice.below(12) {
        0 => request,
        1 => request.header("authorization", "Bearer rb_live_00000000"),
        2 => request.header("authorization", &format!("Bearer {}", visible(dice, 200))),
        3 => request.header("authorization", &format!("Basic {}", visible(dice, 60))),
        4 => request.header(
            "authorization",
            &format!(
                "Basic {}",
                base64(format!("{}:", plan.write_key).as_bytes())
            ),
        ),
        _ => request.header("authorization", &format!("Bearer {}", plan.api_key)),
    };
    if dice.once_in(3) {
        request = request.header("idempotency-key", &visible(dice, 300));
    }
    if dice.once_in(20) {
        request = request.header(
            "content-encoding",
            dice.pick(&["gzip", "br", "zstd", "identity", "x"]),
        );
    }
    let kind = match dice.below(8) {
        0 => "application/x-www-form-urlencoded",
        1 => "multipart/form-data; boundary=b",
        2 => "text/csv",
        3 => "application/x-ndjson",
        4 => "text/plain",
        _ => "application/json",
    };
    if !dice.once_in(10) {
        request = request.header("content-type", kind);
    }
    request.body(&body(&route.sample, kind, dice))
}

fn body(sample: &Value, kind: &str, dice: &mut Dice) -> Vec<u8> {
    match (kind, dice.below(16)) {
        (_, 0) => Vec::new(),
        (_, 1) => bytes(dice, 400),
        (_, 2) => nested(dice),
        // A megabyte and a little more, rarely, since it is only one test of one limit.
        (_, 3) if dice.once_in(40) => vec![b'['; 1_200_000],
        ("application/x-www-form-urlencoded", _) => form(sample, dice).into_bytes(),
        ("multipart/form-data; boundary=b", _) => multipart(dice),
        ("text/csv", _) => format!(
            "phone,email,{}\n{},{}\n",
            text(dice, 9),
            text(dice, 20),
            text(dice, 20)
        )
        .into_bytes(),
        (_, 4) => {
            let mut cut = spoiled(sample, dice).to_string().into_bytes();
            cut.truncate(dice.below(cut.len() as u64 + 1) as usize);
            cut
        }
        (_, 5) => {
            let mut torn = spoiled(sample, dice).to_string().into_bytes();
            if !torn.is_empty() {
                let at = dice.below(torn.len() as u64) as usize;
                torn[at] = dice.roll() as u8;
            }
            torn
        }
        _ => spoiled(sample, dice).to_string().into_bytes(),
    }
}

/// The sample with some values replaced by something else, fields taken out, and fields put in.
fn spoiled(value: &Value, dice: &mut Dice) -> Value {
    match value {
        _ if dice.once_in(5) => odd(dice),
        Value::Object(fields) => {
            let mut out: serde_json::Map<_, _> = fields
                .iter()
                .flat_map(|(name, value)| {
                    let kept = !dice.once_in(6);
                    kept.then(|| (name.clone(), spoiled(value, dice)))
                })
                .collect();
            if dice.once_in(4) {
                out.insert(text(dice, 30), odd(dice));
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let copies = dice.below(4);
            (0..copies)
                .filter_map(|_| items.first().map(|item| spoiled(item, dice)))
                .collect()
        }
        kept => kept.clone(),
    }
}

fn odd(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(i64::MIN),
        3 => json!(u64::MAX),
        4 => json!(1e308),
        5 => json!([]),
        6 => json!({}),
        7 => json!(vec![json!({"a": [[[[]]]]}); dice.below(50) as usize]),
        8 => json!("x".repeat(dice.below(70_000) as usize)),
        _ => json!(text(dice, 80)),
    }
}

/// Text with what breaks parsers, pages, headers and messages.
fn text(dice: &mut Dice, most: u64) -> String {
    const PIECES: &[&str] = &[
        "a",
        "Dana",
        "+12125550100",
        "dana@example.com",
        "' OR 1=1 --",
        "\"",
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "{% raw %}",
        "\r\nBcc: x@example.com",
        "\0",
        "\u{202e}",
        "\u{feff}",
        "\u{1f600}",
        "\u{0301}",
        "../../etc/passwd",
        "%00",
        "%2e%2e%2f",
        "=cmd|' /C'!A0",
        "http://127.0.0.1:1/",
        "1e9",
        "-0",
        "NaN",
        "2026-02-30T25:61:00Z",
        "9999999999999999999",
        "lead_zzzzzzzzzzzzz",
        "\u{ff0e}",
        "\t",
        " ",
        "null",
        "[]",
        "*",
        "${jndi:ldap://127.0.0.1/a}",
        "\\",
        "&",
        "#",
        "?",
        "/",
    ];
    let mut out = String::new();
    while (out.len() as u64) < most {
        out.push_str(dice.pick(PIECES));
        if dice.once_in(3) {
            break;
        }
    }
    out
}

/// Text that may stand in a header.
fn visible(dice: &mut Dice, most: u64) -> String {
    let length = dice.below(most);
    (0..length)
        .map(|_| (b'!' + dice.below(94) as u8) as char)
        .collect()
}

fn bytes(dice: &mut Dice, most: u64) -> Vec<u8> {
    let length = dice.below(most);
    (0..length).map(|_| dice.roll() as u8).collect()
}

fn nested(dice: &mut Dice) -> Vec<u8> {
    let depth = 1 + dice.below(20_000) as usize;
    let (open, close) = dice.pick(&[("[", "]"), ("{\"a\":", "}"), ("[{\"all\":", "}]")]);
    let mut out = open.repeat(depth);
    if dice.once_in(2) {
        out.push('1');
        out.push_str(&close.repeat(depth));
    }
    out.into_bytes()
}

fn form(sample: &Value, dice: &mut Dice) -> String {
    let mut pairs = Vec::new();
    for name in sample
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
    {
        pairs.push(format!("{name}={}", crate::wire::escape(&text(dice, 60))));
    }
    for _ in 0..dice.below(6) {
        pairs.push(format!("{}={}", text(dice, 10), text(dice, 30)));
    }
    pairs.join("&")
}

fn multipart(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..dice.below(5) {
        let name = text(dice, 12).replace(['\r', '\n'], "");
        out.extend_from_slice(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"../{name}.png\"\r\n\r\n").as_bytes());
        out.extend_from_slice(&bytes(dice, 300));
        out.extend_from_slice(b"\r\n");
    }
    if !dice.once_in(3) {
        out.extend_from_slice(b"--b--\r\n");
    }
    out
}

fn base64(text: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= group.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Attack {
        Attack {
            addr: "127.0.0.1:1".parse().unwrap(),
            route: Route {
                sample: json!({"first_name": "text", "phone": "text", "consents": [{"channel": "sms"}]}),
                ..Route::plain("POST", "/v1/leads/{id}")
            },
            api_key: "rb_live_x".into(),
            write_key: "rb_write_x".into(),
            lead: "lead_0000000000000".into(),
            seed: 3,
            count: 1,
        }
    }

    #[test]
    fn the_seed_decides_every_byte_and_requests_stay_readable() {
        let plan = plan();
        let shots = |seed| -> Vec<Vec<u8>> {
            (0..300)
                .map(|turn| shot(&plan, &mut Dice::new(seed, turn)))
                .collect()
        };
        assert_eq!(shots(1), shots(1));
        assert_ne!(shots(1), shots(2));
        for shot in shots(1) {
            let end = shot.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
            let head = std::str::from_utf8(&shot[..end]).expect("heads are plain text");
            let length: usize = head
                .rsplit_once("content-length: ")
                .unwrap()
                .1
                .parse()
                .unwrap();
            assert_eq!(shot.len() - end - 4, length, "{head}");
            assert!(
                head.lines()
                    .all(|line| line.contains(": ") || line.ends_with("HTTP/1.1")),
                "{head}"
            );
        }
    }

    #[test]
    fn answers_are_judged() {
        let answer = |status, kind: &str, body: &str| Answer {
            status,
            head: format!("http/1.1 {status}\r\ncontent-type: {kind}\r\n"),
            body: body.into(),
        };
        let route = plan().route;
        let problem = "application/problem+json";
        for (fine, answer) in [
            (true, answer(201, "application/json", "{}")),
            (true, answer(422, problem, r#"{"code":"missing"}"#)),
            (false, answer(422, problem, r#"{"code":""}"#)),
            (false, answer(422, "text/plain", "no")),
            (false, answer(500, problem, r#"{"code":"internal"}"#)),
        ] {
            assert_eq!(wrong_answer(&route, &answer).is_none(), fine, "{answer:?}");
        }
        let page = Route::plain("GET", "/u/{token}");
        assert!(wrong_answer(&page, &answer(404, "text/html", "<p>gone")).is_none());
        assert!(wrong_answer(&page, &answer(503, "text/html", "<p>oh")).is_some());
    }

    /// RFC 4648, section 10.
    #[test]
    fn base64_has_its_padding() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }
}
