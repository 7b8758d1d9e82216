use std::io::Cursor;

use serde_json::Value as Json;

use super::*;

const SCHEMA: &str = r#"
type Person @collection {
  name: String! age: Int balance: Decimal active: Boolean data: JSON tags: [String!] boss: Person friends: [Person!]!
}
"#;

/// All that the thread says: a record as JSON, another thing in words.
fn told(format: Format, bytes: impl Into<Vec<u8>>) -> Vec<String> {
    told_from(format, Box::new(Cursor::new(bytes.into())))
}

fn told_from(format: Format, source: Box<dyn Read + Send>) -> Vec<String> {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap_or_else(|report| panic!("{report}"));
    let collection = model.collections[0].id;
    let input = Input::new(source, None);
    let mut messages = start(input, format, Arc::new(model), collection).unwrap();
    let mut told: Vec<(u64, String)> = Vec::new();
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Header(_) => {}
            Message::Batch(batch) => {
                let drafts = batch.drafts.into_iter();
                told.extend(drafts.map(|draft| (draft.place, Json::Object(draft.data).to_string())));
                told.extend(batch.bad);
            }
            Message::Broken { place, reason } => told.push((place, format!("broken: {reason}"))),
        }
    }
    told.sort_by_key(|(place, _)| *place);
    told.into_iter()
        .map(|(place, text)| format!("{place} {text}"))
        .collect()
}

#[track_caller]
fn check(format: Format, bytes: impl Into<Vec<u8>>, expected: &[&str]) {
    assert_eq!(told(format, bytes), expected);
}

#[test]
fn csv_cells_go_by_the_type_of_their_field() {
    check(
        Format::Csv,
        "name,age,balance,active,data,tags\n007,7,1.50,TRUE,\"{\"\"a\"\": 1}\",x; y\n",
        &[r#"2 {"name":"007","age":7,"balance":"1.50","active":true,"data":{"a":1},"tags":["x","y"]}"#],
    );
    check(
        Format::Csv,
        "name,age,boss.name,friends.name\na,old,b,\"[\"\"c;d\"\"]\"\n",
        &[r#"2 {"name":"a","age":"old","boss.name":"b","friends.name":["c;d"]}"#],
    );
}

#[test]
fn csv_tells_nothing_from_the_empty_text() {
    check(
        Format::Csv,
        "name,age,tags\n,,\n\"\",\"\",\"\"\n",
        &[
            r#"2 {"name":null,"age":null,"tags":null}"#,
            r#"3 {"name":"","age":null,"tags":null}"#,
        ],
    );
}

#[test]
fn csv_quotes_lines_and_marks() {
    let mark = "\u{feff}name,age\r\n\"a \"\"b\"\"\r\nc, d\",1\r\n\r\ne,2";
    check(
        Format::Csv,
        mark,
        &[r#"2 {"name":"a \"b\"\r\nc, d","age":1}"#, r#"5 {"name":"e","age":2}"#],
    );
    check(Format::Csv, "name\ra\rb\r", &[r#"1 {"name":"a"}"#, r#"2 {"name":"b"}"#]);
}

/// A byte at a time, as a slow pipe gives them.
struct Bytes(Cursor<&'static str>);

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

#[test]
fn csv_marks_are_none_however_they_come() {
    let text = "\u{feff}\u{feff}name\na\n";
    let expected = [r#"2 {"name":"a"}"#];
    assert_eq!(told(Format::Csv, text), expected);
    assert_eq!(told_from(Format::Csv, Box::new(Bytes(Cursor::new(text)))), expected);
}

#[test]
fn csv_rows_that_are_none() {
    check(
        Format::Csv,
        b"name,age\na\nb,1,2\n\xff,1\nc,3\n\"d,4\ne,5\n".to_vec(),
        &[
            "2 has 1 cells where the header has 2",
            "3 has 3 cells where the header has 2",
            "4 name: is not UTF-8",
            r#"5 {"name":"c","age":3}"#,
            "6 has a quote that is not closed",
        ],
    );
    check(Format::Csv, "", &["0 broken: the file has no header"]);
    check(Format::Csv, "name,age,name\n", &["0 broken: the header has name twice"]);
}

/// Buffers end anywhere.
#[test]
fn csv_cells_are_the_same_wherever_a_buffer_ends() {
    for length in BUFFER_BYTES - 12..BUFFER_BYTES + 2 {
        let long = "x".repeat(length);
        let text = format!("name,age\r\n{long},1\r\n\"\",2\r\n\"q\",3\r\n");
        let told = told(Format::Csv, text);
        assert_eq!(
            told[1..],
            [r#"3 {"name":"","age":2}"#, r#"4 {"name":"q","age":3}"#],
            "{length}"
        );
        assert!(told[0].ends_with(r#"x","age":1}"#), "{length}");
    }
}

#[test]
fn ndjson_lines() {
    check(
        Format::Ndjson,
        "\u{feff}{\"name\": \"a\"}\r\n\n{\"name\": \n[1]\n{\"name\": \"b\"}",
        &[
            r#"1 {"name":"a"}"#,
            "3 EOF while parsing a value",
            "4 must be an object",
            r#"5 {"name":"b"}"#,
        ],
    );
}

#[test]
fn json_lists() {
    check(
        Format::Json,
        "\u{feff}[{\"name\": \"a\"}, 3,\n{\"name\": \"b\"}]\n",
        &[r#"1 {"name":"a"}"#, "2 must be an object", r#"3 {"name":"b"}"#],
    );
    check(Format::Json, "[]", &[]);
    check(
        Format::Json,
        "{\"name\": \"a\"}",
        &["0 broken: the file must be a list of records: [{…}, {…}]"],
    );
    check(
        Format::Json,
        "[{\"name\": \"a\"}, {\"name\" 1}]",
        &[r#"1 {"name":"a"}"#, "1 broken: expected `:` at line 1 column 25"],
    );
    let open = told(Format::Json, "[{\"name\": \"a\"}");
    assert!(open[1].starts_with("1 broken: EOF while parsing a list"), "{open:?}");
    let behind = told(Format::Json, "[] []");
    assert!(behind[0].starts_with("0 broken: trailing characters"), "{behind:?}");
    let deep = told(Format::Json, "[".repeat(100_000));
    assert!(deep[0].starts_with("0 broken: recursion limit exceeded"), "{deep:?}");
}

#[test]
fn records_are_bounded() {
    let huge = "x".repeat(RECORD_BYTES_MAX);
    check(
        Format::Csv,
        format!("name\n{huge}\nb\n"),
        &[
            "2 is longer than 16 MiB; perhaps a quote is not closed",
            r#"3 {"name":"b"}"#,
        ],
    );
    check(
        Format::Ndjson,
        format!("{{\"name\": \"{huge}\"}}\n{{\"name\": \"b\"}}\n"),
        &["1 is longer than 16 MiB", r#"2 {"name":"b"}"#],
    );
    check(
        Format::Json,
        format!("[{{\"name\": \"a\"}}, {{\"name\": \"{huge}\"}}]"),
        &[r#"1 {"name":"a"}"#, "1 broken: is longer than 16 MiB"],
    );
}
