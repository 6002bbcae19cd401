//! The types that are in the language itself.

/// Name with parameters, and what it is.
pub(crate) const TYPES: &[(&str, &str, &str)] = &[
    ("Bool", "Bool", "A truth value: `true` or `false`."),
    (
        "Hash",
        "Hash",
        "The hash of a download, such as `sha256-…`; checked when the file is parsed.",
    ),
    ("Int", "Int", "A whole number of 64 bits. Arithmetic that would overflow is an error."),
    ("List", "List<a>", "A list of values of one type, as `[1, 2]`. Its items are lazy."),
    ("Map", "Map<a>", "Values by text, written as a record where a map is expected."),
    ("Option", "Option<a>", "A value that may be absent: `None` or `Some(value)`."),
    ("Path", "Path", "A file or folder of the module, such as `./patch.diff`."),
    ("Protocol", "Protocol<p>", "A value that stands for a declared `protocol`."),
    ("Script", "Script", "Text that may refer to packages, as `sh\"…\"`."),
    ("Str", "Str", "Text: Unicode, without references to packages."),
];

/// Whether a name is that of a built-in type.
pub(crate) fn is_builtin(name: &str) -> bool {
    TYPES.iter().any(|(known, ..)| *known == name)
}
