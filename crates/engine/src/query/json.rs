//! Rows as JSON, written straight from values with the model's field names.

use crate::model::{Model, Row};
use crate::query::Projection;

/// Appends one record as a JSON object.
pub fn write_row(_out: &mut Vec<u8>, _model: &Model, _projection: &Projection, _row: &Row) {
    unimplemented!()
}
