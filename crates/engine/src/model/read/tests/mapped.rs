//! Keys of the schema's own, and tables that others made.

use super::*;

#[test]
fn a_key_of_several_fields() {
    let model = read(
        r#"
        type Order @collection { name: String }
        type Line @collection(key: ["order", "number"], created: false, updated: false, version: false) {
          order: Order! @relation(onDelete: CASCADE)
          number: Int!
          note: String
        }
        "#,
    );
    let line = model.by_name("Line").unwrap();
    let names: Vec<_> = line.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["order", "number", "note"]);
    assert_eq!(line.key, [FieldId(0), FieldId(1)]);
    assert_eq!((line.created, line.updated, line.version), (None, None, None));
    assert!(line.field(FieldId(0)).immutable && line.field(FieldId(1)).immutable && !line.field(FieldId(2)).immutable);

    let order = uuid::Uuid::from_u128(7);
    let key = Key(vec![Value::Id(order), Value::Int(-3)]);
    assert_eq!(model.parse_key(line, &key.to_string()), Some(key));
    for wrong in [
        "7",
        "7,-3",
        &format!("{order},x"),
        &format!("{order},1,2"),
        &format!("{order},3000000000"),
    ] {
        assert_eq!(model.parse_key(line, wrong), None, "{wrong}");
    }
}

#[test]
fn keys_of_every_kind_are_read_as_they_are_written() {
    let model = read(
        r#"
        type A @collection(key: ["text", "day", "at", "b"]) { text: String! day: Date! at: DateTime! b: B! }
        type B @collection(key: ["c"]) { c: C! }
        type C @collection(key: ["number"]) { number: Long! }
        "#,
    );
    let a = model.by_name("A").unwrap();
    let key = |text: &str| {
        Key(vec![
            Value::text(text),
            Value::Date(Date(1)),
            Value::DateTime(Timestamp(5)),
            Value::Int(9),
        ])
    };
    for text in ["plain", "a,b", "100%", "%2C", ",%,"] {
        let key = key(text);
        assert_eq!(model.parse_key(a, &key.to_string()), Some(key), "{text}");
    }
    assert_eq!(key("a,b").to_string(), "a%2Cb,1970-01-02,1970-01-01T00:00:00.005Z,9");
    assert_eq!(model.parse_key(a, "a%20b,1970-01-02,1970-01-01T00:00:00.005Z,9"), None);
    // Alone a text needs no escaping.
    let model = read(r#"type T @collection(key: ["t"]) { t: String! }"#);
    let key = Key(vec![Value::text("a,b%")]);
    assert_eq!(key.to_string(), "a,b%");
    assert_eq!(model.parse_key(model.by_name("T").unwrap(), "a,b%"), Some(key));
}

#[test]
fn tables_of_others_are_no_structure_of_ours() {
    let model = read(
        r#"
        type Track @collection(key: ["nr"]) @table(name: "Track list", managed: false) {
          nr: Long! @column(name: "Track No.")
          tags: [Tag!]! @table(name: "TrackTag", source: "TrackNo", target: "TagNo")
        }
        type Tag @collection(key: ["nr"], created: true) @table(name: "Tag", managed: false) { nr: Long! }
        type Review @collection { track: Track! }
        "#,
    );
    let track = model.by_name("Track").unwrap();
    assert!(!track.managed && track.version.is_none());
    assert!(model.by_name("Tag").unwrap().created.is_some());
    let links = FieldKind::Links {
        target: CollectionId(1),
        table: "TrackTag".into(),
        source_column: "TrackNo".into(),
        target_column: "TagNo".into(),
    };
    assert_eq!(track.field_named("tags").unwrap().kind, links);

    let structure = Structure::of(&model);
    structure.check().unwrap();
    let names: Vec<_> = structure
        .collections
        .iter()
        .map(|stored| stored.name.as_str())
        .collect();
    assert_eq!(names, ["Review"]);
    let reference = structure.collections[0].field("track").unwrap();
    assert_eq!(
        (&reference.refers, reference.kind.to_string()),
        (&None, "Long".to_owned())
    );
}

#[test]
fn values_that_the_database_gives() {
    let model = read(
        r#"
        type Invoice @collection(key: ["number"]) @table(name: "invoice", managed: false) {
          number: Long! @generated
          gross: Float @generated(always: true)
          note: String @generated(always: false)
          items: [Item!]! @inverse(field: "invoice")
        }
        type Item @collection(key: ["number"]) @table(name: "item", managed: false) {
          number: Int! @generated(always: true)
          invoice: Invoice!
        }
        "#,
    );
    let invoice = model.by_name("Invoice").unwrap();
    let generated: Vec<_> = invoice.stored().map(|field| field.generated).collect();
    let by_default = Some(Generated::ByDefault);
    assert_eq!(generated, [by_default, Some(Generated::Always), by_default]);
    assert!(!invoice.makes_keys());
    assert_eq!(invoice.computed().collect::<Vec<_>>(), [FieldId(1)]);
    let item = model.by_name("Item").unwrap();
    assert!(item.makes_keys() && item.computed().next().is_none());

    check(
        r#"type A @collection(key: ["a"]) @table(name: "a", managed: false) { a: Int! @generated(always: 1) b: B @generated }
type B @collection { a: [B!]! @generated b: Int @generated }
type C @collection(key: ["c"]) @table(name: "c", managed: false) { c: Int! @default(value: 1) @generated }"#,
        r#"
            1:95 `always` takes true or false
            2:31 @generated belongs on a field with a column of its own
            2:49 @generated belongs on a field of a table that others made; Ninefold makes the ids of its own tables; say other values by @default(value: ...)
            3:95 `c` has a default already; either Ninefold says what it holds, by @default, or the database does, by @generated
            "#,
    );
}

#[test]
fn the_other_end_of_what_has_a_key_of_several_fields() {
    let model = read(
        r#"
        type Line @collection(key: ["place", "order"]) { place: Int! order: Order! @relation(onDelete: CASCADE) }
        type Order @collection
          @access(read: "size(record.lines) > 0 && record.lines.exists(l, l.place == 1 && l.order == record)") {
          lines: [Line!]! @inverse(field: "order")
        }
        "#,
    );
    let line = model.by_name("Line").unwrap();
    let lines = FieldKind::Inverse {
        target: line.id,
        field: line.field_named("order").unwrap().id,
    };
    assert_eq!(
        model.by_name("Order").unwrap().field_named("lines").unwrap().kind,
        lines
    );

    check(
        r#"type Line @collection(key: ["place", "order"]) { place: Int! order: Order! }
type Order @collection @access(read: "auth.id in record.lines", update: "record.lines.exists(l, l == l)", delete: "size(record.lines.map(l, l)) == 1") {
  lines: [Line!]! @inverse(field: "order")
}"#,
        r#"
            2:39 a Line is no single value: its key has several fields; compare its fields, as in `lines.exists(line, line.place == 1)`
            2:97 a Line is no single value: its key has several fields; compare its fields, as in `lines.exists(line, line.place == 1)`
            2:141 a Line is no single value: its key has several fields; compare its fields, as in `lines.exists(line, line.place == 1)`
            "#,
    );
}

#[test]
fn what_keys_and_tables_cannot_be() {
    check(
        r#"type A @collection(key: []) { a: Int! }
type B @collection(key: ["a", "a", "c", "x", "v", "l"]) { a: Int! c: Int x: Float! v: Int! l: [A!]! }
type C @collection(key: ["d"]) { d: D! }
type D @collection(key: ["c"]) { c: C! }
type E @collection(key: ["version"]) { a: Int }
type F @collection { b: G! bs: [G!]! }
type G @collection(key: ["x", "y"]) { x: Int! y: Int! fs: [F!]! }
type H @table(name: "h", managed: false) @collection { a: Int }
type I @collection { h: [J!]! }
type J @collection(key: ["a"]) @table(name: "", managed: false) { a: Int! }
type K @collection(readOnly: true) @access(read: "true", delete: "true") { a: Int }
type L @collection(auth: true, version: false) { a: Int }
type M @collection(key: ["a"]) @table(name: "m", managed: false) { a: Int! ms: [M!]! @table(name: "mm", source: "x", target: "X") }
type N @collection(key: ["a", "b", "c"]) { a: Int! @access(read: "true") b: Int! @private c: Int! @access(write: "true") }"#,
        r#"
            1:25 a key has 1 to 8 fields
            2:31 `a` stands here twice
            2:36 `c` may be null; write `Int!`
            2:41 `x` can't be part of a key; a key is made of ID, String, Int, Long, Email, URL, File, DateTime, Date and to-one relations
            2:51 `l` can't be part of a key; a key is made of ID, String, Int, Long, Email, URL, File, DateTime, Date and to-one relations
            3:26 `d` leads back to itself; a relation in a key holds another record's key
            4:26 `c` leads back to itself; a relation in a key holds another record's key
            5:26 `version` is set by Ninefold; a key is made of fields of the type's own
            6:22 `G` has a key of several fields, and a relation holds one; hold the other's key fields as plain fields, without the relation
            6:28 `G` has a key of several fields, and a relation holds one; hold the other's key fields as plain fields, without the relation
            7:55 `G` has a key of several fields, and a relation holds one; hold the other's key fields as plain fields, without the relation
            8:6 `H` has no key; say which fields identify a record: @collection(key: ["..."])
            9:22 the table of `J` is not Ninefold's: nothing can be joined to it; write a collection of its own, with a to-one relation to either
            10:45 "" can't be the name of a table; 1 to 128 bytes, none of them a control character
            11:66 nobody writes what is read only; take the rule out, or `readOnly: true`
            12:8 accounts are a collection of Ninefold's own; `key`, `created`, `updated`, `version`, `readOnly` and `managed` don't go with `auth: true`
            13:76 both columns of the join table would be `x`
            
            14:26 `a` has a rule of its own; a key is part of its record's address and of every reference to it: rule the record instead
            14:31 `b` has a rule of its own; a key is part of its record's address and of every reference to it: rule the record instead
            14:36 `c` has a rule of its own; a key is part of its record's address and of every reference to it: rule the record instead"#,
    );
}
