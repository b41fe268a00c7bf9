//! `ringback send`: one message through a running server.

use super::Done;
use super::client::Server;
use clap::Args;

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
    #[command(flatten)]
    server: Server,
}

impl Send {
    pub(crate) fn run(self) -> Done {
        let mut body = serde_json::json!({"to": self.to, "lead_id": self.lead, "channel": self.channel, "category": self.category, "body": self.body, "subject": self.subject});
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let text = self.server.call("POST", "/v1/messages", Some(&body))?;
        anstream::println!("{text}");
        Ok(())
    }
}
