//! What commands write to standard output: aligned tables for people, JSON for machines.

use std::io::{self, Stdout, Write, stdout};

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width, presets,
};
use console::{Term, measure_text_width};
use serde_json::Value;

/// How a column of a table is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Aligned to the left, never shortened.
    Left,
    /// Aligned to the right, never shortened: numbers.
    Right,
    /// Aligned to the left, shortened when the table is wider than the terminal: texts.
    Flexible,
}

/// Where results go and in which form.
#[derive(Debug)]
pub struct Output {
    json: bool,
    width: Option<u16>,
    stdout: Stdout,
}

impl Output {
    /// Tables as wide as the terminal, or as wide as needed when there is none.
    pub fn new(json: bool) -> Self {
        let width = Term::stdout().size_checked().map(|(_, columns)| columns);
        Self { json, width, stdout: stdout() }
    }

    /// Whether machines read it.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Tables are at most this wide where there is no terminal.
    pub fn or_width(&mut self, columns: u16) {
        self.width.get_or_insert(columns);
    }

    /// Writes one line of JSON.
    pub fn json(&self, value: &Value) -> io::Result<()> {
        writeln!(self.stdout.lock(), "{value}")
    }

    /// Writes one line of text.
    pub fn line(&self, text: &str) -> io::Result<()> {
        writeln!(self.stdout.lock(), "{text}")
    }

    /// Writes an aligned table, a header first. Every row has as many cells as `columns`.
    pub fn table(&self, columns: &[(&str, Layout)], rows: Vec<Vec<String>>) -> io::Result<()> {
        let text = render(columns, rows, self.width);
        writeln!(self.stdout.lock(), "{text}")
    }
}

fn render(columns: &[(&str, Layout)], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = Row::from(columns.iter().map(|(name, _)| *name));
    header.max_height(1);
    table.set_header(header);
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (column, (name, layout)) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        column.set_constraint(match layout {
            Layout::Left | Layout::Right => ColumnConstraint::ContentWidth,
            // A header is never cut.
            Layout::Flexible => {
                let width = measure_text_width(name).saturating_add(2);
                ColumnConstraint::LowerBoundary(Width::Fixed(width as u16))
            }
        });
        if *layout == Layout::Right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[(&str, Layout)] =
        &[("rank", Layout::Right), ("title", Layout::Flexible), ("where", Layout::Left)];

    fn rows() -> Vec<Vec<String>> {
        [("1", "猫が好きな人のための長い長い題名です", "cats"), ("10", "short", "aww")]
            .map(|(a, b, c)| vec![a.into(), b.into(), c.into()])
            .to_vec()
    }

    #[test]
    fn columns_start_where_their_header_does() {
        let text = render(COLUMNS, rows(), None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("rank  title"), "{text}");
        assert!(lines[1].starts_with("   1  猫"), "{text}");
        let place = |line: &str, word: &str| {
            measure_text_width(line.split(word).next().unwrap_or_default())
        };
        assert_eq!(place(lines[0], "where"), place(lines[1], "cats"));
        assert_eq!(place(lines[1], "cats"), place(lines[2], "aww"));
    }

    #[test]
    fn a_narrow_terminal_shortens_texts_only() {
        let text = render(COLUMNS, rows(), Some(30));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains('…') && text.contains("cats"), "{text}");
        assert!(text.lines().all(|line| measure_text_width(line) <= 30), "{text}");
    }
}
