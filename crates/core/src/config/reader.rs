//! Reads a [`Node`] into any serde type and collects every mistake with its line, instead of ending at the first (W5).
//!
//! How: a broken value is noted and left out, and the document is read again without it, until nothing new is found; a field that
//! is missing only because it was left out is not complained about. The value is handed out only when nothing was found, so
//! nobody ever sees half a document.

use super::node::{Node, Value};
use super::problem::{Problem, did_you_mean_or_list};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor, value::StrDeserializer,
};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// At most so many problems of a document are told; who mends these reads the rest in the next round.
const MOST: usize = 50;

/// Reads a document into `T`, or says all that is wrong with its form.
pub fn read<T: DeserializeOwned>(path: &str, node: &Node) -> Result<T, Vec<Problem>> {
    let notes = Notes {
        path,
        problems: RefCell::default(),
        left_out: RefCell::default(),
    };
    for _ in 0..MOST {
        let known = notes.left_out.borrow().len();
        let answer = T::deserialize(Reader {
            node,
            notes: &notes,
        });
        if let Err(stop) = &answer {
            notes.note(node.line, stop);
        }
        match answer {
            Ok(value) if notes.problems.borrow().is_empty() => return Ok(value),
            Ok(_) => break,
            Err(_) if notes.left_out.borrow().len() == known => break,
            Err(_) => {}
        }
    }
    let mut problems = notes.problems.into_inner();
    problems.sort();
    problems.dedup();
    problems.truncate(MOST);
    Err(problems)
}

/// What was found so far.
struct Notes<'a> {
    path: &'a str,
    problems: RefCell<Vec<Problem>>,
    /// Addresses of nodes that are skipped from now on; the tree does not move while it is read.
    left_out: RefCell<HashSet<usize>>,
}

impl Notes<'_> {
    fn note(&self, line: u32, stop: &Stop) {
        if let Stop::Because { message, mend } = stop {
            self.add(line, message.clone(), mend.clone());
        }
        if let Stop::Missing(field) = stop {
            self.add(line, format!("`{field}` is missing."), None);
        }
    }

    fn add(&self, line: u32, message: String, mend: Option<String>) {
        let problem = Problem::at(self.path, line, message).mend(mend);
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MOST * 2 && !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    fn leave_out(&self, node: &Node) {
        self.left_out.borrow_mut().insert(address(node));
    }

    /// Reads a child; when it is broken and nothing inside it was left out for that, it is left out itself.
    fn try_child<T>(&self, node: &Node, read: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
        let before = self.left_out.borrow().len();
        let answer = read();
        if answer.is_err() && self.left_out.borrow().len() == before {
            self.leave_out(node);
        }
        answer
    }

    fn is_left_out(&self, node: &Node) -> bool {
        self.left_out.borrow().contains(&address(node))
    }
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

/// Why reading stopped.
#[derive(Debug)]
enum Stop {
    /// Already noted, further in.
    Noted,
    /// A field that has no default is not there.
    Missing(&'static str),
    /// A sentence, and what to do.
    Because {
        message: String,
        mend: Option<String>,
    },
}

impl Stop {
    fn because(message: impl Into<String>) -> Self {
        Self::Because {
            message: message.into(),
            mend: None,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noted => f.write_str("already said"),
            Self::Missing(field) => write!(f, "`{field}` is missing."),
            Self::Because { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for Stop {}

/// What was found instead, in the words of somebody who writes files.
fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(truth) => format!("`{truth}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Str(text) => {
            let short: String = text.chars().take(60).collect();
            format!("the text `{short}`")
        }
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "keys with values".to_owned(),
        other => other.to_string(),
    }
}

/// What serde expects, in the same words.
fn wanted(expected: &dyn Expected) -> String {
    let said = expected.to_string();
    match said.as_str() {
        "a string" | "str" | "a borrowed string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "keys with values".to_owned(),
        "i64" | "i32" | "i16" | "i8" | "isize" => "a whole number".to_owned(),
        "u64" | "u32" | "u16" | "u8" | "usize" => "a whole number from 0".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        _ => match said.split_once(' ') {
            Some(("struct", _)) => "keys with values".to_owned(),
            Some(("enum", _)) => "one of its words".to_owned(),
            _ => said,
        },
    }
}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let said = message.to_string();
        let sentence = if said.ends_with(['.', '?', '!']) {
            said
        } else {
            format!("{said}.")
        };
        Self::because(sentence)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::because(format!(
            "Here is {}, but {} is wanted.",
            found(unexpected),
            wanted(expected)
        ))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::because(format!("Here are {len} values, but {expected} is wanted."))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::Because {
            message: format!("`{variant}` is not known here."),
            mend: did_you_mean_or_list(variant, expected.iter().copied()),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Because {
            message: format!("There is no setting `{field}` here."),
            mend: did_you_mean_or_list(field, expected.iter().copied()),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::because(format!("`{field}` is here twice."))
    }
}

/// One node being read.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    notes: &'a Notes<'a>,
}

impl<'a> Reader<'a> {
    fn of(self, node: &'a Node) -> Self {
        Self {
            node,
            notes: self.notes,
        }
    }

    /// Notes what stopped at this node, so that the callers above only pass it on.
    fn settle<T>(self, answer: Result<T, Stop>) -> Result<T, Stop> {
        answer.map_err(|stop| {
            match &stop {
                Stop::Missing(field)
                    if self
                        .node
                        .child(field)
                        .is_some_and(|child| self.notes.is_left_out(child)) => {}
                stop => self.notes.note(self.node.line, stop),
            }
            Stop::Noted
        })
    }

    fn list<'de, V: Visitor<'de>>(self, items: &'a [Node], visitor: V) -> Result<V::Value, Stop> {
        let answer = visitor.visit_seq(Items {
            reader: self,
            rest: items.iter(),
        });
        // A list that had to leave an item out may look too short; that is not the writer's mistake.
        if answer.is_err() && items.iter().any(|item| self.notes.is_left_out(item)) {
            return Err(Stop::Noted);
        }
        self.settle(answer)
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let Value::Map(entries) = &self.node.value else {
            return self.settle(Err(Stop::invalid_type(
                self.unexpected(),
                &"keys with values",
            )));
        };
        let answer = visitor.visit_map(Entries {
            reader: self,
            rest: entries.iter(),
            value: None,
            fields,
        });
        // What had to leave a part out may look as if nothing were there; that is not the writer's mistake.
        let partly = |notes: &Notes<'_>| entries.iter().any(|(_, node)| notes.is_left_out(node));
        if matches!(&answer, Err(Stop::Because { .. })) && partly(self.notes) {
            return Err(Stop::Noted);
        }
        self.settle(answer)
    }

    fn unexpected(&self) -> Unexpected<'a> {
        match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(truth) => Unexpected::Bool(*truth),
            Value::Int(number, _) => Unexpected::Signed(*number),
            Value::Float(number, _) => Unexpected::Float(*number),
            Value::Text(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Null => self.settle(visitor.visit_unit()),
            Value::Bool(truth) => self.settle(visitor.visit_bool(*truth)),
            Value::Int(number, _) => self.settle(visitor.visit_i64(*number)),
            Value::Float(number, _) => self.settle(visitor.visit_f64(*number)),
            Value::Text(text) => self.settle(visitor.visit_str(text)),
            Value::List(items) => self.list(items, visitor),
            Value::Map(_) => self.map(None, visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Int(_, spelt) | Value::Float(_, spelt) => self.settle(visitor.visit_str(spelt)),
            Value::Bool(truth) => {
                self.settle(visitor.visit_str(if *truth { "true" } else { "false" }))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.value {
            Value::Null => self.settle(visitor.visit_none()),
            _ => self.settle(visitor.visit_some(self)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.settle(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.map(Some(fields), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.map(None, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let chosen = match &self.node.value {
            Value::Text(word) => Some((word.as_str(), None)),
            Value::Bool(truth) => Some((if *truth { "true" } else { "false" }, None)),
            Value::Map(entries) => match entries.as_slice() {
                [(key, node)] => Some((key.text.as_str(), Some(node))),
                _ => None,
            },
            _ => None,
        };
        let Some((word, content)) = chosen else {
            let mut words: Vec<String> = variants.iter().map(|word| format!("`{word}`")).collect();
            let last = words.pop().unwrap_or_default();
            let list = if words.is_empty() {
                last
            } else {
                format!("{} or {last}", words.join(", "))
            };
            return self.settle(Err(Stop::because(format!("Choose exactly one of {list}."))));
        };
        self.settle(visitor.visit_enum(Choice {
            reader: self,
            word,
            content,
        }))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct ignored_any
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    rest: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de> + Sized>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        // A seed serves once, so a broken item is left out in the next round of reading.
        let Some(node) = self
            .rest
            .by_ref()
            .find(|node| !self.reader.notes.is_left_out(node))
        else {
            return Ok(None);
        };
        let reader = self.reader.of(node);
        let read = || reader.settle(seed.deserialize(reader));
        self.reader.notes.try_child(node, read).map(Some)
    }
}

struct Entries<'a> {
    reader: Reader<'a>,
    rest: std::slice::Iter<'a, (super::node::Key, Node)>,
    value: Option<&'a Node>,
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let notes = self.reader.notes;
        for (key, node) in self.rest.by_ref() {
            if notes.is_left_out(node) {
                continue;
            }
            if let Some(fields) = self.fields
                && !fields.contains(&key.text.as_str())
            {
                notes.note(key.line, &Stop::unknown_field(&key.text, fields));
                continue;
            }
            self.value = Some(node);
            return seed
                .deserialize(StrDeserializer::<Stop>::new(&key.text))
                .map(Some)
                .map_err(|stop| {
                    notes.note(key.line, &stop);
                    notes.leave_out(node);
                    Stop::Noted
                });
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        let Some(node) = self.value.take() else {
            return Err(Stop::because("A value was asked for before its key."));
        };
        let reader = self.reader.of(node);
        let read = || reader.settle(seed.deserialize(reader));
        self.reader.notes.try_child(node, read)
    }
}

struct Choice<'a> {
    reader: Reader<'a>,
    word: &'a str,
    content: Option<&'a Node>,
}

impl<'a, 'de> EnumAccess<'de> for Choice<'a> {
    type Error = Stop;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'a>), Stop> {
        let variant = seed.deserialize(StrDeserializer::<Stop>::new(self.word))?;
        Ok((
            variant,
            Content {
                reader: self.reader,
                word: self.word,
                content: self.content,
            },
        ))
    }
}

struct Content<'a> {
    reader: Reader<'a>,
    word: &'a str,
    content: Option<&'a Node>,
}

impl<'a> Content<'a> {
    fn inner(&self) -> Result<Reader<'a>, Stop> {
        match self.content {
            Some(node) => Ok(self.reader.of(node)),
            None => Err(Stop::because(format!(
                "`{}` needs to be told more: write `{}: …`.",
                self.word, self.word
            ))),
        }
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        match self.content.map(|node| &node.value) {
            None | Some(Value::Null | Value::Bool(true)) => Ok(()),
            Some(Value::Map(entries)) if entries.is_empty() => Ok(()),
            Some(_) => Err(Stop::because(format!(
                "`{}` stands alone, without settings.",
                self.word
            ))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        let reader = self.inner()?;
        reader.settle(seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Stop> {
        self.inner()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match self.content {
            Some(node) if !matches!(node.value, Value::Null) => {
                self.reader.of(node).map(Some(fields), visitor)
            }
            // `lead_captured` alone is `lead_captured: {}`.
            _ => {
                let empty = Entries {
                    reader: self.reader,
                    rest: [].iter(),
                    value: None,
                    fields: Some(fields),
                };
                self.reader.settle(visitor.visit_map(empty))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum To {
        Lead,
        List(String),
        Entered { model: String, tier: Option<String> },
        Open { form: Option<String> },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        name: String,
        #[serde(default)]
        count: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        name: String,
        to: To,
        #[serde(default)]
        items: Vec<Inner>,
        #[serde(default)]
        named: BTreeMap<String, i64>,
        limit: Option<u8>,
    }

    fn problems(text: &str) -> Vec<String> {
        let node = Node::read("a.yaml", text).unwrap();
        read::<Sample>("a.yaml", &node)
            .unwrap_err()
            .iter()
            .map(Problem::to_string)
            .collect()
    }

    #[test]
    fn a_good_document_is_read() {
        let text = "name: 80202\nto: { list: emergency }\nitems:\n  - { name: a, count: 2 }\nnamed: { x: 1 }\n";
        let node = Node::read("a.yaml", text).unwrap();
        let read = read::<Sample>("a.yaml", &node).unwrap();
        assert_eq!(read.name, "80202");
        assert_eq!(read.to, To::List("emergency".to_owned()));
        assert_eq!(read.items[0].count, 2);
        for (text, to) in [
            ("lead", To::Lead),
            ("open", To::Open { form: None }),
            (
                "{ open: { form: x } }",
                To::Open {
                    form: Some("x".to_owned()),
                },
            ),
            (
                "{ entered: { model: intent } }",
                To::Entered {
                    model: "intent".to_owned(),
                    tier: None,
                },
            ),
        ] {
            let node = Node::read("a.yaml", &format!("name: x\nto: {text}\n")).unwrap();
            assert_eq!(
                super::read::<Sample>("a.yaml", &node).unwrap().to,
                to,
                "{text}"
            );
        }
    }

    /// W5: all mistakes in one go, each at its line.
    #[test]
    fn every_mistake_is_told_at_its_line() {
        let told = problems(
            "nam: x\nto: { lists: emergency }\nitems:\n  - { count: 2 }\n  - name: b\n    count: many\n  - { name: c, cuont: 1 }\nnamed: { x: one, y: two }\nlimit: 900\n",
        );
        assert_eq!(
            told,
            [
                "a.yaml:1: There is no setting `nam` here. Did you mean `name`?",
                "a.yaml:1: `name` is missing.",
                "a.yaml:2: `lists` is not known here. Did you mean `list`?",
                "a.yaml:4: `name` is missing.",
                "a.yaml:6: Here is the text `many`, but a whole number from 0 is wanted.",
                "a.yaml:7: There is no setting `cuont` here. Did you mean `count`?",
                "a.yaml:8: Here is the text `one`, but a whole number is wanted.",
                "a.yaml:8: Here is the text `two`, but a whole number is wanted.",
                "a.yaml:9: Here is the number 900, but a whole number from 0 is wanted.",
            ]
        );
    }

    #[test]
    fn a_choice_is_exactly_one() {
        let told = problems("name: x\nto: { list: a, lead: true }\n");
        assert_eq!(
            told,
            ["a.yaml:2: Choose exactly one of `lead`, `list`, `entered` or `open`."]
        );
        let told = problems("name: x\nto: list\n");
        assert_eq!(
            told,
            ["a.yaml:2: `list` needs to be told more: write `list: …`."]
        );
        let told = problems("- just\n- a list\n");
        assert_eq!(
            told,
            ["a.yaml:1: Here is a list, but keys with values is wanted."]
        );
    }

    proptest! {
        #[test]
        fn any_document_is_answered(text in "((name|to|items|named|limit|x): ?(lead|\\[\\{name: a\\}, 3\\]|\\{list: x\\}|7|~|\"\")?\n){0,6}") {
            if let Ok(node) = Node::read("a.yaml", &text) {
                let _answer = read::<Sample>("a.yaml", &node);
            }
        }
    }
}
