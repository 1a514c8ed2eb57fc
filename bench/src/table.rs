//! Rows as a table that reads well on a terminal and as Markdown.
//!
//! In: rows. Out: text. Nothing else.

use crate::paired::Spread;
use crate::row::{Goal, Row};

const HEAD: [&str; 8] = [
    "what",
    "unit",
    "subject",
    "goal",
    "control",
    "ratio",
    "control to itself",
    "rounds",
];

/// The table, with every column as wide as its widest cell.
pub fn text(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let rule = widths
        .iter()
        .map(|width| "-".repeat(*width))
        .collect::<Vec<_>>();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        text += &joined(line, &widths);
        if number == 0 {
            text += &joined(&rule, &widths);
        }
    }
    text
}

fn joined(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::from("|");
    for (cell, width) in cells.iter().zip(widths) {
        line += &format!(" {cell:<width$} |");
    }
    line + "\n"
}

fn cells(row: &Row) -> [String; HEAD.len()] {
    let paired = &row.paired;
    [
        row.name.clone(),
        row.unit.to_owned(),
        range(paired.subject),
        row.goal.as_ref().map_or_else(String::new, goal),
        range(paired.control),
        range(paired.ratio),
        range(paired.control_to_itself),
        paired.n.to_string(),
    ]
}

fn goal(goal: &Goal) -> String {
    let (what, limit, reached) = match *goal {
        Goal::AtMost { limit, reached } => ("at most", limit, reached),
        Goal::RatioAtMost { limit, reached } => ("ratio at most", limit, reached),
        Goal::RatioAtLeast { limit, reached } => ("ratio at least", limit, reached),
    };
    let word = if reached { "yes" } else { "no" };
    format!("{what} {}: {word}", number(limit))
}

fn range(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    if min == max || !median.is_finite() {
        return number(median);
    }
    format!("{} ({} to {})", number(median), number(min), number(max))
}

/// Three digits that mean something, and no more than the whole number where that has them.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::text;
    use crate::paired::{Paired, Round};
    use crate::row::Row;

    fn paired(samples: &[(f64, f64, f64)]) -> Paired {
        let round = |&(subject, first, second): &(f64, f64, f64)| Round {
            subject,
            first,
            second,
        };
        Paired::of(&samples.iter().map(round).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_table_reads_on_a_terminal_and_as_markdown() {
        let rows = [
            Row::new(
                "publish, against one account",
                "ms",
                paired(&[(1.1, 1000.0, 990.0), (1.234, 1234.5, 1234.5)]),
            ),
            Row::new("writes", "bytes", paired(&[(0.0, 0.0, 0.0)])).with_goal(0.0),
            Row::new("memory", "MiB", paired(&[(13.0, 2.0, 2.0)])).with_goal(12.0),
            Row::new("rate", "per s", paired(&[(19.0, 20.0, 20.0)])).with_ratio_at_least(0.9),
            Row::new("delay", "ms", paired(&[(2.0, 1.0, 1.0)])).with_ratio_at_most(1.1),
        ];
        expect![[r#"
            | what                         | unit  | subject             | goal                      | control             | ratio                     | control to itself     | rounds |
            | ---------------------------- | ----- | ------------------- | ------------------------- | ------------------- | ------------------------- | --------------------- | ------ |
            | publish, against one account | ms    | 1.17 (1.10 to 1.23) |                           | 1117 (1000 to 1234) | 0.0010 (0.0010 to 0.0011) | 0.995 (0.990 to 1.00) | 2      |
            | writes                       | bytes | 0                   | at most 0: yes            | 0                   | -                         | -                     | 1      |
            | memory                       | MiB   | 13.0                | at most 12.0: no          | 2.00                | 6.50                      | 1.00                  | 1      |
            | rate                         | per s | 19.0                | ratio at least 0.900: yes | 20.0                | 0.950                     | 1.00                  | 1      |
            | delay                        | ms    | 2.00                | ratio at most 1.10: no    | 1.00                | 2.00                      | 1.00                  | 1      |
        "#]].assert_eq(&text(&rows));
    }
}
