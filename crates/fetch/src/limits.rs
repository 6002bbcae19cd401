//! Bounds on what a server or an archive can make this process do.

use std::time::Duration;

/// Bounds on sizes, counts and times. Every one has a default that real packages stay far below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest download, in bytes; 8 GiB.
    pub download_bytes: u64,
    /// Largest answer of a package index, in bytes; 64 MiB.
    pub index_bytes: u64,
    /// Most bytes that the files of one archive may have together; 32 GiB.
    pub unpacked_bytes: u64,
    /// Most entries of one archive; 4 million.
    pub entries: u64,
    /// Most components of one entry's name; 128.
    pub name_depth: usize,
    /// Longest name of one entry or target of one link, in bytes; 4096.
    pub name_bytes: usize,
    /// Longest component of an entry's name, in bytes; 255, as Linux has it.
    pub component_bytes: usize,
    /// Longest time to set up a connection; 15 seconds.
    pub connect: Duration,
    /// Longest silence of a server, and longest wait for the head of an answer; 45 seconds.
    pub silence: Duration,
    /// Fewest bytes a second, as the mean of a span; 1 KiB. With 0 a transfer may be as slow as it likes.
    pub least_rate: u64,
    /// The span over which the rate is taken; 30 seconds.
    pub rate_span: Duration,
    /// Longest time of one transfer; 24 hours.
    pub transfer: Duration,
    /// Most redirects that are followed for one download; 10.
    pub redirects: usize,
    /// Longest run of one of the host's package clients when mirrors are detected; 20 seconds.
    pub client_run: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            download_bytes: 8 << 30,
            index_bytes: 64 << 20,
            unpacked_bytes: 32 << 30,
            entries: 4_000_000,
            name_depth: 128,
            name_bytes: 4096,
            component_bytes: 255,
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            least_rate: 1 << 10,
            rate_span: Duration::from_secs(30),
            transfer: Duration::from_secs(24 * 3600),
            redirects: 10,
            client_run: Duration::from_secs(20),
        }
    }
}

/// How failures that may pass (no connection, a time-out, a broken answer, HTTP 408, 429, 5xx) are met.
///
/// All addresses are tried once before any of them is tried again, so a dead server costs no
/// waiting while another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Rounds over the addresses, the first included; 3.
    pub rounds: u32,
    /// Pause before the second round; each further one is four times as long. 500 milliseconds.
    pub pause: Duration,
    /// How often a download that was cut goes on at once where it stopped, as long as each time brings more; 8.
    pub resumptions: u32,
}

impl Retry {
    /// The pauses before the rounds after the first.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        let pauses = std::iter::successors(Some(self.pause), |pause| Some(pause.saturating_mul(4)));
        pauses.take(self.rounds.saturating_sub(1) as usize)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { rounds: 3, pause: Duration::from_millis(500), resumptions: 8 }
    }
}
