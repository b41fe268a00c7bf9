//! What a table holds, as one number that does not ask for an order: both engines give the same when they hold the same rows.

use super::tables::Table;
use crate::engine::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Rows, and the sum of the hashes of their canonical texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    /// A number of 256 bits, the smallest part first.
    sum: [u64; 4],
    /// The highest id that was met, those of calls under way among them.
    pub(super) last_id: i64,
    text: String,
}

impl Digest {
    /// One row. Its canonical text is the table's name and its values in the order of their columns' names: `-` for nothing, `i` and the
    /// decimal number, `t` with the length in bytes and the text, `b` with the length and the bytes in hexadecimal; each ends with `|`.
    pub(super) fn add(&mut self, table: &Table, row: &[Value<'_>]) {
        self.text.clear();
        self.text.push_str(&table.name);
        self.text.push('|');
        for ((name, _), value) in table.columns.iter().zip(row) {
            match value {
                Value::Null => self.text.push('-'),
                Value::Int(n) => {
                    if matches!(name.as_str(), "id" | "attempt_id") {
                        self.last_id = self.last_id.max(*n);
                    }
                    // Writing into a String cannot fail.
                    let _ = write!(self.text, "i{n}");
                }
                Value::Text(text) => {
                    let _ = write!(self.text, "t{}:{text}", text.len());
                }
                Value::Bytes(bytes) => {
                    let _ = write!(self.text, "b{}:", bytes.len());
                    for byte in *bytes {
                        let _ = write!(self.text, "{byte:02x}");
                    }
                }
            }
            self.text.push('|');
        }
        self.rows += 1;
        let hash = Sha256::digest(self.text.as_bytes());
        let mut carry = false;
        for (part, bytes) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            let (sum, one) = part.overflowing_add(u64::from_le_bytes(eight));
            let (sum, two) = sum.overflowing_add(u64::from(carry));
            (*part, carry) = (sum, one || two);
        }
    }

    /// In hexadecimal.
    pub(super) fn hash(&self) -> String {
        self.sum.iter().rev().fold(String::new(), |mut out, part| {
            let _ = write!(out, "{part:016x}");
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Kind;
    use proptest::prelude::*;

    fn table(columns: usize) -> Table {
        Table {
            name: "things".into(),
            columns: (0..columns)
                .map(|n| (format!("c{n}"), Kind::Text))
                .collect(),
            from_key: vec![0],
            to_key: vec![0],
        }
    }

    fn of(rows: &[Vec<Value<'_>>]) -> String {
        let mut digest = Digest::default();
        for row in rows {
            digest.add(&table(row.len()), row);
        }
        digest.hash()
    }

    /// What differs in any way has another hash, also where a value takes over what its neighbour had.
    #[test]
    fn rows_that_look_alike_are_told_apart() {
        let rows = [
            vec![Value::Text("a"), Value::Text("b")],
            vec![Value::Text("a|t1:b"), Value::Null],
            vec![Value::Text("ab"), Value::Text("")],
            vec![Value::Text("ab"), Value::Null],
            vec![Value::Text("7"), Value::Null],
            vec![Value::Int(7), Value::Null],
            vec![Value::Bytes(b"7"), Value::Null],
            vec![Value::Text("37"), Value::Null],
            vec![Value::Int(-7), Value::Null],
        ];
        let hashes: std::collections::BTreeSet<String> = rows
            .iter()
            .map(|row| of(std::slice::from_ref(row)))
            .collect();
        assert_eq!(hashes.len(), rows.len());
    }

    proptest! {
        /// The order of rows does not matter; a row more, a row less, or one twice does.
        #[test]
        fn the_order_of_rows_does_not_matter(mut texts in proptest::collection::vec("[a-z|0-9]{0,5}", 1..20), by in 0usize..20) {
            let rows = |texts: &[String]| of(&texts.iter().map(|text| vec![Value::Text(text)]).collect::<Vec<_>>());
            let before = rows(&texts);
            let by = by % texts.len();
            texts.rotate_left(by);
            prop_assert_eq!(&rows(&texts), &before);
            let one = texts[0].clone();
            texts.push(one);
            prop_assert_ne!(&rows(&texts), &before);
            texts.truncate(texts.len() - 2);
            prop_assert_ne!(&rows(&texts), &before);
        }
    }
}
