//! Which addresses the server may speak to (X8).

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What outgoing connections may reach beside the public internet over TLS.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Networks that may be reached although they are private; plain `http` is allowed to them too. Empty by default.
    pub allow: Vec<IpNet>,
    /// Allows plain `http` to public addresses. Off by default.
    pub allow_http: bool,
}

impl Egress {
    /// True when the operator listed this address. An IPv4 address inside an IPv6 form counts as itself.
    pub fn lists(&self, address: IpAddr) -> bool {
        let plain = address.to_canonical();
        self.allow
            .iter()
            .any(|net| net.contains(&address) || net.contains(&plain))
    }

    /// True when a connection to this address may be made: it is public, or the operator listed it.
    pub fn permits(&self, address: IpAddr) -> bool {
        is_global(address) || self.lists(address)
    }
}

/// True for addresses of the public internet. Everything that could be a machine inside is refused: the special blocks of
/// RFC 6890 and its successors, and IPv6 forms that carry such an IPv4 address.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => global_v4(v4),
        IpAddr::V6(v6) => global_v6(v6),
    }
}

fn global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _)
    )
}

fn global_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        global_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low), // IPv4-mapped
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low), // NAT64
        [0x2002, high, low, ..] => embedded(high, low),            // 6to4
        [0x2001, 0, high, low, _, _, x, y] => embedded(high, low) && embedded(!x, !y), // Teredo: server and client
        [0x2001, second, ..] if second < 0x200 => false, // the rest of 2001::/23 is for protocols
        [0x2001, 0xdb8, ..] | [0x3fff, ..=0x0fff, ..] => false, // documentation
        [first, ..] => first & 0xe000 == 0x2000,         // 2000::/3 is all of global unicast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// X8: the blocks of the list, their edges and their disguises.
    #[test]
    fn only_public_addresses_pass() {
        for (address, global) in [
            ("1.1.1.1", true),
            ("9.255.255.255", true),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("128.0.0.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("169.254.169.254", false),
            ("172.15.255.255", true),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.0.8", false),
            ("192.0.1.1", true),
            ("192.0.2.1", false),
            ("192.168.0.1", false),
            ("198.17.255.255", true),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("198.20.0.0", true),
            ("198.51.100.7", false),
            ("203.0.113.7", false),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::ffff:0:127.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b::8.8.8.8", true),
            ("64:ff9b:1::8.8.8.8", false),
            ("2002:7f00:1::", false),
            ("2002:808:808::", true),
            ("2001:0:808:808::f5ff:fffe", false),
            ("2001:0:a00:1::f7f7:f7f7", false),
            ("2001:0:808:808::f7f7:f7f7", true),
            ("2001:db8::1", false),
            ("2001:10::1", false),
            ("2001:4860:4860::8888", true),
            ("2606:4700::1", true),
            ("3fff::1", false),
            ("3fff:fff::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("100::1", false),
            ("4000::1", false),
        ] {
            assert_eq!(is_global(address.parse().unwrap()), global, "{address}");
        }
    }

    /// X8: what the operator lists may be reached, also in its IPv6 disguise.
    #[test]
    fn the_operator_may_list_private_networks() {
        let egress = Egress {
            allow: vec!["10.1.0.0/16".parse().unwrap()],
            allow_http: false,
        };
        assert!(egress.permits("10.1.2.3".parse().unwrap()));
        assert!(egress.permits("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!egress.permits("10.2.2.3".parse().unwrap()));
        assert!(!egress.permits("127.0.0.1".parse().unwrap()));
    }
}
