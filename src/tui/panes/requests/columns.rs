//! Two columns of rows beside each other, each row cut to its column.

use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};
use crate::tui::widgets::text;

/// The least width at which two columns are easier to read than one.
pub const TWO: u16 = 84;

/// What stands between two columns.
const GAP: &str = " │ ";

/// Returns how wide each of two columns is in a pane of this width inside.
#[must_use]
pub fn widths(width: u16) -> (usize, usize) {
    // The first column of the pane is the selection's.
    let room = usize::from(width).saturating_sub(1 + GAP.chars().count());
    (room.div_ceil(2), room / 2)
}

/// Lays two columns beside each other; where the left row leads nowhere, the right one does.
#[must_use]
pub fn beside(left: Vec<Row>, right: Vec<Row>, width: u16) -> Vec<Row> {
    let (left_width, right_width) = widths(width);
    let len = left.len().max(right.len());
    let pad = |rows: Vec<Row>| rows.into_iter().map(Some).chain(std::iter::repeat_with(|| None)).take(len);
    let join = |(left, right): (Option<Row>, Option<Row>)| {
        let (left, right) = (left.unwrap_or_else(Row::blank), right.unwrap_or_else(Row::blank));
        let mut pieces = cell(&left, left_width);
        pieces.push(piece(GAP, Meaning::Border));
        pieces.extend(cell(&right, right_width));
        Row {
            left: pieces,
            heading: left.heading && right.heading,
            copy: left.copy.or(right.copy),
            go: left.go.or(right.go),
            source: left.source.or(right.source),
            ..Row::default()
        }
    };
    pad(left).zip(pad(right)).map(join).collect()
}

/// Returns the pieces of a row that fill exactly so many columns: what stands on the right keeps its place, what stands
/// on the left gives way.
fn cell(row: &Row, columns: usize) -> Vec<Piece> {
    let wide = |pieces: &[Piece]| pieces.iter().map(|piece| text::width(&piece.text)).sum::<usize>();
    let right = wide(&row.right).min(columns);
    let room = columns - right - usize::from(right > 0 && right < columns);
    let mut out = Vec::new();
    let mut used = 0;
    for own in &row.left {
        let cut = text::clip(&own.text, room - used).into_owned();
        used += text::width(&cut);
        let whole = cut == own.text;
        out.push(Piece { text: cut, ..own.clone() });
        if !whole || used >= room {
            break;
        }
    }
    out.push(piece(" ".repeat(columns - right - used), Meaning::Text));
    if right > 0 {
        let mut left = columns;
        for own in &row.right {
            let cut = text::clip(&own.text, left).into_owned();
            left -= text::width(&cut);
            out.push(Piece { text: cut, ..own.clone() });
        }
    }
    out
}

/// Returns a text as rows of a column, broken at its width, the first with a mark before it.
#[must_use]
pub fn wrapped(mark: &str, content: &str, meaning: Meaning, columns: usize) -> Vec<Row> {
    let indent = text::width(mark);
    let lines = text::wrap(content, columns.saturating_sub(indent).max(8));
    let row = |(at, line): (usize, String)| {
        let lead = if at == 0 { mark.to_owned() } else { " ".repeat(indent) };
        Row::of(vec![piece(lead, meaning), piece(line, meaning)]).copied(content)
    };
    lines.into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_fills_its_column_and_prices_keep_their_place() {
        let left = vec![
            Row::text("a name that is much longer than its column", Meaning::Text)
                .right(vec![piece("$1.00", Meaning::Value)]),
            Row::head("Head"),
        ];
        let rows = beside(left, vec![Row::text("right", Meaning::Text)], 40);
        let lines: Vec<String> = rows.iter().map(Row::plain).collect();
        assert_eq!(lines[0], "a name that… $1.00 │ right             ");
        assert_eq!(lines[1], "Head               │                   ".to_owned());
        assert!(!rows[0].heading && rows[1].heading);
    }

    #[test]
    fn long_texts_are_broken_under_their_mark() {
        let rows = wrapped("✗ ", "over the monthly limit", Meaning::Failed, 14);
        let lines: Vec<String> = rows.iter().map(Row::plain).collect();
        assert_eq!(lines, ["✗ over the", "  monthly", "  limit"]);
    }
}
