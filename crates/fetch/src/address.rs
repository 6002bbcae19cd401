//! Addresses to request, and the origins that credentials belong to.
//!
//! A password or token is bound to one [`Origin`] when it is made, and there is no way to get it out
//! for another one. An address never holds credentials in its text.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::HeaderValue;

use crate::redact::shown_address;

/// A server as far as trust goes: scheme, host and port (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// The origin of an address.
    pub(crate) fn of(url: &Url) -> Self {
        let (scheme, port) = (url.scheme().to_owned(), url.port_or_known_default());
        Self { scheme, host: url.host_str().unwrap_or_default().to_owned(), port }
    }

    /// Its host, as an address has it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether others can neither read nor change what is sent.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether what is sent stays where others cannot read it.
    pub(crate) fn is_private(&self) -> bool {
        self.is_encrypted() || is_this_machine(&self.host)
    }

    /// Whether both hosts are of one site: the same host, or names below one domain that somebody
    /// registered (`registry.gitlab.com` and `gitlab.com`; not `a.github.io` and `b.github.io`).
    fn is_same_site(&self, other: &Self) -> bool {
        let site = |host: &str| match bare(host).parse::<IpAddr>() {
            Ok(_) => None,
            Err(_) => psl::domain_str(host).map(str::to_owned),
        };
        self.host == other.host
            || site(&self.host).is_some_and(|one| site(&other.host) == Some(one))
    }

    /// Whether an answer of this origin may lead a request to another one: encryption, once there, is
    /// never given up, and no server may lead to a file.
    pub(crate) fn may_lead_to(&self, next: &Self) -> bool {
        next.is_encrypted() || (next.scheme == "http" && !self.is_encrypted())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether a host, as addresses have it, is the machine itself.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let address = bare(host).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The value of an `Authorization` header, for one origin.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization {
    origin: Origin,
    value: String,
}

impl Authorization {
    /// User name and password.
    pub(crate) fn basic(origin: Origin, user: &str, password: &str) -> Self {
        Self::encoded(origin, &BASE64.encode(format!("{user}:{password}").as_bytes()))
    }

    /// Base 64 of `user:password`.
    pub(crate) fn encoded(origin: Origin, pair: &str) -> Self {
        Self { origin, value: format!("Basic {pair}") }
    }

    /// A token.
    pub(crate) fn bearer(origin: Origin, token: &str) -> Self {
        Self { origin, value: format!("Bearer {token}") }
    }

    /// The header's value, if it is for this origin and can be sent.
    pub(crate) fn value_for(&self, origin: &Origin) -> Option<HeaderValue> {
        if self.origin != *origin {
            return None;
        }
        let mut value = HeaderValue::from_str(&self.value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The same credentials for the token server that a registry names. The distribution protocol has
    /// registries whose tokens come from another server, so that this is the one way from an origin to another: only
    /// encrypted, and only to the registry's own site.
    ///
    /// # Errors
    /// Why the server does not get them.
    pub(crate) fn lent_to(&self, server: &Origin) -> Result<Self, &'static str> {
        if *server != self.origin {
            if !server.is_encrypted() {
                return Err("it is another server and not reached over https");
            }
            if !self.origin.is_same_site(server) {
                return Err("it belongs to another site");
            }
        }
        Ok(Self { origin: server.clone(), value: self.value.clone() })
    }

    /// User name and password, if they are for this origin.
    pub(crate) fn pair_for(&self, origin: &Origin) -> Option<(String, String)> {
        let pair = self.value.strip_prefix("Basic ").filter(|_| self.origin == *origin)?;
        let pair = String::from_utf8(BASE64.decode(pair.as_bytes()).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// Takes itself out of a text that a server made, which may have it from the request.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        let secret = self.value.split_once(' ').map_or(self.value.as_str(), |(_, secret)| secret);
        let password =
            self.pair_for(&self.origin).map(|(_, password)| password).unwrap_or_default();
        let mut text = text.to_owned();
        for secret in [secret, password.as_str()] {
            if !secret.is_empty() {
                text = text.replace(secret, "…");
            }
        }
        text
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization(… for {})", self.origin)
    }
}

/// Who is let in at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    /// Whoever the user is there.
    User,
    /// The user that the address names.
    Named(Authorization),
    /// Nobody: a server of another origin led here.
    Nobody,
}

/// An address that can be requested. Its text holds no credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    url: Url,
    login: Login,
}

impl Address {
    /// An address that the user wrote; credentials in it are for its origin.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Url::parse(text).map(Self::of_user).map_err(|error| error.to_string())
    }

    /// See [`Address::parse`].
    pub(crate) fn of_user(mut url: Url) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        let login = if user.is_empty() && password.is_none() {
            Login::User
        } else {
            let password = password.unwrap_or_default();
            Login::Named(Authorization::basic(Origin::of(&url), &user, &password))
        };
        strip(&mut url);
        Self { url, login }
    }

    /// Where a link in the answer of this address leads. The same user goes on at the same
    /// origin, and nobody at another one; what credentials the link has are the server's, and are dropped.
    pub(crate) fn led_to(&self, link: &str) -> Result<Self, String> {
        let mut url = self.url.join(link).map_err(|error| error.to_string())?;
        strip(&mut url);
        let origin = Origin::of(&url);
        if !self.origin().may_lead_to(&origin) {
            return Err(format!("it leads from {} to {origin}", self.origin()));
        }
        let login = if origin == self.origin() { self.login.clone() } else { Login::Nobody };
        Ok(Self { url, login })
    }

    /// The same address, for which credentials are only those of the request.
    pub(crate) fn for_nobody(self) -> Self {
        Self { url: self.url, login: Login::Nobody }
    }

    /// What is requested.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Adds a parameter to the query.
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Its origin.
    pub(crate) fn origin(&self) -> Origin {
        Origin::of(&self.url)
    }

    /// What the address itself says about who is let in.
    pub(crate) fn named_login(&self) -> Option<&Authorization> {
        match &self.login {
            Login::Named(authorization) => Some(authorization),
            Login::User | Login::Nobody => None,
        }
    }

    /// Whether the user's own credentials for this origin may be used.
    pub(crate) fn takes_users_login(&self) -> bool {
        self.login == Login::User
    }
}

fn strip(url: &mut Url) {
    // Both only fail for addresses that cannot hold credentials.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_fragment(None);
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_address(self.url.as_str()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn credentials_are_for_one_origin() {
        let named = address("https://me:p%40w@example.org/a");
        assert_eq!(named.url().as_str(), "https://example.org/a");
        let login = named.named_login().unwrap();
        let value = |text: &str| login.value_for(&address(text).origin());
        let sent = value("https://example.org:443/b").unwrap();
        assert_eq!(sent.to_str().unwrap(), "Basic bWU6cEB3");
        for other in [
            "http://example.org/a",
            "https://example.org:444/a",
            "https://example.org./a",
            "https://www.example.org/a",
            "https://example.org.evil.example/a",
        ] {
            assert_eq!(value(other), None, "{other}");
        }
        let debug = format!("{named:?} {login:?} {sent:?}");
        assert!(!debug.contains("bWU6") && !debug.contains("p@w"), "{debug}");
    }

    #[test]
    fn links_keep_the_user_at_the_same_origin_alone() {
        let page = address("https://me:pw@example.org/simple/x/");
        let led = |link: &str| page.led_to(link).unwrap();
        assert!(led("../../files/x.whl").named_login().is_some());
        assert!(led("https://example.org/x").named_login().is_some());
        for link in
            ["https://example.org:444/x", "//files.example.org/x", "https://a:b@c.example/x"]
        {
            let led = led(link);
            assert!(led.named_login().is_none() && !led.takes_users_login(), "{link}");
        }
        assert_eq!(led("https://u:v@example.org/x").url().as_str(), "https://example.org/x");
        assert!(page.led_to("http://example.org/x").is_err());
        assert!(page.led_to("file:///etc/hostname").is_err());
        assert!(address("http://example.org/x").led_to("file:///etc/hostname").is_err());
        assert!(address("http://example.org/x").led_to("https://example.org/x").is_ok());
    }

    #[test]
    fn token_servers_of_the_same_site_alone_get_the_password() {
        let lent = |registry: &str, server: &str| {
            let (registry, server) = (address(registry).origin(), address(server).origin());
            let lent = Authorization::basic(registry, "me", "pw").lent_to(&server);
            lent.is_ok_and(|lent| lent.value_for(&server).is_some())
        };
        for (registry, server) in [
            ("https://ghcr.io", "https://ghcr.io/token"),
            ("https://registry-1.docker.io", "https://auth.docker.io/token"),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("https://registry.example.co.uk", "https://auth.example.co.uk:5001/auth"),
            ("https://10.0.0.1:5000", "https://10.0.0.1:5001/auth"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token"),
            ("http://127.0.0.1:5000", "https://127.0.0.1:5001/token"),
        ] {
            assert!(lent(registry, server), "{registry} {server}");
        }
        for (registry, server) in [
            ("https://ghcr.io", "http://ghcr.io/token"),
            ("https://ghcr.io", "https://evil.example/token"),
            ("https://example.co.uk", "https://evil.co.uk/token"),
            ("https://a.github.io", "https://b.github.io/token"),
            ("https://10.0.0.1", "https://10.1.0.1/token"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("http://localhost:5000", "http://127.0.0.1:5000/token"),
            ("https://[::1]:5000", "https://[::2]:5000/token"),
        ] {
            assert!(!lent(registry, server), "{registry} {server}");
        }
    }

    #[test]
    fn what_a_server_repeats_is_hidden() {
        let origin = address("https://example.org").origin();
        let basic = Authorization::basic(origin.clone(), "me", "hunter2");
        assert_eq!(basic.hidden_in("no bWU6aHVudGVyMg== and hunter2"), "no … and …");
        let token = Authorization::bearer(origin, "abc.def");
        assert_eq!(token.hidden_in("bad token abc.def"), "bad token …");
    }
}
