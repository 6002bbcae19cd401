//! Errors that only follow from others: what is read from a line that was not wholly understood, and names
//! whose definition was not.

use cbuild_diag::{Diagnostic, Severity, SourceId, Sources};
use cbuild_syntax::ast::ItemKind;

use crate::codes;
use crate::modules::Loaded;

/// Where syntax errors begin, in order.
type Faults = Vec<(SourceId, u32)>;

/// Most syntax errors of several lines that are looked at.
const MAX_LONG: usize = 1000;

/// Removes errors that a syntax error explains: those of names and types on its line or inside of its place,
/// which a form of another language fills, and those about unknown constructors in a file where the
/// definition of a type has one.
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
    let long = long_places(diagnostics, sources);
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
                let is_inside = |(source, from, to): &(SourceId, u32, u32)| {
                    *source == at.0 && (*from..*to).contains(&at.1)
                };
                !shares_line(&faults, sources, at) && !long.iter().any(is_inside)
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

/// The first places of syntax errors that go over several lines.
fn long_places(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<(SourceId, u32, u32)> {
    let long = diagnostics.iter().filter_map(|diagnostic| {
        let (source, start) = fault(diagnostic)?;
        let end = diagnostic.labels.first()?.span.end;
        let text = sources.text(source).get(start as usize..end as usize)?;
        text.contains('\n').then_some((source, start, end))
    });
    long.take(MAX_LONG).collect()
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
