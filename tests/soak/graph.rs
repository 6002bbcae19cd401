//! Modules whose graphs overlap: a common part, and one of each process's own on top.

use std::fmt::Write;

/// Layers of the common part, and steps in each.
const LAYERS: u32 = 5;
const WIDTH: u32 = 6;

/// Steps that only one process has.
const OWN: u32 = 4;

const HEAD: &str = r##"//! Generated: steps that refer to steps.

import std

pub let busybox: Package = std.fetch.tarball {
  name = "busybox",
  urls = ["mirror://debian/pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_amd64.deb"],
  hash = sha256-3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744,
  strip = 0,
}

fn step(name: Str, script: Script) -> Package = std.build.derivation {
  name,
  program = sh"#{busybox}/bin/busybox",
  args = [sh"sh", sh"-c", script],
}
"##;

/// An image of the shell, which a build of the module leaves alone.
const IMAGE: &str = r##"
pub let image: Image<{}, {}, {}> = std.oci.image {
  name = "shell",
  cmd = [sh"#{busybox}/bin/busybox", sh"ls", sh"#{default}"],
}
"##;

/// The module of one process. The salt makes all of its steps new; the common ones are the same in
/// the modules of all processes.
pub(crate) fn module(salt: &str, process: u32) -> String {
    let mut text = HEAD.to_owned();
    let mut add = |name: &str, script: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\nlet {name}: Package = step(\"{name}\", sh\"{script}\")");
    };
    for layer in 0..LAYERS {
        for position in 0..WIDTH {
            let name = format!("common_{layer}_{position}");
            let below = layer.checked_sub(1).map_or(String::new(), |below| {
                let next = (position + 1) % WIDTH;
                format!("#{{common_{below}_{position}}} #{{common_{below}_{next}}}")
            });
            // A folder, a file and a reference to itself, as real outputs have.
            add(
                &name,
                &format!(
                    "#{{busybox}}/bin/busybox mkdir $out; echo {salt} {below} > $out/text; \
                     echo $out > $out/own"
                ),
            );
        }
    }
    for own in 0..OWN {
        let below = match own {
            0 => format!("common_{}_{}", LAYERS - 1, process % WIDTH),
            _ => format!("own_{}", own - 1),
        };
        add(&format!("own_{own}"), &format!("echo {salt} {process} #{{{below}}} > $out"));
    }
    let _ = writeln!(text, "\npub let default: Package = own_{}", OWN - 1);
    text.push_str(IMAGE);
    text
}
