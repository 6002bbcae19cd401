//! The SQLite index: a quick view of the files, which are the truth.

mod objects;
mod realisations;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cbuild_drv::StorePath;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

pub(crate) use objects::{forget_damaged, insert, note_unsettled, remove};
pub(crate) use realisations::{set_notes, set_realisation};

use crate::error::{Error, IoContext, Result};
use crate::layout::Layout;

/// Version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 3;

/// Longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
create table objects (
    id integer primary key, base text not null unique, tree blob not null,
    self integer not null, size integer not null, registered integer not null
) strict;
create table refs (
    referrer integer not null, reference integer not null, primary key (referrer, reference)
) strict, without rowid;
create index refs_reference on refs (reference);
create table realisations (
    action blob not null, output text not null, object integer not null,
    primary key (action, output)
) strict, without rowid;
create index realisations_object on realisations (object);
create table memo (
    drv blob not null, output text not null, object integer not null, primary key (drv, output)
) strict, without rowid;
create index memo_object on memo (object);
create table builds (
    id integer primary key, action blob not null, name text not null, started integer not null,
    duration integer not null, status integer not null, log blob,
    cpu integer, memory integer, memory_of integer, origin blob
) strict;
create index builds_name on builds (name, id);
create table meta (key text primary key, value text not null) strict, without rowid;
";

/// From version 1, which had the same tables without what builds took.
const FROM_1: &str = "
alter table builds add column cpu integer;
alter table builds add column memory integer;
alter table builds add column memory_of integer;
alter table builds add column origin blob;
";

/// From version 2, which had the same tables without what builds were for.
const FROM_2: &str = "alter table builds add column origin blob;";

/// An open index. All methods want a consistent database; damage is told as such.
#[derive(Debug)]
pub(crate) struct Index {
    connection: Connection,
    path: PathBuf,
    /// What keeps the files together while they are opened.
    gate: Gate,
    /// Device and inode of the file that was opened.
    identity: Option<(u64, u64)>,
    /// Transactions written since the write-ahead log was last brought into the file on purpose.
    written: u32,
}

impl Index {
    /// Opens the file; where there is none, or an empty one, its tables are made. What the files
    /// of the store hold comes in later, because the new index has seen no start of the system.
    ///
    /// `lock` is the commit lock. It is held while the file is new, because SQLite does not let
    /// two processes turn on its write-ahead log at once.
    pub(crate) fn open(layout: &Layout, lock: &File) -> Result<Self> {
        let path = &layout.index();
        let gate = Gate::At(layout.index_lock());
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
            match Self::connect(path, gate.clone()) {
                Ok((index, SCHEMA_VERSION)) => return Ok(index),
                Ok(_) => {}
                Err(Error::Index { source, .. }) if is_busy(&source) => {}
                Err(error) => return Err(error),
            }
        }
        lock.lock().at("lock", path)?;
        let opened = Self::connect(path, gate).and_then(|(mut index, version)| {
            index.bring_up(version)?;
            Ok(index)
        });
        lock.unlock().at("unlock", path)?;
        opened
    }

    /// Makes an index at a path that nobody else knows.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        let (mut index, version) = Self::connect(path, Gate::None)?;
        index.bring_up(version)?;
        Ok(index)
    }

    /// The objects that the index at a path knows to be damaged; none where it cannot be read.
    pub(crate) fn damaged_of(layout: &Layout) -> Vec<StorePath> {
        let path = layout.index();
        if !path.is_file() {
            return Vec::new();
        }
        let found = Self::connect(&path, Gate::At(layout.index_lock()));
        found.and_then(|(mut index, _)| index.damaged()).unwrap_or_default()
    }

    /// Opens the file of a store in which nothing can be written.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self> {
        let open = |uri: &str| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(uri, flags)?;
            connection.busy_timeout(BUSY)?;
            // Opening reads nothing yet.
            schema_version(&connection)?;
            Ok(connection)
        };
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    uri.push(char::from(*byte));
                }
                // Writing to a String cannot fail.
                byte => drop(write!(uri, "%{byte:02x}")),
            }
        }
        let connection = open(&uri).or_else(|error| {
            let log = fs::metadata(beside(path, "-wal")).map_or(0, |metadata| metadata.len());
            // Without a log, all is in the file, and nobody changes it.
            if log > 0 { Err(error) } else { open(&format!("{uri}?immutable=1")) }
        });
        let connection = connection.map_err(|error| failure(path, error))?;
        let (path, gate) = (path.to_owned(), Gate::None);
        let mut index = Self { connection, path, gate, identity: None, written: 0 };
        index.see_older_builds()?;
        Ok(index)
    }

    /// Lets an index of an older version, which cannot be brought up, look like one of the present.
    fn see_older_builds(&mut self) -> Result<()> {
        let version = self.run(|index| schema_version(&index.connection))?;
        check_known(&self.path, version)?;
        let absent = match version {
            1 => "null as cpu, null as memory, null as memory_of, null as origin",
            2 => "null as origin",
            _ => return Ok(()),
        };
        self.run(|index| {
            // In memory, before the table of the same name.
            index.connection.execute_batch(&format!(
                "pragma temp_store = memory;
                 create temp view builds as select *, {absent} from main.builds;"
            ))
        })
    }

    /// Opens the file and tells the version of its schema, 0 for none.
    fn connect(path: &Path, gate: Gate) -> Result<(Self, i64)> {
        let _shared = gate.pass()?;
        let connection = Connection::open(path).map_err(|error| failure(path, error))?;
        let mut index =
            Self { connection, path: path.to_owned(), gate, identity: None, written: 0 };
        let version = index.run(|index| {
            let connection = &index.connection;
            connection.busy_timeout(BUSY)?;
            // A checkpoint at every exit would cost an fsync for each command.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            // Without this guarantee, SQLite compiles many statements anew whenever another value
            // is bound, in case another plan would suit it better: for small look-ups that is most
            // of their time.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            connection.set_prepared_statement_cache_capacity(64);
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "normal")?;
            schema_version(connection)
        })?;
        index.identity = identity(path)?;
        check_known(path, version)?;
        Ok((index, version))
    }

    /// Whether the file was exchanged (by a rebuild in another process) since it was opened.
    pub(crate) fn is_replaced(&self) -> Result<bool> {
        Ok(identity(&self.path)? != self.identity)
    }

    /// Opens the file again; the caller holds the commit lock.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        let (mut index, version) = Self::connect(&self.path, self.gate.clone())?;
        index.bring_up(version)?;
        *self = index;
        Ok(())
    }

    /// Opens the file again if it was exchanged for a whole one. Where it is only gone, the next holder
    /// of the commit lock makes it anew.
    pub(crate) fn follow(&mut self) -> Result<()> {
        let now = identity(&self.path)?;
        if now == self.identity || now.is_none() {
            return Ok(());
        }
        let (mut index, version) = Self::connect(&self.path, self.gate.clone())?;
        if version == SCHEMA_VERSION && index.meta("boot")?.is_some() {
            *self = index;
        }
        Ok(())
    }

    /// Brings all into the file, which can then be moved without its log.
    pub(crate) fn close_log(&mut self) -> Result<()> {
        self.run(|index| {
            let connection = &index.connection;
            connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))
        })
    }

    /// Makes the tables, or brings those of an older version to the present one. The caller holds the
    /// commit lock.
    fn bring_up(&mut self, version: i64) -> Result<()> {
        let statements = match version {
            SCHEMA_VERSION => return Ok(()),
            1 => FROM_1,
            2 => FROM_2,
            _ => SCHEMA,
        };
        self.write(|transaction| {
            transaction.execute_batch(statements)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)
        })
    }

    /// Runs a reading step, giving errors their place.
    pub(crate) fn run<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> Result<T> {
        step(self).map_err(|error| failure(&self.path, error))
    }

    /// Runs several look-ups as one transaction: SQLite takes and gives back its locks once for all.
    pub(crate) fn read<T>(
        &mut self,
        step: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.run(|index| {
            let transaction = index.connection.transaction()?;
            let value = step(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Runs a writing step as one transaction.
    pub(crate) fn write<T>(
        &mut self,
        step: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.run(|index| {
            let transaction =
                index.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = step(&transaction)?;
            transaction.commit()?;
            index.written += 1;
            Ok(value)
        })
    }

    /// Lets the write-ahead log grow to so many pages before a transaction has to bring it into the
    /// file.
    pub(crate) fn set_checkpoint_at(&mut self, pages: u32) -> Result<()> {
        self.run(|index| {
            index.connection.pragma_update_and_check(None, "wal_autocheckpoint", pages, |_| Ok(()))
        })
    }

    /// The file, if at least so many transactions were written since this last gave it.
    pub(crate) fn written_at_least(&mut self, count: u32) -> Option<PathBuf> {
        if self.written < count {
            return None;
        }
        self.written = 0;
        Some(self.path.clone())
    }

    /// A value of the table `meta`.
    pub(crate) fn meta(&mut self, key: &str) -> Result<Option<String>> {
        use rusqlite::OptionalExtension;
        self.run(|index| {
            index
                .connection
                .prepare_cached("select value from meta where key = ?")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }

    /// Sets a value of the table `meta`.
    pub(crate) fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("insert or replace into meta (key, value) values (?, ?)", [key, value])?;
            Ok(())
        })
    }

    /// Lets SQLite read every page; damage is an error.
    pub(crate) fn check_pages(&mut self) -> Result<()> {
        let answer: String = self.run(|index| {
            index.connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))
        })?;
        if answer == "ok" {
            return Ok(());
        }
        Err(Error::IndexDamaged { path: self.path.clone(), detail: answer })
    }
}

/// The lock that keeps an index from being exchanged between the opening of its file and of its log.
#[derive(Clone, Debug)]
enum Gate {
    /// Nobody else knows of the index, or nobody can exchange it.
    None,
    At(PathBuf),
}

impl Gate {
    /// Waits until the index is not being exchanged, and keeps it so.
    fn pass(&self) -> Result<Option<File>> {
        let Self::At(path) = self else { return Ok(None) };
        let file = open_gate(path)?;
        file.lock_shared().at("lock", path)?;
        Ok(Some(file))
    }
}

/// Keeps others from opening the index.
pub(crate) fn hold_alone(layout: &Layout) -> Result<File> {
    let path = layout.index_lock();
    let file = open_gate(&path)?;
    file.lock().at("lock", &path)?;
    Ok(file)
}

/// Keeps the index from being exchanged.
pub(crate) fn hold_shared(layout: &Layout) -> Result<Option<File>> {
    Gate::At(layout.index_lock()).pass()
}

fn open_gate(path: &Path) -> Result<File> {
    File::options().write(true).create(true).truncate(false).open(path).at("open", path)
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}

fn check_known(path: &Path, version: i64) -> Result<()> {
    if version <= SCHEMA_VERSION {
        return Ok(());
    }
    let known = u32::try_from(SCHEMA_VERSION).unwrap_or_default();
    Err(Error::Version { path: path.to_owned(), found: version.to_string(), known })
}

/// A file of SQLite that belongs to another one.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn identity(path: &Path) -> Result<Option<(u64, u64)>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// Tells damage and a full disk apart from other failures.
pub(crate) fn failure(path: &Path, error: rusqlite::Error) -> Error {
    let path = path.to_owned();
    let damaged = |detail: String| Error::IndexDamaged { path: path.clone(), detail };
    match &error {
        rusqlite::Error::SqliteFailure(sqlite, message) => {
            let text = message.clone().unwrap_or_else(|| error.to_string());
            let extended = sqlite.extended_code;
            match sqlite.code {
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(text),
                ErrorCode::SystemIoFailure
                    if extended == rusqlite::ffi::SQLITE_IOERR_SHORT_READ =>
                {
                    damaged(text)
                }
                ErrorCode::ReadOnly => Error::unwritable("write", &path),
                ErrorCode::DiskFull => Error::DiskFull { doing: "write", path },
                // The shared memory file could not be enlarged.
                ErrorCode::SystemIoFailure if extended == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
                    Error::DiskFull { doing: "write", path }
                }
                ErrorCode::Unknown if text.contains("no such") => damaged(text),
                _ => Error::Index { path, source: error },
            }
        }
        rusqlite::Error::QueryReturnedNoRows => damaged("a row is absent".to_owned()),
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => damaged(error.to_string()),
        rusqlite::Error::SqlInputError { msg, .. } if msg.contains("no such") => {
            damaged(msg.clone())
        }
        _ => Error::Index { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Where nothing can be written, an older index is read as it is, and a newer one refused.
    #[test]
    fn an_older_index_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        let mut index = Index::make(&path).unwrap();
        index.close_log().unwrap();
        drop(index);
        let change = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
        change(
            "insert into builds (action, name, started, duration, status)
             values (zeroblob(32), 'a', 17, 5, 0)",
        );
        let read = || Index::open_to_read(&path)?.builds(Some("a"), 9);
        assert_eq!(read().unwrap()[0].duration_ms, 5);
        change("alter table builds drop column origin; pragma user_version = 2");
        assert_eq!(read().unwrap()[0].duration_ms, 5);
        change(
            "alter table builds drop column cpu; alter table builds drop column memory;
             alter table builds drop column memory_of; pragma user_version = 1",
        );
        assert_eq!(read().unwrap()[0].duration_ms, 5);
        change("pragma user_version = 99");
        assert_eq!(read().unwrap_err().code(), "E0605");
    }
}
