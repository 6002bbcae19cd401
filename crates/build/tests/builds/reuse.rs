//! What is not done again: memos, early cutoff, and work of other processes.

use std::path::Path;
use std::process::{Command, Stdio};

use cbuild_build::{Builder, Event, Kind, Outcome, Target};

use crate::world::{World, out};

/// First argument of this test program when it plays another process.
pub(crate) const OTHER_PROCESS: &str = "--other-process";

pub(crate) fn a_second_build_does_nothing() {
    let mut world = World::new();
    let below = world.sh("below", "echo 1 > $out", &[]);
    let top = world.sh("top", "cat {{b}} > $out", &[("b", out(below))]);
    let first = world.build(&[top]).unwrap();
    let second = world.build(&[top]).unwrap();
    assert_eq!(first, second);
    assert_eq!(world.events(), [Event::Planned { total: 0, expected: None }]);
    let again = World::at(&world.root);
    let again = World { graph: world.graph.clone(), ..again };
    again.build(&[top]).unwrap();
    assert_eq!(again.events(), [Event::Planned { total: 0, expected: None }]);
}

pub(crate) fn a_hundred_nodes_are_answered_by_one_memo() {
    let mut world = World::new();
    let mut last = world.sh("n", "echo > $out", &[]);
    for number in 0..100 {
        let text = format!("{number} {{{{last}}}}");
        let node = crate::world::text_file(&format!("n{number}"), &text, &[("last", out(last))]);
        last = world.graph.add(node);
    }
    world.build(&[last]).unwrap();
    let started = std::time::Instant::now();
    world.build(&[last]).unwrap();
    eprintln!("no-op build over 100 nodes: {:?}", started.elapsed());
    assert_eq!(world.events(), [Event::Planned { total: 0, expected: None }]);
}

pub(crate) fn equal_output_cuts_off_what_lies_above() {
    let mut world = World::new();
    let chain = |world: &mut World, script: &str| {
        let below = world.sh("below", script, &[]);
        let middle = world.sh("middle", "cat {{b}} {{b}} > $out", &[("b", out(below))]);
        world.sh("top", "cat {{m}} > $out", &[("m", out(middle))])
    };
    let first = chain(&mut world, "echo 1 > $out");
    let commented = chain(&mut world, "echo 1 > $out # changed");
    let other = chain(&mut world, "echo 2 > $out");
    world.build(&[first]).unwrap();
    world.build(&[commented]).unwrap();
    let expected =
        [("below", Outcome::Built), ("middle", Outcome::CutOff), ("top", Outcome::CutOff)];
    assert_eq!(world.finished(), expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    assert_eq!(world.path(first, "out"), world.path(commented, "out"));
    world.build(&[other]).unwrap();
    assert!(world.finished().iter().all(|(_, outcome)| *outcome == Outcome::Built));
}

pub(crate) fn equal_actions_run_once() {
    let mut world = World::new();
    let mut top = Vec::new();
    for number in 0..4 {
        let below = world.sh("below", &format!("echo 1 > $out # {number}"), &[]);
        let script = "cat {{b}} /proc/sys/kernel/random/uuid > $out";
        top.push(world.sh("top", script, &[("b", out(below))]));
    }
    let places = world.build(&top).unwrap();
    assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    let built = world
        .finished_own()
        .into_iter()
        .filter(|(name, outcome)| name == "top" && *outcome == Outcome::Built);
    assert_eq!(built.count(), 1);
}

/// Four steps, the results of which no two runs can have in common by chance.
fn random_steps(world: &mut World) -> Vec<cbuild_drv::DrvId> {
    let script = "cat /proc/sys/kernel/random/uuid > $out; sleep 0.2";
    (0..4).map(|number| world.sh(&format!("random{number}"), script, &[])).collect()
}

pub(crate) fn other_process(root: &Path) {
    let mut world = World::at(root);
    let steps = random_steps(&mut world);
    for place in world.build(&steps).unwrap() {
        println!("{}", place.display());
    }
}

pub(crate) fn two_processes_share_one_build() {
    let mut world = World::new();
    let steps = random_steps(&mut world);
    let other = Command::new(std::env::current_exe().unwrap())
        .arg(OTHER_PROCESS)
        .arg(&world.root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let places = world.build(&steps).unwrap();
    let output = other.wait_with_output().unwrap();
    assert!(output.status.success());
    let mine: String = places.iter().map(|place| format!("{}\n", place.display())).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), mine);
    assert!(world.store.verify(&cbuild_store::VerifyOptions::default()).unwrap().is_clean());
}

/// Somebody else holds the action, until it is told that this is waited for.
pub(crate) fn work_of_others_is_waited_for_and_told() {
    let mut world = World::new();
    let drv = world.sh("held", "echo 1 > $out", &[]);
    world.build(&[world.busybox]).unwrap();
    let target = [Target::out(drv)];
    let builder = |events| {
        Builder::new(&world.store, &world.graph, &world.fetcher, world.options.clone(), events)
    };
    let key = builder(&|_| {}).known(&target).unwrap()[&drv].resolved.as_ref().unwrap().0;
    let other = cbuild_store::Store::open(&world.root).unwrap();
    let held = std::sync::Mutex::new(other.try_lock_action(&key).unwrap());
    assert!(held.lock().unwrap().is_some());
    let told = std::sync::Mutex::new(Vec::new());
    let listen = |event| {
        if let Event::Elsewhere { waits, .. } = event {
            told.lock().unwrap().push(waits);
            drop(held.lock().unwrap().take());
        }
    };
    builder(&listen).build(&target).unwrap();
    assert_eq!(*told.lock().unwrap(), [true, false]);
}

pub(crate) fn what_a_run_uses_is_not_collected() {
    let mut world = World::new();
    let drv = world.sh("used", "echo 1 > $out", &[]);
    let places = world.build(&[drv]).unwrap();
    let collect = || {
        let store = cbuild_store::Store::open(&world.root).unwrap();
        store.gc(cbuild_store::GcOptions::default()).unwrap()
    };
    collect();
    assert!(places[0].exists(), "the first store value is open still");
    let root = world.root.clone();
    let World { store, graph, _folder, .. } = world;
    drop(store);
    let later = cbuild_store::Store::open(&root).unwrap();
    later.gc(cbuild_store::GcOptions::default()).unwrap();
    assert!(!places[0].exists(), "nothing keeps it any more");
    drop(later);
    let again = World { graph, ..World::at(&root) };
    assert_eq!(again.built_text(drv), "1\n");
    assert_eq!(again.finished_own(), [("used".to_owned(), Outcome::Built)]);
}

pub(crate) fn a_plan_tells_what_is_certain() {
    let mut world = World::new();
    let below = world.sh("below", "echo 1 > $out", &[]);
    let top = world.sh("top", "cat {{b}} > $out", &[("b", out(below))]);
    let plan = |world: &World, drv| {
        let none = |_| {};
        let options = world.options.clone();
        let builder = Builder::new(&world.store, &world.graph, &world.fetcher, options, &none);
        let plan = builder.plan(&[Target::out(drv)]).unwrap();
        let steps = plan.steps.into_iter();
        steps.map(|step| (step.name.to_string(), step.kind, step.certain)).collect::<Vec<_>>()
    };
    let all = [
        ("busybox.deb".to_owned(), Kind::Fetch, true),
        ("busybox-root".to_owned(), Kind::Assemble, false),
        ("below".to_owned(), Kind::Exec, false),
        ("top".to_owned(), Kind::Exec, false),
    ];
    assert_eq!(plan(&world, top), all);
    world.build(&[top]).unwrap();
    assert_eq!(plan(&world, top), []);
    let below = world.sh("below", "echo 1 > $out # changed", &[]);
    let top = world.sh("top", "cat {{b}} > $out", &[("b", out(below))]);
    let below = ("below".to_owned(), Kind::Exec, true);
    assert_eq!(plan(&world, top), [below, ("top".to_owned(), Kind::Exec, false)]);
}

pub(crate) fn many_small_steps() {
    let mut world = World::new();
    let first = world.sh("first", "echo > $out", &[]);
    world.build(&[first]).unwrap();
    let steps: Vec<_> = (0..300)
        .map(|n| world.sh(&format!("small{n}"), &format!("echo {n} > $out"), &[]))
        .collect();
    let started = std::time::Instant::now();
    let places = world.build(&steps).unwrap();
    eprintln!("300 steps: {:?}", started.elapsed());
    for (number, place) in places.iter().enumerate() {
        assert_eq!(std::fs::read_to_string(place).unwrap(), format!("{number}\n"));
    }
    assert_eq!(world.finished().len(), 300);
    world.build(&steps).unwrap();
    assert_eq!(world.events(), [Event::Planned { total: 0, expected: None }]);
}

/// A change that does not alter the output of a step at the bottom rebuilds nothing above it.
pub(crate) fn an_equal_output_rebuilds_nothing_of_a_thousand() {
    const STEPS: usize = 1000;
    let mut world = World::new();
    let graph = |world: &mut World, comment: &str| {
        let bottom = world.sh("bottom", &format!("echo 1 > $out # {comment}"), &[]);
        let mut steps = vec![bottom];
        for number in 1..STEPS {
            // A tree of three branches with cross references: each refers to two below it.
            let holes = [("a", out(steps[(number - 1) / 3])), ("b", out(steps[number / 2]))];
            let script =
                format!("{{ read a < {{{{a}}}}; read b < {{{{b}}}}; echo {number} $a; }} > $out");
            steps.push(world.sh(&format!("step{number}"), &script, &holes));
        }
        let all = steps.iter().map(|step| out(*step)).collect::<Vec<_>>();
        let links = all.into_iter().enumerate();
        let links = links.map(|(number, step)| (format!("n{number}"), step)).collect::<Vec<_>>();
        (world.links("all", links), steps)
    };
    let (first, _) = graph(&mut world, "first");
    let before = world.build(&[first]).unwrap();
    assert_eq!(world.finished_own().len(), STEPS + 1);
    let (second, steps) = graph(&mut world, "second");
    assert_ne!(first, second);
    assert_eq!(world.build(&[second]).unwrap(), before);
    let finished = world.finished_own();
    assert_eq!(finished.len(), STEPS + 1, "every step was looked at, since all ids have changed");
    let built: Vec<_> =
        finished.iter().filter(|(_, outcome)| *outcome != Outcome::CutOff).collect();
    assert_eq!(built, [&("bottom".to_owned(), Outcome::Built)]);
    assert_eq!(steps.len(), STEPS);
}
