//! A YAML document as a tree that knows its lines, so that every later check can point at one.
//!
//! Bounded against hostile input: size, nodes, depth, anchors and aliases (an alias bomb ends with a sentence, not with the memory).

use super::Problem;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Options, Spanned};
use std::fmt;

/// The largest document, in bytes.
pub const LARGEST: usize = 256 * 1024;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// From 1.
    pub line: u32,
    /// What stands there.
    pub value: Value,
}

/// What stands somewhere.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true`, `false`; as it was written.
    Bool(bool),
    /// A whole number, with its spelling, since a phone number or a ZIP without quotes is still a text.
    Int(i64, String),
    /// Any other number, with its spelling.
    Float(f64, String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Debug, Clone)]
pub struct Key {
    /// From 1.
    pub line: u32,
    /// The key.
    pub text: String,
}

impl Node {
    /// What stands for a document that could not be read.
    pub const fn nothing() -> Self {
        Self {
            line: 1,
            value: Value::Null,
        }
    }

    /// Reads a document; the error says where it stops being YAML.
    pub fn read(path: &str, text: &str) -> Result<Self, Problem> {
        if text.len() > LARGEST {
            return Err(Problem::of_file(
                path,
                format!("The file has {} bytes; {LARGEST} is the most.", text.len()),
            ));
        }
        let seed: Spanned<Seed> = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| said(path, &error))?;
        Ok(seed
            .value
            .settle(line(&seed.referenced), text, &seed.referenced))
    }

    /// The node at a path such as `steps/0/send/template`, or the nearest one above it that exists.
    pub fn near(&self, path: &str) -> &Self {
        let mut here = self;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match here.child(part) {
                Some(child) => here = child,
                None => break,
            }
        }
        here
    }

    /// The line within this node that a sentence is about: the first text in it that the sentence quotes between backticks, or
    /// the line of the node.
    pub fn line_quoted(&self, sentence: &str) -> u32 {
        let quoted = |text: &str| !text.is_empty() && sentence.contains(&format!("`{text}`"));
        let mut open = vec![self];
        while let Some(node) = open.pop() {
            match &node.value {
                Value::Text(text) | Value::Int(_, text) | Value::Float(_, text) if quoted(text) => {
                    return node.line;
                }
                Value::List(items) => open.extend(items.iter().rev()),
                Value::Map(entries) => {
                    if let Some((key, _)) = entries.iter().find(|(key, _)| quoted(&key.text)) {
                        return key.line;
                    }
                    open.extend(entries.iter().rev().map(|(_, node)| node));
                }
                _ => {}
            }
        }
        self.line
    }

    /// The line of [`Node::near`].
    pub fn line_near(&self, path: &str) -> u32 {
        self.near(path).line
    }

    /// The value of a key, or the nth of a list.
    pub fn child(&self, part: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.text == part)
                .map(|(_, node)| node),
            Value::List(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

fn line(at: &serde_saphyr::Location) -> u32 {
    u32::try_from(at.line()).unwrap_or(u32::MAX).max(1)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 60_000,
            max_nodes: 20_000,
            max_aliases: 200,
            max_anchors: 100,
            max_recorded_anchor_events: 20_000,
            max_recorded_anchor_bytes: 1_048_576,
            // Readers recurse; 32 levels stay far inside a thread's 2 MiB also in a debug build.
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_total_scalar_bytes: 1_048_576,
            max_inclusion_depth: 0,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 100,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // Else `no` and `on` become truth values, also as names of states and provinces.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    }
}

/// The reader's complaint as a problem. Its text already is a sentence about the document.
fn said(path: &str, error: &Error) -> Problem {
    let at = error.location().map(|at| line(&at));
    let words = error.without_snippet().to_string();
    // The place is a field of its own here.
    let words = words.split(" at line ").next().unwrap_or_default().trim();
    let words = words.strip_suffix('.').unwrap_or(words);
    Problem {
        path: path.to_owned(),
        line: at,
        message: format!("This is not readable as YAML: {words}."),
        mend: None,
    }
}

/// What serde hands over, before spellings are looked up.
enum Seed {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Seed>>),
    Map(Vec<(Spanned<String>, Spanned<Seed>)>),
}

impl Seed {
    fn settle(self, line_here: u32, text: &str, at: &serde_saphyr::Location) -> Node {
        let value = match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) => Value::Int(number, spelling(text, at, || number.to_string())),
            Self::Float(number) => Value::Float(number, spelling(text, at, || number.to_string())),
            Self::Text(words) => Value::Text(words),
            Self::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| {
                        let at = item.defined;
                        item.value.settle(line(&item.referenced), text, &at)
                    })
                    .collect(),
            ),
            Self::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, item)| {
                        let at = item.defined;
                        let key = Key {
                            line: line(&key.referenced),
                            text: key.value,
                        };
                        (key, item.value.settle(line(&item.referenced), text, &at))
                    })
                    .collect(),
            ),
        };
        Node {
            line: line_here,
            value,
        }
    }
}

/// How a number was written; `+13035550100` is not 13035550100 to somebody who wants to call.
fn spelling(text: &str, at: &serde_saphyr::Location, otherwise: impl Fn() -> String) -> String {
    let rest = usize::try_from(at.line().saturating_sub(1))
        .ok()
        .and_then(|skip| text.lines().nth(skip))
        .and_then(|row| {
            let column = usize::try_from(at.column().saturating_sub(1)).ok()?;
            row.char_indices().nth(column).map(|(byte, _)| &row[byte..])
        });
    let Some(rest) = rest else { return otherwise() };
    let word: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
        .collect();
    if word.is_empty() { otherwise() } else { word }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Seed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Seed, E> {
                Ok(Seed::Null)
            }
            fn visit_none<E: de::Error>(self) -> Result<Seed, E> {
                Ok(Seed::Null)
            }
            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Seed, E> {
                Ok(Seed::Bool(truth))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seed, E> {
                Ok(Seed::Int(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seed, E> {
                // Beyond i64 nothing here is a whole number that means anything; it stays readable as a text.
                Ok(i64::try_from(number).map_or(Seed::Float(number as f64), Seed::Int))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Seed, E> {
                Ok(Seed::Float(number))
            }
            fn visit_str<E: de::Error>(self, words: &str) -> Result<Seed, E> {
                Ok(Seed::Text(words.to_owned()))
            }
            fn visit_string<E: de::Error>(self, words: String) -> Result<Seed, E> {
                Ok(Seed::Text(words))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seed, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Seed::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Seed, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Seed::Map(map))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_and_spellings_are_kept() {
        let node = Node::read(
            "a.yaml",
            "name: x\nphone: +13035550100\nzip: 02134 # Allston\nsteps:\n  - send:\n      to: lead\n  - { wait: 5m, no: true }\n",
        )
        .unwrap();
        assert_eq!(node.line_near("phone"), 2);
        assert_eq!(node.line_near("steps/0/send/to"), 6);
        assert_eq!(node.line_near("steps/1/wait"), 7);
        assert_eq!(node.line_near("steps/1/send/to"), 7);
        assert!(
            matches!(&node.near("phone").value, Value::Int(_, spelt) if spelt == "+13035550100")
        );
        assert!(
            matches!(&node.near("zip").value, Value::Text(zip) if zip == "02134"),
            "{node:?}"
        );
        assert!(node.near("steps/1").child("no").is_some());
    }

    #[test]
    fn what_is_no_yaml_is_answered_with_its_line() {
        let problem = Node::read("a.yaml", "a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(problem.line.is_some(), "{problem}");
        let twice = Node::read("a.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!(twice.line, Some(2), "{twice}");
    }

    /// A billion laughs end with a sentence.
    #[test]
    fn alias_bombs_and_deep_nests_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            bomb.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                [before.as_str(); 10].join(", ")
            ));
        }
        assert!(Node::read("bomb.yaml", &bomb).is_err());
        let nest = |depth| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Node::read("deep.yaml", &nest(30)).is_ok());
        assert!(Node::read("deep.yaml", &nest(40)).is_err());
        assert!(Node::read("deep.yaml", &"[".repeat(5_000)).is_err());
        assert!(Node::read("deep.yaml", &format!("{}x", "- ".repeat(5_000))).is_err());
        assert!(Node::read("wide.yaml", &"- x\n".repeat(60_000)).is_err());
        assert!(Node::read("large.yaml", &"x".repeat(LARGEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\\n\\t\u{0}\u{85}é:{}\\[\\]&*!|>'\"%@`,?#-]{0,200}") {
            let _answer = Node::read("any.yaml", &text);
        }
    }
}
