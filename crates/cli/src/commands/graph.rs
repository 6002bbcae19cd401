//! `cbuild graph`.

use cbuild_explain::graph::{to_dot, to_html, to_text, view};

use crate::args::GraphFormat;
use crate::evaluation::evaluate;
use crate::failure::{Failure, Problem};
use crate::output;
use crate::session::Session;

/// Prints the graph of all that a target needs.
pub(crate) fn graph(session: &Session, target: &str, format: GraphFormat) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.drv).collect();
    let view = view(&evaluated.graph, &targets, |drv| {
        let Some(outputs) = store.outputs_of(drv)? else { return Ok(None) };
        let mut bytes = 0;
        for path in outputs.values() {
            bytes += store.info(path)?.map_or(0, |info| info.size);
        }
        Ok::<_, cbuild_store::Error>(Some(bytes))
    })?;
    let defect = |error: serde_json::Error| {
        Problem::defect("E1099", format!("the graph cannot be written: {error}"))
    };
    if session.options.json {
        return output::json(&serde_json::to_value(&view).map_err(defect)?);
    }
    let text = match format {
        GraphFormat::Text => to_text(&view),
        GraphFormat::Dot => to_dot(&view),
        GraphFormat::Html => to_html(&view).map_err(defect)?,
    };
    output::line(text.trim_end())
}
