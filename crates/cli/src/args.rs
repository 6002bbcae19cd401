//! The command line's grammar. What each command does is in [`crate::commands`].

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds software and container images from typed, pure expressions.
///
/// TARGET is PATH[:NAME]: a folder (its main.cbuild) or a file, or `std`, then a public name, dotted for fields;
/// NAME defaults to `default`.
#[derive(Debug, Parser)]
#[command(name = "cbuild", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder that holds the store [default: cbuild in the user's data folder]
    #[arg(long, global = true, env = "CBUILD_ROOT", value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Never use the network
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Write results, progress and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show all errors of a file, not only the first 50
    #[arg(long, global = true)]
    pub(crate) all_errors: bool,
    /// Say more: each step, its store path, its duration
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Builds that run at the same time [default: one more than there are processors]
    #[arg(long, global = true, value_name = "N", value_parser = whole::<u16, 1024>)]
    pub(crate) jobs: Option<u16>,
    /// Processors that one build may use [default: the number of processors]
    #[arg(long, global = true, value_name = "N", value_parser = whole::<u16, 4096>)]
    pub(crate) cores: Option<u16>,
    /// Memory that the evaluation may use, such as 4G [default: 3/4 of the machine's]
    #[arg(long, global = true, value_name = "SIZE", value_parser = limit)]
    pub(crate) max_eval_memory: Option<u64>,
    /// Go on with what does not depend on a failed build, and give the results of the targets that could be built
    #[arg(long, global = true)]
    pub(crate) keep_going: bool,
    /// Where builds are stopped.
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Where downloads are stopped.
    #[command(flatten)]
    pub(crate) transfers: Transfers,
    /// Folder for results of checks and evaluations [default: cbuild in the user's cache folder]
    #[arg(long, global = true, env = "CBUILD_CACHE", value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Neither use nor keep results of checks and evaluations
    #[arg(long, global = true)]
    pub(crate) no_cache: bool,
    /// Platform to build for; this version knows x86_64-linux
    #[arg(long, global = true, value_name = "SYSTEM")]
    pub(crate) system: Option<String>,
}

/// Limits of each build step that has none of its own.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits of each build step")]
pub(crate) struct Limits {
    /// Longest time of a build step
    #[arg(long, global = true, value_name = "SECONDS", value_parser = whole::<u64, { u64::MAX }>)]
    pub(crate) max_time: Option<u64>,
    /// Longest time in which a build step may write nothing
    #[arg(long, global = true, value_name = "SECONDS", value_parser = whole::<u64, { u64::MAX }>)]
    pub(crate) max_silence: Option<u64>,
    /// Most processor time of all processes of a build step
    #[arg(long, global = true, value_name = "SECONDS", value_parser = whole::<u64, { u64::MAX }>)]
    pub(crate) max_cpu: Option<u64>,
    /// Most memory of all processes of a build step, such as 4G
    #[arg(long, global = true, value_name = "SIZE", value_parser = limit)]
    pub(crate) max_memory: Option<u64>,
    /// Most disk space of a build step while it runs, such as 20G
    #[arg(long, global = true, value_name = "SIZE", value_parser = limit)]
    pub(crate) max_disk: Option<u64>,
    /// Most processes and threads of a build step at the same time [default: 8192]
    #[arg(long, global = true, value_name = "N", value_parser = whole::<u64, { u64::MAX }>)]
    pub(crate) max_processes: Option<u64>,
}

/// Limits of each download.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Limits of each download")]
pub(crate) struct Transfers {
    /// Fewest bytes a second, such as 64K, as the mean of 30 seconds; 0 for no limit [default: 1K]
    #[arg(long, global = true, env = "CBUILD_MIN_RATE", value_name = "SIZE", value_parser = size)]
    pub(crate) min_rate: Option<u64>,
    /// Longest time of a download [default: 86400]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = whole::<u64, { u64::MAX }>)]
    pub(crate) max_transfer: Option<u64>,
    /// Largest download, such as 20G [default: 8G]
    #[arg(long, global = true, value_name = "SIZE", value_parser = limit)]
    pub(crate) max_download: Option<u64>,
}

/// Bytes, above 0.
fn limit(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("more than 0, or leave the option out".to_owned()),
        bytes => Ok(bytes),
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build targets and print where their outputs are, one a line
    Build {
        /// What to build
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<String>,
        /// Make a link to the output, which also keeps it from garbage collection
        #[arg(short, long, value_name = "LINK")]
        out_link: Option<PathBuf>,
        /// Print what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Build the targets' programs once more and compare; with `vary` in another environment
        #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
              default_missing_value = "same", conflicts_with_all = ["dry_run", "out_link"])]
        check: Option<CheckMode>,
    },
    /// Evaluate a target or an expression and print its value, without building
    Eval {
        /// What to evaluate
        #[arg(value_name = "TARGET")]
        target: Option<String>,
        /// Evaluate an expression; with a target's file in scope if one is given
        #[arg(short, long, value_name = "EXPR", allow_hyphen_values = true)]
        expression: Option<String>,
        /// Print times, counts and memory on the standard error
        #[arg(long)]
        stats: bool,
    },
    /// Evaluate expressions as they are typed; from a pipe, line by line
    Repl {
        /// File or folder whose names are in scope
        #[arg(value_name = "PATH")]
        target: Option<String>,
    },
    /// Write the documentation of a module's files as pages with search
    Doc {
        /// Folder or file of the module, or `std`
        #[arg(value_name = "PATH", default_value = ".")]
        path: PathBuf,
        /// Folder for the pages [default: doc]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Check names and types of files, without evaluating anything
    Check {
        /// Files or folders
        #[arg(value_name = "PATH", default_value = ".")]
        paths: Vec<PathBuf>,
    },
    /// Say what an error code means, with examples; without a code list all codes
    Explain {
        /// Code such as E0301
        #[arg(value_name = "CODE")]
        code: Option<String>,
    },
    /// Format files in the one style
    Fmt {
        /// Change nothing, and fail with the differences if something is not formatted
        #[arg(long)]
        check: bool,
        /// Files or folders; `-` formats standard input to standard output
        #[arg(value_name = "PATH", default_value = ".")]
        paths: Vec<PathBuf>,
    },
    /// Answer an editor over the Language Server Protocol, on standard input and output
    Lsp {
        /// Accepted for editors that say how they talk; there is no other way
        #[arg(long)]
        stdio: bool,
    },
    /// Run the `test` blocks of a file or folder
    Test {
        /// Files or folders
        #[arg(value_name = "PATH", default_value = ".")]
        paths: Vec<PathBuf>,
    },
    /// Download all that targets need, so that they build offline
    Fetch {
        /// What to prepare
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Change, vendor or publish the module of a folder
    Mod {
        /// Folder of the module, or one below it
        #[arg(long, global = true, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// What to do
        #[command(subcommand)]
        command: ModCommand,
    },
    /// Select a version of each required module and pin them all in cbuild.lock
    Lock {
        /// Folder of the module, or one below it
        #[arg(value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Print the build log of a target, or of the step that kept it from being built
    Log {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: String,
    },
    /// Explain why something was built, is needed or differs
    #[command(subcommand)]
    Why(WhyCommand),
    /// Show all that a target needs
    Graph {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: String,
        /// How to show it; `--json` writes one JSON document
        #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
        format: GraphFormat,
    },
    /// Open a shell in the sandbox of a step that fails, at the point of failure
    Debug {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: String,
        /// Shell to start, by its path inside the sandbox [default: /bin/sh, or the nearest one of the
        /// step's program and inputs]
        #[arg(long, value_name = "PATH")]
        shell: Option<PathBuf>,
        /// Run a command instead of an interactive shell, after `--`
        #[arg(last = true, value_name = "CMD")]
        command: Vec<std::ffi::OsString>,
    },
    /// Export and inspect container images
    #[command(subcommand)]
    Image(ImageCommand),
    /// Look at the store and clean it up
    #[command(subcommand)]
    Store(StoreCommand),
    /// Show and change where `mirror://NAME/…` leads
    #[command(subcommand)]
    Mirrors(MirrorsCommand),
}

/// How a second build is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckMode {
    /// As the first one.
    Same,
    /// With another host name, user, umask, number of processors and order of files.
    Vary,
}

/// Formats of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// An indented tree.
    Text,
    /// The language of Graphviz.
    Dot,
    /// A page with search and sizes.
    Html,
}

/// Questions.
#[derive(Debug, Subcommand)]
pub(crate) enum WhyCommand {
    /// The shortest chain of references from a target to an object, with the files that hold them
    Depends {
        /// Which target, or the path of an object
        #[arg(value_name = "TARGET")]
        target: String,
        /// A store path, or a name with or without its version
        #[arg(value_name = "OBJECT")]
        object: String,
    },
    /// Which steps a build of a target would do, and what is new about them
    Uncached {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: String,
    },
    /// What changed between the last build of a target and the one before
    Rebuilt {
        /// Which target
        #[arg(value_name = "TARGET")]
        target: String,
    },
    /// The files in which two objects or targets differ, with the likely cause
    Differs {
        /// A store path or a target
        #[arg(value_name = "FIRST")]
        first: String,
        /// A store path or a target
        #[arg(value_name = "SECOND")]
        second: String,
    },
}

/// Commands on images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build an image target and write it as a folder or archive
    Export {
        /// An image
        #[arg(value_name = "TARGET")]
        target: String,
        /// File or folder to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Format of the file
        #[arg(long, value_enum, default_value_t = ImageFormat::OciArchive)]
        format: ImageFormat,
        /// Compression of the layers
        #[arg(long, value_enum, default_value_t = LayerCompression::Gzip)]
        compression: LayerCompression,
    },
    /// Show what an exported image holds, after checking its digests
    Inspect {
        /// A folder or archive
        #[arg(value_name = "FILE")]
        path: PathBuf,
    },
}

/// Commands on the module of a folder.
#[derive(Debug, Subcommand)]
pub(crate) enum ModCommand {
    /// Require a module, or another version or source of one
    Add {
        /// Path and lowest version, such as `example.org/tls/v1@1.4.0`
        #[arg(value_name = "PATH@VERSION")]
        module: String,
        /// Where that version is: git+URL[#TAG], an archive's address, or oci://HOST/REPOSITORY[:TAG]
        source: String,
        /// Name for `import ext.NAME` [default: the path's last part before the major version]
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
    /// Require modules no longer
    Remove {
        /// Paths, with or without the required version, or the names that the modules are imported by
        #[arg(required = true, value_name = "MODULE")]
        modules: Vec<String>,
    },
    /// Require newer versions of the same major version
    Update {
        /// Paths, with a version or for the newest, or names of imports [default: all that are required]
        #[arg(value_name = "MODULE[@VERSION]")]
        modules: Vec<String>,
    },
    /// Copy all required modules to vendor/, from which they are then read
    Vendor,
    /// Upload the module to a registry
    Publish {
        /// Where to; the tag is the version, as in `oci://example.org/modules/tls:1.4.0`
        #[arg(value_name = "REFERENCE")]
        reference: String,
    },
}

/// Formats of exported images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImageFormat {
    /// A folder in OCI image layout.
    Oci,
    /// A tar archive of an OCI image layout.
    OciArchive,
    /// The archive that `docker load` reads.
    DockerArchive,
}

/// Compression of image layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayerCompression {
    /// Understood everywhere.
    Gzip,
    /// Smaller and faster; needs containerd 1.5, podman 3 or newer.
    Zstd,
    /// None: the quickest to write, for what compresses the image itself.
    None,
}

/// Commands on the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Describe the store, or objects in it
    Info {
        /// Store paths; none for the whole store
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
    },
    /// List all objects
    Ls,
    /// Hash every object again and compare the index with the files
    Verify {
        /// Make the index anew from the files first
        #[arg(long)]
        rebuild_index: bool,
        /// Remove damaged objects, so that they are built again
        #[arg(long)]
        repair: bool,
    },
    /// Bring damaged objects back: from elsewhere, or by building them again
    Repair {
        /// Another store's folder, or an export, that may have them undamaged
        #[arg(long, value_name = "PLACE")]
        from: Vec<PathBuf>,
    },
    /// Delete what no root reaches, with the logs that nothing names
    Gc {
        /// Print what would be deleted, and delete nothing
        #[arg(long)]
        dry_run: bool,
        /// Keep what is younger, such as 12h or 30d
        #[arg(long, value_name = "AGE", value_parser = age)]
        older_than: Option<u64>,
        /// Stop when what stays is at most as large, such as 500M or 20G; the oldest goes first
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_size: Option<u64>,
    },
    /// Store equal files of all objects once, as hard links
    Optimise {
        /// Print what it would save, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List what keeps objects from collection, with the size of what it reaches
    Roots {
        /// End a root, by its link
        #[arg(long, value_name = "LINK")]
        remove: Vec<PathBuf>,
    },
    /// List the latest builds with their durations and logs, newest first
    History {
        /// Name of a derivation
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// How many
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = whole::<u32, 4_294_967_295>)]
        limit: u32,
    },
    /// Take a file or folder into the store as it is, and print its path
    Add {
        /// File or folder
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Name of the object [default: the last part of the path]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Write objects and all that they refer to into one file
    Export {
        /// Store paths
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
        /// File to write, `-` for standard output
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Read objects from such a file; each is verified first
    Import {
        /// File to read, `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// A number with one of some letters behind it, which multiply.
fn with_unit(text: &str, units: &[(char, u64)], expected: &str) -> Result<u64, String> {
    let unit = units.iter().find(|(letter, _)| text.ends_with(*letter));
    let (digits, factor) = match unit {
        Some((letter, factor)) => (text.strip_suffix(*letter).unwrap_or(text), *factor),
        None => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| expected.to_owned())
}

/// Bytes.
fn size(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40)];
    with_unit(text, &units, "a number of bytes, or one with K, M, G or T behind it, such as 4G")
}

/// A whole number from 1 to `MAX`. The error says what is allowed, for "give …".
fn whole<T: TryFrom<u64>, const MAX: u64>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX).contains(number));
    number.and_then(|number: u64| T::try_from(number).ok()).ok_or_else(|| match MAX {
        4_294_967_295.. => "a whole number from 1 on".to_owned(),
        _ => format!("a whole number from 1 to {MAX}"),
    })
}

/// Seconds.
fn age(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    with_unit(
        text,
        &units,
        "a number of seconds, or one with m, h, d or w behind it, such as 12h or 30d",
    )
}

#[cfg(test)]
mod tests {
    use super::{age, limit, size};

    #[test]
    fn sizes_and_ages_have_units() {
        assert_eq!((size("12"), size("3K"), size("2G")), (Ok(12), Ok(3072), Ok(2 << 30)));
        assert_eq!((age("90"), age("2m"), age("30d")), (Ok(90), Ok(120), Ok(2_592_000)));
        for bad in ["", "K", "-1", "1.5G", "1GB", "18446744073709551615T", "1 G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert!(age("1y").is_err());
        assert_eq!(limit("4G"), Ok(4 << 30));
        assert!(limit("0").is_err());
    }
}

/// Commands on mirrors.
#[derive(Debug, Subcommand)]
pub(crate) enum MirrorsCommand {
    /// Show the table
    List,
    /// Read what apt, pip, npm and cargo are configured with, and save it
    Detect,
    /// Set the addresses of a name
    Set {
        /// Name, as in `mirror://NAME/…`
        name: String,
        /// Base addresses, best first
        #[arg(required = true)]
        urls: Vec<String>,
    },
}
