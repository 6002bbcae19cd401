//! A graph in the language of Graphviz.

use std::fmt::Write;

use super::{View, human};

/// The graph in DOT: an arrow leads from a derivation to what it needs.
pub fn to_dot(view: &View) -> String {
    let mut text = String::from("digraph cbuild {\n  rankdir=LR;\n  node [shape=box];\n");
    for (at, node) in view.nodes.iter().enumerate() {
        // Names have no character that would end the quotes.
        let size = node.bytes.map_or(String::new(), |bytes| format!("\\n{}", human(bytes)));
        let style = match node.kind {
            "fetch" => ", style=dashed",
            "assemble" => ", style=rounded",
            _ => "",
        };
        let bold = if view.targets.contains(&at) { ", penwidth=2" } else { "" };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  n{at} [label=\"{}{size}\"{style}{bold}];", node.name);
        for need in &node.needs {
            let _ = writeln!(text, "  n{at} -> n{need};");
        }
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn nodes_and_arrows() {
        let text = super::to_dot(&crate::graph::tests::diamond());
        assert!(text.contains("n0 [label=\"base\\n2.0 KiB\", style=rounded];"), "{text}");
        assert!(text.contains("n3 [label=\"top\", style=rounded, penwidth=2];"), "{text}");
        assert_eq!(text.matches(" -> ").count(), 4);
    }
}
