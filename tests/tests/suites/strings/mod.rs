//! Strings: whatever the resource lets through, and every password and folder, comes out of the
//! rendering as it went in. Read back by parsers that are not the product's: Python's `json`, a real
//! shell, and the server itself.

// A test from end to end: what fails here shall panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod made;
mod meant;
mod reader;
mod server;
mod shell;
mod words;

use std::fs;

use anyhow::{Context, Result, ensure};
use svom_plan::Secret;
use svom_plan::handout::{self, exports, handout};
use svom_plan::server_config::server_configs;
use svom_plan::valid::UserName;
use svom_tests::generated::Chance;
use svom_tests::report::{Cases, print};
use svom_tests::sizes::sizes;

use made::{Made, made, with_other_credentials};
use reader::Reader;

const SEED: u64 = 7;
/// How many times the users of each bus get other passwords, in another folder.
const CREDENTIALS: usize = 6;

/// How many were read back, and what was wrong with them.
#[derive(Default)]
struct Count {
    configurations: usize,
    contexts: usize,
    exports: usize,
    users: usize,
    wrong: Vec<String>,
}

impl Count {
    fn strings(&self) -> usize {
        self.configurations + self.contexts + self.exports
    }
}

#[test]
fn what_is_rendered_is_read_back_unchanged() -> Result<()> {
    let wanted = sizes().rendered_strings;
    let mut reader = Reader::start(&meant::layout())?;
    let mut chance = Chance(SEED);
    let mut count = Count::default();
    let mut buses = 0;
    while count.strings() < wanted && count.wrong.is_empty() {
        let mut made = made(&mut chance)?;
        configuration(&made, &mut chance, &mut reader, &mut count)?;
        for _ in 0..CREDENTIALS {
            credentials(&made, &mut reader, &mut count)?;
            made = with_other_credentials(made, &mut chance);
        }
        buses += 1;
    }
    print(format!(
        "strings: {} read back of {buses} buses (seed {SEED}): {} in configurations, {} in contexts of {} users, {} by a shell",
        count.strings(),
        count.configurations,
        count.contexts,
        count.users,
        count.exports
    ));
    ensure!(count.wrong.is_empty(), "wrong: {}", count.wrong.join("\n"));
    Ok(())
}

/// The configuration of one of the servers.
fn configuration(
    made: &Made,
    chance: &mut Chance,
    reader: &mut Reader,
    count: &mut Count,
) -> Result<()> {
    let configs = server_configs(&made.valid, &made.topology, &made.material)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let number = chance.below(configs.len());
    let (config, server) = (&configs[number], &made.topology.servers[number]);
    let verdict = reader.configuration(
        config.json.reveal().as_bytes(),
        &meant::strings(made, server)?,
    )?;
    count.configurations += verdict.read;
    count.wrong.extend(verdict.wrong);
    Ok(())
}

/// The contexts and exports of every user.
fn credentials(made: &Made, reader: &mut Reader, count: &mut Count) -> Result<()> {
    let mut scripts = Vec::new();
    let mut wanted = Vec::new();
    for name in made.rights.users.keys() {
        let keys = handout(
            &made.valid,
            &made.topology,
            &made.material,
            &UserName::new(name),
            &made.folder,
        )
        .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let context = keys.get(handout::CONTEXT).context("no context")?;
        let verdict = reader.context(context.reveal().as_bytes(), &meant::context(made, name)?)?;
        count.contexts += verdict.read;
        count.wrong.extend(verdict.wrong);
        scripts.push(exports(&keys, &made.folder, true).reveal().to_owned());
        wanted.push(meant::exported(made, name)?);
    }
    let seen = shell::exported(&scripts)?;
    for (seen, wanted) in seen.iter().zip(&wanted) {
        count.users += 1;
        count.exports += wanted.iter().flatten().count();
        if seen != wanted {
            count
                .wrong
                .push(format!("the shell sees {seen:?} instead of {wanted:?}"));
        }
    }
    Ok(())
}

/// A letter more or less anywhere in what was rendered is found by who reads it.
#[test]
fn one_changed_letter_is_found() -> Result<()> {
    let mut reader = Reader::start(&meant::layout())?;
    let mut chance = Chance(SEED);
    let mut cases = Cases::of("changed letters");
    let made = made(&mut chance)?;
    let configs = server_configs(&made.valid, &made.topology, &made.material)
        .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let strings = meant::strings(&made, &made.topology.servers[0])?;
    for _ in 0..100 {
        let (place, changed) = with_one_letter_changed(&mut chance, configs[0].json.reveal());
        let verdict = reader.configuration(changed.as_bytes(), &strings)?;
        cases.holds(
            format!("configuration, byte {place}"),
            !verdict.wrong.is_empty(),
            || "not found".to_owned(),
        );
    }
    for name in made.rights.users.keys() {
        let keys = handout(
            &made.valid,
            &made.topology,
            &made.material,
            &UserName::new(name),
            &made.folder,
        )
        .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let context = keys.get(handout::CONTEXT).context("no context")?.reveal();
        let (place, changed) = with_one_letter_changed(&mut chance, context);
        let verdict = reader.context(changed.as_bytes(), &meant::context(&made, name)?)?;
        cases.holds(
            format!("context of {name}, byte {place}"),
            !verdict.wrong.is_empty(),
            || "not found".to_owned(),
        );
        // Within a value: a changed `export` is another command, and the shell ends there.
        let exports = exports(&keys, &made.folder, true);
        let (line, rest) = exports.reveal().split_once('\n').context("no exports")?;
        let changed = format!("{}x'\n{rest}", line.trim_end_matches('\''));
        let seen = shell::exported(&[changed])?;
        cases.holds(
            format!("exports of {name}"),
            seen != [meant::exported(&made, name)?],
            || "not found".to_owned(),
        );
    }
    cases.finish()
}

fn with_one_letter_changed(chance: &mut Chance, text: &str) -> (usize, String) {
    let letters: Vec<usize> = text
        .bytes()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_alphabetic())
        .map(|(place, _)| place)
        .collect();
    let place = letters[chance.below(letters.len())];
    let other = if text.as_bytes()[place] == b'q' {
        "z"
    } else {
        "q"
    };
    (
        place,
        format!("{}{other}{}", &text[..place], &text[place + 1..]),
    )
}

/// Without `--reveal` the shell reads the password from its file, whatever the folder is called.
#[test]
fn a_shell_reads_the_password_that_is_not_printed() -> Result<()> {
    let mut chance = Chance(SEED + 1);
    let place = tempfile::tempdir()?;
    let (mut scripts, mut wanted) = (Vec::new(), Vec::new());
    for number in 0..200 {
        let folder = format!(
            "{}/{number}{}",
            place.path().display(),
            words::text(&mut chance, 80).replace('/', "-")
        );
        let password = words::password(&mut chance);
        fs::create_dir(&folder)?;
        fs::write(format!("{folder}/password"), &password)?;
        let keys = [
            ("password".to_owned(), Secret::new(&password)),
            ("username".to_owned(), Secret::new("ann")),
        ];
        let exports = exports(&keys.into(), &folder, false);
        ensure!(
            password.len() < 8 || !exports.reveal().contains(&password),
            "the password is printed: {:?}",
            exports.reveal()
        );
        scripts.push(exports.reveal().to_owned());
        wanted.push(Some(password));
    }
    let seen = shell::exported(&scripts)?;
    let seen: Vec<Option<String>> = seen.into_iter().map(|values| values[2].clone()).collect();
    assert_eq!(seen, wanted);
    Ok(())
}
