//! Networks of addresses, as people write them: `10.244.0.0/16` (RFC 4632, section 3.1) or `fd00::/8` (RFC 4291, section 2.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MOST_NETWORKS: usize = 64;

/// Some networks; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    /// The first of them. An IPv6 address that stands for an IPv4 address is one.
    first: IpAddr,
    bits: u32,
}

impl Networks {
    /// What [`Networks::parse`] accepts, for people.
    pub const ACCEPTED: &str =
        "at most 64 networks or addresses with commas between them, such as 10.244.0.0/16,fd00::/8";

    /// Reads a list with commas between its entries; an address alone is a network of one. Bits behind a
    /// prefix do not count, as in nginx: 10.0.0.1/8 is 10.0.0.0/8. An empty text is an empty list.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::default());
        }
        let networks: Vec<Network> =
            text.split(',').map(|entry| Network::parse(entry.trim())).collect::<Option<_>>()?;
        (networks.len() <= MOST_NETWORKS).then_some(Self(networks))
    }

    /// Whether `address` is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let width = width(written);
        let bits = match bits {
            None => width,
            // `parse` alone would take a sign.
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= width)?
            }
            Some(_) => return None,
        };
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8; a shorter prefix has more than IPv4 in it, and stays what it is.
        let (first, bits) = match written.to_canonical() {
            IpAddr::V4(mapped) if width == 128 && bits >= 96 => (IpAddr::V4(mapped), bits - 96),
            _ => (written, bits),
        };
        Some(Self { first: start(first, bits), bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && start(address, self.bits) == self.first
    }
}

/// How many bits an address like this one has.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with all zeros but its first `bits`.
fn start(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        // A shift by all bits is none of a number.
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(networks: &str, address: &str) -> bool {
        Networks::parse(networks).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn networks_by_the_table() {
        for (networks, address, expected) in [
            ("", "127.0.0.1", false),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("10.0.0.1/8", "10.0.0.0", true),
            ("10.0.0.1/8", "11.0.0.1", false),
            ("::ffff:10.0.0.1/104", "10.1.2.3", true),
            ("fd00::1/64", "fd00::2", true),
            ("fd00::1/64", "fd00:0:0:1::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("fd00::/8, 10.0.0.0/8", "fd12::1", true),
            (" fd00::/8 ,10.0.0.0/8", "10.0.0.1", true),
            ("2001:db8::/33", "2001:db8:8000::", false),
            ("2001:db8::1", "2001:db8::1", true),
        ] {
            assert_eq!(contains(networks, address), expected, "{networks} {address}");
        }
    }

    #[test]
    fn what_is_no_list_of_networks_is_refused() {
        for text in [
            ",",
            "10.0.0.0/8,",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
            "10.0.0/8",
            "010.0.0.0/8",
            "fd00::/129",
            "[fd00::]/8",
            "fe80::1%eth0",
            "ingress",
            "10.0.0.0/99999999999",
        ] {
            assert_eq!(Networks::parse(text), None, "{text}");
        }
        let many = |count| vec!["10.0.0.0/8"; count].join(",");
        assert!(Networks::parse(&many(64)).is_some());
        assert!(Networks::parse(&many(65)).is_none());
    }

    proptest! {
        /// Bit by bit, as the notation is defined.
        #[test]
        fn an_address_is_in_a_network_if_its_first_bits_are_the_same(
            network: u32, bits in 0_u32..=32, flipped in 0_u32..32,
        ) {
            let networks = Networks::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(network))).unwrap();
            prop_assert!(networks.contains(Ipv4Addr::from_bits(network).into()));
            let other = Ipv4Addr::from_bits(network ^ (1 << (31 - flipped)));
            prop_assert_eq!(networks.contains(other.into()), flipped >= bits);
        }
    }
}
