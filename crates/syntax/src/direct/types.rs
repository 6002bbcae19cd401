//! Types and patterns.

use super::bytes::{DIGIT, LOWER, UPPER, WORD, is};
use super::{Parsed, Parser, Refused};
use crate::grammar::Rule;

impl Parser<'_> {
    /// `s ~ type`
    pub(super) fn ty(&mut self) -> Parsed {
        self.nested(|parser| {
            let open = parser.open_next(Rule::r#type);
            parser.type_part()?;
            while parser.take(b"->") {
                parser.type_part()?;
            }
            parser.close(open)
        })
    }

    fn type_part(&mut self) -> Parsed {
        let at = self.next();
        match self.byte(at) {
            b'{' => self.type_record(),
            b'(' => self.type_parens(),
            _ => self.type_named(),
        }
    }

    fn type_named(&mut self) -> Parsed {
        let open = self.open_next(Rule::type_named);
        self.type_segment()?;
        while self.byte(self.at) == b'.' {
            self.at += 1;
            self.type_segment()?;
        }
        let at = self.next();
        if self.byte(at) == b'<' {
            self.type_args()?;
        }
        self.close(open)
    }

    /// `s ~ type_args`
    pub(super) fn type_args(&mut self) -> Parsed {
        let open = self.open_next(Rule::type_args);
        self.at += 1;
        self.elements(b'>', Self::ty)?;
        self.close(open)
    }

    /// A name in a type, directly at the current byte.
    fn type_segment(&mut self) -> Parsed {
        let start = self.at;
        let (rule, end) = match self.value_name_end(start) {
            Some(end) => (Rule::name, end),
            None if is(self.byte(start), UPPER) => (Rule::type_name, self.run(start, WORD)),
            None => return Err(Refused::Syntax),
        };
        self.token(rule, start, end);
        Ok(())
    }

    pub(super) fn type_parens(&mut self) -> Parsed {
        let open = self.open_next(Rule::type_parens);
        self.at += 1;
        self.elements(b')', Self::ty)?;
        self.close(open)
    }

    fn type_record(&mut self) -> Parsed {
        let open = self.open_next(Rule::type_record);
        self.at += 1;
        loop {
            let at = self.next();
            if matches!(self.byte(at), b'}' | b'|') {
                break;
            }
            self.field_type()?;
            if !self.take(b",") {
                break;
            }
        }
        let at = self.next();
        if self.byte(at) == b'|' {
            let row = self.open_next(Rule::row);
            self.at += 1;
            self.value_name()?;
            self.close(row)?;
        }
        self.expect(b"}")?;
        self.close(open)
    }

    fn field_type(&mut self) -> Parsed {
        let open = self.open_next(Rule::field_type);
        self.def_name()?;
        let at = self.next();
        if self.byte(at) == b'?' {
            self.token(Rule::optional, at, at + 1);
        }
        self.expect(b":")?;
        self.ty()?;
        self.default()?;
        self.close(open)
    }

    /// `s ~ pattern`
    pub(super) fn pattern(&mut self) -> Parsed {
        self.nested(Self::any_pattern)
    }

    fn any_pattern(&mut self) -> Parsed {
        self.at = self.next();
        let start = self.at;
        match self.byte(start) {
            b'"' => {
                let open = self.open(Rule::pattern_text);
                self.text()?;
                self.close(open)
            }
            byte if byte == b'-' || is(byte, DIGIT) => self.pattern_int(),
            byte if is(byte, UPPER) => self.pattern_constructor(),
            byte if is(byte, LOWER) => self.pattern_word(),
            _ => Err(Refused::Syntax),
        }
    }

    fn pattern_int(&mut self) -> Parsed {
        let open = self.open(Rule::pattern_int);
        let start = self.at + usize::from(self.byte(self.at) == b'-');
        if !is(self.byte(start), DIGIT) {
            return Err(Refused::Syntax);
        }
        self.token(Rule::int, start, self.int_end(start));
        self.close(open)
    }

    fn pattern_word(&mut self) -> Parsed {
        let start = self.at;
        let end = self.run(start, WORD);
        let rule = match &self.bytes[start..end] {
            b"true" | b"false" => {
                let open = self.open(Rule::pattern_bool);
                self.token(Rule::bool, start, end);
                return self.close(open);
            }
            word if crate::words::is_reserved(word) => return Err(Refused::Syntax),
            _ if self.byte(end) == b'.' => return self.pattern_constructor(),
            b"_" => Rule::pattern_wildcard,
            _ => Rule::pattern_bind,
        };
        let open = self.open(rule);
        match rule {
            Rule::pattern_bind => self.token(Rule::name, start, end),
            _ => self.at = end,
        }
        self.close(open)
    }

    fn pattern_constructor(&mut self) -> Parsed {
        let open = self.open(Rule::pattern_constructor);
        while let Some(end) = self.value_name_end(self.at) {
            if self.byte(end) != b'.' {
                return Err(Refused::Syntax);
            }
            self.token(Rule::name, self.at, end);
            self.at = end + 1;
        }
        if !is(self.byte(self.at), UPPER) {
            return Err(Refused::Syntax);
        }
        self.token(Rule::type_name, self.at, self.run(self.at, WORD));
        if self.byte(self.at) == b'.' && is(self.byte(self.at + 1), UPPER) {
            self.token(Rule::type_name, self.at + 1, self.run(self.at + 1, WORD));
        }
        let at = self.next();
        if self.byte(at) == b'(' {
            let args = self.open_next(Rule::pattern_args);
            self.at += 1;
            self.elements(b')', Self::pattern)?;
            self.close(args)?;
        }
        self.close(open)
    }
}
