//! Evaluator of the typed core, emitting derivations.
