//! The page that sets messages beside those of other languages quotes them as they are.

use super::*;

/// What stands around the examples of the page.
const AROUND: &str = "import std
type R = { b?: Int }
fn build(src: Package) -> Str = src.name
fn check(hash: Hash) -> Int = 1
fn example(r: R, xs: List<Int>, n: Int, c: Bool) = CODE
";

/// The cells of a row, without the signs that keep them apart.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{1}");
    row.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

#[test]
fn the_page_of_messages_is_true() {
    let page = std::fs::read_to_string(repository().join("book/src/messages.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 20);
    let mut failures = String::new();
    for row in rows {
        let cells = cells(row);
        let code = cells[0].trim_matches('`').trim();
        // A backtick inside stands between two at each end.
        let code =
            if cells[0].starts_with("``") { cells[0][2..cells[0].len() - 2].trim() } else { code };
        let mut example = Example::default();
        example.files.insert(MAIN.to_owned(), AROUND.replace("CODE", code));
        let (sources, found) = example.run();
        let change = found.first().is_some_and(|error| !error.edits.is_empty());
        let change = if change { "yes" } else { "no" };
        let message = found.first().map_or("", |error| error.message.as_str());
        if found.len() != 1 || message != cells[1] || change != cells[2] {
            let all: Vec<String> =
                found.iter().map(|d| render(&sources, d, RenderOptions::plain())).collect();
            failures += &format!("{row}\nsays {message}, change: {change}\n{}\n", all.concat());
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
