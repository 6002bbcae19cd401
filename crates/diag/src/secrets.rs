//! What addresses in a source hold that lets a reader in: a line of a source that is drawn, or what is said of
//! it, may end in a log that others read. The text keeps its length, so that labels stand where they stood.
//!
//! What of an address counts as secret is as `cbuild-fetch` has it for addresses in messages: user and
//! password (the user of an ssh address is none), and all values of its query.

use std::ops::Range;

/// The text with asterisks in the place of what lets a reader in.
pub fn hide(text: String) -> String {
    let hidden = hidden(&text);
    if hidden.is_empty() {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for range in hidden {
        shown.push_str(&text[shown.len()..range.start]);
        shown.extend(std::iter::repeat_n('*', range.len()));
    }
    shown.push_str(&text[shown.len()..]);
    shown
}

/// Where it stands, in ascending order.
fn hidden(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(scheme) = text[at..].find("://") {
        let start = at + scheme + "://".len();
        let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        let address = &text[start..end];
        let is_ssh = text[..at + scheme].ends_with("ssh");
        let user = user(address).filter(|user| !is_ssh || address[..*user].contains(':'));
        found.extend(user.map(|user| start..start + user));
        let values = query(address).into_iter();
        found.extend(values.map(|value| start + value.start..start + value.end));
        at = end;
    }
    found.retain(|range| !range.is_empty());
    found
}

/// Length of user and password, which stand before the host.
fn user(address: &str) -> Option<usize> {
    let end = address.find(['/', '?', '#', '\\']).unwrap_or(address.len());
    let authority = &address[..end];
    // A password may have a character that ends the authority: then the port is no number.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_broken = !port.bytes().all(|byte| byte.is_ascii_digit()) && !address.starts_with('[');
    authority.rfind('@').or_else(|| if is_broken { address.rfind('@') } else { None })
}

/// The values of a query, and what has no name.
fn query(address: &str) -> Vec<Range<usize>> {
    let Some(start) = address.find('?') else { return Vec::new() };
    let end = address[start..].find('#').map_or(address.len(), |length| start + length);
    let mut at = start + 1;
    let mut values = Vec::new();
    for parameter in address[at..end].split('&') {
        let name = parameter.find('=').map_or(0, |equals| equals + 1);
        values.push(at + name..at + parameter.len());
        at += parameter.len() + 1;
    }
    values.retain(|range| user(address).is_none_or(|user| range.start >= user));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_source() {
        for (text, wanted) in [
            ("\"https://me:pw@example.org/a\"", "\"https://*****@example.org/a\""),
            ("a https://t@h:80/x b", "a https://*@h:80/x b"),
            ("https://h/a?x=12&y#z", "https://h/a?x=**&*#z"),
            ("no `https://us:PW@h/?token=T` at all", "no `https://*****@h/?token=*` at all"),
            ("https://me:p/w?x@h/a?t=1", "https://********@h/a?t=*"),
            ("ssh://git@h/a ssh://git:pw@h/a", "ssh://git@h/a ssh://******@h/a"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("mirror://npm/@scope/a a@b ?c=d", "mirror://npm/@scope/a a@b ?c=d"),
            ("https://é:ü@h", "https://*****@h"),
        ] {
            assert_eq!(hide(text.to_owned()), wanted);
        }
    }
}
