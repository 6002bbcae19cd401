//! Files: items with the comments and empty lines between them.

use rowan::NodeOrToken;

use super::builder::{Builder, kids, start};
use super::print::{Mode, print};
use super::trivia::Lead;
use crate::{SyntaxKind, SyntaxNode};

/// The formatted text of a file.
pub(super) fn file(text: &str, tree: &SyntaxNode) -> String {
    let mut builder = Builder::new(text, tree);
    let mut out = File::default();
    for element in kids(tree) {
        let NodeOrToken::Node(item) = &element else { continue };
        let lead = builder.take(start(&element));
        let printed = print(&builder.item(item), Mode::Broken);
        out.item(&lead, &printed, is_import(item));
    }
    out.end(&builder.take(text.len()));
    out.text
}

fn is_import(item: &SyntaxNode) -> bool {
    item.children().any(|part| part.kind() == SyntaxKind::ImportItem)
}

#[derive(Default)]
struct File {
    text: String,
    /// Whether an empty line must follow.
    apart: bool,
    /// Whether the last item is an import.
    after_import: bool,
}

impl File {
    fn item(&mut self, lead: &Lead<'_>, printed: &str, import: bool) {
        let tall = printed.contains('\n');
        let documented = lead.comments.iter().any(|comment| is_doc(comment.text, "///"));
        let apart = tall || documented || (self.after_import && !import);
        self.apart |= apart && !self.text.is_empty();
        // An empty line somewhere between the items is enough.
        let own = lead.comments.iter().filter(|comment| !comment.trailing);
        if own.skip(1).any(|comment| comment.blank) || (lead.blank && !lead.comments.is_empty()) {
            self.apart &= lead.starts_blank();
        }
        self.comments(lead);
        if lead.blank || self.apart {
            self.empty_line();
        }
        self.text.push_str(printed);
        self.text.push('\n');
        self.apart = tall;
        self.after_import = import;
    }

    fn end(&mut self, lead: &Lead<'_>) {
        self.apart = false;
        self.comments(lead);
    }

    /// Writes comments; those on the line of the last item stay there.
    fn comments(&mut self, lead: &Lead<'_>) {
        let mut header = self.text.is_empty();
        for comment in &lead.comments {
            if comment.trailing && self.text.ends_with('\n') {
                self.text.pop();
                self.text.push(' ');
            } else {
                // The documentation of the file stands apart from what follows.
                let ends_header = header && !is_doc(comment.text, "//!");
                if comment.blank || self.apart || ends_header {
                    self.empty_line();
                }
                header &= !ends_header;
                self.apart = false;
            }
            self.text.push_str(comment.text);
            self.text.push('\n');
        }
        self.apart |= header && !self.text.is_empty();
    }

    fn empty_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}

fn is_doc(comment: &str, marker: &str) -> bool {
    comment.strip_prefix(marker).is_some_and(|rest| !rest.starts_with('/'))
}
