//! Evaluation errors on their way out of the evaluator.

use cbuild_diag::{Diagnostic, Label, SourceId, Span};

use crate::codes;

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: SourceId,
    pub(crate) span: Span,
}

/// Most notes about what was being evaluated.
const MAX_TRACES: usize = 8;
/// Most steps of a cycle that are shown.
const MAX_CHAIN: usize = 16;
/// Most steps of a cycle that are pointed at.
const MAX_LABELS: usize = 4;

/// An error and what is gathered of it while the evaluation is left.
#[derive(Debug)]
pub(crate) struct FaultBody {
    pub(crate) diagnostic: Diagnostic,
    traces: Vec<String>,
    hidden: usize,
    cycle: Option<Cycle>,
}

/// Boxed, so that results stay two words wide.
pub(crate) type Fault = Box<FaultBody>;

/// A cycle that is being followed back to where it began.
#[derive(Debug)]
struct Cycle {
    start: CycleKey,
    /// Names of the steps that have one, the innermost first, and where they stand.
    chain: Vec<(String, Place)>,
    closed: bool,
}

/// What a cycle came back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CycleKey {
    /// A global, by index.
    Global(u32),
    /// A lazy value, by address.
    Thunk(usize),
}

impl FaultBody {
    pub(crate) fn new(
        code: &'static str,
        place: Place,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Fault {
        let diagnostic = Diagnostic::error(code, place.source, place.span, message, label);
        Box::new(Self { diagnostic, traces: Vec::new(), hidden: 0, cycle: None })
    }

    /// A defect: the checker let something through that it should not have.
    pub(crate) fn defect(place: Place, what: impl Into<String>) -> Fault {
        let mut fault = Self::new(codes::DEFECT, place, what, "while evaluating this");
        fault.diagnostic.help =
            Some("this is a defect in cbuild: please report it with the source".to_owned());
        fault
    }

    /// A value needs itself; the steps are added by [`Self::leave_lazy`].
    pub(crate) fn cycle(place: Place, start: CycleKey) -> Fault {
        let label = "this is needed to compute itself";
        let mut fault = Self::new(codes::CYCLE, place, "a value depends on itself", label);
        fault.cycle = Some(Cycle { start, chain: Vec::new(), closed: false });
        fault
    }

    pub(crate) fn help(mut self: Box<Self>, help: impl Into<String>) -> Fault {
        self.diagnostic.help = Some(help.into());
        self
    }

    /// Notes that the evaluation of a global is left.
    pub(crate) fn leave_global(&mut self, name: &str) {
        if self.traces.last().is_some_and(|last| last == name) {
            return;
        }
        if self.traces.len() < MAX_TRACES {
            self.traces.push(name.to_owned());
        } else {
            self.hidden += 1;
        }
    }

    /// Notes that what stands at a place of a package is left. Of an error in the standard library the first
    /// such place tells the reader what of the own files led there.
    pub(crate) fn leave_package(&mut self, place: Place) {
        if let [_] = self.diagnostic.labels.as_slice() {
            let (source, span) = (place.source, place.span);
            let text = "while evaluating this".to_owned();
            self.diagnostic.labels.push(Label { source, span, text });
        }
    }

    /// Notes that a lazy value or a global is left; `name` is given where it has one.
    pub(crate) fn leave_lazy(&mut self, key: CycleKey, name: Option<String>, place: Place) {
        let Some(cycle) = self.cycle.as_mut().filter(|cycle| !cycle.closed) else { return };
        if let Some(name) = name {
            cycle.chain.push((name, place));
        }
        if key == cycle.start {
            cycle.closed = true;
            self.close_cycle(place);
        }
    }

    /// Writes the chain down, from where it began; `place` is that of the beginning.
    fn close_cycle(&mut self, place: Place) {
        let Some(cycle) = &self.cycle else { return };
        let primary = &mut self.diagnostic.labels[0];
        (primary.source, primary.span) = (place.source, place.span);
        let Some((first, _)) = cycle.chain.last() else { return };
        self.diagnostic.message = format!("{first} depends on itself");
        let mut note = format!("the cycle: {first}");
        for (at, (name, step)) in cycle.chain.iter().rev().enumerate().skip(1) {
            if at == MAX_CHAIN {
                note.push_str(" -> …");
                break;
            }
            note.push_str(" -> ");
            note.push_str(name);
            if at <= MAX_LABELS && *step != place {
                let (source, span) = (step.source, step.span);
                let text = format!("{name} is needed for it");
                self.diagnostic.labels.push(Label { source, span, text });
            }
        }
        self.diagnostic.notes.push(format!("{note} -> {first}"));
    }

    /// The diagnostic with all that was gathered.
    #[expect(clippy::boxed_local, reason = "results are mapped with it, and they hold boxes")]
    pub(crate) fn finish(fault: Fault) -> Diagnostic {
        let Self { mut diagnostic, traces, hidden, .. } = *fault;
        diagnostic.notes.extend(traces.iter().map(|name| format!("while evaluating `{name}`")));
        if hidden > 0 {
            diagnostic.notes.push(format!("… and {hidden} more"));
        }
        if diagnostic.help.is_none() {
            diagnostic.help = codes::usual_fix(diagnostic.code).map(str::to_owned);
        }
        diagnostic
    }
}
