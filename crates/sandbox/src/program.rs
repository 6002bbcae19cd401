//! Programs of the kernel's packet-filter machine: instructions, labels, and a search for a number.

use seccompiler::sock_filter;

/// A place in a program that jumps lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program under construction. Jumps lead forward only, by at most 255 instructions.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    steps: Vec<Step>,
    /// Positions of labels, as far as they are known.
    places: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Step {
    code: u32,
    k: u32,
    /// Where a jump leads when its condition holds, and when it does not.
    jump: Option<(Label, Label)>,
}

impl Assembler {
    /// A label that has no place yet.
    pub(crate) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// Gives a label the place of the next instruction.
    pub(crate) fn place(&mut self, label: Label) {
        self.places[label.0] = Some(self.steps.len());
    }

    /// Loads 32 bits at an offset of the input.
    pub(crate) fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, None);
    }

    /// Keeps only the bits of `mask`.
    pub(crate) fn and(&mut self, mask: u32) {
        self.push(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask, None);
    }

    /// Ends with an answer.
    pub(crate) fn answer(&mut self, answer: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, answer, None);
    }

    /// Jumps by whether the value is `k`.
    pub(crate) fn if_equal(&mut self, k: u32, yes: Label, no: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, Some((yes, no)));
    }

    /// Jumps by whether the value has one of the bits of `mask`.
    pub(crate) fn if_any_bit(&mut self, mask: u32, yes: Label, no: Label) {
        self.push(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, mask, Some((yes, no)));
    }

    /// Jumps to the label of the last of `ranges` that does not start above the value. They are
    /// ordered, and there are at least two; the first counts for all that is below it too.
    pub(crate) fn search(&mut self, ranges: &[(u32, Label)]) {
        let (below, above) = ranges.split_at(ranges.len() / 2);
        let mut target = |part: &[(u32, Label)]| match part {
            [(_, label)] => (*label, false),
            _ => (self.label(), true),
        };
        let (low, high) = (target(below), target(above));
        let jump = Some((high.0, low.0));
        self.push(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, above[0].0, jump);
        for (part, (label, is_open)) in [(below, low), (above, high)] {
            if is_open {
                self.place(label);
                self.search(part);
            }
        }
    }

    fn push(&mut self, code: u32, k: u32, jump: Option<(Label, Label)>) {
        self.steps.push(Step { code, k, jump });
    }

    /// The program; `None` when a jump is too far, leads back, or to a label without a place.
    pub(crate) fn finish(&self) -> Option<Vec<sock_filter>> {
        let distance = |from: usize, to: Label| {
            let to: usize = self.places[to.0]?;
            u8::try_from(to.checked_sub(from + 1)?).ok()
        };
        let steps = self.steps.iter().enumerate();
        steps
            .map(|(at, Step { code, k, jump })| {
                let (jt, jf) = match jump {
                    Some((yes, no)) => (distance(at, *yes)?, distance(at, *no)?),
                    None => (0, 0),
                };
                Some(sock_filter { code: u16::try_from(*code).ok()?, jt, jf, k: *k })
            })
            .collect()
    }
}

/// What a program answers for an input of 32-bit words, as the kernel would run it.
#[cfg(test)]
pub(crate) fn run(program: &[sock_filter], input: &[u32]) -> u32 {
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
        match u32::from(step.code) {
            0x20 => value = input[step.k as usize / 4],
            0x54 => value &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += jump(value == step.k),
            0x25 => at += jump(value > step.k),
            0x35 => at += jump(value >= step.k),
            0x45 => at += jump(value & step.k != 0),
            0x06 => return step.k,
            code => panic!("the code {code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_number_finds_its_range() {
        for count in 2..40_u32 {
            let mut program = Assembler::default();
            let ranges: Vec<_> = (0..count).map(|n| (n * 3, program.label())).collect();
            program.load(0);
            program.search(&ranges);
            for (start, label) in &ranges {
                program.place(*label);
                program.answer(*start);
            }
            let program = program.finish().unwrap();
            for value in 0..count * 3 + 2 {
                let expected = (value / 3).min(count - 1) * 3;
                assert_eq!(run(&program, &[value]), expected, "{value} of {count}");
            }
        }
    }

    #[test]
    fn jumps_that_cannot_be_written_are_refused() {
        let far = |distance: usize, is_placed: bool| {
            let mut program = Assembler::default();
            let (end, next) = (program.label(), program.label());
            program.if_equal(1, end, next);
            program.place(next);
            (0..distance).for_each(|_| program.load(0));
            if is_placed {
                program.place(end);
            }
            program.answer(0);
            program.finish().is_some()
        };
        assert!(far(255, true) && !far(256, true) && !far(1, false));
    }
}
