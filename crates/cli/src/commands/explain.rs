//! `cbuild explain`.

use cbuild_diag::{Explanation, explanation, explanations, similar_code};
use serde_json::json;

use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Prints what a code means, or the list of all codes.
pub(crate) fn explain(session: &Session, code: Option<&str>) -> Result<(), Failure> {
    let Some(code) = code else {
        return explanations().try_for_each(|found| title(session, &found));
    };
    let Some(found) = explanation(&code.to_ascii_uppercase()) else {
        return Err(unknown(code).into());
    };
    if session.options.json {
        return output::json(
            &json!({"code": found.code, "title": found.title, "markdown": found.markdown}),
        );
    }
    output::line(found.to_text().trim_end())
}

fn title(session: &Session, found: &Explanation) -> Result<(), Failure> {
    if session.options.json {
        return output::json(&json!({"code": found.code, "title": found.title}));
    }
    output::line(&format!("{}  {}", found.code, found.title))
}

fn unknown(code: &str) -> Problem {
    let help = match similar_code(code) {
        Some(similar) => format!("did you mean {similar}?"),
        None => "`cbuild explain` without a code lists all codes".to_owned(),
    };
    Problem::new(Exit::Input, "E1053", format!("there is no code `{code}`")).help(help)
}
