//! A file that holds some space for the collection to begin with when the disk is full.

use std::fs::{self, File};

use rustix::fs::{FallocateFlags, fallocate};

use crate::disk;
use crate::error::Result;
use crate::layout::Layout;

/// Enough for a mark of life and for the index pages of one batch of deletions, in bytes.
const SIZE: u64 = 512 << 10;

/// What a process takes that only reads, in bytes: its mark of life, for as long as it runs.
const SHARE: u64 = 16 << 10;

/// What is left for a collection however many have taken their share, in bytes.
const LEFT: u64 = SIZE / 2;

/// Makes the reserve if it is not there or not whole. Without space, or on a file system that cannot set
/// space aside, there is none.
pub(crate) fn keep(layout: &Layout) {
    let path = layout.reserve();
    let before = fs::metadata(&path).map_or(0, |found| found.len());
    if before >= SIZE {
        return;
    }
    let made = File::options().write(true).create(true).truncate(false).open(&path);
    if !made.is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_ok())
        && before == 0
    {
        let _ = fs::remove_file(&path);
    }
}

/// Gives a little of the space back, for a process that could not even say that it lives. False where
/// there is no more to give.
pub(crate) fn share(layout: &Layout) -> bool {
    let Ok(file) = File::options().write(true).open(layout.reserve()) else { return false };
    let length = file.metadata().map_or(0, |found| found.len());
    length >= LEFT + SHARE && file.set_len(length - SHARE).is_ok()
}

/// Gives the space back to the file system.
pub(crate) fn spend(layout: &Layout) -> Result<()> {
    disk::remove_if_there(&layout.reserve())
}
