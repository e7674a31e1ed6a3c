//! Aligned text tables for the console.

/// Rows of cells below a heading; the first column is flush left, the others flush right.
pub fn aligned(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(heading[column].chars().count())
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = line(heading.iter().copied(), &widths);
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str), &widths));
    }
    text
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in cells.zip(widths).enumerate() {
        let cell = match column {
            0 => format!("{cell:<width$}"),
            _ => format!("  {cell:>width$}"),
        };
        text.push_str(&cell);
    }
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["pretrain".to_owned(), "3 min".to_owned()],
            vec!["verify".to_owned(), "0.1 s".to_owned()],
        ];
        assert_eq!(
            aligned(&["stage", "time"], &rows),
            "stage      time\npretrain  3 min\nverify    0.1 s\n"
        );
    }
}
