//! Documentation comments as HTML. The only module, with [`crate::examples`], that names pulldown-cmark.
//!
//! Raw HTML stands for itself, links lead to the web or into the documentation, and nothing is
//! loaded from outside: an image becomes a link.

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};

use crate::highlight::highlight;
use crate::html::escape;
use crate::library::{Library, Module, relative};

/// Marks links that were made from names, so that they are not taken for addresses.
const PLACE: &str = "place:";

/// A documentation comment as HTML, with the names of items as links.
pub(crate) fn render(text: &str, library: &Library, module: &Module, page: &str) -> String {
    let place = |name: &str| library.name_place(module, name.trim_matches('`'));
    let mut by_name = |link: BrokenLink<'_>| {
        let found = place(&link.reference)?;
        Some((CowStr::from(format!("{PLACE}{found}")), CowStr::from("")))
    };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let parser = Parser::new_with_broken_link_callback(text, options, Some(&mut by_name));
    let mut rewriter = Rewriter { page, block: None, links: Vec::new(), place: &place };
    let events: Vec<Event<'_>> = parser.flat_map(|event| rewriter.event(event)).collect();
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    out
}

struct Rewriter<'p, F> {
    page: &'p str,
    /// Text of the code block that is being read, and its mark.
    block: Option<(String, String)>,
    /// For each open link whether it is kept.
    links: Vec<bool>,
    place: F,
}

impl<F: Fn(&str) -> Option<String>> Rewriter<'_, F> {
    fn event<'e>(&mut self, event: Event<'e>) -> Vec<Event<'e>> {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => vec![Event::Text(raw)],
            Event::Start(Tag::CodeBlock(kind)) => {
                let mark = match kind {
                    CodeBlockKind::Fenced(mark) => mark.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.block = Some((String::new(), mark));
                Vec::new()
            }
            Event::Text(text) if self.block.is_some() => {
                if let Some((block, _)) = &mut self.block {
                    block.push_str(&text);
                }
                Vec::new()
            }
            Event::End(TagEnd::CodeBlock) => {
                let (text, mark) = self.block.take().unwrap_or_default();
                vec![Event::Html(code_block(&text, &mark).into())]
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.open_link(&dest_url)
            }
            Event::End(TagEnd::Link | TagEnd::Image) => match self.links.pop() {
                Some(true) => vec![Event::Html("</a>".into())],
                _ => Vec::new(),
            },
            Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                let level = lower(level);
                vec![Event::Start(Tag::Heading { level, id, classes, attrs })]
            }
            Event::End(TagEnd::Heading(level)) => vec![Event::End(TagEnd::Heading(lower(level)))],
            Event::Code(text) if self.links.is_empty() => match (self.place)(&text) {
                Some(place) => {
                    let href = escape(&relative(self.page, &place));
                    let code = escape(&text);
                    let link = format!("<a href=\"{href}\"><code>{code}</code></a>");
                    vec![Event::InlineHtml(link.into())]
                }
                None => vec![Event::Code(text)],
            },
            other => vec![other],
        }
    }

    fn open_link<'e>(&mut self, address: &str) -> Vec<Event<'e>> {
        let outside = ["https://", "http://", "mailto:"];
        let href = match address.strip_prefix(PLACE) {
            Some(place) => Some(relative(self.page, place)),
            None => {
                outside.iter().any(|start| address.starts_with(start)).then(|| address.to_owned())
            }
        };
        self.links.push(href.is_some());
        match href {
            Some(href) => vec![Event::Html(format!("<a href=\"{}\">", escape(&href)).into())],
            None => Vec::new(),
        }
    }
}

/// Headings in comments are below those of the page.
fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H4,
        HeadingLevel::H2 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

fn code_block(text: &str, mark: &str) -> String {
    let language = mark.split([' ', ',']).next().unwrap_or_default();
    let code = match language {
        "" | "cbuild" => highlight(text.trim_end()).html,
        _ => escape(text.trim_end()),
    };
    format!("<pre class=\"block\"><code>{code}</code></pre>\n")
}

/// The first paragraph as plain text, shortened to one line of so many characters.
pub(crate) fn summary(text: &str, most: usize) -> String {
    let mut out = String::new();
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(&text),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_)) if !out.is_empty() => break,
            _ => {}
        }
    }
    if let Some((at, _)) = out.char_indices().nth(most) {
        out.truncate(at);
        out.push('…');
    }
    out
}

/// The first paragraph as HTML without links.
pub(crate) fn summary_html(text: &str) -> String {
    let mut out = String::new();
    for event in Parser::new(text) {
        match event {
            Event::Text(text) => out.push_str(&escape(&text)),
            Event::Code(text) => out.push_str(&format!("<code>{}</code>", escape(&text))),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_)) if !out.is_empty() => break,
            _ => {}
        }
    }
    out
}
