//! How far a download came before it was cut, and how it is asked to go on (RFC 9110, chapter 14).

use reqwest::StatusCode;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE,
};

/// What is known of a download that may be cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progressed {
    /// Bytes that are there, from the start on.
    pub(crate) bytes: u64,
    /// Bytes in all, where the server says it.
    pub(crate) total: Option<u64>,
    /// What tells this content from another one at the same address.
    validator: Option<String>,
    /// Whether the server says that it gives parts.
    has_parts: bool,
}

/// What an answer means for a download.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It begins anew.
    Anew,
    /// It goes on.
    On,
    /// It gives another part than the one asked for, or one of another content.
    Odd,
}

impl Progressed {
    /// Whether it may go on where it was cut: with a content that is told apart by the server, or, when
    /// `is_pinned`, by the hash of the whole.
    pub(crate) fn can_go_on(&self, is_pinned: bool) -> bool {
        self.bytes > 0 && (self.validator.is_some() || (is_pinned && self.has_parts))
    }

    /// The header lines that ask for the rest; none for a download that begins.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, String)> {
        if self.bytes == 0 {
            return Vec::new();
        }
        let mut headers = vec![(RANGE, format!("bytes={}-", self.bytes))];
        headers.extend(self.validator.clone().map(|validator| (IF_RANGE, validator)));
        headers
    }

    /// Takes in what the head of a successful answer says.
    pub(crate) fn begin(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Start {
        let learned = Self::learn(headers);
        if status != StatusCode::PARTIAL_CONTENT {
            *self = Self { total: length, ..learned };
            return Start::Anew;
        }
        let Some((start, total)) = headers.get(CONTENT_RANGE).and_then(part) else {
            return Start::Odd;
        };
        let same = |one: &Option<String>, two: &Option<String>| match (one, two) {
            (Some(one), Some(two)) => one == two,
            (None, _) | (_, None) => true,
        };
        let is_same_size = self.total.is_none() || total.is_none() || self.total == total;
        if self.bytes == 0
            || start != self.bytes
            || !is_same_size
            || !same(&self.validator, &learned.validator)
        {
            return Start::Odd;
        }
        self.total = self.total.or(total);
        Start::On
    }

    fn learn(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        // A weak tag does not promise the same bytes.
        let tag = text(ETAG).filter(|tag| tag.starts_with('"'));
        let validator = tag.or_else(|| text(LAST_MODIFIED));
        let has_parts = text(ACCEPT_RANGES).is_some_and(|unit| unit.trim() == "bytes");
        Self { bytes: 0, total: None, validator, has_parts }
    }
}

/// Start and total of `bytes START-END/TOTAL`.
fn part(value: &HeaderValue) -> Option<(u64, Option<u64>)> {
    let rest = value.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, total) = rest.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let total = if total == "*" { None } else { Some(total.trim().parse::<u64>().ok()?) };
    (start <= end && total.is_none_or(|total| end < total)).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn cut(lines: &[(&'static str, &'static str)]) -> Progressed {
        let mut progressed = Progressed::default();
        assert_eq!(progressed.begin(StatusCode::OK, &headers(lines), Some(100)), Start::Anew);
        Progressed { bytes: 40, ..progressed }
    }

    #[test]
    fn what_is_asked_for() {
        assert_eq!(Progressed::default().headers(), []);
        let range = (RANGE, "bytes=40-".to_owned());
        assert_eq!(
            cut(&[("etag", "\"a\"")]).headers(),
            [range.clone(), (IF_RANGE, "\"a\"".to_owned())]
        );
        let weak = cut(&[("etag", "W/\"a\""), ("accept-ranges", "bytes")]);
        assert_eq!(weak.headers(), [range]);
        assert!(weak.can_go_on(true) && !weak.can_go_on(false));
        assert!(!cut(&[]).can_go_on(true));
        assert!(cut(&[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")]).can_go_on(false));
    }

    #[test]
    fn only_the_part_that_was_asked_for_is_taken() {
        let answer = |lines: &[(&'static str, &'static str)]| {
            let mut progressed = cut(&[("etag", "\"a\"")]);
            progressed.begin(StatusCode::PARTIAL_CONTENT, &headers(lines), Some(60))
        };
        assert_eq!(answer(&[("content-range", "bytes 40-99/100")]), Start::On);
        assert_eq!(answer(&[("content-range", "bytes 40-99/*"), ("etag", "\"a\"")]), Start::On);
        for odd in ["bytes 39-99/100", "bytes 40-99/101", "bytes 40-100/100", "bytes 40/100", "x"] {
            assert_eq!(answer(&[("content-range", odd)]), Start::Odd, "{odd}");
        }
        assert_eq!(answer(&[]), Start::Odd);
        assert_eq!(answer(&[("content-range", "bytes 40-99/100"), ("etag", "\"b\"")]), Start::Odd);
        let fresh = Progressed::default().begin(
            StatusCode::PARTIAL_CONTENT,
            &headers(&[("content-range", "bytes 0-9/10")]),
            None,
        );
        assert_eq!(fresh, Start::Odd);
    }
}
