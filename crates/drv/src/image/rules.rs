//! What the fields of an image document may hold. The evaluator asks with a place in the source at hand,
//! and packing asks again, because documents also come from elsewhere.
//!
//! What depends on the contents of the image, such as whether its program is there, is not known here.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Contract, ImageDocument};

/// Longest tag (OCI distribution specification, "Pulling manifests").
const MAX_TAG_LEN: usize = 128;

/// Longest name with its registry, as clients have it (ibidem).
const MAX_NAME_LEN: usize = 255;

/// Folders that runtimes fill: no path of an image is at or below them.
const OF_RUNTIMES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The folder with the program: nothing can be mounted at or below it.
const OWN: &str = "/cbuild";

/// Longest path of Linux, without the final zero byte, and longest part of one.
const MAX_PATH_LEN: usize = 4095;
const MAX_PART_LEN: usize = 255;

/// A field with a value that no image can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the image's `{field}` is `{value}`, but {reason}")]
pub struct FieldError {
    /// Name of the field, such as `volumes.data`.
    pub field: String,
    /// Its value.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// How to put it right.
    pub fix: String,
}

impl FieldError {
    /// An error of a field.
    pub fn new(
        field: impl Into<String>,
        value: impl Into<String>,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), value: value.into(), reason: reason.into(), fix: fix.into() }
    }
}

/// Checks all fields but `system`.
///
/// # Errors
/// The first field that no image can have.
pub fn check(document: &ImageDocument) -> Result<(), FieldError> {
    check_reference(&document.name, &document.tag)?;
    user(&document.user)?;
    environment(document)?;
    folder("workdir", &document.workdir)?;
    connections(&document.contract)?;
    endpoints(&document.contract)?;
    volumes(&document.contract)
}

/// Checks name and tag of an image by the grammar of the OCI distribution specification. The first of
/// several components of a name may be a registry: a host, if it is `localhost` or has a dot or a port.
///
/// # Errors
/// When no registry would take one of them.
pub fn check_reference(name: &str, tag: &str) -> Result<(), FieldError> {
    let rest = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => rest,
        _ => name,
    };
    if name.len() > MAX_NAME_LEN || !rest.split('/').all(is_component) {
        let reason = "a name consists of lower-case letters and digits, with one `.`, `_` or `__` or any `-` between them, and `/` between components, in at most 255 bytes";
        let fix = format!("for example `{}`", likely_name(name));
        return Err(FieldError::new("name", name.escape_debug().to_string(), reason, fix));
    }
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = tag.len() <= MAX_TAG_LEN
        && tag.starts_with(first)
        && tag.chars().all(|c| first(c) || matches!(c, '.' | '-'));
    if good {
        return Ok(());
    }
    let reason = "a tag consists of at most 128 letters, digits, `_`, `.` and `-`, and does not start with `.` or `-`";
    let fix = format!("for example `{}`", likely_tag(tag));
    Err(FieldError::new("tag", tag.escape_debug().to_string(), reason, fix))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator =
        |part: &str| matches!(part, "" | "." | "_" | "__") || part.chars().all(|c| c == '-');
    text.starts_with(inner) && text.ends_with(inner) && text.split(inner).all(separator)
}

/// Whether the first component of a name is a host, with a port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label.ends_with(|c: char| c.is_ascii_alphanumeric())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let named =
        host.split('.').all(label) && (host == "localhost" || host.contains('.') || port.is_some());
    let literal = address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    (named || literal) && port.is_none_or(is_port)
}

/// A name that is like the given one and allowed.
fn likely_name(name: &str) -> String {
    let lower: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '/' { c } else { '-' })
        .collect();
    let parts: Vec<&str> = lower
        .split('/')
        .map(|part| part.trim_matches('-'))
        .filter(|part| !part.is_empty())
        .collect();
    let name = parts.join("/");
    if name.is_empty() || name.len() > MAX_NAME_LEN { "app".to_owned() } else { name }
}

/// A tag that is like the given one and allowed.
fn likely_tag(tag: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let tag: String =
        tag.chars().map(|c| if plain(c) { c } else { '-' }).take(MAX_TAG_LEN).collect();
    let tag = tag.trim_start_matches(['.', '-']);
    if tag.is_empty() { "latest".to_owned() } else { tag.to_owned() }
}

/// The ids of `uid:gid`.
///
/// # Errors
/// When the text is something else.
pub fn user(text: &str) -> Result<(u32, u32), FieldError> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // The highest id means "no change" to the kernel.
        digits.parse::<u32>().ok().filter(|&id| plain && id != u32::MAX)
    };
    let ids = text.split_once(':').and_then(|(uid, gid)| Some((number(uid)?, number(gid)?)));
    ids.ok_or_else(|| {
        let reason = "it must be `uid:gid` in digits";
        FieldError::new(
            "user",
            text.escape_debug().to_string(),
            reason,
            "for example \"65532:65532\"",
        )
    })
}

fn environment(document: &ImageDocument) -> Result<(), FieldError> {
    let nul = "it holds a NUL, which ends a text for the kernel";
    for (name, value) in &document.env {
        let field = format!("vars.{}", name.escape_debug());
        variable(&field, name)?;
        if value.contains('\0') {
            return Err(FieldError::new(
                field,
                value.escape_debug().to_string(),
                nul,
                "remove the NUL",
            ));
        }
    }
    if let Some(word) = document.cmd.iter().find(|word| word.contains('\0')) {
        return Err(FieldError::new("cmd", word.escape_debug().to_string(), nul, "remove the NUL"));
    }
    let mut readers: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, read) in &document.contract.env {
        let field = key("env", name)?;
        variable(&field, &read.variable)?;
        let variable = read.variable.as_str();
        if document.env.contains_key(variable) {
            let reason = "`vars` gives that variable already, so that nobody needs to";
            let fix = "leave it out of `vars`, or out of `env`";
            return Err(FieldError::new(field, variable, reason, fix));
        }
        if let Some(other) = readers.insert(variable, name) {
            let reason = format!("`env.{other}` is that variable already");
            return Err(FieldError::new(field, variable, reason, "name each variable once"));
        }
    }
    Ok(())
}

/// Checks the name of an environment variable, as far as the kernel and all shells agree.
fn variable(field: &str, name: &str) -> Result<(), FieldError> {
    if !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_control()) {
        return Ok(());
    }
    let reason = "a variable's name is not empty and has no `=` and no control character";
    Err(FieldError::new(field, name.escape_debug().to_string(), reason, "rename the variable"))
}

/// The name of an entry of a map as a field, such as `volumes.data`.
fn key(map: &str, name: &str) -> Result<String, FieldError> {
    let field = format!("{map}.{}", name.escape_debug());
    if !name.is_empty() && name.len() <= MAX_PART_LEN && !name.contains(char::is_control) {
        return Ok(field);
    }
    let reason = "a name is not empty, has no control character and at most 255 bytes";
    let fix = "give it a name such as `data`";
    Err(FieldError::new(map, name.escape_debug().to_string(), reason, fix))
}

fn protocol(field: String, identity: &str) -> Result<(), FieldError> {
    if !identity.is_empty() && !identity.contains(char::is_control) {
        return Ok(());
    }
    let reason = "the identity of a protocol is not empty and has no control character";
    let fix = "for example `io.redis`";
    Err(FieldError::new(field, identity.escape_debug().to_string(), reason, fix))
}

fn connections(contract: &Contract) -> Result<(), FieldError> {
    contract.connects.iter().try_for_each(|(name, needed)| {
        protocol(key("connects", name)? + ".protocol", &needed.protocol)
    })
}

fn endpoints(contract: &Contract) -> Result<(), FieldError> {
    let mut places: BTreeMap<(&str, u16), &str> = BTreeMap::new();
    for (name, endpoint) in &contract.listens {
        let key = key("listens", name)?;
        let field = |part| format!("{key}.{part}");
        protocol(field("protocol"), &endpoint.protocol)?;
        if !matches!(endpoint.transport.as_str(), "tcp" | "udp") {
            let (reason, fix) = ("it must be `tcp` or `udp`", "use `std.oci.tcp` or `std.oci.udp`");
            return Err(FieldError::new(field("transport"), &endpoint.transport, reason, fix));
        }
        if endpoint.port == 0 {
            let (reason, fix) = ("no program listens there", "name a port from 1 on");
            return Err(FieldError::new(field("port"), "0", reason, fix));
        }
        let place = (endpoint.transport.as_str(), endpoint.port);
        if let Some(other) = places.insert(place, name) {
            let reason = format!("`listens.{other}` is at that port of {} already", place.0);
            let fix = "give each endpoint a port of its own";
            return Err(FieldError::new(field("port"), place.1.to_string(), reason, fix));
        }
    }
    Ok(())
}

fn volumes(contract: &Contract) -> Result<(), FieldError> {
    let mut places: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, path) in &contract.volumes {
        let field = key("volumes", name)?;
        folder(&field, path)?;
        if path == "/" || is_at(path, OWN) {
            let reason = "a volume there would hide the program";
            return Err(FieldError::new(field, path, reason, "choose a path such as /data"));
        }
        if let Some(other) = places.insert(path, name) {
            let reason = format!("`volumes.{other}` is there already");
            return Err(FieldError::new(field, path, reason, "give each volume a path of its own"));
        }
    }
    Ok(())
}

/// Whether a path is that of a folder, or leads into it.
fn is_at(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks the path of a folder of the image: absolute, in its shortest form, without what options of
/// `docker run -v` and `--mount` use between paths, and the image's own.
fn folder(field: &str, path: &str) -> Result<(), FieldError> {
    let shown = || path.escape_debug().to_string();
    let parts = path.strip_prefix('/').filter(|rest| {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= MAX_PART_LEN;
        rest.is_empty() || rest.split('/').all(plain)
    });
    let is_bad = |c: char| matches!(c, ',' | ':') || c.is_control();
    if parts.is_none() || path.len() > MAX_PATH_LEN || path.contains(is_bad) {
        let reason = "it must be an absolute path without `.`, `..`, double or final `/`, comma, colon or control character";
        return Err(FieldError::new(field, shown(), reason, "for example \"/data\""));
    }
    if let Some(taken) = OF_RUNTIMES.iter().find(|taken| is_at(path, taken)) {
        let reason = format!("`{taken}` is the runtime's own");
        return Err(FieldError::new(field, shown(), reason, "choose a path such as /data"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar_of_the_distribution_specification() {
        for good in [
            "a",
            "redis",
            "org/app",
            "a.b/c_d/e__f/g---h",
            "0/1",
            "localhost:5000/app",
            "Registry.Example.org/app",
            "[::1]:5000/app",
            "localhost/app",
            "a-b.c:80/x/y",
        ] {
            assert_eq!(check_reference(good, "latest"), Ok(()), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            "A",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a._b",
            "a___b",
            "_a",
            "a_",
            "a-",
            "a b",
            "a:80",
            "host:0/a",
            "host:70000/a",
            "a/b:80/c",
            "Org/app",
            "ä",
            "a\n",
            "[::1/a",
            &long,
        ] {
            let error = check_reference(bad, "latest").unwrap_err();
            assert_eq!(error.field, "name", "{bad}");
            let fix = error.fix.strip_prefix("for example `").unwrap().strip_suffix('`').unwrap();
            assert_eq!(check_reference(fix, "latest"), Ok(()), "{bad}: {fix}");
        }
    }

    #[test]
    fn tags_follow_the_grammar_of_the_distribution_specification() {
        for good in ["1", "_x", "A.b-c_d", &"a".repeat(128)] {
            assert_eq!(check_reference("a", good), Ok(()), "{good}");
        }
        for bad in ["", ".a", "-a", "a b", "1.0+git", "ä", &"a".repeat(129)] {
            let error = check_reference("a", bad).unwrap_err();
            assert_eq!(error.field, "tag", "{bad}");
            let fix = error.fix.strip_prefix("for example `").unwrap().strip_suffix('`').unwrap();
            assert_eq!(check_reference("a", fix), Ok(()), "{bad}: {fix}");
        }
    }

    fn with_volumes(paths: &[&str]) -> Result<(), FieldError> {
        let names = ["first", "second"];
        let volumes = names.iter().zip(paths).map(|(n, p)| ((*n).to_owned(), (*p).to_owned()));
        super::volumes(&Contract { volumes: volumes.collect(), ..Contract::default() })
    }

    #[test]
    fn volumes_have_places_of_their_own() {
        for good in [&["/data", "/data/more"][..], &["/procedures"], &["/var/proc"], &["/cbuild2"]]
        {
            assert_eq!(with_volumes(good), Ok(()), "{good:?}");
        }
        for bad in [
            &["/"][..],
            &["/proc"],
            &["/proc/sys"],
            &["/sys"],
            &["/dev/shm"],
            &["/cbuild/store"],
            &["/data", "/data"],
            &["/data", "/data/"],
            &["/data", "/./data"],
            &["/data", "//data"],
            &["/a/../proc"],
            &["data"],
            &["/a,b"],
            &["/a:ro"],
            &["/a\u{1b}[31m"],
            &["/a\tb"],
            &["/a\u{85}b"],
        ] {
            assert!(with_volumes(bad).is_err(), "{bad:?}");
        }
    }

    fn check_changed(change: impl FnOnce(&mut ImageDocument)) -> Result<(), FieldError> {
        let mut document = ImageDocument {
            cbuild_image: super::super::IMAGE_DOCUMENT_VERSION,
            name: "app".to_owned(),
            tag: "1".to_owned(),
            system: "x86_64-linux".to_owned(),
            cmd: vec!["/app".to_owned()],
            env: BTreeMap::new(),
            user: "1:1".to_owned(),
            workdir: "/".to_owned(),
            contents: Vec::new(),
            contract: Contract::default(),
        };
        change(&mut document);
        check(&document)
    }

    #[test]
    fn the_working_folder_is_the_image_s_own() {
        let at = |path: &str| check_changed(|document| document.workdir = path.to_owned());
        for good in ["/", "/srv", "/cbuild/store/x", "/procs", "/a b", "/\u{e4}"] {
            assert_eq!(at(good), Ok(()), "{good}");
        }
        for bad in ["", "srv", "/dev", "/proc/1/x", "/sys/", "/a:b", "/a\rb", "/a//b"] {
            assert_eq!(at(bad).unwrap_err().field, "workdir", "{bad}");
        }
    }

    #[test]
    fn names_and_identities_hold_text() {
        let endpoint = |protocol: &str, port| super::super::Endpoint {
            protocol: protocol.to_owned(),
            transport: "tcp".to_owned(),
            port,
        };
        let named = |name: &str| {
            let name = name.to_owned();
            [
                check_changed(|d| drop(d.contract.volumes.insert(name.clone(), "/a".into()))),
                check_changed(|d| drop(d.contract.listens.insert(name.clone(), endpoint("p", 1)))),
                check_changed(|d| {
                    let needed = super::super::Connection { protocol: "p".to_owned() };
                    d.contract.connects.insert(name.clone(), needed);
                }),
                check_changed(|d| {
                    let variable =
                        super::super::EnvVariable { variable: "A".into(), required: true };
                    d.contract.env.insert(name.clone(), variable);
                }),
            ]
        };
        assert!(named("data-1").iter().all(Result::is_ok));
        for bad in ["", "a\nb", "\u{7f}", &"x".repeat(256)] {
            assert!(named(bad).iter().all(Result::is_err), "{bad:?}");
        }
        for bad in ["", "A=B", "A\n"] {
            let error = check_changed(|d| drop(d.env.insert(bad.to_owned(), String::new())));
            assert!(error.unwrap_err().field.starts_with("vars."), "{bad:?}");
        }
        let twice = check_changed(|d| {
            d.contract.listens.insert("a".to_owned(), endpoint("p", 80));
            d.contract.listens.insert("b".to_owned(), endpoint("q", 80));
        });
        assert_eq!(twice.unwrap_err().field, "listens.b.port");
        let anonymous = check_changed(|d| {
            d.contract.listens.insert("a".to_owned(), endpoint("", 80));
        });
        assert_eq!(anonymous.unwrap_err().field, "listens.a.protocol");
    }
}
