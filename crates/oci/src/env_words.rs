//! What the program `env` starts, told by its words: the usual interpreter of scripts.

/// Which program `env` looks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A program, and where it is searched for; `None` without a search path.
    Program {
        /// Its name or path.
        name: String,
        /// Folders with `:` between them.
        path: Option<String>,
        /// The words that follow.
        arguments: Vec<String>,
    },
    /// No program: the variables are printed.
    Nothing,
    /// That cannot be told here.
    Unknown,
}

/// Characters that `env -S` gives a meaning of its own.
const SPECIAL: [char; 5] = ['\'', '"', '\\', '$', '#'];

/// Reads the words after `env`, as GNU coreutils does; `path` is the search path of the image.
pub(crate) fn wanted(words: &[String], path: Option<&str>) -> Wanted {
    let mut words: Vec<String> = words.iter().rev().cloned().collect();
    let mut path = path.map(str::to_owned);
    let mut options = true;
    while let Some(word) = words.pop() {
        if options && word.starts_with('-') {
            let split = word.strip_prefix("--split-string=").or_else(|| word.strip_prefix("-S"));
            match (word.as_str(), split) {
                ("--", _) => options = false,
                ("-" | "-i" | "--ignore-environment", _) => path = None,
                ("-u" | "--unset", _) => {
                    if words.pop().as_deref() == Some("PATH") {
                        path = None;
                    }
                }
                (_, Some(text)) => {
                    let text = match (text, word == "-S") {
                        ("", true) => words.pop().unwrap_or_default(),
                        (text, _) => text.to_owned(),
                    };
                    if text.contains(SPECIAL) {
                        return Wanted::Unknown;
                    }
                    words.extend(text.split_ascii_whitespace().rev().map(str::to_owned));
                }
                _ => return Wanted::Unknown,
            }
            continue;
        }
        options = false;
        match word.split_once('=') {
            Some(("PATH", folders)) => path = Some(folders.to_owned()),
            Some(_) => {}
            None => {
                words.reverse();
                return Wanted::Program { name: word, path, arguments: words };
            }
        }
    }
    Wanted::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: Option<(&str, Option<&str>)>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = match wanted(&words, Some("/own")) {
            Wanted::Program { name, path, .. } => Some((name, path)),
            Wanted::Nothing => None,
            Wanted::Unknown => panic!("{words:?}"),
        };
        let expected = expected.map(|(name, path)| (name.to_owned(), path.map(str::to_owned)));
        assert_eq!(found, expected, "{words:?}");
    }

    #[test]
    fn the_program_is_told_from_options_and_variables() {
        let own = Some("/own");
        check(&["python3"], Some(("python3", own)));
        // The kernel gives all that follows the interpreter as one word.
        check(&["python3 -u"], Some(("python3 -u", own)));
        check(&["-S python3 -u"], Some(("python3", own)));
        check(&["-S", "A=1 python3"], Some(("python3", own)));
        check(&["--split-string=-i python3"], Some(("python3", None)));
        check(&["A=1", "PATH=/a:/b", "sh", "-c"], Some(("sh", Some("/a:/b"))));
        check(&["-u", "PATH", "--", "sh"], Some(("sh", None)));
        check(&["-u", "A", "-", "sh"], Some(("sh", None)));
        check(&["A=1"], None);
        check(&[], None);
        for words in [&["-S 'a b'"][..], &["--chdir=/", "sh"], &["-vS sh"]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(wanted(&words, None), Wanted::Unknown, "{words:?}");
        }
    }
}
