//! Numbers as people read them, in the notation of the resource.

use std::time::Duration;

/// `no messages`, `1 message`, `12,345 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", grouped(number)),
    }
}

/// `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Units of a size, the largest first.
const UNITS: [(u64, &str); 4] = [
    (1 << 40, "Ti"),
    (1 << 30, "Gi"),
    (1 << 20, "Mi"),
    (1 << 10, "Ki"),
];

/// A size that a resource says: `10Gi`, `1500Mi`, and to the byte where no unit fits.
pub(crate) fn size(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor))
        .map_or_else(
            || count(bytes, "byte"),
            |(factor, unit)| format!("{}{unit}", bytes / factor),
        )
}

/// A size that was measured: `1.4Gi`, rounded down.
pub(crate) fn measured_size(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(factor, _)| bytes >= *factor)
        .map_or_else(
            || count(bytes, "byte"),
            |(factor, unit)| {
                let tenths = u128::from(bytes) * 10 / u128::from(*factor);
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            },
        )
}

/// A length of time that a resource says: `168h`, `1h30m`.
pub(crate) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// An age that was measured: whole hours from two hours on, whole minutes below.
pub(crate) fn age(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let unit = if seconds >= 7200 { 3600 } else { 60 };
    span(Duration::from_secs(if seconds < 60 {
        seconds
    } else {
        seconds / unit * unit
    }))
}

/// `a`, `a and b`, `a, b and c`, and `nothing`.
pub(crate) fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.pop() {
        None => "nothing".to_owned(),
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
    }
}

/// The same, and `none` where there is none.
pub(crate) fn list_or_none(items: impl IntoIterator<Item = impl ToString>) -> String {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        "none".to_owned()
    } else {
        list(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let table = [
            (count(0, "message"), "no messages"),
            (count(1, "message"), "1 message"),
            (count(12_345, "message"), "12,345 messages"),
            (grouped(1_000_000), "1,000,000"),
            (size(10 << 30), "10Gi"),
            (size(1500 << 20), "1500Mi"),
            (size(1_500), "1,500 bytes"),
            (size(0), "no bytes"),
            (measured_size((1 << 30) + (1 << 29)), "1.5Gi"),
            (measured_size(1_023), "1,023 bytes"),
            (measured_size(u64::MAX), "16777215.9Ti"),
            (span(Duration::from_secs(168 * 3600)), "168h"),
            (span(Duration::from_secs(5405)), "1h30m5s"),
            (span(Duration::ZERO), "0s"),
            (age(59), "59s"),
            (age(125), "2m"),
            (age(7_300), "2h"),
            (age(-5), "0s"),
            (list(["a"]), "a"),
            (list(["a", "b", "c"]), "a, b and c"),
            (list(Vec::<String>::new()), "nothing"),
            (list_or_none(Vec::<String>::new()), "none"),
            (list_or_none(["a", "b"]), "a and b"),
        ];
        for (found, wanted) in table {
            assert_eq!(found, wanted);
        }
    }
}
