use super::*;

#[test]
fn names_of_types() {
    check(
        "type Query @collection { a: Int }
type Long { a: Int }
type __X { a: Int }
type A { a: Int }
enum A { B }
type C @collection { a: Int }",
        r#"
            1:6 `Query` is reserved; Ninefold writes the GraphQL operations itself
            2:6 `Long` is a scalar; give the type another name
            3:6 `__X` is reserved; names that start with `__` belong to GraphQL
            5:6 there already is a type `A`; give one of them another name
            "#,
    );
}

#[test]
fn names_of_fields() {
    check(
        "type A @collection {
  id: ID!
  version: Long
  in: Int
  a: Int
  a: String
  email: Email
  __x: Int
}
type U @collection(auth: true) { email: Email }",
        r#"
            2:3 `id` is a system field; every collection has it by itself: leave it out, or give yours another name
            3:3 `version` is a system field; every collection has it by itself: leave it out, or give yours another name
            4:3 `in` is reserved; rules couldn't name it: it is a word of CEL
            6:3 `a` stands here twice
            8:3 `__x` is reserved; names that start with `__` belong to GraphQL
            10:34 `email` is a system field; every collection has it by itself: leave it out, or give yours another name
            "#,
    );
}

#[test]
fn names_that_signing_up_takes() {
    check(
        "type U @collection(auth: true) { password: String invitation: Int }
type W @collection { password: String invitation: Int }",
        r#"
            1:34 `password` is reserved in the accounts' collection; signing up takes a member of this name: give yours another
            1:51 `invitation` is reserved in the accounts' collection; signing up takes a member of this name: give yours another
            "#,
    );
}

#[test]
fn types_of_fields() {
    check(
        "type Room @collection { a: Strin b: [[Int]] c: Roam d: [Room] e(x: Int): Int f: [Room!]! @inverse(field: \"c\") }
type Doc { room: Room! rooms: [Room!]! }",
        r#"
            1:28 there is no type `Strin`; did you mean `String`?
            1:39 a list can't hold lists; put the inner list into an embedded type
            1:48 there is no type `Roam`; did you mean `Room`?
            1:57 a to-many relation is never null, and neither are its members; write `[Room!]!`
            1:63 a field takes no arguments
            2:18 an embedded type can't refer to a collection; hold the record's id in a field of type `ID`, or mark this type with @collection
            2:32 an embedded type can't refer to a collection; hold the record's id in a field of type `ID`, or mark this type with @collection
            "#,
    );
}

#[test]
fn what_there_is_not() {
    check(
        "interface I { a: Int }
union U = A | B
input N { a: Int }
schema { query: A }
extend type A { b: Int }
scalar Money
scalar Long
directive @index(fields: [String!]!) repeatable on OBJECT
directive @money on OBJECT
query { a }
type A implements I @collection { a: Int }",
        r#"
            1:1 there are no interfaces here; repeat the fields in each type
            2:1 there are no unions here; use one nullable field for each member
            3:1 there are no input types here; Ninefold derives them from the collections
            4:1 there are no schema definitions here; Ninefold writes the GraphQL operations itself
            5:1 there are no extensions here; write everything into the type itself
            6:8 `Money` can't become a scalar; the scalars are ID, String, Int, Long, Float, Decimal, Boolean, DateTime, Date, Bytes, JSON, Email, URL, File
            9:12 @money can't become a directive; directives can't be made here
            10:1 there are no queries here; this file says what is stored; clients send queries
            11:19 there are no interfaces here; take `implements` out
            "#,
    );
}

#[test]
fn directives() {
    check(
        "type A @colection { a: Int }
type B @collection(pth: \"b\", auth: 1, signUp: OPN) @collection @unique {
  a: String @lenght(max: 5) @length(max: -1) @index(fields: [\"a\"])
  b: String @length(mx: 5) @unique(x: 1) @pattern
  c: String @length(max: 5, max: 6) @access(read: true)
}
type C @collection(signUp: OPEN) { a: Int }
enum D @unique { X @private }",
        r#"
            1:9 there is no directive @colection; did you mean `@collection`?
            2:20 @collection has no argument `pth`; did you mean `path`?
            2:36 `auth` takes true or false
            2:47 `signUp` takes one of OPEN, INVITE, CLOSED; did you mean `OPEN`?
            2:65 @unique can't stand on a collection; it belongs on a field of a collection
            3:14 there is no directive @lenght; did you mean `@length`?
            3:42 `max` takes a whole number from 0 to 4294967295
            3:47 @index can't stand on a field of a collection; it belongs on a collection
            4:21 @length has no argument `mx`; did you mean `max`?
            4:36 @unique has no argument `x`; it takes none
            4:42 @pattern needs `regex`; it takes a string
            5:29 `max` is given twice
            5:51 `read` takes a string
            7:8 signUp needs `auth: true`; only a collection of accounts can be signed up to
            8:9 @unique can't stand on an enum; it belongs on a field of a collection
            8:21 @private can't stand on an enum value; it belongs on a field of a collection
            "#,
    );
}

#[test]
fn directives_that_do_not_fit() {
    check(
        "type A @collection {
  a: Int @length(max: 5) @pattern(regex: \"a\") @relation(onDelete: CASCADE) @table(name: \"a\")
  b: String @range(max: 5)
  c: [A!]! @column(name: \"c\") @unique @default(value: \"1\")
  d: [A!]! @inverse(field: \"e\") @immutable @renamed(from: \"x\") @access(read: \"\", write: \"\")
  e: A @length(max: 1)
  f: JSON @unique
  g: [Int] @unique
  h: Doc @unique
}
type Doc { a: Int @length(max: 5) b: Int @unique }",
        r#"
            2:10 @length belongs on text, Bytes or a list of values
            2:26 @pattern belongs on a String, URL or File
            2:47 @relation belongs on a to-one relation
            2:76 @table belongs on a type or a to-many relation that is stored
            3:13 @range belongs on an Int, Long, Float or Decimal
            4:12 @column belongs on a field with a column of its own
            4:31 @unique belongs on a scalar, an enum or a to-one relation
            4:39 @default belongs on a field with a column of its own; a relation to many starts empty
            5:33 @immutable belongs on a field that is stored
            5:44 @renamed belongs on a field that is stored
            5:64 @access belongs on a field that is stored, if it has `write`
            5:79 the expression is empty
            5:90 the expression is empty
            6:8 @length belongs on text, Bytes or a list of values
            7:11 @unique belongs on a scalar, an enum or a to-one relation
            8:12 @unique belongs on a scalar, an enum or a to-one relation
            9:10 @unique belongs on a scalar, an enum or a to-one relation
            11:19 @length belongs on text, Bytes or a list of values
            11:43 @unique can't stand on a field of an embedded type; it belongs on a field of a collection
            "#,
    );
}

#[test]
fn bounds() {
    check(
        "type A @collection {
  a: String @length
  b: String @length(min: 5, max: 4)
  c: String @length(max: 1000001)
  d: Int @range(min: 1.5)
  e: Int @range(min: 3000000000)
  f: Decimal @range(min: \"0.0000001\", max: 1e3)
  g: Decimal @range(min: 2, max: \"1.999999\")
  h: Float @range
  i: String @pattern(regex: \"(\")
  j: Email @length(max: 300)
}",
        r#"
            2:13 @length needs `min`, `max` or both
            3:13 `min` is more than `max`: nothing fits
            4:26 the length of text can be at most 1000000
            5:22 `1.5` is no Int
            6:22 `3000000000` is no Int
            7:26 `0.0000001` is no Decimal; at most six decimal places, no exponent, within ±9,223,372,036,854.775807
            7:44 `1e3` is no Decimal; at most six decimal places, no exponent, within ±9,223,372,036,854.775807
            8:14 `min` is more than `max`: nothing fits
            9:12 @range needs `min`, `max` or both
            10:29 the pattern is no regular expression
            11:25 the length of an Email can be at most 254
            "#,
    );
}

#[test]
fn patterns() {
    check(
        r#"type A @collection {
  a: String @pattern(regex: "(?i)a")
  b: String @pattern(regex: "a+?")
  c: String @pattern(regex: "\\p{L}")
  d: String @pattern(regex: "a)|(?:b")
}
type B { a: String @pattern(regex: "(?=a)") }"#,
        r#"
            2:29 `(?i` is not portable: only `(?:` is
            3:29 lazy and possessive quantifiers are not portable
            4:29 `\p` is not portable
            5:29 the pattern is no regular expression
            7:36 `(?=` is not portable: only `(?:` is
            "#,
    );
}

#[test]
fn defaults() {
    check(
        "enum E { RED GREEN }
type A @collection {
  a: Int @default(value: 1.5)
  b: String @default(value: RED)
  c: E @default(value: REED)
  d: A @default(value: 5)
  e: [String!] @default(value: [A, null])
  f: Int @range(max: 5) @default(value: 6)
  g: Boolean @default(value: null)
  h: JSON @default(value: {a: [1, 2.5, true, \"x\"]})
}",
        r#"
            3:26 default must be a whole number of 32 bits
            4:29 only an enum has a default without quotes; write it as an expression: "'RED'"
            5:24 default must be a value of E; did you mean `RED`?
            6:8 a relation's default is an expression in a string; such as @default(value: "auth.id")
            7:32 default[1] must not be null
            8:41 default must be at most 5
            9:30 default must not be null
            "#,
    );
}

#[test]
fn relations() {
    check(
        "type A @collection {
  b: B! @relation(onDelete: SET_NULL)
  c: [B!]! @inverse(field: \"bees\")
  d: [B!]! @inverse(field: \"name\")
  e: B @inverse(field: \"a\")
  f: [C!]! @inverse(field: \"aa\")
}
type B @collection { a: A name: String }
type C @collection { a: A }",
        r#"
            2:9 SET_NULL needs a field that may be null; take the `!` out of its type, or let onDelete of `b` be CASCADE
            3:28 B has no field `bees`; did you mean `a`?
            4:28 `B.name` doesn't refer to A; @inverse names the field of `B` that has the type `A` or `[A!]!`
            5:8 an inverse is a list of a collection's records; write `[B!]!`
            6:28 C has no field `aa`; did you mean `a`?
            "#,
    );
}

#[test]
fn indexes() {
    check(
        "type A @collection @index(fields: []) @index(fields: [\"naem\"]) @index(fields: [\"a\", \"a\"]) @index(fields: [\"json\"])
  @index(fields: [\"a\"]) @index(fields: [\"a\"]) @index(fields: [\"a\"], name: \"other\") @index(fields: [\"u\"])
  @index(fields: [\"long\", \"a\"]) @index(fields: [\"created\"], name: \"a b\") {
  name: String
  a: String
  json: JSON
  u: Int @unique
  long: String @length(max: 700)
}",
        r#"
            1:6 the index on long, a may hold 955 characters; at most 752 work everywhere; bound the text: @length(max: ...)
            1:20 an index has 1 to 8 fields
            1:55 A has no field `naem`; did you mean `name`?
            1:85 `a` stands here twice
            1:107 `json` can't be indexed; scalars (but for JSON), enums and to-one relations can
            2:25 there already is an index `ix_a_a`; give it a name of its own: @index(name: "...")
            2:47 warning: this index is there already; take one of the two out
            2:84 warning: this index is there already; @unique makes an index by itself
            3:67 `a b` can't be a name in the database; letters, digits and `_`, at most 63, not starting with a digit
            "#,
    );
}

#[test]
fn collisions() {
    check(
        "type A @collection(path: \"batch\") { a: [A!]! b_c: Int bC: Int }
type B @collection(path: \"Bees\") @table(name: \"a_a\") { x: Int @column(name: \"1x\") y: Int @column(name: \"created\") }
type C @collection @table(name: \"sqlite_x\") { a: Int @renamed(from: \"b\") b: Int }
type D @collection(path: \"cs\") @table(name: \"_ninefold_d\") @renamed(from: \"C\") { a: Int }
type E @collection @table(name: \"A\") { a: Int }
type F @collection(auth: true) { a: Int }
type G @collection(auth: true) { a: Int }",
        r#"
            1:26 the path `batch` is reserved; choose another: @collection(path: "...")
            1:37 `B` already has the table `a_a`; choose another: @table(name: "...")
            1:55 `b_c` already has the column `b_c`; choose another: @column(name: "...")
            2:26 `Bees` can't be a path; lower-case letters and digits, words joined by `-`: `order-lines`
            2:77 `1x` can't be a name in the database; letters, digits and `_`, at most 63, not starting with a digit
            2:83 `created` already has the column `created`; choose another: @column(name: "...")
            3:33 the table name `sqlite_x` is reserved; choose another: @table(name: "...")
            3:47 `b` still exists, so `a` is no new name for it; take @renamed out, or the other field
            4:6 `C` still exists, so `D` is no new name for it; take @renamed out, or the other type
            4:26 `C` already has the path `cs`; choose another: @collection(path: "...")
            4:45 the table name `_ninefold_d` is reserved; choose another: @table(name: "...")
            5:33 `A` already has the table `a`; choose another: @table(name: "...")
            7:6 `F` already holds the accounts; one collection has `auth: true`; tell kinds of users apart by roles
            "#,
    );
}

#[test]
fn embedded_types_end() {
    check(
        "type A @collection { b: B }
type B { c: C! d: [B!]! }
type C { b: B! }
type D { d: D }
type E { e: E! }
type F
enum G
enum H { A A }",
        r#"
            2:6 every `B` would hold another, without end; make one of the fields nullable: take out its `!`
            3:6 every `C` would hold another, without end; make one of the fields nullable: take out its `!`
            5:6 every `E` would hold another, without end; make one of the fields nullable: take out its `!`
            6:6 `F` has no fields
            7:6 enum `G` has no values
            8:12 `A` stands here twice
            "#,
    );
}

#[test]
fn syntax() {
    check(
        "type A @collection { a: Int",
        "1:28 syntax error: expected `}`, got the end of the file",
    );
    check(
        "typ A { a: Int }",
        r#"
            1:1 syntax error: expected definition
            1:5 syntax error: expected definition
            "#,
    );
    check(
        "# nothing\n\n",
        "1:1 warning: the schema stores nothing; mark a type with @collection to store it",
    );
    check(
        "type A @collection { a: String @check(rule: \"a, message: \"b\") }",
        r#"
            1:60 syntax error: unterminated string value
            1:64 syntax error: expected `)`, got the end of the file
            1:64 syntax error: expected `}`, got the end of the file
            "#,
    );
}
