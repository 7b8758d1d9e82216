//! How many rows are taken at once.

use crate::model::Value;

/// So many at most.
pub(super) const ROWS_MAX: u32 = 1000;
/// And so much, as far as the largest of the last rows tells.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;
const ROWS_FIRST: u32 = 100;
/// How much more than the last time.
const GROWTH: u32 = 4;

/// For going through one part of one database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    rows: u32,
}

impl Default for Portion {
    fn default() -> Self {
        Self { rows: ROWS_FIRST }
    }
}

impl Portion {
    /// How many rows to ask for.
    pub(super) fn rows(self) -> u32 {
        self.rows
    }

    /// Takes note of what came.
    pub(super) fn came(&mut self, rows: &[Vec<Value>]) {
        let largest = rows.iter().map(|row| bytes(row)).max().unwrap_or(0);
        let fitting = u32::try_from(BYTES_MAX / largest.max(1)).unwrap_or(u32::MAX);
        self.rows = fitting.min(self.rows * GROWTH).clamp(1, ROWS_MAX);
    }
}

/// About what a row takes in memory.
pub(super) fn bytes(row: &[Value]) -> usize {
    let content = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    row.iter().map(|value| size_of::<Value>() + content(value)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_come_a_few_at_a_time() {
        let row = |length: usize| vec![Value::Int(1), Value::text("x".repeat(length))];
        let mut portion = Portion::default();
        let mut after = |lengths: &[usize]| {
            let rows: Vec<_> = lengths.iter().map(|length| row(*length)).collect();
            portion.came(&rows);
            portion.rows()
        };
        assert_eq!([after(&[10]), after(&[10; 400]), after(&[10])], [400, 1000, 1000]);
        assert_eq!(after(&[10, 1 << 20, 10]), 7);
        assert_eq!([after(&[10]), after(&[100 << 20]), after(&[])], [28, 1, 4]);
    }
}
