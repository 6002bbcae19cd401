//! The stable codes of this crate's diagnostics, with what each means in a line.
//! `cbuild explain` tells more, from the pages in `book/src/errors/`.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal, $fix:literal;)*) => {
        $(#[doc = $text] pub const $name: &str = $code;)*

        /// Every code of this crate with its explanation, in ascending order.
        pub const ALL: &[(&str, &str)] = &[$(($code, $text)),*];

        /// What mostly helps, for errors that know nothing better.
        pub(crate) fn usual_fix(code: &str) -> Option<&'static str> {
            match code {
                $($code => Some($fix),)*
                _ => None,
            }
        }
    };
}

codes! {
    UNKNOWN_NAME = "E0201", "A value name that is not in scope.",
        "define it in this file, or import the module that has it";
    UNKNOWN_TYPE = "E0202", "A type name that is not in scope.",
        "define the type in this file, or import the module that has it";
    UNKNOWN_CONSTRUCTOR = "E0203", "A constructor or protocol name that is not in scope.",
        "write a case of the type, or define the type with it";
    UNKNOWN_MODULE = "E0204", "An import of a module that is not known. `std`, the modules that `cbuild.mod` requires (as `ext.NAME`) and files of the same package can be imported.",
        "require the module in `cbuild.mod`, or import a file of the package as `./FILE.cbuild`";
    MISSING_FILE = "E0205", "An import of a file that does not exist.",
        "create the file, or correct the path: it is relative to the folder of this file";
    IMPORT_CYCLE = "E0206", "Modules that import each other in a cycle.",
        "move what both need into a third file";
    IMPORT_LEAVES_PACKAGE = "E0207", "An import of a file outside the package.",
        "move the file into the package, or make it a module of its own";
    PRIVATE = "E0208", "A name of another module that is not marked `pub` there.",
        "write `pub` in front of its definition, or use something that is public";
    DUPLICATE_ITEM = "E0209", "Two items of one file with the same name.",
        "rename one of them";
    DUPLICATE_FIELD = "E0210", "A field that is given twice in one record or record type.",
        "remove one of them";
    DUPLICATE_BINDING = "E0211", "A parameter, type parameter, binding or pattern variable that is declared twice.",
        "rename one of them";
    EXTERN_OUTSIDE_STD = "E0212", "`extern` in a package other than the standard library.",
        "write it in the language, or use what the standard library has";
    ALIAS_CYCLE = "E0213", "A type alias that refers to itself. A recursive type must be a variant type.",
        "make it a variant type: `type Tree = Leaf | Node(List<Tree>)`";
    NOT_A_VALUE = "E0214", "A module or a type used where a value is needed.",
        "name a member of it: `module.name`";
    UNKNOWN_TYPE_VARIABLE = "E0215", "A type variable that is not declared.",
        "declare it behind the function's name: `fn f<a>(…)`";
    NO_MEMBER = "E0216", "A name that a module does not have.",
        "use a member that it has";
    UNREADABLE_FILE = "E0217", "A module file that exists but cannot be read.",
        "make it a readable file of UTF-8 text";
    TYPE_ARGUMENTS = "E0218", "A type with too many or too few type arguments.",
        "give it as many type arguments as it declares";
    FOREIGN_HOLE = "E0219", "A text with `${name}`, where the name is in scope.",
        "write `#{name}`";
    MISMATCH = "E0301", "A value of one type where another type is needed.",
        "change the value or the type, so that they agree";
    MISSING_FIELD = "E0302", "A record that lacks a field of the type that is needed.",
        "give the missing fields";
    UNKNOWN_FIELD = "E0303", "A record with a field that the needed type does not have.",
        "remove the field, or add it to the type";
    ARGUMENT_COUNT = "E0304", "A call with too many or too few arguments.",
        "give each parameter one argument";
    UNKNOWN_ARGUMENT = "E0305", "A named argument that the function does not have.",
        "use a parameter that the function has";
    DUPLICATE_ARGUMENT = "E0306", "An argument that is given twice.",
        "remove one of them";
    NOT_A_FUNCTION = "E0307", "A call of something that is no function.",
        "remove the arguments, or call a function";
    NO_FIELD = "E0308", "An access to a field that the value does not have.",
        "use a field that it has";
    TOO_COMPLEX = "E0309", "An expression, type or match that is nested too deeply or grows too large to be checked.",
        "split the definition, and annotate its parts";
    MISSING_ANNOTATION = "E0310", "A `pub` item without a full type annotation.",
        "write the types of the parameters and of the result";
    NOT_EXHAUSTIVE = "E0311", "A `match` that does not cover every case.",
        "add an arm for it, or `_ => …`";
    REDUNDANT_ARM = "E0312", "An arm of a `match` that can never be reached.",
        "remove the arm, or move it up";
    INFINITE_TYPE = "E0313", "A value whose type would contain itself.",
        "make it a variant type: `type Tree = Leaf | Node(List<Tree>)`";
    BAD_HOLE = "E0314", "A hole in a text or script with a value that has no text form there.",
        "put in a value that has a text form";
    OPERAND = "E0315", "An operator on a type that it does not work on.",
        "use an operator for this type, or convert the value";
    EQUAL_FUNCTIONS = "E0316", "A comparison of functions.",
        "compare the data that the functions were made from";
    TOO_GENERAL = "E0317", "An annotation that promises more than the definition gives: a type variable stands for every type.",
        "annotate it with the type that it has, or let it work for every type";
    CONSTRUCTOR_ARGUMENTS = "E0318", "A constructor with too many or too few arguments.",
        "give the constructor its payload";
    DEFAULT_TYPE = "E0319", "A default value that does not have the declared type.",
        "change the default or the declared type, so that they agree";
    UNKNOWN_WHOLE = "E0320", "A part of a record whose type is not known: the checker cannot tell which fields it may have.",
        "write out the type of the whole record in the annotation";
    NOT_DECODABLE = "E0321", "A type that no file can be decoded into, such as a function or a type variable.",
        "decode data: numbers, texts, truth values, hashes, lists, maps, records and variants";
    NOT_A_RECORD = "E0322", "A type that is no record where only a record can be: the members of a `Set`, the whole of a `Part`, the recipe of an `Overridable`, the contract of an `Image`, the further fields of a record.",
        "use a record type";
}

/// The explanation of a code of this crate.
pub fn explain(code: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
