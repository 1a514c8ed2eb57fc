//! Words by chance: everything that the resource's own rules let through, the shortest and the
//! longest among them.

use std::collections::BTreeSet;

use svom_tests::generated::Chance;

/// An alphabet for a name: what it may begin with, hold and end with, and how long it may be.
#[derive(Clone, Copy)]
pub struct Form {
    first: &'static str,
    inside: &'static str,
    last: &'static str,
    longest: usize,
}

/// Names of resources, users and durables.
pub const LABEL: Form = Form {
    first: "abcdefghijklmnopqrstuvwxyz",
    inside: "abcdefghijklmnopqrstuvwxyz0123456789-",
    last: "abcdefghijklmnopqrstuvwxyz0123456789",
    longest: 40,
};
/// Names of domains.
pub const DOMAIN: Form = Form {
    first: "abcdefghijklmnopqrstuvwxyz",
    inside: "abcdefghijklmnopqrstuvwxyz0123456789-_",
    last: "abcdefghijklmnopqrstuvwxyz0123456789",
    longest: 32,
};
/// Names of programs.
pub const PROGRAM: Form = Form {
    first: "abcdefghijklmnopqrstuvwxyz0123456789",
    inside: "abcdefghijklmnopqrstuvwxyz0123456789-_",
    last: "abcdefghijklmnopqrstuvwxyz0123456789",
    longest: 32,
};

/// Domains that the resource's rules reserve.
const RESERVED: [&str; 4] = ["live", "pub", "deliver", "svom"];
/// bcrypt reads no further.
const LONGEST_PASSWORD: usize = 72;

/// Characters that some reader on the way may take for something else.
const TRAPS: &[char] = &[
    '"',
    '\'',
    '\\',
    '`',
    '$',
    '{',
    '}',
    '(',
    ')',
    '<',
    '>',
    '&',
    '|',
    ';',
    '#',
    '!',
    '*',
    '?',
    '[',
    ']',
    '~',
    '%',
    '=',
    ':',
    '/',
    ',',
    '@',
    '^',
    '+',
    '-',
    '_',
    '.',
    ' ',
    '\u{a0}',
    '\u{ad}',
    '\u{2028}',
    '\u{2029}',
    '\u{200b}',
    '\u{200d}',
    '\u{200e}',
    '\u{202e}',
    '\u{2066}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '\u{e000}',
    '\u{10ffff}',
    '\u{301}',
    '\u{1f600}',
    '\u{1f1eb}',
    '\u{5d0}',
    '\u{644}',
    '\u{df}',
    '\u{130}',
    '\u{212a}',
    '\u{1100}',
    '\u{ac00}',
    'n',
    't',
    'u',
    '0',
];
/// Passwords that mean something to some reader as a whole.
const WHOLE: &[&str] = &[
    "$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
    "env://HOME",
    "file:///etc/passwd",
    "data:;base64,YQ==",
    "op://vault/item",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "%00",
    "\\u0000",
    "\\n",
    "\\",
    "'",
    "\"",
    "''",
    "-n",
    "-",
    "#",
    " ",
    "true",
    "null",
    "1e9",
    "0x10",
    "5s",
    "@/etc/passwd",
    "a\u{301}\u{302}\u{303}",
];

/// A name of this form: one in five the shortest, one in five the longest.
pub fn name(chance: &mut Chance, form: Form) -> String {
    loop {
        let length = match chance.below(5) {
            0 => 1,
            1 => form.longest,
            _ => 1 + chance.below(form.longest),
        };
        let mut text = String::with_capacity(length);
        text.push(letter(chance, form.first));
        while text.len() + 1 < length {
            text.push(letter(chance, form.inside));
        }
        if text.len() < length {
            text.push(letter(chance, form.last));
        }
        if !RESERVED.contains(&text.as_str()) {
            return text;
        }
    }
}

/// Different names of this form.
pub fn names(chance: &mut Chance, form: Form, count: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    while names.len() < count {
        names.insert(name(chance, form));
    }
    names
}

/// A DNS name as the resource lets it through: up to 253 characters, with or without a `*.`.
pub fn dns_name(chance: &mut Chance, longest: bool) -> String {
    const HOST: Form = Form {
        longest: 63,
        ..PROGRAM
    };
    let mut text = if chance.below(3) == 0 {
        "*.".to_owned()
    } else {
        String::new()
    };
    loop {
        let label = name(chance, HOST).replace('_', "-");
        let room = 253 - text.len();
        match longest {
            false => return text + &label,
            true if room <= 63 => return text + &"x".repeat(room),
            true => text = text + &label + ".",
        }
    }
}

/// A password: any character but control characters, from 1 to 72 bytes.
pub fn password(chance: &mut Chance) -> String {
    if chance.below(20) == 0 {
        return WHOLE[chance.below(WHOLE.len())].to_owned();
    }
    text(chance, LONGEST_PASSWORD)
}

/// An absolute folder with anything in its path that a path may hold and a configuration can.
pub fn folder(chance: &mut Chance) -> String {
    let depth = 1 + chance.below(3);
    let part = |chance: &mut Chance| loop {
        let part = text(chance, 28).replace('/', "");
        if !["", ".", ".."].contains(&part.as_str()) {
            return part;
        }
    };
    (0..depth).map(|_| format!("/{}", part(chance))).collect()
}

/// Text without control characters, from 1 to `longest` bytes; one in five as long as can be.
pub fn text(chance: &mut Chance, longest: usize) -> String {
    let wanted = match chance.below(5) {
        0 => longest,
        1 => 1,
        _ => 1 + chance.below(longest),
    };
    let mut text = String::with_capacity(wanted);
    while text.len() < wanted {
        let character = character(chance);
        // The last bytes are filled with what fits.
        let fits = text.len() + character.len_utf8() <= wanted;
        text.push(if fits { character } else { '~' });
    }
    text
}

fn character(chance: &mut Chance) -> char {
    match chance.below(4) {
        0 => TRAPS[chance.below(TRAPS.len())],
        1 => char::from(b' ' + u8::try_from(chance.below(95)).unwrap()),
        _ => loop {
            let number = u32::try_from(chance.below(0x11_0000)).unwrap();
            if let Some(character) =
                char::from_u32(number).filter(|character| !character.is_control())
            {
                return character;
            }
        },
    }
}

fn letter(chance: &mut Chance, letters: &str) -> char {
    char::from(letters.as_bytes()[chance.below(letters.len())])
}
