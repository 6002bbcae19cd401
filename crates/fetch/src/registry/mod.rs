//! Artifacts in OCI registries (distribution specification v2): one layer with a file tree, under a
//! manifest that says of which kind it is.

mod auth;
mod pack;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use cbuild_drv::{ContentHash, HashAlgorithm};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, LINK, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::address::{Address, Authorization, Origin};
use crate::content::Hasher;
use crate::download::Landing;
use crate::error::{Cause, FetchError};
use crate::fetcher::{Fetcher, Progress};
use crate::redact::shown_text;
use crate::transport::{Payload, Reply, Request, Stop, Transport, check, may_pass};
use crate::unpack::{beside, clear, unpack_unless};
use auth::{Answered, Challenge, Withheld};

pub use pack::pack_layer;
pub use reference::RegistryReference;

/// Media type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the empty document, which stands for an absent configuration.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// Largest manifest, in bytes, as the specification recommends.
const MANIFEST_BYTES: u64 = 4 << 20;
/// Largest other answer that is read into memory, in bytes.
const ANSWER_BYTES: u64 = 1 << 20;

/// Most pages of a list of tags.
const MAX_TAG_PAGES: usize = 10;

/// What an artifact is, apart from its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its kind, as a media type.
    pub artifact_type: String,
    /// Media type of its layer.
    pub layer_type: String,
    /// Annotations of the manifest; not checked when it is pulled.
    pub annotations: BTreeMap<String, String>,
}

impl Fetcher {
    /// Downloads an artifact and unpacks its layer to `into`, which must not exist. Returns the
    /// digest of its manifest.
    ///
    /// Where the reference has a digest, the manifest must have it. The manifest must be of the
    /// wanted kind; the layer is checked against the digest in it before it is unpacked.
    ///
    /// # Errors
    /// [`FetchError::Registry`], [`FetchError::Denied`], [`FetchError::NoNetwork`], and those of unpacking.
    pub fn pull_artifact(
        &self,
        reference: &RegistryReference,
        wanted: &Artifact,
        into: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<String, FetchError> {
        let mut session = Session::start(self, reference, "pull")?;
        let url = session.url(&format!("manifests/{}", reference.manifest()))?;
        let accept = vec![(ACCEPT, MANIFEST.to_owned())];
        let reply = session.exchange(Method::GET, url, accept, Payload::Empty)?;
        session.expect(&reply, StatusCode::OK)?;
        let digest = sha256(&reply.body);
        if reference.digest.as_ref().is_some_and(|pinned| *pinned != digest) {
            return Err(session.error(format!("its manifest has another digest, {digest}")));
        }
        let layer = the_layer(&reply.body, wanted).map_err(|message| session.error(message))?;
        let partial = beside(into, ".part");
        let done = session.download(&layer, &partial, progress).and_then(|()| {
            let cancel = self.options.cancel.as_deref();
            let limits = &self.options.limits;
            unpack_unless(cancel, &partial, into, 0, &reference.to_string(), limits)
        });
        // Of no use any more, whatever came of it.
        let _ = clear(&partial);
        done.map(|()| digest)
    }

    /// Makes a layer of a folder, see [`pack_layer`]; ends early when the options say so.
    ///
    /// # Errors
    /// Those of [`pack_layer`].
    pub fn pack_layer(&self, folder: &Path, to: &Path) -> Result<(), FetchError> {
        pack_layer(folder, to, self.options.cancel.as_deref())
    }

    /// Uploads a layer, which [`pack_layer`] made, and a manifest for it under the reference's tag.
    /// Returns the digest of the manifest.
    ///
    /// # Errors
    /// [`FetchError::Registry`], [`FetchError::Denied`], [`FetchError::NoNetwork`].
    pub fn push_artifact(
        &self,
        reference: &RegistryReference,
        artifact: &Artifact,
        layer: &Path,
    ) -> Result<String, FetchError> {
        let mut session = Session::start(self, reference, "push")?;
        let tag = reference.tag.as_deref().ok_or_else(|| session.error("it has no tag".into()))?;
        let (layer_digest, size) = sha256_of_file(layer, self.options.cancel.as_deref())?;
        let empty = b"{}".to_vec();
        let empty_digest = sha256(&empty);
        session.upload(&empty_digest, Payload::Bytes(empty))?;
        session.upload(&layer_digest, Payload::File(layer.to_owned()))?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": artifact.artifact_type,
            "config": {"mediaType": EMPTY, "digest": empty_digest, "size": 2},
            "layers": [{"mediaType": artifact.layer_type, "digest": layer_digest, "size": size}],
            "annotations": artifact.annotations,
        });
        let body = manifest.to_string().into_bytes();
        let digest = sha256(&body);
        let url = session.url(&format!("manifests/{tag}"))?;
        let headers = vec![(CONTENT_TYPE, MANIFEST.to_owned())];
        let reply = session.exchange(Method::PUT, url, headers, Payload::Bytes(body))?;
        session.expect(&reply, StatusCode::CREATED)?;
        Ok(digest)
    }
}

impl Fetcher {
    /// All tags of a repository, sorted. At most 10,000 are read.
    ///
    /// # Errors
    /// As of [`Fetcher::pull_artifact`].
    pub fn registry_tags(&self, reference: &RegistryReference) -> Result<Vec<String>, FetchError> {
        let mut session = Session::start(self, reference, "list")?;
        let mut url = session.url("tags/list?n=1000")?;
        let mut found = BTreeSet::new();
        for _ in 0..MAX_TAG_PAGES {
            let reply = session.exchange(Method::GET, url, Vec::new(), Payload::Empty)?;
            session.expect(&reply, StatusCode::OK)?;
            let page: Value = serde_json::from_slice(&reply.body)
                .map_err(|error| session.error(format!("its list of tags is no JSON: {error}")))?;
            let tags = page.get("tags").and_then(Value::as_array).into_iter().flatten();
            found.extend(tags.filter_map(Value::as_str).map(str::to_owned));
            match next_page(&reply) {
                // Another server has no business with the list.
                Some(next) if next.origin() == session.origin => url = next,
                _ => break,
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Address of the page after this one (RFC 8288, as the distribution specification uses it).
fn next_page(reply: &Reply) -> Option<Address> {
    let link = reply.headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| reply.address.led_to(target).ok())?
}

/// A layer as the manifest names it.
struct Layer {
    digest: String,
    size: u64,
}

/// The only layer of a manifest of the wanted kind.
fn the_layer(manifest: &[u8], wanted: &Artifact) -> Result<Layer, String> {
    let manifest: Value = serde_json::from_slice(manifest)
        .map_err(|error| format!("its manifest is no JSON: {error}"))?;
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text(&manifest, "artifactType").unwrap_or_default();
    if kind != wanted.artifact_type {
        return Err(format!("it is `{kind}`, and not `{}`", wanted.artifact_type));
    }
    let layers = manifest.get("layers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let [layer] = layers else {
        return Err(format!("it has {} layers, and not one", layers.len()));
    };
    if text(layer, "mediaType").as_deref() != Some(&wanted.layer_type) {
        return Err(format!("its layer is not of the type `{}`", wanted.layer_type));
    }
    let digest = text(layer, "digest").filter(|digest| reference::is_digest(digest));
    let size = layer.get("size").and_then(Value::as_u64);
    match (digest, size) {
        (Some(digest), Some(size)) => Ok(Layer { digest, size }),
        _ => Err("its layer has no digest and size".to_owned()),
    }
}

/// Talks to one repository.
struct Session<'a> {
    fetcher: &'a Fetcher,
    transport: &'a Transport,
    reference: &'a RegistryReference,
    action: &'static str,
    /// The only server that may ask for credentials and gets them.
    origin: Origin,
    credentials: Option<Authorization>,
    authorization: Option<Authorization>,
    withheld: Option<Withheld>,
}

impl<'a> Session<'a> {
    fn start(
        fetcher: &'a Fetcher,
        reference: &'a RegistryReference,
        action: &'static str,
    ) -> Result<Self, FetchError> {
        let fail = |stop| failure(reference, action, stop);
        if fetcher.options.offline {
            return Err(FetchError::NoNetwork { place: reference.to_string() });
        }
        let transport = fetcher.transport().map_err(fail)?;
        let origin = place(reference, "")
            .map_err(|message| FetchError::Registry {
                action,
                reference: reference.to_string(),
                message,
            })?
            .origin();
        let files = &fetcher.options.credentials;
        let credentials = auth::credentials(files, &reference.host, &origin)
            .or_else(|| transport.netrc().for_origin(&origin));
        let (authorization, withheld) = (None, None);
        Ok(Self {
            fetcher,
            transport,
            reference,
            action,
            origin,
            credentials,
            authorization,
            withheld,
        })
    }

    fn error(&self, message: String) -> FetchError {
        let reference = self.reference.to_string();
        FetchError::Registry { action: self.action, reference, message }
    }

    fn url(&self, rest: &str) -> Result<Address, FetchError> {
        place(self.reference, rest).map_err(|message| self.error(message))
    }

    /// Sends a request; a challenge of the registry is answered once.
    fn exchange(
        &mut self,
        method: Method,
        address: Address,
        headers: Vec<(HeaderName, String)>,
        payload: Payload,
    ) -> Result<Reply, FetchError> {
        let authorization = self.authorization.clone();
        let mut request = Request { method, address, headers, authorization, payload };
        let reply = self.send(&request)?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        if reply.address.origin() != self.origin {
            return Err(self.refused(&reply));
        }
        self.authenticate(&reply)?;
        request.authorization = self.authorization.clone();
        let reply = self.send(&request)?;
        match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.refused(&reply)),
            _ => Ok(reply),
        }
    }

    fn send(&self, request: &Request) -> Result<Reply, FetchError> {
        let most = MANIFEST_BYTES.max(ANSWER_BYTES);
        let exchange = || self.transport.exchange(request, most);
        let sent = self.fetcher.patiently(exchange, |reply| may_pass(reply.status));
        sent.map_err(|stop| failure(self.reference, self.action, stop))
    }

    fn authenticate(&mut self, reply: &Reply) -> Result<(), FetchError> {
        let headers = reply.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = headers.filter_map(|h| h.to_str().ok()).find_map(Challenge::parse);
        let Some(challenge) = challenge else {
            return Err(self.error("it asks for an authentication that is not known".to_owned()));
        };
        let rights = if self.action == "push" { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{rights}", self.reference.repository);
        let credentials = self.credentials.as_ref();
        let withheld = &mut self.withheld;
        let answer = || {
            auth::answer(self.transport, &challenge, &scope, credentials, &self.origin, withheld)
        };
        let answered = self.fetcher.patiently(answer, |_| false);
        match answered.map_err(|stop| failure(self.reference, self.action, stop))? {
            Answered::With(authorization) => self.authorization = Some(authorization),
            Answered::Nothing if self.credentials.is_some() => return Err(self.denied("this user")),
            Answered::Nothing => return Err(self.denied("everybody")),
        }
        Ok(())
    }

    /// An answer that lets nobody in, as an error: of the registry, or of a server that it led to.
    fn refused(&self, reply: &Reply) -> FetchError {
        let server = reply.address.origin();
        if server == self.origin {
            return self.denied("this user");
        }
        if reply.status != StatusCode::UNAUTHORIZED {
            return self.error(format!("it leads to `{server}`, which answered {}", reply.status));
        }
        let (action, reference) = (self.action, self.reference.to_string());
        FetchError::Elsewhere { action, reference, server: server.to_string() }
    }

    fn denied(&self, who: &'static str) -> FetchError {
        let (registry, reference) = (self.reference.host.clone(), self.reference.to_string());
        if let Some(Withheld { server, why }) = &self.withheld {
            return FetchError::TokenServer { registry, server: server.to_string(), why };
        }
        FetchError::Denied { registry, action: self.action, reference, who }
    }

    fn expect(&self, reply: &Reply, wanted: StatusCode) -> Result<(), FetchError> {
        if reply.status == wanted {
            return Ok(());
        }
        if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.refused(reply));
        }
        let document: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let said = document.as_ref().and_then(|d| d.pointer("/errors/0/message")?.as_str());
        let said = said.map(|said| format!(" ({})", self.shown(said))).unwrap_or_default();
        // Another success is no answer to this request.
        let due = match reply.status.is_success() {
            true => format!(" where {wanted} was due"),
            false => String::new(),
        };
        Err(self.error(format!("it answered {}{due}{said}", reply.status)))
    }

    /// What the registry said, as it may be shown: it may repeat what it was sent.
    fn shown(&self, said: &str) -> String {
        let known = [&self.credentials, &self.authorization].into_iter().flatten();
        known.fold(shown_text(said), |text, secret| secret.hidden_in(&text))
    }

    fn download(
        &self,
        layer: &Layer,
        to: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FetchError> {
        let address = self.url(&format!("blobs/{}", layer.digest))?;
        let authorization = self.authorization.clone();
        let request = Request { authorization, ..Request::get(&address, "*/*") };
        let most = layer.size.min(self.fetcher.options.limits.download_bytes);
        let mut landing = Landing::new(to, HashAlgorithm::Sha256);
        let landed = landing
            .begin(&self.reference.to_string())
            .and_then(|()| {
                let land = || self.fetcher.land(&request, &mut landing, true, most, progress);
                self.fetcher.patiently(land, |()| false)
            })
            .and_then(|()| landing.finish());
        let got = landed.map_err(|stop| failure(self.reference, self.action, stop))?;
        let got = digest_text(&got);
        if got != layer.digest {
            return Err(self.error(format!("its layer should be {}, and is {got}", layer.digest)));
        }
        Ok(())
    }

    /// Uploads a blob unless the repository has it.
    fn upload(&mut self, digest: &str, payload: Payload) -> Result<(), FetchError> {
        let address = self.url(&format!("blobs/{digest}"))?;
        let known = self.exchange(Method::HEAD, address, Vec::new(), Payload::Empty)?;
        if known.status == StatusCode::OK {
            return Ok(());
        }
        let address = self.url("blobs/uploads/")?;
        let opened =
            self.exchange(Method::POST, address, Vec::new(), Payload::Bytes(Vec::new()))?;
        self.expect(&opened, StatusCode::ACCEPTED)?;
        let place = opened.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let place =
            place.ok_or_else(|| self.error("it does not say where to upload".to_owned()))?;
        let place = opened.address.led_to(place);
        let place = place.map_err(|message| {
            self.error(format!("the place that it names for an upload is not used: {message}"))
        })?;
        let headers = vec![(CONTENT_TYPE, "application/octet-stream".to_owned())];
        let address = place.with_parameter("digest", digest);
        let reply = self.exchange(Method::PUT, address, headers, payload)?;
        self.expect(&reply, StatusCode::CREATED)
    }
}

/// The address of something in a repository.
fn place(reference: &RegistryReference, rest: &str) -> Result<Address, String> {
    let RegistryReference { host, repository, .. } = reference;
    let scheme = if reference.is_local() { "http" } else { "https" };
    let text = format!("{scheme}://{host}/v2/{repository}/{rest}");
    let address = Address::parse(&text).map_err(|error| format!("`{text}`: {error}"))?;
    // Credentials are given when they are asked for, and not before.
    Ok(address.for_nobody())
}

fn failure(reference: &RegistryReference, action: &'static str, stop: Stop) -> FetchError {
    match stop {
        Stop::Fatal(error) => error,
        Stop::Failed { cause, .. } => {
            let message = match cause {
                Cause::Status(status) => format!("it answered {status}"),
                other => other.to_string(),
            };
            FetchError::Registry { action, reference: reference.to_string(), message }
        }
    }
}

fn digest_text(hash: &ContentHash) -> String {
    format!("sha256:{}", hash.to_hex())
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    hasher.update(bytes);
    digest_text(&hasher.finish())
}

fn sha256_of_file(path: &Path, cancel: Option<&AtomicBool>) -> Result<(String, u64), FetchError> {
    let failed = || FetchError::io("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    let (mut buffer, mut size) = (vec![0; 1 << 16], 0);
    loop {
        if let Err(Stop::Fatal(error)) = check(cancel) {
            return Err(error);
        }
        let read = std::io::Read::read(&mut file, &mut buffer).map_err(failed())?;
        if read == 0 {
            return Ok((digest_text(&hasher.finish()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
