//! Reads which archive apt takes the distribution's main packages from.
//!
//! Both ways give [`Target`]s: apt's own answer, or its lists of sources where apt cannot be run.

/// One combination of archive, suite and component that apt is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Base address of the archive.
    pub(super) base: String,
    /// Suite or code name, such as `bookworm` or `bookworm-updates`.
    pub(super) suite: String,
    /// Component, such as `main`.
    pub(super) component: String,
}

/// Base addresses of the archives that hold `main` of the release itself: not its updates,
/// not its security fixes, no other vendor's. Each once, in the order of the configuration.
pub(super) fn main_archives(targets: &[Target], code_name: &str) -> Vec<String> {
    let mut bases = Vec::new();
    for target in targets {
        let base = target.base.trim_end_matches('/').to_owned();
        let plain = ["http://", "https://", "file:///"].iter().any(|s| base.starts_with(s));
        let wanted = target.suite == code_name && target.component == "main";
        if plain && wanted && !bases.contains(&base) {
            bases.push(base);
        }
    }
    bases
}

/// Format for `apt-get indextargets --format`, whose lines [`parse_index_targets`] reads.
pub(super) const INDEX_TARGETS: &str = "$(REPO_URI)\t$(CODENAME)\t$(RELEASE)\t$(COMPONENT)";

/// Lines of `apt-get indextargets` in the format [`INDEX_TARGETS`].
pub(super) fn parse_index_targets(text: &str) -> Vec<Target> {
    let target = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let (base, code_name) = (fields.next()?, fields.next()?);
        let (written, component) = (fields.next()?, fields.next()?);
        // Before the first `apt-get update` only the suite as it was written is known.
        let suite = if code_name.is_empty() { written } else { code_name };
        Some(Target { base, suite, component })
    };
    text.lines().filter_map(target).collect()
}

/// One-line format: `deb [option=value …] ADDRESS SUITE COMPONENT…`.
pub(super) fn parse_list(text: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t']))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        if let [base, suite, components @ ..] = words.as_slice() {
            targets.extend(combinations(&[base], &[suite], components));
        }
    }
    targets
}

/// Stanzas with `Types`, `URIs`, `Suites` and `Components` (the format of `*.sources` files).
pub(super) fn parse_sources(text: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for stanza in stanzas(text) {
        let words = |key: &str| -> Vec<&str> {
            let field = stanza.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            field.map(|(_, value)| value.split_whitespace().collect()).unwrap_or_default()
        };
        let off = words("Enabled").first().is_some_and(|v| ["no", "false", "0"].contains(v));
        if !off && words("Types").contains(&"deb") {
            targets.extend(combinations(&words("URIs"), &words("Suites"), &words("Components")));
        }
    }
    targets
}

/// Fields of each stanza; a line that starts with white space continues the one before.
fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for line in text.lines() {
        if line.trim().is_empty() {
            all.push(Vec::new());
        } else if line.starts_with('#') {
            continue;
        } else if let Some(stanza) = all.last_mut() {
            match (line.starts_with([' ', '\t']), line.split_once(':'), stanza.last_mut()) {
                (true, _, Some((_, value))) => *value = format!("{value} {}", line.trim()),
                (false, Some((name, value)), _) => {
                    stanza.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => {}
            }
        }
    }
    all
}

fn combinations(bases: &[&str], suites: &[&str], components: &[&str]) -> Vec<Target> {
    let mut targets = Vec::new();
    for base in bases {
        for suite in suites {
            for component in components {
                let (base, suite) = ((*base).to_owned(), (*suite).to_owned());
                targets.push(Target { base, suite, component: (*component).to_owned() });
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str, suite: &str, component: &str) -> Target {
        Target { base: base.into(), suite: suite.into(), component: component.into() }
    }

    #[test]
    fn one_line_format() {
        let text = "# comment\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian trixie main contrib # tail\n\
                    deb-src http://a.example/debian trixie main\n\
                    deb\thttp://b.example/x/ trixie-updates main\n\
                    debris http://c.example trixie main\ndeb broken\n";
        let expected = [
            target("http://a.example/debian", "trixie", "main"),
            target("http://a.example/debian", "trixie", "contrib"),
            target("http://b.example/x/", "trixie-updates", "main"),
        ];
        assert_eq!(parse_list(text), expected);
    }

    #[test]
    fn stanza_format() {
        let text = "Types: deb deb-src\nURIs: http://a.example/debian\n http://b.example/debian\n\
                    # a comment inside\nSuites: trixie\nComponents: main\n\n\n\
                    Types: deb\nEnabled: no\nURIs: http://c.example\nSuites: trixie\nComponents: main\n\n\
                    Types: deb-src\nURIs: http://d.example\nSuites: trixie\nComponents: main\n";
        let expected = [
            target("http://a.example/debian", "trixie", "main"),
            target("http://b.example/debian", "trixie", "main"),
        ];
        assert_eq!(parse_sources(text), expected);
    }

    #[test]
    fn only_the_release_itself_counts() {
        let targets = [
            target("http://a.example/security", "trixie-security", "main"),
            target("http://a.example/other", "stable", "main"),
            target("cdrom:[disc]/", "trixie", "main"),
            target("https://a.example/debian/", "trixie", "contrib"),
            target("https://a.example/debian/", "trixie", "main"),
            target("https://a.example/debian", "trixie", "main"),
            target("https://b.example/debian", "trixie-updates", "main"),
        ];
        assert_eq!(main_archives(&targets, "trixie"), ["https://a.example/debian"]);
    }

    #[test]
    fn answers_of_apt() {
        let text = "http://a.example/debian/\ttrixie\tstable\tmain\n\
                    http://a.example/debian/\t\ttrixie\tmain\nbroken line\n";
        let expected = target("http://a.example/debian/", "trixie", "main");
        assert_eq!(parse_index_targets(text), [expected.clone(), expected]);
    }
}
