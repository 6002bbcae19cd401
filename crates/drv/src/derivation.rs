//! Derivations: one build step, before and after its inputs are known by content.

use std::collections::BTreeSet;
use std::fmt;

use crate::assemble::Assemble;
use crate::digest::Digest;
use crate::encoding::Encoder;
use crate::hash::ContentHash;
use crate::name::{Name, OutputName, System};
use crate::record::ACTION_DOMAIN;
use crate::store_path::StorePath;
use crate::template::Template;
use crate::texts::Texts;

/// Identity of an unresolved derivation in a [`crate::Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrvId(pub Digest);

impl fmt::Display for DrvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of a resolved derivation: equal keys mean equal work, whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionKey(pub Digest);

impl fmt::Display for ActionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an unresolved derivation refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// An output of another derivation, whose content is not known yet.
    Output {
        /// The other derivation.
        drv: DrvId,
        /// Which of its outputs.
        output: OutputName,
    },
    /// An object that is in the store already, such as a source folder.
    Object(StorePath),
}

/// One build step. `R` is [`Input`] before and [`StorePath`] after resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation<R> {
    /// Name of the step and of its outputs' store paths (`out` has it as it is, others append `-<output>`).
    pub name: Name,
    /// Platform that the step runs on; steps without a program run anywhere.
    pub system: System,
    /// Names of the outputs; never empty. Fetches and assemblies have `out` alone.
    pub outputs: BTreeSet<OutputName>,
    /// What is done.
    pub action: Action<R>,
}

/// What a derivation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<R> {
    /// Runs a program in the sandbox.
    Exec(Exec<R>),
    /// Downloads bytes that are named by their hash.
    Fetch(Fetch),
    /// Composes trees.
    Assemble(Assemble<R>),
}

/// A program to run in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec<R> {
    /// Tree that is seen read-only as `/`; without one, the root holds only what the sandbox makes.
    pub root: Option<R>,
    /// Absolute path of the program, inside the sandbox.
    pub program: Template<R>,
    /// Arguments after the program's name.
    pub args: Vec<Template<R>>,
    /// Environment, on top of the sandbox's fixed one. The builder also gets every output's path
    /// in a variable of the output's name.
    pub env: Texts<R>,
    /// Small files that are laid into the build folder `/build` first, by relative path.
    pub files: Texts<R>,
    /// Objects that must be visible though no text names them.
    pub inputs: BTreeSet<R>,
    /// Objects that no output may refer to, directly or through others.
    pub forbidden: BTreeSet<R>,
    /// Limits in place of the usual ones. Not part of the identity: they change no result.
    pub limits: StepLimits,
}

/// Where a program is stopped; `None` leaves it to whoever builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepLimits {
    /// Seconds of wall time.
    pub wall: Option<u64>,
    /// Seconds without output.
    pub silence: Option<u64>,
    /// Seconds of processor time of all processes together.
    pub cpu: Option<u64>,
    /// Bytes of memory of all processes together.
    pub memory: Option<u64>,
    /// Bytes of disk space, in the build folder and the outputs together.
    pub disk: Option<u64>,
    /// Processes and threads at the same time.
    pub processes: Option<u64>,
}

/// A download.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Where to look, in order. Not part of the identity: the hash says what is wanted.
    pub urls: Vec<String>,
    /// Hash of the downloaded bytes, before unpacking.
    pub hash: ContentHash,
    /// What becomes of the bytes.
    pub kind: FetchKind,
}

/// Addresses may hold passwords, so that their number is shown alone.
impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urls, hash, kind } = self;
        let mut shown = f.debug_struct("Fetch");
        shown.field("urls", &urls.len()).field("hash", hash).field("kind", kind).finish()
    }
}

/// What becomes of downloaded bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// Kept as one file.
    File {
        /// Whether the file is executable.
        executable: bool,
    },
    /// Unpacked: tar (plain, gz, bz2, xz, zst, lz, lzma), zip or wheel, Debian package (its data part).
    Archive {
        /// Leading path components to drop.
        strip: u32,
    },
}

impl<R> Derivation<R> {
    /// Name of the store object of an output.
    pub fn output_object_name(&self, output: &OutputName) -> Name {
        if output.as_str() == "out" {
            return self.name.clone();
        }
        let joined = format!("{}-{output}", self.name);
        // Both parts are checked names; only the length can be too large, then the output's name wins.
        Name::new(joined).unwrap_or_else(|_| self.name.clone())
    }

    /// All references, each once.
    pub fn references(&self) -> BTreeSet<R>
    where
        R: Clone + Ord,
    {
        let mut found = BTreeSet::new();
        let collected: Result<_, std::convert::Infallible> = self.try_map(&mut |r: &R| {
            found.insert(r.clone());
            Ok(())
        });
        debug_assert!(collected.is_ok());
        found
    }

    /// Replaces every reference, stopping at the first error.
    pub fn try_map<S: Ord, E>(
        &self,
        map: &mut impl FnMut(&R) -> Result<S, E>,
    ) -> Result<Derivation<S>, E> {
        let action = match &self.action {
            Action::Exec(exec) => Action::Exec(exec.try_map(map)?),
            Action::Fetch(fetch) => Action::Fetch(fetch.clone()),
            Action::Assemble(assemble) => Action::Assemble(assemble.try_map(map)?),
        };
        let (name, system) = (self.name.clone(), self.system.clone());
        Ok(Derivation { name, system, outputs: self.outputs.clone(), action })
    }

    fn encode(&self, mut encoder: Encoder, mut reference: impl FnMut(&mut Encoder, &R)) -> Encoder {
        encoder.text(self.name.as_str());
        match &self.action {
            Action::Exec(exec) => {
                encoder.tag(0);
                encoder.text(self.system.as_str());
                encoder.count(self.outputs.len());
                self.outputs.iter().for_each(|output| encoder.text(output.as_str()));
                exec.encode(&mut encoder, &mut reference);
            }
            Action::Fetch(fetch) => {
                encoder.tag(1);
                fetch.encode(&mut encoder);
            }
            Action::Assemble(assemble) => {
                encoder.tag(2);
                assemble.encode(&mut encoder, &mut reference);
            }
        }
        encoder
    }
}

impl Derivation<Input> {
    /// Identity before resolution; covers the identities of all inputs.
    pub fn id(&self) -> DrvId {
        let encoder = Encoder::new("cbuild-derivation-1");
        let encoder = self.encode(encoder, |encoder, input| match input {
            Input::Output { drv, output } => {
                encoder.tag(0);
                encoder.digest(&drv.0);
                encoder.text(output.as_str());
            }
            Input::Object(path) => {
                encoder.tag(1);
                encoder.text(&path.base_name());
            }
        });
        DrvId(encoder.finish())
    }
}

impl Derivation<StorePath> {
    /// Identity after resolution; covers the content of all inputs.
    pub fn action_key(&self) -> ActionKey {
        ActionKey(self.encode_resolved(Encoder::new(ACTION_DOMAIN)).finish())
    }

    /// The bytes whose BLAKE3 hash is the action key; [`crate::record::decode`] reads them.
    pub fn to_record(&self) -> Vec<u8> {
        self.encode_resolved(Encoder::keeping(ACTION_DOMAIN)).into_bytes()
    }

    fn encode_resolved(&self, encoder: Encoder) -> Encoder {
        self.encode(encoder, |encoder, path| encoder.text(&path.base_name()))
    }
}

impl<R> Exec<R> {
    fn try_map<S: Ord, E>(&self, map: &mut impl FnMut(&R) -> Result<S, E>) -> Result<Exec<S>, E> {
        let templates = |templates: &Texts<R>, map: &mut dyn FnMut(&R) -> Result<S, E>| {
            templates
                .iter()
                .map(|(key, t)| Ok((key.clone(), t.try_map(&mut |r: &R| map(r))?)))
                .collect::<Result<Texts<S>, E>>()
        };
        Ok(Exec {
            root: self.root.as_ref().map(&mut *map).transpose()?,
            program: self.program.try_map(map)?,
            args: self.args.iter().map(|a| a.try_map(map)).collect::<Result<_, E>>()?,
            env: templates(&self.env, map)?,
            files: templates(&self.files, map)?,
            inputs: self.inputs.iter().map(&mut *map).collect::<Result<_, E>>()?,
            forbidden: self.forbidden.iter().map(map).collect::<Result<_, E>>()?,
            limits: self.limits,
        })
    }

    fn encode(&self, encoder: &mut Encoder, reference: &mut impl FnMut(&mut Encoder, &R)) {
        encoder.flag(self.root.is_some());
        if let Some(root) = &self.root {
            reference(encoder, root);
        }
        self.program.encode(encoder, reference);
        encoder.count(self.args.len());
        self.args.iter().for_each(|arg| arg.encode(encoder, reference));
        for texts in [&self.env, &self.files] {
            encoder.count(texts.len());
            for (key, text) in texts {
                encoder.text(key);
                text.encode(encoder, reference);
            }
        }
        encoder.count(self.inputs.len());
        self.inputs.iter().for_each(|input| reference(encoder, input));
        // Came later; nothing stands for none, so that older keys stay as they are.
        if !self.forbidden.is_empty() {
            encoder.count(self.forbidden.len());
            self.forbidden.iter().for_each(|object| reference(encoder, object));
        }
    }
}

impl Fetch {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.text(self.hash.algorithm().name());
        encoder.bytes(self.hash.bytes());
        match self.kind {
            FetchKind::File { executable } => {
                encoder.tag(0);
                encoder.flag(executable);
            }
            FetchKind::Archive { strip } => {
                encoder.tag(1);
                encoder.int(u64::from(strip));
            }
        }
    }
}
