//! A download on its way to a file: it may be cut, and then goes on where it was.

use std::fs::File;
use std::path::{Path, PathBuf};

use cbuild_drv::{ContentHash, HashAlgorithm};

use crate::content::HashedFile;
use crate::error::{Cause, FetchError};
use crate::fetcher::{Fetcher, Progress};
use crate::transport::{Progressed, Request, Spent, Stop};

/// A file that a download is written to.
pub(crate) struct Landing {
    path: PathBuf,
    algorithm: HashAlgorithm,
    file: Option<HashedFile>,
    progressed: Progressed,
    /// Time that the source has taken.
    spent: Spent,
    /// The source of what is there, as it is shown.
    source: String,
    /// Whether what is there came in more than one piece.
    is_joined: bool,
}

impl Landing {
    /// Nothing is written before the first byte comes.
    pub(crate) fn new(path: &Path, algorithm: HashAlgorithm) -> Self {
        let (progressed, spent) = (Progressed::default(), Spent::default());
        let (path, source) = (path.to_owned(), String::new());
        Self { path, algorithm, file: None, progressed, spent, source, is_joined: false }
    }

    /// Begins with a source: goes on when it is the one that was cut, and else starts anew.
    pub(crate) fn begin(&mut self, source: &str) -> Result<(), Stop> {
        if self.source != source || self.file.is_none() {
            if self.source != source {
                self.spent = Spent::default();
            }
            self.source = source.to_owned();
            self.restart()?;
        }
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn restart(&mut self) -> Result<(), Stop> {
        let file = File::create(&self.path)
            .map_err(|error| Stop::Fatal(FetchError::io("create", &self.path)(error)))?;
        self.file = Some(HashedFile::new(file, self.algorithm));
        self.progressed = Progressed::default();
        self.is_joined = false;
        Ok(())
    }

    /// Takes the bytes at an offset; those at 0 begin anew.
    pub(crate) fn take(&mut self, offset: u64, piece: &[u8]) -> Result<(), Stop> {
        if offset == 0 && self.file.as_ref().is_some_and(|file| file.bytes > 0) {
            self.restart()?;
        }
        let Some(file) = &mut self.file else { return self.restart() };
        file.write(piece).map_err(|error| Stop::Fatal(FetchError::io("write", &self.path)(error)))
    }

    /// Whether another hash than the wanted one may come of pieces that do not belong together.
    pub(crate) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// The hash of what is there; the next source starts anew.
    pub(crate) fn finish(&mut self) -> Result<ContentHash, Stop> {
        if self.file.is_none() {
            self.restart()?;
        }
        match self.file.take() {
            Some(file) => Ok(file.finish()),
            None => Err(Stop::lasting(Cause::File("nothing was written".to_owned()))),
        }
    }
}

impl Fetcher {
    /// Reads the answer to a request into a file that [`Landing::begin`] has readied. What is cut goes on at
    /// once, as long as each piece brings more. `is_pinned` says that the whole is checked against a hash.
    pub(crate) fn land(
        &self,
        request: &Request,
        landing: &mut Landing,
        is_pinned: bool,
        most: u64,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Stop> {
        let transport = self.transport()?;
        let (url, spent) = (landing.source.clone(), landing.spent.clone());
        for left in (0..=self.options.retry.resumptions).rev() {
            if !landing.progressed.can_go_on(is_pinned) {
                landing.progressed = Progressed::default();
            }
            let mut progressed = landing.progressed.clone();
            let before = progressed.bytes;
            landing.is_joined |= before > 0;
            let mut sink = |offset: u64, piece: &[u8], total| {
                landing.take(offset, piece)?;
                let bytes = offset + piece.len() as u64;
                progress(Progress::Bytes { url: &url, bytes, total });
                Ok(())
            };
            let streamed = transport.stream(request, &mut progressed, &spent, most, &mut sink);
            landing.progressed = progressed;
            match streamed {
                Err(Stop::Failed {
                    cause: Cause::Connection(_) | Cause::Silent(_),
                    passing: true,
                }) if left > 0
                    && landing.progressed.bytes > before
                    && landing.progressed.can_go_on(is_pinned) =>
                {
                    self.wait(self.options.retry.pause).map_err(Stop::Fatal)?;
                }
                other => return other,
            }
        }
        Ok(())
    }
}
