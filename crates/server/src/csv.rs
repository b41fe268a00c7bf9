//! Tables as spreadsheets write and read them (RFC 4180), without the traps: what would be a formula stays text (X8).

/// One line. A field that a spreadsheet would take for a formula gets an apostrophe in front.
pub(crate) fn line(fields: &[&str]) -> String {
    let mut out = fields
        .iter()
        .map(|field| quoted(field))
        .collect::<Vec<_>>()
        .join(",");
    out.push_str("\r\n");
    out
}

/// What a cell begins with that a spreadsheet would take for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn quoted(field: &str) -> String {
    let guard = if field.starts_with(FORMULA) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

/// The rows of a text, each with its cells. Cells may be quoted and then hold commas, quotes and line ends; an apostrophe that guards a
/// formula is taken off again. Empty lines have one empty cell.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut inside = false;
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => inside = !inside,
            ',' | ';' if !inside => row.push(unguarded(std::mem::take(&mut cell))),
            '\r' if !inside => {}
            '\n' if !inside => {
                row.push(unguarded(std::mem::take(&mut cell)));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(unguarded(cell));
        rows.push(row);
    }
    rows
}

fn unguarded(cell: String) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) => rest.to_owned(),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// X8: what a person wrote never becomes a formula or another column.
    #[test]
    fn hostile_fields_stay_one_field() {
        assert_eq!(line(&["a,\"b\"\r\nc"]), "\"a,\"\"b\"\"\r\nc\"\r\n");
        assert_eq!(
            line(&["=HYPERLINK(1)", "+13035550142"]),
            "\"'=HYPERLINK(1)\",\"'+13035550142\"\r\n"
        );
        assert_eq!(
            rows("\u{feff}a;b\r\n\r\n'+1 303,\"x, \"\"y\"\"\"\n").len(),
            3
        );
        assert_eq!(rows("'+1 303,\"x, \"\"y\"\"\""), [["+1 303", "x, \"y\""]]);
    }

    proptest! {
        /// What was written is read back, whatever it is.
        #[test]
        fn a_table_is_read_back(cells in proptest::collection::vec("[^']{1,20}", 1..5)) {
            let fields: Vec<&str> = cells.iter().map(String::as_str).collect();
            prop_assert_eq!(rows(&line(&fields)), [cells]);
        }
    }
}
