//! What is refused, where, and with which words.

use super::*;

/// Each error as `what it points at | message; help`.
fn errors(source: &str, scope: Scope, expects: Expects<'_>) -> String {
    match Expression::compile(source, scope, expects, &MODEL) {
        Ok(_) => "fine".to_owned(),
        Err(errors) => {
            let shown = errors
                .iter()
                .map(|error| format!("{} | {error}", &source[error.span.clone()]));
            shown.collect::<Vec<_>>().join("\n")
        }
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    let got = errors(source, rule_scope(), Expects::Condition);
    assert_eq!(got, expected, "{source}");
}

#[track_caller]
fn check_filter(source: &str, expected: &str) {
    let scope = Scope {
        record: Some(task()),
        before: false,
        bare_fields: true,
    };
    assert_eq!(errors(source, scope, Expects::Condition), expected, "{source}");
}

#[track_caller]
fn check_sort(source: &str, expected: &str) {
    let scope = Scope {
        record: Some(task()),
        before: false,
        bare_fields: true,
    };
    assert_eq!(errors(source, scope, Expects::SortTerm), expected, "{source}");
}

/// As the default of a field of `Task`.
#[track_caller]
fn check_default(field: &str, source: &str, expected: &str) {
    let scope = Scope {
        record: None,
        before: false,
        bare_fields: false,
    };
    let kind = &MODEL.collection(task()).field_named(field).unwrap().kind;
    assert_eq!(errors(source, scope, Expects::ValueOf(kind)), expected, "{source}");
}

#[test]
fn names_are_known_or_something_near_is_meant() {
    check(
        "record.titel == 'x'",
        "titel | Task has no field `titel`; did you mean `title`?",
    );
    check(
        "recrod.title == 'x'",
        "recrod | there is no name `recrod`; did you mean `record`?",
    );
    check(
        "title == 'x'",
        "title | there is no name `title`; did you mean `record.title`?",
    );
    check(
        "auth.name == 'x'",
        "name | `auth` has no `name`; write `auth.user.name`",
    );
    check("auth.role == 'x'", "role | `auth` has no `role`; did you mean `roles`?");
    check(
        "request.method == 'get'",
        "method | `request` has no `method`; it has: operation, address",
    );
    check(
        "record.team.nam == 'x'",
        "nam | Team has no field `nam`; did you mean `name`?",
    );
    check(
        "record.spot.citi == 'x'",
        "citi | Place has no field `citi`; did you mean `city`?",
    );
    check(
        "record.owner.manager.manager.manager.manager.manager.manager.manager.manager.name == 'x'",
        "record.owner.manager.manager.manager.manager.manager.manager.manager.manager.name | this goes over 9 relations; at most 8 are followed",
    );
}

#[test]
fn operands_belong_together() {
    check(
        "record.title",
        "record.title | this is a text, and a condition is needed; compare it with something, as in `… == …` or `… != null`",
    );
    check(
        "record.title == 1",
        "record.title == 1 | these are never equal: a text and an integer; write `string(…)` around the integer",
    );
    check(
        "record.priority == 1.5",
        "record.priority == 1.5 | these are never equal: an integer and a Float; write `double(…)` around the integer",
    );
    check(
        "record.priority > 'a'",
        "record.priority > 'a' | an integer and a text have no order between them; write `string(…)` around the integer",
    );
    check(
        "record.title > 1",
        "record.title > 1 | a text and an integer have no order between them; write `string(…)` around the integer",
    );
    check(
        "record.status == 'LIFE'",
        "'LIFE' | Status has no value `LIFE`; did you mean `'LIVE'`?",
    );
    check(
        "record.status > 'LIVE'",
        "record.status > 'LIVE' | a Status has no order",
    );
    check(
        "record.status in ['LIVE', 'DON']",
        "['LIVE', 'DON'] | Status has no value `DON`; did you mean `'DONE'`?",
    );
    check(
        "record.owner == 'someone'",
        "'someone' | this is not an ID; an ID is written as 00000000-0000-0000-0000-000000000000",
    );
    check(
        "record.owner == record.team",
        "record.owner == record.team | these are never equal: a User and a Team",
    );
    check(
        "record.day == '2024-02-30'",
        "'2024-02-30' | this is not a Date; a Date is written as 2024-05-01",
    );
    check(
        "record.due > '2024'",
        "'2024' | this is not a DateTime; a DateTime is written as 2024-05-01T12:00:00Z",
    );
    check(
        "record.priority > record.ratio",
        "record.priority > record.ratio | an integer and a Float have no order between them; write `double(…)` around the integer",
    );
    check(
        "record.priority * record.ratio > 1.0",
        "record.priority * record.ratio | an integer can't be multiplied with a Float; write `double(…)` around the integer",
    );
    check(
        "record.price > record.ratio",
        "record.price > record.ratio | a Decimal and a Float have no order between them; write `double(…)` around the Decimal",
    );
    check(
        "auth == 'x'",
        "auth == 'x' | these are never equal: the caller and a text; write `auth.id`",
    );
    check(
        "auth == record.owner",
        "auth == record.owner | these are never equal: the caller and a User; write `auth.id`",
    );
    check("record.title.name == 'x'", "name | this is a text, which has no fields");
    check(
        "record.title in 'abc'",
        "'abc' | this is a text, which holds nothing; `in` wants a list or a to-many field on its right",
    );
    check(
        "1 in record.watchers",
        "1 in record.watchers | this looks for an integer among values that are each a User",
    );
    check(
        "'x' in record.watchers",
        "'x' | this is not an ID; an ID is written as 00000000-0000-0000-0000-000000000000",
    );
    check(
        "record.team in record.watchers",
        "record.team in record.watchers | this looks for a Team among values that are each a User",
    );
    check(
        "1 in record.tags",
        "1 in record.tags | this looks for an integer among values that are each a text",
    );
    check(
        "!record.title",
        "record.title | this is a text, and a condition is needed; compare it with something, as in `… == …` or `… != null`",
    );
    check(
        "record.done && record.title",
        "record.title | this is a text, and a condition is needed; compare it with something, as in `… == …` or `… != null`",
    );
    check(
        "record.done ? 1 : 'x'",
        "record.done ? 1 : 'x' | one branch is an integer, and the other is a text; let both branches be of one type",
    );
    check(
        "record.done ? record.title : record.priority",
        "record.done ? record.title : record.priority | one branch is a text, and the other is an integer; let both branches be of one type",
    );
    check(
        "[1, 'x'] == null",
        "'x' | the list starts with an integer, and this is a text; a list holds values of one type",
    );
    check(
        "1 in [1, 'x']",
        "'x' | the list starts with an integer, and this is a text; a list holds values of one type",
    );
    check(
        "record.extra.a == record.extra.b",
        "record.extra.a == record.extra.b | two parts of JSON can't be compared: nobody knows their types; say one: `string(auth.claims.…)`",
    );
    check(
        "record.extra.a == now",
        "record.extra.a == now | JSON can't be compared with a DateTime; JSON holds texts, numbers, true, false and null",
    );
    check(
        "record.extra[record.title] == 'x'",
        "record.title | only a constant name can stand in these brackets; write `['name']`",
    );
    check("-record.title == 'x'", "-record.title | a text has no negative");
    check("null > 1", "null > 1 | null has no order");
    check("record.done < true", "record.done < true | a Boolean has no order");
    check(
        "'a' == 1",
        "'a' == 1 | these are never equal: a text and an integer; write `string(…)` around the integer",
    );
    check(
        "record.place == 'x'",
        "record.place == 'x' | these are never equal: a Place and a text",
    );
    check(
        "record.place < 1",
        "record.place < 1 | a Place and an integer have no order between them",
    );
    check("request == null", "request == null | `request` is never null");
    check("request.address.x == 1", "x | this is a text, which has no fields");
}

#[test]
fn functions_take_what_they_can() {
    check(
        "record.watchers",
        "record.watchers | this is a set of User records, and a condition is needed; ask for its size, or for `x in …`",
    );
    check(
        "record.due > record.day",
        "record.due > record.day | a DateTime and a Date have no order between them; write `date(…)` around the DateTime, or `timestamp(…)` around the Date",
    );
    check(
        "record.watchers == null",
        "record.watchers == null | a set of records is never null; ask for its size: `size(…) == 0`",
    );
    check(
        "record.watchers == []",
        "record.watchers == [] | these are never equal: a set of User records and a list; ask whether something is `in` it, or for its size",
    );
    check(
        "size(record.priority) > 1",
        "record.priority | this is an integer, which has no size",
    );
    check(
        "record.title.startWith('x')",
        "startWith | there is no function `startWith`; did you mean `startsWith`?",
    );
    check(
        "startsWith(record.title, 'x')",
        "startsWith | `startsWith` is called on a value; write `value.startsWith(…)`",
    );
    check("record.title.size(1) > 1", "size | `size` takes no argument");
    check(
        "record.title.size > 1",
        "size | this is a text, which has no fields; write `.size()`",
    );
    check(
        "lenght(record.title) > 1",
        "lenght | there is no function `lenght`; there are: bool, date, decimal, double, duration, has, int, matches, size, string, timestamp",
    );
    check(
        "record.title.matches(record.note)",
        "record.note | the pattern must be a constant text; write it as `r'^[a-z]+$'`",
    );
    check(
        "record.title.matches('(')",
        "'(' | the pattern is no regular expression",
    );
    check(
        "record.title.matches('a(?=b)')",
        "'a(?=b)' | `(?=` is not portable: only `(?:` is",
    );
    check(
        "record.title.matches('a*?')",
        "'a*?' | lazy and possessive quantifiers are not portable",
    );
    check(
        "timestamp(record.title) > now",
        "timestamp(record.title) | `timestamp` can't convert a text; only a constant text can be converted: engines read numbers and times in texts differently",
    );
    check(
        "timestamp('yesterday') > now",
        "'yesterday' | `yesterday` is not a DateTime; write it as `timestamp('2024-05-01T12:00:00Z')`",
    );
    check(
        "duration('1 hour') > duration('1h')",
        "'1 hour' | `1 hour` is not a duration; write it as `duration('1h30m')`",
    );
    check(
        "now + 1 > now",
        "now + 1 | a DateTime can't be added to an integer; write a duration as `duration('1h')`, and a moment as `timestamp('2024-05-01T12:00:00Z')`",
    );
    check(
        "record.due - record.day > duration('1h')",
        "record.due - record.day | a DateTime and a Date can't be taken from each other; write `date(…)` around the DateTime, or `timestamp(…)` around the Date",
    );
    check(
        "record.due.getMonth('CET') == 1",
        "'CET' | parts of a time are in UTC; other zones can't be asked for; write `.getMonth()`",
    );
    check("record.title.getMonth() == 1", "getMonth | a text has no `getMonth`");
    check(
        "int(record.title) == 1",
        "int(record.title) | `int` can't convert a text; only a constant text can be converted: engines read numbers and times in texts differently",
    );
    check(
        "has(record.watchers)",
        "record.watchers | a set of records is always there; ask for its size: `size(…) > 0`",
    );
    check("has(now)", "now | `has` wants a field; write it as `has(record.name)`");
}

#[test]
fn iterations_have_a_variable_and_an_end() {
    check(
        "record.watchers.name == 'x'",
        "name | this is a set of User records, which has no `name`; ask for some of them: `.exists(x, x.name == …)`",
    );
    check(
        "record.watchers.exists(w)",
        "exists | `exists` takes a variable and an expression; write `.exists(x, …)`",
    );
    check(
        "record.watchers.exists(w.name, true)",
        "w.name | the first argument is the name of a variable; write `.exists(x, …)`",
    );
    check(
        "record.watchers.exists(record, true)",
        "record | `record` has a meaning already; take another name",
    );
    check(
        "record.title.exists(c, true)",
        "record.title | this is a text, which has no items; only lists and to-many fields have",
    );
    check(
        "record.watchers.exists(w, w.nam == 'x')",
        "nam | User has no field `nam`; did you mean `name`?",
    );
    check(
        "record.watchers.exists(a, record.watchers.exists(b, record.watchers.exists(c, record.watchers.exists(d, true))))",
        "exists | at most 3 of `exists`, `all`, `filter` and `map` nest",
    );
    check(
        "record.watchers.map(w, w.teams).size() > 1",
        "w.teams | `map` can't make a set of Team records; map to one value of each",
    );
    check(
        "record.tags[0] == 'x'",
        "record.tags[0] | this is a list whose items are each a text, which can't be indexed; ask for some of them with `exists`, or whether something is `in` it",
    );
    check(
        "record.team.tasks.filter(t, t.done)",
        "record.team.tasks.filter(t, t.done) | this is a set of Task records, and a condition is needed; ask for its size, or for `x in …`",
    );
}

#[test]
fn what_is_no_cel_is_told_in_plain_words() {
    check(
        "{'a': 1} == null",
        "{ | maps and messages can't be written in an expression; compare the parts one by one",
    );
    check("1u == 1", "1u | there are no unsigned numbers here; leave the `u` out");
    check(
        "record.title = 'x'",
        "= | `=` is no operator here; write `==` to compare",
    );
    check(
        "record.done and record.flag",
        "and | `and` is no operator here; write `&&`",
    );
    check(
        "record.done or record.flag",
        "or | `or` is no operator here; write `||`",
    );
    check(
        "record.done & record.flag",
        "& | `&` is no operator here; write `&&` for both",
    );
    check(
        "record.title === 'x'",
        "= | `=` is no operator here; `==` and `!=` have no longer form",
    );
    check("record.title <> 'x'", "> | `>` is no operator here; write `!=`");
    check("record.done &&", " | the end is not expected here");
    check("(record.done", "( | `(` is never closed");
    check("record.done)", ") | `)` closes nothing");
    check("record.title == 'x", "'x | the text has no closing quote");
    check("record.done && && record.flag", "&& | `&&` is not expected here");
    check("record.title == \"x\" #", "# | `#` means nothing here");
    check("if == 1", "if | `if` is a reserved word of CEL; write `record.if`");
    check(
        "record.titel == 'x' && record.stat == 'LIVE'",
        "titel | Task has no field `titel`; did you mean `title`?\nstat | Task has no field `stat`; it has: id, created, updated, version, title, note, status, phase, priority, effort, big, total, …",
    );
    check(
        ".record == null",
        "record | a name doesn't start with a dot; leave the dot out",
    );
    check("record.?title == 'x'", ". | `.` is not expected here");
}

#[test]
fn before_and_record_are_judged_at_different_times() {
    check(
        "record.price > 1.1234567",
        "1.1234567 | this is not a Decimal; a Decimal has at most six digits behind the point, and thirteen before it",
    );
    check(
        "before.team.name == record.title",
        "before.team.name == record.title | the relations of `before` can't be compared with `record` in one condition; write conditions of their own, joined by `&&` or `||`",
    );
    check(
        "before.watchers.exists(w, w == record.owner)",
        "before.watchers.exists(w, w == record.owner) | the relations of `before` can't be compared with `record` in one condition; write conditions of their own, joined by `&&` or `||`",
    );
}

#[test]
fn filters_name_fields_bare() {
    check_filter("title == 'x' && record.done", "fine");
    check_filter(
        "titel == 'x'",
        "titel | there is no field or name `titel`; did you mean `title`?",
    );
    check_filter("team.name == 'x' || watchers.exists(title, title.name == 'x')", "fine");
    check_filter(
        "before.title == 'x'",
        "before | there is no field or name `before`; known here: auth, now, request, record, id, created, updated, version, title, note, status, phase, …",
    );
}

#[test]
fn sorts_are_by_fields() {
    check_sort("title", "fine");
    check_sort("team.lead.name", "fine");
    check_sort("done", "fine");
    check_sort(
        "title + 'x'",
        "title + 'x' | only a field can be sorted by; name a field, or one behind a reference, as in `author.name`",
    );
    check_sort(
        "tags",
        "tags | this is a list whose items are each a text, which has no order; sort by a number, a text or a time",
    );
    check_sort(
        "watchers",
        "watchers | this is a set of User records, which has no order; sort by a number, a text or a time",
    );
    check_sort(
        "extra",
        "extra | this is JSON, which has no order; sort by a number, a text or a time",
    );
    check_sort(
        "titel",
        "titel | there is no field or name `titel`; did you mean `title`?",
    );
}

#[test]
fn defaults_fit_their_fields() {
    for (field, source) in [
        ("owner", "auth.id"),
        ("owner", "auth.user"),
        ("due", "now + duration('24h')"),
        ("day", "date(now)"),
        ("status", "'DRAFT'"),
        ("price", "0"),
        ("ratio", "1"),
        ("title", "auth.claims.name"),
        ("title", "auth.user.name"),
        ("tags", "['a', 'b']"),
        ("tags", "[]"),
        ("watchers", "[auth.id]"),
        ("phase", "auth == null ? 'DRAFT' : null"),
    ] {
        check_default(field, source, "fine");
    }
    check_default(
        "status",
        "'DRAFTY'",
        "'DRAFTY' | Status has no value `DRAFTY`; did you mean `'DRAFT'`?",
    );
    check_default("title", "1", "1 | this is an integer, and a text is needed");
    check_default("team", "auth.user", "auth.user | this is a User, and a Team is needed");
    check_default(
        "due",
        "'today'",
        "'today' | this is not a DateTime; a DateTime is written as 2024-05-01T12:00:00Z",
    );
    check_default(
        "title",
        "record.note",
        "record | there is no name `record`; known here: auth, now, request",
    );
}

#[test]
fn hostile_texts_end_in_an_error() {
    let refuses = |source: String, why: &str| {
        let found = errors(&source, rule_scope(), Expects::Condition);
        assert!(found.contains(why), "{found}");
    };
    let deep = "is more than 64 levels deep here";
    for open in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "size(",
        "record.title.contains(",
        "true ? ",
        "[[",
        "!!",
        "a.",
    ] {
        refuses(open.repeat(300), deep);
    }
    refuses(format!("1{}", " + 1".repeat(900)), deep);
    refuses(format!("true{}", " ? true : false".repeat(300)), deep);
    refuses("x".repeat(17_000), "longer than");
    refuses("true || ".repeat(1500), "more than 2000 words");
    refuses("(".repeat(16_000), "more than 2000 words");
    refuses(String::new(), "the expression is empty");
    refuses("// nothing".into(), "the expression is empty");
    refuses("99999999999999999999 > 1".into(), "not a value that can be written so");
    // Long is not deep.
    let long = format!("record.done{}", " || record.done".repeat(400));
    assert_eq!(errors(&long, rule_scope(), Expects::Condition), "fine");
}

#[test]
fn what_is_near_the_limits_fits_a_small_stack() {
    let within = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let thread = within.spawn(|| {
        for source in [
            format!("{}record.done{}", "(".repeat(60), ")".repeat(60)),
            format!("record.priority{} > 1", " + 1".repeat(60)),
            format!("{}record.done", "!(".repeat(30)) + &")".repeat(30),
            format!("{}record.done", "record.done ? record.done : ".repeat(10)),
        ] {
            let compiled = compile(&source);
            let principal = ann();
            let mut aliases = Aliases::default();
            let mut lowering = Lowering {
                model: &MODEL,
                facts: facts(&principal),
                root: Alias::ROOT,
                aliases: &mut aliases,
                visibility: None,
                before: Before::Record,
            };
            compiled.predicate(&mut lowering).unwrap();
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn reads_are_complete() {
    let reads = |source: &str| {
        let compiled = compile(source);
        let reads = compiled.reads();
        let name = |(collection, field): &(CollectionId, FieldId)| {
            let collection = MODEL.collection(*collection);
            format!("{}.{}", collection.name, collection.field(*field).name)
        };
        let mut all: Vec<String> = reads.paths.iter().map(name).collect();
        all.extend(
            reads
                .fields
                .iter()
                .map(|field| format!("own {}", MODEL.collection(task()).field(*field).name)),
        );
        all.extend(reads.collections.iter().map(|id| MODEL.collection(*id).name.clone()));
        all.extend(reads.now.then(|| "now".to_owned()));
        all.extend(reads.before.then(|| "before".to_owned()));
        all.extend(compiled.is_local().then(|| "local".to_owned()));
        all.join(", ")
    };
    assert_eq!(
        reads("record.title == before.note && now > record.due"),
        "Task.title, Task.note, Task.due, own title, own note, own due, now, before, local"
    );
    assert_eq!(
        reads("record.team.lead.name == 'x'"),
        "Task.team, Team.lead, User.name, own team, Team, User"
    );
    assert_eq!(
        reads("auth.id in record.team.members"),
        "Task.team, Team.members, own team, Team, User"
    );
    assert_eq!(
        reads("record.watchers.exists(w, w.manager.secret == 'x')"),
        "Task.watchers, User.manager, User.secret, own watchers, User"
    );
    assert_eq!(reads("auth.user.active"), "User.active, User");
    assert_eq!(reads("record.owner == auth.id"), "Task.owner, own owner, local");
    assert_eq!(
        reads("record.owner.id == auth.user.id"),
        "Task.owner, User.id, own owner, local"
    );
}
