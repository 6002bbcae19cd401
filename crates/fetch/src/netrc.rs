//! The user's netrc file: a user and a password for each host.
//!
//! An entry says nothing of a scheme or port. It is used for addresses that the user wrote or that the
//! user's table of mirrors has, whatever their port, and only where nobody else can read what is sent. The entry `default`
//! is left alone: it would give the password to every server that a package names.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::address::{Authorization, Origin};

/// Largest file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Where a netrc file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetrcFile {
    /// The file; it need not be there.
    pub path: PathBuf,
    /// Whether it is only read when it belongs to the user and nobody else may read it. That is for
    /// the usual place; a file that was named is taken as it is, since a secret that was mounted into a container
    /// often has other modes.
    pub private: bool,
}

/// What a netrc file says.
#[derive(Default)]
pub(crate) struct Netrc {
    entries: Option<netrc::Netrc>,
    /// Why the file is there and not used.
    pub(crate) problem: Option<String>,
}

impl Netrc {
    /// Reads a file. One that is not there says nothing; one that cannot be used neither, and why.
    pub(crate) fn read(file: &NetrcFile) -> Self {
        match entries(file) {
            Ok(entries) => Self { entries, problem: None },
            Err(problem) => {
                let problem = Some(format!("`{}` is not used: {problem}", file.path.display()));
                Self { entries: None, problem }
            }
        }
    }

    /// The credentials for an origin, if its host has an entry.
    pub(crate) fn for_origin(&self, origin: &Origin) -> Option<Authorization> {
        // The parser gives the entry `default` this name; a host of this name is none of the internet.
        if !origin.is_private() || origin.host() == "default" {
            return None;
        }
        let entry = self.entries.as_ref()?.hosts.get(origin.host())?;
        Some(Authorization::basic(origin.clone(), &entry.login, &entry.password))
    }
}

fn entries(file: &NetrcFile) -> Result<Option<netrc::Netrc>, String> {
    let metadata = match fs::metadata(&file.path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > MOST_BYTES {
        return Err(format!("it is larger than {MOST_BYTES} bytes"));
    }
    if file.private && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if file.private && metadata.mode() & 0o077 != 0 {
        return Err("others may read it; `chmod 600` mends that".to_owned());
    }
    let text = fs::read_to_string(&file.path).map_err(|error| error.to_string())?;
    // What the parser says has words of the file in it, which may be a password.
    text.parse().map(Some).map_err(|_| "it is not of the form of a netrc file".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::address::Address;

    fn read(text: &str, mode: u32, private: bool) -> Netrc {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        Netrc::read(&NetrcFile { path: file.path().to_owned(), private })
    }

    fn value(netrc: &Netrc, text: &str) -> Option<String> {
        let origin = Address::parse(text).unwrap().origin();
        let value = netrc.for_origin(&origin)?.value_for(&origin)?;
        Some(value.to_str().unwrap().to_owned())
    }

    const FILE: &str = "# a comment\nmachine example.org login me password pw\n\
        machine 127.0.0.1\n  login me\n  account x\n  password \"p w\"\n\
        macdef init\nmachine no.example login a password b\n\ndefault login any password one\n";

    #[test]
    fn entries_are_for_their_host() {
        let netrc = read(FILE, 0o600, true);
        assert_eq!(netrc.problem, None);
        assert_eq!(value(&netrc, "https://example.org/a").as_deref(), Some("Basic bWU6cHc="));
        assert!(value(&netrc, "https://example.org:8443/a").is_some());
        assert!(value(&netrc, "https://EXAMPLE.org/a").is_some());
        assert_eq!(value(&netrc, "http://127.0.0.1:5000/").as_deref(), Some("Basic bWU6cCB3"));
        for other in [
            "http://example.org/a",
            "https://www.example.org/",
            "https://org/",
            "https://no.example/",
            "https://other.example/",
            "https://default/",
        ] {
            assert_eq!(value(&netrc, other), None, "{other}");
        }
    }

    #[test]
    fn files_that_are_not_used_say_why() {
        let problem = |netrc: Netrc| netrc.problem.unwrap_or_default();
        assert!(problem(read(FILE, 0o640, true)).contains("chmod 600"));
        assert_eq!(problem(read(FILE, 0o644, false)), "");
        let broken = problem(read("machine a login b password c secret", 0o600, true));
        assert!(broken.contains("not of the form") && !broken.contains("secret"), "{broken}");
        let absent = NetrcFile { path: "/no/such/netrc".into(), private: true };
        assert_eq!(Netrc::read(&absent).problem, None);
        let folder = NetrcFile { path: "/".into(), private: true };
        assert!(Netrc::read(&folder).problem.unwrap().contains("regular file"));
    }
}
