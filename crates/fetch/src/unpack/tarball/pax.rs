//! Records of pax headers (POSIX.1-2017, `pax`, "pax Header Block").
//!
//! The `tar` crate splits them at line breaks, which a value may hold; a record ends after its
//! length. This file knows what a header says, and not what becomes of the entry.

use std::io;

use super::invalid;
use super::sparse::SparseHeader;

/// Keyword and value of each record `LENGTH KEYWORD=VALUE\n`; the length counts all of it.
pub(super) struct Records<'b> {
    rest: &'b [u8],
}

impl<'b> Records<'b> {
    /// The records of a header's whole content.
    pub(super) fn new(content: &'b [u8]) -> Self {
        Self { rest: content }
    }

    fn record(&mut self) -> Option<(&'b [u8], &'b [u8])> {
        let digits = self.rest.iter().position(|&byte| byte == b' ')?;
        let length = usize::try_from(decimal(&self.rest[..digits])?).ok()?;
        let (record, rest) = self.rest.split_at_checked(length)?;
        let text = record.get(digits + 1..)?.strip_suffix(b"\n")?;
        let equals = text.iter().position(|&byte| byte == b'=')?;
        self.rest = rest;
        Some((&text[..equals], &text[equals + 1..]))
    }
}

impl<'b> Iterator for Records<'b> {
    type Item = io::Result<(&'b [u8], &'b [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        // Some programs fill the last block with zeros and count these as content.
        if self.rest.iter().all(|&byte| byte == 0) {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or_else(|| invalid("a record of its pax header is malformed")))
    }
}

/// A number in digits alone.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a pax header says of the entry after it. Of a keyword that is repeated the last counts,
/// and an empty value takes it back.
#[derive(Default)]
pub(super) struct Said {
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: SparseHeader,
}

impl Said {
    /// Reads a header's whole content.
    pub(super) fn read(content: &[u8]) -> io::Result<Self> {
        let mut said = Self::default();
        for record in Records::new(content) {
            let (key, value) = record?;
            let text = (!value.is_empty()).then(|| value.to_vec());
            match key {
                b"path" => said.name = text,
                b"linkpath" => said.target = text,
                b"size" if value.is_empty() => said.size = None,
                b"size" => {
                    let size = decimal(value);
                    said.size = Some(size.ok_or_else(|| invalid("its size is no number"))?);
                }
                _ => said.sparse.take(key, value)?,
            }
        }
        Ok(said)
    }
}

/// Reads a global header, which speaks of all entries after it. Programs differ in whether such a
/// header can name or measure entries, so one that does is refused.
pub(super) fn check_global(content: &[u8]) -> io::Result<()> {
    for record in Records::new(content) {
        let (key, value) = record?;
        let decisive = matches!(key, b"path" | b"linkpath" | b"size")
            || key.starts_with(b"GNU.sparse.")
            || key.starts_with(b"GNU.volume.");
        if decisive && !value.is_empty() {
            let key = String::from_utf8_lossy(key);
            return Err(invalid(&format!("its global header gives `{key}` to all entries")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
        let rest = [b" ".as_slice(), key, b"=", value, b"\n"].concat();
        let whole = |digits: usize| rest.len() + digits;
        let digits = (1..).find(|&digits| whole(digits).to_string().len() == digits).unwrap();
        [whole(digits).to_string().as_bytes(), &rest].concat()
    }

    fn all(content: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let records = Records::new(content);
        records.map(|r| r.map(|(k, v)| (k.to_vec(), v.to_vec())).ok()).collect()
    }

    #[test]
    fn records_end_after_their_length() {
        let found = all(b"13 path=a\nb=\n12 comment=\n").unwrap();
        assert_eq!(found[0], (b"path".to_vec(), b"a\nb=".to_vec()));
        assert_eq!(found[1], (b"comment".to_vec(), Vec::new()));
    }

    #[test]
    fn malformed_records() {
        for bad in [
            b"x".as_slice(),
            b"10 path=ab",
            b"12 path=ab\n",
            b"9 path=ab\n",
            b"0 path=ab\n",
            b"2 \n",
            b"10 pathab\n",
            b"+10 path=a\n",
            b"99999999999999999999999 a=b\n",
            b"10  path=a",
            b"10 path=ab\n\0x",
        ] {
            assert_eq!(all(bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(all(b""), Some(vec![]));
        assert_eq!(all(b"\0\0\0").map(|records| records.len()), Some(0));
    }

    #[test]
    fn the_last_counts_and_an_empty_value_takes_back() {
        let said = Said::read(b"9 path=a\n9 path=b\n11 size=12\n8 size=\n").unwrap();
        assert_eq!((said.name.as_deref(), said.size), (Some(b"b".as_slice()), None));
        assert!(Said::read(b"11 size=-1\n").is_err());
        assert!(Said::read(b"11 size=+1\n").is_err());
        let zeros = b"33 size=000000000000000000000999\n";
        assert_eq!(Said::read(zeros).unwrap().size, Some(999));
        assert!(check_global(b"9 path=a\n").is_err());
        assert!(check_global(b"13 comment=x\n8 path=\n").is_ok());
    }

    proptest! {
        #[test]
        fn records_come_back(pairs in vec(("[a-zA-Z.]{1,12}", vec(any::<u8>(), 0..300)), 0..6)) {
            let pairs: Vec<_> = pairs.into_iter().map(|(k, v)| (k.into_bytes(), v)).collect();
            let content: Vec<u8> = pairs.iter().flat_map(|(k, v)| record(k, v)).collect();
            prop_assert_eq!(all(&content), Some(pairs));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(content in vec(any::<u8>(), 0..200)) {
            let _ = Said::read(&content);
            let _ = check_global(&content);
        }

        #[test]
        fn nearly_records_do_not_panic(content in "([0-9]{1,3} ?(path|size|GNU.sparse.map)=[0-9,a\n]{0,9}\n?){0,5}") {
            let _ = Said::read(content.as_bytes());
        }
    }
}
