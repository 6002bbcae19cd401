//! What may be the reason for a difference: a guess from the bytes around it, and from what is known
//! to have been different between two builds.

use std::fmt;
use std::ops::Range;

use crate::content::Excerpt;
use crate::{processor, umask};

/// A reason for a difference between two builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The time of the build, or that of a file.
    Time,
    /// A path that was not the same.
    Path,
    /// The host name.
    HostName,
    /// The user or group.
    User,
    /// The order in which things are listed: of a directory, of a hash table, of parallel work.
    Order,
    /// The number of processors.
    Parallelism,
    /// What the processor can do, or which one it is.
    CpuFeatures,
    /// Permissions of new files.
    Umask,
    /// A reference to another object of the store.
    Reference,
    /// Random numbers, addresses in memory, keys.
    Randomness,
    /// Nothing that is recognised.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Path => "path",
            Self::HostName => "host name",
            Self::User => "user",
            Self::Order => "order",
            Self::Parallelism => "parallelism",
            Self::CpuFeatures => "CPU features",
            Self::Umask => "umask",
            Self::Reference => "reference",
            Self::Randomness => "randomness",
            Self::Unknown => "unknown",
        })
    }
}

impl Cause {
    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::Time => "take the time from SOURCE_DATE_EPOCH",
            Self::Path => "use paths that do not change, such as relative ones or $out",
            Self::HostName => "do not record the host name",
            Self::User => "do not record who builds",
            Self::Order => "sort what is listed; do not rely on the order of a directory",
            Self::Parallelism => "do not let a result depend on the number of processors",
            Self::CpuFeatures => {
                "name the processor to build for instead of `native`; do not ask the machine"
            }
            Self::Umask => "set permissions explicitly",
            Self::Reference => "look at the input that the two refer to",
            Self::Randomness => "give a fixed seed",
            Self::Unknown => "compare the two files",
        }
    }
}

/// What was different between the builds of the two trees, first and second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Host names.
    pub host_name: Option<(String, String)>,
    /// User ids.
    pub user: Option<(u32, u32)>,
    /// Numbers of processors: as the builder is told, and as it can count them.
    pub cores: Vec<(usize, usize)>,
    /// Build folders.
    pub build_folder: Option<(String, String)>,
    /// The name of the processor that the second builder could read.
    pub processor: Option<String>,
    /// Permission bits that new files did not get.
    pub umask: Option<(u32, u32)>,
    /// When the two were built, in seconds since 1970.
    pub times: Option<(Range<u64>, Range<u64>)>,
}

impl Hints {
    /// Texts that only the second builder could know, each with what it tells.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (&str, Cause)> {
        let host = self.host_name.as_ref().map(|(_, name)| (name.as_str(), Cause::HostName));
        let folder = self.build_folder.as_ref().map(|(_, path)| (path.as_str(), Cause::Path));
        let processor = self.processor.as_ref().map(|name| (name.as_str(), Cause::CpuFeatures));
        [folder, processor, host].into_iter().flatten()
    }

    /// What was varied and belongs to a cause, for people: the value of each build. `None` for what was
    /// not varied, and for what is not said here.
    pub fn varied(&self, cause: Cause) -> Option<String> {
        let then = |what: &str, first: &str, second: &str| {
            format!("{what} `{first}` in the first build and `{second}` in the second")
        };
        match cause {
            Cause::Path => self
                .build_folder
                .as_ref()
                .map(|(first, second)| then("the build folder was", first, second)),
            Cause::HostName => self
                .host_name
                .as_ref()
                .map(|(first, second)| then("the host name was", first, second)),
            Cause::User => self.user.map(|(first, second)| {
                then("the user was", &first.to_string(), &second.to_string())
            }),
            Cause::Umask => self.umask.map(|(first, second)| {
                then("the umask was", &format!("{first:03o}"), &format!("{second:03o}"))
            }),
            Cause::CpuFeatures => self.processor.as_ref().map(|name| {
                format!("`/proc/cpuinfo` was the machine's in the first build and named a `{name}` in the second")
            }),
            Cause::Parallelism => {
                let pairs = self.cores.iter().filter(|(first, second)| first != second);
                let pairs: Vec<String> = pairs.map(|(x, y)| format!("{x} and {y}")).collect();
                let text = || format!("numbers of processors, first and second: {}", pairs.join("; "));
                (!pairs.is_empty()).then(text)
            }
            _ => None,
        }
    }
}

/// Seconds since 1970 that are taken for the time of a build or file: 2001-09-09 to 2096.
const TIMES: std::ops::Range<u64> = 1_000_000_000..4_000_000_000;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Guesses the reason for a difference of two files.
pub(crate) fn classify(excerpt: &Excerpt, hints: &Hints) -> Cause {
    let at = usize::try_from(excerpt.offset - excerpt.start).unwrap_or(usize::MAX);
    let (first, second) = (&excerpt.first[..], &excerpt.second[..]);
    let (a, b) = (token(first, at), token(second, at));
    let pair = |x: &str, y: &str| a.contains(x) && b.contains(y) && x != y;
    if hints.host_name.as_ref().is_some_and(|(x, y)| pair(x, y)) {
        return Cause::HostName;
    }
    let octal = |word: &str, number: u32| word.trim_start_matches('0') == format!("{number:o}");
    if hints
        .user
        .is_some_and(|(x, y)| pair(&x.to_string(), &y.to_string()) || octal(&a, x) && octal(&b, y))
    {
        return Cause::User;
    }
    if hints.umask.is_some_and(|masks| umask::explains(&a, &b, masks)) {
        return Cause::Umask;
    }
    let digits = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    if hints.cores.iter().any(|&(x, y)| (digits(&a), digits(&b)) == (Some(x), Some(y))) {
        return Cause::Parallelism;
    }
    if hints.build_folder.as_ref().is_some_and(|(x, y)| pair(x, y) && !a.contains(y)) {
        return Cause::Path;
    }
    if in_digest(first, at) && in_digest(second, at) {
        return Cause::Reference;
    }
    if excerpt.reordered {
        return Cause::Order;
    }
    if is_time(excerpt, at, (&a, &b), hints) {
        return Cause::Time;
    }
    if processor::differs(first, second, at) {
        return Cause::CpuFeatures;
    }
    if a.contains('/') && b.contains('/') {
        return Cause::Path;
    }
    if is_random(excerpt, at, &a, &b) {
        return Cause::Randomness;
    }
    Cause::Unknown
}

/// The word around a position: printable characters without spaces and quotes.
fn token(bytes: &[u8], at: usize) -> String {
    let part = |byte: &u8| byte.is_ascii_graphic() && !b"\"'`<>()[]{},;=".contains(byte);
    let at = at.min(bytes.len());
    let before = bytes[..at].iter().rev().take_while(|b| part(b)).count();
    let after = bytes[at..].iter().take_while(|b| part(b)).count();
    String::from_utf8_lossy(&bytes[at - before..at + after]).into_owned()
}

/// Whether a position is inside of 52 characters that a digest text can be.
fn in_digest(bytes: &[u8], at: usize) -> bool {
    let part = |b: &&u8| matches!(b, b'a'..=b'z' | b'2'..=b'7');
    let at = at.min(bytes.len());
    let before = bytes[..at].iter().rev().take_while(part).count();
    let after = bytes[at..].iter().take_while(part).count();
    before + after == cbuild_drv::digest::DIGEST_TEXT_LEN
}

fn is_time(excerpt: &Excerpt, at: usize, (a, b): (&str, &str), hints: &Hints) -> bool {
    // A gzip member has a time at byte 4, an entry of a zip archive at byte 10.
    let gzip = excerpt.magic.starts_with(&[0x1f, 0x8b]) && (4..8).contains(&excerpt.offset);
    let zip = excerpt.first[..at.min(excerpt.first.len())]
        .windows(4)
        .rposition(|w| w == b"PK\x03\x04")
        .is_some_and(|header| (10..14).contains(&(at - header)));
    if gzip || zip {
        return true;
    }
    if [a, b].iter().all(|text| is_date(text)) {
        return true;
    }
    // The difference of a date may be in its day of the month, far from what tells that it is one.
    let near = |bytes: &[u8]| {
        let from = at.saturating_sub(24).min(bytes.len());
        let text = String::from_utf8_lossy(&bytes[from..bytes.len().min(at + 24)]).into_owned();
        let month = MONTHS.iter().any(|month| text.contains(month));
        month && text.split(|c: char| !c.is_ascii_digit()).any(|run| (1..=4).contains(&run.len()))
    };
    let dated = a.bytes().any(|b| b.is_ascii_digit())
        || DAYS.iter().chain(&MONTHS).any(|name| a.starts_with(name));
    if dated && near(&excerpt.first) && near(&excerpt.second) {
        return true;
    }
    hints
        .times
        .as_ref()
        .is_some_and(|times| binary_time(&excerpt.first, &excerpt.second, at, times))
}

/// A number of seconds, milliseconds or nanoseconds since 1970, a date or a time of day.
fn is_date(text: &str) -> bool {
    let seconds = text.split(|c: char| !c.is_ascii_digit()).any(|run| {
        matches!(run.len(), 10 | 13 | 16 | 19)
            && run[..10].parse().is_ok_and(|number: u64| TIMES.contains(&number))
    });
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    seconds || shape.contains("0000-00-00") || shape.contains("00:00")
}

/// Bytes of a number, and how many of its units are a second.
const BINARY_TIMES: [(usize, u64); 4] = [(4, 1), (8, 1_000), (8, 1_000_000), (8, 1_000_000_000)];

/// A number that holds in each file a time at which that file was built, and not the same one, in files that are
/// no text. Any bytes are some time: only the two times of the builds make it sure.
fn binary_time(
    first: &[u8],
    second: &[u8],
    at: usize,
    (built, again): &(Range<u64>, Range<u64>),
) -> bool {
    let is_text =
        |bytes: &[u8]| bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    if is_text(first) || is_text(second) {
        return false;
    }
    let number = |bytes: &[u8], place: Range<usize>, little: bool| {
        let bytes = bytes.get(place)?.iter();
        let put = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if little { bytes.rev().fold(0, put) } else { bytes.fold(0, put) })
    };
    BINARY_TIMES.iter().any(|&(width, units)| {
        (at.saturating_sub(width - 1)..=at).any(|from| {
            [true, false].into_iter().any(|little| {
                let time = |bytes| Some(number(bytes, from..from + width, little)? / units);
                let (one, other) = (time(first), time(second));
                one != other
                    && one.is_some_and(|time| built.contains(&time))
                    && other.is_some_and(|time| again.contains(&time))
            })
        })
    })
}

/// Words or bytes of the same length that have little in common.
fn is_random(excerpt: &Excerpt, at: usize, a: &str, b: &str) -> bool {
    let unlike = |a: &[u8], b: &[u8]| {
        let differing = a.iter().zip(b).filter(|(x, y)| x != y).count();
        a.len() >= 4 && differing * 2 >= a.len().min(b.len())
    };
    let (word_a, word_b) = (a.as_bytes(), b.as_bytes());
    if !word_a.is_empty() && word_a.iter().chain(word_b).all(u8::is_ascii_graphic) {
        let tail = |bytes: &[u8], other: &[u8]| {
            let same = bytes.iter().zip(other).take_while(|(x, y)| x == y).count();
            bytes[same..].to_vec()
        };
        let (tail_a, tail_b) = (tail(word_a, word_b), tail(word_b, word_a));
        let random = |text: &[u8]| text.iter().any(u8::is_ascii_digit);
        return unlike(&tail_a, &tail_b) && (random(&tail_a) || random(&tail_b));
    }
    let end = |bytes: &[u8]| bytes.len().min(at + 16);
    let (x, y) = (&excerpt.first, &excerpt.second);
    excerpt.sizes.0 == excerpt.sizes.1 && at < end(x) && unlike(&x[at..end(x)], &y[at..end(y)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(first: &[u8], second: &[u8]) -> Cause {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, first).unwrap();
        std::fs::write(&b, second).unwrap();
        let hints = Hints {
            host_name: Some(("cbuild".to_owned(), "varied".to_owned())),
            user: Some((1000, 1001)),
            cores: vec![(4, 1), (8, 1)],
            build_folder: Some(("/build".to_owned(), "/build/moved".to_owned())),
            processor: Some("varied processor".to_owned()),
            umask: Some((0o022, 0o077)),
            times: Some((1_700_000_000..1_700_000_010, 1_700_000_060..1_700_000_080)),
        };
        let excerpt = crate::content::compare((&a, &[]), (&b, &[])).unwrap().unwrap();
        classify(&excerpt, &hints)
    }

    #[test]
    fn causes_are_told_apart() {
        let cases: [(&[u8], &[u8], Cause); 33] = [
            (b"built 1700000000", b"built 1700000033", Cause::Time),
            (b"built 2026-11-21 08:00:01", b"built 2026-11-21 08:00:09", Cause::Time),
            (b"Sat Nov 21 2026", b"Sun Nov 22 2026", Cause::Time),
            (
                b"\x1f\x8b\x08\0\x10\x20\x30\x40\0\x03",
                b"\x1f\x8b\x08\0\x11\x20\x30\x40\0\x03",
                Cause::Time,
            ),
            (b"\0\0\x00\xf1\x53\x65\0\0", b"\0\0\x44\xf1\x53\x65\0\0", Cause::Time),
            // The same place, and no time at which either was built.
            (b"\0\0\x00\xf1\x53\x75\0\0", b"\0\0\x44\xf1\x53\x75\0\0", Cause::Unknown),
            (b"\0\0\0\x01\x8b\xcf\xe5\x68\x05\0", b"\0\0\0\x01\x8b\xcf\xe6\x66\x81\0", Cause::Time),
            (b"-m 0644", b"-m 0600", Cause::Umask),
            (b"umask 022", b"umask 077", Cause::Umask),
            (b"-rwxr-xr-x 1 x", b"-rwx------ 1 x", Cause::Umask),
            (b"f\x000000644\x000001750\0", b"f\x000000600\x000001751\0", Cause::Umask),
            (b"f\x000000600\x000001750\0", b"f\x000000600\x000001751\0", Cause::User),
            (b"port 644", b"port 645", Cause::Unknown),
            (b"host=cbuild", b"host=varied", Cause::HostName),
            (b"uid 1000", b"uid 1001", Cause::User),
            (b"jobs: 4", b"jobs: 1", Cause::Parallelism),
            (b"made with -j8", b"made with -j1", Cause::Parallelism),
            (b"in /build/src/x", b"in /build/moved/src/x", Cause::Path),
            (b"/build\n", b"/build/moved\n", Cause::Path),
            (b"flags: sse2 avx2 fma", b"flags: sse2 sse4_2", Cause::CpuFeatures),
            (b"cc -O2 -mavx2", b"cc -O2 -mno-avx2", Cause::CpuFeatures),
            (b"-march=znver3 -O2", b"-march=skylake -O2", Cause::CpuFeatures),
            (b"checking for AVX2... yes", b"checking for AVX2... no", Cause::CpuFeatures),
            (b"#define HAVE_SSE4_1 1", b"/* #undef HAVE_SSE4_1 */", Cause::CpuFeatures),
            // A word for a processor that both have says nothing about the difference.
            (b"avx2 by Ann of Oslo", b"avx2 by Bob of Bonn", Cause::Unknown),
            (b"with avx2 2026-11-21 08:00", b"with avx2 2026-11-21 09:00", Cause::Time),
            (b"a\nb\nc\n", b"c\na\nb\n", Cause::Order),
            (b"a b c", b"b a c", Cause::Order),
            (b"in /build/x1/y", b"in /build/x2/y", Cause::Path),
            (b"id 8f3a09bc", b"id 17e2dd40", Cause::Randomness),
            (
                b"\0\xa1\xb2\xc3\xd4\xe5\xf6\x07\x18\x29\x3a",
                b"\0\x1f\x2e\x3d\x4c\x5b\x6a\x79\x88\x97\xa6",
                Cause::Randomness,
            ),
            (b"yes", b"no", Cause::Unknown),
            (b"", b"more", Cause::Unknown),
        ];
        for (first, second, expected) in cases {
            let text = String::from_utf8_lossy(first).into_owned();
            assert_eq!(cause(first, second), expected, "{text}");
        }
    }

    /// Both files hold a number at the same place, between other bytes.
    fn with_numbers(head: &[u8], numbers: (&[u8], &[u8]), tail: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let file = |number: &[u8]| [&[0][..], head, number, tail].concat();
        (file(numbers.0), file(numbers.1))
    }

    fn at(first: &[u8], second: &[u8]) -> usize {
        first.iter().zip(second).take_while(|(a, b)| a == b).count()
    }

    proptest::proptest! {
        #[test]
        fn binary_times_of_the_builds_are_found(
            head: [u8; 9], tail: [u8; 9], start in 1_600_000_000_u64..1_900_000_000,
            (into, took, later) in (0_u64..100, 100_u64..4000, 4000_u64..100_000),
            unit in 0_usize..4, little: bool,
        ) {
            let (width, units) = BINARY_TIMES[unit];
            let times = (start..start + took, start + later..start + later + took);
            let bytes = |seconds: u64| {
                let mut bytes = (seconds * units).to_be_bytes()[8 - width..].to_vec();
                if little { bytes.reverse(); }
                bytes
            };
            let numbers = (bytes(start + into), bytes(start + later + into));
            let (first, second) = with_numbers(&head, (&numbers.0, &numbers.1), &tail);
            proptest::prop_assert!(binary_time(&first, &second, at(&first, &second), &times));
        }

        /// Chance bytes of two builds of an hour each are a time in about one of 10^11 cases.
        #[test]
        fn chance_bytes_are_no_time(
            head: [u8; 9], tail: [u8; 9], first: [u8; 8], second: [u8; 8],
            start in 1_600_000_000_u64..1_900_000_000,
        ) {
            let times = (start..start + 3600, start + 7200..start + 10_800);
            let (first, second) = with_numbers(&head, (&first, &second), &tail);
            proptest::prop_assert!(!binary_time(&first, &second, at(&first, &second), &times));
        }
    }
}
