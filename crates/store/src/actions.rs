//! Records of actions: what a build was asked to do, kept beside its log for explanations.
//!
//! A record is the encoding that the action key is the hash of, so a damaged one is seen and
//! counts as absent. Nothing needs it to build: it is written without waiting for the disk.

use std::collections::BTreeSet;
use std::fs;

use cbuild_drv::{ActionKey, Derivation, Digest, StorePath, record};

use crate::disk;
use crate::error::{IoContext, Result};
use crate::store::Store;

impl Store {
    /// Keeps what an action is.
    pub fn keep_action(&self, key: &ActionKey, derivation: &Derivation<StorePath>) -> Result<()> {
        let place = self.layout.action_record(key);
        let record = derivation.to_record();
        // One that was cut off by a kill or by a full disk is written again.
        let length = fs::symlink_metadata(&place).map(|metadata| metadata.len()).ok();
        if length == Some(record.len() as u64) {
            return Ok(());
        }
        // A reader that comes meanwhile sees that it is not whole.
        fs::write(&place, record).at("write", &place)
    }

    /// What an action is; `None` when no record was kept or it is damaged.
    pub fn action(&self, key: &ActionKey) -> Result<Option<Derivation<StorePath>>> {
        let Some(bytes) = disk::read_if_there(&self.layout.action_record(key))? else {
            return Ok(None);
        };
        if Digest::of(&bytes) != key.0 {
            return Ok(None);
        }
        Ok(record::decode(&bytes).ok())
    }

    /// The actions that were realised as an object, as far as the index knows them. An imported
    /// source has none.
    pub fn makers(&self, path: &StorePath) -> Result<BTreeSet<ActionKey>> {
        self.index()?.actions_of(path)
    }
}
