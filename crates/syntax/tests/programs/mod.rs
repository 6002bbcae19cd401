//! Generates programs of the language.

use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, LazyJust};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]",
        2 => "[a-z]{3,8}_x",
        1 => "[a-z]{20,30}_y",
    ]
}

fn type_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["Int", "Str", "Package", "AVeryLongNameOfATypeIndeed"])
        .prop_map(str::to_owned)
}

fn joined(parts: &[String], separator: &str) -> String {
    parts.join(separator)
}

fn some<T: std::fmt::Debug + 'static>(
    of: impl Strategy<Value = T> + 'static,
    most: usize,
) -> BoxedStrategy<Vec<T>> {
    prop::collection::vec(of, 0..=most).boxed()
}

/// A type.
fn ty() -> BoxedStrategy<String> {
    let leaf = prop_oneof![type_name(), name(), Just("std.oci.Spec".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|of| format!("List<{of}>")),
            (some(inner.clone(), 3), inner.clone())
                .prop_map(|(of, to)| format!("({}) -> {to}", joined(&of, ", "))),
            inner.clone().prop_map(|of| format!("({of})")),
            (some((name(), any::<bool>(), inner), 3), any::<bool>()).prop_map(|(fields, row)| {
                let fields: Vec<String> = fields
                    .into_iter()
                    .map(|(name, optional, ty)| {
                        format!("{name}{}: {ty}", if optional { "?" } else { "" })
                    })
                    .collect();
                let row = if row { " | r" } else { "" };
                format!("{{ {}{row} }}", joined(&fields, ", "))
            }),
        ]
    })
    .boxed()
}

fn literal() -> BoxedStrategy<String> {
    prop_oneof![
        "[0-9]{1,6}",
        prop::sample::select(vec![
            "true",
            "None",
            "./a-b/c",
            "../x",
            "\"\"",
            "\"some text that is not that short\"",
            "\"a\\n\\\"#{b}#\"",
            "\"#{ [ a ,\n b ] } c\"",
            "sh\"x \\n #{ c } $d\"",
            "sh\"\"\"\n  a\n    b #{c}\n\n  d\n  \"\"\"",
            "\"\"\"\n\t\ta\n\t  b\"\"\"",
            "\"\"\"a\n   b\n  c\n \"\"\"",
            "\"\"\"\r\na\r\r\n  \"\"\"",
            "\"\"\"\n\"\"\"",
            "\"\"\"one line\"\"\"",
            "sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjpQ=",
        ])
        .prop_map(str::to_owned),
        name(),
    ]
    .boxed()
}

fn pattern() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        name(),
        prop::sample::select(vec!["_", "-1", "None", "m.A", "\"t\"", "true"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        some(inner, 2).prop_map(|args| match args.is_empty() {
            true => "Some".to_owned(),
            false => format!("Some({})", joined(&args, ", ")),
        })
    })
    .boxed()
}

fn record(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (some((name(), prop::option::of(inner)), 4), any::<bool>())
        .prop_map(|(fields, tall)| {
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| match value {
                    Some(value) => format!("{name} = {value}"),
                    None => name,
                })
                .collect();
            format!("{{{}{} }}", if tall { "\n" } else { " " }, joined(&fields, ", "))
        })
        .boxed()
}

fn operand(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let value = inner.clone();
    let args = (some(inner.clone(), 3), prop::option::of((name(), inner.clone())))
        .prop_map(|(mut args, named)| {
            args.extend(named.map(|(name, value)| format!("{name} = {value}")));
            format!("({})", joined(&args, ", "))
        })
        .boxed();
    let tail = prop_oneof![
        args,
        record(inner.clone()).prop_map(|record| format!(" {record}")),
        name().prop_map(|name| format!(".{name}")),
    ];
    prop_oneof![
        2 => literal(),
        2 => (name(), some(tail, 3)).prop_map(|(name, tails)| name + &joined(&tails, "")),
        1 => value.clone().prop_map(|value| format!("({value})")),
        1 => some(value.clone(), 4).prop_map(|items| format!("[{}]", joined(&items, ", "))),
        1 => record(inner.clone()),
        1 => ty().prop_map(|ty| format!("decode<{ty}>(./file.toml)")),
        1 => (name(), some((pattern(), value), 3)).prop_map(|(name, arms)| {
            let arms: Vec<String> =
                arms.into_iter().map(|(pattern, value)| format!("{pattern} => {value}")).collect();
            format!("match {name} {{ {} }}", joined(&arms, ", "))
        }),
    ]
    .boxed()
}

fn operators(inner: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let infix = prop::sample::select(vec!["+", "-", "*", "++", "&&", "||", "/"]);
    let call = (name(), some(inner.clone(), 2))
        .prop_map(|(name, args)| format!("|> {name}({})", joined(&args, ", ")));
    let next = prop_oneof![
        8 => (infix, operand(inner.clone())).prop_map(|(op, right)| format!("{op} {right}")),
        2 => call,
        1 => record(inner.clone()).prop_map(|record| format!("with {record}")),
    ];
    let prefix = prop::sample::select(vec!["", "", "", "-", "!"]);
    (prefix, operand(inner), some(next, 3))
        .prop_map(|(prefix, first, rest)| {
            let rest: String = rest.iter().map(|part| format!(" {part}")).collect();
            format!("{prefix}{first}{rest}")
        })
        .boxed()
}

/// An expression.
fn expr() -> BoxedStrategy<String> {
    literal()
        .prop_recursive(4, 24, 3, |inner| {
            let inner = inner.boxed();
            let value = inner.clone();
            let bindings = prop::collection::vec((name(), value.clone()), 1..4);
            prop_oneof![
                6 => operators(inner),
                1 => (bindings, value.clone()).prop_map(|(bindings, body)| {
                    let bindings: Vec<String> = bindings
                        .into_iter()
                        .map(|(name, value)| format!("{name} = {value}"))
                        .collect();
                    format!("let {} in {body}", joined(&bindings, " "))
                }),
                1 => (value.clone(), value.clone(), value.clone())
                    .prop_map(|(a, b, c)| format!("if {a} then {b} else {c}")),
                1 => (some(name(), 3), value).prop_map(|(params, body)| {
                    format!("({}) => {body}", joined(&params, ", "))
                }),
            ]
        })
        .boxed()
}

fn item() -> BoxedStrategy<String> {
    let public = prop::sample::select(vec!["", "pub "]);
    let param =
        (name(), ty(), prop::option::of(literal())).prop_map(|(name, ty, default)| match default {
            Some(value) => format!("{name}: {ty} = {value}"),
            None => format!("{name}: {ty}"),
        });
    let cases = prop::collection::vec((type_name(), some(ty(), 2)), 1..5);
    let declaration = prop_oneof![
        2 => (name(), prop::option::of(ty()), expr()).prop_map(|(name, ty, value)| {
            let ty = ty.map(|ty| format!(": {ty}")).unwrap_or_default();
            format!("let {name}{ty} = {value}")
        }),
        2 => (name(), some(param, 4), ty(), expr()).prop_map(|(name, params, ty, body)| {
            format!("fn {name}<a, b>({}) -> {ty} = {body}", joined(&params, ", "))
        }),
        1 => (type_name(), ty()).prop_map(|(name, ty)| format!("type {name}<a> = {ty}")),
        1 => (type_name(), cases).prop_map(|(name, cases)| {
            let cases: Vec<String> = cases
                .into_iter()
                .map(|(name, fields)| match fields.is_empty() {
                    true => name,
                    false => format!("{name}({})", joined(&fields, ", ")),
                })
                .collect();
            format!("type {name} = | {}", joined(&cases, " | "))
        }),
        1 => LazyJust::new(|| "import ./a-b.cbuild as c".to_owned()),
    ];
    let test = expr().prop_map(|value| format!("test \"it\" {{ {value} }}"));
    let public = (public, declaration).prop_map(|(public, item)| format!("{public}{item}"));
    prop_oneof![6 => public, 1 => test].boxed()
}

/// A program that parses.
pub(crate) fn program() -> impl Strategy<Value = String> {
    let gap = prop::sample::select(vec!["\n", "\n\n", "\n\n\n// c\n", "\n/// d\n", " // e\n"]);
    prop::collection::vec((item(), gap), 1..4)
        .prop_map(|items| {
            items.into_iter().map(|(item, gap)| format!("{item}{gap}")).collect::<String>()
        })
        .prop_filter("`|>` leads to a call", |program| {
            cbuild_syntax::parse(cbuild_diag::SourceId(0), program).diagnostics.is_empty()
        })
}
