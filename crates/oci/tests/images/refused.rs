//! Documents that are no images, and targets that must not be replaced.

use std::fs;
use std::os::unix::fs::symlink;

use cbuild_drv::image::ImageDocument;
use cbuild_drv::{Digest, StorePath};
use cbuild_oci::{Format, PackOptions, pack};

use crate::fixture::{ARM, Fixture, INTEL, MIPS, document, elf, options};

/// A change of the sample document.
type Change = fn(&mut ImageDocument);

/// Packs the sample document after a change; returns code and message.
fn refusal(change: impl FnOnce(&mut ImageDocument)) -> (&'static str, String) {
    let fixture = Fixture::new();
    let app = fixture.application(&elf(INTEL, None), &[]);
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
    let cases: [(Change, &str); 27] = [
        (|d| d.name = "My App".into(), "`name` is `My App`"),
        (|d| d.name = "a//b".into(), "`name` is `a//b`"),
        (|d| d.tag = "1.0+git".into(), "`tag` is `1.0+git`"),
        (|d| d.tag = String::new(), "`tag` is ``"),
        (|d| d.user = "redis".into(), "`user` is `redis`"),
        (|d| d.user = "1:+2".into(), "`user` is `1:+2`"),
        (|d| d.user = "4294967295:0".into(), "`user` is `4294967295:0`"),
        (|d| d.workdir = "data".into(), "`workdir` is `data`"),
        (|d| d.workdir = "/data/../etc".into(), "`workdir` is `/data/../etc`"),
        (|d| d.workdir = "/proc/1/x".into(), "`workdir` is `/proc/1/x`"),
        (|d| d.workdir = "/dev".into(), "`workdir` is `/dev`"),
        (|d| d.workdir = "/a\u{1b}[2J".into(), "`workdir` is `/a\\u{1b}[2J`"),
        (|d| drop(d.contract.volumes.insert("v".into(), "/d:ro".into())), "`volumes.v` is `/d:ro`"),
        (|d| drop(d.contract.volumes.insert(String::new(), "/d".into())), "`volumes` is ``"),
        (|d| drop(d.env.insert("A\n".into(), String::new())), "`vars.A\\n`"),
        (|d| d.contract.env.get_mut("level").unwrap().variable = "A=B".into(), "`env.level`"),
        (
            |d| d.contract.connects.get_mut("cache").unwrap().protocol.clear(),
            "`connects.cache.protocol`",
        ),
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
    let shell = fixture.application(&elf(INTEL, None), &[]);
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

/// Registers an object with one executable `bin/app`, or with an empty one.
fn program(fixture: &Fixture, name: &str, bytes: &[u8], needs: &[&StorePath]) -> StorePath {
    fixture.object(name, needs, |out| {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(out.join("bin")).unwrap();
        for file in ["app", "env"] {
            let file = out.join("bin").join(file);
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    })
}

/// Packs an image of one program after a change of the document; an error as code and message.
fn attempt(
    fixture: &Fixture,
    program: &StorePath,
    change: impl FnOnce(&mut ImageDocument),
) -> Result<(), (&'static str, String)> {
    let mut document = document(program);
    change(&mut document);
    let name = format!("image-{}", Digest::of(document.to_json().unwrap().as_bytes()));
    let image = fixture.object(&name, &[program], |out| {
        fs::write(out, document.to_json().unwrap()).unwrap();
    });
    let packed = fixture.pack(&image, &options(Format::OciArchive));
    packed.map(drop).map_err(|error| {
        assert!(error.help().is_some_and(|help| !help.is_empty()), "{error}");
        (error.code(), error.to_string())
    })
}

#[track_caller]
fn refused(
    fixture: &Fixture,
    app: &StorePath,
    change: impl FnOnce(&mut ImageDocument),
    expected: &str,
) {
    let (code, message) = attempt(fixture, app, change).unwrap_err();
    assert_eq!((code, message.contains(expected)), ("E0903", true), "{message}");
}

#[test]
fn what_the_kernel_does_not_start_is_refused() {
    let fixture = Fixture::new();
    let whole = elf(INTEL, None);
    let cases: [(&[u8], &str); 8] = [
        (b"", "is an empty file"),
        (b"echo hello\n", "is neither an ELF program nor a script that begins with `#!`"),
        (b"#!", "names no interpreter"),
        (b"#! \t\n/bin/sh\n", "names no interpreter"),
        (b"#!relative\n", "needs the interpreter `relative`, which is not an absolute path"),
        (b"#!/bin/sh\r\n", "does not exist in the image"),
        (b"\x7fELF", "is an ELF file"),
        (&whole[..100], "whose program headers are cut off"),
    ];
    for (position, (bytes, expected)) in cases.into_iter().enumerate() {
        let app = program(&fixture, &format!("app-{position}"), bytes, &[]);
        refused(&fixture, &app, |_| {}, expected);
        // What interprets a script has to start itself.
        let line = format!("#!{app}/bin/app\n");
        let script = program(&fixture, &format!("script-{position}"), line.as_bytes(), &[&app]);
        let expected = format!("needs the interpreter `{app}/bin/app`, which ");
        refused(&fixture, &script, |_| {}, &expected);
    }
}

#[test]
fn scripts_may_be_interpreters_as_far_as_the_kernel_follows() {
    let fixture = Fixture::new();
    let mut last = program(&fixture, "elf", &elf(INTEL, None), &[]);
    for depth in 1..=6 {
        let line = format!("#!{last}/bin/app\n");
        last = program(&fixture, &format!("script-{depth}"), line.as_bytes(), &[&last]);
        match depth {
            6 => refused(&fixture, &last, |_| {}, "leads through more than 5 scripts"),
            _ => attempt(&fixture, &last, |_| {}).unwrap(),
        }
    }
    let own = fixture.object("own", &[], |out| {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(out.join("bin")).unwrap();
        let base = StorePath::scratch(
            &cbuild_drv::ActionKey(Digest::of(b"own")),
            &cbuild_drv::OutputName::out(),
            &cbuild_drv::Name::new("own").unwrap(),
        );
        fs::write(out.join("bin/app"), format!("#!{base}/bin/app\n")).unwrap();
        fs::set_permissions(out.join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    refused(&fixture, &own, |_| {}, "leads through more than 5 scripts");
}

#[test]
fn loaders_are_in_the_image_and_of_its_platform() {
    let fixture = Fixture::new();
    let missing = program(&fixture, "missing", &elf(INTEL, Some("/lib64/ld-linux.so.2")), &[]);
    let expected = "needs the loader `/lib64/ld-linux.so.2`, which does not exist in the image";
    refused(&fixture, &missing, |_| {}, expected);
    let loader = program(&fixture, "loader", &elf(INTEL, None), &[]);
    let dynamic = |name: &str, loader: &StorePath| {
        let bytes = elf(INTEL, Some(&format!("{loader}/bin/app")));
        program(&fixture, name, &bytes, &[loader])
    };
    attempt(&fixture, &dynamic("dynamic", &loader), |_| {}).unwrap();
    let foreign = program(&fixture, "foreign", &elf(ARM, None), &[]);
    let (code, message) = attempt(&fixture, &dynamic("mixed", &foreign), |_| {}).unwrap_err();
    assert_eq!(code, "E0918");
    assert!(message.starts_with(&format!("`{foreign}/bin/app` is a program for aarch64-linux")));
    let text = program(&fixture, "text", b"#!/bin/sh\n", &[]);
    let expected = format!("needs the loader `{text}/bin/app`, which is a script");
    refused(&fixture, &dynamic("scripted", &text), |_| {}, &expected);
    // A loader that is given the program needs none that the program names.
    let both = program(&fixture, "both", &elf(INTEL, None), &[&missing]);
    let link = format!("{missing}/bin/app");
    let document = |d: &mut ImageDocument| d.cmd = vec![format!("{both}/bin/app"), link];
    let object = fixture.object("with", &[&both, &missing], |out| {
        fs::write(out, format!("{both} {missing}")).unwrap();
    });
    let mut changed = crate::fixture::document(&object);
    document(&mut changed);
    let image = fixture.image(&changed, &[&both, &missing]);
    fixture.pack(&image, &options(Format::OciArchive)).unwrap();
}

#[test]
fn what_env_starts_is_on_the_path_of_the_image() {
    let fixture = Fixture::new();
    let env = program(&fixture, "env", &elf(INTEL, None), &[]);
    let script = |name: &str, rest: &str| {
        let line = format!("#!{env}/bin/env{rest}\n");
        program(&fixture, name, line.as_bytes(), &[&env])
    };
    let path =
        |value: String| move |d: &mut ImageDocument| drop(d.env.insert("PATH".into(), value));
    let app = script("app", " app -u");
    refused(&fixture, &app, |_| {}, "which is told to find `app -u`, and the image has no PATH");
    let app = script("plain", " app");
    let expected = format!("needs the interpreter `{env}/bin/env`, which finds no `app` in the");
    refused(&fixture, &app, path("/usr/bin:/bin".into()), &expected);
    attempt(&fixture, &app, path(format!("/usr/bin:{env}/bin"))).unwrap();
    // What will be mounted there is not known.
    attempt(&fixture, &app, path("/data/bin".into())).unwrap();
    let split = script("split", " -S A=1 app -u");
    attempt(&fixture, &split, path(format!("{env}/bin"))).unwrap();
    let none = script("none", "");
    refused(&fixture, &none, |_| {}, "comes back to itself by way of `env`");
    let direct = |d: &mut ImageDocument| {
        d.cmd = vec![format!("{env}/bin/env"), "sh".into(), "-c".into(), "true".into()];
    };
    refused(&fixture, &env, direct, "is told to find `sh`, and the image has no PATH");
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
    let intel = program("intel", &elf(INTEL, None), &[]);
    let arm = program("arm", &elf(ARM, None), &[]);
    let mips = program("mips", &elf(MIPS, None), &[]);
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
    let app = fixture.application(&elf(INTEL, None), &[]);
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

#[test]
fn damaged_objects_are_not_packed() {
    use std::os::unix::fs::PermissionsExt;
    let overwrite = |path: &std::path::Path, change: fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(path).unwrap();
        change(&mut bytes);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    };
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    for format in Format::ALL {
        for part in ["image", "data", "name"] {
            let fixture = Fixture::new();
            let library = fixture.library();
            let image = fixture.sample();
            let top = fixture.store.physical(&library);
            let share = top.join("share");
            match part {
                "image" => overwrite(&fixture.store.physical(&image), |bytes| {
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    *bytes = text.replace("--flag", "--flog").into_bytes();
                }),
                "data" => {
                    let long = fs::read_dir(&share).unwrap().map(|entry| entry.unwrap().path());
                    let mut folders = long.filter(|path| path.is_dir());
                    overwrite(&folders.next().unwrap().join("data"), flip);
                }
                _ => {
                    fs::set_permissions(&share, fs::Permissions::from_mode(0o755)).unwrap();
                    fs::write(share.join("more"), "").unwrap();
                }
            }
            let error = fixture.pack(&image, &options(format)).unwrap_err();
            assert_eq!(error.code(), "E0905", "{part}: {error}");
            assert!(!fixture.out(format.as_str()).exists());
            // That is known from now on.
            let error = fixture.pack(&image, &options(format)).unwrap_err();
            assert_eq!(error.code(), "E0613", "{part}: {error}");
        }
    }
}
