//! From a [`Fetch`] to checked bytes on disk.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use cbuild_drv::{ContentHash, Fetch, FetchKind, HashAlgorithm};

use crate::content::Hasher;
use crate::download::Landing;
use crate::error::{Attempt, Cause, FetchError, HashMismatch, WrongBytes};
use crate::limits::{Limits, Retry};
use crate::mirrors::Mirrors;
use crate::mirrors::detect::detect_unless;
use crate::netrc::NetrcFile;
use crate::redact::shown_address;
use crate::resolve::{Candidate, Place, Reason, mirrored, plain, split_mirror};
use crate::transport::{Request, Stop, Transport, check, stream_file};
use crate::unpack::{beside, clear, unpack_unless};

/// Where the table of mirrors comes from.
#[derive(Clone, Debug)]
pub enum MirrorSource {
    /// This table; nothing is detected.
    Table(Mirrors),
    /// A file, read at the first download. When it does not exist and a `mirror://` address is
    /// needed, mirrors are detected and saved there.
    File(PathBuf),
}

/// How to fetch.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// No network: only `file` addresses are tried.
    pub offline: bool,
    /// Bounds on sizes, counts and times.
    pub limits: Limits,
    /// How often to try again.
    pub retry: Retry,
    /// Set by the caller to stop running downloads soon; they end with [`FetchError::Cancelled`].
    pub cancel: Option<Arc<AtomicBool>>,
    /// Files with credentials for registries, as `docker login` and `podman login` write them; the
    /// first that has an entry for a registry is taken. Absent ones are passed over.
    pub credentials: Vec<PathBuf>,
    /// The user's netrc file: for addresses without credentials of their own, and for registries that no
    /// file of `credentials` has an entry for.
    pub netrc: Option<NetrcFile>,
}

/// What happens while something is fetched.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// Bytes came.
    Bytes {
        /// The address that is being read, as it may be shown.
        url: &'a str,
        /// Bytes that came so far; starts again at 0 with another address.
        bytes: u64,
        /// Bytes in all, where the server says it.
        total: Option<u64>,
    },
    /// The bytes are there, and an address that was tried before gave others. Whoever relies on it wants
    /// to know: a mirror is out of date, broken or hostile.
    WrongBytes(&'a WrongBytes),
}

/// What came of trying candidates.
struct Tried<T> {
    /// What one gave, and which one, as it is shown.
    found: Option<(T, String)>,
    /// The others that were tried.
    failed: Vec<Attempt>,
}

/// Downloads, checks and unpacks. May be shared between threads; each call blocks its thread.
pub struct Fetcher {
    mirrors: Mutex<MirrorSource>,
    pub(crate) options: Options,
    transport: OnceLock<Result<Transport, String>>,
}

impl Fetcher {
    /// Does no work yet: the table of mirrors, the certificates and the network runtime are
    /// loaded when a download first needs them.
    pub fn new(mirrors: MirrorSource, options: Options) -> Self {
        Self { mirrors: Mutex::new(mirrors), options, transport: OnceLock::new() }
    }

    /// Downloads the bytes that `fetch` names, checks their hash, and leaves the file or the
    /// unpacked tree at `into`, which must not exist while its parent folder must.
    ///
    /// Mirrors keyed by hash come first, then the addresses in order. Bytes with another hash
    /// are thrown away and the next address is tried. On an error there is nothing at `into`.
    /// Names next to it that start with its name and `.part` are used in between. `progress` is
    /// called for each piece that arrives.
    pub fn fetch(
        &self,
        fetch: &Fetch,
        into: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FetchError> {
        let partial = beside(into, ".part");
        let result = self.fetch_by(fetch, &partial, into, progress);
        // Gone already when all went well and the file was kept; otherwise of no use any more.
        let _ = clear(&partial);
        result
    }

    fn fetch_by(
        &self,
        fetch: &Fetch,
        partial: &Path,
        into: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), FetchError> {
        let url = self.download(fetch, partial, progress)?;
        self.keep(&fetch.kind, partial, into, &url)
    }

    /// Makes what was wanted out of downloaded bytes.
    fn keep(
        &self,
        kind: &FetchKind,
        partial: &Path,
        into: &Path,
        url: &str,
    ) -> Result<(), FetchError> {
        match *kind {
            FetchKind::Archive { strip } => {
                let Options { limits, cancel, .. } = &self.options;
                unpack_unless(cancel.as_deref(), partial, into, strip, url, limits)
            }
            FetchKind::File { executable } => {
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(partial, Permissions::from_mode(mode))
                    .and_then(|()| fs::rename(partial, into))
                    .map_err(FetchError::io("create", into))
            }
        }
    }

    /// Downloads the bytes at an address whose hash is not known yet, leaves the file or the
    /// unpacked tree at `into`, and returns the hash, which the caller must keep and give to
    /// [`Fetcher::fetch`] from then on.
    ///
    /// # Errors
    /// As of [`Fetcher::fetch`]; [`FetchError::NotReached`] when no address gave anything.
    pub fn fetch_unpinned(
        &self,
        url: &str,
        kind: &FetchKind,
        into: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<ContentHash, FetchError> {
        let partial = beside(into, ".part");
        let candidates = self.named(&[url.to_owned()])?;
        let mut landing = Landing::new(&partial, HashAlgorithm::Sha256);
        let found = self
            .try_each(&candidates, |candidate| self.bytes(None, candidate, &mut landing, progress));
        let result = match found {
            Ok(Tried { found: Some((hash, url)), .. }) => {
                self.keep(kind, &partial, into, &url).map(|()| hash)
            }
            Ok(Tried { found: None, failed }) => Err(FetchError::NotReached { attempts: failed }),
            Err(error) => Err(error),
        };
        let _ = clear(&partial);
        result
    }

    /// Leaves checked bytes at `partial`, and says where they came from.
    fn download(
        &self,
        fetch: &Fetch,
        partial: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<String, FetchError> {
        let candidates = self.candidates(fetch)?;
        let mut landing = Landing::new(partial, fetch.hash.algorithm());
        let tried = self.try_each(&candidates, |candidate| {
            let got = self.bytes(Some(&fetch.hash), candidate, &mut landing, progress)?;
            expect(&fetch.hash, got)
        })?;
        let Some(((), url)) = tried.found else { return Err(failure(fetch, tried.failed)) };
        for Attempt { url, cause } in tried.failed {
            if let Cause::Hash(got) = cause {
                let wrong = WrongBytes { url, wanted: fetch.hash.clone(), got };
                progress(Progress::WrongBytes(&wrong));
            }
        }
        Ok(url)
    }

    /// Tries candidates in rounds until one gives something, and says which, and what others failed with.
    /// An error is of a kind that no candidate can help.
    fn try_each<T>(
        &self,
        candidates: &[Candidate],
        mut attempt: impl FnMut(&Candidate) -> Result<T, Stop>,
    ) -> Result<Tried<T>, FetchError> {
        let mut attempts: Vec<Option<Attempt>> = candidates.iter().map(|_| None).collect();
        let mut waiting: Vec<usize> = (0..candidates.len()).collect();
        let mut pauses = self.options.retry.pauses();
        loop {
            let mut again = Vec::new();
            for index in waiting {
                let candidate = &candidates[index];
                match attempt(candidate) {
                    Ok(found) => {
                        attempts[index] = None;
                        let found = Some((found, candidate.shown.clone()));
                        return Ok(Tried {
                            found,
                            failed: attempts.into_iter().flatten().collect(),
                        });
                    }
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Failed { cause, passing }) => {
                        attempts[index] = Some(Attempt { url: candidate.shown.clone(), cause });
                        again.extend(passing.then_some(index));
                    }
                }
            }
            match pauses.next() {
                Some(pause) if !again.is_empty() => self.wait(pause)?,
                _ => break,
            }
            waiting = again;
        }
        Ok(Tried { found: None, failed: attempts.into_iter().flatten().collect() })
    }

    /// Tries something at the only place that has it, as often as an address of a download is tried.
    /// `may_pass` says of a value that it is a failure that may pass.
    pub(crate) fn patiently<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Stop>,
        may_pass: impl Fn(&T) -> bool,
    ) -> Result<T, Stop> {
        let mut pauses = self.options.retry.pauses();
        loop {
            let done = attempt();
            let passes = match &done {
                Ok(value) => may_pass(value),
                Err(Stop::Failed { passing, .. }) => *passing,
                Err(Stop::Fatal(_)) => false,
            };
            match pauses.next() {
                Some(pause) if passes => self.wait(pause).map_err(Stop::Fatal)?,
                _ => return done,
            }
        }
    }

    /// Reads the bytes of a candidate into a file and gives their hash.
    fn bytes(
        &self,
        wanted: Option<&ContentHash>,
        candidate: &Candidate,
        landing: &mut Landing,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<ContentHash, Stop> {
        let cancel = self.options.cancel.as_deref();
        check(cancel)?;
        landing.begin(&candidate.shown)?;
        let most = self.options.limits.download_bytes;
        let indexed;
        let address = match &candidate.place {
            // Offline, a table that does not exist yet cannot be detected either.
            Place::Nowhere(Reason::UnknownMirror(_)) if self.options.offline => {
                return Err(Stop::lasting(Cause::Offline));
            }
            Place::Nowhere(reason) => return Err(Stop::lasting(reason.into())),
            Place::At(address) if address.url().scheme() == "file" => {
                stream_file(address, most, cancel, &mut |offset, piece, total| {
                    landing.take(offset, piece)?;
                    let (url, bytes) = (&candidate.shown, offset + piece.len() as u64);
                    progress(Progress::Bytes { url, bytes, total });
                    Ok(())
                })?;
                return landing.finish();
            }
            _ if self.options.offline => return Err(Stop::lasting(Cause::Offline)),
            Place::At(address) => address,
            Place::Indexed(query) => {
                indexed = query.resolve(self.transport()?)?;
                &indexed
            }
        };
        let request = Request::get(address, "*/*");
        self.land(&request, landing, wanted.is_some(), most, progress)?;
        let is_joined = landing.is_joined();
        let got = landing.finish()?;
        if is_joined && wanted.is_some_and(|wanted| *wanted != got) {
            // The content may have changed between the pieces, so that the whole is asked for once more.
            landing.restart()?;
            self.land(&request, landing, false, most, progress)?;
            return landing.finish();
        }
        Ok(got)
    }

    pub(crate) fn transport(&self) -> Result<&Transport, Stop> {
        let Options { limits, cancel, netrc, .. } = &self.options;
        let transport =
            self.transport.get_or_init(|| Transport::new(limits, cancel.clone(), netrc.clone()));
        transport.as_ref().map_err(|error| Stop::lasting(Cause::Connection(error.clone())))
    }

    /// Where the bytes of a fetch may be: mirrors keyed by hash, then its addresses.
    fn candidates(&self, fetch: &Fetch) -> Result<Vec<Candidate>, FetchError> {
        let named = self.named(&fetch.urls)?;
        let table = self.table(false)?;
        let key = format!("{}/{}", fetch.hash.algorithm().name(), fetch.hash.to_hex());
        let keyed = table.by_hash().iter();
        let mut found: Vec<Candidate> =
            keyed.map(|base| plain(&format!("{}/{key}", base.trim_end_matches('/')))).collect();
        found.extend(named);
        Ok(found)
    }

    /// Addresses with their mirrors' names resolved.
    fn named(&self, urls: &[String]) -> Result<Vec<Candidate>, FetchError> {
        let needs_names = urls.iter().any(|url| split_mirror(url).is_some());
        let table = self.table(needs_names && !self.options.offline)?;
        let mut found = Vec::new();
        for url in urls {
            let Some((name, path)) = split_mirror(url) else {
                found.push(plain(url));
                continue;
            };
            match table.get(name) {
                Some(bases) if !bases.is_empty() => {
                    found.extend(bases.iter().map(|base| mirrored(name, path, base)));
                }
                _ => {
                    let place = Place::Nowhere(Reason::UnknownMirror(name.to_owned()));
                    found.push(Candidate { shown: shown_address(url), place });
                }
            }
        }
        Ok(found)
    }

    /// The table of mirrors, read or detected at its first use.
    fn table(&self, may_detect: bool) -> Result<Mirrors, FetchError> {
        // A thread that panicked has left the value whole: it is only replaced at once.
        let mut source = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let path = match &*source {
            MirrorSource::Table(table) => return Ok(table.clone()),
            MirrorSource::File(path) => path.clone(),
        };
        let table = match Mirrors::load(&path)? {
            Some(table) => table,
            None if !may_detect => return Ok(Mirrors::default()),
            None => {
                let cancel = self.options.cancel.as_deref();
                let detected = detect_unless(cancel, &self.options.limits)?.mirrors;
                // A folder that cannot be written only means that it is detected again next time.
                let _ = detected.save(&path);
                detected
            }
        };
        *source = MirrorSource::Table(table.clone());
        Ok(table)
    }

    /// Waits, and ends early when the caller cancels.
    pub(crate) fn wait(&self, pause: Duration) -> Result<(), FetchError> {
        let mut left = pause;
        while !left.is_zero() {
            if let Err(Stop::Fatal(error)) = check(self.options.cancel.as_deref()) {
                return Err(error);
            }
            let slice = left.min(Duration::from_millis(100));
            thread::sleep(slice);
            left -= slice;
        }
        Ok(())
    }
}

fn expect(wanted: &ContentHash, got: ContentHash) -> Result<(), Stop> {
    if *wanted == got {
        return Ok(());
    }
    // The hash of no bytes would tell nobody anything.
    let is_empty = got == Hasher::new(wanted.algorithm()).finish();
    Err(Stop::lasting(if is_empty { Cause::Empty } else { Cause::Hash(got) }))
}

/// The error that tells most about a download that failed everywhere.
fn failure(fetch: &Fetch, mut attempts: Vec<Attempt>) -> FetchError {
    let wanted = fetch.hash.clone();
    if let Some(index) = attempts.iter().position(|a| matches!(a.cause, Cause::Hash(_))) {
        let Attempt { url, cause } = attempts.remove(index);
        if let Cause::Hash(got) = cause {
            let mismatch = HashMismatch { wanted, got, url, others: attempts };
            return FetchError::HashMismatch(Box::new(mismatch));
        }
        return FetchError::NoneWorked { wanted, attempts };
    }
    if let [Attempt { url, cause: Cause::UnknownMirror(name) }, rest @ ..] = attempts.as_slice()
        && rest.iter().all(|attempt| matches!(attempt.cause, Cause::UnknownMirror(_)))
    {
        return FetchError::UnknownMirror { name: name.clone(), url: url.clone() };
    }
    let offline = |attempt: &Attempt| matches!(attempt.cause, Cause::Offline);
    if !attempts.is_empty() && attempts.iter().all(offline) {
        let addresses = attempts.into_iter().map(|attempt| attempt.url).collect();
        return FetchError::Offline { wanted, addresses };
    }
    FetchError::NoneWorked { wanted, attempts }
}
