//! HTTP and local files; the only module that knows of asynchronous code.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Cause, FetchError};
use crate::limits::Limits;

/// How often a silent download looks whether it was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);

/// Why a transfer ended early.
pub(crate) enum Stop {
    /// Another address may do better.
    Failed {
        cause: Cause,
        /// Whether the same address may do better later.
        passing: bool,
    },
    /// No address can help.
    Fatal(FetchError),
}

impl Stop {
    pub(crate) fn lasting(cause: Cause) -> Self {
        Self::Failed { cause, passing: false }
    }
}

/// What takes the bytes of a transfer: a piece, and the total when it is known.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[u8], Option<u64>) -> Result<(), Stop>;

/// A connection to the outside, shared by all downloads.
pub(crate) struct Transport {
    runtime: Runtime,
    client: Client,
    limits: Limits,
    cancel: Option<Arc<AtomicBool>>,
}

/// A request that is more than a plain download.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The verb, such as `PUT`.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) url: Url,
    /// Header lines.
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// What is sent.
    pub(crate) payload: Payload,
}

/// What a request sends.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// Nothing.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file, which is opened anew for each try.
    File(PathBuf),
}

/// A whole answer, be it a success or not.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Address after redirects.
    pub(crate) address: Url,
    /// How it went.
    pub(crate) status: StatusCode,
    /// Header lines.
    pub(crate) headers: HeaderMap,
    /// At most as many bytes as were asked for.
    pub(crate) body: Vec<u8>,
}

/// An answer that was read into memory.
pub(crate) struct Page {
    /// Address after redirects, against which relative addresses in it are resolved.
    pub(crate) address: Url,
    /// Its media type, empty when the server does not say it.
    pub(crate) media_type: String,
    /// Its bytes.
    pub(crate) body: Vec<u8>,
}

impl Transport {
    /// Loads the certificates and sets the runtime up, which takes some milliseconds.
    pub(crate) fn new(limits: &Limits, cancel: Option<Arc<AtomicBool>>) -> Result<Self, String> {
        // An error says that the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| reason(&error))?;
        let client = Client::builder()
            .user_agent(concat!("cbuild/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .read_timeout(limits.silence)
            .redirect(Policy::limited(limits.redirects))
            .build()
            .map_err(|error| reason(&error))?;
        Ok(Self { runtime, client, limits: limits.clone(), cancel })
    }

    /// Streams the bytes at an address into `sink`, at most `most` of them.
    pub(crate) fn stream(&self, url: &Url, most: u64, sink: Sink<'_>) -> Result<(), Stop> {
        self.runtime.block_on(async {
            let response = self.answer(url, "*/*").await?;
            self.body(response, most, sink).await
        })
    }

    /// Reads a page of a package index.
    pub(crate) fn page(&self, url: &Url, accept: &'static str) -> Result<Page, Stop> {
        self.runtime.block_on(async {
            let response = self.answer(url, accept).await?;
            let media_type = response.headers().get(reqwest::header::CONTENT_TYPE);
            let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let (address, media_type) = (response.url().clone(), media_type.to_ascii_lowercase());
            let mut body = Vec::new();
            let mut sink = |bytes: &[u8], _| {
                body.extend_from_slice(bytes);
                Ok(())
            };
            self.body(response, self.limits.index_bytes, &mut sink).await?;
            Ok(Page { address, media_type, body })
        })
    }

    /// Sends a request and reads its whole answer, at most `most` bytes.
    pub(crate) fn exchange(&self, request: &Request, most: u64) -> Result<Reply, Stop> {
        self.runtime.block_on(async {
            let response = self.send(request).await?;
            let (address, status) = (response.url().clone(), response.status());
            let (headers, mut body) = (response.headers().clone(), Vec::new());
            let mut sink = |bytes: &[u8], _| {
                body.extend_from_slice(bytes);
                Ok(())
            };
            // An answer to HEAD speaks of a length that does not come.
            if request.method != Method::HEAD {
                self.body(response, most, &mut sink).await?;
            }
            Ok(Reply { address, status, headers, body })
        })
    }

    /// Like [`Transport::stream`], for a request with headers of its own.
    pub(crate) fn stream_request(
        &self,
        request: &Request,
        most: u64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        self.runtime.block_on(async {
            let response = successful(self.send(request).await?)?;
            self.body(response, most, sink).await
        })
    }

    async fn send(&self, request: &Request) -> Result<Response, Stop> {
        let mut builder = self.client.request(request.method.clone(), request.url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        builder = match &request.payload {
            Payload::Empty => builder,
            Payload::Bytes(bytes) => builder.body(bytes.clone()),
            Payload::File(path) => {
                let failed = |error| Stop::Fatal(FetchError::io("read", path)(error));
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                let length = file.metadata().await.map_err(failed)?.len();
                builder.header(CONTENT_LENGTH, length).body(file)
            }
        };
        self.unless_cancelled(builder.send()).await?.map_err(Stop::from)
    }

    async fn answer(&self, url: &Url, accept: &'static str) -> Result<Response, Stop> {
        let request = self.client.get(url.clone()).header(ACCEPT, HeaderValue::from_static(accept));
        let response = self.unless_cancelled(request.send()).await??;
        successful(response)
    }

    async fn body(&self, mut response: Response, most: u64, sink: Sink<'_>) -> Result<(), Stop> {
        let total = response.content_length();
        let too_large = || Stop::lasting(Cause::TooLarge(most));
        if total.is_some_and(|total| total > most) {
            return Err(too_large());
        }
        let mut bytes = 0;
        while let Some(piece) = self.unless_cancelled(response.chunk()).await?? {
            bytes += piece.len() as u64;
            if bytes > most {
                return Err(too_large());
            }
            sink(&piece, total)?;
        }
        Ok(())
    }

    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            check(self.cancel.as_deref())?;
            if let Ok(done) = tokio::time::timeout(CANCEL_CHECK, &mut work).await {
                return Ok(done);
            }
        }
    }
}

/// The answer, if the server says that all went well.
fn successful(response: Response) -> Result<Response, Stop> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let passing = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    Err(Stop::Failed { cause: Cause::Status(status.to_string()), passing })
}

/// Stops a transfer that the caller has cancelled.
pub(crate) fn check(cancel: Option<&AtomicBool>) -> Result<(), Stop> {
    match cancel {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Stop::Fatal(FetchError::Cancelled)),
        _ => Ok(()),
    }
}

impl From<reqwest::Error> for Stop {
    fn from(error: reqwest::Error) -> Self {
        // A loop of redirects and an address that cannot be requested stay what they are.
        let passing = !error.is_redirect() && !error.is_builder();
        Self::Failed { cause: Cause::Connection(reason(&error.without_url())), passing }
    }
}

/// Streams a local file into `sink`, at most `most` bytes.
pub(crate) fn stream_file(
    url: &Url,
    most: u64,
    cancel: Option<&AtomicBool>,
    sink: Sink<'_>,
) -> Result<(), Stop> {
    let failed = |error: &dyn Display| Stop::lasting(Cause::File(error.to_string()));
    let path: PathBuf = url.to_file_path().map_err(|()| failed(&"it is no local absolute path"))?;
    let mut file = File::open(&path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&"it is no regular file"));
    }
    let total = metadata.len();
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    loop {
        check(cancel)?;
        let read = file.read(&mut buffer).map_err(|error| failed(&error))?;
        if read == 0 {
            return Ok(());
        }
        bytes += read as u64;
        if bytes > most {
            return Err(Stop::lasting(Cause::TooLarge(most)));
        }
        sink(&buffer[..read], Some(total))?;
    }
}

/// An error with its causes, since the outermost one seldom says what happened.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
