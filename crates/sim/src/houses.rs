//! The businesses of a world: two presets that ship and a small one of its own, with real zones and limits.

use crate::dice::Dice;
use crate::providers::Provider;
use include_dir::{Dir, include_dir};
use ringback_core::config::{Document, TenantConfig, load};
use ringback_core::consent::Basis;
use ringback_core::ids::{ConnectionId, TenantId};
use ringback_core::leads::ReferenceKey;
use ringback_core::messages::{ChannelKind, Repeat};
use ringback_core::time::Timestamp;
use ringback_core::turn::world::{Consent, Point, PointKey, PointKind, Purpose, World};
use ringback_core::turn::{Connection, Pace, Registration, StaffMember, Tenant};
use ringback_store::{ConnectionRow, StoreError, TenantRow, Writer};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

static PLUMBING: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../presets/plumbing");
static GLASS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../presets/auto-glass");
static NURSERY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/business");

/// Names of the businesses; the number in front is what everything of theirs is marked with.
pub const NAMES: [&str; 3] = ["plumbing", "auto-glass", "nursery"];

/// Offers in 24 hours, at most, as each business has set it: what the checker's own oracle counts against.
pub const MOST_OFFERS: [usize; 3] = [3, 3, 2];

fn read(dir: &Dir<'_>, root: &Dir<'_>, files: &mut BTreeMap<String, Document>) {
    for file in dir.files() {
        let path = file.path().strip_prefix(root.path()).unwrap_or(file.path());
        let path = path.to_string_lossy().into_owned();
        let outside = ["events/", "site/", "README"];
        if let Some(text) = file.contents_utf8()
            && !outside.iter().any(|begins| path.starts_with(begins))
        {
            files.insert(path, Document::new(text));
        }
    }
    for sub in dir.dirs() {
        read(sub, root, files);
    }
}

/// The compiled configurations, made once for all worlds.
pub fn configs() -> &'static [Arc<TenantConfig>; 3] {
    static CONFIGS: OnceLock<[Arc<TenantConfig>; 3]> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        [&PLUMBING, &GLASS, &NURSERY].map(|dir| {
            let mut files = BTreeMap::new();
            read(dir, dir, &mut files);
            match load(&files) {
                Ok(config) => Arc::new(config),
                Err(problems) => {
                    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    panic!(
                        "a business of the simulation cannot be read: {}",
                        all.join("; ")
                    )
                }
            }
        })
    })
}

/// The id of a business.
pub const fn id(n: usize) -> TenantId {
    TenantId::from_raw(n as i64 + 1)
}

fn connection_id(house: usize, channel: ChannelKind, n: i64) -> ConnectionId {
    ConnectionId::from_raw(100 * (house as i64 + 1) + 10 * channel.code() + n)
}

/// A business as the turns see it, with the accounts that chance gave it.
pub fn tenant(n: usize, dice: &mut Dice) -> Tenant {
    let config = Arc::clone(&configs()[n]);
    let mut connections = Vec::new();
    for channel in ChannelKind::ALL.iter().copied() {
        let count = dice.pick(match channel {
            ChannelKind::Webhook => &[0, 1],
            _ => &[0, 1, 1, 1, 2, 2],
        });
        for position in 0..count {
            let repeat = dice.pick(&[
                Repeat::ByKey,
                Repeat::ByLog,
                Repeat::ByReport,
                Repeat::Blind,
            ]);
            let name = if channel == ChannelKind::Webhook {
                "crm".to_owned()
            } else {
                format!("{channel}-{position}")
            };
            connections.push(Connection {
                id: connection_id(n, channel, position),
                channel,
                provider: "simulated".into(),
                name,
                enabled: true,
                repeat,
                answers_opt_out: false,
                pace: Pace::default(),
                registration: Registration::NotNeeded,
            });
        }
    }
    let staff = config.staff.people.iter().map(|person| StaffMember {
        name: person.name.clone(),
        phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        email: person.email.as_ref().map(|email| email.as_str().to_owned()),
        roles: person.roles.iter().map(ToString::to_string).collect(),
        lists: Vec::new(),
        on_call: config.staff.on_call.as_ref() == Some(&person.name),
    });
    let mut staff: Vec<StaffMember> = staff.collect();
    for (list, names) in &config.staff.lists {
        for person in &mut staff {
            if names.contains(&person.name) {
                person.lists.push(list.clone());
            }
        }
    }
    Tenant {
        id: id(n),
        slug: NAMES[n].to_owned(),
        zone: config.settings.time_zone.rules().clone(),
        staff,
        connections,
        kill: Vec::new(),
        sandbox: false,
        most_per_hour: None,
        references: ReferenceKey::new(&secret(n)),
        hold: None,
        config,
    }
}

fn secret(n: usize) -> Vec<u8> {
    vec![n as u8 + 1; 32]
}

/// Everybody on the staff confirmed the number once, as people do when they begin (ST-1).
pub(crate) fn confirmed(tenant: &Tenant, now: Timestamp) -> World {
    let mut known = World::default();
    let phones = tenant.staff.iter().filter_map(|one| one.phone.clone());
    for value in phones {
        let key = PointKey {
            tenant: tenant.id,
            kind: PointKind::Phone,
            value,
        };
        let mut point = Point::new(None, now);
        let sms = ChannelKind::Sms.code();
        point.allow(sms, Purpose::Staff, Consent::Granted, Basis::Written, None);
        known.points.insert(key, Some(point));
    }
    known
}

/// Lets a business move into the store.
pub fn move_in(writer: &mut Writer, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
    writer.insert_tenant(&TenantRow {
        id: tenant.id,
        slug: tenant.slug.clone(),
        name: tenant.slug.clone(),
        secret: secret((tenant.id.raw() - 1) as usize),
        requests_per_minute: None,
        messages_per_hour: None,
        sandbox: false,
        kill: Vec::new(),
        created_at: now,
    })?;
    let mut known = confirmed(tenant, now);
    writer.begin()?;
    writer.apply(&mut known, now)?;
    writer.commit()?;
    for (position, one) in tenant.connections.iter().enumerate() {
        writer.insert_connection(
            tenant.id,
            &ConnectionRow {
                id: one.id,
                channel: one.channel,
                provider: one.provider.clone(),
                name: one.name.clone(),
                settings: Vec::new(),
                path_secret: String::new(),
                position: position as i64,
                enabled: true,
                trouble: None,
                breaker: None,
                created_at: now,
            },
        )?;
    }
    Ok(())
}

/// The far ends of a business's accounts.
pub fn providers(tenant: &Tenant) -> impl Iterator<Item = (ConnectionId, Provider)> + '_ {
    let far = |one: &Connection| (one.id, Provider::new(one.repeat));
    tenant.connections.iter().map(far)
}
