use super::*;

#[test]
fn rules_find_their_places() {
    let model = read(CHAT);
    let room = model.by_name("Room").unwrap();
    let source = |rule: &Option<std::sync::Arc<crate::expr::Expression>>| rule.as_ref().unwrap().source().to_owned();
    assert_eq!(source(&room.access.read), "auth.id in record.members");
    assert_eq!(source(&room.access.delete), "'moderator' in auth.roles");
    let user = model.by_name("User").unwrap();
    assert!(user.access.create.is_none() && user.access.delete.is_none());
    for name in ["email", "verified", "roles"] {
        let field = user.field_named(name).unwrap();
        assert!(
            matches!(&field.read, FieldRule::Rule(rule) if rule.source() == "record.id == auth.id"),
            "{name}"
        );
        assert!(matches!(field.write, FieldRule::Administrators), "{name}");
    }
    let message = model.by_name("Message").unwrap();
    let author = message.field_named("author").unwrap();
    assert!(matches!(&author.default, Some(DefaultValue::Expression(rule)) if rule.source() == "auth.id"));
    assert!(matches!(author.read, FieldRule::Inherit) && matches!(author.write, FieldRule::Inherit));
}

#[test]
fn checks_fields_and_conditions() {
    let model = read(
        r#"type A @collection @check(rule: "record.a < record.b", message: "a before b")
          @index(fields: ["a"], where: "record.a > 5") {
          a: Int @access(read: "auth != null", write: "'x' in auth.roles")
          b: Int @check(rule: "record.b > 0", message: "positive") @default(value: 5)
        }"#,
    );
    let a = model.by_name("A").unwrap();
    let checks: Vec<_> = a
        .checks
        .iter()
        .map(|check| (check.message.as_str(), check.field.is_some()))
        .collect();
    assert_eq!(checks, [("a before b", false), ("positive", true)]);
    assert_eq!(a.indexes[0].only.as_ref().unwrap().source(), "record.a > 5");
    let field = a.field_named("a").unwrap();
    assert!(matches!(field.read, FieldRule::Rule(_)) && matches!(field.write, FieldRule::Rule(_)));
    let default = &a.field_named("b").unwrap().default;
    assert!(matches!(default, Some(DefaultValue::Constant(Value::Int(5)))));
}

#[test]
fn slips_are_found_where_they_stand() {
    check(
        r#"type A @collection @access(read: "record.nmae == 'x'", update: """
    record.name == 'x' &&
      record.aeg > 5
  """, delete: "\u0061uth.id == record.id && record.\"") {
  name: String
  age: Int @check(rule: "record.age >", message: "")
  at: DateTime @default(value: "nov")
  on: Date @default(value: "now")
}"#,
        r#"
            1:42 A has no field `nmae`; did you mean `name`?
            3:14 A has no field `aeg`; did you mean `age`?
            4:53 the text has no closing quote
            6:38 the end is not expected here
            7:33 there is no name `nov`; did you mean `now`?
            8:29 this is a DateTime, and a Date is needed
            "#,
    );
}

#[test]
fn one_slip_is_one_error() {
    check(
        r#"type A @collection @access(read: "record.owner.name == 'x'", create: "record.nam == 'x'") {
  owner: Usr
  name: String
}
type User @collection(auth: true) { name: String as: [A!]! @inverse(field: "owner") }"#,
        r#"
            1:78 A has no field `nam`; did you mean `name`?
            2:10 there is no type `Usr`; did you mean `User`?
            "#,
    );
}

#[test]
fn names_have_their_scope() {
    check(
        r#"type A @collection @access(read: "before.a == 1", update: "before.a == record.a", delete: "before == null")
  @index(fields: ["a"], where: "auth != null") @index(fields: ["b"], where: "record.at < now")
  @index(fields: ["c"], where: "record.b.a == 1") {
  a: Int @default(value: "record.b")
  b: A
  c: Int @default(value: "'x'")
  d: String @default(value: "auth.user.name")
  at: DateTime
}
type User @collection(auth: true) { name: String }"#,
        r#"
            1:35 there is no name `before`; known here: auth, now, request, record
            1:92 there is no name `before`; known here: auth, now, request, record
            2:33 the condition of an index can't depend on `auth`, `request` or `now`
            2:78 the condition of an index can't depend on `auth`, `request` or `now`
            3:33 the condition of an index reads the record's own columns only
            4:27 there is no name `record`; known here: auth, now, request
            6:27 this is a text, and an integer is needed
            7:30 a default can't read other records; it may use `auth.id`, `auth.roles`, `auth.claims`, `request` and `now`
            "#,
    );
}

#[test]
fn rules_have_a_type() {
    check(
        r#"type A @collection @access(read: "record.a", create: "record.a == 'x'", update: "size(record.a) > 1") { a: Int }"#,
        r#"
            1:35 this is an integer, and a condition is needed; compare it with something, as in `… == …` or `… != null`
            1:55 these are never equal: an integer and a text; write `string(…)` around the integer
            1:87 this is an integer, which has no size
            "#,
    );
}

#[test]
fn defaults_that_are_no_expressions() {
    check(
        r#"type A @collection { a: String @default(value: "draft") b: E @default(value: "OPEN") c: E @default(value: "'OPEN'") }
enum E { OPEN }"#,
        r#"
            1:49 there is no name `draft`; text has quotes of its own: "'draft'"
            1:79 there is no name `OPEN`; the value of an enum stands without quotes: OPEN
            "#,
    );
}

#[test]
fn a_rendering_shows_the_place() {
    let source = "type A @collection\n\t@access(read: \"record.nmae == 'x'\") {\n  name: String\n}\n";
    let report = Model::read(source, "chat/schema.graphql").unwrap_err();
    let plain = report.render(false);
    assert_eq!(plain, report.to_string());
    let lines: Vec<&str> = plain.lines().collect();
    assert_eq!(lines[1], " --> chat/schema.graphql:2:24");
    assert_eq!(lines[3], "2 |  @access(read: \"record.nmae == 'x'\") {");
    assert_eq!(lines[4], "  |                        ^^^^");
    assert_eq!(lines[5], "  = help: did you mean `name`?");
    let coloured = report.render(true);
    assert!(coloured.contains("\u{1b}[1;31merror\u{1b}[0m"));
    assert_eq!(strip(&coloured), plain);
}

fn strip(text: &str) -> String {
    regex::Regex::new("\u{1b}\\[[0-9;]*m")
        .unwrap()
        .replace_all(text, "")
        .into_owned()
}

#[test]
fn many_collections_read() {
    let mut source = String::new();
    for index in 0..200 {
        source.push_str(&format!(
            r#"type Thing{index} @collection @access(read: "auth.id in record.next.members") {{
  name: String! @length(max: 80)
  next: Thing{next}
  members: [User!]!
}}
"#,
            next = (index + 1) % 200
        ));
    }
    source.push_str("type User @collection(auth: true) { name: String }");
    assert_eq!(read(&source).collections.len(), 201);
}

proptest::proptest! {
    /// Whatever is left of a schema, something is said about it, and nothing breaks.
    #[test]
    fn a_torn_schema_is_an_answer(
        from in 0_usize..CHAT.len(),
        length in 0_usize..60,
        instead in "[a-zA-Z@!:(){}\\[\\]\"' .,=&|\n]{0,6}|record|auth|@inverse|@index|Room|null",
    ) {
        let from = CHAT.floor_char_boundary(from);
        let to = CHAT.floor_char_boundary((from + length).min(CHAT.len()));
        let torn = format!("{}{instead}{}", &CHAT[..from], &CHAT[to..]);
        let (model, said) = Model::examine(&torn, "schema.graphql");
        proptest::prop_assert_eq!(model.is_none(), said.has_errors());
        proptest::prop_assert_eq!(said.to_string().is_empty(), said.is_empty());
    }
}
