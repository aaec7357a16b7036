//! A graph in Graphviz's language.

use std::fmt::Write;

use super::{Drawn, Graph};

impl Graph {
    /// The graph in Graphviz's language: the node `n3` is the tape's node 3, and each input is an edge. The path of a gradient is
    /// bold and red, against the arrows of the values. Operations that a rule replaced have a double frame.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot = format!("digraph tape {{\n  label={};\n", quoted(&self.caption()));
        dot += "  node [shape=box, fontname=monospace];\n  edge [color=gray50];\n";
        let write = "memory can be written to";
        for (id, node) in self.nodes.iter().enumerate() {
            let form = if node.is_leaf { ", style=rounded" } else { "" };
            let mark = if node.replaced() { ", peripheries=2, color=\"#d55e00\"" } else { "" };
            writeln!(dot, "  n{id} [label={}{form}{mark}];", quoted(&text(node))).expect(write);
        }
        for (id, node) in self.nodes.iter().enumerate() {
            for (index, input) in node.inputs.iter().enumerate() {
                let path = if node.handed_on(index) { " [dir=back, color=\"#d55e00\", penwidth=3]" } else { "" };
                writeln!(dot, "  n{input} -> n{id}{path};").expect(write);
            }
        }
        dot + "}\n"
    }
}

fn text(node: &Drawn) -> String {
    let name = node.label.as_ref().map(|label| format!(" {label}")).unwrap_or_default();
    format!("{}{name}\n{}\n{}", node.operation, node.shape, node.memory_in_words())
}

/// A quoted string, with `\\`, `\"` and `\n` as Graphviz reads them.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
