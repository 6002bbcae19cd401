//! What a builder can see and do in an ordinary sandbox.

mod support;

use support::{Place, Test};

const TESTS: &[Test] = &[("exit_codes_come_back", exit_codes_come_back)];

fn main() {
    support::run(TESTS, |_, _| {});
}

fn exit_codes_come_back() {
    for code in [0, 1, 42, 125, 127, 255] {
        let place = Place::new();
        let exit = place.run(&place.shell(&format!("exit {code}"))).unwrap();
        assert_eq!(exit.status, cbuild_sandbox::Status::Exited(code), "{}", place.log_text());
    }
}
