//! Resources made by chance from a seed: every user with other rights, overlapping ones among them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::rights::{AUDITOR, HERALD};

const DOMAINS: [&str; 4] = ["activity", "science", "data", "alert-2"];
const PROGRAMS: [&str; 6] = ["calibration", "core_program", "too", "vhf", "x-band", "7"];

/// A resource with `users` users by chance, beside the herald and the auditor. The same seed gives
/// the same text.
pub fn resource(seed: u64, users: usize) -> String {
    let mut chance = Chance(seed);
    let mut text = format!("{}spec:\n  domains:\n", head(&format!("gen-{seed}")));
    for domain in DOMAINS {
        let _ = writeln!(
            text,
            "    - {{name: {domain}, programs: [{}], maxBytes: 64Mi}}",
            quoted(&PROGRAMS)
        );
    }
    text.push_str("  users:\n");
    text.push_str(&herald_and_auditor(&DOMAINS));
    for number in 0..users {
        let (publish, subscribe) = (patterns(&mut chance), patterns(&mut chance));
        let _ = writeln!(
            text,
            "    - name: user-{number}\n      publish: [{}]\n      subscribe: [{}]",
            quoted(&publish),
            quoted(&subscribe)
        );
        if number % 4 == 1 {
            text.push_str("      authentication: NKey\n");
        }
        let durables: Vec<&String> = subscribe
            .iter()
            .filter(|pattern| !pattern.starts_with('*'))
            .collect();
        for (index, pattern) in durables.iter().take(chance.below(3)).enumerate() {
            let durables = if index == 0 { "      durables:\n" } else { "" };
            let _ = writeln!(
                text,
                "{durables}        - {{name: d{index}, queues: ['{pattern}']}}"
            );
        }
    }
    text
}

/// The first lines of a resource.
pub fn head(name: &str) -> String {
    format!(
        "apiVersion: messaging.svom.eu/v1alpha1\nkind: SvomMessaging\nmetadata: {{name: {name}}}\n"
    )
}

/// The entries of the user that publishes to everything and of the one that hears everything.
pub fn herald_and_auditor(domains: &[&str]) -> String {
    let all: Vec<String> = domains.iter().map(|domain| format!("{domain}.*")).collect();
    let durables: Vec<String> = domains
        .iter()
        .map(|domain| format!("{{name: {domain}, queues: ['{domain}.*'], maxAckPending: 100000}}"))
        .collect();
    format!(
        "    - {{name: {HERALD}, publish: [{}]}}\n    - name: {AUDITOR}\n      subscribe: [{}]\n      durables: [{}]\n",
        quoted(&all),
        quoted(&all),
        durables.join(", ")
    )
}

fn patterns(chance: &mut Chance) -> BTreeSet<String> {
    let count = chance.below(5);
    (0..count)
        .map(|_| {
            let domain = chance.of(&DOMAINS);
            let program = chance.of(&PROGRAMS);
            match chance.below(6) {
                0 => format!("{domain}.*"),
                1 => format!("*.{program}"),
                _ => format!("{domain}.{program}"),
            }
        })
        .collect()
}

fn quoted<'a, T: AsRef<str> + 'a>(words: impl IntoIterator<Item = &'a T>) -> String {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| format!("'{}'", word.as_ref()))
        .collect();
    words.join(", ")
}

/// SplitMix64: good enough to draw rights, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit; 0 where the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.draw() % limit).unwrap_or_default()
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len());
        words.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Rights;

    #[test]
    fn the_same_seed_gives_the_same_rights_and_another_gives_others() {
        assert_eq!(resource(7, 14), resource(7, 14));
        assert_ne!(resource(7, 14), resource(8, 14));
        let rights = Rights::read(&resource(7, 14)).unwrap();
        assert_eq!((rights.queues.len(), rights.users.len()), (24, 16));
        assert!(
            rights
                .users
                .values()
                .filter(|user| !user.durables.is_empty())
                .count()
                > 3
        );
    }
}
