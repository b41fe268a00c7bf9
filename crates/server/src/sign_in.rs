//! Signing in: passwords, links by mail, and the browser sessions that follow (X2).

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordVerifier as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringback_core::ids::UserId;
use ringback_core::time::Timestamp;
use ringback_store::{StoreError, Writer};
use sha2::{Digest, Sha256};

const SHORTEST_PASSWORD: usize = 10;
const LONGEST_PASSWORD: usize = 1_000;
/// How long a sign-in link opens.
const LINK_LIFE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

fn argon() -> Argon2<'static> {
    // 19 MiB, two passes, one lane. Source: OWASP password storage.
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(19 * 1024, 2, 1, None).unwrap_or_default(),
    )
}

/// A password as it is kept. The error is a sentence.
pub fn hash_password(password: &str) -> Result<String, String> {
    if password.chars().count() < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
        return Err(format!(
            "A password has at least {SHORTEST_PASSWORD} characters; a sentence is fine."
        ));
    }
    let hash = argon()
        .hash_password(password.as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// Whether a password is the kept one. Takes the same time when nothing is kept, so that nobody learns which addresses are known.
pub fn password_fits(password: &str, kept: Option<&str>) -> bool {
    static NOBODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let nobody =
        NOBODY.get_or_init(|| hash_password("nobody has this password").unwrap_or_default());
    let Ok(hash) = PasswordHash::new(kept.unwrap_or(nobody)) else {
        return false;
    };
    let password = password
        .get(..LONGEST_PASSWORD.min(password.len()))
        .unwrap_or_default();
    argon().verify_password(password.as_bytes(), &hash).is_ok() && kept.is_some()
}

/// A token of 256 bits and what is kept of it.
pub fn token() -> (String, [u8; 32]) {
    let text = URL_SAFE_NO_PAD.encode(crate::clock::random_bytes::<32>());
    let hash = hash_token(&text);
    (text, hash)
}

/// What is kept of a token.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A link that signs a person in, once, within 15 minutes. Answers the token of `/sign-in/link/{token}`.
pub fn make_link(writer: &Writer, user: UserId, now: Timestamp) -> Result<String, StoreError> {
    let (text, hash) = token();
    writer.insert_link(&hash, user, now + LINK_LIFE)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X2: a password opens, another does not, and neither does anything where none is kept.
    #[test]
    fn only_the_right_password_opens() {
        let kept = hash_password("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(password_fits("correct horse battery", Some(&kept)));
        assert!(!password_fits("correct horse batteri", Some(&kept)));
        assert!(!password_fits("nobody has this password", None));
        assert!(hash_password("short").is_err());
    }
}
