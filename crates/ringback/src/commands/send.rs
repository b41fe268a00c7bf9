//! `ringback send`: one message through a running server.

use super::{Done, failed, misused};
use clap::Args;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Send one message through a running server.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// A number or address; or --lead.
    #[arg(long, required_unless_present = "lead")]
    to: Option<String>,
    /// A lead's id.
    #[arg(long)]
    lead: Option<String>,
    /// sms or email.
    #[arg(long, value_parser = ["sms", "email"])]
    channel: String,
    /// transactional, promotional or staff.
    #[arg(long, default_value = "transactional", value_parser = ["transactional", "promotional", "staff"])]
    category: String,
    /// The text.
    #[arg(long)]
    body: String,
    /// The subject of a mail.
    #[arg(long)]
    subject: Option<String>,
    /// The running server, over plain http on this machine or network.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// An API key with the scope send.
    #[arg(long, env = "RINGBACK_KEY")]
    key: String,
}

impl Send {
    pub(crate) fn run(self) -> Done {
        let host = self
            .url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        let host = host.ok_or_else(|| misused("--url begins with http://; for a server behind TLS, call POST /v1/messages with curl"))?;
        let body = serde_json::json!({"to": self.to, "lead_id": self.lead, "channel": self.channel, "category": self.category, "body": self.body, "subject": self.subject});
        let body: serde_json::Map<_, _> = body
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let body = serde_json::to_string(&body)?;
        let mut stream = TcpStream::connect(host)
            .map_err(|error| failed(format!("no server answers at {}: {error}", self.url)))?;
        write!(
            stream,
            "POST /v1/messages HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.key,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, text) = answer
            .split_once("\r\n\r\n")
            .unwrap_or((answer.as_str(), ""));
        if head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'))
        {
            anstream::println!("{text}");
            Ok(())
        } else {
            let problem: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            Err(failed(
                problem["detail"].as_str().unwrap_or(head).to_owned(),
            ))
        }
    }
}
