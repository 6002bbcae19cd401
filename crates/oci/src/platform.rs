//! The platforms of images, and which of them a program is for.

use crate::elf::Machine;
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
    machine: Machine,
}

const fn platform(
    system: &'static str,
    (architecture, variant): (&'static str, Option<&'static str>),
    (class, order, number): (u8, u8, u16),
) -> Platform {
    Platform { system, architecture, variant, machine: Machine { class, order, number } }
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

    /// What a program is for, if that is another platform.
    pub(crate) fn other(&self, machine: Machine) -> Option<String> {
        (machine != self.machine).then(|| describe(machine))
    }
}

fn describe(machine: Machine) -> String {
    let known = PLATFORMS.iter().find(|platform| platform.machine == machine);
    known.map_or_else(|| machine.to_string(), |platform| platform.system.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::Elf;

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
        let machine = Elf::read(&std::fs::File::open(own).unwrap()).unwrap().unwrap().machine();
        assert_eq!(platform.other(machine), None);
        let another =
            Platform::of(if host == "s390x-linux" { "i686-linux" } else { "s390x-linux" });
        assert_eq!(another.unwrap().other(machine), Some(host));
    }
}
