//! Errors of the sandbox. They reach the user as those of a run that cannot start.

use cbuild_build::StepError;
use cbuild_sandbox::{Cause, Error as E, Facts, SetupFailure, SpecError, Step, Unavailable};

use super::*;

const NOT_EXECUTABLE: i32 = 8;

fn lack(cause: Cause) -> Unavailable {
    let (step, path) = (Step::Namespaces, "".into());
    let failure = Some(SetupFailure { step, path, errno: NOT_PERMITTED });
    Unavailable { cause, facts: Facts { failure, kernel: "6.8.0".to_owned(), ..Facts::default() } }
}

pub(super) fn unavailable() -> E {
    E::Unavailable(lack(Cause::Container))
}

fn told(all: Vec<E>) -> String {
    let runs = all.into_iter().map(|error| RunError::from(StepError::from(error))).collect();
    // The remedy for AppArmor names the program itself, which is the test here.
    let program = std::fs::read_link("/proc/self/exe").unwrap();
    shown::<RunError>(runs).replace(program.to_str().unwrap(), "/usr/bin/cbuild")
}

#[test]
fn sandbox_errors() {
    let setup = |step, path: &str, errno| SetupFailure { step, path: path.into(), errno };
    let program = |errno| E::Program { program: "/bin/sh".into(), errno };
    let all = each!(E {
        E::Unavailable(_) => [unavailable()],
        E::Spec(_) => [SpecError::Id.into()],
        E::Helper(_) => [E::Helper(system(NO_MEMORY))],
        E::Setup(_) => [
            setup(Step::BindSource, "/home/me/store/x", NO_ACCESS).into(),
            setup(Step::Tmp, "/tmp", NO_MEMORY).into(),
        ],
        E::Program { .. } => [
            program(NO_SUCH_FILE),
            program(NOT_EXECUTABLE),
            program(NO_ACCESS),
            program(NO_MEMORY),
        ],
        E::Log(_) => [E::Log(system(NO_SPACE))],
        E::HelperLost(_) => [E::HelperLost("signal 9".to_owned())],
        E::Protocol => [E::Protocol],
    });
    insta::assert_snapshot!(told(all));
}

#[test]
fn machines_without_sandboxes() {
    let all = each!(Cause {
        Cause::UserNamespaceLimit => [Cause::UserNamespaceLimit],
        Cause::UnprivilegedClone => [Cause::UnprivilegedClone],
        Cause::AppArmor => [Cause::AppArmor],
        Cause::Container => [Cause::Container],
        Cause::MaskedProc => [Cause::MaskedProc],
        Cause::NoProc => [Cause::NoProc],
        Cause::Chroot => [Cause::Chroot],
        Cause::Kernel => [Cause::Kernel],
        Cause::Unknown => [Cause::Unknown],
    });
    insta::assert_snapshot!(told(all.into_iter().map(|cause| lack(cause).into()).collect()));
}

#[test]
fn descriptions_of_sandboxes() {
    let path = || "/cbuild/../store".into();
    let all = each!(SpecError {
        SpecError::InsidePath(_) => [SpecError::InsidePath(path())],
        SpecError::SourcePath(_) => [SpecError::SourcePath("store/x".into())],
        SpecError::Reserved(_) => [SpecError::Reserved("/proc".into())],
        SpecError::BoundTwice(_) => [SpecError::BoundTwice("/bin/sh".into())],
        SpecError::Nul(_) => [SpecError::Nul("a\0b".into())],
        SpecError::VariableName(_) => [SpecError::VariableName("A=B".into())],
        SpecError::HostName(_) => [SpecError::HostName(String::new())],
        SpecError::Id => [SpecError::Id],
        SpecError::Descriptors(_) => [SpecError::Descriptors(vec![1, 1])],
        SpecError::TooLarge => [SpecError::TooLarge],
    });
    insta::assert_snapshot!(told(all.into_iter().map(E::from).collect()));
}
