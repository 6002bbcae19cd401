//! The caller's wish to stop, which everything looks at that can take long.
//!
//! It knows nothing of signals: a flag comes in, and an error goes out.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Whether the caller wants an operation to end early. Copies are of one flag; the default is a flag that
/// nobody sets.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// What an IO error holds when there was no error, but a wish to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct Stopped;

impl From<Arc<AtomicBool>> for Cancel {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl Cancel {
    /// Whether to stop.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends an operation with [`Error::Cancelled`] when that is asked for. To be called where what has
    /// been done is whole, or is thrown away.
    pub fn check(&self) -> Result<()> {
        if self.is_asked() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// As [`Self::check`] between two reads or writes; [`Error::io`] makes [`Error::Cancelled`] of the error.
    pub(crate) fn check_io(&self) -> io::Result<()> {
        if self.is_asked() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }

    /// A reader or writer that can be stopped between two reads or writes.
    pub fn stopping<T>(&self, inner: T) -> Stopping<'_, T> {
        Stopping { inner, cancel: self }
    }
}

/// Whether an IO error is none, but the end that was asked for.
pub(crate) fn is_stop(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}

/// See [`Cancel::stopping`].
#[derive(Debug)]
pub struct Stopping<'c, T> {
    inner: T,
    cancel: &'c Cancel,
}

impl<T: Read> Read for Stopping<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check_io()?;
        self.inner.read(buffer)
    }
}

impl<T: Write> Write for Stopping<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cancel.check_io()?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_stop_is_no_io_error() {
        let cancel = Cancel::default();
        let mut bytes = [0];
        assert_eq!(cancel.stopping(&b"ab"[..]).read(&mut bytes).ok(), Some(1));
        assert!(cancel.check().is_ok() && cancel.check_io().is_ok());
        cancel.0.store(true, Ordering::Relaxed);
        assert!(matches!(cancel.check(), Err(Error::Cancelled)));
        for stopped in [
            cancel.stopping(&b"ab"[..]).read(&mut bytes).map(drop),
            cancel.stopping(Vec::new()).write_all(b"a"),
            cancel.check_io(),
        ] {
            let error = stopped.err().map(|error| Error::io("read", Path::new("file"), error));
            assert!(matches!(error, Some(Error::Cancelled)), "{error:?}");
        }
    }
}
