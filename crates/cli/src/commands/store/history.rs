//! `cbuild store history`.

use std::time::Duration;

use cbuild_store::{BuildEnding, BuildRecord, BuildUsage, MemoryOf};
use serde_json::json;

use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// Lists the latest builds, newest first.
pub(super) fn list(session: &Session, name: Option<&str>, limit: u32) -> Result<(), Failure> {
    let store = session.store()?;
    let builds = store.builds(name, limit)?;
    if builds.is_empty() {
        let what = name.map(|name| format!(" of `{name}`")).unwrap_or_default();
        output::note(session, &format!("no build{what} is recorded"));
    }
    builds.iter().try_for_each(|build| print(session, build))
}

fn print(session: &Session, build: &BuildRecord) -> Result<(), Failure> {
    // A log without a byte has no file, and one may have been collected.
    let log = build.log.as_ref().filter(|path| path.exists());
    if session.options.json {
        return output::json(&json!({
            "name": build.name,
            "action": build.key.to_string(),
            "started": build.started,
            "duration_ms": build.duration_ms,
            "status": status_of(build.ending),
            "signal": signal_of(build.ending),
            "stopped_by": stopped_by(build.ending),
            "cpu_ms": build.usage.map(|usage| usage.cpu_ms),
            "memory": build.usage.map(|usage| usage.memory),
            "memory_of": build.usage.map(|usage| memory_of(usage.memory_of)),
            "log": log.map(|path| path.display().to_string()),
        }));
    }
    let duration = Duration::from_millis(build.duration_ms).as_secs_f64();
    let ending = how(build.ending);
    let log = log.map(|path| format!("  {}", path.display())).unwrap_or_default();
    let started = utc(build.started);
    let usage = build.usage.map_or_else(|| "-".to_owned(), |usage| taken(&usage));
    output::line(&format!(
        "{started}  {duration:>8.1} s  {usage:>22}  {}  {ending}{log}",
        build.name
    ))
}

/// How a build ended, for people.
pub(crate) fn how(ending: BuildEnding) -> String {
    match ending {
        BuildEnding::Exited(0) => "ok".to_owned(),
        BuildEnding::Exited(status) => format!("failed with status {status}"),
        BuildEnding::Failed => "failed".to_owned(),
        BuildEnding::Signaled(signal) => format!("ended by signal {signal} ({})", name_of(signal)),
        BuildEnding::Stopped(signal) => format!("stopped by {}", name_of(signal)),
    }
}

fn name_of(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("another signal")
}

/// Exit status of a build, in JSON; -1 where there is none.
pub(crate) fn status_of(ending: BuildEnding) -> i32 {
    match ending {
        BuildEnding::Exited(status) => status,
        BuildEnding::Failed | BuildEnding::Signaled(_) | BuildEnding::Stopped(_) => -1,
    }
}

/// The signal that ended a program, in JSON.
pub(crate) fn signal_of(ending: BuildEnding) -> Option<i32> {
    if let BuildEnding::Signaled(signal) = ending { Some(signal) } else { None }
}

/// The signal that ended the command, in JSON.
pub(crate) fn stopped_by(ending: BuildEnding) -> Option<i32> {
    if let BuildEnding::Stopped(signal) = ending { Some(signal) } else { None }
}

/// Processor time and peak memory of a build, for people. A peak of all processes together, which
/// only a control group knows, has `in all` behind it; others are of the largest process.
pub(crate) fn taken(usage: &BuildUsage) -> String {
    let cpu = Duration::from_millis(usage.cpu_ms).as_secs_f64();
    let all = if usage.memory_of == MemoryOf::All { " in all" } else { "" };
    format!("{cpu:.1} s cpu, {}{all}", indicatif::HumanBytes(usage.memory))
}

/// Whose peak of memory is told, in JSON.
pub(crate) fn memory_of(of: MemoryOf) -> &'static str {
    match of {
        MemoryOf::All => "all",
        MemoryOf::LargestProcess => "largest-process",
    }
}

/// A time as `2026-01-31 23:59:59`, in UTC.
pub(crate) fn utc(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days are counted from the 1st of March of the year 0, so that a leap day ends a year.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_took_is_shown() {
        let usage = BuildUsage { cpu_ms: 12_340, memory: 3 << 29, memory_of: MemoryOf::All };
        assert_eq!(taken(&usage), "12.3 s cpu, 1.50 GiB in all");
        let usage = BuildUsage { memory_of: MemoryOf::LargestProcess, ..usage };
        assert_eq!(taken(&usage), "12.3 s cpu, 1.50 GiB");
    }

    #[test]
    fn every_ending_is_told() {
        use BuildEnding::{Exited, Failed, Signaled, Stopped};
        let told = [Exited(0), Exited(2), Failed, Signaled(9), Stopped(15)].map(how);
        assert_eq!(
            told,
            [
                "ok",
                "failed with status 2",
                "failed",
                "ended by signal 9 (SIGKILL)",
                "stopped by SIGTERM",
            ]
        );
    }

    #[test]
    fn times_are_shown_in_utc() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }
}
