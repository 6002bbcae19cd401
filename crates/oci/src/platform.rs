//! The platforms of images, and which of them an ELF file is for.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::OciError;

/// A platform.
#[derive(Debug)]
pub(crate) struct Platform {
    /// As in a derivation, for example `x86_64-linux`.
    system: &'static str,
    /// OCI architecture, for example `amd64`.
    pub(crate) architecture: &'static str,
    /// OCI variant of the architecture.
    pub(crate) variant: Option<&'static str>,
    program: Program,
}

/// What tells programs apart: bytes 4, 5, 18 and 19 of an ELF file (gABI, "ELF Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Program {
    /// 1 for 32 bits, 2 for 64.
    class: u8,
    /// 1 for the least significant byte first, 2 for the most significant.
    order: u8,
    /// `e_machine`.
    machine: u16,
}

const fn platform(
    system: &'static str,
    (architecture, variant): (&'static str, Option<&'static str>),
    (class, order, machine): (u8, u8, u16),
) -> Platform {
    Platform { system, architecture, variant, program: Program { class, order, machine } }
}

static PLATFORMS: [Platform; 8] = [
    platform("x86_64-linux", ("amd64", None), (2, 1, 62)),
    platform("i686-linux", ("386", None), (1, 1, 3)),
    platform("aarch64-linux", ("arm64", Some("v8")), (2, 1, 183)),
    platform("armv7l-linux", ("arm", Some("v7")), (1, 1, 40)),
    platform("riscv64-linux", ("riscv64", None), (2, 1, 243)),
    platform("powerpc64le-linux", ("ppc64le", None), (2, 1, 21)),
    platform("s390x-linux", ("s390x", None), (2, 2, 22)),
    platform("loongarch64-linux", ("loong64", None), (2, 1, 258)),
];

impl Platform {
    /// The platform of a system.
    pub(crate) fn of(system: &str) -> Result<&'static Self, OciError> {
        PLATFORMS
            .iter()
            .find(|platform| platform.system == system)
            .ok_or_else(|| OciError::UnknownSystem(system.to_owned()))
    }

    /// What an ELF file is for, if that is another platform.
    pub(crate) fn other(&self, file: &Path) -> io::Result<Option<String>> {
        Ok(read(file)?.filter(|found| *found != self.program).map(Program::describe))
    }
}

/// What an ELF file is for; nothing if the file is none.
fn read(file: &Path) -> io::Result<Option<Program>> {
    let mut start = Vec::with_capacity(20);
    File::open(file)?.take(20).read_to_end(&mut start)?;
    Ok(parse(&start))
}

fn parse(start: &[u8]) -> Option<Program> {
    let [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), .., low, high] = *start else {
        return None;
    };
    if start.len() != 20 {
        return None;
    }
    let machine =
        if order == 1 { u16::from_le_bytes([low, high]) } else { u16::from_be_bytes([low, high]) };
    Some(Program { class, order, machine })
}

impl Program {
    fn describe(self) -> String {
        let known = PLATFORMS.iter().find(|platform| platform.program == self);
        known.map_or_else(
            || {
                let (bits, order) = (
                    if self.class == 1 { 32 } else { 64 },
                    if self.order == 1 { "little" } else { "big" },
                );
                format!("ELF machine {} ({bits} bits, {order} endian)", self.machine)
            },
            |platform| platform.system.to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_system_of_derivations_has_a_platform() {
        let known: Vec<_> = PLATFORMS.iter().map(|platform| platform.system).collect();
        assert_eq!(known, cbuild_drv::System::KNOWN);
    }

    #[test]
    fn this_test_is_for_this_machine() {
        let own = std::env::current_exe().unwrap();
        let host = format!("{}-linux", std::env::consts::ARCH);
        let Ok(platform) = Platform::of(&host) else { return };
        assert_eq!(platform.other(&own).unwrap(), None);
        let another =
            Platform::of(if host == "s390x-linux" { "i686-linux" } else { "s390x-linux" });
        assert_eq!(another.unwrap().other(&own).unwrap(), Some(host));
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(start in proptest::collection::vec(any::<u8>(), 0..24)) {
            parse(&start);
            parse(&[b"\x7fELF", start.as_slice()].concat());
        }
    }
}
