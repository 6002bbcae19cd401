//! A package set of 100,000 lines, the same in every run: files in layers, each of which imports some of those
//! before it, and one that imports all.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;

/// Files of the set, besides the one that imports all.
pub(super) const FILES: usize = 500;

/// Packages in each file; with their comments and imports these are 200 lines.
const PACKAGES: usize = 19;

/// Writes the set; how many lines it has.
pub(super) fn generate(folder: &Path) -> Result<usize> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut all = String::from("//! Everything.\n\nimport std\n");
    let mut lines = 0;
    for file in 0..FILES {
        let text = module(file);
        lines += text.lines().count();
        std::fs::write(folder.join(format!("p{file}.cbuild")), text).map_err(failed)?;
        let _ = writeln!(all, "import ./p{file}.cbuild as p{file}");
    }
    all.push_str("\n/// The names of all.\npub let names: List<Str> = [\n");
    for file in 0..FILES {
        let _ = writeln!(all, "  p{file}.pkg_0({{ name = \"a\" }}).name,");
    }
    all.push_str("]\n");
    lines += all.lines().count();
    std::fs::write(folder.join("main.cbuild"), all).map_err(failed)?;
    Ok(lines)
}

/// A file with packages that use those of three files before it.
fn module(file: usize) -> String {
    let mut text = format!("//! Packages of part {file}.\n\nimport std\n");
    let before: Vec<usize> = [1, 7, 31].iter().filter_map(|back| file.checked_sub(*back)).collect();
    for other in &before {
        let _ = writeln!(text, "import ./p{other}.cbuild as p{other}");
    }
    text.push_str("\n/// What each of them is made from.\npub type Recipe = { name: Str, flags?: List<Str>, jobs: Int = 1 }\n");
    text.push_str(
        "\n/// What comes out.\npub type Made = { name: Str, inputs: List<Str>, size: Int }\n",
    );
    for package in 0..PACKAGES {
        let inputs: Vec<String> = before
            .iter()
            .map(|other| format!("p{other}.pkg_{package}({{ name = \"i\" }}).name"))
            .collect();
        let _ = write!(
            text,
            "\n/// Package {package}, with what it needs.\npub fn pkg_{package}(recipe: Recipe) -> Made =\n  let\n    \
             flags = match recipe.flags {{ Some(given) => given, None => [] }}\n    \
             inputs = [{}] ++ flags\n  in {{\n    name = \"#{{recipe.name}}-{package}\",\n    inputs,\n    size = recipe.jobs * {package},\n  }}\n",
            inputs.join(", ")
        );
    }
    text
}
