//! `ringback tenant`: businesses that the server works for.

use super::{Data, Done, failed, print_json};
use clap::{Args, Subcommand};
use ringback_server::onboarding::{NewTenant, move_in};
use ringback_store::House as _;

/// Tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// A business moves in. Prints its keys, once.
    #[command(
        after_help = "Example: ringback tenant create 'Alder Plumbing' --preset plumbing --timezone America/Denver"
    )]
    Create(Create),
    /// The businesses there are.
    #[command(after_help = "Example: ringback tenant list --json")]
    List {
        #[command(flatten)]
        data: Data,
        /// For machines.
        #[arg(long)]
        json: bool,
    },
}

/// A business moves in.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The business, as customers know it.
    name: String,
    /// A preset that ships, or a folder.
    #[arg(long)]
    preset: String,
    /// Its country, two letters; the preset's when it is left out.
    #[arg(long)]
    region: Option<String>,
    /// Its time zone; the preset's when it is left out.
    #[arg(long)]
    timezone: Option<String>,
    /// Requests a minute: free (60), pro (300), enterprise (1000); without it there is no limit.
    #[arg(long, value_parser = ["free", "pro", "enterprise"])]
    tier: Option<String>,
    #[command(flatten)]
    data: Data,
    /// For machines.
    #[arg(long)]
    json: bool,
}

impl Tenant {
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Create(create) => create.run(),
            Self::List { data, json } => {
                let offline = data.open()?;
                for row in offline.writer.tenants()? {
                    if json {
                        print_json(
                            &serde_json::json!({"tenant": row.id, "slug": row.slug, "name": row.name, "requests_per_minute": row.requests_per_minute, "messages_per_hour": row.messages_per_hour}),
                        )?;
                    } else {
                        anstream::println!("{}  {}  {}", row.id, row.slug, row.name);
                    }
                }
                Ok(())
            }
        }
    }
}

impl Create {
    fn run(self) -> Done {
        let preset = ringback_server::presets::find(&self.preset).map_err(failed)?;
        let mut offline = self.data.open()?;
        let new = NewTenant {
            name: self.name.trim().to_owned(),
            preset,
            region: self.region,
            time_zone: self.timezone,
            requests_per_minute: self.tier.as_deref().map(|tier| match tier {
                "free" => 60,
                "pro" => 300,
                _ => 1_000,
            }),
            messages_per_hour: self.tier.as_deref().map(|tier| match tier {
                "free" => 600,
                "pro" => 6_000,
                _ => 60_000,
            }),
        };
        let moved = move_in(&mut offline.writer, &mut offline.ids, &new, offline.now)?;
        if self.json {
            return print_json(&moved);
        }
        anstream::println!("{} has moved in as {}.\n", new.name, moved.slug);
        anstream::println!("API key (for servers, shown once):   {}", moved.api_key);
        anstream::println!("Test key (reaches the sandbox only): {}", moved.test_key);
        anstream::println!("Write key (for websites, tracking):  {}\n", moved.write_key);
        anstream::println!(
            "Next: ringback user add YOU@example.com --data {} && ringback serve --data {}",
            self.data.data.display(),
            self.data.data.display()
        );
        Ok(())
    }
}
