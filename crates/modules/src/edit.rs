//! Changes to the text of `cbuild.mod` that keep everything else in it, comments included.

use toml_edit::{DocumentMut, InlineTable, Item, Table, TomlError, Value};

use crate::manifest::Requirement;
use crate::names::ModulePath;

/// Adds or replaces a requirement. A name is written only where it is not the usual one.
///
/// # Errors
/// The text is not TOML.
pub fn add_requirement(
    text: &str,
    path: &ModulePath,
    requirement: &Requirement,
) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let table = document.entry("require").or_insert_with(|| Item::Table(Table::new()));
    let Some(table) = table.as_table_like_mut() else {
        // The reader of the file has refused it before.
        return Ok(text.to_owned());
    };
    let mut values = InlineTable::new();
    values.insert("version", Value::from(requirement.version.to_string()));
    values.insert("source", Value::from(requirement.source.to_string()));
    if path.default_import().ok().as_ref() != Some(&requirement.name) {
        values.insert("as", Value::from(requirement.name.as_str()));
    }
    match table.get_mut(path.as_str()).and_then(Item::as_table_like_mut) {
        Some(known) => {
            for (name, value) in values {
                replace(known, &name, value);
            }
        }
        None => {
            table.insert(path.as_str(), Item::Value(Value::InlineTable(values)));
        }
    }
    Ok(document.to_string())
}

/// Sets a value and keeps the white space and comments around it.
fn replace(table: &mut dyn toml_edit::TableLike, name: &str, mut value: Value) {
    if let Some(Item::Value(old)) = table.get(name) {
        *value.decor_mut() = old.decor().clone();
    }
    table.insert(name, Item::Value(value));
}

/// Removes a requirement and an override of the same module; `None` if there is neither.
///
/// # Errors
/// The text is not TOML.
pub fn remove_requirement(text: &str, path: &ModulePath) -> Result<Option<String>, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let mut removed = false;
    for name in ["require", "override"] {
        let table = document.get_mut(name).and_then(Item::as_table_like_mut);
        removed |= table.is_some_and(|table| table.remove(path.as_str()).is_some());
    }
    Ok(removed.then(|| document.to_string()))
}

#[cfg(test)]
mod tests {
    use cbuild_diag::{Sources, Span};

    use super::*;
    use crate::manifest::Manifest;
    use crate::names::Version;
    use crate::source::Source;

    const TEXT: &str = "# mine\nmodule = \"e.org/app/v1\"\n\n[require]\n# why\n\"e.org/tls/v1\" = { version = \"1.0.0\", source = \"git+https://e.org/tls\", as = \"ssl\" } # old\n";

    fn requirement(version: &str, name: &str) -> Requirement {
        let version = Version::parse(version).unwrap();
        let source = Source::parse("git+https://e.org/tls", &version).unwrap();
        Requirement { version, source, name: name.parse().unwrap(), span: Span::default() }
    }

    #[test]
    fn a_requirement_is_added_replaced_and_removed() {
        let path = "e.org/z/v2".parse().unwrap();
        let added = add_requirement(TEXT, &path, &requirement("2.1.0", "z")).unwrap();
        let line =
            "\"e.org/z/v2\" = { version = \"2.1.0\", source = \"git+https://e.org/tls#v2.1.0\" }\n";
        assert_eq!(added, format!("{TEXT}{line}"));
        assert_eq!(remove_requirement(&added, &path).unwrap().as_deref(), Some(TEXT));
        assert_eq!(remove_requirement(TEXT, &path).unwrap(), None);
        let path = "e.org/tls/v1".parse().unwrap();
        let changed = add_requirement(TEXT, &path, &requirement("1.2.0", "ssl")).unwrap();
        let wanted = TEXT.replace("1.0.0", "1.2.0").replace("org/tls\",", "org/tls#v1.2.0\",");
        assert_eq!(changed, wanted);
    }

    #[test]
    fn the_first_requirement_makes_the_table() {
        let path = "e.org/tls/v1".parse().unwrap();
        let text = "module = \"e.org/app/v1\"\n";
        let added = add_requirement(text, &path, &requirement("1.0.0", "ssl")).unwrap();
        assert!(added.contains("\n[require]\n") && added.contains("as = \"ssl\""), "{added}");
        let (manifest, problems) = Manifest::parse(Sources::default().add("m", &*added), &added);
        assert_eq!(problems, []);
        assert_eq!(manifest.unwrap().require[&path].name.as_str(), "ssl");
    }
}
