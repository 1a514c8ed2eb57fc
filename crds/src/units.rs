//! Sizes and lengths of time as people write them in the resource.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a size may look like; also the rule's expression in the schema.
pub const SIZE_RULE: &str = "self.matches('^[1-9][0-9]{0,8}(Ki|Mi|Gi|Ti|k|M|G|T)?$')";
/// What to write instead of a size that is not one.
pub const SIZE_HINT: &str = "write a whole number with a unit, such as 512Mi, 10Gi or 1Ti";
/// What a length of time may look like; also the rule's expression in the schema.
pub const SPAN_RULE: &str =
    "self.matches('^([1-9][0-9]{0,6}h)?([1-9][0-9]{0,6}m)?([1-9][0-9]{0,6}s)?$') && size(self) > 1";
/// What to write instead of a length of time that is not one.
pub const SPAN_HINT: &str =
    "write whole hours, minutes and seconds in this order, such as 30s, 10m, 168h or 1h30m";

/// A number of bytes such as `10Gi`: a whole number with a Kubernetes unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Size(#[schemars(length(min = 1, max = 16))] pub String);

impl Size {
    /// The number of bytes, or `None` where the text is not a size (the schema refuses that).
    pub fn bytes(&self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = self.0.split_at(digits);
        let factor: u64 = match unit {
            "" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor)
    }
}

impl From<&str> for Size {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A length of time such as `168h` or `1h30m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Span(#[schemars(length(min = 2, max = 24))] pub String);

impl Span {
    /// The length of time, or `None` where the text is not one (the schema refuses that).
    pub fn duration(&self) -> Option<Duration> {
        let mut seconds: u64 = 0;
        let mut number: Option<u64> = None;
        let mut smallest = u64::MAX;
        for byte in self.0.bytes() {
            if byte.is_ascii_digit() {
                let digit = u64::from(byte - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            let unit: u64 = match byte {
                b'h' => 3600,
                b'm' => 60,
                b's' => 1,
                _ => return None,
            };
            if unit >= smallest {
                return None;
            }
            smallest = unit;
            seconds = seconds.checked_add(number.take()?.checked_mul(unit)?)?;
        }
        (number.is_none() && seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_bytes() {
        let bytes = |text: &str| Size::from(text).bytes();
        assert_eq!(bytes("10Gi"), Some(10 << 30));
        assert_eq!(bytes("1500M"), Some(1_500_000_000));
        assert_eq!(bytes("7"), Some(7));
        assert_eq!(bytes("1.5Gi"), None);
        assert_eq!(bytes("Gi"), None);
        assert_eq!(bytes("999999999999Ti"), None);
    }

    #[test]
    fn spans_are_read_in_seconds() {
        let seconds = |text: &str| Span::from(text).duration().map(|span| span.as_secs());
        assert_eq!(seconds("168h"), Some(168 * 3600));
        assert_eq!(seconds("1h30m5s"), Some(5405));
        assert_eq!(seconds("5s1h"), None);
        assert_eq!(seconds("5"), None);
        assert_eq!(seconds("h"), None);
        assert_eq!(seconds("1h1h"), None);
    }
}
