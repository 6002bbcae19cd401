//! Text of builders without what commands a terminal: a builder is not trusted, and its log is shown to people.

/// A line without sequences of escape and without control characters but tabs. Of what was written over itself
/// with carriage returns, such as a bar of progress, the last state stays.
pub fn plain(line: &str) -> String {
    let line = line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip(&mut rest),
            '\t' => text.push(c),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text
}

/// Goes over what follows an escape character (ECMA-48): a control sequence to its final byte, a string to its
/// terminator, anything else one character.
fn skip(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => {
            let _ = rest.find(|c| ('@'..='~').contains(c));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let mut escaped = false;
            let _ = rest.find(|&c| {
                let ended = c == '\u{7}' || escaped && c == '\\';
                escaped = c == '\u{1b}';
                ended
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_commands_a_terminal() {
        let cases = [
            ("\u{1b}[31mred\u{1b}[0m and plain", "red and plain"),
            ("a\u{1b}[2Jb\u{1b}]0;title\u{7}c", "abc"),
            ("a\u{1b}]8;;http://x\u{1b}\\link", "alink"),
            ("\u{1b}(Bx\u{8}\u{7}y\u{9b}z\tend", "Bxyz\tend"),
            ("10 %\r50 %\r100 %\r", "100 %"),
            ("open \u{1b}]0;never closed", "open "),
            ("ends \u{1b}", "ends "),
            ("gr\u{fc}n \u{2713}", "gr\u{fc}n \u{2713}"),
        ];
        for (line, expected) in cases {
            assert_eq!(plain(line), expected, "{line:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_is_left(line in "(\\PC|[\u{0}-\u{1f}\u{7f}-\u{9f}]|\u{1b}[\\[\\]P]){0,40}") {
            let plain = plain(&line);
            proptest::prop_assert!(plain.chars().all(|c| c == '\t' || !c.is_control()), "{:?}", plain);
        }

        #[test]
        fn ordinary_text_stays(line in "\\PC{0,40}") {
            proptest::prop_assert_eq!(plain(&line), line);
        }
    }
}
