//! One frame, drawn from state: it never blocks, awaits, or changes anything.

pub mod header;
pub mod hints;
pub mod pane;

use ratatui::Frame;
use ratatui::text::Line;

use super::app::App;
use super::theme::Meaning;
use super::{layout, overlay};

/// Draws the dashboard.
pub fn view(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    frame.buffer_mut().set_style(area, app.theme.style(Meaning::Text));
    // The terminal may have changed its size since the last message; the next frame fits again.
    let fits = area.width >= app.size.0 && area.height >= app.size.1;
    let panes = if fits { layout::panes(app) } else { None };
    let Some(panes) = panes else {
        too_small(app, frame);
        return;
    };
    header::draw(app, frame, panes.header);
    pane::list(app, frame, panes.list);
    pane::detail(app, frame, panes.detail);
    hints::draw(app, frame, panes.hint);
    overlay::draw(app, frame);
}

fn too_small(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = layout::SMALLEST;
    let text = format!("Terrace needs {width}×{height}; this is {}×{}.", area.width, area.height);
    for (i, line) in super::widgets::text::wrap(&text, usize::from(area.width)).into_iter().enumerate() {
        let y = i as u16;
        if y < area.height {
            let line = Line::styled(line, app.theme.style(Meaning::Warning));
            frame.buffer_mut().set_line(0, y, &line, area.width);
        }
    }
}
