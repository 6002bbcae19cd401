//! The stable codes of this crate's messages, with the text that `cbuild explain` prints.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: &str = $code;)*

        /// Every code of this crate with its explanation, in ascending order.
        pub const ALL: &[(&str, &str)] = &[$(($code, $text)),*];
    };
}

codes! {
    SYNTAX = "E1101", "A `cbuild.mod` that is not TOML.";
    SHAPE = "E1102", "A key of `cbuild.mod` that is missing, unknown or of the wrong kind.";
    MODULE_PATH = "E1103", "A module path that is not of the form `example.org/name/v1`.";
    VERSION = "E1104", "A version that is not of the form `1.4.0`, or whose major version is not that of the module path.";
    SOURCE = "E1105", "A source that is no git repository, archive or registry reference.";
    IMPORT_NAME = "E1106", "A name for `import ext.NAME` that is not an identifier, or that two requirements share.";
    TOO_NEW = "E1107", "A module that needs a newer cbuild.";
    OVERRIDE = "E1108", "An override whose folder is not the module that it stands for.";
    LOCK_SYNTAX = "E1109", "A line of `cbuild.lock` that is not as `cbuild lock` writes it.";
    LOCK_MISSING = "E1110", "Requirements without a `cbuild.lock`.";
    LOCK_OUTDATED = "E1111", "A `cbuild.lock` that does not fit `cbuild.mod`.";
    CONFLICT = "E1112", "Two modules that name different sources for the same version of a module.";
    WRONG_MODULE = "E1113", "A source that holds no module, or another one than the one required.";
    WRONG_TREE = "E1114", "Files of a module that are not those that `cbuild.lock` pins.";
    VENDOR_CHANGED = "E1115", "A vendored module that was changed.";
    TOO_MANY = "E1116", "More modules than the limit.";
    FILE = "E1117", "A file or folder of a module that cannot be read or written.";
    NOT_REQUIRED = "E1118", "A module that `cbuild.mod` does not require.";
    NO_VERSION = "E1119", "A source that offers no version of a module.";
    NO_MANIFEST = "E1120", "A folder without a `cbuild.mod`.";
    PUBLISH = "E1121", "A module that cannot be published as it is.";
}

/// The explanation of a code of this crate.
pub fn explain(code: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
