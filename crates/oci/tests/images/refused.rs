//! Documents that are no images, and targets that must not be replaced.

use std::fs;
use std::os::unix::fs::symlink;

use cbuild_drv::image::ImageDocument;
use cbuild_drv::{Digest, StorePath};
use cbuild_oci::{Format, PackOptions, pack};

use crate::fixture::{Fixture, document, options};

/// A change of the sample document.
type Change = fn(&mut ImageDocument);

/// Packs the sample document after a change; returns code and message.
fn refusal(change: impl FnOnce(&mut ImageDocument)) -> (&'static str, String) {
    let fixture = Fixture::new();
    let app = fixture.application(b"\x7fELF", &[]);
    let mut document = document(&app);
    change(&mut document);
    let image = fixture.image(&document, &[&app]);
    let error = fixture.pack(&image, &options(Format::Oci)).unwrap_err();
    assert!(error.help().is_some(), "{error}");
    assert!(!fixture.out("oci").exists());
    (error.code(), error.to_string())
}

#[test]
fn fields_that_no_image_can_have() {
    let cases: [(Change, &str); 19] = [
        (|d| d.name = "My App".into(), "`name` is `My App`"),
        (|d| d.name = "a//b".into(), "`name` is `a//b`"),
        (|d| d.tag = "1.0+git".into(), "`tag` is `1.0+git`"),
        (|d| d.tag = String::new(), "`tag` is ``"),
        (|d| d.user = "redis".into(), "`user` is `redis`"),
        (|d| d.user = "1:+2".into(), "`user` is `1:+2`"),
        (|d| d.user = "4294967295:0".into(), "`user` is `4294967295:0`"),
        (|d| d.workdir = "data".into(), "`workdir` is `data`"),
        (|d| d.workdir = "/data/../etc".into(), "`workdir` is `/data/../etc`"),
        (|d| d.workdir = "/cbuild/nothing".into(), "`workdir` is `/cbuild/nothing`"),
        (|d| drop(d.contract.volumes.insert("v".into(), "/cbuild/store".into())), "`volumes.v`"),
        (|d| drop(d.contract.volumes.insert("v".into(), "/".into())), "`volumes.v`"),
        (|d| drop(d.contract.volumes.insert("v".into(), "/proc/self".into())), "`volumes.v`"),
        (|d| drop(d.contract.volumes.insert("v".into(), "/data".into())), "`volumes.v` is `/data`"),
        (|d| drop(d.env.insert("LEVEL".into(), String::new())), "`env.level` is `LEVEL`"),
        (|d| d.cmd.push("a\0b".into()), "`cmd` is `a\\0b`"),
        (|d| drop(d.env.insert("A=B".into(), String::new())), "`vars.A=B`"),
        (
            |d| d.contract.listens.get_mut("api").unwrap().transport = "sctp".into(),
            "`listens.api.transport` is `sctp`",
        ),
        (|d| d.contract.listens.get_mut("api").unwrap().port = 0, "`listens.api.port` is `0`"),
    ];
    for (change, expected) in cases {
        let (code, message) = refusal(change);
        assert_eq!(code, "E0902", "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(refusal(|d| d.system = "vax-vms".into()).0, "E0906");
}

#[test]
fn programs_that_cannot_start() {
    let cases: [(Change, &str); 6] = [
        (|d| d.cmd.clear(), "has no command"),
        (|d| d.cmd[0] = "app".into(), "`app` is not an absolute path"),
        (|d| d.cmd[0] = "/bin/sh".into(), "`/bin/sh` does not exist in the image"),
        (|d| d.cmd[0].push('x'), "does not exist in the image"),
        (|d| d.cmd[0] = d.cmd[0].replace("/bin/app", "/bin"), "is not a regular file"),
        (|d| d.cmd[0] = "/cbuild/store".into(), "does not exist in the image"),
    ];
    for (change, expected) in cases {
        let (code, message) = refusal(change);
        assert_eq!(code, "E0903", "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn programs_are_found_through_links_and_interpreters() {
    let fixture = Fixture::new();
    let shell = fixture.application(b"\x7fELF", &[]);
    let script = fixture.object("script-1.0", &[&shell], |out| {
        fs::create_dir_all(out.join("bin")).unwrap();
        let write = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt;
            fs::write(out.join(name), text).unwrap();
            fs::set_permissions(out.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("good", &format!("#! {shell}/bin/app -e\n"));
        write("bad", "#!/bin/sh\n");
        fs::write(out.join("plain"), "text").unwrap();
        symlink("../good", out.join("bin/relative")).unwrap();
        symlink(format!("{shell}/bin/../bin/app"), out.join("bin/absolute")).unwrap();
        symlink("loop", out.join("bin/loop")).unwrap();
    });
    let attempt = |program: &str| {
        let document = document(&script);
        let document = ImageDocument {
            cmd: vec![format!("{script}/{program}")],
            workdir: format!("{script}/bin"),
            ..document
        };
        let fixture_image =
            fixture.object(&format!("image-{}", program.replace('/', "-")), &[&script], |out| {
                fs::write(out, document.to_json().unwrap()).unwrap();
            });
        fixture.pack(&fixture_image, &options(Format::Oci)).map_err(|error| error.to_string())
    };
    for program in ["good", "bin/relative", "bin/absolute", "./bin/../good"] {
        attempt(program).unwrap();
    }
    for (program, expected) in [
        ("bad", "needs the interpreter `/bin/sh`, which does not exist in the image"),
        ("plain", "is not executable"),
        ("bin/loop", "is a loop of symbolic links"),
    ] {
        let message = attempt(program).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

/// The first bytes of an ELF file.
fn elf(class: u8, order: u8, machine: [u8; 2]) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1]);
    header[18..20].copy_from_slice(&machine);
    header
}

#[test]
fn programs_are_for_the_platform_of_the_image() {
    let fixture = Fixture::new();
    let program = |name: &str, bytes: &[u8], needs: &[&StorePath]| {
        fixture.object(name, needs, |out| {
            use std::os::unix::fs::PermissionsExt;
            fs::create_dir_all(out.join("bin")).unwrap();
            fs::write(out.join("bin/app"), bytes).unwrap();
            fs::set_permissions(out.join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
        })
    };
    let intel = program("intel", &elf(2, 1, [62, 0]), &[]);
    let arm = program("arm", &elf(2, 1, [183, 0]), &[]);
    let mips = program("mips", &elf(1, 2, [0, 8]), &[]);
    let script = program("script", format!("#!{intel}/bin/app -e\n").as_bytes(), &[&intel]);
    let above = program("above", format!("#! {script}/bin/app\n").as_bytes(), &[&script]);
    let link = fixture.object("link", &[&script], |out| {
        symlink(format!("{script}/bin"), out).unwrap();
    });
    let attempt = |system: &str, words: &[(&StorePath, &str)]| {
        let (system, first) = (system.to_owned(), words[0].0);
        let cmd: Vec<_> = words.iter().map(|(object, path)| format!("{object}/{path}")).collect();
        let document = ImageDocument { system, cmd, ..document(first) };
        let objects: Vec<_> = words.iter().map(|(object, _)| *object).collect();
        let name = format!("image-{}", Digest::of(document.to_json().unwrap().as_bytes()));
        let image = fixture.object(&name, &objects, |out| {
            fs::write(out, document.to_json().unwrap()).unwrap();
        });
        fixture.pack(&image, &options(Format::OciArchive)).map_err(|e| (e.code(), e.to_string()))
    };
    attempt("x86_64-linux", &[(&intel, "bin/app"), (&above, "bin/app")]).unwrap();
    attempt("aarch64-linux", &[(&arm, "bin/app")]).unwrap();
    let refused = [
        ("aarch64-linux", vec![(&intel, "bin/app")], &intel, "x86_64-linux"),
        ("aarch64-linux", vec![(&script, "bin/app")], &intel, "x86_64-linux"),
        ("aarch64-linux", vec![(&above, "bin/app")], &intel, "x86_64-linux"),
        ("aarch64-linux", vec![(&link, "app")], &intel, "x86_64-linux"),
        ("x86_64-linux", vec![(&intel, "bin/app"), (&arm, "bin/app")], &arm, "aarch64-linux"),
        ("x86_64-linux", vec![(&mips, "bin/app")], &mips, "ELF machine 8 (32 bits, big endian)"),
    ];
    for (system, words, file, found) in refused {
        let (code, message) = attempt(system, &words).unwrap_err();
        assert_eq!(code, "E0918", "{message}");
        let wanted =
            format!("`{file}/bin/app` is a program for {found}, and the image is for {system}");
        assert_eq!(message, wanted);
    }
}

#[test]
fn objects_outside_the_closure() {
    let fixture = Fixture::new();
    let app = fixture.application(b"\x7fELF", &[]);
    let library = fixture.library();
    let mut document = document(&app);
    document.contents.push(library.to_string());
    // The library is no candidate of the reference scan, so that it is not in the closure.
    let image = fixture.image(&document, &[&app]);
    let error = fixture.pack(&image, &options(Format::Oci)).unwrap_err();
    assert_eq!(error.code(), "E0904");
    assert!(error.to_string().contains(&library.to_string()), "{error}");
}

#[test]
fn objects_that_are_no_images() {
    let fixture = Fixture::new();
    let folder = fixture.library();
    let text = fixture.object("text", &[], |out| fs::write(out, "not JSON").unwrap());
    for object in [&folder, &text] {
        let error = fixture.pack(object, &options(Format::Oci)).unwrap_err();
        assert_eq!(error.code(), "E0901", "{error}");
    }
    let absent = Fixture::new().sample();
    let error = Fixture::new().pack(&absent, &options(Format::Oci)).unwrap_err();
    assert_eq!(error.code(), "E0613", "{error}");
}

#[test]
fn targets_and_budgets() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    fs::create_dir(fixture.out("busy")).unwrap();
    fs::write(fixture.out("busy/file"), "mine").unwrap();
    for format in Format::ALL {
        let target = fixture.out("busy");
        let error = pack(&fixture.store, &image, &options(format), &target).unwrap_err();
        assert_eq!(error.code(), "E0907", "{error}");
    }
    assert_eq!(fs::read_to_string(fixture.out("busy/file")).unwrap(), "mine");
    for max_layers in [0, 128] {
        let options = PackOptions { max_layers, ..PackOptions::default() };
        assert_eq!(fixture.pack(&image, &options).unwrap_err().code(), "E0902");
    }
    let options = PackOptions { max_layers: 1, ..PackOptions::default() };
    assert_eq!(fixture.pack(&image, &options).unwrap().1.layers.len(), 1);
}
