//! What reading outputs may cost, and who hears how far it is.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{SeekFrom, Stat, seek};

use crate::error::{Error, Result};

/// What reading the outputs of an action may cost, and who hears of it.
#[derive(Clone, Copy, Default)]
pub struct Watch<'w> {
    /// Most bytes that the files of all outputs may have together, by their lengths: holes count,
    /// because they are hashed as well. `None` for no limit.
    pub max_length: Option<u64>,
    /// Is told how many bytes were read, each time that it is another multiple of [`Watch::STEP`].
    pub progress: Option<&'w (dyn Fn(u64) + Sync)>,
}

impl Watch<'_> {
    /// Bytes between two reports of progress.
    pub const STEP: u64 = 256 << 20;
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("max_length", &self.max_length).finish_non_exhaustive()
    }
}

/// Counts what was read of all outputs of an action.
pub(crate) struct Meter<'w> {
    watch: Watch<'w>,
    length: u64,
    read: u64,
}

impl<'w> Meter<'w> {
    pub(crate) fn new(watch: Watch<'w>) -> Self {
        Self { watch, length: 0, read: 0 }
    }

    /// Refuses a file that is too much, before it is read.
    pub(crate) fn begin(&mut self, stat: &Stat, path: &Path) -> Result<()> {
        self.length = self.length.saturating_add(u64::try_from(stat.st_size).unwrap_or_default());
        match self.watch.max_length {
            Some(limit) if self.length > limit => {
                Err(Error::TooLong { path: path.to_owned(), limit })
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, bytes: usize) {
        let before = self.read / Watch::STEP;
        self.read += bytes as u64;
        let now = self.read / Watch::STEP;
        if let Some(progress) = self.watch.progress.filter(|_| now > before) {
            progress(now * Watch::STEP);
        }
    }
}

/// Files with a hole below that are read as others are, in bytes.
const MIN_SPARSE: i64 = 1 << 20;

/// The size of the blocks that `st_blocks` counts.
const BLOCK: i64 = 512;

/// Reads a file and counts it. Of a sparse file only the data is read; holes give zeros.
pub(crate) struct Metered<'f, 'm, 'w> {
    file: &'f mut File,
    meter: &'m mut Meter<'w>,
    holes: Option<Holes>,
}

/// Where a sparse file is, and what comes next.
struct Holes {
    at: u64,
    length: u64,
    /// End of the hole or of the data at `at`.
    end: u64,
    is_hole: bool,
}

impl<'f, 'm, 'w> Metered<'f, 'm, 'w> {
    pub(crate) fn new(file: &'f mut File, stat: &Stat, meter: &'m mut Meter<'w>) -> Self {
        let is_sparse = stat.st_size >= MIN_SPARSE && stat.st_blocks * BLOCK < stat.st_size;
        let length = u64::try_from(stat.st_size).unwrap_or_default();
        let holes = is_sparse.then_some(Holes { at: 0, length, end: 0, is_hole: false });
        Self { file, meter, holes }
    }
}

impl Read for Metered<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.holes {
            None => self.file.read(buffer)?,
            Some(holes) => holes.read(self.file, buffer)?,
        };
        self.meter.add(read);
        Ok(read)
    }
}

impl Holes {
    fn read(&mut self, file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.end {
            self.look_on(file)?;
        }
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let share = left.min(buffer.len());
        let read = match self.is_hole {
            true => {
                buffer[..share].fill(0);
                share
            }
            false => file.read(&mut buffer[..share])?,
        };
        self.at += read as u64;
        Ok(read)
    }

    /// Finds out what is next; at the end nothing is.
    fn look_on(&mut self, file: &File) -> io::Result<()> {
        self.end = self.at;
        if self.at >= self.length {
            return Ok(());
        }
        let data = match seek(file, SeekFrom::Data(self.at)) {
            // Nothing but a hole is left.
            Err(rustix::io::Errno::NXIO) => self.length,
            other => other?.min(self.length),
        };
        self.is_hole = data > self.at;
        self.end = match self.is_hole {
            true => data,
            false => seek(file, SeekFrom::Hole(self.at))?.min(self.length),
        };
        if !self.is_hole {
            seek(file, SeekFrom::Start(self.at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::Mutex;

    use rustix::fs::fstat;

    use super::*;

    fn read(file: &mut File) -> Vec<u8> {
        let stat = fstat(&*file).unwrap();
        let mut meter = Meter::new(Watch::default());
        let mut bytes = Vec::new();
        Metered::new(file, &stat, &mut meter).read_to_end(&mut bytes).unwrap();
        assert_eq!(meter.read, bytes.len() as u64);
        bytes
    }

    #[test]
    fn holes_are_zeros() {
        for (length, data) in [
            (3 << 20, vec![]),
            (3 << 20, vec![0]),
            (3 << 20, vec![1 << 20, (2 << 20) + 5]),
            ((3 << 20) + 7, vec![3 << 20]),
            (100, vec![50]),
        ] {
            let mut file = tempfile::tempfile().unwrap();
            file.set_len(length).unwrap();
            let mut expected = vec![0; usize::try_from(length).unwrap()];
            for at in data {
                file.write_all_at(b"data", at).unwrap();
                let at = usize::try_from(at).unwrap();
                expected[at..at + 4].copy_from_slice(b"data");
            }
            assert!(read(&mut file) == expected, "a file of {length} bytes");
        }
    }

    #[test]
    fn progress_is_told_in_steps() {
        let told = Mutex::new(Vec::new());
        let progress = |bytes| told.lock().unwrap().push(bytes / Watch::STEP);
        let mut meter = Meter::new(Watch { max_length: None, progress: Some(&progress) });
        (0..5).for_each(|_| meter.add(200 << 20));
        assert_eq!(*told.lock().unwrap(), [1, 2, 3]);
    }
}
