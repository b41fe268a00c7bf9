//! `ringback dead`: dead letters of a running server, seen, replayed and discarded (M4).

use super::client::Server;
use super::{Done, Failed, failed};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Dead letters: messages that ended without reaching anybody.
#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Every group with its reason, its count and the newest of its letters.
    #[command(after_help = "Example: ringback dead list --key rb_live_…")]
    List(List),
    /// The letters of a group.
    #[command(after_help = "Example: ringback dead show dead_0h3kq2m8x7v5t --key rb_live_…")]
    Show(Show),
    /// Try again: every gate is asked anew, many go one after the other. Says first what it would come to; --yes does it.
    #[command(
        after_help = "Example: ringback dead replay dead_0h3kq2m8x7v5t --yes --key rb_live_…"
    )]
    Replay(Replay),
    /// Take letters out of the list. The messages stay and say why.
    #[command(
        after_help = "Example: ringback dead discard msg_0h3kq2m8x7v5t --reason 'They called us' --key rb_live_…"
    )]
    Discard(Discard),
}

/// Every group.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    server: Server,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// The letters of a group.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A group, or a letter in it.
    id: String,
    #[command(flatten)]
    server: Server,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Try again.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A group, a letter, or `all`.
    id: String,
    /// How many go in a minute.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=600))]
    per_minute: u32,
    /// Do it; without it nothing is sent.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    server: Server,
    /// For machines.
    #[arg(long)]
    json: bool,
}

/// Take out of the list.
#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// A group, a letter, or `all`.
    id: String,
    /// Why; kept with the message and in the audit log.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    server: Server,
    /// For machines.
    #[arg(long)]
    json: bool,
}

impl Dead {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::Replay(replay) => replay.run(),
            Self::Discard(discard) => discard.run(),
        }
    }
}

/// An id as it may stand in a path.
fn safe(id: &str) -> Result<&str, Failed> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then_some(id).ok_or_else(|| {
        failed(format!(
            "`{id}` is neither a group, nor a message, nor `all`: see `ringback dead list`"
        ))
    })
}

fn read(text: &str) -> Result<Value, Failed> {
    Ok(serde_json::from_str(text)?)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("–")
}

fn group(one: &Value) -> String {
    let sample = &one["sample"];
    let words = &sample["content"];
    let said = words["subject"]
        .as_str()
        .or_else(|| words["text"].as_str())
        .or_else(|| words["problem"].as_str())
        .unwrap_or_default();
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "{}  {} × {} {} ({}): {}\n    from {} to {}; the newest {} to {}: {}",
        word(&one["id"]),
        one["count"],
        word(&one["status"]),
        word(&one["channel"]),
        word(&one["code"]),
        word(&one["detail"]),
        word(&one["first_at"]),
        word(&one["last_at"]),
        word(&sample["id"]),
        word(&sample["recipient"]),
        said.chars().take(100).collect::<String>(),
    )
}

impl List {
    fn run(self) -> Done {
        let text = self.server.call("GET", "/v1/dead-letters", None)?;
        if self.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let list = read(&text)?;
        let groups = list["data"].as_array().cloned().unwrap_or_default();
        if groups.is_empty() {
            anstream::println!("There are no dead letters.");
        }
        for one in &groups {
            anstream::println!("{}", group(one));
        }
        Ok(())
    }
}

impl Show {
    fn run(self) -> Done {
        let path = format!("/v1/dead-letters/{}?limit=200", safe(&self.id)?);
        let text = self.server.call("GET", &path, None)?;
        if self.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let whole = read(&text)?;
        anstream::println!("{}", group(&whole));
        for letter in whole["data"].as_array().into_iter().flatten() {
            anstream::println!(
                "{}  {}  {}  {}",
                word(&letter["id"]),
                word(&letter["settled_at"]),
                word(&letter["recipient"]),
                word(&letter["why"]["detail"])
            );
        }
        if let Some(next) = whole["next"].as_str() {
            anstream::println!("There are more, before {next}.");
        }
        Ok(())
    }
}

impl Replay {
    fn run(self) -> Done {
        let body = json!({"per_minute": self.per_minute});
        let act = if self.yes { "replay" } else { "preview" };
        let path = format!("/v1/dead-letters/{}/{act}", safe(&self.id)?);
        let text = self.server.call("POST", &path, Some(&body))?;
        if self.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let said = read(&text)?;
        if self.yes {
            anstream::println!(
                "{} replayed, {} stay as they are, {} left; the last is due at {}.",
                said["replayed"],
                said["refused"],
                said["left"],
                word(&said["last_due_at"])
            );
            return Ok(());
        }
        anstream::println!(
            "Of {}, {} would go now, {} would wait, {} would be stopped, {} cannot be replayed; {} may have arrived already. It takes {} s.",
            said["count"],
            said["would_go"],
            said["would_wait"],
            said["would_be_stopped"],
            said["refused"],
            said["may_arrive_twice"],
            said["takes_seconds"]
        );
        for reason in said["reasons"].as_array().into_iter().flatten() {
            anstream::println!(
                "  {} × {} ({}): {}",
                reason["count"],
                word(&reason["status"]),
                word(&reason["code"]),
                word(&reason["detail"])
            );
        }
        if let Some(micros) = said["cost"]["micros"].as_f64() {
            anstream::println!(
                "It may cost about {:.2} {}.",
                micros / 1e6,
                word(&said["cost"]["currency"])
            );
        }
        anstream::println!("Nothing was sent. With --yes it is done.");
        Ok(())
    }
}

impl Discard {
    fn run(self) -> Done {
        let body = json!({"reason": self.reason.unwrap_or_default()});
        let path = format!("/v1/dead-letters/{}/discard", safe(&self.id)?);
        let text = self.server.call("POST", &path, Some(&body))?;
        if self.json {
            anstream::println!("{text}");
            return Ok(());
        }
        let said = read(&text)?;
        anstream::println!(
            "{} discarded, {} stay as they are, {} left.",
            said["discarded"],
            said["refused"],
            said["left"]
        );
        Ok(())
    }
}
