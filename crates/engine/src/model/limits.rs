//! What a value and a schema may measure, so that no limit is silent: each is in `docs/schema.md`.

/// Characters of a text without `@length`.
pub const TEXT_CHARS_DEFAULT: u32 = 10_000;
/// The most that `@length(max:)` may allow a text, in characters.
pub const TEXT_CHARS_MAX: u32 = 1_000_000;
/// Characters of a text, or bytes of a `Bytes`, that is indexed or unique and has no `@length(max:)`.
pub const INDEXED_DEFAULT: u32 = 255;
/// Characters of all texts of one index together: what every engine's index entry can hold, with some numbers beside
/// them. MySQL's has 3072 bytes.
pub const INDEX_CHARS_MAX: u32 = 752;
/// Fields of an index.
pub const INDEX_FIELDS_MAX: usize = 8;
/// Bytes of a `Bytes` without `@length`.
pub const BYTES_DEFAULT: u32 = 65_536;
/// The most that `@length(max:)` may allow a `Bytes`.
pub const BYTES_MAX: u32 = 1_048_576;
/// Items of a list without `@length`.
pub const LIST_ITEMS_DEFAULT: u32 = 1_000;
/// The most that `@length(max:)` may allow a list.
pub const LIST_ITEMS_MAX: u32 = 10_000;
/// Bytes of the canonical text of a `JSON`, embedded or list value.
pub const JSON_BYTES_MAX: usize = 65_536;
/// Levels of a `JSON` or embedded value.
pub const JSON_DEPTH_MAX: usize = 32;
/// Characters of an `Email` (RFC 5321's path without its brackets).
pub const EMAIL_CHARS_MAX: u32 = 254;
/// Characters of a `URL` without `@length`.
pub const URL_CHARS_DEFAULT: u32 = 2_048;
/// Characters of a `File` without `@length`.
pub const FILE_CHARS_DEFAULT: u32 = 255;

/// Bytes of a schema file.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Types of a schema: collections, embedded types and enums together.
pub const SCHEMA_TYPES_MAX: usize = 1_000;
/// Fields of a type, or values of an enum.
pub const TYPE_FIELDS_MAX: usize = 500;
