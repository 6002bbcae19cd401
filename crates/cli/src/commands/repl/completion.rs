//! What can be completed at a position of an input.

/// Something to complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'t> {
    /// What stands before the dot, if there is one.
    pub(super) base: Option<&'t str>,
    /// The beginning of the name.
    pub(super) partial: &'t str,
    /// Where the name begins.
    pub(super) start: usize,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What stands at the end of a text: a partial name, and what it belongs to.
pub(super) fn wanted(text: &str) -> Wanted<'_> {
    let bytes = text.as_bytes();
    let mut start = bytes.len();
    while start > 0 && is_word(bytes[start - 1]) {
        start -= 1;
    }
    let partial = &text[start..];
    if start == 0 || bytes[start - 1] != b'.' {
        return Wanted { base: None, partial, start };
    }
    let from = chain_start(bytes, start - 1);
    let base = text[from..start - 1].trim();
    Wanted { base: (!base.is_empty()).then_some(base), partial, start }
}

/// Where the chain of names, fields, calls and brackets that ends at `end` begins.
fn chain_start(bytes: &[u8], end: usize) -> usize {
    let mut at = end;
    while at > 0 {
        match bytes[at - 1] {
            byte if is_word(byte) || byte == b'.' => at -= 1,
            b')' | b']' | b'}' => match opening(bytes, at - 1) {
                Some(open) => at = open,
                None => return at,
            },
            b'"' => match bytes[..at - 1].iter().rposition(|byte| *byte == b'"') {
                Some(open) => at = open,
                None => return at,
            },
            _ => return at,
        }
    }
    0
}

/// The bracket that a closing one belongs to.
fn opening(bytes: &[u8], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match bytes[at] {
            b')' | b']' | b'}' => depth += 1,
            b'(' | b'[' | b'{' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, base: Option<&str>, partial: &str) {
        let found = wanted(text);
        assert_eq!((found.base, found.partial), (base, partial), "{text:?}");
        assert_eq!(found.start, text.len() - partial.len());
    }

    #[test]
    fn names_and_what_is_before_the_dot() {
        check("", None, "");
        check("1 + st", None, "st");
        check("std.", Some("std"), "");
        check("f(std.list.ma", Some("std.list"), "ma");
        check("f(a, b).na", Some("f(a, b)"), "na");
        check("x + { a = 1 }.", Some("{ a = 1 }"), "");
        check("[g(1)] |> std.list.at(0).", Some("std.list.at(0)"), "");
        check("\"a\".", Some("\"a\""), "");
        check(").", None, "");
        check(".", None, "");
    }
}
