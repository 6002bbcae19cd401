//! Line breaking of printed values.

/// Width that lines are broken at, in characters.
const WIDTH: usize = 88;

/// Text that may be broken into lines at the commas of its groups.
pub(crate) struct Layout {
    prefix: String,
    /// Width on one line, the prefix included.
    width: usize,
    body: Body,
}

enum Body {
    Text(String),
    Group { open: String, space: &'static str, items: Vec<Layout>, close: &'static str },
}

impl Layout {
    /// Unbreakable text.
    pub(crate) fn text(text: String) -> Self {
        let width = text.chars().count();
        Self { prefix: String::new(), width, body: Body::Text(text) }
    }

    /// Items between brackets.
    pub(crate) fn group(open: &str, items: Vec<Layout>, close: &'static str) -> Self {
        Self::bracketed(open, "", items, close)
    }

    /// Items between brackets with a space at either side.
    pub(crate) fn spaced(open: &str, items: Vec<Layout>, close: &'static str) -> Self {
        let space = if items.is_empty() { "" } else { " " };
        Self::bracketed(open, space, items, close)
    }

    fn bracketed(open: &str, space: &'static str, items: Vec<Layout>, close: &'static str) -> Self {
        let inner: usize = items.iter().map(|item| item.width + 2).sum();
        let width = open.len() + inner + 2 * space.len() + close.len();
        let body = Body::Group { open: open.to_owned(), space, items, close };
        Self { prefix: String::new(), width, body }
    }

    /// The layout with text in front.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        self.width += prefix.chars().count();
        self.prefix = prefix.to_owned();
        self
    }

    /// The text, without a final line feed; nothing if it has more bytes than `most`.
    pub(crate) fn render(&self, most: usize) -> Option<String> {
        let mut out = String::new();
        self.write(0, &mut out, most)?;
        (out.len() <= most).then_some(out)
    }

    fn write(&self, indent: usize, out: &mut String, most: usize) -> Option<()> {
        out.push_str(&self.prefix);
        let Body::Group { open, space, items, close } = &self.body else {
            if let Body::Text(text) = &self.body {
                out.push_str(text);
            }
            return Some(());
        };
        out.push_str(open);
        if indent + self.width <= WIDTH || items.is_empty() {
            out.push_str(space);
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                crate::stack::guarded(|| item.write(0, out, most))?;
            }
            out.push_str(space);
        } else {
            for item in items {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent + 2));
                crate::stack::guarded(|| item.write(indent + 2, out, most))?;
                out.push(',');
                if out.len() > most {
                    return None;
                }
            }
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str(close);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(count: usize) -> Vec<Layout> {
        (0..count).map(|_| Layout::text("0123456789".to_owned())).collect()
    }

    fn rendered(layout: &Layout) -> String {
        layout.render(usize::MAX).unwrap()
    }

    #[test]
    fn what_has_too_many_bytes_is_not_made() {
        let group = Layout::group("[", words(2), "]");
        assert_eq!(group.render(24).map(|text| text.len()), Some(24));
        assert_eq!(group.render(23), None);
        let broken = Layout::group("[", words(10), "]");
        let bytes = rendered(&broken).len();
        assert_eq!(broken.render(bytes).map(|text| text.len()), Some(bytes));
        assert_eq!(broken.render(bytes - 1), None);
    }

    #[test]
    fn short_groups_stay_on_a_line() {
        assert_eq!(rendered(&Layout::group("[", words(2), "]")), "[0123456789, 0123456789]");
        assert_eq!(rendered(&Layout::spaced("{", words(1), "}")), "{ 0123456789 }");
        assert_eq!(rendered(&Layout::spaced("{", Vec::new(), "}")), "{}");
    }

    #[test]
    fn long_groups_are_broken_at_their_commas() {
        let inner = Layout::group("[", words(8), "]").prefixed("a = ");
        let text = rendered(&Layout::spaced("{", vec![inner], "}"));
        assert!(text.starts_with("{\n  a = [\n    0123456789,\n"), "{text}");
        assert!(text.ends_with("    0123456789,\n  ],\n}"), "{text}");
    }
}
