//! Builds in real stores and real sandboxes, with a static busybox as the only program.
//!
//! There is a harness of our own because the sandbox needs the first word in `main`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests look at the machine and stop at the first surprise"
)]

mod again;
mod failures;
mod fetches;
mod outputs;
mod reuse;
mod world;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Test = (&'static str, fn());

macro_rules! tests {
    ($($module:ident :: $name:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), $module::$name as fn()),)*]
    };
}

const TESTS: &[Test] = tests![
    outputs::a_program_makes_its_output,
    outputs::a_builder_finds_nothing_of_others,
    outputs::a_replaced_link_hurts_nobody_else,
    outputs::several_outputs_refer_to_each_other,
    outputs::self_references_are_rewritten,
    outputs::only_what_occurs_is_a_reference,
    outputs::outputs_in_a_circle_are_refused,
    outputs::the_environment_is_fixed,
    outputs::only_the_closure_is_visible,
    outputs::build_paths_depend_on_the_action_alone,
    outputs::assemblies_are_registered_with_their_references,
    reuse::a_second_build_does_nothing,
    reuse::a_hundred_nodes_are_answered_by_one_memo,
    reuse::equal_output_cuts_off_what_lies_above,
    reuse::equal_actions_run_once,
    reuse::two_processes_share_one_build,
    reuse::work_of_others_is_waited_for_and_told,
    reuse::what_a_run_uses_is_not_collected,
    reuse::a_plan_tells_what_is_certain,
    reuse::many_small_steps,
    reuse::an_equal_output_rebuilds_nothing_of_a_thousand,
    outputs::only_the_runtime_output_is_in_the_closure,
    outputs::forbidden_references_are_named,
    failures::limits_are_told_with_what_raises_them,
    failures::a_failure_has_its_log_and_is_not_cached,
    failures::a_file_of_holes_does_not_take_for_ever,
    failures::missing_and_foreign_outputs_are_named,
    failures::programs_that_cannot_run_are_told,
    failures::what_does_not_need_the_failed_step_goes_on,
    failures::without_keep_going_running_steps_are_killed,
    failures::cancellation_leaves_nothing,
    failures::a_killed_builder_keeps_no_token,
    failures::log_lines_are_passed_on,
    failures::a_full_disk_is_told_and_leaves_the_store_clean,
    failures::bad_files_and_arguments_are_refused,
    again::a_second_build_is_the_same_and_not_kept,
    again::a_varied_build_sees_another_world,
    again::a_varied_build_gets_its_inputs_from_elsewhere,
    again::what_insists_on_the_build_folder_gets_it,
    again::a_varied_build_lists_its_folder_in_another_order,
    fetches::a_fetch_is_known_by_its_hash,
    fetches::a_wrong_hash_registers_nothing,
    fetches::after_fetch_only_no_source_is_needed,
];

fn main() -> ExitCode {
    cbuild_sandbox::helper_main_if_requested();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [first, root] if first == reuse::OTHER_PROCESS => {
            reuse::other_process(root.as_ref());
            return ExitCode::SUCCESS;
        }
        [first, folder] if first == failures::SMALL_DISK => {
            failures::on_small_disk(folder.as_ref());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let filters: Vec<&String> = arguments.iter().filter(|text| !text.starts_with('-')).collect();
    let wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    if arguments.iter().any(|text| text == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    let chosen: Vec<&Test> = TESTS.iter().filter(|(name, _)| wanted(name)).collect();
    println!("\nrunning {} tests", chosen.len());
    for (name, test) in &chosen {
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    let passed = chosen.len() - failed.len();
    println!("\ntest result: {passed} passed; {} failed: {}", failed.len(), failed.join(", "));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
