fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let start = std::time::Instant::now();
        let parse = cbuild_syntax::parse(cbuild_diag::SourceId(0), &text);
        println!("{path}: {} items {:?} {:?}", parse.file.items.len(), start.elapsed(), parse.diagnostics);
    }
}
