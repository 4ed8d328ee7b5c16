//! Imports: what a file brings in, who brings it in, and who is hit by a change to it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::domain::stack::ImportEdge;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::text;

/// Returns every file that imports this one, directly or not.
#[must_use]
pub fn importers(file: &str, imports: &[ImportEdge]) -> BTreeSet<String> {
    let mut by_target: HashMap<&str, Vec<&str>> = HashMap::new();
    for edge in imports {
        by_target.entry(&edge.to).or_default().push(&edge.from);
    }
    let mut found = BTreeSet::new();
    let mut queue = VecDeque::from([file]);
    while let Some(file) = queue.pop_front() {
        for from in by_target.get(file).into_iter().flatten() {
            if found.insert((*from).to_owned()) {
                queue.push_back(from);
            }
        }
    }
    found
}

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App) -> Vec<Row> {
    let Some(file) = app.tree_file() else { return Vec::new() };
    let imports = app.imports.items();
    let mut rows = vec![Row { heading: true, ..Row::text(file.clone(), Meaning::Name) }, Row::blank()];
    rows.push(Row::head("Brings in"));
    let before = rows.len();
    brought_in(&mut rows, &file, imports, 0, &mut vec![file.clone()]);
    if rows.len() == before {
        rows.push(Row::text("  nothing", Meaning::Dim));
    }
    rows.push(Row::blank());
    rows.push(Row::head("Brought in by"));
    let above = importers(&file, imports);
    let direct: Vec<&ImportEdge> = imports.iter().filter(|edge| edge.to == file).collect();
    for edge in &direct {
        rows.push(edge_row(&edge.from, edge, 1));
    }
    for from in above.iter().filter(|from| !direct.iter().any(|edge| edge.from == **from)) {
        let left = vec![piece(format!("    {from}"), Meaning::Dim)];
        rows.push(Row::of(left).right(vec![piece("through others", Meaning::Dim)]).to(Go::File(from.clone())));
    }
    if above.is_empty() {
        rows.push(Row::text("  nobody: it makes a stack by itself", Meaning::Dim));
    }
    rows.push(Row::blank());
    let hit = |name: &String| *name == file || above.contains(name);
    let stacks: Vec<_> = app.stack_list.items().iter().filter(|s| s.files.iter().any(hit)).collect();
    let instances = app.instances.items().iter().filter(|i| hit(&i.file) && !i.is_abstract).count();
    rows.push(Row {
        heading: true,
        ..Row::of(vec![
            piece("A change here hits ", Meaning::Strong),
            piece(text::count(stacks.len(), "stack"), Meaning::Accent),
            piece(" with ", Meaning::Strong),
            piece(text::count(instances, "instance"), Meaning::Accent),
        ])
    });
    for stack in stacks {
        let right = vec![piece(text::thousands(u64::from(stack.instances)), Meaning::Dim)];
        rows.push(Row::text(format!("  {}", stack.stack), Meaning::Text).right(right));
    }
    rows
}

fn edge_row(file: &str, edge: &ImportEdge, depth: usize) -> Row {
    Row::of(vec![piece("  ".repeat(depth), Meaning::Text), piece(file, Meaning::Text)])
        .right(vec![piece(format!(":{}", edge.source.line), Meaning::Source)])
        .at(Some(edge.source.clone()))
        .to(Go::File(file.to_owned()))
        .copied(file)
}

fn brought_in(rows: &mut Vec<Row>, file: &str, imports: &[ImportEdge], depth: usize, way: &mut Vec<String>) {
    for edge in imports.iter().filter(|edge| edge.from == file) {
        let looped = way.contains(&edge.to);
        let mut row = edge_row(&edge.to, edge, depth + 1);
        if looped {
            row.left.push(piece("  ↻ a loop", Meaning::Warning));
        }
        rows.push(row);
        if !looped && depth < 12 && rows.len() < 2_000 {
            way.push(edge.to.clone());
            brought_in(rows, &edge.to, imports, depth + 1, way);
            way.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    #[test]
    fn who_is_hit_is_found_through_others_and_through_loops() {
        let estate = fixtures::estate();
        let hit = importers("stacks/mixins/tags.yaml", &estate.imports);
        assert!(hit.contains("stacks/plat-ue2-prod.yaml"));
        assert!(hit.contains("stacks/catalog/database.yaml"));
        assert_eq!(importers("stacks/plat-ue2-prod.yaml", &estate.imports).len(), 0);
    }
}
