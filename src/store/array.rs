//! Arrays: the cells of one column, in Arrow (a column at a time) and in JSON (a row at a time).

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Int64Builder, ListBuilder, StringBuilder, StructBuilder,
};
use arrow_array::{ArrayRef, BooleanArray, Int64Array, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field as ArrowField, FieldRef, Fields, TimeUnit};
use base64::Engine as _;
use serde_json::{Map, Value as Json, json};

use crate::column::{Cell, Field, FieldKind, Struct, Value};

/// The time zone of every timestamp.
const UTC: &str = "UTC";

/// The name of the values of a list, as the Parquet format asks for it.
const ELEMENT: &str = "element";

/// The Arrow type of a column.
pub(super) fn data_type<R>(cell: &Cell<R>) -> DataType {
    match cell {
        Cell::Text(_) | Cell::Word(_) => DataType::Utf8,
        Cell::Int(_) => DataType::Int64,
        Cell::Bool(_) => DataType::Boolean,
        Cell::Bytes(_) => DataType::Binary,
        Cell::Time(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        Cell::Texts(_) => DataType::List(element(DataType::Utf8)),
        Cell::BytesList(_) => DataType::List(element(DataType::Binary)),
        Cell::Structs(fields, _) => DataType::List(element(DataType::Struct(struct_fields(fields)))),
    }
}

/// The type of a column in words, for people.
pub(super) fn type_name<R>(cell: &Cell<R>) -> String {
    let plain = match cell {
        Cell::Text(_) | Cell::Word(_) => "text",
        Cell::Int(_) => "integer",
        Cell::Bool(_) => "boolean",
        Cell::Bytes(_) => "bytes",
        Cell::Time(_) => "timestamp",
        Cell::Texts(_) => "list<text>",
        Cell::BytesList(_) => "list<bytes>",
        Cell::Structs(fields, _) => {
            let names: Vec<String> = fields.iter().map(|f| format!("{} {}", f.name, field_type(f.kind))).collect();
            return format!("list<struct<{}>>", names.join(", "));
        }
    };
    plain.to_owned()
}

fn field_type(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Int => "integer",
        FieldKind::Bool => "boolean",
    }
}

/// The values of a list are never null: a list that holds nothing is empty.
fn element(data_type: DataType) -> FieldRef {
    Arc::new(ArrowField::new(ELEMENT, data_type, false))
}

fn struct_fields(fields: &[Field]) -> Fields {
    let arrow = |field: &Field| {
        let data_type = match field.kind {
            FieldKind::Text => DataType::Utf8,
            FieldKind::Int => DataType::Int64,
            FieldKind::Bool => DataType::Boolean,
        };
        ArrowField::new(field.name, data_type, true)
    };
    fields.iter().map(arrow).collect()
}

/// Bytes that one column of a batch may hold: Arrow's offsets have 32 bits, and its builders panic beyond them.
const MOST_BYTES: usize = i32::MAX as usize;

/// Why a column cannot be made: a fault of ours, in words.
pub(super) type Mismatch = String;

/// One column of a batch. A row that is not there (`None`) reads as null.
pub(super) fn build<'a, S>(
    cell: &Cell<S>,
    rows: impl ExactSizeIterator<Item = Option<&'a S>>,
) -> Result<ArrayRef, Mismatch> {
    build_within(MOST_BYTES, cell, rows)
}

/// As [`build`], with another bound on the bytes.
pub(super) fn build_within<'a, S>(
    most_bytes: usize,
    cell: &Cell<S>,
    rows: impl ExactSizeIterator<Item = Option<&'a S>>,
) -> Result<ArrayRef, Mismatch> {
    let mut room = Room(most_bytes);
    Ok(match cell {
        Cell::Text(read) | Cell::Word(read) => {
            let mut column = StringBuilder::with_capacity(rows.len(), 0);
            for value in rows.map(|row| row.and_then(read)) {
                room.take(value.as_deref().unwrap_or_default().len())?;
                column.append_option(value);
            }
            Arc::new(column.finish())
        }
        Cell::Int(read) => Arc::new(rows.map(|row| row.and_then(read)).collect::<Int64Array>()),
        Cell::Bool(read) => Arc::new(rows.map(|row| row.and_then(read)).collect::<BooleanArray>()),
        Cell::Bytes(read) => {
            let mut column = BinaryBuilder::with_capacity(rows.len(), 0);
            for value in rows.map(|row| row.and_then(read)) {
                room.take(value.as_deref().unwrap_or_default().len())?;
                column.append_option(value);
            }
            Arc::new(column.finish())
        }
        Cell::Time(read) => {
            Arc::new(rows.map(|row| row.and_then(read)).collect::<TimestampMicrosecondArray>().with_timezone(UTC))
        }
        Cell::Texts(read) => {
            let mut list =
                ListBuilder::with_capacity(StringBuilder::new(), rows.len()).with_field(element(DataType::Utf8));
            for values in rows.map(|row| row.and_then(read)) {
                for value in values.iter().flatten() {
                    room.take(value.len())?;
                    list.values().append_value(value);
                }
                list.append(values.is_some());
            }
            Arc::new(list.finish())
        }
        Cell::BytesList(read) => {
            let mut list =
                ListBuilder::with_capacity(BinaryBuilder::new(), rows.len()).with_field(element(DataType::Binary));
            for values in rows.map(|row| row.and_then(read)) {
                for value in values.iter().flatten() {
                    room.take(value.len())?;
                    list.values().append_value(value);
                }
                list.append(values.is_some());
            }
            Arc::new(list.finish())
        }
        Cell::Structs(fields, read) => {
            let arrow_fields = struct_fields(fields);
            let of_structs = element(DataType::Struct(arrow_fields.clone()));
            let mut list = ListBuilder::with_capacity(StructBuilder::from_fields(arrow_fields, 0), rows.len())
                .with_field(of_structs);
            for structs in rows.map(|row| row.and_then(read)) {
                for values in structs.iter().flatten() {
                    append_struct(list.values(), fields, values, &mut room)?;
                }
                list.append(structs.is_some());
            }
            Arc::new(list.finish())
        }
    })
}

/// The bytes that a column may still take.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), Mismatch> {
        self.0 = self.0.checked_sub(bytes).ok_or("more bytes than one batch can hold")?;
        Ok(())
    }
}

/// Appends one struct, a null to each child that has no value: the children of a `StructBuilder` must stay equally long.
fn append_struct(
    structs: &mut StructBuilder,
    fields: &[Field],
    values: &Struct<'_>,
    room: &mut Room,
) -> Result<(), Mismatch> {
    if values.len() != fields.len() {
        return Err(format!("{} values for {} fields", values.len(), fields.len()));
    }
    for ((field, value), builder) in fields.iter().zip(values).zip(structs.field_builders_mut()) {
        if let Value::Text(text) = value {
            room.take(text.len())?;
        }
        append_value(builder.as_mut(), field.kind, value)
            .ok_or_else(|| format!("the field {} cannot hold {value:?}", field.name))?;
    }
    structs.append(true);
    Ok(())
}

/// Appends one value to the builder of its field. `None` where the value is not of the declared type.
fn append_value(builder: &mut dyn ArrayBuilder, kind: FieldKind, value: &Value<'_>) -> Option<()> {
    let any = builder.as_any_mut();
    match kind {
        FieldKind::Text => any.downcast_mut::<StringBuilder>()?.append_option(match value {
            Value::Text(text) => Some(text.as_ref()),
            Value::Null => None,
            Value::Int(_) | Value::Bool(_) => return None,
        }),
        FieldKind::Int => any.downcast_mut::<Int64Builder>()?.append_option(match value {
            Value::Int(number) => Some(*number),
            Value::Null => None,
            Value::Text(_) | Value::Bool(_) => return None,
        }),
        FieldKind::Bool => any.downcast_mut::<BooleanBuilder>()?.append_option(match value {
            Value::Bool(flag) => Some(*flag),
            Value::Null => None,
            Value::Text(_) | Value::Int(_) => return None,
        }),
    }
    Some(())
}

/// The cell of one row in JSON: bytes as text where they are UTF-8 that can be printed, times as RFC 3339.
pub(super) fn json<S>(cell: &Cell<S>, row: &S) -> Json {
    let value = match cell {
        Cell::Text(read) | Cell::Word(read) => read(row).map(|text| Json::from(text.into_owned())),
        Cell::Int(read) => read(row).map(Json::from),
        Cell::Bool(read) => read(row).map(Json::from),
        Cell::Bytes(read) => read(row).map(|bytes| bytes_json(&bytes)),
        Cell::Time(read) => read(row).map(time_json),
        Cell::Texts(read) => read(row).map(|texts| texts.into_iter().map(Cow::into_owned).collect()),
        Cell::BytesList(read) => read(row).map(|list| list.iter().map(|bytes| bytes_json(bytes)).collect()),
        Cell::Structs(fields, read) => {
            read(row).map(|structs| structs.into_iter().map(|values| struct_json(fields, values)).collect())
        }
    };
    value.unwrap_or(Json::Null)
}

/// Bytes that a person can read stand as text; all others as `{"base64": …}`, so that neither is taken for the other.
fn bytes_json(bytes: &[u8]) -> Json {
    let printable = |text: &&str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) => text.into(),
        None => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

/// RFC 3339; the bare number where no calendar has the time.
fn time_json(microseconds: i64) -> Json {
    jiff::Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.into(), |time| time.to_string().into())
}

fn struct_json(fields: &[Field], values: Struct<'_>) -> Json {
    let pairs = fields.iter().zip(values).map(|(field, value)| {
        let value = match value {
            Value::Null => Json::Null,
            Value::Text(text) => text.into_owned().into(),
            Value::Int(number) => number.into(),
            Value::Bool(flag) => flag.into(),
        };
        (field.name.to_owned(), value)
    });
    Json::Object(pairs.collect::<Map<_, _>>())
}
