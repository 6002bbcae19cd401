//! Evaluation errors on their way out of the evaluator.

use cbuild_diag::{Diagnostic, SourceId, Span};

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
    chain: Vec<String>,
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
        let mut fault =
            Self::new(codes::CYCLE, place, "a value depends on itself", "needed here again");
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

    /// Notes that a lazy value or a global is left; `name` is given where it has one.
    pub(crate) fn leave_lazy(&mut self, key: CycleKey, name: Option<String>, place: Place) {
        let Some(cycle) = self.cycle.as_mut().filter(|cycle| !cycle.closed) else { return };
        if let Some(name) = name
            && cycle.chain.last() != Some(&name)
        {
            cycle.chain.push(name);
        }
        if key == cycle.start {
            cycle.closed = true;
            self.close_cycle(place);
        }
    }

    /// Writes the chain down. It was gathered from the innermost step outwards.
    fn close_cycle(&mut self, place: Place) {
        let Some(cycle) = &self.cycle else { return };
        let mut chain: Vec<&str> = cycle.chain.iter().rev().map(String::as_str).collect();
        let Some(&first) = chain.first() else {
            self.diagnostic.labels[0].text = "this value needs itself".to_owned();
            return;
        };
        self.diagnostic.message = format!("{first} depends on itself");
        if chain.len() > MAX_CHAIN {
            chain.truncate(MAX_CHAIN);
            chain.push("…");
        }
        chain.push(first);
        self.diagnostic.notes.push(format!("the cycle: {}", chain.join(" -> ")));
        let repeated = self.diagnostic.labels.iter().any(|label| label.span == place.span);
        if !repeated && place.span != Span::default() {
            let label = "the cycle begins here";
            self.diagnostic = self.diagnostic.clone().label(place.source, place.span, label);
        }
    }

    /// The diagnostic with all that was gathered.
    pub(crate) fn finish(self: Box<Self>) -> Diagnostic {
        let Self { mut diagnostic, traces, hidden, .. } = *self;
        diagnostic.notes.extend(traces.iter().map(|name| format!("while evaluating `{name}`")));
        if hidden > 0 {
            diagnostic.notes.push(format!("… and {hidden} more"));
        }
        diagnostic
    }
}
