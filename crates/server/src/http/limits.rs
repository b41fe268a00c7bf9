//! Limits of requests, kept in memory: per tenant (X3) and per address on public routes.

use ringback_core::ids::{KeyId, TenantId};
use ringback_core::time::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket that fills steadily: a minute's worth at most.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// What is left of a limit, for the RateLimit headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Requests a minute.
    pub limit: u32,
    /// Requests left now.
    pub remaining: u32,
    /// Seconds until one more may come, 0 when it may.
    pub wait: u32,
}

/// Every bucket.
#[derive(Debug)]
pub struct Limits {
    tenants: Mutex<HashMap<TenantId, Bucket>>,
    addresses: Mutex<HashMap<(IpAddr, &'static str), Bucket>>,
    used: Mutex<HashMap<KeyId, Timestamp>>,
    public_per_minute: u32,
}

/// More addresses than this are not remembered; the fullest buckets go first.
const MOST_ADDRESSES: usize = 50_000;

impl Limits {
    /// With so many requests a minute for one address on public routes.
    pub fn new(public_per_minute: u32) -> Self {
        Self {
            tenants: Mutex::default(),
            addresses: Mutex::default(),
            used: Mutex::default(),
            public_per_minute,
        }
    }

    /// A tenant's request. `Err` when it is one too many.
    pub fn tenant(&self, tenant: TenantId, per_minute: u32) -> Result<Left, Left> {
        let mut buckets = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        draw(buckets.entry(tenant), per_minute)
    }

    /// A request on a public route by address. `what` names the limit, `per_minute` is its size.
    pub fn address(
        &self,
        address: IpAddr,
        what: &'static str,
        per_minute: u32,
    ) -> Result<Left, Left> {
        let mut buckets = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_ADDRESSES {
            let now = crate::loops::instant();
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < Duration::from_secs(60));
            if buckets.len() >= MOST_ADDRESSES {
                buckets.clear();
            }
        }
        draw(buckets.entry((network(address), what)), per_minute)
    }

    /// Notes that a key was used.
    pub fn used(&self, key: KeyId, at: Timestamp) {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, at);
    }

    /// The keys that were used since the last call.
    pub fn take_used(&self) -> Vec<(KeyId, Timestamp)> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
            .collect()
    }

    /// A request on any public route by address.
    pub fn public(&self, address: IpAddr) -> Result<Left, Left> {
        self.address(address, "public", self.public_per_minute)
    }
}

/// One household is one caller: an IPv6 address counts as its /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn draw<K>(
    entry: std::collections::hash_map::Entry<'_, K, Bucket>,
    per_minute: u32,
) -> Result<Left, Left> {
    let now = crate::loops::instant();
    let size = f64::from(per_minute.max(1));
    let bucket = entry.or_insert(Bucket {
        left: size,
        at: now,
    });
    bucket.left =
        (bucket.left + now.duration_since(bucket.at).as_secs_f64() * size / 60.0).min(size);
    bucket.at = now;
    if bucket.left >= 1.0 {
        bucket.left -= 1.0;
        Ok(Left {
            limit: per_minute,
            remaining: bucket.left as u32,
            wait: 0,
        })
    } else {
        let wait = ((1.0 - bucket.left) * 60.0 / size).ceil() as u32;
        Err(Left {
            limit: per_minute,
            remaining: 0,
            wait: wait.max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X3: the sixty-first request of a minute is one too many, and the answer says when to come back.
    #[test]
    fn the_request_over_the_limit_is_refused() {
        let limits = Limits::new(10);
        let tenant = TenantId::from_raw(1);
        assert_eq!(
            (0..60)
                .filter(|_| limits.tenant(tenant, 60).is_ok())
                .count(),
            60
        );
        let refused = limits.tenant(tenant, 60).unwrap_err();
        assert_eq!((refused.limit, refused.remaining), (60, 0));
        assert!(refused.wait >= 1);
        assert!(limits.tenant(TenantId::from_raw(2), 60).is_ok());
    }

    /// One household is one caller.
    #[test]
    fn addresses_of_one_network_share_a_limit() {
        let limits = Limits::new(1);
        assert!(limits.public("2001:db8:1:2::1".parse().unwrap()).is_ok());
        assert!(
            limits
                .public("2001:db8:1:2::ffff".parse().unwrap())
                .is_err()
        );
        assert!(limits.public("2001:db8:1:3::1".parse().unwrap()).is_ok());
    }
}
