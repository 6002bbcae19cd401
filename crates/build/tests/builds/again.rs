//! Second builds, and what is different in them.

use std::num::NonZeroUsize;

use cbuild_build::{Again, Builder, Variation, plain_processor};
use cbuild_drv::DrvId;

use crate::world::{World, described, out};

/// Everything is different, as for `cbuild build --check=vary`.
fn variation() -> Variation {
    Variation {
        host_name: "elsewhere".to_owned(),
        user: 1001,
        umask: 0o077,
        cores: NonZeroUsize::MIN,
        one_processor: true,
        cpu_info: plain_processor("flags : fpu sse2 avx2\n"),
        build_folder: "/build/moved".into(),
        reversed: true,
        inputs_moved: true,
    }
}

/// Builds a step twice; gives both texts of its output and what is known about the second build.
#[track_caller]
fn both(world: &World, drv: DrvId, vary: Option<&Variation>) -> (String, String, Again) {
    let first = world.built_text(drv);
    let options = world.options.clone();
    let builder = Builder::new(&world.store, &world.graph, &world.fetcher, options, &|_| {});
    let again = builder.again(&drv, vary).unwrap_or_else(|error| panic!("{}", described(&error)));
    let second = std::fs::read_to_string(&again.outputs[0].2).unwrap();
    (first, second, again)
}

pub(crate) fn a_second_build_is_the_same_and_not_kept() {
    let mut world = World::new();
    let fixed =
        world.sh("fixed", "pwd > $out; umask >> $out; cat /proc/sys/kernel/hostname >> $out", &[]);
    let (first, second, again) = both(&world, fixed, None);
    assert_eq!((first.as_str(), &first), ("/build\n0022\ncbuild\n", &second));
    assert!(!again.moved);
    let place = again.outputs[0].2.clone();
    drop(again);
    assert!(!place.exists());
}

pub(crate) fn a_varied_build_sees_another_world() {
    let mut world = World::new();
    let script = "cd /build; pwd > $out; umask >> $out; cat /proc/sys/kernel/hostname >> $out
        stat -c %u . >> $out; echo $CBUILD_CORES >> $out; grep -m1 ^flags /proc/cpuinfo >> $out
        grep Cpus_allowed_list /proc/self/status >> $out; ls -d /build/build.sh >> $out";
    let look = world.sh("look", script, &[]);
    world.options.cores = NonZeroUsize::new(7).unwrap();
    let (first, second, again) = both(&world, look, Some(&variation()));
    assert!(again.moved);
    let (first, second): (Vec<&str>, Vec<&str>) =
        (first.lines().collect(), second.lines().collect());
    assert_eq!(first[..5], ["/build", "0022", "cbuild", "1000", "7"]);
    assert_eq!(second[..5], ["/build/moved", "0077", "elsewhere", "1001", "1"]);
    assert_eq!(second[5], "flags : fpu sse2");
    let processors = second[6].split_ascii_whitespace().last().unwrap();
    assert!(processors.bytes().all(|byte| byte.is_ascii_digit()), "{processors}");
    assert_eq!((first[7], second[7]), ("/build/build.sh", "/build/moved/build.sh"));
}

/// Each mount names the folder of the host that it comes from.
pub(crate) fn a_varied_build_gets_its_inputs_from_elsewhere() {
    let mut world = World::new();
    let input =
        world.sh("input", "mkdir $out; echo content > $out/file; ln -s file $out/link", &[]);
    let script = "while read -r id parent device root place rest; do
            case $place in /cbuild/store/*-input) echo $root;; esac
        done < /proc/self/mountinfo > $out; cat {{i}}/link >> $out";
    let look = world.sh("look", script, &[("i", out(input))]);
    let (first, second, _) = both(&world, look, Some(&variation()));
    let (first, second) = (first.split_once('\n').unwrap(), second.split_once('\n').unwrap());
    assert!(first.0.ends_with("-input") && second.0.ends_with("-input"), "{first:?}");
    assert_ne!(first.0, second.0);
    assert_eq!((first.1, second.1), ("content\n", "content\n"));
}

/// The name of the folder is put together, so that nobody can replace it.
pub(crate) fn what_insists_on_the_build_folder_gets_it() {
    let mut world = World::new();
    let insists = world.sh("insists", "here=/bui; echo 1 > ${here}ld/file; pwd > $out", &[]);
    let (first, second, again) = both(&world, insists, Some(&variation()));
    assert!(!again.moved);
    assert_eq!((first.as_str(), second.as_str()), ("/build\n", "/build\n"));
}

/// In memory, where directories are listed in the order in which files were made. Most file systems
/// on disks sort by a hash of the names.
pub(crate) fn a_varied_build_lists_its_folder_in_another_order() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut world = World::at(folder.path());
    let mut listing = world.script("listing", &["out"], "find . -name '*.txt' > $out", &[]);
    let cbuild_drv::Action::Exec(exec) = &mut listing.action else { panic!("a program") };
    for name in ["a.txt", "b.txt", "c.txt", "d.txt"] {
        exec.files.insert(name.to_owned(), cbuild_drv::Template::from(name));
    }
    let listing = world.graph.add(listing);
    let (first, second, _) = both(&world, listing, Some(&variation()));
    let turned: Vec<&str> = second.lines().rev().collect();
    assert_eq!(first.lines().collect::<Vec<_>>(), turned);
    assert_eq!(first.lines().count(), 4);
}
