//! Certificates made on the spot, so that no private key lies in the repository.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};

/// When the certificates that hold do so.
const HOLDS: [&[u8]; 2] = [b"250101000000Z", b"450101000000Z"];
/// When the others did.
const HELD: [&[u8]; 2] = [b"240101000000Z", b"250101000000Z"];

/// A new key (PKCS #8) and a certificate (DER) for these names and addresses, which vouches for itself.
pub fn server_certificate(names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    certificate(names, HOLDS)
}

/// The same, but the certificate ended with the year 2024.
pub fn expired_certificate(names: &[&str]) -> (Vec<u8>, Vec<u8>) {
    certificate(names, HELD)
}

fn certificate(names: &[&str], years: [&[u8]; 2]) -> (Vec<u8>, Vec<u8>) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().expect("a fresh key can be written");
    (pkcs8.as_ref().to_vec(), signed(&key, names, years))
}

/// A DER element: tag, length, content.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}

/// The subject alternative names, as the extensions of a certificate.
fn extensions(names: &[&str]) -> Vec<u8> {
    if names.is_empty() {
        return Vec::new();
    }
    let names: Vec<u8> = names
        .iter()
        .flat_map(|name| match name.parse::<std::net::Ipv4Addr>() {
            Ok(address) => element(0x87, &[&address.octets()]),
            Err(_) => element(0x82, &[name.as_bytes()]),
        })
        .collect();
    let alternative = element(
        0x30,
        &[
            &element(0x06, &[&[0x55, 0x1d, 0x11]]),
            &element(0x04, &[&element(0x30, &[&names])]),
        ],
    );
    element(0xa3, &[&element(0x30, &[&alternative])])
}

/// A small certificate that signs itself, for 2025 to 2045.
pub(super) fn self_signed(key: &RsaKeyPair, names: &[&str]) -> Vec<u8> {
    signed(key, names, HOLDS)
}

fn signed(key: &RsaKeyPair, names: &[&str], years: [&[u8]; 2]) -> Vec<u8> {
    let algorithm = element(
        0x30,
        &[
            &element(0x06, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b]]),
            &[0x05, 0],
        ],
    );
    let common_name = element(
        0x30,
        &[
            &element(0x06, &[&[0x55, 4, 3]]),
            &element(0x0c, &[b"test only"]),
        ],
    );
    let name = element(0x30, &[&element(0x31, &[&common_name])]);
    let validity = element(
        0x30,
        &[&element(0x17, &[years[0]]), &element(0x17, &[years[1]])],
    );
    let public = key
        .public_key()
        .as_der()
        .expect("a fresh key can be written");
    let body = element(
        0x30,
        &[
            &element(0xa0, &[&element(0x02, &[&[2]])]),
            &element(0x02, &[&[1]]),
            &algorithm,
            &name,
            &validity,
            &name,
            public.as_ref(),
            &extensions(names),
        ],
    );
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        &body,
        &mut signature,
    )
    .expect("the key was just made");
    element(
        0x30,
        &[&body, &algorithm, &element(0x03, &[&[0], &signature])],
    )
}
