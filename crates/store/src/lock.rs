//! Locks on actions, so that two processes do not do the same work.
//!
//! All actions share one file: an action is one byte of it, at the place that its key names. A file for
//! each action would be made and removed with every build, and that is slow where it matters most: a file
//! system without a journal does not use the number of a removed file again for minutes, and steps over
//! all such numbers whenever it makes a file.

use std::fs::{File, OpenOptions};

use cbuild_drv::ActionKey;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::{Error, IoContext, Result};
use crate::store::Store;

/// Held while an action is carried out; ends on drop, or with the process.
#[derive(Debug)]
pub struct ActionLock {
    /// The lock belongs to this opening of the file and ends when it is closed.
    _file: File,
}

impl Store {
    /// Waits until no other holder (thread or process) works on the action, then holds it.
    ///
    /// Look for a realisation again afterwards: the other one may have made it.
    ///
    /// # Errors
    /// When the file of locks cannot be opened or locked.
    pub fn lock_action(&self, key: &ActionKey) -> Result<ActionLock> {
        let (file, range) = (self.open_action_locks()?, range(key));
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLKW(&range)) {
                Ok(_) => return Ok(ActionLock { _file: file }),
                Err(nix::Error::EINTR) => {}
                Err(errno) => return Err(self.not_locked(errno)),
            }
        }
    }

    /// Holds the action if nobody else does; `None` when somebody does.
    ///
    /// # Errors
    /// When the file of locks cannot be opened or locked.
    pub fn try_lock_action(&self, key: &ActionKey) -> Result<Option<ActionLock>> {
        let file = self.open_action_locks()?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&range(key))) {
            Ok(_) => Ok(Some(ActionLock { _file: file })),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(None),
            Err(errno) => Err(self.not_locked(errno)),
        }
    }

    fn open_action_locks(&self) -> Result<File> {
        let path = self.layout.action_locks();
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).at("open", &path)
    }

    fn not_locked(&self, errno: nix::Error) -> Error {
        Error::io("lock", &self.layout.action_locks(), errno.into())
    }
}

/// The byte of an action. Two actions with the same one would only wait for each other; among a million
/// that are carried out at the same time, that happens with a probability of one in ten million.
fn range(key: &ActionKey) -> libc::flock {
    let mut start = [0; 8];
    start.copy_from_slice(&key.0.0[..8]);
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        // Without the sign; all such places are valid, however long the file is.
        l_start: i64::from_be_bytes(start) & i64::MAX,
        l_len: 1,
        // The kernel demands 0 for a lock that belongs to an opening.
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use cbuild_drv::Digest;

    use super::*;
    use crate::disk;

    #[test]
    fn one_holder_at_a_time_for_each_action_and_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Store::open(folder.path()).unwrap(), Store::open(folder.path()).unwrap());
        let key = |text: &[u8]| ActionKey(Digest::of(text));
        let held = one.try_lock_action(&key(b"a")).unwrap().unwrap();
        assert!(two.try_lock_action(&key(b"a")).unwrap().is_none());
        assert!(one.try_lock_action(&key(b"a")).unwrap().is_none());
        let other = two.try_lock_action(&key(b"b")).unwrap().unwrap();
        let locks = || disk::list(&folder.path().join("locks")).unwrap().len();
        let before = locks();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| two.lock_action(&key(b"a")).map(drop));
            drop(held);
            waiting.join().unwrap().unwrap();
        });
        assert!(two.try_lock_action(&key(b"a")).unwrap().is_some());
        drop(other);
        assert_eq!(locks(), before);
        assert_eq!(fs::metadata(one.layout.action_locks()).unwrap().len(), 0);
    }

    /// The last place of all and its neighbour.
    #[test]
    fn every_key_has_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let keys = [[0xff; 32], [0xfe; 32], [0; 32]].map(|bytes| ActionKey(Digest(bytes)));
        let held: Vec<_> = keys.iter().map(|key| store.try_lock_action(key).unwrap()).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
