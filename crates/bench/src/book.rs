//! The book of campaigns: a line for each run, so that nobody has to believe a single one.

use crate::fault::{Tried, While};
use serde_json::Value;
use std::{fs::OpenOptions, io::Write as _, path::Path};

/// What every run has and no reader misses.
const LEFT_OUT: [&str; 5] = ["campaign", "held", "seed", "providers", "connections"];

/// Adds a line to the book.
pub fn add(book: &Path, commit: &str, line: &Value) -> Tried<()> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ");
    let held = if line["held"] == true {
        "held"
    } else {
        "BROKEN"
    };
    let name = line["campaign"].as_str().unwrap_or_default();
    let row = format!(
        "| {now} | {commit} | {name} | {} | {held} | {} |\n",
        line["seed"],
        told(line)
    );
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(book)
        .and_then(|mut file| file.write_all(row.as_bytes()))
        .during(format_args!("writing {}", book.display()))
}

/// The counts of a run in words; what is nothing, as it should be, is left out.
fn told(line: &Value) -> String {
    let mut words = Vec::new();
    tell(line, &mut words);
    words.join(", ").replace(['|', '\n'], " ")
}

fn tell(value: &Value, words: &mut Vec<String>) {
    let Value::Object(fields) = value else {
        return;
    };
    for (name, value) in fields {
        let name_in_words = name.replace('_', " ");
        match value {
            _ if LEFT_OUT.contains(&name.as_str()) => {}
            Value::Null | Value::Bool(false) => {}
            Value::Number(number) if number.as_f64() == Some(0.0) => {}
            Value::Array(list) if list.is_empty() => {}
            Value::Object(_) if name == "examples" => {
                let text = value.to_string();
                if text != "{}" {
                    words.push(text);
                }
            }
            Value::Object(_) => tell(value, words),
            Value::String(text) => words.push(format!("{name_in_words} {text}")),
            other => words.push(format!("{name_in_words} {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_tells_what_is_not_nothing() {
        let line = json!({
            "campaign": "power", "held": false, "seed": 4, "settled_after_s": null, "power": {"cuts": 100, "lost_at_a_cut": 0},
            "verdict": {"leads_acknowledged": 10, "damage": 0, "examples": {"damage": ["a|b"]}},
        });
        assert_eq!(
            told(&line),
            r#"cuts 100, {"damage":["a b"]}, leads acknowledged 10"#
        );
    }
}
