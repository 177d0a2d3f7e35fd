//! Encodings: how the columns of a table lie in Parquet.

use arrow_schema::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// The metadata of a field that holds its sentence.
pub(super) const COMMENT: &str = "comment";

/// The metadata of a field that says what sort of text it holds.
pub(super) const KIND: &str = "kind";

/// The [`KIND`] of text out of a small set.
pub(super) const WORD: &str = "word";

/// Level 3 costs twice the CPU for 4 % of the bytes, level 9 six times for 11 %.
const ZSTD_LEVEL: i32 = 1;

/// Rows in a page, at most. Of a hundred columns most are null throughout, and each page of theirs costs a header and a call
/// of the compressor, whatever its length.
const PAGE_ROWS: usize = 65_536;

/// Rows in a row group, at most: what an open part holds in memory, and the unit that readers share among their threads.
pub(super) const GROUP_ROWS: usize = 262_144;

/// The properties of every part of a table with this schema.
pub(super) fn properties(schema: &Schema) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by(concat!("stscan ", env!("CARGO_PKG_VERSION")).to_owned())
        // Minimum and maximum for each column chunk; an index of pages would outweigh columns that are mostly null.
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for field in schema.fields() {
        let Some((encoding, dictionary)) = encoding(field) else { continue };
        let path = ColumnPath::new(vec![field.name().clone()]);
        if *field.data_type() == DataType::Utf8 {
            // Every row is compared for them, and they rule out nothing: a part has domains and words of all sorts.
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        // The encoding of a column counts where its dictionary is off, or has grown too large.
        properties =
            properties.set_column_encoding(path.clone(), encoding).set_column_dictionary_enabled(path, dictionary);
    }
    Ok(properties.build())
}

/// The encoding of a column and whether a dictionary goes before it; `None` where Parquet's own choice is right.
fn encoding(field: &Field) -> Option<(Encoding, bool)> {
    let word = field.metadata().get(KIND).is_some_and(|kind| kind == WORD);
    match field.data_type() {
        DataType::Utf8 if word => Some((Encoding::DELTA_LENGTH_BYTE_ARRAY, true)),
        // Names and other text that hardly repeats: a dictionary would be filled and thrown away.
        DataType::Utf8 => Some((Encoding::DELTA_LENGTH_BYTE_ARRAY, false)),
        // Sequence numbers, ranks and times rise by small steps.
        DataType::Int64 | DataType::Timestamp(_, _) => Some((Encoding::DELTA_BINARY_PACKED, false)),
        // Evidence repeats where one operator serves many domains.
        DataType::Binary => Some((Encoding::DELTA_LENGTH_BYTE_ARRAY, true)),
        _ => None,
    }
}
