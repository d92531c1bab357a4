//! Who is eligible for each query of a file: one line of JSON a query.

use std::fs;
use std::path::Path;

use nearfield::{Conditions, IdType};
use serde_json::{Map, Value};

use super::{Error, Result, args};

/// Reads the lines of a file. A number in `exclude` is an id as it is written.
///
/// # Errors
/// A file that can't be read; a line that isn't what it should be, by its number.
pub fn read(path: &Path, id_type: IdType) -> Result<Vec<Conditions>> {
    let text = fs::read_to_string(path)
        .map_err(Error::system(format!("{}: cannot read the conditions", path.display())))?;
    let line = |(number, line): (usize, &str)| {
        one(line, id_type)
            .map_err(|why| Error::Failed(format!("{}, line {}: {why}", path.display(), number + 1)))
    };
    text.lines().enumerate().map(line).collect()
}

fn one(line: &str, id_type: IdType) -> std::result::Result<Conditions, String> {
    let shape = "expected {\"where\": \"...\", \"exclude\": [ids], \"exclude_sets\": [\"...\"]}, each part \
                 or none of it";
    let fields: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("{shape}, found {line:?} ({error})"))?;
    let mut read = Conditions::default();
    for (name, value) in &fields {
        let wrong = || format!("{name}: {shape}, found {value}");
        match (name.as_str(), value) {
            ("where" | "exclude" | "exclude_sets", Value::Null) => {}
            ("where", Value::String(text)) => read.filter = Some(text.clone()),
            ("exclude", Value::Array(ids)) => {
                let texts = ids.iter().map(|id| match id {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                });
                let texts: Vec<String> = texts.collect::<Option<_>>().ok_or_else(wrong)?;
                let ids = args::ids(&texts, id_type).map_err(|error| error.to_string())?;
                read.exclude = Some(ids);
            }
            ("exclude_sets", Value::Array(names)) => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                read.exclude_sets = names.collect::<Option<_>>().ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use nearfield::Ids;

    use super::*;

    #[test]
    fn a_line_has_three_parts_at_most() {
        let read =
            one(r#"{"where": "a > 1", "exclude": [7, "8"], "exclude_sets": ["s"]}"#, IdType::U64);
        let read = read.expect("conditions");
        assert_eq!(read.filter.as_deref(), Some("a > 1"));
        assert_eq!(read.exclude, Some(Ids::U64(vec![7, 8])));
        assert_eq!(read.exclude_sets, ["s"]);
        assert_eq!(one(r#"{"where": null}"#, IdType::Str), Ok(Conditions::default()));
        for line in ["", "[]", r#"{"filter": "a"}"#, r#"{"where": 1}"#, r#"{"exclude": 7}"#] {
            one(line, IdType::U64).expect_err(line);
        }
        one(r#"{"exclude": ["x"]}"#, IdType::U64).expect_err("no integer");
    }
}
