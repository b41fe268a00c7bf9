//! The server's own secrets: the master key that seals provider credentials (X5), and the tokens in links.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::ids::{ConnectionId, MessageId, TenantId};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The key that seals what must not lie open in the database or its backups. Kept outside of both.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

/// Why something sealed cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be used.
    #[error("the key file {path} cannot be used: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Sealed with another key, for another place, or damaged.
    #[error(
        "the stored settings cannot be opened with this server's key; was master.key replaced?"
    )]
    Sealed,
}

const FORMAT: u8 = 1;

impl MasterKey {
    /// Reads the key of a data folder, or makes one on the first start.
    pub fn of_folder(folder: &Path) -> Result<Self, SealError> {
        let path = folder.join("master.key");
        if path.exists() {
            return Self::of_file(&path);
        }
        let key = Self(crate::clock::random_bytes::<32>());
        key.keep_in(&path)?;
        Ok(key)
    }

    /// Reads the key of a file.
    pub fn of_file(path: &Path) -> Result<Self, SealError> {
        let failed = |why: String| SealError::File {
            path: path.display().to_string(),
            why,
        };
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        let key = URL_SAFE_NO_PAD
            .decode(text.trim())
            .ok()
            .and_then(|key| key.try_into().ok());
        key.map(Self)
            .ok_or_else(|| failed("it does not hold 32 bytes in base64".into()))
    }

    /// Writes the key into a file that is not there yet, for its owner's eyes only.
    pub fn keep_in(&self, path: &Path) -> Result<(), SealError> {
        let failed = |error: std::io::Error| SealError::File {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(URL_SAFE_NO_PAD.encode(self.0).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)
    }

    /// A key from bytes, for tests.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn key_of(&self, tenant: TenantId) -> LessSafeKey {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let derived = hmac::sign(
            &root,
            format!("ringback.settings.{}", tenant.raw()).as_bytes(),
        );
        #[expect(
            clippy::expect_used,
            reason = "HMAC-SHA256 gives the 32 bytes that AES-256 takes"
        )]
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).expect("32 bytes");
        LessSafeKey::new(key)
    }

    /// Seals the settings of a connection for its own place: they open nowhere else.
    pub fn seal(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        settings: &BTreeMap<String, String>,
    ) -> Vec<u8> {
        let mut data = serde_json::to_vec(settings).unwrap_or_default();
        let nonce = crate::clock::random_bytes::<NONCE_LEN>();
        let aad = Aad::from(format!("connections.{}.settings", connection.raw()));
        let sealed = self.key_of(tenant).seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            aad,
            &mut data,
        );
        debug_assert!(sealed.is_ok(), "settings are far below the cipher's limit");
        [&[FORMAT], &nonce[..], &data].concat()
    }

    /// Opens sealed settings.
    pub fn open(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        sealed: &[u8],
    ) -> Result<BTreeMap<String, String>, SealError> {
        let (head, data) = sealed
            .split_at_checked(1 + NONCE_LEN)
            .ok_or(SealError::Sealed)?;
        let (format, nonce) = head.split_first().ok_or(SealError::Sealed)?;
        if *format != FORMAT {
            return Err(SealError::Sealed);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Sealed)?;
        let aad = Aad::from(format!("connections.{}.settings", connection.raw()));
        let mut data = data.to_vec();
        let plain = self
            .key_of(tenant)
            .open_in_place(nonce, aad, &mut data)
            .map_err(|_| SealError::Sealed)?;
        serde_json::from_slice(plain).map_err(|_| SealError::Sealed)
    }

    /// Tells whether a backup was made under this key; says nothing about the key itself.
    pub fn mark(&self) -> String {
        let mark = hmac::sign(&self.signer("ringback.backup.mark"), b"mark");
        hex(&mark.as_ref()[..8])
    }

    /// A key for signing, one per purpose.
    pub fn signer(&self, purpose: &str) -> hmac::Key {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::Key::new(
            hmac::HMAC_SHA256,
            hmac::sign(&root, purpose.as_bytes()).as_ref(),
        )
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes and reads the tokens in links: an id with a proof that we wrote it.
#[derive(Clone)]
pub struct Tokens {
    alert: hmac::Key,
    unsubscribe: hmac::Key,
    confirm: hmac::Key,
    form: hmac::Key,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(***)")
    }
}

/// What a token is for; one never passes as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFor {
    /// The link in a staff alert (`/a/…`).
    Alert,
    /// The link in a mail (`/u/…`).
    Unsubscribe,
    /// The link with which a person of the business confirms a number (`/c/…`).
    Confirm,
}

const PROOF: usize = 12;

impl Tokens {
    /// Keys made of the master key.
    pub fn new(master: &MasterKey) -> Self {
        Self {
            alert: master.signer("ringback.link.alert"),
            unsubscribe: master.signer("ringback.link.unsubscribe"),
            confirm: master.signer("ringback.link.confirm"),
            form: master.signer("ringback.form.time"),
        }
    }

    fn key(&self, what: TokenFor) -> &hmac::Key {
        match what {
            TokenFor::Alert => &self.alert,
            TokenFor::Unsubscribe => &self.unsubscribe,
            TokenFor::Confirm => &self.confirm,
        }
    }

    /// The token of a message.
    pub fn write(&self, what: TokenFor, message: MessageId) -> String {
        let id = message.raw().to_be_bytes();
        let proof = hmac::sign(self.key(what), &id);
        let mut bytes = Vec::with_capacity(8 + PROOF);
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&proof.as_ref()[..PROOF]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The message behind a token that we wrote.
    pub fn read(&self, what: TokenFor, token: &str) -> Option<MessageId> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .filter(|bytes| bytes.len() == 8 + PROOF)?;
        let (id, proof) = bytes.split_at(8);
        let right = hmac::sign(self.key(what), id);
        constant_time::verify_slices_are_equal(&right.as_ref()[..PROOF], proof).ok()?;
        Some(MessageId::from_raw(i64::from_be_bytes(id.try_into().ok()?)))
    }

    /// The signed instant at which a form was shown (L3): milliseconds, a nonce, and the form it was made for.
    pub fn form_time(&self, form: &str, shown_ms: i64) -> String {
        let nonce = crate::clock::random_bytes::<6>();
        let mut bytes = shown_ms.to_be_bytes().to_vec();
        bytes.extend_from_slice(&nonce);
        let proof = hmac::sign(&self.form, &[form.as_bytes(), b"|", &bytes].concat());
        bytes.extend_from_slice(&proof.as_ref()[..PROOF]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// When a form was shown, if we signed it for this form: milliseconds.
    pub fn read_form_time(&self, form: &str, token: &str) -> Option<i64> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .filter(|bytes| bytes.len() == 14 + PROOF)?;
        let (head, proof) = bytes.split_at(14);
        let right = hmac::sign(&self.form, &[form.as_bytes(), b"|", head].concat());
        constant_time::verify_slices_are_equal(&right.as_ref()[..PROOF], proof).ok()?;
        Some(i64::from_be_bytes(head[..8].try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (MasterKey, TenantId, ConnectionId) {
        (
            MasterKey::from_bytes([7; 32]),
            TenantId::from_raw(3),
            ConnectionId::from_raw(9),
        )
    }

    /// X5: sealed settings open only with the key, for the tenant and the row they were sealed for.
    #[test]
    fn sealed_settings_open_only_in_their_place() {
        let (master, tenant, connection) = keys();
        let settings = BTreeMap::from([("auth_token".to_owned(), "canary-secret".to_owned())]);
        let sealed = master.seal(tenant, connection, &settings);
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(master.open(tenant, connection, &sealed).unwrap(), settings);
        assert!(
            master
                .open(TenantId::from_raw(4), connection, &sealed)
                .is_err()
        );
        assert!(
            master
                .open(tenant, ConnectionId::from_raw(8), &sealed)
                .is_err()
        );
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(master.open(tenant, connection, &bent).is_err());
        }
    }

    /// A token opens what it was written for and nothing else.
    #[test]
    fn tokens_are_not_interchangeable() {
        let tokens = Tokens::new(&keys().0);
        let message = MessageId::from_raw(77);
        let token = tokens.write(TokenFor::Alert, message);
        assert_eq!(tokens.read(TokenFor::Alert, &token), Some(message));
        assert_eq!(tokens.read(TokenFor::Unsubscribe, &token), None);
        assert_eq!(tokens.read(TokenFor::Alert, &token[1..]), None);
        let shown = tokens.form_time("a.quote", 1_000);
        assert_eq!(tokens.read_form_time("a.quote", &shown), Some(1_000));
        assert_eq!(tokens.read_form_time("b.quote", &shown), None);
    }
}
