use uuid::Uuid;

use super::*;

fn row(id: u128, text: &str) -> Row {
    Row(vec![Value::Id(Uuid::from_u128(id)), Value::text(text)])
}

fn key(row: &Row) -> Key {
    Key(vec![row.0[0].clone()])
}

fn known(rows: &[Row]) -> HashMap<String, (Key, Row)> {
    rows.iter()
        .map(|row| (key(row).to_string(), (key(row), row.clone())))
        .collect()
}

fn check(before: &[Row], after: &[Row], expected: &[&str]) {
    let told: Vec<_> = difference(known(before), after, key)
        .into_iter()
        .map(|notification| match notification {
            Notification::Snapshot(rows) => format!("snapshot of {}", rows.len()),
            Notification::Created(row) => format!("created {}", row.0[1].as_text().unwrap()),
            Notification::Updated(row) => format!("updated {}", row.0[1].as_text().unwrap()),
            Notification::Removed(key) => format!("removed {}", key.single().unwrap().as_id().unwrap().as_u128()),
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn nothing_is_told_when_nothing_changed() {
    check(&[row(1, "a")], &[row(1, "a")], &[]);
}

#[test]
fn removals_come_first_and_the_rest_in_the_order_of_the_result() {
    check(
        &[row(1, "a"), row(2, "b")],
        &[row(3, "c"), row(2, "B"), row(4, "d")],
        &["removed 1", "created c", "updated B", "created d"],
    );
}
