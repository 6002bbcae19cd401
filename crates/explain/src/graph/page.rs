//! A graph as one page that needs nothing else: no server, no network.

use super::View;

const PAGE: &str = include_str!("page.html");

/// The page. A search in its address, `#text`, is applied when it opens.
///
/// # Errors
/// None for data of this crate; the type is that of the encoder of JSON.
pub fn to_html(view: &View) -> serde_json::Result<String> {
    // In a script, `<` could end the element.
    let data = serde_json::to_string(view)?.replace('<', "\\u003c");
    Ok(PAGE.replacen("/*DATA*/null", &data, 1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_holds_the_data_and_loads_nothing() {
        let page = super::to_html(&crate::graph::tests::diamond()).unwrap();
        assert!(page.contains(r#""name":"base","kind":"assemble","bytes":2048"#), "{page}");
        assert!(!page.contains("/*DATA*/"));
        for outside in ["src=", "href=\"http", "@import", "fetch("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
