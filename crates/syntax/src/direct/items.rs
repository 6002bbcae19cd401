//! Files and items.

use super::bytes::{UPPER, WORD, is};
use super::{Open, Parsed, Parser, Refused};
use crate::grammar::Rule;
use crate::words::BYTE_ORDER_MARK;

impl Parser<'_> {
    pub(super) fn file(&mut self) -> Parsed {
        let open = self.open(Rule::file);
        if self.looking_at(0, BYTE_ORDER_MARK.as_bytes()) {
            self.at = BYTE_ORDER_MARK.len();
        }
        loop {
            self.at = self.next();
            if self.at == self.bytes.len() {
                break;
            }
            self.item()?;
        }
        self.token(Rule::EOI, self.at, self.at);
        self.close(open)
    }

    fn item(&mut self) -> Parsed {
        let open = self.open(Rule::item);
        if self.word(self.at) == b"pub" {
            self.token(Rule::kw_pub, self.at, self.at + 3);
            self.at = self.next();
        }
        let start = self.at;
        let word = self.run(start, WORD) - start;
        let rule: (Rule, fn(&mut Self) -> Parsed) = match self.word(start) {
            b"import" => (Rule::import_item, Self::import),
            b"let" => (Rule::let_item, Self::let_item),
            b"fn" => (Rule::fn_item, Self::fn_item),
            b"extern" => return self.extern_item(open),
            b"type" => (Rule::type_item, Self::type_item),
            b"protocol" => (Rule::protocol_item, Self::protocol),
            b"test" => (Rule::test_item, Self::test),
            _ => return Err(Refused::Syntax),
        };
        let inner = self.open(rule.0);
        self.at = start + word;
        rule.1(self)?;
        self.close(inner)?;
        self.close(open)
    }

    fn extern_item(&mut self, item: Open) -> Parsed {
        let open = self.open(Rule::extern_type);
        self.at += b"extern".len();
        if self.take_word(b"type") {
            self.def_type()?;
            self.generics()?;
        } else {
            self.entries[open.0].rule = Rule::extern_fn;
            self.expect_word(b"fn")?;
            self.signature()?;
        }
        self.close(open)?;
        self.close(item)
    }

    fn import(&mut self) -> Parsed {
        let at = self.next();
        if let Some(end) = self.path_end(at) {
            self.token(Rule::path, at, end);
        } else {
            self.module_path()?;
        }
        let at = self.next();
        if self.word(at) == b"as" {
            let open = self.open_next(Rule::import_as);
            self.at = at + 2;
            self.def_name()?;
            self.close(open)?;
        }
        Ok(())
    }

    fn module_path(&mut self) -> Parsed {
        let open = self.open_next(Rule::module_path);
        self.value_name()?;
        loop {
            let at = self.next();
            if !self.is_dot(at) {
                return self.close(open);
            }
            self.at = at + 1;
            self.value_name()?;
        }
    }

    fn let_item(&mut self) -> Parsed {
        self.def_name()?;
        self.annotation()?;
        self.assign()?;
        self.body()
    }

    fn fn_item(&mut self) -> Parsed {
        self.signature()?;
        self.assign()?;
        self.body()
    }

    /// The value of an item, if it is not to be left out.
    fn body(&mut self) -> Parsed {
        let at = self.next();
        while let Some((body, rest)) = self.bodies.split_first() {
            if body.start as usize > at {
                break;
            }
            self.bodies = rest;
            if body.start as usize == at && body.end as usize <= self.bytes.len() {
                self.at = (body.end as usize).max(at);
                return Ok(());
            }
        }
        self.value()
    }

    fn signature(&mut self) -> Parsed {
        self.def_name()?;
        self.generics()?;
        self.params()?;
        let at = self.next();
        if self.looking_at(at, b"->") {
            let open = self.open_next(Rule::result);
            self.at = at + 2;
            self.ty()?;
            self.close(open)?;
        }
        Ok(())
    }

    /// `(s ~ generics)?`
    fn generics(&mut self) -> Parsed {
        let at = self.next();
        if self.byte(at) != b'<' {
            return Ok(());
        }
        let open = self.open_next(Rule::generics);
        self.at += 1;
        self.elements(b'>', Self::value_name)?;
        self.close(open)
    }

    /// `s ~ params`
    pub(super) fn params(&mut self) -> Parsed {
        let open = self.open_next(Rule::params);
        self.expect(b"(")?;
        self.elements(b')', Self::param)?;
        self.close(open)
    }

    fn param(&mut self) -> Parsed {
        let open = self.open_next(Rule::param);
        self.def_name()?;
        self.annotation()?;
        self.default()?;
        self.close(open)
    }

    /// `(s ~ default)?`
    pub(super) fn default(&mut self) -> Parsed {
        let at = self.next();
        if !self.is_eq(at) {
            return Ok(());
        }
        let open = self.open_next(Rule::default);
        self.at += 1;
        self.value()?;
        self.close(open)
    }

    /// `(s ~ annotation)?`
    pub(super) fn annotation(&mut self) -> Parsed {
        let at = self.next();
        if self.byte(at) != b':' {
            return Ok(());
        }
        let open = self.open_next(Rule::annotation);
        self.at += 1;
        self.ty()?;
        self.close(open)
    }

    fn type_item(&mut self) -> Parsed {
        self.def_type()?;
        self.generics()?;
        self.assign()?;
        let at = self.next();
        if self.byte(at) == b'|' || is(self.byte(at), UPPER) && self.variants_ahead()? {
            self.variants()
        } else {
            self.ty()
        }
    }

    /// Whether a constructor with `|` behind it comes next. What it looks at is in the language
    /// whichever way it is read, so that a refusal is final.
    fn variants_ahead(&mut self) -> Result<bool, Refused> {
        let (at, count) = (self.at, self.entries.len());
        let start = self.next();
        self.at = self.run(start, WORD);
        self.case_types()?;
        let end = self.next();
        let ahead = self.byte(end) == b'|';
        self.at = at;
        self.entries.truncate(count);
        Ok(ahead)
    }

    fn variants(&mut self) -> Parsed {
        let open = self.open_next(Rule::variants);
        if self.byte(self.at) != b'|' {
            let case = self.open(Rule::bare_case);
            self.def_type()?;
            self.case_types()?;
            self.close(case)?;
        }
        loop {
            let at = self.next();
            if self.byte(at) != b'|' {
                return self.close(open);
            }
            let case = self.open_next(Rule::case);
            self.at += 1;
            self.def_type()?;
            self.case_types()?;
            self.close(case)?;
        }
    }

    /// `(s ~ type_parens)?`
    fn case_types(&mut self) -> Parsed {
        let at = self.next();
        if self.byte(at) == b'(' { self.type_parens() } else { Ok(()) }
    }

    fn protocol(&mut self) -> Parsed {
        self.def_type()?;
        self.assign()?;
        self.expect_text()
    }

    fn test(&mut self) -> Parsed {
        self.expect_text()?;
        let open = self.open_next(Rule::test_body);
        self.expect(b"{")?;
        self.body()?;
        self.expect(b"}")?;
        self.close(open)
    }

    /// `s ~ text`
    fn expect_text(&mut self) -> Parsed {
        self.at = self.next();
        if self.byte(self.at) == b'"' { self.text() } else { Err(Refused::Syntax) }
    }
}
