//! Files of this machine as downloads.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use rustix::fs::OFlags;

use super::{Sink, Stop, check};
use crate::address::Address;
use crate::error::Cause;

/// Streams a local file into `sink`, at most `most` bytes.
pub(crate) fn stream_file(
    address: &Address,
    most: u64,
    cancel: Option<&AtomicBool>,
    sink: Sink<'_>,
) -> Result<(), Stop> {
    let failed = |error: &dyn Display| Stop::lasting(Cause::File(error.to_string()));
    let path: PathBuf =
        address.url().to_file_path().map_err(|()| failed(&"it is no local absolute path"))?;
    // Opening a named pipe would wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).custom_flags(flags).open(&path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(failed(&"it is no regular file"));
    }
    let total = metadata.len();
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    sink(0, &[], Some(total))?;
    loop {
        check(cancel)?;
        let read = file.read(&mut buffer).map_err(|error| failed(&error))?;
        if read == 0 {
            return Ok(());
        }
        if bytes + read as u64 > most {
            return Err(Stop::lasting(Cause::TooLarge(most)));
        }
        sink(bytes, &buffer[..read], Some(total))?;
        bytes += read as u64;
    }
}
