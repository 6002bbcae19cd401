//! try
#![allow(clippy::all, clippy::unwrap_used, clippy::disallowed_methods)]
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let start = std::time::Instant::now();
        let n = if text.len() > 1000000 { 1 } else { 50 };
        for _ in 0..n { cbuild_syntax::parse_file_only(cbuild_diag::SourceId(0), &text); }
        let only = start.elapsed()/n;
        let parse = cbuild_syntax::parse(cbuild_diag::SourceId(0), &text);
        assert_eq!(parse.tree.text().to_string(), text);
        println!("{path}: {} bytes {} items {only:?} {:?}", text.len(), parse.file.items.len(), start.elapsed());
        for d in parse.diagnostics.iter().take(10) { println!("  {d} {:?} {:?}", d.labels, d.help); }
    }
}
