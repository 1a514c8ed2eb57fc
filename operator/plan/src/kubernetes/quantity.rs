//! Quantities of Kubernetes (`500m`, `1.5Gi`): read, compared, and written the one way in which the
//! API server stores them. What is applied must be what is stored, or it would be applied for ever.

/// Nano-units: the API server knows nothing smaller.
const SCALE: i128 = 1_000_000_000;
/// The largest quantity that the API server keeps as it is.
const MOST: i128 = i64::MAX as i128 * SCALE;

/// Decimal units, by their power of ten.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Binary units, by their power of two.
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// In which units a quantity was written, and is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notation {
    Decimal,
    Exponent,
    Binary,
}

/// A quantity that is not negative.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    nano: i128,
    notation: Notation,
}

impl Amount {
    /// Reads a quantity; `None` where it is not one, or is negative, or finer or larger than the API
    /// server keeps.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let (factor, notation) = factor(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse::<i128>().ok()?;
        let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let nano = match factor {
            Factor::Times(factor) => {
                let product = digits.checked_mul(factor)?;
                (product % divisor == 0).then_some(product / divisor)?
            }
            Factor::Over(factor) => {
                let divisor = divisor.checked_mul(factor)?;
                (digits % divisor == 0).then_some(digits / divisor)?
            }
        };
        (nano <= MOST).then_some(Self { nano, notation })
    }

    /// How many whole units it is, a started one not counted.
    pub fn whole(self) -> u64 {
        u64::try_from(self.nano / SCALE).unwrap_or(u64::MAX)
    }

    /// Whether it is more than another.
    pub fn exceeds(self, other: Self) -> bool {
        self.nano > other.nano
    }

    /// Without a fraction, in the largest unit that leaves none: so written, the API server stores it
    /// to the letter.
    pub fn canonical(self) -> String {
        let in_binary = match self.notation {
            Notation::Binary if self.nano % SCALE == 0 => binary(self.nano / SCALE),
            Notation::Binary | Notation::Decimal | Notation::Exponent => None,
        };
        if let Some(text) = in_binary {
            return text;
        }
        match (decimal(self.nano), self.notation) {
            ((number, 0), _) => number.to_string(),
            ((number, power), Notation::Exponent) => format!("{number}e{power}"),
            ((number, power), Notation::Binary | Notation::Decimal) => {
                let unit = DECIMAL.iter().find(|(_, of)| *of == power);
                format!("{number}{}", unit.map_or("", |(unit, _)| unit))
            }
        }
    }
}

/// A number of bytes.
pub fn of_bytes(bytes: u64) -> String {
    binary(bytes.into()).unwrap_or_else(|| {
        let (nano, notation) = (i128::from(bytes) * SCALE, Notation::Decimal);
        Amount { nano, notation }.canonical()
    })
}

/// What a number of nano-units is multiplied with or divided by.
enum Factor {
    Times(i128),
    Over(i128),
}

fn factor(unit: &str) -> Option<(Factor, Notation)> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == unit) {
        let factor = 1_i128.checked_shl(*power)?.checked_mul(SCALE)?;
        return Some((Factor::Times(factor), Notation::Binary));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == unit) {
        return Some((power_of_ten(power + 9)?, Notation::Decimal));
    }
    let power: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((power_of_ten(power.checked_add(9)?)?, Notation::Exponent))
}

fn power_of_ten(power: i32) -> Option<Factor> {
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 {
        Factor::Over(factor)
    } else {
        Factor::Times(factor)
    })
}

/// A number and the power of ten, a multiple of three, that together are so many nano-units.
fn decimal(nano: i128) -> (i128, i32) {
    if nano == 0 {
        return (0, 0);
    }
    let (mut number, mut power) = (nano, -9);
    while number % 1000 == 0 && power < 18 {
        number /= 1000;
        power += 3;
    }
    (number, power)
}

/// The number in the largest binary unit that leaves no fraction, if there is one.
fn binary(units: i128) -> Option<String> {
    let mut number = units;
    let mut unit = None;
    for (name, _) in BINARY {
        if number == 0 || number % 1024 != 0 {
            break;
        }
        number /= 1024;
        unit = Some(name);
    }
    unit.map(|unit| format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::{Amount, of_bytes};

    /// Measured: what `resource.Quantity` of Kubernetes 1.36 writes for each, and for what stands
    /// beside it.
    #[test]
    fn quantities_are_written_as_the_api_server_stores_them() {
        let table = [
            ("0", "0"),
            ("1", "1"),
            ("100m", "100m"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("1.5", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1500000", "1500k"),
            ("1000k", "1M"),
            ("0.0015", "1500u"),
            ("1000n", "1u"),
            ("0.000000001", "1n"),
            ("1500M", "1500M"),
            ("1E", "1E"),
            ("1024Ki", "1Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1000Ki", "1000Ki"),
            ("0.3Ki", "307200m"),
            ("1023.5Ki", "1048064"),
            ("7Ei", "7Ei"),
            ("0Gi", "0"),
            ("1e3", "1e3"),
            ("1e1", "10"),
            ("1.5e3", "1500"),
            ("1e-3", "1e-3"),
            ("15e-1", "1500e-3"),
            ("9223372036854775807", "9223372036854775807"),
            ("1.0", "1"),
            // These it would store as they are, though not from another client.
            ("+5", "5"),
            ("1.", "1"),
            ("00012", "12"),
            ("1E3", "1e3"),
            ("1e0", "1"),
            ("1.953125Ki", "2k"),
        ];
        for (text, stored) in table {
            let amount = Amount::read(text).unwrap_or_else(|| panic!("{text} is a quantity"));
            assert_eq!(amount.canonical(), stored, "{text}");
            let again = Amount::read(stored).map(Amount::canonical);
            assert_eq!(again.as_deref(), Some(stored), "{stored}");
        }
    }

    #[test]
    fn what_is_no_quantity() {
        for text in [
            "",
            ".",
            "Gi",
            "1.2.3",
            "-1",
            "1 Gi",
            "1gi",
            "1ki",
            "1e",
            "1eX",
            "1K",
            "ten",
            "9E9E",
            "10E",
            "1e40",
            "0.0000000001",
        ] {
            assert!(Amount::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn amounts_are_compared_by_what_they_are() {
        let amount = |text| Amount::read(text).expect("a quantity");
        assert!(amount("1Gi").exceeds(amount("1G")));
        assert!(!amount("1024Mi").exceeds(amount("1Gi")));
        assert_eq!(amount("1.5").whole(), 1);
        assert_eq!(amount("512Mi").whole(), 512 << 20);
        assert_eq!(of_bytes(10 << 30), "10Gi");
        assert_eq!(of_bytes(1_500_000_000), "1500M");
        assert_eq!(of_bytes(7), "7");
    }
}
