//! Where things stand on a screen of a given size: a pure function, asked by drawing and by scrolling alike.

use ratatui::layout::Rect;

use super::app::{App, Focus, View};

/// The smallest screen on which anything makes sense.
pub const SMALLEST: (u16, u16) = (60, 15);
/// Below this many columns panes stand above each other.
pub const PORTRAIT: u16 = 100;

/// Where things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panes {
    /// The line on top.
    pub header: Rect,
    /// The list with its frame; empty while the other pane has the whole screen.
    pub list: Rect,
    /// What stands beside it, with its frame; likewise.
    pub detail: Rect,
    /// The line at the bottom.
    pub hint: Rect,
}

/// Returns where things stand, or `None` where the screen is too small.
#[must_use]
pub fn panes(app: &App) -> Option<Panes> {
    let (width, height) = app.size;
    if width < SMALLEST.0 || height < SMALLEST.1 {
        return None;
    }
    let header = Rect { x: 0, y: 0, width, height: 1 };
    let hint = Rect { x: 0, y: height - 1, width, height: 1 };
    let body = Rect { x: 0, y: 1, width, height: height - 2 };
    let (list, detail) = if app.zoomed {
        match app.focus {
            Focus::List => (body, Rect::default()),
            Focus::Detail => (Rect::default(), body),
        }
    } else if width < PORTRAIT {
        let above = (u32::from(body.height) * u32::from(app.split.clamp(25, 75)) / 100) as u16;
        let above = above.clamp(5, body.height.saturating_sub(6).max(5));
        (Rect { height: above, ..body }, Rect { y: body.y + above, height: body.height - above, ..body })
    } else {
        // A request's page has two columns: the list beside it takes less. A budget's row has many figures.
        let part = match app.view {
            View::Requests => 2,
            View::Budgets => 4,
            _ => 3,
        };
        let left = (u32::from(width) * u32::from(app.split) * part / 300) as u16;
        let left = left.clamp(24, width - 40);
        (Rect { width: left, ..body }, Rect { x: left, width: width - left, ..body })
    };
    Some(Panes { header, list, detail, hint })
}

/// Returns the space inside a pane's frame.
#[must_use]
pub fn inside(area: Rect) -> Rect {
    Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}
