//! Realisations, the memo of unresolved derivations, and the build history.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use cbuild_drv::{ActionKey, Digest, DrvId, OutputName, StorePath};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Index;
use super::objects::{known_id, object_id, path_at};
use crate::error::Result;
use crate::register::Notes;
use crate::types::{BuildEnding, BuildRecord, BuildUsage, MemoryOf};

/// Builds that the history keeps for each name.
const BUILDS_PER_NAME: i64 = 50;

type Outputs = BTreeMap<OutputName, StorePath>;

fn outputs(connection: &Connection, sql: &str, key: &Digest) -> rusqlite::Result<Outputs> {
    connection
        .prepare_cached(sql)?
        .query_map([&key.0[..]], |row| {
            let name: String = row.get(0)?;
            let name = OutputName::new(name).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
            })?;
            Ok((name, path_at(row, 1)?))
        })?
        .collect()
}

/// Replaces the realisations of an action; the caller has seen all objects in the index.
pub(crate) fn set_realisation(
    transaction: &Transaction<'_>,
    key: &ActionKey,
    outputs: &Outputs,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("delete from realisations where action = ?")?
        .execute([&key.0.0[..]])?;
    let mut statement = transaction
        .prepare_cached("insert into realisations (action, output, object) values (?, ?, ?)")?;
    for (output, path) in outputs {
        let id = known_id(transaction, path)?;
        statement.execute(params![&key.0.0[..], output.as_str(), id])?;
    }
    Ok(())
}

fn build_of(row: &Row<'_>) -> rusqlite::Result<BuildRecord> {
    let action: [u8; 32] = row.get(0)?;
    let duration: i64 = row.get(3)?;
    Ok(BuildRecord {
        key: ActionKey(Digest(action)),
        name: row.get(1)?,
        started: row.get(2)?,
        duration_ms: duration.unsigned_abs(),
        ending: BuildEnding::from_number(row.get(4)?),
        log: path_of(row.get(5)?),
        usage: usage_of(row)?,
        origin: path_of(row.get(9)?),
    })
}

fn path_of(bytes: Option<Vec<u8>>) -> Option<PathBuf> {
    bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

fn usage_of(row: &Row<'_>) -> rusqlite::Result<Option<BuildUsage>> {
    let (cpu, memory, of): (Option<i64>, Option<i64>, Option<i64>) =
        (row.get(6)?, row.get(7)?, row.get(8)?);
    let (Some(cpu), Some(memory)) = (cpu, memory) else { return Ok(None) };
    let memory_of = if of == Some(1) { MemoryOf::All } else { MemoryOf::LargestProcess };
    Ok(Some(BuildUsage { cpu_ms: cpu.unsigned_abs(), memory: memory.unsigned_abs(), memory_of }))
}

/// Does what [`Index::remember`] and [`Index::add_build`] do, as part of a larger transaction.
pub(crate) fn set_notes(
    transaction: &Transaction<'_>,
    notes: &Notes,
    outputs: &Outputs,
) -> rusqlite::Result<()> {
    if let Some(drv) = &notes.drv {
        remember(transaction, drv, outputs)?;
    }
    notes.build.as_ref().map_or(Ok(()), |build| add_build(transaction, build))
}

fn remember(transaction: &Transaction<'_>, drv: &DrvId, outputs: &Outputs) -> rusqlite::Result<()> {
    let mut rows = Vec::new();
    for (output, path) in outputs {
        let Some(id) = object_id(transaction, path)? else { return Ok(()) };
        rows.push((output, id));
    }
    transaction.prepare_cached("delete from memo where drv = ?")?.execute([&drv.0.0[..]])?;
    let mut statement =
        transaction.prepare_cached("insert into memo (drv, output, object) values (?, ?, ?)")?;
    for (output, id) in rows {
        statement.execute(params![&drv.0.0[..], output.as_str(), id])?;
    }
    Ok(())
}

fn path_bytes(path: Option<&PathBuf>) -> Option<&[u8]> {
    path.map(|path| path.as_os_str().as_bytes())
}

fn add_build(transaction: &Transaction<'_>, build: &BuildRecord) -> rusqlite::Result<()> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let usage = build.usage.as_ref();
    transaction
        .prepare_cached(
            "insert into builds (action, name, started, duration, status, log, cpu, memory, memory_of,
             origin) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            &build.key.0.0[..],
            build.name,
            build.started,
            number(build.duration_ms),
            build.ending.to_number(),
            path_bytes(build.log.as_ref()),
            usage.map(|usage| number(usage.cpu_ms)),
            usage.map(|usage| number(usage.memory)),
            usage.map(|usage| i64::from(usage.memory_of == MemoryOf::All)),
            path_bytes(build.origin.as_ref()),
        ])?;
    transaction
        .prepare_cached(
            "delete from builds where name = ?1 and id <=
             (select id from builds where name = ?1 order by id desc limit 1 offset ?2)",
        )?
        .execute(params![build.name, BUILDS_PER_NAME])?;
    Ok(())
}

impl Index {
    /// All known outputs of an action.
    pub(crate) fn realisations(&mut self, key: &ActionKey) -> Result<Outputs> {
        const SQL: &str = "select output, base from realisations
             join objects on objects.id = realisations.object where action = ?";
        self.run(|index| outputs(&index.connection, SQL, &key.0))
    }

    /// Every action that has a realisation.
    pub(crate) fn realised_actions(&mut self) -> Result<BTreeSet<ActionKey>> {
        self.actions("select distinct action from realisations", None)
    }

    /// The actions of the history, or those that were started after a time.
    pub(crate) fn recorded_actions(&mut self, after: Option<i64>) -> Result<BTreeSet<ActionKey>> {
        self.run(|index| {
            index
                .connection
                .prepare_cached("select distinct action from builds where started > ?")?
                .query_map([after.unwrap_or(i64::MIN)], |row| {
                    Ok(ActionKey(Digest(row.get::<_, [u8; 32]>(0)?)))
                })?
                .collect()
        })
    }

    /// Whether the history has an action, started after a time if one is given.
    pub(crate) fn is_recorded(&mut self, key: &ActionKey, after: Option<i64>) -> Result<bool> {
        self.run(|index| {
            index
                .connection
                .prepare_cached("select 1 from builds where action = ? and started > ? limit 1")?
                .exists(params![&key.0.0[..], after.unwrap_or(i64::MIN)])
        })
    }

    /// Forgets builds that were started up to a time, apart from the latest success of each name:
    /// estimates are made from it.
    pub(crate) fn forget_builds(&mut self, until: i64) -> Result<()> {
        self.write(|transaction| {
            transaction.execute(
                "delete from builds where started <= ? and id not in
                 (select max(id) from builds where status = 0 group by name)",
                [until],
            )?;
            Ok(())
        })
    }

    /// The actions that were realised as an object.
    pub(crate) fn actions_of(&mut self, path: &StorePath) -> Result<BTreeSet<ActionKey>> {
        self.actions(
            "select distinct action from realisations
             join objects on objects.id = realisations.object where base = ?",
            Some(path.base_name()),
        )
    }

    fn actions(&mut self, sql: &str, base: Option<String>) -> Result<BTreeSet<ActionKey>> {
        self.run(|index| {
            index
                .connection
                .prepare_cached(sql)?
                .query_map(rusqlite::params_from_iter(base), |row| {
                    Ok(ActionKey(Digest(row.get::<_, [u8; 32]>(0)?)))
                })?
                .collect()
        })
    }

    /// Remembered outputs of an unresolved derivation; empty when there are none.
    pub(crate) fn memo(&mut self, drv: &DrvId) -> Result<Outputs> {
        const SQL: &str = "select output, base from memo
             join objects on objects.id = memo.object where drv = ?";
        self.run(|index| outputs(&index.connection, SQL, &drv.0))
    }

    /// Remembers the outputs of an unresolved derivation, unless one of them is gone.
    pub(crate) fn remember(&mut self, drv: &DrvId, outputs: &Outputs) -> Result<()> {
        self.write(|transaction| remember(transaction, drv, outputs))
    }

    /// Adds a build and forgets the oldest ones of the same name.
    pub(crate) fn add_build(&mut self, build: &BuildRecord) -> Result<()> {
        self.write(|transaction| add_build(transaction, build))
    }

    /// Duration of the latest successful build of a name, in milliseconds.
    pub(crate) fn last_duration(&mut self, name: &str) -> Result<Option<u64>> {
        self.run(|index| {
            let duration: Option<i64> = index
                .connection
                .prepare_cached(
                    "select duration from builds where name = ? and status = 0
                     order by id desc limit 1",
                )?
                .query_row([name], |row| row.get(0))
                .optional()?;
            Ok(duration.map(i64::unsigned_abs))
        })
    }

    /// The latest builds, newest first.
    pub(crate) fn builds(&mut self, name: Option<&str>, limit: u32) -> Result<Vec<BuildRecord>> {
        self.run(|index| {
            index
                .connection
                .prepare_cached(
                    "select action, name, started, duration, status, log, cpu, memory, memory_of, origin
                     from builds where ?1 is null or name = ?1 order by id desc limit ?2",
                )?
                .query_map(params![name, limit], build_of)?
                .collect()
        })
    }
}
