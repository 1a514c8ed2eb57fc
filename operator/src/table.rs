//! Tables for people. A closed pipe (`| head`) is an end, not an error.

use std::io::{self, Write};

/// Prints text to standard output.
///
/// # Errors
/// When standard output cannot be written to, unless its reader has gone.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Prints a value as JSON, indented, with a final newline.
///
/// # Errors
/// When it cannot be written.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// Tells a line on standard error: progress, and what happens to a bus in front.
pub fn tell(line: &str) {
    // Where even standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Tells an error and its causes on standard error.
pub fn tell_error(error: &anyhow::Error) {
    tell(&format!("error: {}", with_causes(error)));
}

/// An error and its causes in one text. Many say their cause themselves, where it reads best: those
/// are not followed by it once more.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Lays rows out in columns, two spaces between them, the last one ragged; below a head where there is
/// one.
pub fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let head = (!head.is_empty()).then_some(&head);
    let all: Vec<&Vec<String>> = head.into_iter().chain(rows).collect();
    let width = |column: usize| {
        all.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut text = String::new();
    for row in &all {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = width(column).saturating_sub(cell.chars().count()) + 2;
            line.push_str(cell);
            line.push_str(&" ".repeat(pad));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || anyhow::anyhow!("permission denied").context("no folder");
        assert_eq!(
            with_causes(&cause().context("no bus")),
            "no bus: no folder: permission denied"
        );
        assert_eq!(
            with_causes(&cause().context("permission denied; choose another")),
            "permission denied; choose another: no folder"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["data".to_owned(), "DATA".to_owned()],
            vec!["é".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            columns(&["DOMAIN", "S"], &rows),
            "DOMAIN  S\ndata    DATA\né       x\n"
        );
    }
}
