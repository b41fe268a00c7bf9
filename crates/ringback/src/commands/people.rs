//! `ringback key` and `ringback user`: who may call and who may sign in.

use super::{Data, Done, failed, misused, print_json};
use clap::Subcommand;
use ringback_server::onboarding::{add_key, add_user};
use ringback_server::sign_in::{hash_password, make_link};
use ringback_store::{House as _, KeyKind};

/// Keys of the API.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// A new key; it is shown once.
    #[command(after_help = "Example: ringback key create --name crm --scope read --scope leads")]
    Create {
        /// What people call it.
        #[arg(long, default_value = "key")]
        name: String,
        /// secret (servers), test (sandbox only) or write (websites).
        #[arg(long, default_value = "secret", value_parser = ["secret", "test", "write"])]
        kind: String,
        /// read, leads, send, admin; all of them when none is named.
        #[arg(long)]
        scope: Vec<String>,
        /// Which tenant, when there are several.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        data: Data,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// The keys there are.
    #[command(after_help = "Example: ringback key list")]
    List {
        /// Which tenant, when there are several.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// A key opens nothing any more.
    #[command(after_help = "Example: ringback key revoke rb_live_1a2B3c4D")]
    Revoke {
        /// The part of the key that is shown.
        shown: String,
        /// Which tenant, when there are several.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        data: Data,
    },
}

/// People who sign in.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// A person may sign in. Prints a link that opens once.
    #[command(
        after_help = "Example: ringback user add inez@example.com --name 'Inez Ford' --role owner"
    )]
    Add {
        /// The address.
        email: String,
        /// The name; the address when it is left out.
        #[arg(long)]
        name: Option<String>,
        /// owner, admin, agent or viewer.
        #[arg(long, default_value = "owner", value_parser = ["owner", "admin", "agent", "viewer"])]
        role: String,
        /// Read a password from standard input.
        #[arg(long)]
        password: bool,
        /// The address that the link begins with.
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        url: String,
        /// Which tenant, when there are several.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// The people there are.
    #[command(after_help = "Example: ringback user list")]
    List {
        /// Which tenant, when there are several.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        data: Data,
    },
}

impl Key {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Create {
                name,
                kind,
                scope,
                tenant,
                data,
                json,
            } => {
                let mut offline = data.open()?;
                let tenant = offline.tenant(tenant.as_deref())?;
                let kind = match kind.as_str() {
                    "test" => KeyKind::Test,
                    "write" => KeyKind::Write,
                    _ => KeyKind::Secret,
                };
                if let Some(wrong) = scope.iter().find(|scope| {
                    !["read", "leads", "send", "admin", "*"].contains(&scope.as_str())
                }) {
                    return Err(misused(format!(
                        "there is no scope `{wrong}`: read, leads, send, admin"
                    )));
                }
                let scopes: Vec<&str> = if scope.is_empty() {
                    vec!["*"]
                } else {
                    scope.iter().map(String::as_str).collect()
                };
                let whole = add_key(
                    &offline.writer,
                    &mut offline.ids,
                    tenant.id,
                    kind,
                    &name,
                    &scopes,
                    offline.now,
                )?;
                if json {
                    print_json(&serde_json::json!({"key": whole}))
                } else {
                    print(&whole)
                }
            }
            Self::List { tenant, data } => {
                let offline = data.open()?;
                let tenant = offline.tenant(tenant.as_deref())?;
                for key in offline.writer.keys_of(tenant.id)? {
                    let state = if key.revoked_at.is_some() {
                        "revoked"
                    } else {
                        "open"
                    };
                    anstream::println!(
                        "{}…  {}  {}  {}  {state}",
                        key.shown,
                        key.kind.as_str(),
                        key.scopes.join(","),
                        key.name
                    );
                }
                Ok(())
            }
            Self::Revoke {
                shown,
                tenant,
                data,
            } => {
                let offline = data.open()?;
                let tenant = offline.tenant(tenant.as_deref())?;
                let key = offline
                    .writer
                    .keys_of(tenant.id)?
                    .into_iter()
                    .find(|key| key.shown == shown.trim_end_matches('…'));
                let key = key.ok_or_else(|| failed(format!("there is no key {shown}")))?;
                offline.writer.revoke_key(tenant.id, key.id, offline.now)?;
                print("It opens nothing any more.")
            }
        }
    }
}

impl User {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Add {
                email,
                name,
                role,
                password,
                url,
                tenant,
                data,
            } => {
                let mut offline = data.open()?;
                let tenant = offline.tenant(tenant.as_deref())?;
                let email = ringback_core::contact::Email::parse(&email)
                    .map_err(|why| misused(why.advice()))?
                    .key();
                let hash = if password {
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line)?;
                    Some(hash_password(line.trim_end_matches(['\n', '\r'])).map_err(failed)?)
                } else {
                    None
                };
                let name = name.unwrap_or_else(|| email.clone());
                let user = add_user(
                    &offline.writer,
                    &mut offline.ids,
                    tenant.id,
                    &email,
                    &name,
                    &role,
                    hash,
                    offline.now,
                )?;
                let token = make_link(&offline.writer, user, offline.now)?;
                anstream::println!(
                    "{name} may sign in as {role}. This link opens once, within 15 minutes of use after the server starts:"
                );
                print(&format!(
                    "{}/sign-in/link/{token}",
                    url.trim_end_matches('/')
                ))
            }
            Self::List { tenant, data } => {
                let offline = data.open()?;
                let tenant = offline.tenant(tenant.as_deref())?;
                for user in offline.writer.users(tenant.id)? {
                    anstream::println!("{}  {}  {}", user.email, user.role, user.name);
                }
                Ok(())
            }
        }
    }
}

fn print(text: &str) -> Done {
    anstream::println!("{text}");
    Ok(())
}
