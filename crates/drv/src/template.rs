//! Text that carries references to store objects.

use crate::encoding::Encoder;
use crate::name::OutputName;

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment<R> {
    /// Plain text.
    Text(String),
    /// The absolute path (inside the sandbox) of a store object.
    Reference(R),
    /// The absolute path of an output of the derivation that is being built.
    Output(OutputName),
}

/// Text with references, the build-side form of the language's `Script`.
///
/// Adjacent text segments are merged and empty ones dropped, so that equal texts are equal
/// values and have equal encodings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template<R> {
    segments: Vec<Segment<R>>,
}

impl<R> Default for Template<R> {
    fn default() -> Self {
        Self { segments: Vec::new() }
    }
}

impl<R> From<&str> for Template<R> {
    fn from(text: &str) -> Self {
        let mut template = Self::default();
        template.push(Segment::Text(text.to_owned()));
        template
    }
}

impl<R> FromIterator<Segment<R>> for Template<R> {
    fn from_iter<I: IntoIterator<Item = Segment<R>>>(segments: I) -> Self {
        let mut template = Self::default();
        segments.into_iter().for_each(|segment| template.push(segment));
        template.shrink();
        template
    }
}

impl<R> Template<R> {
    /// Appends a segment.
    pub fn push(&mut self, segment: Segment<R>) {
        match (self.segments.last_mut(), segment) {
            (_, Segment::Text(text)) if text.is_empty() => {}
            (Some(Segment::Text(last)), Segment::Text(text)) => last.push_str(&text),
            (_, segment) => self.segments.push(segment),
        }
    }

    /// Gives spare room back; for templates that are complete and will be kept.
    pub fn shrink(&mut self) {
        self.segments.shrink_to_fit();
        for segment in &mut self.segments {
            if let Segment::Text(text) = segment {
                text.shrink_to_fit();
            }
        }
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment<R>] {
        &self.segments
    }

    /// The references in order of occurrence, with repetitions.
    pub fn references(&self) -> impl Iterator<Item = &R> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Reference(reference) => Some(reference),
            Segment::Text(_) | Segment::Output(_) => None,
        })
    }

    /// Replaces every reference, stopping at the first error.
    pub fn try_map<S, E>(
        &self,
        map: &mut impl FnMut(&R) -> Result<S, E>,
    ) -> Result<Template<S>, E> {
        self.segments
            .iter()
            .map(|segment| {
                Ok(match segment {
                    Segment::Text(text) => Segment::Text(text.clone()),
                    Segment::Reference(reference) => Segment::Reference(map(reference)?),
                    Segment::Output(output) => Segment::Output(output.clone()),
                })
            })
            .collect()
    }

    /// The text, with references and outputs written by the two functions.
    pub fn render(
        &self,
        mut reference: impl FnMut(&R) -> String,
        mut output: impl FnMut(&OutputName) -> String,
    ) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Text(plain) => text.push_str(plain),
                Segment::Reference(r) => text.push_str(&reference(r)),
                Segment::Output(o) => text.push_str(&output(o)),
            }
        }
        text
    }

    pub(crate) fn encode(
        &self,
        encoder: &mut Encoder,
        reference: &mut impl FnMut(&mut Encoder, &R),
    ) {
        encoder.count(self.segments.len());
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => {
                    encoder.tag(0);
                    encoder.text(text);
                }
                Segment::Reference(r) => {
                    encoder.tag(1);
                    reference(encoder, r);
                }
                Segment::Output(output) => {
                    encoder.tag(2);
                    encoder.text(output.as_str());
                }
            }
        }
    }
}
