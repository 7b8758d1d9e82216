use rusqlite::Connection;

use super::*;

#[test]
fn an_empty_model_leaves_our_own_tables_and_the_structure() {
    let mut connection = Connection::open_in_memory().unwrap();
    create(&mut connection, &Model::default()).unwrap();
    assert_eq!(system::read_structure(&connection).unwrap(), Some(Structure::default()));
}
