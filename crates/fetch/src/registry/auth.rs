//! Authentication at registries: the server's challenge, the user's credentials, and tokens.

use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;
use serde_json::Value;

use crate::address::{Address, Authorization, Origin};
use crate::error::Cause;
use crate::redact::shown_address;
use crate::transport::{Request, Stop, Transport, may_pass};

/// Largest file of credentials and largest answer of a token server, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What a server wants to see, from its `WWW-Authenticate` header (RFC 7235).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password.
    Basic,
    /// A token that another server gives.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// Parses a header; `None` for a scheme that is not known.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest;
        while let Some((name, value, next)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = next;
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// The first `name="value"` or `name=value` of a list, and what follows it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches([' ', ',', '\t']);
    let (name, rest) = text.split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ' ']).unwrap_or(rest.len());
        return Some((name.trim(), rest[..end].to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name.trim(), value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The user's credentials for a registry, from the first file that has it.
pub(super) fn credentials(
    files: &[PathBuf],
    host: &str,
    registry: &Origin,
) -> Option<Authorization> {
    let pair = files.iter().find_map(|file| {
        let metadata = fs::metadata(file).ok()?;
        if !metadata.is_file() || metadata.len() > MOST_BYTES {
            return None;
        }
        entry(&serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?, host)
    })?;
    Some(Authorization::encoded(registry.clone(), &pair))
}

fn entry(file: &Value, host: &str) -> Option<String> {
    let entries = file.get("auths")?.as_object()?;
    let found = entries.iter().find(|(key, _)| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next() == Some(host)
    })?;
    if let Some(encoded) = found.1.get("auth").and_then(Value::as_str) {
        return BASE64.decode(encoded.as_bytes()).is_ok().then(|| encoded.to_owned());
    }
    let part = |name| found.1.get(name).and_then(Value::as_str);
    let pair = format!("{}:{}", part("username")?, part("password")?);
    Some(BASE64.encode(pair.as_bytes()))
}

/// What came of a challenge.
pub(super) enum Answered {
    /// This lets in.
    With(Authorization),
    /// It needs credentials, and there are none.
    Nothing,
}

/// A token server that was not sent the user's credentials, and why.
#[derive(Clone, Debug)]
pub(super) struct Withheld {
    pub(super) server: Origin,
    pub(super) why: &'static str,
}

/// Answers the challenge of a registry, with a token of the server that it names where it wants one. A
/// token server that may not have the credentials is asked without, and noted in `withheld`.
pub(super) fn answer(
    transport: &Transport,
    challenge: &Challenge,
    scope: &str,
    credentials: Option<&Authorization>,
    registry: &Origin,
    withheld: &mut Option<Withheld>,
) -> Result<Answered, Stop> {
    let Challenge::Bearer { realm, service, scope: asked } = challenge else {
        return Ok(credentials.cloned().map_or(Answered::Nothing, Answered::With));
    };
    let failed = |message: String| Stop::lasting(Cause::Connection(message));
    let shown = || shown_address(realm);
    let mut address = Address::parse(realm)
        .map_err(|error| failed(format!("the address `{}` of its token server: {error}", shown())))?
        .for_nobody();
    let server = address.origin();
    if !registry.may_lead_to(&server) {
        return Err(failed(format!("its token server `{}` is not reached over https", shown())));
    }
    address = address.with_parameter("scope", asked.as_deref().unwrap_or(scope));
    if let Some(service) = service {
        address = address.with_parameter("service", service);
    }
    let authorization = match credentials.map(|credentials| credentials.lent_to(&server)) {
        Some(Ok(lent)) => Some(lent),
        Some(Err(why)) => {
            *withheld = Some(Withheld { server, why });
            None
        }
        None => None,
    };
    let request = Request { authorization, ..Request::get(&address, "application/json") };
    let reply = transport.exchange(&request, MOST_BYTES)?;
    if may_pass(reply.status) {
        let said = format!("its token server answered {}", reply.status);
        return Err(Stop::Failed { cause: Cause::Connection(said), passing: true });
    }
    if !reply.status.is_success() {
        return Ok(Answered::Nothing);
    }
    let document: Value = serde_json::from_slice(&reply.body)
        .map_err(|error| failed(format!("its token server's answer is no JSON: {error}")))?;
    let token = document.get("token").or_else(|| document.get("access_token"));
    let token = token.and_then(Value::as_str);
    let bearer = |token| Answered::With(Authorization::bearer(registry.clone(), token));
    Ok(token.map_or(Answered::Nothing, bearer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let header = "Bearer realm=\"https://auth.example.org/token\",service=\"a \\\"b\\\"\", scope=\"repository:x:pull,push\"";
        let Some(Challenge::Bearer { realm, service, scope }) = Challenge::parse(header) else {
            panic!("no challenge")
        };
        assert_eq!(realm, "https://auth.example.org/token");
        assert_eq!(service.as_deref(), Some("a \"b\""));
        assert_eq!(scope.as_deref(), Some("repository:x:pull,push"));
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Bearer service=x"), None);
        assert_eq!(Challenge::parse("Negotiate"), None);
        assert_eq!(Challenge::parse("Bearer realm=\"open"), None);
    }

    #[test]
    fn credentials_of_a_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        let text = r#"{"auths": {"https://a.example.org/v1/": {"auth": "bWU6cHc="},
            "localhost:5000": {"username": "me", "password": "pw"}, "b.example.org": {}}}"#;
        fs::write(&file, text).unwrap();
        let files = [folder.path().join("absent.json"), file];
        let found = |host: &str| {
            let origin = Address::parse(&format!("https://{host}")).unwrap().origin();
            credentials(&files, host, &origin)?.pair_for(&origin)
        };
        let pair = Some(("me".to_owned(), "pw".to_owned()));
        assert_eq!(found("a.example.org"), pair);
        assert_eq!(found("localhost:5000"), pair);
        assert_eq!(found("b.example.org"), None);
        assert_eq!(found("example.org"), None);
    }
}
