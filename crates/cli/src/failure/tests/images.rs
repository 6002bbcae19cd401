//! Errors of packing and reading images.

use cbuild_drv::image::{FieldError, ImageDocument, ImageDocumentError};
use cbuild_oci::OciError as O;

use super::store::object;
use super::*;

fn no_document(text: &str) -> ImageDocumentError {
    ImageDocument::parse(text.as_bytes()).unwrap_err()
}

fn no_folder() -> O {
    let (reason, fix) = ("it must be an absolute path", "write it with a `/` in front");
    O::Field(FieldError::new("workdir", "srv", reason, fix))
}

fn wrong_content() -> O {
    let (blob, path) = ("sha256:11".to_owned(), "/home/me/redis.tar".into());
    O::WrongContent { path, blob, expected: "100 bytes".to_owned(), found: "90 bytes".to_owned() }
}

#[test]
fn image_errors() {
    let text = str::to_owned;
    let path = || "/home/me/redis.tar".into();
    let part = || "index.json".to_owned();
    let document = |bad: &str| O::Document { object: object("notes"), source: no_document(bad) };
    let a_folder = text("it is a folder or a link, and an image is one file");
    let named = object("gcc-13.2").to_string();
    let all = each!(O {
        O::NotAnImageObject { .. } => [
            O::NotAnImageObject { object: object("redis-7.0.15"), reason: a_folder },
        ],
        O::Document { .. } => [document("hello"), document("{}")],
        O::Field(_) => [no_folder()],
        O::EntryPoint { .. } => [
            O::EntryPoint {
                program: text("/bin/redis"),
                reason: text("is an empty file"),
                fix: "give a program",
            },
        ],
        O::Architecture { .. } => [O::Architecture {
            file: format!("{}/bin/app", object("app-1.0")),
            found: text("x86_64"),
            wanted: text("aarch64-linux"),
        }],
        O::OutsideClosure { .. } => [O::OutsideClosure { field: "cmd", named }],
        O::Store(_) => [cbuild_store::Error::NotInStore { path: object("zlib-1.3") }.into()],
        O::DamagedObject { .. } => [
            O::DamagedObject { path: "/s/x".into(), reason: text("it became shorter") },
        ],
        O::UnknownSystem(_) => [O::UnknownSystem(text("mips-linux"))],
        O::TargetExists { .. } => [O::TargetExists { path: path(), wanted: "a regular file" }],
        O::Read { .. } => [O::Read { path: path(), source: system(NO_SUCH_FILE) }],
        O::Write { .. } => [O::Write { path: path(), source: system(NO_SPACE) }],
        O::UnknownFormat { .. } => [
            O::UnknownFormat { path: path(), reason: text("it has neither index nor manifest") },
        ],
        O::BrokenArchive { .. } => [
            O::BrokenArchive { path: path(), reason: text("it ends at byte 512") },
        ],
        O::UnsafeEntry { .. } => [
            O::UnsafeEntry { path: path(), entry: text("../x"), reason: "which leads out of it" },
        ],
        O::MissingBlob { .. } => [
            O::MissingBlob { path: path(), blob: text("sha256:11"), named_by: part() },
        ],
        O::WrongContent { .. } => [wrong_content()],
        O::Unsupported { .. } => [
            O::Unsupported { path: path(), part: part(), what: "version", found: text("9") },
        ],
        O::Malformed { .. } => [
            O::Malformed { path: path(), part: part(), reason: text("missing field `manifests`") },
        ],
        O::TooLarge { .. } => [O::TooLarge { path: path(), part: part(), limit: text("4 MiB") }],
    });
    insta::assert_snapshot!(shown(all));
}
