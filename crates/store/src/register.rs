//! From a builder's outputs to store objects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_drv::{ActionKey, Digest, OutputName, StorePath};

use crate::clock;
use crate::commit::{Pending, Realised, stage};
use crate::disk;
use crate::durable::Durable;
use crate::error::{CycleLink, Error, Result};
use crate::record;
use crate::scan::{Pattern, Patterns};
use crate::store::Store;
use crate::tree::{self, Node, Purpose, Scanned, Walk};
use crate::types::{BuiltOutput, ObjectInfo};

/// An output on its way into the store.
struct Output {
    built: BuiltOutput,
    scanned: Scanned,
}

impl Store {
    /// Moves the outputs of an action into the store and records its realisations.
    ///
    /// The trees are brought into the store's form, scanned for the digest texts of `candidates`
    /// (usually the input closure) and of each other's scratch paths, rewritten to their final
    /// paths and moved in; all of them or none. The new objects are protected while this `Store`
    /// value lives. If the action is realised already with all these outputs, the known paths
    /// are returned and the new trees ignored.
    ///
    /// # Errors
    /// [`Error::OutputMissing`], [`Error::FileKind`], [`Error::TooDeep`], [`Error::OutputCycle`],
    /// [`Error::ScratchInName`] for trees that cannot be store objects;
    /// [`Error::ReferenceMissing`] for a candidate that is not in the store.
    pub fn register(
        &self,
        key: &ActionKey,
        outputs: Vec<BuiltOutput>,
        candidates: &BTreeSet<StorePath>,
    ) -> Result<BTreeMap<OutputName, StorePath>> {
        if outputs.is_empty() {
            return Ok(BTreeMap::new());
        }
        if let Some(known) = self.known_realisation(key, &outputs)? {
            return Ok(known);
        }
        let candidates: Vec<&StorePath> = candidates.iter().collect();
        let mut scanned = scan_all(outputs, &candidates)?;
        let order = order(&scanned)?;
        let staging = self.scratch()?;
        let mut finals: Vec<Option<StorePath>> = vec![None; scanned.len()];
        let mut pending = Vec::new();
        let mut durable = Durable::default();
        for position in order {
            let output = &mut scanned[position];
            let info = resolve(output, position, &finals, &candidates)?;
            finals[position] = Some(info.path.clone());
            if self.protect(std::slice::from_ref(&info.path))?.is_empty() {
                continue;
            }
            pending.push(finish(output, position, info, staging.path(), &mut durable)?);
        }
        let realised: BTreeMap<OutputName, StorePath> = scanned
            .iter()
            .zip(finals)
            .filter_map(|(output, path)| Some((output.built.output.clone(), path?)))
            .collect();
        let record = record::encode_realisation(key, &realised);
        let record = stage(staging.path(), "realisation", &record, &mut durable)?;
        durable.wait()?;
        let realised = Realised { key: *key, outputs: realised, record };
        self.commit()?.add(&pending, Some(&realised))?;
        Ok(realised.outputs)
    }

    /// The realisation of an action if it has all the outputs and they are in the store.
    fn known_realisation(
        &self,
        key: &ActionKey,
        outputs: &[BuiltOutput],
    ) -> Result<Option<BTreeMap<OutputName, StorePath>>> {
        let known = self.index()?.realisations(key)?;
        if !outputs.iter().all(|output| known.contains_key(&output.output)) {
            return Ok(None);
        }
        let paths: Vec<StorePath> = known.values().cloned().collect();
        Ok(self.protect(&paths)?.is_empty().then_some(known))
    }

    /// Moves one tree without references into the store; it was copied to the scratch place.
    pub(crate) fn register_plain(
        &self,
        physical: &Path,
        name: &cbuild_drv::Name,
        staging: &Path,
    ) -> Result<StorePath> {
        let patterns = Patterns::default();
        let scanned = tree::walk(
            physical,
            &Walk { patterns: &patterns, own: 0, purpose: Purpose::Normalise },
        )?;
        let tree = scanned.node.digest(0);
        let path = StorePath::of_content(name, &tree, false, &BTreeSet::new());
        if self.protect(std::slice::from_ref(&path))?.is_empty() {
            return Ok(path);
        }
        let info = ObjectInfo {
            path: path.clone(),
            tree,
            self_reference: false,
            references: BTreeSet::new(),
            size: scanned.size,
            registered_at: clock::unix_now(),
        };
        let mut durable = Durable::default();
        tree::seal(physical, &scanned.node, &mut durable)?;
        let record = stage(staging, "info", &record::encode_info(&info), &mut durable)?;
        durable.wait()?;
        let is_directory = matches!(scanned.node, Node::Directory(_));
        let physical = physical.to_owned();
        self.commit()?.add(&[Pending { info, physical, record, is_directory }], None)?;
        Ok(path)
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

fn scan_all(outputs: Vec<BuiltOutput>, candidates: &[&StorePath]) -> Result<Vec<Output>> {
    let patterns = patterns_for(&outputs, candidates);
    let mut scanned = Vec::with_capacity(outputs.len());
    for (own, built) in outputs.into_iter().enumerate() {
        if !disk::exists(&built.physical)? {
            let output = built.output.to_string();
            return Err(Error::OutputMissing { output, path: built.physical });
        }
        let walk = Walk { patterns: &patterns, own, purpose: Purpose::Normalise };
        scanned.push(Output { scanned: tree::walk(&built.physical, &walk)?, built });
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
        tree::rewrite(&built.physical, &mut scanned.node, &digests, position, &own)?;
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
    staging: &Path,
    durable: &mut Durable,
) -> Result<Pending> {
    let Output { built, scanned } = output;
    if info.self_reference {
        let mut digests: Vec<Option<Digest>> = vec![None; position + 1];
        digests[position] = Some(*info.path.digest());
        let own = own_pattern(built, position);
        tree::rewrite(&built.physical, &mut scanned.node, &digests, position, &own)?;
    }
    tree::seal(&built.physical, &scanned.node, durable)?;
    let record = record::encode_info(&info);
    let record = stage(staging, &format!("info-{position}"), &record, durable)?;
    let is_directory = matches!(scanned.node, Node::Directory(_));
    Ok(Pending { info, physical: built.physical.clone(), record, is_directory })
}
