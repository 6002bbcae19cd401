//! Locks on actions, so that two processes do not do the same work.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::PathBuf;

use cbuild_drv::ActionKey;
use rustix::fs::fstat;

use crate::error::{Error, IoContext, Result};
use crate::store::Store;

/// Held while an action is carried out; ends on drop, or with the process.
#[derive(Debug)]
pub struct ActionLock {
    path: PathBuf,
    _file: File,
}

impl Drop for ActionLock {
    fn drop(&mut self) {
        // The file goes while it is still locked, so a waiter never removes another one's file.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Waits until no other holder (thread or process) works on the action, then holds it.
    ///
    /// Look for a realisation again afterwards: the other one may have made it.
    pub fn lock_action(&self, key: &ActionKey) -> Result<ActionLock> {
        loop {
            let (path, file) = self.open_action(key)?;
            file.lock().at("lock", &path)?;
            if fstat(&file).at("look at", &path)?.st_nlink > 0 {
                return Ok(ActionLock { path, _file: file });
            }
        }
    }

    /// Holds the action if nobody else does; `None` when somebody does.
    pub fn try_lock_action(&self, key: &ActionKey) -> Result<Option<ActionLock>> {
        loop {
            let (path, file) = self.open_action(key)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, error)),
            }
            if fstat(&file).at("look at", &path)?.st_nlink > 0 {
                return Ok(Some(ActionLock { path, _file: file }));
            }
        }
    }

    fn open_action(&self, key: &ActionKey) -> Result<(PathBuf, File)> {
        let path = self.layout.action_lock(key);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        Ok((path.clone(), file.at("open", &path)?))
    }
}
