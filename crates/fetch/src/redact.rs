//! How addresses are shown: without what would let a reader in.
//!
//! The only place that decides it. Everything that goes to a terminal, a log, a JSON document or a
//! `Debug` text comes through here. It knows no list of names of secrets: which parameter of a query is one
//! is known to its server alone, so that no value of a query is shown.

/// What stands for something that is not shown.
const HIDDEN: &str = "…";

/// An address as it may be shown: without user name and password (an ssh address keeps the user
/// name, which is no secret and belongs to the address), and with the names, but not the
/// values, of its query.
///
/// Takes any text; what is no address is cut the same way as far as it looks like one.
pub fn shown_address(text: &str) -> String {
    let start = after_scheme(text);
    let (head, rest) = text.split_at(start);
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let is_ssh = head.contains("ssh:");
    // With a second `@` nobody knows where the password ends.
    let has_password =
        authority.rsplit_once('@').is_some_and(|(user, _)| !is_ssh || user.contains(':'));
    if (has_password || is_broken(authority)) && rest.contains('@') {
        return format!("{head}{HIDDEN}");
    }
    let host = match authority.rsplit_once('@') {
        Some((user, host)) if is_ssh => {
            let user = user.split(':').next().unwrap_or_default();
            if user.is_empty() { host.to_owned() } else { format!("{user}@{host}") }
        }
        Some((_, host)) => host.to_owned(),
        None => authority.to_owned(),
    };
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (rest, None),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let query = query.map(|query| format!("?{}", names(query))).unwrap_or_default();
    let fragment = match fragment {
        // The name of a tag or branch, in the address of a repository.
        Some(name) if !name.contains(['=', '&']) => format!("#{name}"),
        Some(values) => format!("#{}", names(values)),
        None => String::new(),
    };
    format!("{head}{host}{path}{query}{fragment}")
}

/// A text of another program or server, in which every address is shown as [`shown_address`] does.
pub fn shown_text(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let start = rest[..at].trim_end_matches(of_scheme).len();
        let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
        let end = rest[at..].find(ends).map_or(rest.len(), |end| at + end);
        shown.push_str(&rest[..start]);
        shown.push_str(&shown_address(&rest[start..end]));
        rest = &rest[end..];
    }
    shown + rest
}

/// The index after `SCHEME:` and all slashes, however many there are: they make no difference to
/// what an address is read as.
fn after_scheme(text: &str) -> usize {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !of_scheme(c)).unwrap_or(text.len());
    if !text[end..].starts_with(':') {
        return 0;
    }
    let slashes = text[end + 1..].find(|c| c != '/' && c != '\\');
    slashes.map_or(text.len(), |slashes| end + 1 + slashes)
}

/// Whether what should be a port is none. A password with a character that ends the authority looks like
/// this; it makes the address invalid, and must not be shown in the error that says so.
fn is_broken(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.split_once(':').map_or("", |(_, port)| port);
    !host.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names of a query's parameters. A parameter without `=` may be a secret as a whole.
fn names(query: &str) -> String {
    let shown = |parameter: &str| match parameter.split_once('=') {
        Some((name, "")) => format!("{name}="),
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None if parameter.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses() {
        for (text, wanted) in [
            ("https://example.org/a/b.tar", "https://example.org/a/b.tar"),
            ("https://me:pw@example.org:8443/a", "https://example.org:8443/a"),
            ("https://token@example.org/a", "https://example.org/a"),
            ("https://me:p@w@example.org/a", "https://example.org/a"),
            ("https:/me:pw@example.org/a", "https:/example.org/a"),
            ("https:\\\\me:pw@example.org/a", "https:\\\\example.org/a"),
            ("https://me:p/w?x#y@example.org/a", "https://…"),
            ("https://me:pw@[::1]:80/a", "https://[::1]:80/a"),
            ("https://me:p@w/x@example.org/a", "https://…"),
            ("https://:p@?w@example.org?a=b", "https://…"),
            ("ssh://git@example.org/a@b", "ssh://git@example.org/a@b"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("https://x/@scope/name", "https://x/@scope/name"),
            ("me:pw@example.org/a", "me:example.org/a"),
            ("ssh://git@example.org/a", "ssh://git@example.org/a"),
            ("git+ssh://git:pw@example.org/a", "git+ssh://git@example.org/a"),
            ("https://x/a?token=abc&v=1&e=", "https://x/a?token=…&v=…&e="),
            ("https://x/a?abcdef", "https://x/a?…"),
            ("https://x?X-Amz-Signature=abc#part", "https://x?X-Amz-Signature=…#part"),
            ("https://x/a#access_token=abc", "https://x/a#access_token=…"),
            ("git+https://x/a#v1.0.0", "git+https://x/a#v1.0.0"),
            ("mirror://debian/pool/a?sig=b", "mirror://debian/pool/a?sig=…"),
            ("file:///srv/a", "file:///srv/a"),
        ] {
            assert_eq!(shown_address(text), wanted, "{text}");
        }
    }

    #[test]
    fn addresses_in_texts() {
        let text = "unable to access 'https://me:pw@x/a?t=b/': 404 (see http://u@y) and ://";
        let wanted = "unable to access 'https://x/a?t=…': 404 (see http://y) and ://";
        assert_eq!(shown_text(text), wanted);
        assert_eq!(shown_text("nothing"), "nothing");
    }

    proptest! {
        #[test]
        fn no_password_and_no_value_is_shown(
            scheme in "https|http|ssh|git\\+https|mirror",
            slashes in "[/\\\\]{1,3}",
            user in "[a-z]{0,5}",
            password in "QQ[a-zA-Z0-9:@%+/?#]{0,12}QQ",
            path in "(/[a-z@]{0,4}){0,3}",
            value in "ZZ[a-zA-Z0-9=;:@%+/?]{0,12}ZZ",
        ) {
            let with = format!("{scheme}:{slashes}{user}:{password}@example.org{path}?sig={value}&b={value}");
            let shown = shown_address(&with);
            prop_assert!(!shown.contains("QQ") && !shown.contains("ZZ"), "{} is shown as {}", with, shown);
            let text = shown_text(&format!("at {with}, it failed"));
            if slashes == "//" {
                prop_assert!(!text.contains("QQ") && !text.contains("ZZ"), "{} is shown as {}", with, text);
            }
        }

        #[test]
        fn any_text_can_be_shown(text in "\\PC{0,40}") {
            shown_address(&text);
            shown_text(&text);
        }
    }
}
