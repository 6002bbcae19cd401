//! The parameters of the call that is being typed.

use cbuild_syntax::ast::{Arg, ExprKind};
use lsp_types::{
    Documentation, MarkupContent, MarkupKind, ParameterInformation, ParameterLabel, Position,
    SignatureHelp, SignatureInformation, Uri,
};

use crate::complete::{MARKER, marked};
use crate::cursor::{Cursor, last_name, touches};
use crate::workspace::Workspace;

/// The signature of the innermost call around a position, and which parameter is at it.
pub(crate) fn signature(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
) -> Option<SignatureHelp> {
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let key = document.place.key.clone();
    let text = marked(&document.text, offset);
    let analysis = workspace.analysis_with(uri, text)?;
    let source = analysis.source(&key)?;
    let inside = offset + u32::try_from(MARKER.len()).unwrap_or(0);
    let cursor = Cursor::find(analysis.index.file(source)?, inside);
    let (callee, args) = cursor.exprs.iter().rev().find_map(|expr| match &expr.kind {
        ExprKind::Call { callee, args } if callee.span.end < inside => Some((callee, args)),
        _ => None,
    })?;
    let name = last_name(callee).unwrap_or(callee.span);
    let callable = analysis.index.callable(source, callee.span, name)?;
    let title = callable.name.clone().unwrap_or_else(|| "function".to_owned());
    let mut label = format!("{title}(");
    let mut parameters = Vec::new();
    for (index, parameter) in callable.parameters.iter().enumerate() {
        if index > 0 {
            label.push_str(", ");
        }
        let start = wide(&label);
        if let Some(name) = &parameter.name {
            label.push_str(name);
            label.push_str(": ");
        }
        label.push_str(&parameter.ty);
        if parameter.optional {
            label.push_str(" = …");
        }
        let offsets = ParameterLabel::LabelOffsets([start, wide(&label)]);
        parameters.push(ParameterInformation { label: offsets, documentation: None });
    }
    label.push_str(&format!(") -> {}", callable.result));
    let names: Vec<Option<&str>> =
        callable.parameters.iter().map(|parameter| parameter.name.as_deref()).collect();
    let active = active(args, &names, inside);
    let documentation = analysis.index.symbol_of(source, name).map(|symbol| {
        let value = analysis.index.documentation(&symbol).text;
        Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })
    });
    let information = SignatureInformation {
        label,
        documentation,
        parameters: Some(parameters),
        active_parameter: active,
    };
    Some(SignatureHelp {
        signatures: vec![information],
        active_signature: Some(0),
        active_parameter: active,
    })
}

fn wide(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX)
}

/// The parameter of the argument at a byte.
fn active(args: &[Arg], names: &[Option<&str>], offset: u32) -> Option<u32> {
    let at = args.iter().position(|arg| {
        let start = arg.name.as_ref().map_or(arg.value.span.start, |name| name.span.start);
        touches(cbuild_diag::Span { start, end: arg.value.span.end }, offset)
    });
    let index = match at {
        Some(at) => match &args[at].name {
            Some(name) => names.iter().position(|known| *known == Some(name.text.as_str()))?,
            None => at,
        },
        None => args.iter().filter(|arg| arg.value.span.end < offset).count(),
    };
    u32::try_from(index).ok().filter(|_| index < names.len())
}
