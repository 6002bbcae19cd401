//! Expressions.

use super::bytes::{DIGIT, LOWER, UPPER, WORD, is};
use super::{Parsed, Parser, Refused};
use crate::grammar::Rule;

impl Parser<'_> {
    /// `value`
    pub(super) fn value(&mut self) -> Parsed {
        self.nested(Self::expr)
    }

    fn expr(&mut self) -> Parsed {
        let open = self.open_next(Rule::expr);
        while self.head()? {
            self.at = self.next();
        }
        self.operands(Self::operand)?;
        self.close(open)
    }

    /// `head`, directly at the current byte, if there is one.
    fn head(&mut self) -> Result<bool, Refused> {
        let start = self.at;
        match self.byte(start) {
            b'(' if self.lambda_ahead(start + 1) => {
                let open = self.open(Rule::lambda_head);
                self.params()?;
                self.expect(b"=>")?;
                self.close(open)?;
            }
            byte if is(byte, LOWER) => {
                let end = self.run(start, WORD);
                match &self.bytes[start..end] {
                    b"let" => self.let_head()?,
                    b"if" => self.if_head()?,
                    word if crate::words::is_reserved(word) => return Ok(false),
                    _ => return self.short_lambda(end),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A lambda with one parameter, whose name ends at `end`.
    fn short_lambda(&mut self, end: usize) -> Result<bool, Refused> {
        let start = std::mem::replace(&mut self.at, end);
        let at = self.next();
        self.at = start;
        if !self.looking_at(at, b"=>") {
            return Ok(false);
        }
        let open = self.open(Rule::lambda_head);
        self.token(Rule::name, start, end);
        self.at = at + 2;
        self.close(open)?;
        Ok(true)
    }

    /// `lambda_ahead`, behind its bracket.
    fn lambda_ahead(&self, at: usize) -> bool {
        let at = self.skip(at);
        if self.byte(at) == b')' {
            return true;
        }
        if !is(self.byte(at), LOWER) {
            return false;
        }
        let end = self.skip(self.run(at, WORD));
        match self.byte(end) {
            b',' | b':' => true,
            b')' => self.looking_at(self.skip(end + 1), b"=>"),
            _ => false,
        }
    }

    fn let_head(&mut self) -> Parsed {
        let open = self.open(Rule::let_head);
        self.at += b"let".len();
        self.binding()?;
        while self.binding_ahead() {
            self.binding()?;
        }
        self.expect_word(b"in")?;
        self.close(open)
    }

    fn binding(&mut self) -> Parsed {
        let open = self.open_next(Rule::binding);
        self.def_name()?;
        self.annotation()?;
        self.assign()?;
        self.value()?;
        self.close(open)
    }

    fn binding_ahead(&mut self) -> bool {
        let start = self.next();
        let end = self.run(start, WORD);
        if end == start || &self.bytes[start..end] == b"in" {
            return false;
        }
        let next = self.skip(end);
        // A name with `-` in it is for the other parser to report.
        self.byte(next) == b':' || self.is_eq(next)
    }

    fn if_head(&mut self) -> Parsed {
        let open = self.open(Rule::if_head);
        self.at += b"if".len();
        self.value()?;
        self.expect_word(b"then")?;
        self.value()?;
        self.expect_word(b"else")?;
        self.close(open)
    }

    /// Operands with what joins them; the first stands directly at the current byte.
    fn operands(&mut self, operand: fn(&mut Self) -> Parsed) -> Parsed {
        operand(self)?;
        loop {
            let at = self.next();
            let len = self.binary_op(at);
            if len > 0 {
                self.token(Rule::binary_op, at, at + len);
                self.at = self.next();
                operand(self)?;
            } else if self.byte(at) == b'w' && self.word(at) == b"with" {
                self.at = at + 4;
                self.at = self.next();
                self.record()?;
            } else {
                return Ok(());
            }
        }
    }

    /// The length of the binary operator at a place, or 0.
    fn binary_op(&self, at: usize) -> usize {
        let second = self.byte(at + 1);
        match self.byte(at) {
            b'|' if matches!(second, b'>' | b'|') => 2,
            b'&' if second == b'&' => 2,
            b'=' | b'!' if second == b'=' => 2,
            b'<' | b'>' => 1 + usize::from(second == b'='),
            b'+' => 1 + usize::from(second == b'+'),
            b'-' if second != b'>' => 1,
            b'*' | b'/' | b'%' => 1,
            _ => 0,
        }
    }

    fn operand(&mut self) -> Parsed {
        self.prefixes();
        if self.word(self.at) == b"match" {
            return self.nested(Self::match_expr);
        }
        let open = self.open(Rule::postfix);
        let callable = self.primary(true)?;
        self.tails(callable, true)?;
        self.close(open)
    }

    fn plain_operand(&mut self) -> Parsed {
        self.prefixes();
        if self.word(self.at) == b"match" {
            return self.nested(Self::match_expr);
        }
        let open = self.open(Rule::plain_postfix);
        self.primary(false)?;
        self.tails(false, false)?;
        self.close(open)
    }

    fn prefixes(&mut self) {
        while matches!(self.byte(self.at), b'-' | b'!') {
            self.token(Rule::prefix_op, self.at, self.at + 1);
            self.at = self.next();
        }
    }

    /// What an operand starts with; whether it is a name, behind which a record is an argument.
    fn primary(&mut self, records: bool) -> Result<bool, Refused> {
        let start = self.at;
        match self.byte(start) {
            b'"' => self.text()?,
            b'[' => self.list()?,
            b'(' => self.paren()?,
            b'{' if records => self.record()?,
            b'.' => {
                let end = self.path_end(start).ok_or(Refused::Syntax)?;
                self.token(Rule::path, start, end);
            }
            byte if is(byte, DIGIT) => self.token(Rule::int, start, self.int_end(start)),
            byte if is(byte, UPPER) => {
                self.token(Rule::type_name, start, self.run(start, WORD));
                return Ok(true);
            }
            byte if is(byte, LOWER) => return self.primary_word(),
            _ => return Err(Refused::Syntax),
        }
        Ok(false)
    }

    fn primary_word(&mut self) -> Result<bool, Refused> {
        let start = self.at;
        let end = self.run(start, WORD);
        match &self.bytes[start..end] {
            b"sh" if self.byte(end) == b'"' => self.script()?,
            b"true" | b"false" => self.token(Rule::bool, start, end),
            b"decode" => return self.decode(end),
            word if crate::words::is_reserved(word) => return Err(Refused::Syntax),
            _ => {
                if let Some(end) = self.hash_end(start, end) {
                    self.token(Rule::hash, start, end);
                } else {
                    self.token(Rule::name, start, end);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The word `decode`, which ends at `end`: a name, or `decode` with what belongs to it.
    fn decode(&mut self, end: usize) -> Result<bool, Refused> {
        let start = std::mem::replace(&mut self.at, end);
        let at = self.next();
        if self.byte(at) != b'<' {
            self.token(Rule::name, start, end);
            return Ok(true);
        }
        self.at = start;
        let open = self.open(Rule::decode);
        self.at = end;
        // If these are no types with arguments behind them it is a comparison, or an error.
        self.type_args().map_err(|_| Refused::Unsure)?;
        let at = self.next();
        if self.byte(at) != b'(' {
            return Err(Refused::Unsure);
        }
        self.args()?;
        self.close(open)?;
        Ok(true)
    }

    /// Fields, arguments and, where they may follow, records as arguments: `callable` tells whether
    /// one may be the first, `records` whether they may be at all.
    fn tails(&mut self, mut callable: bool, records: bool) -> Parsed {
        loop {
            let at = self.next();
            match self.byte(at) {
                b'.' if self.is_dot(at) => {
                    let open = self.open_next(Rule::field_access);
                    self.at += 1;
                    self.field_name()?;
                    self.close(open)?;
                }
                b'(' => {
                    self.args()?;
                }
                b'{' if callable => {
                    self.at = at;
                    self.record()?;
                }
                _ => return Ok(()),
            }
            callable = records;
        }
    }

    /// `s ~ args`
    fn args(&mut self) -> Parsed {
        let open = self.open_next(Rule::args);
        self.at += 1;
        self.elements(b')', Self::arg)?;
        self.close(open)
    }

    /// `dot`, without taking it.
    pub(super) fn is_dot(&self, at: usize) -> bool {
        self.byte(at) == b'.' && self.byte(at + 1) != b'/' && !self.looking_at(at + 1, b"./")
    }

    /// The name behind a dot.
    fn field_name(&mut self) -> Parsed {
        let at = self.next();
        if is(self.byte(at), UPPER) {
            self.token(Rule::type_name, at, self.run(at, WORD));
            return Ok(());
        }
        self.value_name()
    }

    fn arg(&mut self) -> Parsed {
        let open = self.open_next(Rule::arg);
        let start = self.at;
        if let Some(end) = self.value_name_end(start) {
            let eq = self.skip(end);
            if self.is_eq(eq) {
                let name = self.open(Rule::arg_name);
                self.token(Rule::name, start, end);
                self.at = eq + 1;
                self.close(name)?;
            }
        }
        self.value()?;
        self.close(open)
    }

    fn list(&mut self) -> Parsed {
        let open = self.open(Rule::list);
        self.at += 1;
        self.elements(b']', Self::value)?;
        self.close(open)
    }

    /// `record`, directly at the current byte.
    fn record(&mut self) -> Parsed {
        let open = self.open(Rule::record);
        self.expect(b"{")?;
        self.elements(b'}', Self::field)?;
        self.close(open)
    }

    fn field(&mut self) -> Parsed {
        let open = self.open_next(Rule::field);
        match self.byte(self.at) {
            b'"' => self.text()?,
            byte if is(byte, UPPER) => self.def_type()?,
            _ => self.def_name()?,
        }
        let at = self.next();
        if self.is_eq(at) {
            self.at = at + 1;
            self.value()?;
        }
        self.close(open)
    }

    fn paren(&mut self) -> Parsed {
        let open = self.open(Rule::paren);
        self.at += 1;
        self.value()?;
        self.expect(b")")?;
        self.close(open)
    }

    fn match_expr(&mut self) -> Parsed {
        let open = self.open(Rule::r#match);
        self.at += b"match".len();
        let scrutinee = self.open_next(Rule::scrutinee);
        self.operands(Self::plain_operand)?;
        self.close(scrutinee)?;
        let arms = self.open_next(Rule::arms);
        self.expect(b"{")?;
        self.elements(b'}', Self::arm)?;
        self.close(arms)?;
        self.close(open)
    }

    fn arm(&mut self) -> Parsed {
        let open = self.open_next(Rule::arm);
        self.pattern()?;
        self.expect(b"=>")?;
        self.value()?;
        self.close(open)
    }
}
