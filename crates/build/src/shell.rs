//! Which shell can be started in the sandbox of a step, and how. It knows nothing of what the shell is for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cbuild_sandbox::SandboxSpec;

/// The shell of a sandbox with a root that has one.
const USUAL: &str = "/bin/sh";

/// Programs that are shells, the most comfortable one first. `busybox` is one by its first argument.
const SHELLS: [&str; 5] = ["bash", "sh", "dash", "ash", BUSYBOX];

const BUSYBOX: &str = "busybox";

/// A shell inside a sandbox: `/bin/sh`, otherwise the step's own program where that is one, otherwise
/// one in the `bin` folder of an input. `None` when there is none of these.
pub(crate) fn find(spec: &SandboxSpec) -> Option<PathBuf> {
    let usual = spec.root.as_ref().map(|root| root.join(USUAL.trim_start_matches('/')));
    if usual.is_some_and(|place| place.symlink_metadata().is_ok()) {
        return Some(USUAL.into());
    }
    let is_shell =
        |path: &Path| SHELLS.iter().any(|shell| path.file_name() == Some(shell.as_ref()));
    if is_shell(&spec.program) {
        return Some(spec.program.clone());
    }
    SHELLS.iter().find_map(|shell| {
        let inside = Path::new("bin").join(shell);
        let has = |source: &Path| source.join(&inside).symlink_metadata().is_ok();
        spec.binds.iter().find(|bind| has(&bind.source)).map(|bind| bind.target.join(&inside))
    })
}

/// The arguments that make a program the shell it stands for: `sh` for `busybox`, none for others.
pub(crate) fn arguments(shell: &Path) -> Vec<OsString> {
    if shell.file_name() == Some(BUSYBOX.as_ref()) { vec!["sh".into()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with programs in `bin`.
    fn with_programs(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        for name in names {
            std::fs::write(folder.path().join("bin").join(name), "").unwrap();
        }
        folder
    }

    #[test]
    fn the_nearest_shell_is_found() {
        let (tools, small) = (with_programs(&["make", "sh", "bash"]), with_programs(&["busybox"]));
        let none = SandboxSpec::new("/cbuild/store/x-make/bin/make");
        assert_eq!(find(&none), None);
        let from_small = none.bind_read_only(small.path(), "/cbuild/store/s");
        assert_eq!(find(&from_small), Some("/cbuild/store/s/bin/busybox".into()));
        let mut both = from_small.bind_read_only(tools.path(), "/cbuild/store/t");
        assert_eq!(find(&both), Some("/cbuild/store/t/bin/bash".into()));
        both.program = "/cbuild/store/s/bin/busybox".into();
        assert_eq!(find(&both), Some(both.program.clone()));
        both.root = Some(small.path().to_owned());
        assert_eq!(find(&both), Some(both.program.clone()), "a root without a shell");
        both.root = Some(tools.path().to_owned());
        assert_eq!(find(&both), Some("/bin/sh".into()));
    }

    #[test]
    fn busybox_is_told_what_it_is() {
        assert_eq!(arguments(Path::new("/bin/sh")), Vec::<OsString>::new());
        assert_eq!(arguments(Path::new("/cbuild/store/s/bin/busybox")), ["sh"]);
    }
}
