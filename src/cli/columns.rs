//! `stscan columns`: the tables of a dataset, column by column.

use std::fmt::Write as _;

use crate::cli::output;
use crate::error::Error;
use crate::store::ColumnInfo;

/// The arguments of `stscan columns`.
#[derive(Clone, Debug, clap::Args)]
pub struct ColumnsArgs {
    /// Print JSON: a list of {table, name, type, sentence}
    #[arg(long)]
    json: bool,
    /// Print Markdown: a table for each table
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Only this table
    table: Option<String>,
}

/// How columns are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// A JSON list.
    Json,
    /// Markdown tables.
    Markdown,
}

/// Prints the columns of all tables, or of one.
///
/// # Errors
/// [`Error::Usage`] where there is no such table, [`Error::Io`] where standard output cannot be written.
pub fn run(args: &ColumnsArgs, columns: &[ColumnInfo]) -> Result<(), Error> {
    let format = match args {
        ColumnsArgs { json: true, .. } => Format::Json,
        ColumnsArgs { markdown: true, .. } => Format::Markdown,
        ColumnsArgs { .. } => Format::Text,
    };
    let chosen = match &args.table {
        Some(table) => of_table(columns, table)?,
        None => columns.to_vec(),
    };
    output::print(&render(&chosen, format))
}

fn of_table(columns: &[ColumnInfo], table: &str) -> Result<Vec<ColumnInfo>, Error> {
    let chosen: Vec<_> = columns.iter().filter(|column| column.table == table).cloned().collect();
    if chosen.is_empty() {
        let tables: Vec<_> = by_table(columns).map(|(name, _)| name).collect();
        return Err(Error::Usage(format!("there is no table {table:?}, only {}", tables.join(", "))));
    }
    Ok(chosen)
}

/// Columns as text of the given format, ending in a line feed.
#[must_use]
pub fn render(columns: &[ColumnInfo], format: Format) -> String {
    match format {
        Format::Text => text(columns),
        Format::Json => format!("{:#}\n", serde_json::json!(columns)),
        Format::Markdown => markdown(columns),
    }
}

/// The columns of each table in turn.
fn by_table(columns: &[ColumnInfo]) -> impl Iterator<Item = (&'static str, &[ColumnInfo])> {
    columns.chunk_by(|a, b| a.table == b.table).filter_map(|chunk| Some((chunk.first()?.table, chunk)))
}

fn text(columns: &[ColumnInfo]) -> String {
    let width =
        |length: fn(&ColumnInfo) -> usize| columns.iter().map(length).filter(|l| *l <= WIDEST).max().unwrap_or(0);
    let name_width = width(|column| column.name.len());
    let type_width = width(|column| column.type_name.len());
    let mut out = String::new();
    for (table, columns) in by_table(columns) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}{table}", if out.is_empty() { "" } else { "\n" });
        for ColumnInfo { name, type_name, sentence, .. } in columns {
            let _ = writeln!(out, "  {name:name_width$}  {type_name:type_width$}  {sentence}");
        }
    }
    out
}

fn markdown(columns: &[ColumnInfo]) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut out = String::new();
    for (table, columns) in by_table(columns) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}## `{table}`\n", if out.is_empty() { "" } else { "\n" });
        out.push_str("| column | type | what it holds |\n|---|---|---|\n");
        for ColumnInfo { name, type_name, sentence, .. } in columns {
            let _ = writeln!(out, "| `{name}` | `{type_name}` | {} |", cell(sentence));
        }
    }
    out
}

/// What is wider than this (the type of a list of structs) does not widen the others of its column.
const WIDEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<ColumnInfo> {
        let column = |table, name: &str, type_name: &str, sentence| ColumnInfo {
            table,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            sentence,
        };
        vec![
            column("domains", "seq", "integer", "The number of the row."),
            column("domains", "mx_hosts", "list<struct<host text, preference integer, covered boolean>>", "The hosts."),
            column("rejects", "line", "integer", "A line, `a|b`."),
        ]
    }

    #[test]
    fn text_is_aligned_and_wide_types_do_not_widen_the_others() {
        let expected = "\
domains
  seq       integer  The number of the row.
  mx_hosts  list<struct<host text, preference integer, covered boolean>>  The hosts.

rejects
  line      integer  A line, `a|b`.
";
        assert_eq!(render(&sample(), Format::Text), expected);
    }

    #[test]
    fn markdown_has_a_table_for_each_table_and_escapes_bars() {
        let expected = "\
## `domains`

| column | type | what it holds |
|---|---|---|
| `seq` | `integer` | The number of the row. |
| `mx_hosts` | `list<struct<host text, preference integer, covered boolean>>` | The hosts. |

## `rejects`

| column | type | what it holds |
|---|---|---|
| `line` | `integer` | A line, `a\\|b`. |
";
        assert_eq!(render(&sample(), Format::Markdown), expected);
    }

    #[test]
    fn json_has_the_four_names() {
        let json: serde_json::Value = serde_json::from_str(&render(&sample(), Format::Json)).expect("it is JSON");
        let first = serde_json::json!({
            "table": "domains", "name": "seq", "type": "integer", "sentence": "The number of the row."
        });
        assert_eq!(json[0], first);
        assert_eq!(json.as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn one_table_is_chosen_and_an_unknown_one_refused() {
        assert_eq!(of_table(&sample(), "rejects").map(|columns| columns.len()).ok(), Some(1));
        assert_eq!(of_table(&sample(), "reject").map_err(|error| error.exit_status()).err(), Some(2));
    }
}
