//! From a builder's outputs to store objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use cbuild_drv::{ActionKey, Digest, DrvId, OutputName, StorePath};

use crate::cancel::Cancel;
use crate::clock;
use crate::commit::{Pending, Realised, stage};
use crate::disk;
use crate::durable::Durable;
use crate::error::{CycleLink, Error, IoContext, Result};
use crate::hidden::LeftOut;
use crate::index;
use crate::live::Staging;
use crate::meter::{Meter, Watch};
use crate::record;
use crate::scan::{Pattern, Patterns};
use crate::store::Store;
use crate::tree::{self, Node, Purpose, Scanned, Walk};
use crate::types::{BuildRecord, BuiltOutput, ObjectInfo};

/// An output on its way into the store.
struct Output {
    built: BuiltOutput,
    scanned: Scanned,
}

/// Outputs of an action that have their final form and wait to be moved into the store.
#[derive(Debug)]
pub struct Registration {
    key: ActionKey,
    /// The outputs in the store that were found to be known already.
    known: Option<BTreeMap<OutputName, StorePath>>,
    pending: Vec<Pending>,
    realised: Option<Realised>,
    durable: Durable,
    notes: Notes,
    hidden: Vec<HiddenPath>,
    unsearched: Vec<Unsearched>,
    /// Removes the records that were not moved in.
    staging: Staging,
}

/// A path under which an output was built, and which stayed in a compressed file or in a member of an
/// archive with a checksum: it cannot be rewritten there, and leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenPath {
    /// The output that has the file.
    pub output: OutputName,
    /// The file, relative to the output; empty when the output is a single file.
    pub file: PathBuf,
    /// The output whose path is in the file.
    pub names: OutputName,
}

impl fmt::Display for HiddenPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, file, names } = self;
        match file.as_os_str().is_empty() {
            true => write!(f, "the output `{output}` is a compressed file that holds ")?,
            false => {
                write!(
                    f,
                    "`{}` of the output `{output}` is compressed and holds ",
                    file.display()
                )?;
            }
        }
        let whose =
            if output == names { "its own path".into() } else { format!("that of `{names}`") };
        write!(f, "{whose}, which cannot be rewritten there and leads nowhere")
    }
}

/// A compressed file that was not searched for references to its end: what it alone names is missing in
/// sandboxes and images, and can be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsearched {
    /// The output that has the file.
    pub output: OutputName,
    /// The file, relative to the output; empty when the output is a single file.
    pub file: PathBuf,
    /// Why the search ended.
    pub reason: LeftOut,
}

impl fmt::Display for Unsearched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, file, reason } = self;
        match file.as_os_str().is_empty() {
            true => write!(f, "the output `{output}` is a compressed file that")?,
            false => write!(f, "`{}` of the output `{output}` is compressed and", file.display())?,
        }
        write!(f, " was not searched for references to its end: {reason}")
    }
}

/// What the index is told together with a registration.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) drv: Option<DrvId>,
    pub(crate) build: Option<BuildRecord>,
}

impl Notes {
    fn is_empty(&self) -> bool {
        self.drv.is_none() && self.build.is_none()
    }
}

impl Registration {
    /// Lets [`Store::complete`] also do what [`Store::remember`] and [`Store::record_build`] do, for
    /// a fraction of their cost.
    #[must_use]
    pub fn with_notes(mut self, drv: DrvId, build: BuildRecord) -> Self {
        self.notes = Notes { drv: Some(drv), build: Some(build) };
        self
    }

    /// The files that may refer to more than was found.
    pub fn unsearched(&self) -> &[Unsearched] {
        &self.unsearched
    }

    /// The paths that could not be rewritten, because they are in compressed files.
    pub fn hidden(&self) -> &[HiddenPath] {
        &self.hidden
    }

    fn outputs(&self) -> BTreeMap<OutputName, StorePath> {
        let made = self.realised.as_ref().map(|realised| realised.outputs.clone());
        self.known.clone().or(made).unwrap_or_default()
    }
}

impl Store {
    /// Moves the outputs of an action into the store and records its realisations: does
    /// [`Store::prepare`] and then [`Store::complete`].
    ///
    /// # Errors
    /// Those of the two.
    pub fn register(
        &self,
        key: &ActionKey,
        outputs: Vec<BuiltOutput>,
        candidates: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<OutputName, StorePath>> {
        let prepared = self.prepare(key, outputs, candidates)?;
        self.complete(&[prepared]).pop().unwrap_or_else(|| Ok(BTreeMap::new()))
    }

    /// Does what [`Store::prepare_watched`] does, without a limit and without reports.
    ///
    /// # Errors
    /// The same.
    pub fn prepare(
        &self,
        key: &ActionKey,
        outputs: Vec<BuiltOutput>,
        candidates: &BTreeSet<StorePath>,
    ) -> Result<Registration> {
        self.prepare_watched(key, outputs, candidates, Watch::default())
    }

    /// Gives the outputs of an action the form of the store. The costly part of a registration,
    /// which different threads can do at the same time.
    ///
    /// The trees are brought into the store's form, scanned for the digest texts of `candidates`
    /// (usually the input closure) and of each other's scratch paths, and rewritten to their final
    /// paths. The new objects are protected while this `Store` value lives. If the action is
    /// realised already with all these outputs, the known paths count and the new trees do not.
    ///
    /// # Errors
    /// [`Error::OutputMissing`], [`Error::FileKind`], [`Error::TooDeep`], [`Error::OutputCycle`],
    /// [`Error::ScratchInName`] for trees that cannot be store objects, and [`Error::TooLong`].
    pub fn prepare_watched(
        &self,
        key: &ActionKey,
        outputs: Vec<BuiltOutput>,
        candidates: &BTreeSet<StorePath>,
        watch: Watch<'_>,
    ) -> Result<Registration> {
        let mut prepared = Registration {
            key: *key,
            known: None,
            pending: Vec::new(),
            realised: None,
            durable: Durable::default(),
            notes: Notes::default(),
            hidden: Vec::new(),
            unsearched: Vec::new(),
            staging: self.staging()?,
        };
        prepared.known = match outputs.is_empty() {
            true => Some(BTreeMap::new()),
            false => self.known_realisation(key, outputs.iter().map(|built| &built.output))?,
        };
        if prepared.known.is_none() {
            self.prepare_new(&mut prepared, outputs, candidates, watch)?;
        }
        Ok(prepared)
    }

    fn prepare_new(
        &self,
        prepared: &mut Registration,
        outputs: Vec<BuiltOutput>,
        candidates: &BTreeSet<StorePath>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let candidates: Vec<&StorePath> = candidates.iter().collect();
        let mut scanned = scan_all(outputs, &candidates, watch, &self.cancel)?;
        prepared.hidden = hidden_in(&scanned);
        // Without candidates there is nothing to miss: sources are as they are.
        if !candidates.is_empty() {
            prepared.unsearched = unsearched_in(&scanned);
        }
        let order = order(&scanned)?;
        let mut finals: Vec<Option<StorePath>> = vec![None; scanned.len()];
        let Registration { pending, durable, staging, .. } = prepared;
        for position in order {
            let output = &mut scanned[position];
            let info = resolve(output, position, &finals, &candidates, &self.cancel)?;
            finals[position] = Some(info.path.clone());
            // What is not there yet is protected when it is moved in, under the same lock.
            if disk::exists(&self.layout.object(&info.path))?
                && self.protect(std::slice::from_ref(&info.path))?.is_empty()
            {
                continue;
            }
            pending.push(finish(
                output,
                position,
                info,
                (&mut *staging, &mut *durable),
                &self.cancel,
            )?);
        }
        let realised: BTreeMap<OutputName, StorePath> = scanned
            .iter()
            .zip(finals)
            .filter_map(|(output, path)| Some((output.built.output.clone(), path?)))
            .collect();
        let record = record::encode_realisation(&prepared.key, &realised);
        // A realisation need not reach the disk: one that is lost with the power, or cut off, is
        // only made again, and its objects are there.
        let place = staging.place("realisation");
        fs::write(&place, record).at("write", &place)?;
        let record = place;
        prepared.realised = Some(Realised { key: prepared.key, outputs: realised, record });
        Ok(())
    }

    /// Moves prepared outputs into the store and records the realisations; for each action all of
    /// them or none. Actions that come together share the waiting for the disk and the change of
    /// the index. The answers are in the order of `prepared`.
    ///
    /// # Errors
    /// For each action its own: [`Error::ReferenceMissing`] for a candidate that is not in the
    /// store, or what disk and index say.
    pub fn complete(
        &self,
        prepared: &[Registration],
    ) -> Vec<Result<BTreeMap<OutputName, StorePath>>> {
        let durables: Vec<&Durable> = prepared.iter().map(|one| &one.durable).collect();
        let on_disk = Durable::wait_all(&durables);
        let both = prepared.iter().zip(&on_disk);
        let ready: Vec<&Registration> =
            both.filter_map(|(one, on_disk)| on_disk.is_ok().then_some(one)).collect();
        let together = ready.len() > 1 && self.add_all(&ready).is_ok();
        let add = |one: &Registration| match together {
            true => Ok(one.outputs()),
            // One by one, an error meets the action that it belongs to and no other.
            false => self.add_one(one),
        };
        prepared.iter().zip(on_disk).map(|(one, on_disk)| on_disk.and_then(|()| add(one))).collect()
    }

    /// Adds one action, which a group that failed as a whole may have added already.
    fn add_one(&self, one: &Registration) -> Result<BTreeMap<OutputName, StorePath>> {
        if let Some(realised) = &one.realised
            && let Some(known) = self.known_realisation(&one.key, realised.outputs.keys())?
        {
            self.index()?.write(|transaction| index::set_notes(transaction, &one.notes, &known))?;
            return Ok(known);
        }
        self.add_all(&[one])?;
        Ok(one.outputs())
    }

    /// Adds what is on disk. Afterwards all are complete, or each is complete or as before.
    fn add_all(&self, all: &[&Registration]) -> Result<()> {
        let pending: Vec<&Pending> = all.iter().flat_map(|one| &one.pending).collect();
        let realised: Vec<&Realised> = all.iter().filter_map(|one| one.realised.as_ref()).collect();
        let with_notes = all.iter().filter(|one| !one.notes.is_empty());
        let notes: Vec<_> = with_notes.map(|one| (&one.notes, one.outputs())).collect();
        if realised.is_empty() && notes.is_empty() {
            // All was known before.
            return Ok(());
        }
        let live = self.live()?;
        let mut commit = self.commit()?;
        live.add_roots(pending.iter().map(|object| &object.info.path))?;
        commit.add(&pending, &realised, &notes)
    }

    /// The realisation of an action if it has all the outputs and they are in the store.
    fn known_realisation<'o>(
        &self,
        key: &ActionKey,
        mut outputs: impl Iterator<Item = &'o OutputName>,
    ) -> Result<Option<BTreeMap<OutputName, StorePath>>> {
        let known = self.index()?.realisations(key)?;
        if known.is_empty() || !outputs.all(|output| known.contains_key(output)) {
            return Ok(None);
        }
        let paths: Vec<StorePath> = known.values().cloned().collect();
        Ok(self.protect(&paths)?.is_empty().then_some(known))
    }
}

fn patterns_for(outputs: &[BuiltOutput], candidates: &[&StorePath]) -> Patterns {
    let mut patterns = Patterns::default();
    for (position, candidate) in candidates.iter().enumerate() {
        patterns.add(candidate.digest(), Pattern::Candidate(position));
    }
    for (position, output) in outputs.iter().enumerate() {
        patterns.add(output.scratch.digest(), Pattern::Own(position));
    }
    patterns
}

fn hidden_in(outputs: &[Output]) -> Vec<HiddenPath> {
    let name = |position: usize| outputs[position].built.output.clone();
    let one = |position: usize, (file, own): &(PathBuf, usize)| {
        let file = file.strip_prefix(&outputs[position].built.physical).unwrap_or(file).to_owned();
        HiddenPath { output: name(position), file, names: name(*own) }
    };
    let of = |(position, output): (usize, &'_ Output)| {
        output.scanned.hidden.iter().map(|hidden| one(position, hidden)).collect::<Vec<_>>()
    };
    outputs.iter().enumerate().flat_map(of).collect()
}

fn unsearched_in(outputs: &[Output]) -> Vec<Unsearched> {
    let of = |output: &'_ Output| {
        let BuiltOutput { output: name, physical, .. } = &output.built;
        let one = |(file, reason): &(PathBuf, LeftOut)| {
            let file = file.strip_prefix(physical).unwrap_or(file).to_owned();
            Unsearched { output: name.clone(), file, reason: *reason }
        };
        output.scanned.left_out.iter().map(one).collect::<Vec<_>>()
    };
    outputs.iter().flat_map(of).collect()
}

fn scan_all(
    outputs: Vec<BuiltOutput>,
    candidates: &[&StorePath],
    watch: Watch<'_>,
    cancel: &Cancel,
) -> Result<Vec<Output>> {
    let patterns = patterns_for(&outputs, candidates);
    let mut meter = Meter::new(watch);
    let mut scanned = Vec::with_capacity(outputs.len());
    for (own, built) in outputs.into_iter().enumerate() {
        if !disk::exists(&built.physical)? {
            let output = built.output.to_string();
            return Err(Error::OutputMissing { output, path: built.physical });
        }
        let walk = Walk { patterns: &patterns, own, purpose: Purpose::Normalise, cancel };
        scanned.push(Output {
            scanned: tree::walk_metered(&built.physical, &walk, &mut meter)?,
            built,
        });
    }
    Ok(scanned)
}

/// Positions of the outputs, each after those that it refers to.
fn order(outputs: &[Output]) -> Result<Vec<usize>> {
    let edges: Vec<BTreeMap<usize, PathBuf>> = outputs
        .iter()
        .enumerate()
        .map(|(position, output)| {
            let mut hits = output.scanned.node.own_hits();
            hits.remove(&position);
            hits
        })
        .collect();
    let mut ordered: Vec<usize> = Vec::with_capacity(outputs.len());
    while ordered.len() < outputs.len() {
        let ready = (0..outputs.len())
            .find(|p| !ordered.contains(p) && edges[*p].keys().all(|to| ordered.contains(to)));
        match ready {
            Some(position) => ordered.push(position),
            None => return Err(cycle(outputs, &edges, &ordered)),
        }
    }
    Ok(ordered)
}

/// Follows unordered outputs until one comes again.
fn cycle(outputs: &[Output], edges: &[BTreeMap<usize, PathBuf>], ordered: &[usize]) -> Error {
    let mut trail: Vec<(usize, usize, PathBuf)> = Vec::new();
    let mut at = (0..outputs.len()).find(|p| !ordered.contains(p)).unwrap_or(0);
    while !trail.iter().any(|(from, ..)| *from == at) {
        // Each output that could not be ordered refers to another one of them.
        let next = edges[at].iter().find(|(to, _)| !ordered.contains(to));
        let Some((&to, file)) = next else { break };
        trail.push((at, to, file.clone()));
        at = to;
    }
    let name = |position: usize| outputs[position].built.output.to_string();
    let files = trail
        .into_iter()
        .skip_while(|(from, ..)| *from != at)
        .map(|(from, to, file)| CycleLink { from: name(from), to: name(to), file })
        .collect();
    Error::OutputCycle { files }
}

/// Writes the final paths of other outputs into the tree and computes its own.
fn resolve(
    output: &mut Output,
    position: usize,
    finals: &[Option<StorePath>],
    candidates: &[&StorePath],
    cancel: &Cancel,
) -> Result<ObjectInfo> {
    let Output { built, scanned } = output;
    let hits = scanned.node.own_hits();
    let others = hits.keys().filter_map(|own| finals[*own].clone());
    let mut references: BTreeSet<StorePath> = others.collect();
    references.extend(scanned.candidates.iter().map(|c| candidates[*c].clone()));
    if hits.keys().any(|own| *own != position) {
        let digests: Vec<_> =
            finals.iter().map(|path| path.as_ref().map(|path| *path.digest())).collect();
        let own = own_pattern(built, position);
        tree::rewrite(&built.physical, &mut scanned.node, &digests, position, &own, cancel)?;
    }
    let self_reference = hits.contains_key(&position);
    let tree = scanned.node.digest(position);
    let path = StorePath::of_content(&built.name, &tree, self_reference, &references);
    Ok(ObjectInfo {
        path,
        tree,
        self_reference,
        references,
        size: scanned.size,
        registered_at: clock::unix_now(),
    })
}

fn own_pattern(built: &BuiltOutput, position: usize) -> Patterns {
    let mut patterns = Patterns::default();
    patterns.add(built.scratch.digest(), Pattern::Own(position));
    patterns
}

/// Writes the output's own final path into it, and brings tree and sidecar to the disk.
fn finish(
    output: &mut Output,
    position: usize,
    info: ObjectInfo,
    (staging, durable): (&mut Staging, &mut Durable),
    cancel: &Cancel,
) -> Result<Pending> {
    let Output { built, scanned } = output;
    if info.self_reference {
        let mut digests: Vec<Option<Digest>> = vec![None; position + 1];
        digests[position] = Some(*info.path.digest());
        let own = own_pattern(built, position);
        tree::rewrite(&built.physical, &mut scanned.node, &digests, position, &own, cancel)?;
    }
    tree::seal(&built.physical, &scanned.node, durable)?;
    let record = record::encode_info(&info, true);
    let record = stage(staging.place(&format!("info-{position}")), &record, durable)?;
    let is_directory = matches!(scanned.node, Node::Directory(_));
    let physical = built.physical.clone();
    Ok(Pending { info, physical, record, is_directory, settled: true })
}
