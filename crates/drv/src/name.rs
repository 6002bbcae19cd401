//! Names that occur in store paths: checked once, then trusted.

use std::fmt;
use std::sync::{Arc, LazyLock};

use thiserror::Error;

/// Longest accepted name, in bytes. With digest and hyphen it stays below the 255 bytes that
/// Linux file systems allow for a file name.
pub const MAX_NAME_LEN: usize = 180;

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`MAX_NAME_LEN`] bytes.
    #[error("the name has {0} bytes; at most {MAX_NAME_LEN} are allowed")]
    TooLong(usize),
    /// A character outside `a-z A-Z 0-9 + - . _ =`, or a leading dot or hyphen.
    #[error(
        "`{}` has `{}` at byte {at}; a name consists of letters, digits and `+-._=`, and starts with a letter, a digit or `_`",
        name.escape_debug(), found.escape_debug()
    )]
    Character {
        /// The rejected text.
        name: String,
        /// The offending character.
        found: char,
        /// Its byte offset.
        at: usize,
    },
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_LEN {
        return Err(NameError::TooLong(text.len()));
    }
    let allowed = |at: usize, c: char| {
        c.is_ascii_alphanumeric() || c == '_' || (at > 0 && matches!(c, '+' | '-' | '.' | '='))
    };
    match text.char_indices().find(|&(at, c)| !allowed(at, c)) {
        None => Ok(()),
        Some((at, found)) => Err(NameError::Character { name: text.to_owned(), found, at }),
    }
}

macro_rules! checked_name {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and wraps it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                check(text.as_ref())?;
                Ok(Self(text.as_ref().into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name! {
    /// Name of a derivation or of a store object, for example `redis-7.0.15`.
    Name
}
checked_name! {
    /// Name of one output of a derivation; `out` is the usual one.
    OutputName
}
checked_name! {
    /// The platform that a derivation is built on, for example `x86_64-linux`.
    System
}

impl System {
    /// The systems that programs can be for.
    pub const KNOWN: [&str; 8] = [
        "x86_64-linux",
        "i686-linux",
        "aarch64-linux",
        "armv7l-linux",
        "riscv64-linux",
        "powerpc64le-linux",
        "s390x-linux",
        "loongarch64-linux",
    ];
}

impl OutputName {
    /// Whether a variable of this name is every builder's, or has a meaning to shells, `make`, the
    /// loader, the C library or interpreters. A builder finds the path of an output in a variable of the output's name, so that no
    /// output can have such a name.
    pub fn is_reserved(name: &str) -> bool {
        const NAMES: [&str; 41] = [
            "_",
            "CDPATH",
            "ENV",
            "EUID",
            "GCONV_PATH",
            "GETCONF_DIR",
            "GLIBC_TUNABLES",
            "GLOBIGNORE",
            "GUILE_LOAD_PATH",
            "HOME",
            "HOSTALIASES",
            "IFS",
            "LANG",
            "LANGUAGE",
            "LOCALDOMAIN",
            "LOCPATH",
            "MAKEFILES",
            "MAKEFLAGS",
            "NLSPATH",
            "NODE_OPTIONS",
            "NODE_PATH",
            "OLDPWD",
            "OPTARG",
            "OPTIND",
            "PATH",
            "PERLLIB",
            "POSIXLY_CORRECT",
            "PPID",
            "PS4",
            "PWD",
            "RESOLV_HOST_CONF",
            "RES_OPTIONS",
            "RUBYLIB",
            "RUBYOPT",
            "SHELL",
            "SHELLOPTS",
            "SHLVL",
            "SOURCE_DATE_EPOCH",
            "TCLLIBPATH",
            "TERM",
            "UID",
        ];
        const FAMILIES: [&str; 11] = [
            "BASH",
            "CBUILD_",
            "LC_",
            "LD_",
            "LUA_",
            "MALLOC_",
            "PERL5",
            "PYTHON",
            "TMP",
            "TZ",
            "ZERO_AR_DATE",
        ];
        NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
    }

    /// The output `out`, which most derivations have as their only one.
    pub fn out() -> Self {
        static OUT: LazyLock<Arc<str>> = LazyLock::new(|| "out".into());
        Self(OUT.clone())
    }
}
