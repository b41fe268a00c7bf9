//! The one guarded HTTP client of the server: pooled, over TLS, blind to proxies and redirects, and exact about where a call broke.

pub mod address;
pub mod boot;
pub mod dial;
mod pool;
pub mod retry_after;
mod witnesses;

pub use address::{Egress, is_global};
pub use boot::BootClock;
pub use dial::{DialError, Dialer, Resolve, SystemResolver};
pub use witnesses::Witness;

use bytes::{Bytes, BytesMut};
use dial::Wire;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use pool::{Idle, Key, Pool};
use ringback_core::messages::{Outcome, Reason};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Of an answer's body, this much is read; the rest is cut off with the connection.
pub const BODY_CAP: usize = 64 * 1024;

/// A connection that is not free so long after its last answer is given up.
const FREE_AGAIN: Duration = Duration::from_millis(250);

/// One request. Nothing is added but `Host`; the method is whatever it is, and it is made at most once.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Where to: absolute, parsed once and kept (see [`parse_url`]).
    pub uri: Uri,
    /// All headers but `Host`, which follows from `uri` when it is missing.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long the whole call may take, from now to the last byte of the answer.
    pub deadline: Duration,
    /// Until when it may be written at all, by the boot clock; then it ends earlier than by `deadline`.
    pub ends: Option<Duration>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`BODY_CAP`] bytes of it.
    pub body: Bytes,
    /// True when the body was longer.
    pub cut: bool,
}

/// Where a call broke. The difference decides whether it may be made again (M3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broke {
    /// Nothing was sent: no address, no connection, no trust, or the guard refused.
    BeforeRequest(Reason),
    /// The first byte of the request may have left, and no whole answer came.
    AfterRequest(Reason),
}

impl Broke {
    /// What this comes to for a message: nothing was sent and it may work later, or we do not know. A refusal of our own
    /// guard does not pass by itself.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::BeforeRequest(why)
                if matches!(
                    why.code.as_str(),
                    "address_refused" | "not_encrypted" | "url"
                ) =>
            {
                Outcome::Misconfigured { why }
            }
            Self::BeforeRequest(why) => Outcome::Retryable { why, after: None },
            Self::AfterRequest(why) => Outcome::Unknown { why },
        }
    }

    /// The reason, wherever it broke.
    pub fn reason(self) -> Reason {
        match self {
            Self::BeforeRequest(why) | Self::AfterRequest(why) => why,
        }
    }
}

/// The guarded client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Http {
    dialer: Dialer,
    pool: Arc<Pool>,
    witnesses: Arc<witnesses::Witnesses>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// A client under these rules.
    pub fn new(egress: Egress) -> Self {
        Self::with_resolver(egress, Arc::new(SystemResolver))
    }

    /// A client that looks names up elsewhere than in the operating system.
    pub fn with_resolver(egress: Egress, resolver: Arc<dyn Resolve>) -> Self {
        Self::trusting(egress, resolver, &[]).expect("Mozilla's roots are certificates")
    }

    /// A client that also trusts these certificate authorities (DER), for servers inside a company. Fails when one of them is no
    /// certificate.
    pub fn trusting(
        egress: Egress,
        resolver: Arc<dyn Resolve>,
        authorities: &[Vec<u8>],
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            dialer: Dialer::new(egress, resolver, authorities)?,
            pool: Arc::default(),
            witnesses: Arc::default(),
        })
    }

    /// The same client by another boot clock; tests freeze themselves with it.
    #[must_use]
    pub fn by_clock(mut self, boot: BootClock) -> Self {
        self.dialer = self.dialer.by_clock(boot);
        self
    }

    /// What providers said of the time since the last time this was asked.
    pub fn witnesses(&self) -> Vec<Witness> {
        self.witnesses.fresh()
    }

    /// The clock by which calls end.
    pub fn boot(&self) -> &BootClock {
        self.dialer.boot()
    }

    /// The dialer, for channels that speak something else than HTTP.
    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Makes one call. Redirects are answers like any other. A pooled connection that turns out to be closed before anything
    /// was written to it is replaced by another; nothing is ever written twice.
    pub async fn call(&self, call: Call) -> Result<Answer, Broke> {
        let began = self.boot().now();
        let last = call.ends.map_or(began + call.deadline, |ends| {
            ends.min(began + call.deadline)
        });
        let end = Instant::now() + last.saturating_sub(began);
        let mut url = Target::of(&call.uri).map_err(Broke::BeforeRequest)?;
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = std::mem::take(&mut url.origin);
        *request.headers_mut() = call.headers;
        if !request.headers().contains_key(header::HOST) {
            let host = HeaderValue::from_str(url.key.authority.as_str())
                .map_err(|_| Broke::BeforeRequest(bad_url("its host cannot be sent")))?;
            request.headers_mut().insert(header::HOST, host);
        }
        loop {
            let (mut connection, reused) = match self.pool.take(&url.key) {
                Some(idle) => (idle, true),
                None => match timeout_at(end, self.connect(&url)).await {
                    Ok(connection) => (connection?, false),
                    Err(_) => {
                        return Err(Broke::BeforeRequest(late("before the connection stood")));
                    }
                },
            };
            // A connection that just finished needs a moment to notice; one that closed meanwhile says so here.
            if reused && !connection.sender.is_ready() {
                let soon = end.min(Instant::now() + FREE_AGAIN);
                match timeout_at(soon, connection.sender.ready()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => continue,
                }
            }
            // Frozen meanwhile (SIGSTOP, a paused machine)? The lease may have passed on: nothing is written any more.
            if Instant::now() >= end || self.boot().now() >= last {
                return Err(Broke::BeforeRequest(late("before the request was made")));
            }
            let before = connection.meter.written();
            connection.meter.allow_until(last);
            let sent = timeout_at(end, connection.sender.try_send_request(request)).await;
            let answer = match sent {
                Ok(Ok(answer)) => answer,
                Ok(Err(mut error)) => match error.take_message() {
                    // Given back by the connection: it never began with it.
                    Some(unsent) if reused && connection.meter.written() == before => {
                        request = unsent;
                        continue;
                    }
                    _ => {
                        let why = broken(error.error());
                        return Err(if connection.meter.written() == before {
                            Broke::BeforeRequest(why)
                        } else {
                            Broke::AfterRequest(why)
                        });
                    }
                },
                Err(_) => return Err(Broke::AfterRequest(late("without an answer"))),
            };
            let (head, body) = answer.into_parts();
            self.witnesses
                .hear(url.key.authority.as_str(), &head.headers, self.boot());
            let (body, cut) = match timeout_at(end, read(body)).await {
                Ok(Ok(read)) => read,
                Ok(Err(error)) => return Err(Broke::AfterRequest(broken(&error))),
                Err(_) => return Err(Broke::AfterRequest(late("in the middle of the answer"))),
            };
            if !cut {
                self.pool.give(url.key, connection);
            }
            return Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
                cut,
            });
        }
    }

    /// Opens a connection to an address, with TLS where it is https, and says nothing on it.
    pub async fn reach(&self, uri: &Uri) -> Result<(), Reason> {
        let target = Target::of(uri)?;
        self.connect(&target).await.map(drop).map_err(Broke::reason)
    }

    async fn connect(&self, url: &Target) -> Result<Idle, Broke> {
        let before = |error: DialError| Broke::BeforeRequest(error.0);
        let plain = !url.key.encrypted;
        let host = url.key.authority.host();
        let tcp = self
            .dialer
            .tcp(host, url.port, plain)
            .await
            .map_err(before)?;
        let wire = if plain {
            Wire::plain(tcp, self.boot().clone())
        } else {
            let tls = self.dialer.tls(host, tcp).await.map_err(before)?;
            Wire::tls(tls, self.boot().clone())
        };
        pool::open(wire)
            .await
            .map_err(|error| Broke::BeforeRequest(broken(&error)))
    }
}

/// Where a call goes, taken apart.
struct Target {
    key: Key,
    port: u16,
    origin: Uri,
}

impl Target {
    fn of(uri: &Uri) -> Result<Self, Reason> {
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(bad_url("it starts with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad_url("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad_url("it carries a user name"));
        }
        let origin = uri
            .path_and_query()
            .map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()));
        let port = authority
            .port_u16()
            .unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Self {
            key: Key {
                encrypted,
                authority: authority.clone(),
            },
            port,
            origin,
        })
    }
}

/// Reads an address that a person typed, as a browser would: names in other scripts become ASCII, numbers in other bases become
/// plain addresses, so that the guard sees what will be dialled. The answer is a sentence on what to mend.
pub fn parse_url(typed: &str) -> Result<Uri, String> {
    let url = url::Url::parse(typed.trim())
        .map_err(|error| format!("This is not an address that can be called: {error}."))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("The address must start with https://.".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("The address must not carry a user name or password.".into());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("The address has no host.".into());
    }
    if url.fragment().is_some() {
        return Err("The address must not have a part after #.".into());
    }
    url.as_str()
        .parse()
        .map_err(|error| format!("This is not an address that can be called: {error}."))
}

impl Http {
    /// Tells early, without looking anything up, that an address cannot be called: a literal private address, or plain http
    /// where it is not allowed. What passes here is checked again when it is dialled.
    pub fn check(&self, uri: &Uri) -> Result<(), String> {
        let target = Target::of(uri).map_err(|why| why.detail)?;
        let host = target.key.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let egress = self.dialer.egress();
        let literal = bare.parse().ok();
        if let Some(address) = literal
            && !egress.permits(address)
        {
            return Err(format!(
                "{address} is not on the public internet; the operator can list its network under egress.allow."
            ));
        }
        let listed = literal.map_or(!egress.allow.is_empty(), |address| egress.lists(address));
        if !target.key.encrypted && !egress.allow_http && !listed {
            return Err("The address must start with https://.".into());
        }
        Ok(())
    }
}

/// The body up to the cap, and whether there was more. A body in one piece is not copied.
async fn read(mut body: Incoming) -> Result<(Bytes, bool), hyper::Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue; // trailers
        };
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        if first.len().max(rest.len()) > BODY_CAP {
            let mut whole = if rest.is_empty() {
                first
            } else {
                rest.freeze()
            };
            whole.truncate(BODY_CAP);
            return Ok((whole, true));
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok((
        if rest.is_empty() {
            first
        } else {
            rest.freeze()
        },
        false,
    ))
}

fn bad_url(what: &str) -> Reason {
    Reason::new("url", format!("The address cannot be called: {what}."))
}

fn late(when: &str) -> Reason {
    Reason::new("timeout", format!("The time ran out {when}."))
}

fn broken(error: &hyper::Error) -> Reason {
    if error.is_parse() {
        Reason::new("not_http", "The answer was not HTTP.")
    } else if error.is_incomplete_message() {
        Reason::new(
            "closed",
            "The connection closed before the whole answer was there.",
        )
    } else {
        Reason::new("broken", "The connection broke.")
    }
}
