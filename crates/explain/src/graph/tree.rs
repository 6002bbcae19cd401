//! A graph as an indented tree.

use super::{View, human};

/// The tree of each target. What was shown before is shown again without what is below it, and
/// marked with `…`.
pub fn to_text(view: &View) -> String {
    let mut text = String::new();
    let mut shown = vec![false; view.nodes.len()];
    // Position, and for each level above whether its node was the last of its siblings.
    let mut open: Vec<(usize, Vec<bool>)> =
        view.targets.iter().rev().map(|&target| (target, Vec::new())).collect();
    while let Some((at, levels)) = open.pop() {
        let node = &view.nodes[at];
        for (depth, last) in levels.iter().enumerate() {
            text.push_str(match (depth + 1 == levels.len(), last) {
                (true, true) => "└─ ",
                (true, false) => "├─ ",
                (false, true) => "   ",
                (false, false) => "│  ",
            });
        }
        text.push_str(&node.name);
        if let Some(bytes) = node.bytes {
            text.push_str(&format!("  {}", human(bytes)));
        }
        let again = shown[at] && !node.needs.is_empty();
        text.push_str(if again { "  …\n" } else { "\n" });
        if std::mem::replace(&mut shown[at], true) {
            continue;
        }
        for (position, &need) in node.needs.iter().enumerate().rev() {
            let mut levels = levels.clone();
            levels.push(position + 1 == node.needs.len());
            open.push((need, levels));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tree_repeats_no_branch() {
        let text = super::to_text(&crate::graph::tests::diamond());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "top");
        assert!(lines[1].starts_with("├─ ") && lines[3].starts_with("└─ "), "{text}");
        assert_eq!((lines[2], lines[4]), ("│  └─ base  2.0 KiB", "   └─ base  2.0 KiB"));
    }
}
