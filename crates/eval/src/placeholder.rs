//! References inside of text that is encoded once more, such as JSON.
//!
//! A document is encoded with a placeholder for each reference, then split at the placeholders.
//! A placeholder is the text of a digest (letters and digits alone, so that no encoding changes it)
//! that occurs nowhere in the plain text.

use cbuild_drv::{Digest, Input, Segment, Template};

/// The references of one document.
#[derive(Default)]
pub(crate) struct Placeholders {
    references: Vec<(String, Input)>,
    plain: Vec<String>,
}

impl Placeholders {
    /// Names the plain text of templates, in which no placeholder may occur.
    pub(crate) fn avoid<'t>(&mut self, templates: impl Iterator<Item = &'t Template<Input>>) {
        for template in templates {
            for segment in template.segments() {
                if let Segment::Text(text) = segment {
                    self.avoid_text(text);
                }
            }
        }
    }

    /// Names a plain text.
    pub(crate) fn avoid_text(&mut self, text: &str) {
        self.plain.push(text.to_owned());
    }

    /// The text of a template with placeholders for its references.
    pub(crate) fn render(&mut self, template: &Template<Input>) -> String {
        template.render(|reference| self.placeholder(reference), |output| output.to_string())
    }

    fn placeholder(&mut self, reference: &Input) -> String {
        if let Some((known, _)) = self.references.iter().find(|(_, input)| input == reference) {
            return known.clone();
        }
        let number = self.references.len();
        let text = (0u64..)
            .map(|salt| Digest::of(format!("cbuild-placeholder {number} {salt}").as_bytes()))
            .map(|digest| digest.to_text())
            .find(|text| !self.plain.iter().any(|plain| plain.contains(text.as_str())))
            .unwrap_or_default();
        self.references.push((text.clone(), reference.clone()));
        text
    }

    /// Splits an encoded document at the placeholders.
    pub(crate) fn split(&self, document: &str) -> Template<Input> {
        let mut template = Template::default();
        let mut rest = document;
        loop {
            let next = self.references.iter().filter_map(|(text, input)| {
                rest.find(text.as_str()).map(|at| (at, text.len(), input))
            });
            let Some((at, len, input)) = next.min_by_key(|&(at, ..)| at) else { break };
            template.push(Segment::Text(rest[..at].to_owned()));
            template.push(Segment::Reference(input.clone()));
            rest = &rest[at + len..];
        }
        template.push(Segment::Text(rest.to_owned()));
        template
    }
}

#[cfg(test)]
mod tests {
    use cbuild_drv::{DrvId, OutputName};

    use super::*;

    fn input(byte: u8) -> Input {
        Input::Output { drv: DrvId(Digest([byte; 32])), output: OutputName::out() }
    }

    #[test]
    fn references_survive_an_encoding() {
        let reference = |byte| Segment::Reference(input(byte));
        let quote = || Segment::Text("\"\n".to_owned());
        let template =
            Template::from_iter([quote(), reference(1), reference(2), quote(), reference(1)]);
        let mut texts = Placeholders::default();
        texts.avoid([&template].into_iter());
        let json = serde_json::to_string(&texts.render(&template)).unwrap();
        let split = texts.split(&json);
        let found: Vec<_> = split.references().cloned().collect();
        assert_eq!(found, [input(1), input(2), input(1)]);
        let text = split.render(|_| "REF".to_owned(), |_| String::new());
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "\"\nREFREF\"\nREF");
    }

    #[test]
    fn a_placeholder_never_occurs_in_the_plain_text() {
        let taken = Digest::of(b"cbuild-placeholder 0 0").to_text();
        let template =
            Template::from_iter([Segment::Text(taken.clone()), Segment::Reference(input(1))]);
        let mut texts = Placeholders::default();
        texts.avoid([&template].into_iter());
        let rendered = texts.render(&template);
        assert_eq!(rendered.matches(&taken).count(), 1);
        assert_eq!(texts.split(&rendered), template);
    }
}
