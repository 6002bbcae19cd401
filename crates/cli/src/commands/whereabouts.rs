//! Where in a package's files a text of a derivation comes from. It looks at texts only: at lines that stand
//! there as they are, at lines with `#{…}` that give the text, and at the words that are new in it.

use std::collections::BTreeSet;

use cbuild_diag::Sources;
use cbuild_drv::ContentHash;
use cbuild_sema::{Checked, ModuleKey, Package};

use crate::evaluation::Evaluated;

/// Shortest line that is looked for in sources; shorter ones, such as `fi`, tell no place.
const MIN_LINE: usize = 4;

/// Shortest word that is looked for.
const MIN_WORD: usize = 2;

/// Most new words of a line that are looked for.
const MAX_WORDS: usize = 8;

/// What stands around a word and is no part of it.
const AROUND: &str = "'\"`,;()[]{}:";

/// The texts that a target is made of.
#[derive(Debug, Default)]
pub(crate) struct Whereabouts {
    /// Modules of the target's own package and the files that were decoded, name and text.
    own: Vec<(String, String)>,
    /// Modules of other packages and of the standard library.
    others: Vec<(String, String)>,
}

impl Whereabouts {
    /// The texts of an evaluated target.
    pub(crate) fn of(checked: &Checked, sources: &Sources, evaluated: &Evaluated) -> Self {
        let is_own = |key: &ModuleKey| key.package == Package::Root;
        let mut found = Self { own: evaluated.decoded.clone(), ..Self::default() };
        for (&source, key) in &checked.keys {
            let texts = if is_own(key) { &mut found.own } else { &mut found.others };
            texts.push((sources.name(source).to_owned(), sources.text(source).to_owned()));
        }
        found
    }

    /// The one place that a new line comes from, such as `main.cbuild:12`; `before` are the lines that it
    /// replaces. None when it comes from nowhere or may come from several places.
    pub(crate) fn find(&self, line: &str, before: &[&str]) -> Option<String> {
        let line = line.trim();
        if line.len() >= MIN_LINE
            && let Some(place) = self.one(|text| text.contains(line))
        {
            return Some(place);
        }
        let expression = self.one(|text| gives(text.trim(), line));
        let places = expression.into_iter().chain(self.words(line, before));
        let places: Vec<String> = places.collect();
        (!places.is_empty()).then(|| places.join(", "))
    }

    /// The places of the words that are new in a line.
    fn words(&self, line: &str, before: &[&str]) -> Vec<String> {
        let old: BTreeSet<&str> = before.iter().flat_map(|line| words(line)).collect();
        let mut places: Vec<(String, String)> = Vec::new();
        for word in words(line).filter(|word| !old.contains(word)).take(MAX_WORDS) {
            let hash = ContentHash::parse(word).map(|hash| hash.to_hex()).ok();
            let has = |text: &str| {
                has_word(text, word) || hash.as_ref().is_some_and(|hash| text.contains(hash))
            };
            let Some(place) = self.one(has) else { continue };
            let word = format!("`{word}`");
            match places.iter_mut().find(|(_, other)| *other == place) {
                Some((words, _)) if words.contains(&word) => {}
                Some((words, _)) => *words = format!("{words} {word}"),
                None => places.push((word, place)),
            }
        }
        places.into_iter().map(|(words, place)| format!("{words} in {place}")).collect()
    }

    /// The one line that is wanted: of the target's own files, and only without one there, of others.
    fn one(&self, wanted: impl Fn(&str) -> bool) -> Option<String> {
        [&self.own, &self.others].into_iter().find_map(|texts| {
            let lines = texts.iter().flat_map(|(name, text)| {
                text.lines().enumerate().map(move |(at, line)| (name, at + 1, line))
            });
            // What a comment says gives no value.
            let code = lines.filter(|(_, _, line)| !line.trim_start().starts_with("//"));
            let mut found = code.filter(|(_, _, line)| wanted(line));
            match (found.next(), found.next()) {
                (Some((name, at, _)), None) => Some(format!("{name}:{at}")),
                _ => None,
            }
        })
    }
}

/// The words of a line without quotes and the like around them; of `NAME=value` also the value.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let value = |word: &'_ str| word.split_once('=').map(|(_, value)| value.len());
    let with_value =
        move |word| [Some(word), value(word).map(|length| &word[word.len() - length..])];
    let bare = |word| str::trim_matches(word, |c| AROUND.contains(c));
    let all = line.split_whitespace().map(bare).flat_map(with_value).flatten();
    all.map(bare).filter(|word| word.len() >= MIN_WORD)
}

/// Whether a line has a word that is no part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let after = line[at + word.len()..].chars().next();
        !line[..at].chars().next_back().is_some_and(inner) && !after.is_some_and(inner)
    })
}

/// Whether a line of source with `#{…}` in it can give a line of text: what stands outside of the braces is
/// in the text, in the same order, at its start and at its end.
fn gives(source: &str, line: &str) -> bool {
    let parts = literal_parts(source);
    let [first, middle @ .., last] = &parts[..] else { return false };
    let known: usize = parts.iter().map(|part| part.trim().len()).sum();
    let Some(rest) = line.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last).filter(|_| known >= MIN_LINE) else {
        return false;
    };
    middle.iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// What stands before, between and after each `#{…}` of a line; one part where there is none. An interpolation
/// that does not end in the line counts as text.
fn literal_parts(source: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), source);
    while let Some(start) = rest.find("#{") {
        let mut depth = 0_usize;
        let end = rest[start + 1..].find(|c| {
            depth = if c == '{' { depth + 1 } else { depth - usize::from(c == '}') };
            depth == 0 && c == '}'
        });
        let Some(end) = end else { break };
        parts.push(&rest[..start]);
        rest = &rest[start + 1 + end + 1..];
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Whereabouts {
        let own = [
            (
                "main.cbuild",
                "fn f() = sh\"\"\"\n  cc $CFLAGS\n  echo #{conf.greeting} > $out/greeting\n  cp #{a}/b #{c { d = 1 }}/e\n",
            ),
            (
                "lib/flags.cbuild",
                "let flags = [\"-O3\", \"-g\"]\n  // not -O3 alone\nlet twice = \"-g\"\n",
            ),
            ("conf.json", "{\"greeting\":\"hello there\"}\n"),
            (
                "fetch.cbuild",
                "  hash = sha256-3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744,\n",
            ),
        ];
        let named = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let others = vec![named(("std/cc.cbuild", "\"-pipe\"\n"))];
        Whereabouts { own: own.map(named).to_vec(), others }
    }

    #[test]
    fn places_of_lines_expressions_and_words() {
        let texts = texts();
        let find = |line: &str, before: &str| texts.find(line, &[before]).unwrap_or_default();
        assert_eq!(find("cc $CFLAGS", "gcc"), "main.cbuild:2");
        assert_eq!(find("-O3 -g", "-O2 -g"), "`-O3` in lib/flags.cbuild:1");
        assert_eq!(find("-O2 -pipe", "-O2"), "`-pipe` in std/cc.cbuild:1");
        assert_eq!(find("-g", "-O2"), "", "two places");
        assert_eq!(
            find("echo 'hello there' > $out/greeting", "echo hi > $out/greeting"),
            "main.cbuild:3, `hello` `there` in conf.json:1"
        );
        assert_eq!(find("cp /cbuild/store/…-a/b /cbuild/store/…-c/e", "cp"), "main.cbuild:4");
        assert_eq!(
            find("sha256-PT/b6R1GYMhz4UsJLCE/6BwdpjYtqiNusl0BcesQh0Q=", "x"),
            "`sha256-PT/b6R1GYMhz4UsJLCE/6BwdpjYtqiNusl0BcesQh0Q=` in fetch.cbuild:1"
        );
        assert_eq!(find("./configure CFLAGS='-O3'", "./configure"), "`-O3` in lib/flags.cbuild:1");
        assert_eq!(find("nothing of this", ""), "");
    }

    #[test]
    fn text_outside_of_interpolations() {
        assert_eq!(literal_parts("a #{b { c = \"d\" }} e #{f}"), ["a ", " e ", ""]);
        assert_eq!(literal_parts("plain"), ["plain"]);
        assert_eq!(literal_parts("open #{ here"), ["open #{ here"]);
        assert_eq!(literal_parts("}#{}#{"), ["}", "#{"]);
    }

    proptest::proptest! {
        #[test]
        fn odd_lines_are_harmless(source in "[ab#{}é ]{0,20}", line in "[abé ]{0,20}") {
            gives(&source, &line);
            proptest::prop_assert_eq!(literal_parts(&source).is_empty(), false);
        }
    }
}
