//! Columns: one table row a column gives name, sentence, type and reader, and with them schema, nulls and documentation.
//!
//! A probe declares its columns beside the code that fills them; [`store`](crate::store) turns them into Arrow arrays and
//! `check --json` into JSON. Nothing here knows of either.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::finding::Code;

/// A time in microseconds since 1970, as columns hold it; times before that do not occur.
#[must_use]
pub fn microseconds(time: SystemTime) -> Option<i64> {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok())
}

/// A time taken in whole milliseconds, as columns hold it.
#[must_use]
pub fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Codes as a list column holds them.
pub fn codes<'a>(codes: impl IntoIterator<Item = Code>) -> Option<Vec<Cow<'a, str>>> {
    Some(codes.into_iter().map(|code| Cow::Borrowed(code.as_str())).collect())
}

/// One column of a table whose rows are `R`.
pub struct Column<R: 'static> {
    /// The name, without the prefix of its probe.
    pub name: &'static str,
    /// What it holds, with its unit, in one sentence.
    pub sentence: &'static str,
    /// Type and reader.
    pub cell: Cell<R>,
}

/// The type of a column, with the function that reads it from a row. `None` is null.
pub enum Cell<R: 'static> {
    /// UTF-8 text.
    Text(for<'a> fn(&'a R) -> Option<Cow<'a, str>>),
    /// A word out of a small set (statuses, codes): text, stored with a dictionary encoding.
    Word(for<'a> fn(&'a R) -> Option<Cow<'a, str>>),
    /// A 64-bit signed integer.
    Int(fn(&R) -> Option<i64>),
    /// True or false.
    Bool(fn(&R) -> Option<bool>),
    /// Raw bytes.
    Bytes(for<'a> fn(&'a R) -> Option<Cow<'a, [u8]>>),
    /// Microseconds since 1970, UTC.
    Time(fn(&R) -> Option<i64>),
    /// A list of texts.
    Texts(for<'a> fn(&'a R) -> Option<Vec<Cow<'a, str>>>),
    /// A list of byte strings.
    BytesList(for<'a> fn(&'a R) -> Option<ByteStrings<'a>>),
    /// A list of structs: the fields, and for each struct one value a field.
    Structs(&'static [Field], for<'a> fn(&'a R) -> Option<Vec<Struct<'a>>>),
}

/// Byte strings, borrowed from the row where it holds them.
pub type ByteStrings<'a> = Vec<Cow<'a, [u8]>>;

/// One value a field.
pub type Struct<'a> = Vec<Value<'a>>;

/// A field of a struct inside a list column.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: FieldKind,
}

/// The type of a [`Field`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// UTF-8 text.
    Text,
    /// A 64-bit signed integer.
    Int,
    /// True or false.
    Bool,
}

/// A value of a [`Field`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// UTF-8 text.
    Text(Cow<'a, str>),
    /// A 64-bit signed integer.
    Int(i64),
    /// True or false.
    Bool(bool),
}
