//! Where PostgreSQL is, and how it is spoken to.

use crate::OpenError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A database's address, read once.
#[derive(Clone)]
pub struct Address {
    pub(super) config: tokio_postgres::Config,
    /// False behind poolers that do not know of prepared statements.
    pub(super) prepares: bool,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `postgres://user:password@host[:port][,host…]/database?…`. Beside what libpq knows:
    /// `sslmode` disable, prefer, require, verify-full (verify-ca is taken for it); `sslrootcert`, a file with who may vouch for the
    /// server; `prepare=off` behind a pooler in transaction mode that does not know of prepared statements (PgBouncer before 1.21).
    /// Of several hosts the one that takes changes is used.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = |why: String| OpenError::Address(why);
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut rest, mut mode, mut roots, mut prepares) = (Vec::new(), "prefer", None, true);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                Some(("sslrootcert", value)) => roots = Some(value),
                Some(("prepare", "off")) => prepares = false,
                Some(("prepare", "on")) => {}
                Some(("prepare", other)) => {
                    return Err(wrong(format!("prepare is on or off, and not {other}")));
                }
                _ => rest.push(pair),
            }
        }
        let plain = format!("{base}?{}", rest.join("&"));
        let mut config: tokio_postgres::Config = plain
            .parse()
            .map_err(|error: tokio_postgres::Error| wrong(error.to_string()))?;
        let checks = match mode {
            "disable" => {
                config.ssl_mode(SslMode::Disable);
                false
            }
            "prefer" => false,
            "require" => {
                config.ssl_mode(SslMode::Require);
                // As libpq does: who names the voucher wants it asked.
                roots.is_some()
            }
            "verify-ca" | "verify-full" => {
                config.ssl_mode(SslMode::Require);
                true
            }
            other => {
                return Err(wrong(format!(
                    "sslmode is disable, prefer, require or verify-full, and not {other}"
                )));
            }
        };
        config.connect_timeout(Duration::from_secs(3));
        config.tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(3));
        if config.get_application_name().is_none() {
            config.application_name("ringback");
        }
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self {
            config,
            prepares,
            tls: Arc::new(tls(checks, roots).map_err(wrong)?),
        })
    }

    /// The role it signs in with.
    pub(crate) fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// Hosts and database, without who signs in and how.
    pub(crate) fn shown(&self) -> String {
        use tokio_postgres::config::Host;
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let database = self.config.get_dbname().unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }

    pub(super) fn tls(&self) -> MakeRustlsConnect {
        MakeRustlsConnect::new(ClientConfig::clone(&self.tls))
    }
}

fn tls(checks: bool, roots: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if !checks {
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth());
    }
    let mut store = RootCertStore::empty();
    match roots {
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let read = |error: &dyn std::fmt::Display| {
                format!("sslrootcert {file} cannot be read: {error}")
            };
            for one in
                CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| read(&error))?
            {
                let one = one.map_err(|error| read(&error))?;
                store.add(one).map_err(|error| read(&error))?;
            }
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_webpki_verifier(verifier).with_no_client_auth())
}

/// Encryption without a proof of who is at the other end, as `sslmode=prefer` and `require` are understood everywhere.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written wrong is said in words, with no password in them.
    #[test]
    fn addresses_are_read_once() {
        let fine = Address::parse("postgres://app:secret@db1,db2:5433/ringback?sslmode=require");
        let fine = fine.unwrap();
        assert_eq!(fine.role(), "app");
        assert_eq!(
            fine.config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert!(!format!("{fine:?}").contains("secret"));
        for (wrong, says) in [
            ("postgres://h/d?sslmode=maybe", "sslmode is disable"),
            ("postgres://h/d?prepare=never", "prepare is on or off"),
            (
                "postgres://h/d?sslmode=verify-full&sslrootcert=/nowhere",
                "/nowhere cannot be read",
            ),
        ] {
            let error = Address::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
