//! Objects whose bytes need not be on the disk yet.
//!
//! Waiting for the disk takes longer than reading, hashing and copying a large source folder
//! together. Such an object is registered at once, and its sidecar says `unsettled 1`. A killed
//! process does it no harm. When the system itself stops, the next start reads it again: it is
//! whole, or it is dropped and comes again from its source. After a while the system has written
//! it of its own accord; then waiting costs nothing, and the mark goes.

use std::fs::{self, File};

use cbuild_drv::StorePath;
use rustix::fs::syncfs;

use crate::clock;
use crate::disk;
use crate::error::{IoContext, Result};
use crate::record;
use crate::store::Store;

/// Age of the youngest unsettled object at which all are settled, in seconds. Linux writes what
/// is 30 s old, and looks for it each 5 s.
const AGE: i64 = 60;

impl Store {
    /// Brings unsettled objects to the disk if the system has had the time to do so before.
    pub(crate) fn settle_old(&self) -> Result<()> {
        let young = |(_, since): &(StorePath, i64)| (0..AGE).contains(&(clock::unix_now() - since));
        let unsettled = self.index()?.unsettled()?;
        if unsettled.is_empty() || unsettled.iter().any(young) {
            return Ok(());
        }
        self.settle()
    }

    /// Waits until all objects are on the disk, and takes the marks off.
    ///
    /// # Errors
    /// What the disk says; the marks then stay.
    pub fn settle(&self) -> Result<()> {
        let unsettled = self.index()?.unsettled()?;
        if unsettled.is_empty() {
            return Ok(());
        }
        let root = File::open(self.root()).at("open", self.root())?;
        syncfs(&root).at("synchronise", self.root())?;
        let mut staging = self.staging()?;
        let mut commit = self.commit()?;
        let mut settled = Vec::with_capacity(unsettled.len());
        for (number, (path, _)) in unsettled.into_iter().enumerate() {
            let place = self.layout.info(&path);
            // What cannot be read is the business of verification.
            let bytes = disk::read_if_there(&place)?;
            let known = bytes.map(|bytes| record::decode_info(&place, &bytes));
            if let Some(Ok((info, false))) = known {
                let fresh = staging.place(&format!("settled-{number}"));
                disk::write_durably(&fresh, &record::encode_info(&info, true))?;
                fs::rename(&fresh, &place).at("write", &place)?;
            }
            settled.push(path);
        }
        commit.index.forget_unsettled(&settled)
    }
}
