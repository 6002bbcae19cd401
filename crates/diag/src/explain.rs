//! What each code means. The texts are the files of `book/src/errors`, one a code, whose examples
//! run as tests of the command line.

/// Code and text of each file, sorted by code.
static TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/explanations.rs"));

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The code, such as `E0301`.
    pub code: &'static str,
    /// One line.
    pub title: &'static str,
    /// Cause, fix and examples as Markdown, with the title as heading.
    pub markdown: &'static str,
}

impl Explanation {
    fn new((code, markdown): &(&'static str, &'static str)) -> Self {
        let heading = markdown.lines().next().unwrap_or_default();
        let title = heading.split_once(": ").map_or(heading, |(_, title)| title);
        Self { code, title, markdown }
    }

    /// The text for a terminal: examples are indented instead of fenced.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for line in self.markdown.lines() {
            if let Some(mark) = line.strip_prefix("```") {
                inside = !inside;
                if let Some((_, file)) = mark.split_once("file=") {
                    text.push_str(&format!("    // {file}\n"));
                }
                continue;
            }
            let line = line.strip_prefix("## ").unwrap_or(line);
            if inside && !line.is_empty() {
                text.push_str("    ");
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// The explanation of a code.
pub fn explanation(code: &str) -> Option<Explanation> {
    let found = TEXTS.binary_search_by_key(&code, |(known, _)| known).ok()?;
    TEXTS.get(found).map(Explanation::new)
}

/// All explanations, in ascending order of their codes.
pub fn explanations() -> impl Iterator<Item = Explanation> {
    TEXTS.iter().map(Explanation::new)
}

/// The code that somebody may have meant: `e301` and `301` are `E0301`; otherwise one that differs
/// in a single digit, or in two that are swapped.
pub fn similar_code(text: &str) -> Option<&'static str> {
    let digits = text.trim_start_matches(['e', 'E']);
    if digits.is_empty() {
        return None;
    }
    let wanted = format!("E{digits:0>4}");
    let close = |code: &&str| {
        let pairs = || code.bytes().zip(wanted.bytes());
        let differing: Vec<(u8, u8)> = pairs().filter(|(a, b)| a != b).collect();
        match differing.as_slice() {
            [_] => true,
            [(a, b), (c, d)] => (a, b) == (d, c),
            _ => false,
        }
    };
    let exact = TEXTS.iter().map(|(code, _)| *code).find(|code| *code == wanted);
    exact.or_else(|| {
        let same_length = wanted.len() == 5;
        TEXTS.iter().map(|(code, _)| *code).filter(|_| same_length).find(close)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_its_heading() {
        assert!(explanations().count() > 200);
        for explanation in explanations() {
            let code = explanation.code;
            let heading = format!("## {code}: {}\n\n", explanation.title);
            assert!(explanation.markdown.starts_with(&heading), "{code}");
            assert!(!explanation.title.ends_with('.') && explanation.title.len() > 5, "{code}");
            assert!(explanation.markdown.len() > heading.len() + 10, "{code}");
            assert!(explanation.markdown.lines().all(|line| line.len() <= 200), "{code}");
        }
    }

    #[test]
    fn terminal_form() {
        let text = explanation("E0301").map(|found| found.to_text());
        insta::assert_snapshot!(text.unwrap());
    }

    #[test]
    fn codes_are_guessed() {
        assert_eq!(similar_code("e301"), Some("E0301"));
        assert_eq!(similar_code("301"), Some("E0301"));
        assert_eq!(similar_code("E3001"), Some("E0301"));
        assert_eq!(similar_code("E0391"), Some("E0301"));
        for strange in ["", "E", "E99999", "hello", "ü"] {
            assert_eq!(similar_code(strange), None, "{strange}");
        }
    }
}
