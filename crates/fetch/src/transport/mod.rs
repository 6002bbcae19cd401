//! HTTP; the only module that knows of asynchronous code.
//!
//! Credentials are put on a request here and nowhere else, by comparing origins, and redirects are followed
//! here and not by the client, since each hop is decided on.

mod local;
mod names;
mod patience;
mod progressed;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::address::{Address, Authorization};
use crate::error::{Cause, FetchError};
use crate::limits::Limits;
use crate::netrc::{Netrc, NetrcFile};
use crate::redact::shown_text;
pub(crate) use local::stream_file;
use patience::Patience;
pub(crate) use patience::Spent;
pub(crate) use progressed::Progressed;
use progressed::Start;

/// How often a silent transfer looks whether it was cancelled.
const TICK: Duration = Duration::from_millis(100);
/// Most lines of the head of an answer.
const HEAD_LINES: usize = 100;
/// Largest head of an answer over HTTP/2, in bytes.
const HEAD_BYTES: u32 = 64 << 10;

/// Why a transfer ended early.
#[derive(Debug)]
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

    fn passing(cause: Cause) -> Self {
        Self::Failed { cause, passing: true }
    }
}

/// What takes the bytes of a transfer: the offset of a piece, the piece, and the total when it is
/// known. Offset 0 comes first, and again where the transfer begins anew.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(u64, &[u8], Option<u64>) -> Result<(), Stop>;

/// A connection to the outside, shared by all downloads.
pub(crate) struct Transport {
    runtime: Runtime,
    client: Client,
    limits: Limits,
    cancel: Option<Arc<AtomicBool>>,
    netrc_file: Option<NetrcFile>,
    netrc: OnceLock<Netrc>,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The verb, such as `PUT`.
    pub(crate) method: Method,
    /// Where to. Credentials that it has, or that the user has for it, are sent along.
    pub(crate) address: Address,
    /// Header lines.
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// Credentials that outrank those of the address; sent if they are for its origin.
    pub(crate) authorization: Option<Authorization>,
    /// What is sent.
    pub(crate) payload: Payload,
}

impl Request {
    /// A plain request for an address.
    pub(crate) fn get(address: &Address, accept: &str) -> Self {
        Self {
            method: Method::GET,
            address: address.clone(),
            headers: vec![(ACCEPT, accept.to_owned())],
            authorization: None,
            payload: Payload::Empty,
        }
    }
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
    /// Address after redirects, against which relative addresses in it are resolved.
    pub(crate) address: Address,
    /// How it went.
    pub(crate) status: StatusCode,
    /// Header lines.
    pub(crate) headers: HeaderMap,
    /// At most as many bytes as were asked for.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Its media type in lower case, empty when the server does not say it.
    pub(crate) fn media_type(&self) -> String {
        let media_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        media_type.unwrap_or_default().to_ascii_lowercase()
    }
}

/// An answer of which only the head has come.
struct Answer {
    address: Address,
    response: Response,
    patience: Patience,
}

impl Transport {
    /// Loads the certificates and sets the runtime up, which takes some milliseconds.
    pub(crate) fn new(
        limits: &Limits,
        cancel: Option<Arc<AtomicBool>>,
        netrc_file: Option<NetrcFile>,
    ) -> Result<Self, String> {
        Self::with_names(limits, cancel, netrc_file, names::Detached(names::system))
    }

    fn with_names(
        limits: &Limits,
        cancel: Option<Arc<AtomicBool>>,
        netrc_file: Option<NetrcFile>,
        names: names::Detached,
    ) -> Result<Self, String> {
        // An error says that the process has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| reason(&error))?;
        let client = Client::builder()
            .user_agent(concat!("cbuild/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .redirect(Policy::none())
            .referer(false)
            .dns_resolver(names)
            .http1_max_headers(HEAD_LINES)
            .http2_max_header_list_size(HEAD_BYTES)
            .build()
            .map_err(|error| reason(&error))?;
        let (limits, netrc) = (limits.clone(), OnceLock::new());
        Ok(Self { runtime, client, limits, cancel, netrc_file, netrc })
    }

    /// The user's netrc file, read at its first use.
    pub(crate) fn netrc(&self) -> &Netrc {
        self.netrc.get_or_init(|| self.netrc_file.as_ref().map(Netrc::read).unwrap_or_default())
    }

    /// Streams the bytes of a successful answer into `sink`, at most `most` of them in all. Goes on where
    /// `progressed` says, if the server does, and says there how far it came.
    pub(crate) fn stream(
        &self,
        request: &Request,
        progressed: &mut Progressed,
        spent: &Spent,
        most: u64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let mut request = request.clone();
        request.headers.extend(progressed.headers());
        self.runtime.block_on(async {
            let mut answer = self.send(&request, spent).await?;
            if answer.response.status() == StatusCode::RANGE_NOT_SATISFIABLE && progressed.bytes > 0
            {
                *progressed = Progressed::default();
                let cause = Cause::Connection("the rest is not there any more".to_owned());
                return Err(Stop::passing(cause));
            }
            answer = self.successful(answer)?;
            let response = &answer.response;
            let begun =
                progressed.begin(response.status(), response.headers(), response.content_length());
            if begun == Start::Odd {
                let asked = progressed.bytes > 0;
                *progressed = Progressed::default();
                let cause =
                    Cause::Connection("it gave another part than the wanted one".to_owned());
                return Err(Stop::Failed { cause, passing: asked });
            }
            sink(progressed.bytes, &[], progressed.total)?;
            self.body(answer, most, progressed, sink).await
        })
    }

    /// Sends a request and reads its whole answer, at most `most` bytes.
    pub(crate) fn exchange(&self, request: &Request, most: u64) -> Result<Reply, Stop> {
        self.runtime.block_on(async {
            let answer = self.send(request, &Spent::default()).await?;
            let (address, status) = (answer.address.clone(), answer.response.status());
            let (headers, mut body) = (answer.response.headers().clone(), Vec::new());
            let mut sink = |_, bytes: &[u8], _| {
                body.extend_from_slice(bytes);
                Ok(())
            };
            // An answer to HEAD speaks of a length that does not come.
            if request.method != Method::HEAD {
                let mut progressed = Progressed::default();
                progressed.total = answer.response.content_length();
                self.body(answer, most, &mut progressed, &mut sink).await?;
            }
            Ok(Reply { address, status, headers, body })
        })
    }

    /// Reads a page of a package index.
    pub(crate) fn page(&self, address: &Address, accept: &str) -> Result<Reply, Stop> {
        let reply = self.exchange(&Request::get(address, accept), self.limits.index_bytes)?;
        if reply.status.is_success() {
            Ok(reply)
        } else {
            Err(self.refusal(&reply.address, reply.status))
        }
    }

    /// Sends a request and follows where servers lead. Whoever is let in stays so at the first origin;
    /// what leaves it goes on without credentials, also when it comes back.
    async fn send(&self, request: &Request, spent: &Spent) -> Result<Answer, Stop> {
        let mut address = request.address.clone();
        let users = if address.takes_users_login() {
            self.netrc().for_origin(&address.origin())
        } else {
            None
        };
        let named = request.authorization.as_ref().or(address.named_login()).or(users.as_ref());
        let mut authorization = named.cloned();
        for _ in 0..=self.limits.redirects {
            let mut patience = Patience::new(&self.limits, spent);
            let authorized = authorization.as_ref();
            let response = self.once(request, &address, authorized, &mut patience).await?;
            let Some(link) = redirect(&request.method, &response) else {
                return Ok(Answer { address, response, patience });
            };
            let next = address.led_to(&link).map_err(|message| {
                Stop::lasting(Cause::Connection(format!("a redirect is not followed: {message}")))
            })?;
            if next.origin() != address.origin() {
                authorization = None;
            }
            address = next;
        }
        let message = format!("more than {} redirects", self.limits.redirects);
        Err(Stop::lasting(Cause::Connection(message)))
    }

    /// Sends a request to one address, and waits for the head of the answer.
    async fn once(
        &self,
        request: &Request,
        address: &Address,
        authorization: Option<&Authorization>,
        patience: &mut Patience,
    ) -> Result<Response, Stop> {
        let mut builder = self.client.request(request.method.clone(), address.url().clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(value) = authorization.and_then(|found| found.value_for(&address.origin())) {
            builder = builder.header(AUTHORIZATION, value);
        }
        builder = match &request.payload {
            Payload::Empty => builder,
            Payload::Bytes(bytes) => builder.body(bytes.clone()),
            Payload::File(path) => {
                let failed = |error| Stop::Fatal(FetchError::io("read", path)(error));
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                let length = file.metadata().await.map_err(failed)?.len();
                builder.header(CONTENT_LENGTH, length).body(counted(file, patience))
            }
        };
        Ok(self.watched(patience, builder.send()).await??)
    }

    async fn body(
        &self,
        answer: Answer,
        most: u64,
        progressed: &mut Progressed,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let Answer { mut response, mut patience, .. } = answer;
        patience.flowing = true;
        let too_large = || Stop::lasting(Cause::TooLarge(most));
        if progressed.total.is_some_and(|total| total > most) {
            return Err(too_large());
        }
        while let Some(piece) = self.watched(&mut patience, response.chunk()).await?? {
            let length = piece.len() as u64;
            patience.came(length);
            if progressed.bytes + length > most {
                return Err(too_large());
            }
            sink(progressed.bytes, &piece, progressed.total)?;
            progressed.bytes += length;
        }
        Ok(())
    }

    /// Waits for something, but no longer than patience and the user allow.
    async fn watched<T>(
        &self,
        patience: &mut Patience,
        work: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            check(self.cancel.as_deref())?;
            let begun = Instant::now();
            let done = tokio::time::timeout(TICK, &mut work).await;
            // A process that was stopped meanwhile, or waited for the disk, has not waited so long.
            patience.waited(begun.elapsed().min(2 * TICK)).map_err(|cause| {
                // Time that is spent does not come back.
                let passing = !matches!(cause, Cause::Endless(_));
                Stop::Failed { cause, passing }
            })?;
            if let Ok(done) = done {
                return Ok(done);
            }
        }
    }

    fn successful(&self, answer: Answer) -> Result<Answer, Stop> {
        match answer.response.status() {
            status if status.is_success() => Ok(answer),
            status => Err(self.refusal(&answer.address, status)),
        }
    }

    fn refusal(&self, address: &Address, status: StatusCode) -> Stop {
        let passing = may_pass(status);
        let mut said = status.to_string();
        // Who has a file of passwords wants to know why it did not help.
        let wants_login = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if wants_login
            && address.takes_users_login()
            && let Some(problem) = &self.netrc().problem
        {
            said = format!("{said} ({problem})");
        }
        Stop::Failed { cause: Cause::Status(said), passing }
    }
}

/// Whether the same request may succeed later.
pub(crate) fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

/// Where an answer leads. A request that changes something is repeated elsewhere only if the server says that
/// it is to be the same request (RFC 9110, section 15.4).
fn redirect(method: &Method, response: &Response) -> Option<String> {
    let follows = match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
            [Method::GET, Method::HEAD].contains(method)
        }
        _ => false,
    };
    let location = response.headers().get(LOCATION).filter(|_| follows)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// A file as a body, whose bytes count as a sign of life.
fn counted(file: tokio::fs::File, patience: &Patience) -> Body {
    let moved = Arc::clone(&patience.moved);
    let pieces = futures_util::stream::unfold((file, moved), |(mut file, moved)| async move {
        let mut piece = vec![0; 1 << 16];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                moved.fetch_add(read as u64, Ordering::Relaxed);
                Some((Ok(piece), (file, moved)))
            }
            Err(error) => Some((Err(error), (file, moved))),
        }
    });
    Body::wrap_stream(pieces)
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
        // An address that cannot be requested stays what it is.
        let passing = !error.is_redirect() && !error.is_builder();
        Self::Failed { cause: Cause::Connection(reason(&error.without_url())), passing }
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
    shown_text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look-up that hangs keeps neither the transfer nor the end of the process.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a clock bounds the test")]
    fn a_look_up_that_hangs_is_left() {
        let hang = |_: &str| {
            std::thread::sleep(Duration::from_secs(600));
            Ok(Vec::new())
        };
        let flag = Arc::new(AtomicBool::new(false));
        let limits = Limits { connect: Duration::from_secs(600), ..Limits::default() };
        let cancel = Some(Arc::clone(&flag));
        let transport =
            Transport::with_names(&limits, cancel, None, names::Detached(hang)).unwrap();
        let asking = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            flag.store(true, Ordering::SeqCst);
        });
        let started = std::time::Instant::now();
        let address = Address::parse("http://example.org/x").unwrap();
        let stopped = transport.exchange(&Request::get(&address, "*/*"), 100);
        assert!(matches!(stopped, Err(Stop::Fatal(FetchError::Cancelled))));
        drop(transport);
        assert!(started.elapsed() < Duration::from_secs(60));
        asking.join().unwrap();
    }
}
