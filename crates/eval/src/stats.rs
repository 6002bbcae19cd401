//! What an evaluation did, in numbers, and the limit on its memory.

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;

/// Counts of one evaluation. The same program gives the same counts everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls of functions of the language, those in tail position included.
    pub calls: u64,
    /// Calls of functions that the evaluator supplies.
    pub extern_calls: u64,
    /// Expressions that were suspended.
    pub suspended: u64,
    /// Suspended expressions and calls that were evaluated later.
    pub resumed: u64,
    /// Records, lists, maps, variants, functions and texts made by expressions.
    pub made: u64,
    /// Globals that were evaluated.
    pub globals: u64,
    /// Items of lists that were copied to add others after them, and members of sets to replace others.
    pub copied: u64,
    /// Items of the largest list or map that a function of the library made or joined.
    pub largest: u64,
    /// Bytes of the largest text that was joined.
    pub longest: u64,
    /// Most calls and lazy values that were under evaluation inside one another.
    pub deepest: u64,
    /// Derivations that were described.
    pub derivations: u64,
}

/// A limit on the memory of the whole process (`E0417`).
///
/// It is looked at every few ten thousand steps and before anything large is made, so that it may be
/// passed by some megabytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimit {
    /// Most bytes.
    pub bytes: u64,
    /// How many bytes are in use. The evaluator asks nothing of the outside itself.
    pub used: fn() -> u64,
}

impl Machine<'_> {
    /// Stops the evaluation if the process uses more memory than it may, or would with `more` bytes.
    pub(crate) fn check_memory(&self, more: u64, place: Place) -> Result<(), Fault> {
        let Some(limit) = self.limits.memory else { return Ok(()) };
        if (limit.used)().saturating_add(more) <= limit.bytes {
            return Ok(());
        }
        let message = format!("the evaluation needs more than {} MiB of memory", limit.bytes >> 20);
        Err(FaultBody::new(codes::MEMORY, place, message, "at this point it was stopped").help(
            "look for a list, map or recursion that grows without end, or allow more with `--max-eval-memory`",
        ))
    }
}
