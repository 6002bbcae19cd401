//! Errors that only follow from others: what is read from a line that was not wholly understood, and names
//! whose definition was not.

use cbuild_diag::{Diagnostic, Severity, SourceId, Sources};
use cbuild_syntax::ast::ItemKind;

use crate::codes;
use crate::modules::Loaded;

/// Where syntax errors begin, in order.
type Faults = Vec<(SourceId, u32)>;

/// Removes errors that a syntax error explains: those of names and types on its line, and those about unknown
/// constructors in a file where the definition of a type has one.
pub(crate) fn drop_followups(
    diagnostics: &mut Vec<Diagnostic>,
    sources: &Sources,
    modules: &[Loaded],
) {
    let mut faults: Faults = diagnostics.iter().filter_map(fault).collect();
    if faults.is_empty() {
        return;
    }
    faults.sort_unstable();
    let untyped: Vec<SourceId> = modules
        .iter()
        .filter(|module| has_broken_type(module, &faults))
        .map(|module| module.source)
        .collect();
    diagnostics.retain(|diagnostic| {
        let Some(place) = diagnostic.labels.first() else { return true };
        let at = (place.source, place.span.start);
        match diagnostic.code {
            codes::UNKNOWN_CONSTRUCTOR if untyped.contains(&place.source) => false,
            code if code.starts_with("E02") || code.starts_with("E03") => {
                !shares_line(&faults, sources, at)
            }
            _ => true,
        }
    });
}

/// The place of a syntax error.
fn fault(diagnostic: &Diagnostic) -> Option<(SourceId, u32)> {
    let syntax = diagnostic.code.starts_with("E01") && diagnostic.severity == Severity::Error;
    let place = diagnostic.labels.first().filter(|_| syntax)?;
    Some((place.source, place.span.start))
}

/// Whether a syntax error lies between the beginning of a type and that of the item after it.
fn has_broken_type(module: &Loaded, faults: &Faults) -> bool {
    let items = &module.file.items;
    let ends = items.iter().skip(1).map(|next| next.span.start).chain([u32::MAX]);
    items.iter().zip(ends).filter(|(item, _)| matches!(item.kind, ItemKind::Type(_))).any(
        |(item, end)| {
            let next = faults.partition_point(|fault| *fault < (module.source, item.span.start));
            faults.get(next).is_some_and(|(source, at)| *source == module.source && *at < end)
        },
    )
}

/// Whether a syntax error begins on the line of a place. Only the nearest ones can.
fn shares_line(faults: &Faults, sources: &Sources, (source, at): (SourceId, u32)) -> bool {
    let next = faults.partition_point(|fault| *fault < (source, at));
    let nearest = next.saturating_sub(1)..(next + 1).min(faults.len());
    let text = sources.text(source);
    faults[nearest].iter().filter(|fault| fault.0 == source).any(|(_, fault)| {
        let between = at.min(*fault) as usize..at.max(*fault) as usize;
        text.get(between).is_some_and(|between| !between.contains('\n'))
    })
}
