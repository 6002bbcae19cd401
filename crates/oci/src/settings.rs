//! The checked form of an image document: every text that an image cannot have is refused here.

use cbuild_drv::image::ImageDocument;

use crate::error::OciError;

/// Longest tag, as the distribution specification has it.
const MAX_TAG_LEN: usize = 128;

/// Longest repository name.
const MAX_REPOSITORY_LEN: usize = 255;

/// What the document says, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `name:tag`.
    pub(crate) reference: String,
    /// OCI architecture, for example `amd64`.
    pub(crate) architecture: &'static str,
    /// OCI variant of the architecture.
    pub(crate) variant: Option<&'static str>,
    /// User id that the program runs as.
    pub(crate) uid: u32,
    /// Group id that the program runs as.
    pub(crate) gid: u32,
}

fn refuse(
    field: impl Into<String>,
    value: &str,
    reason: &'static str,
    fix: impl Into<String>,
) -> OciError {
    OciError::Field { field: field.into(), value: value.to_owned(), reason, fix: fix.into() }
}

impl Settings {
    /// Checks the document; `reference` replaces its name and tag.
    pub(crate) fn check(
        document: &ImageDocument,
        reference: Option<&str>,
    ) -> Result<Self, OciError> {
        let reference = match reference {
            Some(text) => {
                // A colon before a slash belongs to the port of a registry.
                let split = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
                let (name, tag) = split.unwrap_or((text, "latest"));
                checked_reference(name, tag)?
            }
            None => checked_reference(&document.name, &document.tag)?,
        };
        let (uid, gid) = user(&document.user)?;
        let (architecture, variant) = platform(&document.system)?;
        environment(document)?;
        for (name, endpoint) in &document.contract.listens {
            if !matches!(endpoint.transport.as_str(), "tcp" | "udp") {
                let field = format!("listens.{name}.transport");
                let fix = "use `std.oci.tcp` or `std.oci.udp`";
                return Err(refuse(field, &endpoint.transport, "it must be `tcp` or `udp`", fix));
            }
            if endpoint.port == 0 {
                let field = format!("listens.{name}.port");
                return Err(refuse(
                    field,
                    "0",
                    "no program listens there",
                    "name a port from 1 on",
                ));
            }
        }
        directory("workdir", &document.workdir)?;
        for (name, path) in &document.contract.volumes {
            let field = format!("volumes.{name}");
            directory(&field, path)?;
            if path == "/" || path == "/cbuild" || path.starts_with("/cbuild/") {
                let fix = "choose a path such as /data";
                return Err(refuse(field, path, "a volume there would hide the program", fix));
            }
        }
        Ok(Self { reference, architecture, variant, uid, gid })
    }
}

fn checked_reference(name: &str, tag: &str) -> Result<String, OciError> {
    let component = |text: &str| {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        ends.is_some_and(|(a, b)| alphanumeric(*a) && alphanumeric(*b))
            && bytes.iter().all(|&b| alphanumeric(b) || matches!(b, b'.' | b'_' | b'-'))
            && !["..", "._", "_.", ".-", "-.", "_-", "-_", "___"].iter().any(|s| text.contains(s))
    };
    // The first component may be a registry with a port.
    let host = |text: &str| match text.split_once(':') {
        Some((host, port)) => component(host) && port.parse::<u16>().is_ok(),
        None => component(text),
    };
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or_default();
    let first_ok = if name.contains('/') { host(first) } else { component(first) };
    if name.len() > MAX_REPOSITORY_LEN || !first_ok || !parts.all(component) {
        return Err(refuse(
            "name",
            name,
            "it must consist of lower-case letters, digits and single `.`, `_`, `-`, `/` between them",
            format!("for example `{}`", name.to_ascii_lowercase().replace([' ', '+'], "-")),
        ));
    }
    let tag_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let bytes = tag.as_bytes();
    let first_ok = bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if !first_ok || bytes.len() > MAX_TAG_LEN || !bytes.iter().all(|&b| tag_byte(b)) {
        return Err(refuse(
            "tag",
            tag,
            "it must consist of at most 128 letters, digits, `_`, `.` and `-`, and not start with `.` or `-`",
            format!("for example `{}`", tag.replace(['+', '~', ':'], "-")),
        ));
    }
    Ok(format!("{name}:{tag}"))
}

fn user(text: &str) -> Result<(u32, u32), OciError> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // The highest id means "no change" to the kernel.
        digits.parse::<u32>().ok().filter(|&id| plain && id != u32::MAX)
    };
    text.split_once(':').and_then(|(uid, gid)| Some((number(uid)?, number(gid)?))).ok_or_else(
        || refuse("user", text, "it must be `uid:gid` in digits", "for example \"65532:65532\""),
    )
}

/// OCI architecture and variant of a system such as `x86_64-linux`.
fn platform(system: &str) -> Result<(&'static str, Option<&'static str>), OciError> {
    Ok(match system {
        "x86_64-linux" => ("amd64", None),
        "i686-linux" => ("386", None),
        "aarch64-linux" => ("arm64", Some("v8")),
        "armv7l-linux" => ("arm", Some("v7")),
        "riscv64-linux" => ("riscv64", None),
        "powerpc64le-linux" => ("ppc64le", None),
        "s390x-linux" => ("s390x", None),
        "loongarch64-linux" => ("loong64", None),
        _ => return Err(OciError::UnknownSystem(system.to_owned())),
    })
}

fn environment(document: &ImageDocument) -> Result<(), OciError> {
    for (name, value) in &document.env {
        let field = format!("vars.{name}");
        if name.is_empty() || name.contains(['=', '\0']) {
            let fix = "rename the variable";
            return Err(refuse(field, name, "a variable's name must hold no `=` and no NUL", fix));
        }
        if value.contains('\0') {
            let fix = "remove the NUL";
            return Err(refuse(field, value, "a variable's value must hold no NUL", fix));
        }
    }
    match document.cmd.iter().find(|word| word.contains('\0')) {
        Some(word) => Err(refuse("cmd", word, "an argument must hold no NUL", "remove the NUL")),
        None => Ok(()),
    }
}

/// Checks the path of a folder of the image: absolute, and already in its shortest form.
fn directory(field: &str, path: &str) -> Result<(), OciError> {
    let parts = path.strip_prefix('/').filter(|rest| {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
        rest.is_empty() || rest.split('/').all(plain)
    });
    if parts.is_none() || path.len() > 4095 || path.contains(['\0', '\n', ',']) {
        return Err(refuse(
            field,
            path,
            "it must be an absolute path without `.`, `..`, double or final `/`, comma or line break",
            "for example \"/data\"",
        ));
    }
    Ok(())
}
