//! Artifacts in OCI registries (distribution specification v2): one layer with a file tree, under a
//! manifest that says of which kind it is.

mod auth;
mod pack;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use cbuild_drv::{ContentHash, HashAlgorithm};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, LINK, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::content::{HashedFile, Hasher};
use crate::error::{Cause, FetchError};
use crate::fetcher::{Fetcher, Progress};
use crate::transport::{Payload, Reply, Request, Stop, Transport};
use crate::unpack::{beside, clear, unpack};
use auth::Challenge;

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
        let done = session
            .download(&layer, &partial, progress)
            .and_then(|()| unpack(&partial, into, 0, &reference.to_string(), &self.options.limits));
        // Of no use any more, whatever came of it.
        let _ = clear(&partial);
        done.map(|()| digest)
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
        let (layer_digest, size) = sha256_of_file(layer)?;
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
                // Another server has no business with the token.
                Some(next) if next.origin() == reply.address.origin() => url = next,
                _ => break,
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Address of the page after this one (RFC 8288, as the distribution specification uses it).
fn next_page(reply: &Reply) -> Option<Url> {
    let link = reply.headers.get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| reply.address.join(target).ok())?
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
    authorization: Option<String>,
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
        Ok(Self { fetcher, transport, reference, action, authorization: None })
    }

    fn error(&self, message: String) -> FetchError {
        let reference = self.reference.to_string();
        FetchError::Registry { action: self.action, reference, message }
    }

    fn url(&self, rest: &str) -> Result<Url, FetchError> {
        let RegistryReference { host, repository, .. } = self.reference;
        let scheme = if self.reference.is_local() { "http" } else { "https" };
        let text = format!("{scheme}://{host}/v2/{repository}/{rest}");
        Url::parse(&text).map_err(|error| self.error(format!("`{text}`: {error}")))
    }

    /// Sends a request; a challenge is answered once.
    fn exchange(
        &mut self,
        method: Method,
        url: Url,
        headers: Vec<(HeaderName, String)>,
        payload: Payload,
    ) -> Result<Reply, FetchError> {
        let mut request = Request { method, url, headers, payload };
        let bare = request.headers.len();
        request.headers.extend(self.authorization());
        let reply = self.send(&request)?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.authenticate(&reply)?;
        request.headers.truncate(bare);
        request.headers.extend(self.authorization());
        let reply = self.send(&request)?;
        match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.denied("this user")),
            _ => Ok(reply),
        }
    }

    fn authorization(&self) -> Option<(HeaderName, String)> {
        self.authorization.clone().map(|value| (AUTHORIZATION, value))
    }

    fn send(&self, request: &Request) -> Result<Reply, FetchError> {
        let sent = self.transport.exchange(request, MANIFEST_BYTES.max(ANSWER_BYTES));
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
        let files = &self.fetcher.options.credentials;
        let credentials = auth::credentials(files, &self.reference.host);
        let local = self.reference.is_local();
        let answer =
            auth::answer(self.transport, &challenge, &scope, credentials.as_deref(), local);
        let answer = answer.map_err(|stop| failure(self.reference, self.action, stop))?;
        let who = if credentials.is_some() { "this user" } else { "everybody" };
        self.authorization = Some(answer.ok_or_else(|| self.denied(who))?);
        Ok(())
    }

    fn denied(&self, who: &'static str) -> FetchError {
        let (registry, reference) = (self.reference.host.clone(), self.reference.to_string());
        FetchError::Denied { registry, action: self.action, reference, who }
    }

    fn expect(&self, reply: &Reply, wanted: StatusCode) -> Result<(), FetchError> {
        if reply.status == wanted {
            return Ok(());
        }
        if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.denied("this user"));
        }
        let document: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let said = document.as_ref().and_then(|d| d.pointer("/errors/0/message")?.as_str());
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        Err(self.error(format!("it answered {}{said}", reply.status)))
    }

    fn download(
        &self,
        layer: &Layer,
        to: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FetchError> {
        let file = File::create(to).map_err(FetchError::io("create", to))?;
        let mut file = HashedFile::new(file, HashAlgorithm::Sha256);
        let shown = self.reference.to_string();
        let mut sink = |piece: &[u8], total| {
            file.write(piece).map_err(|e| Stop::Fatal(FetchError::io("write", to)(e)))?;
            progress(Progress { url: &shown, bytes: file.bytes, total });
            Ok(())
        };
        let url = self.url(&format!("blobs/{}", layer.digest))?;
        let headers = self.authorization().into_iter().collect();
        let request = Request { method: Method::GET, url, headers, payload: Payload::Empty };
        let most = layer.size.min(self.fetcher.options.limits.download_bytes);
        let done = self.transport.stream_request(&request, most, &mut sink);
        done.map_err(|stop| failure(self.reference, self.action, stop))?;
        let got = digest_text(&file.finish());
        if got != layer.digest {
            return Err(self.error(format!("its layer should be {}, and is {got}", layer.digest)));
        }
        Ok(())
    }

    /// Uploads a blob unless the repository has it.
    fn upload(&mut self, digest: &str, payload: Payload) -> Result<(), FetchError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let known = self.exchange(Method::HEAD, url, Vec::new(), Payload::Empty)?;
        if known.status == StatusCode::OK {
            return Ok(());
        }
        let url = self.url("blobs/uploads/")?;
        let opened = self.exchange(Method::POST, url, Vec::new(), Payload::Bytes(Vec::new()))?;
        self.expect(&opened, StatusCode::ACCEPTED)?;
        let place = opened.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let place = place.and_then(|place| opened.address.join(place).ok());
        let mut url =
            place.ok_or_else(|| self.error("it does not say where to upload".to_owned()))?;
        url.query_pairs_mut().append_pair("digest", digest);
        // The upload may be handed to another server, which has no business with the token.
        let foreign = url.host_str() != opened.address.host_str();
        let kept = if foreign { self.authorization.take() } else { None };
        let headers = vec![(CONTENT_TYPE, "application/octet-stream".to_owned())];
        let reply = self.exchange(Method::PUT, url, headers, payload);
        if foreign {
            self.authorization = kept;
        }
        self.expect(&reply?, StatusCode::CREATED)
    }
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

fn sha256_of_file(path: &Path) -> Result<(String, u64), FetchError> {
    let failed = || FetchError::io("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    let (mut buffer, mut size) = (vec![0; 1 << 16], 0);
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer).map_err(failed())?;
        if read == 0 {
            return Ok((digest_text(&hasher.finish()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}
