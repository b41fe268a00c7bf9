//! `isolation`: two tenants on one server; every route is tried with the ids of one and the key of the other (X4, P7).

use crate::{
    fault::{Tried, While, fault},
    routes::{self, Route},
    sink::Sink,
    subject::{Scratch, Subject, Tenant},
    wire,
};
use clap::Args;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};

/// A word that stands in everything the first tenant owns, and nowhere else.
const CANARY: &str = "Zyxcanary";
const EXAMPLES: usize = 20;

/// What to try.
#[derive(Debug, Args)]
pub struct IsolationArgs {
    /// The server to try.
    #[arg(long, default_value = "target/release/ringback")]
    binary: PathBuf,
    /// Kept with the result, as in the other campaigns; every combination is tried, so nothing here is left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the data folder is made; the system's temporary folder otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Leaves the data folder behind.
    #[arg(long)]
    keep: bool,
}

/// Runs the campaign. True when no byte crossed.
pub async fn run(args: &IsolationArgs) -> Tried<(Value, bool)> {
    let scratch = Scratch::new("isolation", args.folder.as_deref(), args.keep)?;
    let sink = Sink::start(false)?;
    let mut subject = Subject::new(&args.binary, scratch.path())?;
    let owner = subject.create_tenant(&format!("{CANARY} Glass"), "bench")?;
    let stranger = subject.create_tenant("Stranger", "bench")?;
    subject.start()?;
    subject.connect(&owner, &sink).await?;
    subject.connect(&stranger, &sink).await?;
    furnish(&subject, &owner).await?;

    let routes = routes::listed(subject.addr()).await?;
    let belongings = Belongings::of(&subject, &owner, &routes).await?;
    if !belongings.ids.iter().any(|id| id.starts_with("lead_")) {
        return Err(fault!(
            "the first tenant's own lists show no lead; there is nothing to protect"
        ));
    }
    let mut findings = Findings::default();
    for route in &routes {
        for path in addresses(route, &belongings.ids) {
            for body in bodies(route, &belongings.ids) {
                try_one(
                    &subject,
                    &stranger,
                    route,
                    &path,
                    body.as_ref(),
                    &mut findings,
                )
                .await?;
            }
        }
    }
    let after = Belongings::of(&subject, &owner, &routes).await?;
    let changed = belongings.changed(&after);
    for path in &changed {
        findings.wrong(format!(
            "{path} reads differently after the stranger's calls"
        ));
    }
    let held = findings.wrong == 0;
    let line = json!({
        "campaign": "isolation", "held": held, "seed": args.seed, "routes": routes.len(), "requests": findings.requests,
        "ids": belongings.ids.len(), "by_status": findings.by_status, "wrong": findings.wrong, "examples": findings.examples,
    });
    subject.stop()?;
    Ok((line, held))
}

/// Gives the first tenant something of every kind that the API can make.
async fn furnish(subject: &Subject, owner: &Tenant) -> Tried<()> {
    let lead = subject
        .post(
            &owner.api_key,
            "/v1/leads",
            &json!({"first_name": CANARY, "last_name": CANARY, "phone": "+12125550142", "email": format!("{CANARY}@example.com"),
                "source": CANARY, "attributes": {"note": CANARY}}),
        )
        .await?;
    let lead = lead["id"].as_str().unwrap_or_default().to_owned();
    for (path, body) in [
        (
            format!("/v1/leads/{lead}/events"),
            json!({"type": "page_view", "properties": {"path": format!("/{CANARY}")}}),
        ),
        (
            "/v1/consents".into(),
            json!({"lead_id": lead, "channel": "sms", "purpose": "promotional", "granted": true,
            "wording": CANARY, "method": "verbal"}),
        ),
        (
            "/v1/suppressions".into(),
            json!({"email": format!("{CANARY}.gone@example.com"), "reason": "listed"}),
        ),
        (
            "/v1/staff".into(),
            json!({"name": CANARY, "email": format!("{CANARY}.staff@example.com"), "phone": "+12125550143"}),
        ),
        (
            "/v1/messages".into(),
            json!({"lead_id": lead, "channel": "sms", "category": "transactional", "body": format!("{CANARY} on our way")}),
        ),
    ] {
        // A kind that this server does not have yet cannot leak.
        let answer = wire::call(
            subject.addr(),
            "POST",
            &path,
            Some(&owner.api_key),
            Some(&body),
        )
        .await
        .during(format_args!("POST {path}"))?;
        if answer.status >= 300 {
            eprintln!(
                "bench: POST {path} was answered {}: {}",
                answer.status,
                answer.text()
            );
        }
    }
    Ok(())
}

/// What the first tenant sees of its own: the answers of every route that lists or shows something, and the ids in them.
struct Belongings {
    ids: Vec<String>,
    answers: BTreeMap<String, Value>,
}

impl Belongings {
    async fn of(subject: &Subject, owner: &Tenant, routes: &[Route]) -> Tried<Self> {
        let mut all = Self {
            ids: vec![owner.tenant.clone()],
            answers: BTreeMap::new(),
        };
        // Twice: lists give ids, ids open single things.
        for _ in 0..2 {
            for route in routes
                .iter()
                .filter(|route| route.method == "GET" && route.path.starts_with("/v1/"))
            {
                for path in addresses(route, &all.ids.clone()) {
                    if all.answers.contains_key(&path) {
                        continue;
                    }
                    let answer =
                        wire::call(subject.addr(), "GET", &path, Some(&owner.api_key), None)
                            .await
                            .during(format_args!("GET {path}"))?;
                    if answer.status == 200 {
                        let json = answer.json();
                        routes::ids_in(&json, &mut all.ids);
                        all.answers.insert(path, json);
                    }
                }
            }
        }
        Ok(all)
    }

    /// Things that read differently now. Messages go on being sent meanwhile, so only what a person entered is compared.
    fn changed(&self, after: &Self) -> Vec<String> {
        self.answers
            .iter()
            .filter(|(path, before)| {
                let now = after.answers.get(*path);
                entered(before) != now.map_or_else(Vec::new, entered)
            })
            .map(|(path, _)| path.clone())
            .collect()
    }
}

/// Every text that holds the canary, in order.
fn entered(value: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if holds_canary(text.as_bytes()) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        _ => {}
    }
}

fn holds_canary(text: &[u8]) -> bool {
    text.windows(CANARY.len())
        .any(|window| window.eq_ignore_ascii_case(CANARY.as_bytes()))
}

/// The addresses of a route: each placeholder with each id, and each filter with each id.
fn addresses(route: &Route, ids: &[String]) -> Vec<String> {
    let mut paths: Vec<String> = if route.placeholders().is_empty() {
        vec![route.path.clone()]
    } else {
        ids.iter().map(|id| route.filled(|_| id.clone())).collect()
    };
    if route.placeholders().is_empty() {
        for name in route
            .query
            .iter()
            .filter(|name| name.ends_with("_id") || *name == "after")
        {
            paths.extend(ids.iter().map(|id| format!("{}?{name}={id}", route.path)));
        }
        if route.query.iter().any(|name| name == "q") {
            paths.push(format!("{}?q={CANARY}", route.path));
        }
    }
    paths
}

/// The bodies of a route: nothing for reading, else the sample with every field that names a thing set to each id.
fn bodies(route: &Route, ids: &[String]) -> Vec<Option<Value>> {
    if matches!(route.method.as_str(), "GET" | "DELETE") {
        return vec![None];
    }
    let names_something = route
        .sample
        .as_object()
        .is_some_and(|fields| fields.keys().any(|name| name.ends_with("_id")));
    if !names_something {
        return vec![Some(route.sample.clone())];
    }
    ids.iter()
        .map(|id| {
            let mut body = route.sample.clone();
            for (name, value) in body.as_object_mut().into_iter().flatten() {
                if name.ends_with("_id") {
                    *value = json!(id);
                }
            }
            Some(body)
        })
        .collect()
}

#[derive(Default)]
struct Findings {
    requests: u64,
    wrong: u64,
    by_status: BTreeMap<String, u64>,
    examples: Vec<String>,
}

impl Findings {
    fn wrong(&mut self, what: String) {
        self.wrong += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(what);
        }
    }
}

async fn try_one(
    subject: &Subject,
    stranger: &Tenant,
    route: &Route,
    path: &str,
    body: Option<&Value>,
    findings: &mut Findings,
) -> Tried<()> {
    let method = &route.method;
    for (who, key) in [
        ("another tenant", Some(&*stranger.api_key)),
        ("nobody", None),
    ] {
        let answer = wire::call(subject.addr(), method, path, key, body)
            .await
            .during(format_args!("{method} {path}"))?;
        findings.requests += 1;
        *findings
            .by_status
            .entry(answer.status.to_string())
            .or_default() += 1;
        let says = |what: &str| {
            format!(
                "{method} {path} by {who} was answered {} and {what}",
                answer.status
            )
        };
        // What the caller itself sent may come back in an error.
        let echoed = path.contains(CANARY) && answer.status >= 400;
        if holds_canary(&answer.body) && !echoed {
            findings.wrong(says("shows what belongs to the first tenant"));
        }
        if answer.status >= 500 {
            findings.wrong(says("is a failure of the server"));
        }
        let names_a_thing = !route.placeholders().is_empty();
        let reads = method == "GET" || method == "DELETE";
        let guarded = route.path.starts_with("/v1/");
        if key.is_some()
            && names_a_thing
            && reads
            && guarded
            && !matches!(answer.status, 400 | 404 | 405)
        {
            findings.wrong(says("should be 404"));
        }
        if key.is_some()
            && names_a_thing
            && guarded
            && (200..300).contains(&answer.status)
            && path.contains('_')
            && path_names_an_id(path)
        {
            findings.wrong(says("acted on what belongs to another"));
        }
        if key.is_none() && guarded && !matches!(answer.status, 400..=499) {
            findings.wrong(says("should be 401"));
        }
    }
    Ok(())
}

/// True when a segment of the path is an id, so that no name of the stranger's own (a workflow, a template) can be meant.
fn path_names_an_id(path: &str) -> bool {
    let mut ids = Vec::new();
    for segment in path.split(['/', '?', '=']) {
        routes::ids_in(&json!(segment), &mut ids);
    }
    !ids.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_put_everywhere() {
        let ids = vec![
            "lead_0h3kz9vw2m4qa".to_owned(),
            "msg_0h3kz9vw2m4qb".to_owned(),
        ];
        let one = Route::plain("GET", "/v1/leads/{id}");
        assert_eq!(
            addresses(&one, &ids),
            [
                "/v1/leads/lead_0h3kz9vw2m4qa",
                "/v1/leads/msg_0h3kz9vw2m4qb"
            ]
        );
        let list = Route {
            query: vec!["lead_id".into(), "q".into(), "status".into()],
            ..Route::plain("GET", "/v1/messages")
        };
        assert_eq!(addresses(&list, &ids).len(), 4);
        let post = Route {
            sample: json!({"lead_id": "text", "body": "text"}),
            ..Route::plain("POST", "/v1/messages")
        };
        let bodies = bodies(&post, &ids);
        assert_eq!(bodies[1].as_ref().unwrap()["lead_id"], "msg_0h3kz9vw2m4qb");
        assert!(
            path_names_an_id("/v1/leads/lead_0h3kz9vw2m4qa/score")
                && !path_names_an_id("/v1/workflows/bench")
        );
    }

    #[test]
    fn the_canary_is_seen_in_any_case_and_a_change_is_noticed() {
        assert!(holds_canary(b"{\"a\":\"x zyxCANARY y\"}") && !holds_canary(b"{\"a\":\"canary\"}"));
        let before = json!({"data": [{"name": "Zyxcanary", "count": 1}]});
        let same = json!({"data": [{"count": 2, "name": "Zyxcanary"}]});
        assert_eq!(entered(&before), entered(&same));
        assert_ne!(entered(&before), entered(&json!({"data": []})));
    }
}
