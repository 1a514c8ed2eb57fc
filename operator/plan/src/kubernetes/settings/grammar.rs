//! What names, labels, images and networks may look like: the API server's own rules, so that what
//! breaks them is told where it stands in the resource.

use std::net::IpAddr;

/// Longest part of a name, and longest value of a label.
const LABEL: usize = 63;
/// Longest DNS name.
const NAME: usize = 253;

/// A name of an object: lower-case letters, digits, `-` and `.`.
pub(super) fn is_object_name(text: &str) -> bool {
    text.len() <= NAME && text.split('.').all(is_dns_label)
}

fn is_dns_label(text: &str) -> bool {
    text.len() <= LABEL
        && starts_and_ends(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

fn starts_and_ends(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    let fits = |c: Option<u8>| c.is_some_and(&fits);
    fits(text.bytes().next()) && fits(text.bytes().last())
}

/// The key of a label or an annotation: a name, or a DNS name, `/` and a name.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_object_name(prefix) && is_label_name(name),
        None => is_label_name(text),
    }
}

/// The value of a label.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

fn is_label_name(text: &str) -> bool {
    text.len() <= LABEL
        && starts_and_ends(text, |c| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

/// The repository of an image, without tag and digest.
pub(super) fn is_repository(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('/').collect();
    let registry = parts
        .first()
        .filter(|first| parts.len() > 1 && (first.contains(['.', ':']) || **first == "localhost"));
    let registry_fits = registry.is_none_or(|registry| is_registry(registry));
    if registry.is_some() {
        parts.remove(0);
    }
    registry_fits && parts.iter().all(|part| is_repository_part(part))
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    is_object_name(&host.to_ascii_lowercase()) && port.parse::<u16>().is_ok()
}

fn is_repository_part(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    starts_and_ends(text, word) && text.bytes().all(|c| word(c) || b"-_.".contains(&c))
}

/// The tag of an image.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|c| word(c) || b"-.".contains(&c))
}

/// The digest of an image.
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// A network in its shortest form, named by its first address.
pub(super) fn is_network(text: &str) -> bool {
    let first = || {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = length.parse().ok()?;
        let network = first_of(address, bits.checked_sub(length)?);
        Some(format!("{network}/{length}"))
    };
    first().as_deref() == Some(text)
}

/// An address with its last bits cleared.
fn first_of(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(bits).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(bits).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_and_what_does_not() {
        type Rule = fn(&str) -> bool;
        let long = "a".repeat(64);
        let table: [(Rule, &[&str], &[&str]); 5] = [
            (
                is_object_name,
                &["a", "a-1", "fast.ssd"],
                &["", "A", "a_b", "-a", "a-", "a..b", ".a", &long],
            ),
            (
                is_label_key,
                &["a", "A_b.c-d", "example.org/x"],
                &["", "/a", "a/", "a/b/c", "EXAMPLE.org/x", "-a", &long],
            ),
            (
                is_label_value,
                &["", "a", "A_b.c-d", "2"],
                &["-", "a b", "a/", &long],
            ),
            (
                is_repository,
                &[
                    "nats",
                    "library/nats",
                    "docker.io/library/nats",
                    "localhost/nats",
                    "Registry.example.org:5000/a/b_c",
                    "a/b.c/d",
                ],
                &[
                    "",
                    "nats:2.15",
                    "nats@sha256:0",
                    "Nats",
                    "a//b",
                    "/a",
                    "a/",
                    "example.org:port/a",
                    "https://example.org/a",
                    "example.org:5000/Nats",
                ],
            ),
            (
                is_tag,
                &["2.15.1", "2.15.1-alpine", "_x", "V1"],
                &["", "-1", "a b", "a:b", ".1"],
            ),
        ];
        for (rule, fit, unfit) in table {
            for text in fit {
                assert!(rule(text), "{text}");
            }
            for text in unfit {
                assert!(!rule(text), "{text}");
            }
        }
    }

    #[test]
    fn networks_are_named_by_their_first_address() {
        for good in [
            "192.0.2.0/24",
            "0.0.0.0/0",
            "192.0.2.7/32",
            "2001:db8::/32",
            "::/0",
        ] {
            assert!(is_network(good), "{good}");
        }
        for bad in [
            "",
            "192.0.2.0",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "192.0.2.0/",
            "192.0.2/24",
            "2001:db8::/129",
            "2001:DB8::/32",
            "a/8",
            "192.0.2.0/+8",
        ] {
            assert!(!is_network(bad), "{bad}");
        }
    }
}
