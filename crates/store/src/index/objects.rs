//! Objects and their references.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{Digest, StorePath};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Index;
use crate::error::Result;
use crate::graph::{Graph, Node};
use crate::types::ObjectInfo;

const CLOSURE: &str = "
with recursive reached (id) as (
    select id from objects where base = ?
    union select reference from refs join reached on refs.referrer = reached.id
) select base from reached join objects using (id)";

const REFERRERS: &str = "
with recursive reached (id) as (
    select id from objects where base = ?
    union select referrer from refs join reached on refs.reference = reached.id
) select base from reached join objects using (id)";

/// Before the name of an object in the keys of `meta`: it may not be on the disk.
const UNSETTLED: &str = "unsettled ";

/// Before the name of an object in the keys of `meta`: a verification has found it to be damaged.
const DAMAGED: &str = "damaged ";

/// Reads a store path out of a column.
pub(super) fn path_at(row: &Row<'_>, column: usize) -> rusqlite::Result<StorePath> {
    let text = row.get_ref(column)?.as_str()?;
    StorePath::parse(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

pub(super) fn object_id(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("select id from objects where base = ?")?
        .query_row([path.base_name()], |row| row.get(0))
        .optional()
}

fn info_of(row: &Row<'_>) -> rusqlite::Result<(i64, ObjectInfo)> {
    let tree: [u8; 32] = row.get(2)?;
    let size: i64 = row.get(4)?;
    let info = ObjectInfo {
        path: path_at(row, 1)?,
        tree: Digest(tree),
        self_reference: row.get(3)?,
        references: BTreeSet::new(),
        size: size.unsigned_abs(),
        registered_at: row.get(5)?,
    };
    Ok((row.get(0)?, info))
}

/// The row of an object that the caller has seen in the index; its absence means damage.
pub(super) fn known_id(connection: &Connection, path: &StorePath) -> rusqlite::Result<i64> {
    object_id(connection, path)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Adds an object whose references are all in the index; an equal one may be there already. A note of
/// damage stays.
pub(crate) fn insert(transaction: &Transaction<'_>, info: &ObjectInfo) -> rusqlite::Result<()> {
    let references: Vec<i64> = info
        .references
        .iter()
        .map(|reference| known_id(transaction, reference))
        .collect::<rusqlite::Result<_>>()?;
    remove_row(transaction, &info.path, false)?;
    let id = object_id(transaction, &info.path)?;
    transaction
        .prepare_cached(
            "insert into objects (id, base, tree, self, size, registered) values (?, ?, ?, ?, ?, ?)
             on conflict (base) do update set tree = excluded.tree, self = excluded.self,
             size = excluded.size, registered = excluded.registered",
        )?
        .execute(params![
            id,
            info.path.base_name(),
            &info.tree.0[..],
            info.self_reference,
            i64::try_from(info.size).unwrap_or(i64::MAX),
            info.registered_at
        ])?;
    let id = match id {
        Some(id) => id,
        None => transaction.last_insert_rowid(),
    };
    let mut statement =
        transaction.prepare_cached("insert into refs (referrer, reference) values (?, ?)")?;
    for reference in references {
        statement.execute([id, reference])?;
    }
    Ok(())
}

/// Notes that an object may not be on the disk.
pub(crate) fn note_unsettled(
    transaction: &Transaction<'_>,
    info: &ObjectInfo,
) -> rusqlite::Result<()> {
    transaction.prepare_cached("insert or replace into meta (key, value) values (?, ?)")?.execute(
        [format!("{UNSETTLED}{}", info.path.base_name()), info.registered_at.to_string()],
    )?;
    Ok(())
}

/// Removes what an object refers to and, with `whole`, the object and all that names it.
fn remove_row(
    transaction: &Transaction<'_>,
    path: &StorePath,
    whole: bool,
) -> rusqlite::Result<()> {
    let Some(id) = object_id(transaction, path)? else { return Ok(()) };
    transaction.prepare_cached("delete from refs where referrer = ?")?.execute([id])?;
    if !whole {
        return Ok(());
    }
    for sql in [
        "delete from refs where reference = ?",
        "delete from realisations where object = ?",
        // A derivation is remembered with all its outputs or not at all.
        "delete from memo where drv in (select drv from memo where object = ?)",
        "delete from objects where id = ?",
    ] {
        transaction.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// Removes an object and everything that names it.
pub(crate) fn remove(transaction: &Transaction<'_>, path: &StorePath) -> rusqlite::Result<()> {
    forget_damaged(transaction, path)?;
    remove_row(transaction, path, true)
}

/// Forgets that an object was found to be damaged: a tree that was hashed is in its place.
pub(crate) fn forget_damaged(connection: &Connection, path: &StorePath) -> rusqlite::Result<()> {
    let key = format!("{DAMAGED}{}", path.base_name());
    connection.prepare_cached("delete from meta where key = ?")?.execute([key])?;
    Ok(())
}

impl Index {
    /// One object.
    pub(crate) fn info(&mut self, path: &StorePath) -> Result<Option<ObjectInfo>> {
        self.run(|index| {
            let connection = &index.connection;
            let found = connection
                .prepare_cached(
                    "select id, base, tree, self, size, registered from objects where base = ?",
                )?
                .query_row([path.base_name()], info_of)
                .optional()?;
            let Some((id, mut info)) = found else { return Ok(None) };
            info.references = connection
                .prepare_cached(
                    "select base from refs join objects on objects.id = refs.reference
                     where referrer = ?",
                )?
                .query_map([id], |row| path_at(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some(info))
        })
    }

    /// Whether an object is in the index.
    pub(crate) fn has(&mut self, path: &StorePath) -> Result<bool> {
        self.run(|index| Ok(object_id(&index.connection, path)?.is_some()))
    }

    /// All objects, ordered by path.
    pub(crate) fn objects(&mut self) -> Result<Vec<ObjectInfo>> {
        self.run(|index| {
            let mut statement = index.connection.prepare_cached(
                "select id, base, tree, self, size, registered from objects order by base",
            )?;
            let mut objects: Vec<(i64, ObjectInfo)> =
                statement.query_map([], info_of)?.collect::<rusqlite::Result<_>>()?;
            let mut references: BTreeMap<i64, BTreeSet<StorePath>> = BTreeMap::new();
            let mut statement = index.connection.prepare_cached(
                "select referrer, base from refs join objects on objects.id = refs.reference",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                references.entry(row.get(0)?).or_default().insert(path_at(row, 1)?);
            }
            for (id, info) in &mut objects {
                info.references = references.remove(id).unwrap_or_default();
            }
            Ok(objects.into_iter().map(|(_, info)| info).collect())
        })
    }

    /// All objects and their references, for a collection.
    pub(crate) fn graph(&mut self) -> Result<Graph> {
        self.run(|index| {
            let connection = &index.connection;
            let nodes = connection
                .prepare_cached("select id, base, size, registered from objects")?
                .query_map([], |row| {
                    let size: i64 = row.get(2)?;
                    Ok(Node {
                        id: row.get(0)?,
                        path: path_at(row, 1)?,
                        size: size.unsigned_abs(),
                        registered: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let rows: Vec<(i64, i64)> = connection
                .prepare_cached("select referrer, reference from refs")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Graph::new(nodes, &rows))
        })
    }

    /// The objects that may not be on the disk, with the times of their registration.
    pub(crate) fn unsettled(&mut self) -> Result<Vec<(StorePath, i64)>> {
        self.run(|index| {
            let mut statement = index.connection.prepare_cached(
                "select key, value from meta where key >= 'unsettled ' and key < 'unsettled!'",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let key = row.get_ref(0)?.as_str()?;
                let since = row.get_ref(1)?.as_str()?.parse().unwrap_or_default();
                let base = key.strip_prefix(UNSETTLED).unwrap_or_default();
                found.extend(StorePath::parse(base).ok().map(|path| (path, since)));
            }
            Ok(found)
        })
    }

    /// Takes the notes of unsettled objects away.
    pub(crate) fn forget_unsettled(&mut self, paths: &[StorePath]) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached("delete from meta where key = ?")?;
            for path in paths {
                statement.execute([format!("{UNSETTLED}{}", path.base_name())])?;
            }
            Ok(())
        })
    }

    /// Notes that an object is damaged, until another tree takes its place or it is found to be sound.
    pub(crate) fn note_damaged(&mut self, path: &StorePath, is_damaged: bool) -> Result<()> {
        if !is_damaged {
            return self.write(|transaction| forget_damaged(transaction, path));
        }
        self.set_meta(&format!("{DAMAGED}{}", path.base_name()), "1")
    }

    /// Whether an object is known to be damaged.
    pub(crate) fn is_damaged(&mut self, path: &StorePath) -> Result<bool> {
        Ok(self.meta(&format!("{DAMAGED}{}", path.base_name()))?.is_some())
    }

    /// The objects that are known to be damaged.
    pub(crate) fn damaged(&mut self) -> Result<Vec<StorePath>> {
        self.run(|index| {
            let mut statement = index.connection.prepare_cached(
                "select key from meta where key >= 'damaged ' and key < 'damaged!'",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let base = row.get_ref(0)?.as_str()?.strip_prefix(DAMAGED).unwrap_or_default();
                found.extend(StorePath::parse(base).ok());
            }
            Ok(found)
        })
    }

    /// Those of the paths that are known to be damaged, or refer to something that is, directly or not.
    pub(crate) fn spoilt(&mut self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        let mut spoilt = BTreeSet::new();
        for damaged in self.damaged()? {
            spoilt.extend(self.referrers(&damaged)?);
        }
        spoilt.retain(|path| paths.contains(path));
        Ok(spoilt)
    }

    /// Forgets what sources became where that is not in the store any more.
    pub(crate) fn forget_sources(&mut self) -> Result<()> {
        self.write(|transaction| {
            transaction.execute(
                "delete from meta where key >= 'source ' and key < 'source!'
                 and value not in (select base from objects)",
                [],
            )?;
            Ok(())
        })
    }

    /// The objects that refer to an object themselves.
    pub(crate) fn direct_referrers(&mut self, path: &StorePath) -> Result<BTreeSet<StorePath>> {
        self.run(|index| {
            index
                .connection
                .prepare_cached(
                    "select referrer.base from objects
                     join refs on refs.reference = objects.id
                     join objects as referrer on referrer.id = refs.referrer
                     where objects.base = ?",
                )?
                .query_map([path.base_name()], |row| path_at(row, 0))?
                .collect()
        })
    }

    /// An object and all that it refers to; empty when it is absent.
    pub(crate) fn closure(&mut self, path: &StorePath) -> Result<Vec<StorePath>> {
        self.run(|index| reach(&index.connection, CLOSURE, path))
    }

    /// What [`Index::closure`] says of each path, in one reading.
    pub(crate) fn closures(&mut self, paths: &[StorePath]) -> Result<Vec<Vec<StorePath>>> {
        self.read(|transaction| {
            paths.iter().map(|path| reach(transaction, CLOSURE, path)).collect()
        })
    }

    /// Those of the paths that are not in the index.
    pub(crate) fn absent(&mut self, paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
        if let [path] = paths {
            // Beginning and ending a transaction would take longer than the look-up.
            let is_there = self.has(path)?;
            return Ok(if is_there { BTreeSet::new() } else { BTreeSet::from([path.clone()]) });
        }
        self.read(|transaction| {
            let mut absent = BTreeSet::new();
            for path in paths {
                if object_id(transaction, path)?.is_none() {
                    absent.insert(path.clone());
                }
            }
            Ok(absent)
        })
    }

    /// An object and all that refers to it; empty when it is absent.
    pub(crate) fn referrers(&mut self, path: &StorePath) -> Result<Vec<StorePath>> {
        self.run(|index| reach(&index.connection, REFERRERS, path))
    }
}

fn reach(connection: &Connection, sql: &str, path: &StorePath) -> rusqlite::Result<Vec<StorePath>> {
    connection.prepare_cached(sql)?.query_map([path.base_name()], |row| path_at(row, 0))?.collect()
}
