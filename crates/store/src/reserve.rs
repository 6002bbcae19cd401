//! A file that holds some space for the collection to begin with when the disk is full.

use std::fs::{self, File};

use rustix::fs::{FallocateFlags, fallocate};

use crate::disk;
use crate::error::Result;
use crate::layout::Layout;

/// Enough for a mark of life and for the index pages of one batch of deletions, in bytes.
const SIZE: u64 = 512 << 10;

/// Makes the reserve if it is not there. Without space, or on a file system that cannot set
/// space aside, there is none.
pub(crate) fn keep(layout: &Layout) {
    let path = layout.reserve();
    if disk::exists(&path).unwrap_or(true) {
        return;
    }
    let made = File::create_new(&path)
        .is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_ok());
    if !made {
        let _ = fs::remove_file(&path);
    }
}

/// Gives the space back to the file system.
pub(crate) fn spend(layout: &Layout) -> Result<()> {
    disk::remove_if_there(&layout.reserve())
}
