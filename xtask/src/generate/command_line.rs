//! The page that describes every command, from the program's own definition of its command line.
//!
//! In: the definition, and for each command an example and what its exit codes mean. Out: Markdown. A
//! command without an example, or an example that the command line does not take, is an error.

use std::fmt::Write;

use anyhow::{Context, bail, ensure};
use clap::{Arg, Command};

const HEAD: &str = "\
# The command line

Generated from the program's own definition by `cargo xtask generate`; do not edit.

What a command was asked for is printed on standard output; progress, and why there is no answer, on
standard error. Every command ends with one of three exit codes, and 0 and 1 are explained with each:

| exit code | meaning |
| --- | --- |
| 0 | done and good |
| 1 | something is wrong or was refused, and it is said what |
| 2 | the command line itself is wrong |

`--help` behind any of them prints what stands here, and `svom-messaging --version` the version.
";

/// What the definition does not say of a command.
struct Note {
    command: &'static str,
    /// A command line to try.
    example: &'static str,
    /// What exit code 0 means.
    good: &'static str,
    /// What exit code 1 means.
    bad: &'static str,
}

const NOTES: [Note; 12] = [
    Note {
        command: "svom-messaging crd",
        example: "svom-messaging crd",
        good: "it is printed",
        bad: "it cannot be printed",
    },
    Note {
        command: "svom-messaging check",
        example: "svom-messaging check --file manifests/examples/mission.yaml",
        good: "the resource is good",
        bad: "it has errors, all of which are printed with line and path; or the file cannot be read",
    },
    Note {
        command: "svom-messaging plan",
        example: "svom-messaging plan --file NEW.yaml --from OLD.yaml",
        good: "the resource is good and nothing of the change is refused",
        bad: "a resource has errors, a file cannot be read, or a part of the change is refused",
    },
    Note {
        command: "svom-messaging local up",
        example: "svom-messaging local up --file manifests/examples/minimal.yaml --dir .svom --port 4222",
        good: "the bus ran and was ended by a signal or by `local down`",
        bad: "it could not be brought up: the resource, the folder, a port, a Secret or the nats-server is named",
    },
    Note {
        command: "svom-messaging local apply",
        example: "svom-messaging local apply --file CHANGED.yaml",
        good: "all of the resource is in force, and proven",
        bad: "something is wrong, was refused, or is not in force on every server; what the resource takes away is in force all the same, unless the file cannot be understood at all. Or no bus runs in the folder",
    },
    Note {
        command: "svom-messaging local status",
        example: "svom-messaging local status --output json",
        good: "everything is formed and proven: the condition `Ready` is true",
        bad: "it is not, and the first line says why; or no bus runs in the folder",
    },
    Note {
        command: "svom-messaging local kill",
        example: "svom-messaging local kill fsc-1",
        good: "the server is down",
        bad: "there is no such server, or no bus runs in the folder",
    },
    Note {
        command: "svom-messaging local stop",
        example: "svom-messaging local stop fsc-1",
        good: "the server is down",
        bad: "there is no such server, or no bus runs in the folder",
    },
    Note {
        command: "svom-messaging local start",
        example: "svom-messaging local start fsc-1",
        good: "the server runs; `local status` says when the bus is whole again",
        bad: "there is no such server, it cannot be started, or no bus runs in the folder",
    },
    Note {
        command: "svom-messaging local env",
        example: "svom-messaging local env vhf-listener",
        good: "it is printed",
        bad: "there is no such user, or no bus was ever run in the folder",
    },
    Note {
        command: "svom-messaging local down",
        example: "svom-messaging local down",
        good: "the bus is stopped, and with --delete its folder is gone",
        bad: "no bus runs in the folder, or the folder cannot be deleted",
    },
    Note {
        command: "svom-messaging run",
        example: "svom-messaging run --namespace svom --log json",
        good: "it was ended by a signal, and gave the Lease back",
        bad: "no API server is known, or the address to listen on is not to be had; whatever goes wrong later is told in the log, and tried again",
    },
];

/// The whole page.
pub fn page(mut program: Command) -> anyhow::Result<String> {
    program.build();
    for note in &NOTES {
        let words = note.example.split(' ');
        program
            .clone()
            .try_get_matches_from(words)
            .with_context(|| format!("the example `{}` is none", note.example))?;
    }
    let mut page = String::from(HEAD);
    let mut described = Vec::new();
    write_below(&mut page, &program, "svom-messaging", &mut described)?;
    if let Some(note) = NOTES.iter().find(|note| !described.contains(&note.command)) {
        bail!("there is no command `{}`", note.command);
    }
    Ok(page)
}

/// The commands that are below another one, and those below them.
fn write_below(
    page: &mut String,
    group: &Command,
    name: &str,
    described: &mut Vec<&'static str>,
) -> anyhow::Result<()> {
    let commands = group.get_subcommands();
    for command in commands.filter(|command| command.get_name() != "help") {
        let name = format!("{name} {}", command.get_name());
        if command.has_subcommands() {
            write_below(page, command, &name, described)?;
            continue;
        }
        let note = NOTES.iter().find(|note| note.command == name);
        let note = note.with_context(|| format!("`{name}` has no example"))?;
        write_command(page, command, note)?;
        described.push(note.command);
    }
    Ok(())
}

fn write_command(page: &mut String, command: &Command, note: &Note) -> anyhow::Result<()> {
    let Note {
        command: name,
        example,
        good,
        bad,
    } = note;
    let example_is_its_own = example.strip_prefix(name).is_some_and(|rest| {
        let rest = rest.strip_prefix(' ');
        rest.is_some() || example == name
    });
    ensure!(example_is_its_own, "`{example}` is no example of `{name}`");
    let about = command.get_about().map(ToString::to_string);
    let about = about.with_context(|| format!("`{name}` says nothing of itself"))?;
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(page, "\n## `{name}`\n\n{about}.\n\n```\n{usage}\n```")?;
    write_arguments(page, command)?;
    // An example that stands there too is not repeated.
    let more = command.get_after_help().map(ToString::to_string);
    let more = more.unwrap_or_default();
    for paragraph in more.split("\n\n").filter(|text| !text.is_empty()) {
        if !paragraph.starts_with("Example:") {
            writeln!(page, "\n{paragraph}")?;
        }
    }
    writeln!(page, "\nExample:\n\n```sh\n{example}\n```\n")?;
    writeln!(page, "| exit code | meaning |\n| --- | --- |")?;
    writeln!(page, "| 0 | {good} |\n| 1 | {bad} |")?;
    Ok(())
}

fn write_arguments(page: &mut String, command: &Command) -> anyhow::Result<()> {
    let mut arguments = command
        .get_arguments()
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        .peekable();
    if arguments.peek().is_some() {
        writeln!(
            page,
            "\n| argument | default | meaning |\n| --- | --- | --- |"
        )?;
    }
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string);
        let id = argument.get_id();
        let help = help.with_context(|| format!("{id} says nothing of itself"))?;
        let (spelling, default) = (spelling(argument), default(argument));
        writeln!(
            page,
            "| {spelling} | {default} | {} |",
            cell(&help, argument)
        )?;
    }
    Ok(())
}

/// The help and, where only some values are taken, what each means.
fn cell(help: &str, argument: &Arg) -> String {
    let mut text = help.to_owned();
    if takes_value(argument) {
        for value in argument.get_possible_values() {
            let meaning = value.get_help().map(ToString::to_string);
            let meaning = meaning.unwrap_or_default();
            text += &format!("; `{}`: {meaning}", value.get_name());
        }
    }
    text.replace('|', "\\|")
}

fn spelling(argument: &Arg) -> String {
    let mut names = Vec::new();
    names.extend(argument.get_short().map(|short| format!("`-{short}`")));
    names.extend(argument.get_long().map(|long| format!("`--{long}`")));
    let value = argument.get_value_names().unwrap_or_default();
    let value = value.iter().filter(|_| takes_value(argument));
    let value: String = value.map(|name| format!(" `{name}`")).collect();
    format!("{}{value}", names.join(", ")).trim().to_owned()
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values().iter();
    let values: Vec<String> = values
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    match (values.is_empty(), argument.is_required_set()) {
        (_, true) => "*required*".to_owned(),
        (false, false) if takes_value(argument) => values.join(" "),
        _ => String::new(),
    }
}

/// Whether something follows it; a flag has only itself.
fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::page;

    #[test]
    fn a_command_without_an_example_is_an_error() {
        let program = Command::new("svom-messaging").subcommand(Command::new("new").about("New"));
        let error = page(program).unwrap_err().to_string();
        assert!(error.starts_with("the example `svom-messaging crd` is none"));
        let program = definition().subcommand(Command::new("new").about("New"));
        let error = page(program).unwrap_err().to_string();
        assert_eq!(error, "`svom-messaging new` has no example");
    }

    #[test]
    fn an_option_without_a_word_is_an_error() {
        let program =
            definition().mut_subcommand("crd", |crd| crd.arg(Arg::new("silent").long("silent")));
        let error = page(program).unwrap_err().to_string();
        assert_eq!(error, "silent says nothing of itself");
    }

    fn definition() -> Command {
        <svom_operator::cli::Cli as clap::CommandFactory>::command()
    }
}
