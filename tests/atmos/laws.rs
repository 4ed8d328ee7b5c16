//! The laws of merging, on trees by chance.

use proptest::prelude::*;
use terrace::atmos::{
    merge::{ListStrategy, merge_all, merge_files, merge_two},
    node::{Key, Map, Node, Pos, Value},
};

fn node(value: Value) -> Node {
    Node::new(value, Pos::none())
}

fn scalar() -> impl Strategy<Value = Node> {
    prop_oneof![
        Just(node(Value::Null)),
        any::<bool>().prop_map(|b| node(Value::Bool(b))),
        (-9i64..9).prop_map(|i| node(Value::Int(i))),
        "[a-c]{0,2}".prop_map(|s| node(Value::Str(s.into()))),
    ]
}

fn map(values: impl Strategy<Value = Node>) -> impl Strategy<Value = Node> {
    prop::collection::vec(("[a-d]", values), 0..4).prop_map(|entries| {
        let entries = entries.into_iter().map(|(k, v)| (Key::new(&k), v)).collect();
        node(Value::Map(Map::from_entries(entries)))
    })
}

fn tree() -> impl Strategy<Value = Node> {
    scalar().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|l| node(Value::List(l.into_boxed_slice()))),
            map(inner),
        ]
    })
}

fn layer() -> impl Strategy<Value = Node> {
    map(tree())
}

const STRATEGIES: [ListStrategy; 3] = [ListStrategy::Replace, ListStrategy::Append, ListStrategy::Merge];

/// Tells whether two trees have maps where a key of the one is no map in the other (then order of brackets counts).
fn shapes_differ(a: &Node, b: &Node) -> bool {
    match (a.map(), b.map()) {
        (Some(x), Some(y)) => x.entries().iter().any(|(k, v)| y.get(k.as_str()).is_some_and(|w| shapes_differ(v, w))),
        (None, None) => a.list().is_some() != b.list().is_some(),
        _ => true,
    }
}

/// Returns every leaf with its path.
fn leaves<'n>(node: &'n Node, path: &mut Vec<Key>, out: &mut Vec<(Vec<Key>, &'n Node)>) {
    match node.map().filter(|m| !m.is_empty()) {
        Some(map) => {
            for (key, child) in map.entries() {
                path.push(*key);
                leaves(child, path, out);
                path.pop();
            }
        }
        None => out.push((path.clone(), node)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_empty_map_is_neutral(a in layer()) {
        for lists in STRATEGIES {
            prop_assert_eq!(&merge_two(&Node::empty(), &a, lists), &a);
            prop_assert_eq!(&merge_two(&a, &Node::empty(), lists), &a);
            prop_assert_eq!(&merge_all(&[&Node::empty(), &a, &Node::empty()], lists), &a);
            prop_assert_eq!(&merge_files(&[&Node::empty(), &a], lists), &a);
        }
    }

    /// Atmos is not associative where a map meets something else (an empty map gives way to a map below, a scalar does not)
    /// and where items of lists merge one by one; everywhere else brackets do not count.
    #[test]
    fn brackets_do_not_count(a in layer(), b in layer(), c in layer()) {
        prop_assume!(!shapes_differ(&a, &b) && !shapes_differ(&b, &c) && !shapes_differ(&a, &c));
        for lists in [ListStrategy::Replace, ListStrategy::Append] {
            let left = merge_two(&merge_two(&a, &b, lists), &c, lists);
            let right = merge_two(&a, &merge_two(&b, &c, lists), lists);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(&left, &merge_all(&[&a, &b, &c], lists));
        }
    }

    #[test]
    fn the_last_writer_wins(a in layer(), b in layer()) {
        let merged = merge_two(&a, &b, ListStrategy::Replace);
        let mut written = Vec::new();
        leaves(&b, &mut Vec::new(), &mut written);
        for (path, value) in written {
            let keys: Vec<&str> = path.iter().map(|k| k.as_str()).collect();
            let found = merged.at_path(&keys);
            // An empty map over a map leaves it as it was.
            if value.map().is_some() && a.at_path(&keys).is_some_and(|n| n.map().is_some()) {
                prop_assert_eq!(found, a.at_path(&keys));
            } else {
                prop_assert_eq!(found, Some(value));
            }
        }
        let mut below = Vec::new();
        leaves(&a, &mut Vec::new(), &mut below);
        for (path, value) in below {
            let keys: Vec<&str> = path.iter().map(|k| k.as_str()).collect();
            let touched = (0..=keys.len()).any(|n| b.at_path(&keys[..n]).is_some_and(|v| n == keys.len() || v.map().is_none()));
            if !touched {
                prop_assert_eq!(merged.at_path(&keys), Some(value), "what nobody overrides stays");
            }
        }
    }

    #[test]
    fn merging_twice_changes_nothing(a in layer(), b in layer()) {
        for lists in [ListStrategy::Replace, ListStrategy::Merge] {
            let once = merge_two(&a, &b, lists);
            prop_assert_eq!(&merge_two(&once, &b, lists), &once);
        }
    }

    #[test]
    fn appended_lists_keep_all_items(a in prop::collection::vec(scalar(), 0..5), b in prop::collection::vec(scalar(), 0..5)) {
        let list = |items: &[Node]| Node::map_of(vec![(Key::new("l"), node(Value::List(items.to_vec().into_boxed_slice())))]);
        let merged = merge_two(&list(&a), &list(&b), ListStrategy::Append);
        let all: Vec<Node> = a.iter().chain(&b).cloned().collect();
        prop_assert_eq!(merged.get("l").and_then(Node::list), Some(all.as_slice()));
    }
}
