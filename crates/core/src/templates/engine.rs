//! The engine's bounds: what a template can use, and how much of it.

use super::context::RenderContext;
use super::data::Data;
use minijinja::value::{Object, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use std::io;
use std::sync::{Arc, OnceLock};

/// The most bytes of a template's file.
pub(super) const SOURCE_BYTES: usize = 64 * 1024;
/// The most bytes that rendering gives.
pub(super) const OUTPUT_BYTES: usize = 512 * 1024;
/// Steps of the engine per rendering; nested loops run into it within a millisecond.
const FUEL: u64 = 50_000;

/// The name under which a rendering carries the recipient's manners; the blank keeps templates from naming it.
pub(super) const MANNERS: &str = " manners";

/// An engine without any template. Copies share the filters.
pub(super) fn engine() -> Environment<'static> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut env = Environment::empty();
        // Reading through what is missing is allowed so that `lead.attributes.car.year|default("")` works; showing it is not.
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(32);
        env.set_debug(false);
        env.set_auto_escape_callback(|name| match name {
            "html" => AutoEscape::Html,
            "json" => AutoEscape::Json,
            _ => AutoEscape::None,
        });
        env.set_formatter(|out, state, value| {
            let escape = state.auto_escape().clone();
            match (value.kind(), escape) {
                (ValueKind::Undefined | ValueKind::None, _) => Err(Error::new(ErrorKind::UndefinedError, "a value is empty")),
                (_, AutoEscape::Json) => minijinja::escape_formatter(out, state, value),
                (ValueKind::String, AutoEscape::Html) if !value.is_safe() => {
                    let text = value.as_str().unwrap_or_default();
                    write_html(text, |part| out.write_str(part)).map_err(Error::from)
                }
                (ValueKind::String, _) => out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from),
                (ValueKind::Number | ValueKind::Bool, _) => write!(out, "{value}").map_err(Error::from),
                _ => Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "a list or group cannot be shown as it is; show its members, for example with join",
                )),
            }
        });
        super::filters::add_to(&mut env);
        env
    })
    .clone()
}

/// Writes text with the five characters that mean something in HTML replaced.
fn write_html<E>(text: &str, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<(), E> {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let instead = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        write(&text[from..at])?;
        write(instead)?;
        from = at + 1;
    }
    write(&text[from..])
}

/// Appends text to HTML.
pub(super) fn push_html(out: &mut String, text: &str) {
    let written: Result<(), std::convert::Infallible> = write_html(text, |part| {
        out.push_str(part);
        Ok(())
    });
    match written {
        Ok(()) => {}
    }
}

/// What a rendering sees: the data, and the manners beside it.
#[derive(Debug)]
struct Root {
    data: Value,
    manners: Value,
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == MANNERS {
            return Some(self.manners.clone());
        }
        self.data
            .get_attr(key)
            .ok()
            .filter(|value| !value.is_undefined())
    }
}

/// Data and manners as one value, for all parts of a template.
pub(super) fn root(data: &Data, context: &RenderContext) -> Value {
    Value::from_object(Root {
        data: data.root(),
        manners: context.value(),
    })
}

/// Renders one part, at most [`OUTPUT_BYTES`] long.
pub(super) fn render(
    env: &Environment<'static>,
    part: &str,
    root: Value,
    expected_bytes: usize,
) -> Result<String, Error> {
    let mut out = Limited {
        bytes: Vec::with_capacity(expected_bytes),
    };
    env.get_template(part)?.render_captured_to(root, &mut out)?;
    String::from_utf8(out.bytes)
        .map_err(|_| Error::new(ErrorKind::WriteFailure, "the result is no text"))
}

struct Limited {
    bytes: Vec<u8>,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the result is too long",
            ));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
