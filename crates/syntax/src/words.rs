//! Reserved words and the shape of names.

/// What some editors put in front of a text; it means nothing.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Words that cannot be names. `protocol` and `test` are only special where an item may start.
pub(crate) const RESERVED: [&str; 15] = [
    "as", "else", "extern", "false", "fn", "if", "import", "in", "let", "match", "pub", "then",
    "true", "type", "with",
];

/// Whether a word is one of [`RESERVED`].
pub(crate) fn is_reserved(word: &[u8]) -> bool {
    // Not a search of the list, because the parser asks for every word.
    matches!(
        word,
        b"as"
            | b"fn"
            | b"if"
            | b"in"
            | b"let"
            | b"pub"
            | b"else"
            | b"then"
            | b"true"
            | b"type"
            | b"with"
            | b"false"
            | b"match"
            | b"extern"
            | b"import"
    )
}

/// Whether the text can be the name of a value.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first && text.bytes().all(is_word_byte) && !is_reserved(text.as_bytes())
}

/// Whether a byte may stand inside of a name or number.
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use pest::Parser as _;

    use super::{RESERVED, is_reserved};
    use crate::grammar::{Grammar, Rule};

    #[test]
    fn the_grammar_reserves_these_words() {
        for word in RESERVED {
            assert!(is_reserved(word.as_bytes()), "{word}");
            assert!(Grammar::parse(Rule::value_name, word).is_err(), "{word}");
            let longer = format!("{word}_");
            assert!(!is_reserved(longer.as_bytes()), "{longer}");
            assert!(Grammar::parse(Rule::value_name, &longer).is_ok(), "{longer}");
        }
        // These look like it and are not.
        for word in ["protocol", "test", "sh", "sha256", "md5", "or", "and", "def", "of", "do"] {
            assert!(!is_reserved(word.as_bytes()), "{word}");
            assert!(Grammar::parse(Rule::value_name, word).is_ok(), "{word}");
        }
    }
}
