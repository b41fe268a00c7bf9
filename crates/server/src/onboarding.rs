//! A business moves in: tenant, configuration, staff, keys, first user (X1).

use crate::http::{hash_key, make_key};
use crate::presets::Preset;
use ringback_core::config::{Document, Problem, TenantConfig};
use ringback_core::ids::{IdMaker, KeyId, TenantId, UserId};
use ringback_core::time::Timestamp;
use ringback_core::turn::StaffMember;
use ringback_store::{House as _, KeyKind, KeyRow, StoreError, TenantRow, UserRow, Writer};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a new tenant is made of.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// The business.
    pub name: String,
    /// Its configuration.
    pub preset: Preset,
    /// Its country, when it is not the preset's.
    pub region: Option<String>,
    /// Its time zone, when it is not the preset's.
    pub time_zone: Option<String>,
    /// Requests a minute; `None` is no limit.
    pub requests_per_minute: Option<u32>,
    /// Messages an hour; `None` is no limit.
    pub messages_per_hour: Option<u32>,
}

/// A tenant that moved in. The keys are shown here and never again.
#[derive(Debug, Clone, Serialize)]
pub struct MovedIn {
    /// Its id.
    pub tenant: TenantId,
    /// Its name in addresses.
    pub slug: String,
    /// A key for servers.
    pub api_key: String,
    /// A key whose messages only reach the sandbox.
    pub test_key: String,
    /// A key for browsers: tracking only.
    pub write_key: String,
}

/// Why a tenant could not move in.
#[derive(Debug, thiserror::Error)]
pub enum MoveInError {
    /// The name gives no address.
    #[error("the name needs a letter or digit")]
    Name,
    /// The configuration has problems.
    #[error("the configuration has problems:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// `Alder Plumbing & Sons` is `alder-plumbing-sons` in addresses.
pub fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(48);
    slug.trim_end_matches('-').to_owned()
}

/// Reads and checks a configuration as it would be stored.
pub fn check(files: &BTreeMap<String, String>) -> Result<TenantConfig, Vec<Problem>> {
    let documents = files
        .iter()
        .map(|(path, text)| {
            (
                path.clone(),
                Document {
                    version: 1,
                    text: text.clone(),
                },
            )
        })
        .collect();
    ringback_core::config::load(&documents)
}

/// Makes the tenant with everything it needs, in one commit.
pub fn move_in(
    writer: &mut Writer,
    ids: &mut IdMaker,
    new: &NewTenant,
    now: Timestamp,
) -> Result<MovedIn, MoveInError> {
    let mut files = new.preset.files.clone();
    if let Some(text) = files.get_mut("tenant.yaml") {
        *text = set_top(text, "name", &new.name);
        if let Some(region) = &new.region {
            *text = set_top(text, "region", region);
        }
        if let Some(zone) = &new.time_zone {
            *text = set_top(text, "time_zone", zone);
        }
    }
    let config = check(&files).map_err(MoveInError::Config)?;
    writer.begin()?;
    let done = inside(writer, ids, new, &files, &config, now)
        .and_then(|moved| writer.commit().map(|()| moved).map_err(Into::into));
    if done.is_err() {
        writer.roll_back();
    }
    done
}

fn inside(
    writer: &Writer,
    ids: &mut IdMaker,
    new: &NewTenant,
    files: &BTreeMap<String, String>,
    config: &TenantConfig,
    now: Timestamp,
) -> Result<MovedIn, MoveInError> {
    let base = slug_of(&new.name);
    if base.is_empty() {
        return Err(MoveInError::Name);
    }
    let taken: Vec<String> = writer.tenants()?.into_iter().map(|row| row.slug).collect();
    let slug = (1..)
        .map(|n| {
            if n == 1 {
                base.clone()
            } else {
                format!("{base}-{n}")
            }
        })
        .find(|slug| !taken.contains(slug))
        .unwrap_or(base);
    let tenant = TenantId::from_raw(ids.next(now));
    writer.insert_tenant(&TenantRow {
        id: tenant,
        slug: slug.clone(),
        name: new.name.clone(),
        secret: crate::clock::random_bytes::<32>().to_vec(),
        requests_per_minute: new.requests_per_minute,
        messages_per_hour: new.messages_per_hour,
        sandbox: false,
        kill: Vec::new(),
        created_at: now,
    })?;
    for (path, text) in files {
        writer.put_document(tenant, path, Some(text), "onboarding", now)?;
    }
    for person in &config.staff.people {
        let lists = config
            .staff
            .lists
            .iter()
            .filter(|(_, people)| people.contains(&person.name))
            .map(|(list, _)| list.clone())
            .collect();
        writer.put_staff(
            tenant,
            &StaffMember {
                name: person.name.clone(),
                phone: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
                email: person.email.as_ref().map(|email| email.as_str().to_owned()),
                roles: person.roles.clone(),
                lists,
                on_call: config.staff.on_call.as_ref() == Some(&person.name),
            },
        )?;
    }
    let mut key = |kind, name: &str| -> Result<String, StoreError> {
        add_key(writer, ids, tenant, kind, name, &["*"], now)
    };
    let moved = MovedIn {
        tenant,
        slug,
        api_key: key(KeyKind::Secret, "first key")?,
        test_key: key(KeyKind::Test, "test key")?,
        write_key: key(KeyKind::Write, "website")?,
    };
    writer.write_audit(
        tenant,
        "onboarding",
        None,
        "tenant.create",
        &serde_json::json!({"slug": moved.slug}),
        now,
    )?;
    Ok(moved)
}

/// Makes a key and answers it whole, once.
pub fn add_key(
    writer: &Writer,
    ids: &mut IdMaker,
    tenant: TenantId,
    kind: KeyKind,
    name: &str,
    scopes: &[&str],
    now: Timestamp,
) -> Result<String, StoreError> {
    let text = make_key(kind);
    writer.insert_key(&KeyRow {
        id: KeyId::from_raw(ids.next(now)),
        tenant,
        kind,
        name: name.to_owned(),
        shown: text.shown.clone(),
        hash: hash_key(&text.whole).to_vec(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    })?;
    Ok(text.whole)
}

/// Adds a person who signs in.
#[expect(
    clippy::too_many_arguments,
    reason = "a row of users, written by command line and demo"
)]
pub fn add_user(
    writer: &Writer,
    ids: &mut IdMaker,
    tenant: TenantId,
    email: &str,
    name: &str,
    role: &str,
    password: Option<String>,
    now: Timestamp,
) -> Result<UserId, StoreError> {
    let id = UserId::from_raw(ids.next(now));
    writer.insert_user(&UserRow {
        id,
        tenant,
        email: email.to_lowercase(),
        name: name.to_owned(),
        role: role.to_owned(),
        password,
        created_at: now,
        disabled_at: None,
    })?;
    Ok(id)
}

/// Sets a top-level value of a YAML text, keeping everything else as a person wrote it.
fn set_top(text: &str, key: &str, value: &str) -> String {
    let value = serde_json::to_string(value).unwrap_or_default();
    let head = format!("{key}:");
    let mut found = false;
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.starts_with(&head) && !found {
                found = true;
                format!("{key}: {value}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    if !found {
        lines.insert(0, format!("{key}: {value}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X1: the name becomes an address that people can type.
    #[test]
    fn names_become_addresses() {
        for (name, slug) in [
            ("Alder Plumbing", "alder-plumbing"),
            ("Müller & Söhne GmbH", "m-ller-s-hne-gmbh"),
            ("  --  ", ""),
            ("A", "a"),
        ] {
            assert_eq!(slug_of(name), slug, "{name}");
        }
    }

    /// A preset keeps its comments when its name is set.
    #[test]
    fn setting_a_value_keeps_what_a_person_wrote() {
        let text = "# who\nname: Old\nregion: US # here\n";
        assert_eq!(
            set_top(text, "name", "New: \"x\""),
            "# who\nname: \"New: \\\"x\\\"\"\nregion: US # here\n"
        );
    }

    /// W8: every preset that ships moves in without a problem.
    #[test]
    fn every_preset_is_without_problems() {
        for name in crate::presets::names().into_iter().chain(["bench"]) {
            let preset = crate::presets::find(name).unwrap();
            if let Err(problems) = check(&preset.files) {
                panic!("{name}: {problems:#?}");
            }
        }
    }
}
