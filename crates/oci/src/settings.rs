//! The checked form of an image document: every text that an image cannot have is refused here.

use cbuild_drv::image::{self, ImageDocument};

use crate::error::OciError;
use crate::platform::Platform;

/// What the document says, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `name:tag`.
    pub(crate) reference: String,
    /// What it runs on.
    pub(crate) platform: &'static Platform,
    /// User id that the program runs as.
    pub(crate) uid: u32,
    /// Group id that the program runs as.
    pub(crate) gid: u32,
}

impl Settings {
    /// Checks the document; `reference` replaces its name and tag.
    pub(crate) fn check(
        document: &ImageDocument,
        reference: Option<&str>,
    ) -> Result<Self, OciError> {
        image::check(document)?;
        let reference = match reference {
            Some(text) => {
                // A colon before a slash belongs to the port of a registry.
                let split = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
                let (name, tag) = split.unwrap_or((text, "latest"));
                image::check_reference(name, tag)?;
                format!("{name}:{tag}")
            }
            None => format!("{}:{}", document.name, document.tag),
        };
        let (uid, gid) = image::user(&document.user)?;
        let platform = Platform::of(&document.system)?;
        Ok(Self { reference, platform, uid, gid })
    }
}
