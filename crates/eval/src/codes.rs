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
    CYCLE = "E0401", "A value that is needed to compute itself. The note names the globals and fields that the cycle goes through.",
        "give one of them a value that does not need the others";
    DEPTH = "E0402", "Calls or lazy values that are nested too deeply, mostly a recursion that does not end. Calls in tail position and the functions of `std.list` need no depth.",
        "check that the recursion ends";
    OVERFLOW = "E0403", "A number that does not fit 64 bits. Numbers never wrap around.",
        "use smaller numbers, or a text";
    DIVISION = "E0404", "A division by zero.",
        "look at the right side first: `if n == 0 then … else …`";
    ABORT = "E0405", "The program itself stopped the evaluation with `abort`.",
        "the program asks for this itself: change what it complains about, or the condition around this `abort`";
    SIZE = "E0406", "A list, map or text that is larger than the evaluator allows.",
        "make it in smaller parts, or check that what makes it ends";
    CANCELLED = "E0407", "The evaluation was cancelled from outside.",
        "start it again; if it takes too long, look for a recursion that does not end";
    PATH = "E0408", "A file or folder of the module that does not exist, cannot be read or is outside the package.",
        "create the file or folder, or correct the path: it is relative to the folder of this source";
    NAME = "E0409", "A text that cannot be the name of a package, image, output or system.",
        "use letters, digits and `+-._=`, and begin with a letter, a digit or `_`";
    ARGUMENT = "E0410", "A library function was given a value that its type allows but the function does not, such as a port over 65535.",
        "give this call a value that the message allows";
    CONTRACT = "E0411", "An image whose contract contradicts itself, such as an endpoint that it both needs and listens on.",
        "let the contract say each thing once: what it needs in `connects`, what it serves in `listens`";
    FUNCTION = "E0412", "A function where only data can stand: in a comparison, or in printed output.",
        "compare or print data, or what the function gives";
    DEFECT = "E0413", "The checked program is not what the evaluator expects. This is a defect in cbuild.",
        "this is a defect in cbuild: please report it with the source";
    EXTERN = "E0414", "The standard library declares an extern function that this evaluator does not have.",
        "use the standard library that belongs to this cbuild";
    FIELD = "E0415", "A target or command names a field that the value does not have.",
        "name a field that the value has";
    TEST = "E0416", "The claim of a `test` is false. The notes tell what its parts came to.",
        "correct the claim, or what it speaks of";
    MEMORY = "E0417", "An evaluation that needs more memory than it may use.",
        "look for a list, map or recursion that grows without end, or allow more with `--max-eval-memory`";
    UNREADABLE = "E0420", "A file that `decode` cannot read: it is not there, too large, not text, or its name does not tell its format.",
        "create the file, or correct the path: it is relative to the folder of this source";
    MALFORMED = "E0421", "A file that is not valid TOML, JSON or YAML.",
        "correct the file at this place";
    WRONG_KIND = "E0422", "A value in a decoded file that is not of the type that was asked for.",
        "change the value in the file, or the type that is decoded";
    MISSING_KEY = "E0423", "A table in a decoded file that lacks a key for which the type has neither `?` nor a default.",
        "add the key to the file, or make the field optional";
    BAD_CONTENT = "E0424", "A value in a decoded file that its type does not allow: an unknown case of a variant, a wrong payload, or a text that is no hash.",
        "change the value in the file, or the type that is decoded";
}

/// The explanation of a code of this crate.
pub fn explain(code: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
