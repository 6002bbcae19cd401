//! Processes and mounts that belong to a store, though nobody works there any more.

use std::path::Path;
use std::time::{Duration, Instant};

/// How long the kernel may take to tear a killed sandbox down.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until no process has the store among its words, its environment or its mounts.
pub(crate) fn wait_until_nothing_is_left(root: &Path) -> super::Result {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = find(root)?;
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("left behind: {}", found.join("; ")));
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn find(root: &Path) -> super::Result<Vec<String>> {
    let mark = root.to_string_lossy();
    let mut found = Vec::new();
    let processes = std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    for entry in processes.flatten() {
        let folder = entry.path();
        let number = entry.file_name();
        if !number.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        // A process that ends meanwhile has nothing to read, and is no leftover.
        for file in ["cmdline", "environ", "mountinfo"] {
            let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(&*mark) {
                found.push(format!("{} has the store in {file}", folder.display()));
            }
        }
    }
    Ok(found)
}
