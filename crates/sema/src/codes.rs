//! The stable codes of this crate's diagnostics, with what each means in a line.
//! `cbuild explain` tells more, from the pages in `book/src/errors/`.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: &str = $code;)*

        /// Every code of this crate with its explanation, in ascending order.
        pub const ALL: &[(&str, &str)] = &[$(($code, $text)),*];
    };
}

codes! {
    UNKNOWN_NAME = "E0201", "A value name that is not in scope.";
    UNKNOWN_TYPE = "E0202", "A type name that is not in scope.";
    UNKNOWN_CONSTRUCTOR = "E0203", "A constructor or protocol name that is not in scope.";
    UNKNOWN_MODULE = "E0204", "An import of a module that is not known. `std`, the modules that `cbuild.mod` requires (as `ext.NAME`) and files of the same package can be imported.";
    MISSING_FILE = "E0205", "An import of a file that does not exist.";
    IMPORT_CYCLE = "E0206", "Modules that import each other in a cycle.";
    IMPORT_LEAVES_PACKAGE = "E0207", "An import of a file outside the package.";
    PRIVATE = "E0208", "A name of another module that is not marked `pub` there.";
    DUPLICATE_ITEM = "E0209", "Two items of one file with the same name.";
    DUPLICATE_FIELD = "E0210", "A field that is given twice in one record or record type.";
    DUPLICATE_BINDING = "E0211", "A parameter, type parameter, binding or pattern variable that is declared twice.";
    EXTERN_OUTSIDE_STD = "E0212", "`extern` in a package other than the standard library.";
    ALIAS_CYCLE = "E0213", "A type alias that refers to itself. A recursive type must be a variant type.";
    NOT_A_VALUE = "E0214", "A module or a type used where a value is needed.";
    UNKNOWN_TYPE_VARIABLE = "E0215", "A type variable that is not declared.";
    NO_MEMBER = "E0216", "A name that a module does not have.";
    UNREADABLE_FILE = "E0217", "A module file that exists but cannot be read.";
    TYPE_ARGUMENTS = "E0218", "A type with too many or too few type arguments.";
    MISMATCH = "E0301", "A value of one type where another type is needed.";
    MISSING_FIELD = "E0302", "A record that lacks a field of the type that is needed.";
    UNKNOWN_FIELD = "E0303", "A record with a field that the needed type does not have.";
    ARGUMENT_COUNT = "E0304", "A call with too many or too few arguments.";
    UNKNOWN_ARGUMENT = "E0305", "A named argument that the function does not have.";
    DUPLICATE_ARGUMENT = "E0306", "An argument that is given twice.";
    NOT_A_FUNCTION = "E0307", "A call of something that is no function.";
    NO_FIELD = "E0308", "An access to a field that the value does not have.";
    TOO_COMPLEX = "E0309", "An expression, type or match that is nested too deeply or grows too large to be checked.";
    MISSING_ANNOTATION = "E0310", "A `pub` item without a full type annotation.";
    NOT_EXHAUSTIVE = "E0311", "A `match` that does not cover every case.";
    REDUNDANT_ARM = "E0312", "An arm of a `match` that can never be reached.";
    INFINITE_TYPE = "E0313", "A value whose type would contain itself.";
    BAD_HOLE = "E0314", "A hole in a text or script with a value that has no text form there.";
    OPERAND = "E0315", "An operator on a type that it does not work on.";
    EQUAL_FUNCTIONS = "E0316", "A comparison of functions.";
    TOO_GENERAL = "E0317", "An annotation that promises more than the definition gives: a type variable stands for every type.";
    CONSTRUCTOR_ARGUMENTS = "E0318", "A constructor with too many or too few arguments.";
    DEFAULT_TYPE = "E0319", "A default value that does not have the declared type.";
    UNKNOWN_WHOLE = "E0320", "A part of a record whose type is not known: the checker cannot tell which fields it may have.";
    NOT_DECODABLE = "E0321", "A type that no file can be decoded into, such as a function or a type variable.";
}

/// The explanation of a code of this crate.
pub fn explain(code: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
