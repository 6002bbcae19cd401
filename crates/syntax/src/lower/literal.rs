//! Numbers, hashes and paths.

use cbuild_diag::Diagnostic;

use super::{Lower, Node};
use crate::ast::ExprKind;
use crate::hash::{self, HashProblem};

impl Lower<'_> {
    /// The value of a number, or `None` after an error was reported.
    pub(super) fn int(&mut self, node: &Node<'_>, negative: bool) -> Option<i64> {
        let text = node.as_str();
        let span = self.span(node);
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            let (message, help) = if text.contains('.') {
                ("there are no fractional numbers", "use a whole number, or a text such as \"1.5\"")
            } else if text.contains(['e', 'E']) && !text.starts_with('0') {
                ("numbers have no exponent", "write all digits, such as `1_000_000`")
            } else {
                ("this is not a decimal number", "write it in decimal digits, such as `1_000`")
            };
            let mut found = Diagnostic::error(
                "E0112",
                self.source,
                span,
                message,
                "expected only digits and `_`",
            )
            .help(help);
            if let Some(value) = decimal(text) {
                found = found.help(format!("write `{value}`")).edit(self.source, span, value);
            }
            self.diagnostics.push(found);
            return None;
        }
        let digits = text.bytes().filter(|byte| *byte != b'_');
        let mut value: i64 = 0;
        for digit in digits {
            let digit = i64::from(digit - b'0');
            let digit = if negative { -digit } else { digit };
            match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
                Some(next) => value = next,
                None => {
                    let message = "this number is too big";
                    let label = "does not fit into 64 bits";
                    let help = format!("numbers go from {} to {}", i64::MIN, i64::MAX);
                    self.error("E0111", span, message, label, help);
                    return None;
                }
            }
        }
        Some(value)
    }

    pub(super) fn hash(&mut self, node: &Node<'_>) -> ExprKind {
        let text = node.as_str();
        let Err(problem) = hash::check(text) else { return ExprKind::Hash(text.to_owned()) };
        let span = self.span(node);
        let (message, help) = match problem {
            HashProblem::Algorithm => (
                "this hash algorithm is not supported".to_owned(),
                "use sha256, sha512 or blake3".to_owned(),
            ),
            HashProblem::Length { algorithm, bytes } => (
                format!("this is not a {algorithm} digest"),
                format!(
                    "a {algorithm} digest is {} characters of padded base64, or {} of hex",
                    bytes.div_ceil(3) * 4,
                    bytes * 2
                ),
            ),
            HashProblem::Character => (
                "this is not a valid digest".to_owned(),
                "write it in padded base64 (A-Z a-z 0-9 + / =) or in lower-case hex".to_owned(),
            ),
        };
        let label = match text.split_once('-') {
            Some((_, "")) => "there is no digest after the `-`".to_owned(),
            Some((_, digest)) if matches!(problem, HashProblem::Length { .. }) => {
                format!("{} characters", digest.len())
            }
            Some((algorithm, _)) if problem == HashProblem::Algorithm => {
                format!("`{algorithm}`")
            }
            _ => "neither base64 nor hex".to_owned(),
        };
        self.error("E0113", span, message, label, help);
        ExprKind::Error
    }
}

/// The decimal digits of a number in base 16, 8 or 2.
fn decimal(text: &str) -> Option<String> {
    let (base, digits) = match text.get(..2)? {
        "0x" | "0X" => (16, &text[2..]),
        "0o" | "0O" => (8, &text[2..]),
        "0b" | "0B" => (2, &text[2..]),
        _ => return None,
    };
    i64::from_str_radix(&digits.replace('_', ""), base).ok().map(|value| value.to_string())
}

/// A path literal without `.` and empty segments, and with each `..` applied to the segment before
/// it: `./a/../b` is `./b`. Only leading `..` remain; the folder itself is `.`.
pub(super) fn normal_path(text: &str) -> String {
    let mut up = 0;
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.pop().is_none() => up += 1,
            ".." => {}
            name => segments.push(name),
        }
    }
    let mut path = if up == 0 { ".".to_owned() } else { vec![".."; up].join("/") };
    for segment in segments {
        path.push('/');
        path.push_str(segment);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::normal_path;

    #[test]
    fn paths_are_normalised() {
        for (written, normal) in [
            ("./a/../b", "./b"),
            ("./", "."),
            ("./src/", "./src"),
            ("../a", "../a"),
            ("./a/../../b", "../b"),
            ("../../x/./y", "../../x/y"),
            ("./..", ".."),
        ] {
            assert_eq!(normal_path(written), normal, "{written}");
        }
    }
}
