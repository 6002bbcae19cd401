//! Encodings that come back from a disk or from others.

use cbuild_drv::image::ImageDocument;
use cbuild_drv::{ContentHash, Digest, StorePath};

/// Bytes are refused, or are the one encoding of what they were read as.
pub fn record(bytes: &[u8]) {
    if let Ok(derivation) = cbuild_drv::record::decode(bytes) {
        assert_eq!(derivation.to_record(), bytes, "two records of one derivation");
    }
    if let Ok(document) = ImageDocument::parse(bytes) {
        let text = document.to_json().unwrap();
        assert_eq!(ImageDocument::parse(text.as_bytes()).unwrap(), document);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = StorePath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(hash) = ContentHash::parse(text) {
        assert_eq!(ContentHash::parse(&hash.to_string()).as_ref(), Ok(&hash));
    }
}
