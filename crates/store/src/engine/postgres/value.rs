//! Values as PostgreSQL sends and takes them: BIGINT, TEXT and BYTEA, alone or many at a time.

use crate::engine::{Kind, Value};
use bytes::{BufMut as _, BytesMut};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Failed = Box<dyn Error + Sync + Send>;

impl Kind {
    pub(super) const fn of_one(self) -> Type {
        match self {
            Self::Int => Type::INT8,
            Self::Text => Type::TEXT,
            Self::Bytes => Type::BYTEA,
        }
    }

    const fn of_many(self) -> Type {
        match self {
            Self::Int => Type::INT8_ARRAY,
            Self::Text => Type::TEXT_ARRAY,
            Self::Bytes => Type::BYTEA_ARRAY,
        }
    }

    /// As it is written in a statement.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Int => "BIGINT",
            Self::Text => "TEXT",
            Self::Bytes => "BYTEA",
        }
    }
}

/// A column of a row, where it lies.
pub(super) struct Raw<'a>(pub(super) Value<'a>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        Ok(Self(match *kind {
            Type::INT8 => Value::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Value::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Value::Int(i64::from(raw != [0])),
            Type::BYTEA => Value::Bytes(raw),
            _ => Value::Text(std::str::from_utf8(raw)?),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Self(Value::Null))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::INT8 | Type::INT4 | Type::BOOL | Type::BYTEA | Type::TEXT | Type::VARCHAR
        )
    }
}

/// A value of a statement.
#[derive(Debug)]
pub(super) enum Param {
    /// Nothing, of a kind.
    Null(Kind),
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Many values, for many rows at a time.
    Many(Column),
}

impl Param {
    pub(super) fn new(value: Value<'_>, kind: Kind) -> Self {
        match value {
            Value::Null => Self::Null(kind),
            Value::Int(n) => Self::Int(n),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Null(kind) => kind.of_one(),
            Self::Int(_) => Type::INT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Many(column) => column.kind.of_many(),
        }
    }
}

impl ToSql for Param {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self {
            Self::Null(_) => return Ok(IsNull::Yes),
            Self::Int(n) => out.put_i64(*n),
            Self::Text(text) => out.put_slice(text.as_bytes()),
            Self::Bytes(bytes) => out.put_slice(bytes),
            Self::Many(column) => column.write(out)?,
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Values of one column for many rows, written as PostgreSQL reads an array.
#[derive(Debug)]
pub(super) struct Column {
    kind: Kind,
    n: usize,
    nulls: bool,
    bytes: BytesMut,
}

impl Column {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            n: 0,
            nulls: false,
            bytes: BytesMut::new(),
        }
    }

    pub(super) fn push(&mut self, value: Value<'_>) -> Result<(), Failed> {
        self.n += 1;
        match value {
            Value::Null => {
                self.nulls = true;
                self.bytes.put_i32(-1);
            }
            Value::Int(n) => {
                self.bytes.put_i32(8);
                self.bytes.put_i64(n);
            }
            Value::Text(text) => self.push_bytes(text.as_bytes())?,
            Value::Bytes(bytes) => self.push_bytes(bytes)?,
        }
        Ok(())
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.bytes.put_i32(i32::try_from(bytes.len())?);
        self.bytes.put_slice(bytes);
        Ok(())
    }

    /// One dimension that counts from 1.
    fn write(&self, out: &mut BytesMut) -> Result<(), Failed> {
        out.put_i32(1);
        out.put_i32(i32::from(self.nulls));
        out.put_u32(self.kind.of_one().oid());
        out.put_i32(i32::try_from(self.n)?);
        out.put_i32(1);
        out.put_slice(&self.bytes);
        Ok(())
    }
}
