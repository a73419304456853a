//! Rows in aligned columns.

/// Where the cells of a column stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    /// As numbers do.
    Right,
}

/// A line for the head and one for each row. The last column may be of any width, and no line ends in blanks.
pub fn table<const N: usize>(sides: [Side; N], head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<[String; N]> = [head.map(str::to_string)].into_iter().chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    rows.iter().map(|row| line(sides, &widths, row)).collect()
}

fn line<const N: usize>(sides: [Side; N], widths: &[usize; N], row: &[String; N]) -> String {
    let cells = row.iter().zip(sides).zip(widths).map(|((cell, side), width)| match side {
        Side::Left => format!("{cell:<width$}"),
        Side::Right => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::{table, Side};

    #[test]
    fn columns_are_aligned_by_characters_and_lines_end_where_their_text_does() {
        let rows = [["1", "é", "last"], ["1000", "three", ""]].map(|row| row.map(str::to_string));
        let lines = table([Side::Right, Side::Left, Side::Left], ["N", "WHAT", "MORE"], rows);
        assert_eq!(lines, ["   N  WHAT   MORE", "   1  é      last", "1000  three"]);
    }
}
