use super::*;
use crate::model::Scalar;

#[test]
fn types_are_read_as_they_are_written() {
    let mut types: Vec<StoredType> = Scalar::ALL.into_iter().map(StoredType::Scalar).collect();
    types.push(StoredType::Document);
    types.push(StoredType::Enum(vec!["OPEN".into(), "CLOSED".into()]));
    types.push(StoredType::List(Box::new(StoredType::Enum(vec!["A".into()]))));
    for stored in types {
        assert_eq!(stored.to_string().parse(), Ok(stored));
    }
}

#[test]
fn an_unknown_type_is_refused_with_what_to_write() {
    let error = "Strin".parse::<StoredType>().unwrap_err();
    assert!(error.contains("`Strin` is not a type"), "{error}");
}

#[test]
fn the_order_of_fields_has_no_meaning() {
    let field = |name: &str| StoredField {
        name: name.into(),
        column: name.into(),
        kind: StoredType::Scalar(Scalar::String),
        required: true,
        refers: None,
    };
    let with = |fields: Vec<StoredField>| Structure {
        collections: vec![StoredCollection {
            name: "Note".into(),
            table: "note".into(),
            key: vec!["id".into()],
            fields,
            links: Vec::new(),
            indexes: Vec::new(),
        }],
    };
    let (one, other) = (
        with(vec![field("id"), field("body")]),
        with(vec![field("body"), field("id")]),
    );
    assert!(one.same_as(&other));
    assert!(!one.same_as(&with(vec![field("id")])));
}
