//! Writes what `describe stacks` prints: sorted keys, two spaces, streamed.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    DescribeFilter,
    node::{Map, Node, Value},
    resolve::{Instance, Stack},
};

/// Stack, type and component to the instance; of two the one of the later file.
type Grouped<'a> = BTreeMap<&'a str, BTreeMap<&'static str, BTreeMap<&'a str, &'a Instance>>>;

/// Writes the stacks; `unnamed` says that neither a template nor a pattern names them.
pub(super) fn stacks(
    all: &[std::sync::Arc<Stack>],
    filter: &DescribeFilter,
    unnamed: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut grouped: Grouped<'_> = BTreeMap::new();
    for stack in all {
        let own = stack.merged.config.get("name").and_then(Node::str).filter(|name| !name.is_empty());
        if let (true, Some(name)) = (filter.include_empty_stacks, own.or(unnamed.then(|| stack.file.as_str())))
            && filter.stack.as_deref().is_none_or(|s| s == name || s == stack.file.as_str())
        {
            grouped.entry(name).or_default();
        }
        for instance in &stack.instances {
            if wanted(stack, instance, filter) {
                grouped
                    .entry(instance.stack.as_str())
                    .or_default()
                    .entry(instance.kind)
                    .or_default()
                    .insert(instance.name.as_str(), instance);
            }
        }
    }
    let kept = |key: &str| filter.sections.is_empty() || filter.sections.iter().any(|s| s == key);
    if !filter.include_empty_stacks {
        let full = |i: &&Instance| i.sections.entries().iter().any(|(k, _)| kept(k.as_str()));
        grouped.retain(|_, kinds| kinds.values().flat_map(BTreeMap::values).any(&full));
    }
    let mut w = Writer { out: Vec::with_capacity(1 << 16) };
    w.object(grouped.iter(), 0, out, |w, kinds, out| {
        w.object(std::iter::once((&"components", kinds)), 1, out, |w, kinds, out| {
            w.object(kinds.iter(), 2, out, |w, components, out| {
                w.object(components.iter(), 3, out, |w, instance, out| {
                    let entries = instance.sections.entries().iter().filter(|(k, _)| kept(k.as_str()));
                    w.entries(entries.map(|(k, v)| (k.as_str(), v)), 4);
                    if w.out.len() > 1 << 16 {
                        out.write_all(&w.out)?;
                        w.out.clear();
                    }
                    Ok(())
                })
            })
        })
    })?;
    w.out.push(b'\n');
    out.write_all(&w.out)
}

fn wanted(stack: &Stack, instance: &Instance, filter: &DescribeFilter) -> bool {
    let name = |n: &str| filter.stack.as_deref().is_none_or(|s| s == n);
    let component = |n: &str| filter.components.is_empty() || filter.components.iter().any(|c| c == n);
    let pointer = instance.sections.get("component").and_then(Node::str).unwrap_or("");
    (name(instance.stack.as_str()) || name(stack.file.as_str()))
        && (component(instance.name.as_str()) || component(pointer))
        && (filter.component_types.is_empty() || filter.component_types.iter().any(|t| t == instance.kind))
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn indent(&mut self, depth: usize) {
        self.out.push(b'\n');
        for _ in 0..depth {
            self.out.extend_from_slice(b"  ");
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut from = 0;
        for (i, b) in bytes.iter().enumerate() {
            let escape: &[u8] = match b {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..=0x1f => {
                    self.out.extend_from_slice(&bytes[from..i]);
                    self.out.extend_from_slice(format!("\\u{b:04x}").as_bytes());
                    from = i + 1;
                    continue;
                }
                _ => continue,
            };
            self.out.extend_from_slice(&bytes[from..i]);
            self.out.extend_from_slice(escape);
            from = i + 1;
        }
        self.out.extend_from_slice(&bytes[from..]);
        self.out.push(b'"');
    }

    fn object<'k, K: AsRef<str> + 'k, V>(
        &mut self,
        entries: impl Iterator<Item = (&'k K, V)>,
        depth: usize,
        out: &mut dyn Write,
        mut value: impl FnMut(&mut Self, V, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.out.push(b'{');
        let mut any = false;
        for (k, v) in entries {
            if any {
                self.out.push(b',');
            }
            any = true;
            self.indent(depth + 1);
            self.text(k.as_ref());
            self.out.extend_from_slice(b": ");
            value(self, v, out)?;
        }
        if any {
            self.indent(depth);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn entries<'n>(&mut self, entries: impl Iterator<Item = (&'static str, &'n Node)>, depth: usize) {
        self.out.push(b'{');
        let mut any = false;
        for (k, v) in entries {
            if any {
                self.out.push(b',');
            }
            any = true;
            self.indent(depth + 1);
            self.text(k);
            self.out.extend_from_slice(b": ");
            self.node(v, depth + 1);
        }
        if any {
            self.indent(depth);
        }
        self.out.push(b'}');
    }

    fn map(&mut self, map: &Map, depth: usize) {
        self.entries(map.entries().iter().map(|(k, v)| (k.as_str(), v)), depth);
    }

    fn node(&mut self, node: &Node, depth: usize) {
        match node.value() {
            Value::Str(s) => self.text(s),
            Value::Map(m) => self.map(m, depth),
            Value::List(l) if l.is_empty() => self.out.extend_from_slice(b"[]"),
            Value::List(l) => {
                self.out.push(b'[');
                for (i, item) in l.iter().enumerate() {
                    if i > 0 {
                        self.out.push(b',');
                    }
                    self.indent(depth + 1);
                    self.node(item, depth + 1);
                }
                self.indent(depth);
                self.out.push(b']');
            }
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Int(i) => self.out.extend_from_slice(i.to_string().as_bytes()),
            Value::UInt(u) => self.out.extend_from_slice(u.to_string().as_bytes()),
            Value::Float(_) => self.out.extend_from_slice(node.to_json().to_string().as_bytes()),
        }
    }
}
