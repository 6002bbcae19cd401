//! Running of functions of words (see [`crate::words`]), within the same limits as all others.

use cbuild_syntax::ast::BinaryOp;

use crate::fault::Fault;
use crate::interpret::remainder;
use crate::machine::Machine;
use crate::value::Value;
use crate::words::{FRAME, Frame, Word, WordCode};

type Result<T> = std::result::Result<T, Fault>;

impl Machine<'_> {
    /// Calls a function of words with arguments that were found fit for it.
    pub(crate) fn run_words(&mut self, code: &WordCode, mut frame: Frame) -> Result<Value> {
        self.words_nested(code, &mut frame).map(|word| code.result.value(word))
    }

    /// Runs a function whose arguments are in the frame, one level deeper than the caller.
    #[inline]
    fn words_nested(&mut self, code: &WordCode, frame: &mut Frame) -> Result<i64> {
        self.nested(code.place, |machine| machine.words_loop(code, frame))
    }

    /// Follows conditionals, bindings and calls in tail position, so that loops written as recursion
    /// need neither depth nor stack.
    pub(crate) fn words_loop(&mut self, mut code: &WordCode, frame: &mut Frame) -> Result<i64> {
        self.stats.calls += 1;
        let mut node = &code.body;
        let result = loop {
            let next = match node {
                Word::If(parts) => match self.operand(code, &parts[0], frame) {
                    Ok(truth) => Ok(&parts[if truth != 0 { 1 } else { 2 }]),
                    Err(fault) => Err(fault),
                },
                Word::Let(slot, parts) => self.operand(code, &parts[0], frame).map(|word| {
                    frame[*slot as usize % FRAME] = word;
                    &parts[1]
                }),
                Word::Again(args) => self.replace(code, code, args, frame),
                Word::Call(next, args) => self.replace(code, next, args, frame).inspect(|_| {
                    code = next;
                }),
                other => break self.operand(code, other, frame),
            };
            match next {
                Ok(next) => node = next,
                Err(fault) => break Err(fault),
            }
        };
        result.map_err(|mut fault| {
            if let Some(name) = &code.name {
                fault.leave_global(name);
            }
            fault
        })
    }

    /// Puts the arguments of a call in tail position in place of the caller's variables.
    fn replace<'c>(
        &mut self,
        code: &'c WordCode,
        next: &'c WordCode,
        args: &'c [Word],
        frame: &mut Frame,
    ) -> Result<&'c Word> {
        *frame = self.arguments(code, args, frame)?;
        self.tick(next.place)?;
        self.stats.calls += 1;
        Ok(&next.body)
    }

    #[inline(always)]
    fn arguments(&mut self, code: &WordCode, args: &[Word], frame: &mut Frame) -> Result<Frame> {
        let mut words = [0; FRAME];
        for (word, arg) in words.iter_mut().zip(args) {
            *word = self.operand(code, arg, frame)?;
        }
        Ok(words)
    }

    /// The value of an expression; constants and variables without a call.
    #[inline(always)]
    fn operand(&mut self, code: &WordCode, node: &Word, frame: &mut Frame) -> Result<i64> {
        match node {
            Word::Const(word) => Ok(*word),
            Word::Local(slot) => Ok(frame[*slot as usize % FRAME]),
            _ => self.word_of(code, node, frame),
        }
    }

    fn word_of(&mut self, code: &WordCode, node: &Word, frame: &mut Frame) -> Result<i64> {
        match node {
            Word::Const(word) => Ok(*word),
            Word::Local(slot) => Ok(frame[*slot as usize % FRAME]),
            Word::Binary(op, operands, place) => {
                let a = self.operand(code, &operands[0], frame)?;
                let b = self.operand(code, &operands[1], frame)?;
                match on_words(*op, a, b) {
                    Some(word) => Ok(word),
                    None => match self.binary(*op, Value::Int(a), Value::Int(b), *place)? {
                        Value::Int(number) => Ok(number),
                        other => Ok(i64::from(matches!(other, Value::Bool(true)))),
                    },
                }
            }
            Word::If(parts) => {
                let truth = self.operand(code, &parts[0], frame)?;
                self.operand(code, &parts[if truth != 0 { 1 } else { 2 }], frame)
            }
            Word::Let(slot, parts) => {
                frame[*slot as usize % FRAME] = self.operand(code, &parts[0], frame)?;
                self.operand(code, &parts[1], frame)
            }
            Word::Again(args) => {
                let mut words = self.arguments(code, args, frame)?;
                self.words_nested(code, &mut words)
            }
            Word::Call(callee, args) => {
                let mut words = self.arguments(code, args, frame)?;
                self.words_nested(callee, &mut words)
            }
            Word::Neg(operand, place) => {
                let number = self.operand(code, operand, frame)?;
                match number.checked_neg() {
                    Some(word) => Ok(word),
                    None => self.negated(number, *place).map(|_| number),
                }
            }
            Word::Not(operand) => Ok(i64::from(self.operand(code, operand, frame)? == 0)),
        }
    }
}

/// An operation on two words, if it does not fail.
#[inline(always)]
fn on_words(op: BinaryOp, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        BinaryOp::Add => a.checked_add(b)?,
        BinaryOp::Sub => a.checked_sub(b)?,
        BinaryOp::Mul => a.checked_mul(b)?,
        BinaryOp::Div => a.checked_div(b)?,
        BinaryOp::Rem => remainder(a, b)?,
        BinaryOp::Lt => i64::from(a < b),
        BinaryOp::Le => i64::from(a <= b),
        BinaryOp::Gt => i64::from(a > b),
        BinaryOp::Ge => i64::from(a >= b),
        BinaryOp::Eq => i64::from(a == b),
        BinaryOp::Ne => i64::from(a != b),
        BinaryOp::Concat | BinaryOp::And | BinaryOp::Or => return None,
    })
}
