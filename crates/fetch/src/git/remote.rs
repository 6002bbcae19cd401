//! Where git fetches from, and who is let in there.
//!
//! A password goes to git through a credential helper that is set for one origin, not in the address:
//! there it would be seen in the list of processes, and git could print it. After a redirect git asks
//! its helpers anew, for the server that it was led to, and this one has no answer then.

use std::process::Command;

use reqwest::Url;

use crate::address::{Address, Authorization, Origin};

/// Prints what its environment has, when it is asked for a password.
const HELPER: &str = r#"!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$CBUILD_GIT_USER" "$CBUILD_GIT_PASSWORD"; }; f"#;

/// A repository elsewhere.
pub(super) struct Remote {
    /// Its address without a password. A user name alone stays, since git looks up the password for it.
    pub(super) url: String,
    login: Option<Login>,
    /// Whether it is reached without encryption.
    pub(super) is_unencrypted: bool,
}

struct Login {
    origin: Origin,
    authorization: Authorization,
    /// Whether the address names it, so that no other one is asked for.
    is_named: bool,
}

impl Remote {
    /// Takes an address apart; `users` are the user's own credentials for an origin.
    pub(super) fn new(text: &str, users: impl FnOnce(&Origin) -> Option<Authorization>) -> Self {
        let is_unencrypted = false;
        let web = Url::parse(text).ok().filter(|url| ["https", "http"].contains(&url.scheme()));
        let Some(url) = web else {
            return Self { url: text.to_owned(), login: None, is_unencrypted };
        };
        let has_user = !url.username().is_empty();
        let has_password = url.password().is_some();
        let address = Address::of_user(url);
        let origin = address.origin();
        if has_user && !has_password {
            return Self { url: text.to_owned(), login: None, is_unencrypted };
        }
        let named = address.named_login().cloned();
        let is_named = named.is_some();
        let login = named.or_else(|| users(&origin));
        let login = login.map(|authorization| Login { origin, authorization, is_named });
        Self { url: address.url().to_string(), login, is_unencrypted }
    }

    /// Gives git the credentials.
    pub(super) fn let_in(&self, command: &mut Command) {
        let Some(Login { origin, authorization, is_named }) = &self.login else { return };
        let Some((user, password)) = authorization.pair_for(origin) else { return };
        // An empty value takes all helpers away that the user has for this origin.
        let values: &[&str] = if *is_named { &["", HELPER] } else { &[HELPER] };
        command.env("GIT_CONFIG_COUNT", values.len().to_string());
        for (index, value) in values.iter().enumerate() {
            let key = format!("credential.{origin}.helper");
            command.env(format!("GIT_CONFIG_KEY_{index}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        command.env("CBUILD_GIT_USER", user).env("CBUILD_GIT_PASSWORD", password);
    }

    /// A text of git without the credentials.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        match &self.login {
            Some(login) => login.authorization.hidden_in(text),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn environment(remote: &Remote) -> Vec<String> {
        let mut command = Command::new("git");
        remote.let_in(&mut command);
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        command
            .get_envs()
            .map(|(name, value)| text(name) + "=" + &value.map(text).unwrap_or_default())
            .collect()
    }

    #[test]
    fn a_password_is_not_in_the_address() {
        let remote = Remote::new("https://me:pw@example.org/a.git", |_| None);
        assert_eq!(remote.url, "https://example.org/a.git");
        let environment = environment(&remote);
        assert!(environment.contains(&"CBUILD_GIT_PASSWORD=pw".to_owned()), "{environment:?}");
        let key = "GIT_CONFIG_KEY_1=credential.https://example.org:443.helper".to_owned();
        assert!(environment.contains(&key), "{environment:?}");
    }

    #[test]
    fn what_git_looks_up_itself_stays() {
        for text in ["https://me@example.org/a", "ssh://git@example.org/a", "file:///srv/a"] {
            let remote = Remote::new(text, |_| None);
            assert_eq!((remote.url.as_str(), environment(&remote).len()), (text, 0));
        }
    }
}
