//! What can go wrong, with codes E0701 to E0721 and E0740.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cbuild_drv::ContentHash;
use thiserror::Error;

/// Why a download or an unpacking failed.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The bytes came, and they are others than those wanted.
    #[error("{0}")]
    HashMismatch(Box<HashMismatch>),
    /// No address gave the bytes.
    #[error("none of the addresses gave {wanted}{}", list(attempts))]
    NoneWorked {
        /// The hash that was wanted.
        wanted: ContentHash,
        /// What was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// No address gave anything; which bytes were expected is not known.
    #[error("nothing could be downloaded{}", list(attempts))]
    NotReached {
        /// What was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// The bytes would have to come over the network, which may not be used.
    #[error(
        "{wanted} would have to be downloaded, and the network may not be used (offline){}",
        urls(addresses)
    )]
    Offline {
        /// The hash that was wanted.
        wanted: ContentHash,
        /// Where it could have come from.
        addresses: Vec<String>,
    },
    /// `mirror://NAME/…` with a name that the table lacks.
    #[error("there is no mirror named `{name}`, which `{url}` needs")]
    UnknownMirror {
        /// The name.
        name: String,
        /// The address that has it.
        url: String,
    },
    /// A local file or folder could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The table of mirrors is not as it should be.
    #[error("the table of mirrors `{}` is not valid: {message}", path.display())]
    MirrorTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// An address or a name that cannot stand in the table of mirrors.
    #[error("`{text}` cannot stand in the table of mirrors: {message}")]
    MirrorEntry {
        /// The address or name.
        text: String,
        /// What is wrong with it.
        message: &'static str,
    },
    /// The caller asked to stop.
    #[error("the download was cancelled")]
    Cancelled,
    /// An archive has an entry that would reach outside or is no plain tree.
    #[error("`{archive}` has an entry that is not accepted, `{entry}`: {reason}")]
    UnsafeEntry {
        /// Where the archive came from.
        archive: String,
        /// Name of the entry, as text.
        entry: String,
        /// What is wrong with it.
        reason: UnsafeReason,
    },
    /// An archive is damaged or ends too early.
    #[error("`{archive}` is damaged {place}: {message}")]
    Corrupt {
        /// Where the archive came from.
        archive: String,
        /// After which entry or in which part.
        place: String,
        /// What the decoder said.
        message: String,
    },
    /// The bytes are of no known archive format.
    #[error("`{archive}` is not an archive of a known format: {message}")]
    UnknownFormat {
        /// Where the archive came from.
        archive: String,
        /// What was found instead.
        message: String,
    },
    /// An archive has an entry whose content is compressed or encrypted in a way that is not read.
    #[error("the entry `{entry}` of `{archive}` cannot be read: {what}")]
    Unsupported {
        /// Where the archive came from.
        archive: String,
        /// Name of the entry, as text.
        entry: String,
        /// Which way.
        what: String,
    },
    /// An archive holds more than the limit.
    #[error("`{archive}` is too large: more than {limit} {unit} unpacked (at `{entry}`)")]
    TooLarge {
        /// Where the archive came from.
        archive: String,
        /// Entry at which the limit was passed.
        entry: String,
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// No entry is left after leading components were dropped.
    #[error("nothing is left of `{archive}` when {strip} leading path components are dropped")]
    NothingLeft {
        /// Where the archive came from.
        archive: String,
        /// Components to drop.
        strip: u32,
    },
    /// The program `git` could not give what was wanted.
    #[error("git could not read `{url}`: {message}")]
    Git {
        /// The repository, without credentials.
        url: String,
        /// What git said.
        message: String,
    },
    /// The program `git` is not there or cannot be started.
    #[error("cannot start git, which `{url}` needs: {source}")]
    GitMissing {
        /// The repository, without credentials.
        url: String,
        /// What the system said.
        source: io::Error,
    },
    /// A registry refused, or answered what the protocol does not allow.
    #[error("the registry could not {action} `{reference}`: {message}")]
    Registry {
        /// What was tried, as a verb.
        action: &'static str,
        /// The reference.
        reference: String,
        /// What was answered.
        message: String,
    },
    /// A registry wants credentials, or others than those it got.
    #[error("the registry `{registry}` does not let {who} {action} `{reference}`")]
    Denied {
        /// The registry's host.
        registry: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// The reference.
        reference: String,
        /// Who asked.
        who: &'static str,
    },
    /// A registry names a token server of another site, which is not sent the password, and which lets
    /// nobody in without.
    #[error(
        "the registry `{registry}` has its tokens from `{server}`, which is not sent the password: {why}"
    )]
    TokenServer {
        /// The registry's host.
        registry: String,
        /// The origin of the token server.
        server: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A server that a registry led to wants credentials.
    #[error(
        "the registry could not {action} `{reference}`: it leads to `{server}`, which asks for a password and gets none"
    )]
    Elsewhere {
        /// What was tried, as a verb.
        action: &'static str,
        /// The reference.
        reference: String,
        /// The origin of the other server.
        server: String,
    },
    /// The network may not be used, and this is only reached over it.
    #[error("`{place}` would have to be read over the network, which may not be used (offline)")]
    NoNetwork {
        /// The address or reference.
        place: String,
    },
}

/// Bytes that came, with another hash than the one wanted.
#[derive(Debug)]
pub struct HashMismatch {
    /// The hash that was wanted.
    pub wanted: ContentHash,
    /// The hash of the bytes that came.
    pub got: ContentHash,
    /// Where they came from.
    pub url: String,
    /// Other addresses that were tried.
    pub others: Vec<Attempt>,
}

impl fmt::Display for HashMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, got, url, others } = self;
        write!(f, "the bytes of `{url}` have another hash\n  wanted {wanted}\n  got    {got}")?;
        if !others.is_empty() {
            write!(f, "\nother addresses did not help:{}", list(others))?;
        }
        Ok(())
    }
}

/// An address that gave other bytes than the wanted ones, while another one gave these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongBytes {
    /// The address, as it may be shown.
    pub url: String,
    /// The hash that was wanted.
    pub wanted: ContentHash,
    /// The hash of its bytes.
    pub got: ContentHash,
}

impl fmt::Display for WrongBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, wanted, got } = self;
        write!(f, "`{url}` gave other bytes than the wanted ones, and another address was taken")?;
        write!(f, "\n  wanted {wanted}\n  got    {got}")
    }
}

/// One address that was tried.
#[derive(Debug)]
pub struct Attempt {
    /// The address, after mirrors were resolved, without credentials.
    pub url: String,
    /// Why it did not give the bytes.
    pub cause: Cause,
}

/// Why one address did not give the bytes.
#[derive(Debug, Error)]
pub enum Cause {
    /// Its bytes have another hash.
    #[error("its bytes have another hash, {0}")]
    Hash(ContentHash),
    /// The network may not be used.
    #[error("not tried, the network may not be used (offline)")]
    Offline,
    /// The table of mirrors lacks the name.
    #[error("there is no mirror named `{0}`")]
    UnknownMirror(String),
    /// The address cannot be used.
    #[error("not a usable address: {0}")]
    Address(String),
    /// The server's answer was no success.
    #[error("the server answered {0}")]
    Status(String),
    /// The answer was a success without bytes.
    #[error("its answer is empty")]
    Empty,
    /// The connection failed, broke or was silent for too long.
    #[error("{0}")]
    Connection(String),
    /// The server sent nothing for too long.
    #[error("timed out: nothing came for {} s", .0.as_secs_f64())]
    Silent(Duration),
    /// The bytes came too slowly.
    #[error("too slow: fewer than {least} bytes a second over {} s", span.as_secs_f64())]
    Slow {
        /// Fewest bytes a second.
        least: u64,
        /// Over which time.
        span: Duration,
    },
    /// The transfer took longer than the limit.
    #[error("not done after {} s, the longest time of a transfer", .0.as_secs_f64())]
    Endless(Duration),
    /// More bytes than the limit.
    #[error("larger than the limit of {0} bytes")]
    TooLarge(u64),
    /// A package index does not tell where the file is.
    #[error("{0}")]
    Index(String),
    /// A local file could not be read.
    #[error("{0}")]
    File(String),
}

/// Why an archive's entry is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsafeReason {
    /// There is no name.
    #[error("its name is empty")]
    Nameless,
    /// The name starts with `/`.
    #[error("its name is absolute")]
    Absolute,
    /// The name has a `..` component.
    #[error("its name climbs out with `..`")]
    Parent,
    /// The name holds a NUL byte.
    #[error("its name holds a NUL byte")]
    Nul,
    /// The name is too long.
    #[error("its name or link target is too long")]
    TooLong,
    /// The name has too many components.
    #[error("its name has too many components")]
    TooDeep,
    /// An earlier entry made a symbolic link or file where a folder is needed.
    #[error("an earlier entry is no folder where this one needs a folder")]
    ThroughLink,
    /// A hard link to something that is not in the archive before it.
    #[error("it is a hard link to a file that the archive does not have before it")]
    HardLink,
    /// A device, FIFO, socket or another entry that is no file, folder or link.
    #[error("it is neither a file nor a folder nor a link")]
    Special,
    /// A submodule, whose files are in another repository.
    #[error("it is a submodule, whose files are in another repository")]
    Submodule,
    /// A file or link with the name of the tree's top or of a folder that has entries.
    #[error("it would replace a folder that has entries")]
    ReplacesFolder,
    /// A symbolic link without a target.
    #[error("it is a symbolic link without a target")]
    EmptyTarget,
}

impl FetchError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HashMismatch(_) => "E0701",
            Self::NoneWorked { .. } | Self::NotReached { .. } => "E0702",
            Self::Offline { .. } => "E0703",
            Self::UnknownMirror { .. } => "E0704",
            Self::Io { .. } => "E0705",
            Self::MirrorTable { .. } => "E0706",
            Self::MirrorEntry { .. } => "E0707",
            Self::Cancelled => "E0708",
            Self::UnsafeEntry { .. } => "E0710",
            Self::Corrupt { .. } => "E0711",
            Self::UnknownFormat { .. } => "E0712",
            Self::Unsupported { .. } => "E0740",
            Self::TooLarge { .. } => "E0713",
            Self::NothingLeft { .. } => "E0714",
            Self::Git { .. } => "E0715",
            Self::GitMissing { .. } => "E0716",
            Self::Registry { .. } => "E0717",
            Self::Denied { .. } => "E0718",
            Self::NoNetwork { .. } => "E0719",
            Self::TokenServer { .. } => "E0720",
            Self::Elsewhere { .. } => "E0721",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::HashMismatch(mismatch) => format!(
                "if the new bytes are the right ones, write `{}` as the hash; otherwise do not use this address",
                mismatch.got
            ),
            Self::NoneWorked { .. } | Self::NotReached { .. } => {
                "check the addresses and the connection, or add another address or mirror".to_owned()
            }
            Self::Offline { .. } => {
                "run `cbuild fetch` for this target while there is a network, or leave out `--offline`".to_owned()
            }
            Self::UnknownMirror { name, .. } => format!(
                "run `cbuild mirrors detect`, or name one with `cbuild mirrors set {name} URL`"
            ),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room on that file system; `cbuild store gc` removes what nothing needs".to_owned()
            }
            Self::Io { .. } => "check that the path is there and that you may read and write it".to_owned(),
            Self::MirrorTable { .. } => {
                "mend the file, or remove it and run `cbuild mirrors detect`".to_owned()
            }
            Self::MirrorEntry { .. } => {
                "a mirror is a name of a-z, 0-9, `-`, `_`, `.` with http, https or file addresses".to_owned()
            }
            Self::Cancelled => return None,
            Self::UnsafeEntry { .. } => {
                "such an archive is broken or hostile; ask its author, or take another source".to_owned()
            }
            Self::Corrupt { .. } => {
                "the hash is right, so the file was published like this; take another source".to_owned()
            }
            Self::UnknownFormat { .. } => {
                "tar (plain, gz, bz2, xz, zst, lz, lzma), zip, wheel and deb are known; `fetch.file` keeps a file as it is".to_owned()
            }
            Self::Unsupported { .. } => {
                "deflate, bzip2, LZMA, xz and Zstandard are read, without encryption; take another archive, or keep the file with `fetch.file` and unpack it in a step".to_owned()
            }
            Self::TooLarge { .. } => "such an archive is most likely a decompression bomb".to_owned(),
            Self::NothingLeft { .. } => "give a smaller `strip`; `strip = 0` keeps all components".to_owned(),
            Self::Git { .. } => "check the address and the tag, branch or commit; git never asks for a password here, so set up its credential helper or an SSH agent".to_owned(),
            Self::GitMissing { .. } => "install git, or take the source from an archive or a registry".to_owned(),
            Self::Registry { .. } => "check the reference; it is written HOST/REPOSITORY:TAG".to_owned(),
            Self::Denied { registry, .. } => {
                format!("log in with `docker login {registry}` or `podman login {registry}`; cbuild reads the file that these write")
            }
            Self::TokenServer { .. } => "a password is only sent to the registry and, encrypted, to token servers of its own site; ask its operator, or use a registry that gives tokens itself".to_owned(),
            Self::Elsewhere { .. } => "a password belongs to one server, by scheme, host and port; ask the registry's operator why it leads elsewhere".to_owned(),
            Self::NoNetwork { .. } => "leave out `--offline`, or run `cbuild fetch` while there is a network".to_owned(),
        };
        Some(text)
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn list(attempts: &[Attempt]) -> String {
    attempts.iter().map(|attempt| format!("\n  {}: {}", attempt.url, attempt.cause)).collect()
}

fn urls(addresses: &[String]) -> String {
    addresses.iter().map(|url| format!("\n  {url}")).collect()
}
