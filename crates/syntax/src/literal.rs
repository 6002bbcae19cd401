//! Texts and names of fields as they are written in a program.

use cbuild_diag::{ends_line, turns_direction};

use crate::words::{is_name, is_reserved, is_word_byte};

/// A text as a literal of the language.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            '\r' => literal.push_str("\\r"),
            '#' if rest.peek() == Some(&'{') => literal.push_str("\\#"),
            c if c.is_control() || turns_direction(c) || ends_line(c) => {
                literal.push_str(&format!("\\u{{{:x}}}", u32::from(c)))
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// The name of a field of a record as it is written: in quotes unless it is a name.
#[must_use]
pub fn field_name(name: &str) -> std::borrow::Cow<'_, str> {
    let upper = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(is_word_byte)
        && !is_reserved(name.as_bytes());
    if upper || is_name(name) { name.into() } else { quoted(name).into() }
}

#[cfg(test)]
mod tests {
    use super::field_name;

    #[test]
    fn fields_without_a_name_stand_in_quotes() {
        for name in ["a", "_a1", "Ab"] {
            assert_eq!(field_name(name), name);
        }
        let quoted = [
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("if", "\"if\""),
            ("1x", "\"1x\""),
            ("\n#{", "\"\\n\\#{\""),
            ("\u{1b}[31m", "\"\\u{1b}[31m\""),
            ("ü", "\"ü\""),
        ];
        for (name, shown) in quoted {
            assert_eq!(field_name(name), shown);
        }
    }
}
