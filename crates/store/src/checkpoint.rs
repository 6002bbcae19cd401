//! Bringing the write-ahead log of the index into its file, beside those who use it.
//!
//! SQLite does so within the transaction that makes the log long enough, and nobody else gets at the
//! index meanwhile. What is left at the end of a process, the next one reads before it does anything.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::Result;
use crate::index::{failure, hold_shared};
use crate::store::Store;

/// So many transactions make the write-ahead log long enough to be brought into the file: the next
/// process would read all of it first.
const MANY_WRITES: u32 = 40;

/// Pages of the write-ahead log after which SQLite brings it into the file within a transaction, for
/// whose time nobody else gets at the index: by default, and during a run that does so beside itself.
const CHECKPOINT_AT: [u32; 2] = [1_000, 8_000];

/// Brings the write-ahead log into the file as far as nobody needs it, while others read and write.
fn checkpoint(path: &Path) -> rusqlite::Result<()> {
    // Another process may be making it anew, which is not for this one to do.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))
}

impl Store {
    /// Says that many steps will be registered, and that [`Store::checkpoint`] is called meanwhile and
    /// at the end: the index then need not stop all of them for that.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn expect_many(&self, many: bool) -> Result<()> {
        self.index()?.set_checkpoint_at(CHECKPOINT_AT[usize::from(many)])
    }

    /// Brings the index's write-ahead log into its file if much was written. Others can use the
    /// store meanwhile. The caller has time: this waits for the disk.
    ///
    /// # Errors
    /// What SQLite says. Nothing is lost then: it happens some other time.
    pub fn checkpoint(&self) -> Result<()> {
        let Some(path) = self.index()?.written_at_least(MANY_WRITES) else { return Ok(()) };
        let _shared = hold_shared(&self.layout)?;
        checkpoint(&path).map_err(|error| failure(&path, error))
    }
}
