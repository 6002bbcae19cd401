//! From an address as written to addresses that can be requested.
//!
//! `mirror://NAME/path` is joined to each base of the name. Below the package indexes `pypi`,
//! `npm` and `crates` the path names a release, whose file the index is asked for.

use serde_json::Value;

use crate::address::Address;
use crate::error::Cause;
use crate::redact::shown_address;
use crate::transport::{Reply, Stop, Transport};

/// The form of an index of Python packages that is asked for, newest first (PEP 691, PEP 503).
const SIMPLE_INDEX: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
/// The short form of a package's document in a registry of JavaScript packages.
const PACKAGE_DOCUMENT: &str = "application/vnd.npm.install-v1+json, application/json;q=0.8";

/// One address to try.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// What to show.
    pub(crate) shown: String,
    /// Where the bytes are, or how to find out.
    pub(crate) place: Place,
}

/// Where the bytes of a [`Candidate`] are.
#[derive(Clone)]
pub(crate) enum Place {
    /// At this address.
    At(Address),
    /// At an address that an index knows.
    Indexed(Query),
    /// Nowhere, for this reason.
    Nowhere(Reason),
}

/// Why a candidate is nowhere, known before anything is requested.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// A mirror's name that is not in the table.
    UnknownMirror(String),
    /// Text that is no address.
    Address(String),
}

impl From<&Reason> for Cause {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::UnknownMirror(name) => Self::UnknownMirror(name.clone()),
            Reason::Address(message) => Self::Address(message.clone()),
        }
    }
}

/// A question to a package index. Its base may hold credentials, so that it is never printed.
#[derive(Clone)]
pub(crate) enum Query {
    /// A file of a Python project.
    Python { base: String, project: String, file: String },
    /// The tarball of a version of a JavaScript package.
    Node { base: String, package: String, version: String },
    /// The archive of a version of a Rust crate; `base` is a download template, or the address
    /// of an index with `sparse+` in front.
    Rust { base: String, package: String, version: String },
}

/// Splits `mirror://NAME/path`; `None` for another scheme.
pub(crate) fn split_mirror(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("mirror://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// An address without a mirror.
pub(crate) fn plain(text: &str) -> Candidate {
    let place = match Address::parse(text) {
        Ok(address) if ["https", "http", "file"].contains(&address.url().scheme()) => {
            Place::At(address)
        }
        Ok(address) => Place::Nowhere(Reason::Address(format!(
            "the scheme `{}` is not known; https, http, file and mirror are",
            address.url().scheme()
        ))),
        Err(error) => Place::Nowhere(Reason::Address(error)),
    };
    Candidate { shown: shown_address(text), place }
}

/// The address of a path below one base of a mirror.
pub(crate) fn mirrored(name: &str, path: &str, base: &str) -> Candidate {
    let base = base.trim_end_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let owned = |text: &str| text.to_owned();
    let query = match (name, parts.as_slice()) {
        ("pypi", [project, file]) => {
            Query::Python { base, project: normalised(project), file: owned(file) }
        }
        ("npm", [package, version]) => {
            Query::Node { base, package: owned(package), version: owned(version) }
        }
        ("npm", [scope, package, version]) if scope.starts_with('@') => {
            Query::Node { base, package: format!("{scope}/{package}"), version: owned(version) }
        }
        ("crates", [package, version]) => {
            Query::Rust { base, package: owned(package), version: owned(version) }
        }
        ("pypi" | "npm" | "crates", _) => {
            let form = match name {
                "pypi" => "PROJECT/FILE",
                "npm" => "PACKAGE/VERSION",
                _ => "NAME/VERSION",
            };
            let shown = shown_address(&format!("mirror://{name}/{path}"));
            let message = format!("`{shown}` is not of the form mirror://{name}/{form}");
            return Candidate { shown, place: Place::Nowhere(Reason::Address(message)) };
        }
        _ => return plain(&format!("{base}/{path}")),
    };
    let shown = format!("mirror://{name}/{path} at {}", shown_address(query.base()));
    Candidate { shown, place: Place::Indexed(query) }
}

impl Query {
    fn base(&self) -> &str {
        match self {
            Self::Python { base, .. } | Self::Node { base, .. } | Self::Rust { base, .. } => base,
        }
    }

    /// Asks the index for the address.
    pub(crate) fn resolve(&self, transport: &Transport) -> Result<Address, Stop> {
        match self {
            Self::Python { base, project, file } => {
                let page =
                    transport.page(&address(&format!("{base}/{project}/"))?, SIMPLE_INDEX)?;
                python_file(&page, file).map_err(|message| index(&page.address, &message))
            }
            Self::Node { base, package, version } => {
                let escaped = package.replace('/', "%2f");
                let page =
                    transport.page(&address(&format!("{base}/{escaped}"))?, PACKAGE_DOCUMENT)?;
                node_tarball(&page, version).map_err(|message| index(&page.address, &message))
            }
            Self::Rust { base, package, version } => {
                let Some(registry) = base.strip_prefix("sparse+") else {
                    return address(&crate_address(base, package, version));
                };
                let config = address(&format!("{registry}/config.json"))?;
                let page = transport.page(&config, "application/json")?;
                let template = download_template(&page.body)
                    .ok_or_else(|| index(&page.address, "it names no place of downloads"))?;
                let led = page.address.led_to(&crate_address(&template, package, version));
                led.map_err(|message| index(&page.address, &message))
            }
        }
    }
}

fn address(text: &str) -> Result<Address, Stop> {
    Address::parse(text).map_err(|error| Stop::lasting(Cause::Address(error)))
}

fn index(page: &Address, message: &str) -> Stop {
    Stop::lasting(Cause::Index(format!("the index page {page} does not help: {message}")))
}

/// A project's name as indexes have it (PEP 503): lower case, runs of `-`, `_`, `.` as one `-`.
fn normalised(project: &str) -> String {
    let lower = project.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

fn python_file(page: &Reply, file: &str) -> Result<Address, String> {
    let link = if page.media_type().contains("json") {
        let document: Value =
            serde_json::from_slice(&page.body).map_err(|error| error.to_string())?;
        let files = document.get("files").and_then(Value::as_array).into_iter().flatten();
        let mut matching =
            files.filter(|entry| entry.get("filename").and_then(Value::as_str) == Some(file));
        matching.find_map(|entry| Some(entry.get("url")?.as_str()?.to_owned()))
    } else {
        html_link(&String::from_utf8_lossy(&page.body), file)
    };
    let link = link.ok_or_else(|| format!("it does not list `{file}`"))?;
    page.address.led_to(&link)
}

/// The target of the link whose text is `file`.
fn html_link(page: &str, file: &str) -> Option<String> {
    page.split("<a ").skip(1).find_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (text, _) = rest.split_once("</a")?;
        if text.trim() != file {
            return None;
        }
        let (_, value) = attributes.split_once("href=")?;
        let quote = value.chars().next().filter(|quote| "\"'".contains(*quote))?;
        let (link, _) = value[1..].split_once(quote)?;
        Some(link.replace("&amp;", "&"))
    })
}

fn node_tarball(page: &Reply, version: &str) -> Result<Address, String> {
    let document: Value = serde_json::from_slice(&page.body).map_err(|error| error.to_string())?;
    let release = document.get("versions").and_then(|versions| versions.get(version));
    let release = release.ok_or_else(|| format!("it does not list version {version}"))?;
    let link = release.get("dist").and_then(|dist| dist.get("tarball")).and_then(Value::as_str);
    let link = link.ok_or_else(|| format!("version {version} has no tarball"))?;
    page.address.led_to(link)
}

/// The key `dl` of a registry's `config.json`.
pub(crate) fn download_template(config: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(config).ok()?;
    Some(config.get("dl")?.as_str()?.to_owned())
}

/// Fills a registry's download template; without markers the usual path is added.
fn crate_address(template: &str, package: &str, version: &str) -> String {
    if !["{crate}", "{version}", "{prefix}", "{lowerprefix}"].iter().any(|m| template.contains(m)) {
        return format!("{}/{package}/{version}/download", template.trim_end_matches('/'));
    }
    let prefix = crate_prefix(package);
    template
        .replace("{lowerprefix}", &prefix.to_ascii_lowercase())
        .replace("{prefix}", &prefix)
        .replace("{crate}", package)
        .replace("{version}", version)
}

/// Folder of a crate in an index, by the length of its name.
fn crate_prefix(package: &str) -> String {
    let first = |n: usize| package.get(..n).unwrap_or(package);
    match package.len() {
        0..=2 => package.len().to_string(),
        3 => format!("3/{}", first(1)),
        _ => format!("{}/{}", first(2), package.get(2..4).unwrap_or_default()),
    }
}
