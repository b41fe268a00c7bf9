//! Values on their way into and out of the database, the same for every engine: numbers, text, bytes, nothing.

use crate::StoreError;
use std::sync::Arc;

/// One value, borrowed from where it lies. Truth is a number: 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Nothing.
    Null,
    /// A number.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// What kind of value a place takes, also when nothing is put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A value that is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    Int(i64),
    Text(String),
}

impl From<i64> for Kept {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<String> for Kept {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// The values of a statement, in the order of their numbers.
pub(crate) type Values<'a> = &'a [&'a dyn ToValue];

/// The values of a statement.
macro_rules! params {
    () => { &[] as $crate::engine::Values<'_> };
    ($($value:expr),+ $(,)?) => {
        &[$(&$value as &dyn $crate::engine::ToValue),+] as $crate::engine::Values<'_>
    };
}
pub(crate) use params;

/// What can be a value of a statement.
pub(crate) trait ToValue {
    /// As a value.
    fn value(&self) -> Value<'_>;
    /// Of which kind, also where it is nothing.
    fn kind(&self) -> Kind;
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl ToValue for $kind {
            fn value(&self) -> Value<'_> {
                Value::Int(i64::from(*self))
            }

            fn kind(&self) -> Kind {
                Kind::Int
            }
        }
    )*};
}

numbers!(i64, i32, u32, u16, u8, bool);

impl ToValue for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }

    fn kind(&self) -> Kind {
        Kind::Text
    }
}

impl ToValue for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }

    fn kind(&self) -> Kind {
        Kind::Text
    }
}

impl ToValue for std::borrow::Cow<'_, str> {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }

    fn kind(&self) -> Kind {
        Kind::Text
    }
}

impl ToValue for Arc<str> {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }

    fn kind(&self) -> Kind {
        Kind::Text
    }
}

impl ToValue for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }

    fn kind(&self) -> Kind {
        Kind::Bytes
    }
}

impl ToValue for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }

    fn kind(&self) -> Kind {
        Kind::Bytes
    }
}

impl ToValue for Kept {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(n) => Value::Int(*n),
            Self::Text(text) => Value::Text(text),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Text(_) => Kind::Text,
        }
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }

    fn kind(&self) -> Kind {
        (**self).kind()
    }
}

impl<T: ToValue + Kinded> ToValue for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::value)
    }

    fn kind(&self) -> Kind {
        T::KIND
    }
}

/// What is of one kind, whatever its value.
pub(crate) trait Kinded {
    /// The kind.
    const KIND: Kind;
}

macro_rules! kinds {
    ($($kind:ident: $($of:ty),*;)*) => {$($(
        impl Kinded for $of {
            const KIND: Kind = Kind::$kind;
        }
    )*)*};
}

kinds! {
    Int: i64, i32, u32, u16, u8, bool;
    Text: str, String;
    Bytes: [u8], Vec<u8>;
}

impl<T: Kinded + ?Sized> Kinded for &T {
    const KIND: Kind = T::KIND;
}

/// What can be read from a column. `None` is the wrong kind of value.
pub(crate) trait FromValue: Sized {
    /// From a value.
    fn from_value(value: Value<'_>) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }
}

macro_rules! smaller_numbers {
    ($($kind:ty),*) => {$(
        impl FromValue for $kind {
            fn from_value(value: Value<'_>) -> Option<Self> {
                i64::from_value(value)?.try_into().ok()
            }
        }
    )*};
}

smaller_numbers!(i32, u32, u16, u8);

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(|n| n != 0)
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A row that was found. Columns count from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    /// Of SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of PostgreSQL.
    Postgres(&'a tokio_postgres::Row),
}

impl<'a> Row<'a> {
    /// Reads a column.
    pub(crate) fn get<T: FromValue>(&self, column: usize) -> Result<T, StoreError> {
        T::from_value(self.value(column)?).ok_or_else(|| StoreError::column(column))
    }

    /// The bytes of a column, where they lie.
    pub(crate) fn bytes(&self, column: usize) -> Result<Option<&'a [u8]>, StoreError> {
        match self.value(column)? {
            Value::Bytes(bytes) => Ok(Some(bytes)),
            Value::Null => Ok(None),
            _ => Err(StoreError::column(column)),
        }
    }

    fn value(&self, column: usize) -> Result<Value<'a>, StoreError> {
        match self {
            Self::Sqlite(row) => super::sqlite::value(row, column),
            Self::Postgres(row) => super::postgres::value(row, column),
        }
    }
}
