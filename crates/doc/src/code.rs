//! Code in HTML, written piece by piece.

use crate::html::escape_into;

/// Kinds of pieces, each with a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Keyword,
    Type,
    Name,
    Text,
    Number,
    Comment,
    Variable,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keyword => "kw",
            Self::Type => "ty",
            Self::Name => "nm",
            Self::Text => "st",
            Self::Number => "nu",
            Self::Comment => "co",
            Self::Variable => "va",
        }
    }
}

/// Code in HTML and as plain text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Code {
    pub(crate) html: String,
    pub(crate) plain: String,
}

impl Code {
    pub(crate) fn plain(&mut self, text: &str) {
        escape_into(&mut self.html, text);
        self.plain.push_str(text);
    }

    pub(crate) fn piece(&mut self, class: Class, text: &str) {
        self.html.push_str("<span class=\"");
        self.html.push_str(class.name());
        self.html.push_str("\">");
        self.plain(text);
        self.html.push_str("</span>");
    }

    pub(crate) fn link(&mut self, class: Class, text: &str, href: &str) {
        self.html.push_str("<a class=\"");
        self.html.push_str(class.name());
        self.html.push_str("\" href=\"");
        escape_into(&mut self.html, href);
        self.html.push_str("\">");
        self.plain(text);
        self.html.push_str("</a>");
    }
}
