//! Conditions that are well-typed by construction, as text.
//!
//! Each level is made of the one below it; an iteration's body is made of the level below with one more name in scope.

use proptest::prelude::*;

type Text = BoxedStrategy<String>;

/// Which names there are, as what they stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) tasks: Vec<String>,
    pub(super) users: Vec<String>,
    pub(super) teams: Vec<String>,
    pub(super) texts: Vec<String>,
    pub(super) ints: Vec<String>,
    /// Whether sets of tasks may be reached.
    pub(super) tasks_reached: bool,
    /// Whether `auth` may be named.
    pub(super) auth: bool,
}

/// Conditions on a `record` of `Task`.
pub fn conditions() -> impl Strategy<Value = String> {
    let names = Names {
        tasks: vec!["record".into()],
        tasks_reached: true,
        auth: true,
        ..Names::default()
    };
    level(3, &names).condition
}

/// Expressions of each type.
#[derive(Clone)]
pub(super) struct Level {
    pub(super) condition: Text,
    int: Text,
    float: Text,
    decimal: Text,
    text: Text,
    status: Text,
    moment: Text,
    day: Text,
    duration: Text,
    user: Text,
    team: Text,
}

fn one_of(choices: Vec<String>) -> Text {
    prop::sample::select(choices).boxed()
}

/// A nullable field of each of some records, and constants.
fn leaves(records: &[String], fields: &[&str], constants: &[&str]) -> Vec<String> {
    let named = records
        .iter()
        .flat_map(|record| fields.iter().map(move |field| format!("{record}.{field}")));
    // Fields are worth more than constants.
    let named: Vec<String> = named.collect();
    let mut all = [named.clone(), named].concat();
    all.extend(constants.iter().map(|constant| (*constant).to_owned()));
    all
}

fn ground(names: &Names) -> Level {
    let tasks = &names.tasks;
    let mut ints = leaves(
        tasks,
        &[
            "priority",
            "effort",
            "big",
            "total",
            "spot.floor",
            "spot.count",
            "spot.inner.level",
            "place.floor",
        ],
        &["0", "1", "2", "-1"],
    );
    ints.extend(leaves(&names.users, &["age"], &[]));
    ints.extend(leaves(&names.teams, &["quota"], &[]));
    ints.extend(names.ints.iter().cloned());
    let mut texts = leaves(tasks, &["title", "note", "spot.city", "spot.zip", "place.city"], &[]);
    texts.extend(leaves(&names.users, &["name", "nick"], &[]));
    texts.extend(leaves(&names.teams, &["name", "topic"], &[]));
    texts.extend(names.texts.iter().cloned());
    texts.extend(["'a'", "'ab'", "''", "'LIVE'"].map(str::to_owned));
    let mut users = leaves(tasks, &["owner", "team.lead"], &[]);
    users.extend(leaves(&names.users, &["manager", "id"], &[]));
    users.extend(leaves(&names.teams, &["lead"], &[]));
    users.extend(names.users.iter().cloned());
    if names.auth {
        users.extend(["auth.id", "auth.user"].map(str::to_owned));
        texts.push("string(auth.claims.tenant)".into());
    }
    let mut teams = leaves(tasks, &["team", "team.parent"], &[]);
    teams.extend(leaves(&names.teams, &["parent", "id"], &[]));
    teams.extend(names.teams.iter().cloned());
    let mut conditions = leaves(tasks, &["done", "flag", "spot.open", "place.open"], &["true", "false"]);
    conditions.extend(leaves(&names.users, &["active"], &[]));
    conditions.extend(leaves(&names.teams, &["open"], &[]));
    Level {
        condition: one_of(conditions),
        int: one_of(ints),
        float: one_of(leaves(tasks, &["ratio", "rate", "spot.lat"], &["0.0", "1.5", "-2.0"])),
        decimal: one_of(leaves(
            tasks,
            &["price", "fee", "spot.cost"],
            &["decimal('1.5')", "decimal('0')"],
        )),
        text: one_of(texts),
        status: one_of(leaves(tasks, &["status", "phase", "spot.status"], &[])),
        moment: one_of(leaves(
            tasks,
            &["due", "closed", "spot.since"],
            &["now", "timestamp('2024-05-01T12:00:00Z')"],
        )),
        day: one_of(leaves(tasks, &["day", "until", "spot.day"], &["date('2024-05-01')"])),
        duration: one_of(
            ["duration('1h')", "duration('-36h')", "duration('87000000h')"]
                .map(str::to_owned)
                .to_vec(),
        ),
        user: one_of(users),
        team: one_of(teams),
    }
}

pub(super) fn level(depth: usize, names: &Names) -> Level {
    let ground = ground(names);
    if depth == 0 {
        return ground;
    }
    let below = level(depth - 1, names);
    let condition = conditions_of(depth, names, &below, &ground);
    Level {
        condition,
        int: prop_oneof![3 => ground.int, 3 => ints(&below), 1 => sizes(depth, names)].boxed(),
        float: prop_oneof![2 => ground.float, 1 => floats(&below)].boxed(),
        decimal: prop_oneof![2 => ground.decimal, 1 => decimals(&below)].boxed(),
        text: prop_oneof![2 => ground.text, 1 => texts(&below)].boxed(),
        status: ground.status,
        moment: prop_oneof![3 => ground.moment, 1 => moments(&below)].boxed(),
        day: prop_oneof![3 => ground.day, 1 => below.moment.clone().prop_map(|moment| format!("date({moment})"))]
            .boxed(),
        duration: prop_oneof![3 => ground.duration, 1 => durations(&below)].boxed(),
        user: prop_oneof![4 => ground.user, 1 => choice(&below.condition, &below.user)].boxed(),
        team: prop_oneof![4 => ground.team, 1 => choice(&below.condition, &below.team)].boxed(),
    }
}

fn choice(condition: &Text, of: &Text) -> Text {
    (condition.clone(), of.clone(), of.clone())
        .prop_map(|(condition, then, otherwise)| format!("({condition} ? {then} : {otherwise})"))
        .boxed()
}

fn pair(left: &Text, operators: &'static [&'static str], right: &Text) -> Text {
    (left.clone(), prop::sample::select(operators), right.clone())
        .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"))
        .boxed()
}

fn apply(of: &Text, forms: &'static [&'static str]) -> Text {
    (of.clone(), prop::sample::select(forms))
        .prop_map(|(of, form)| form.replace('_', &of))
        .boxed()
}

const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%"];
const ORDER: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const EQUALITY: &[&str] = &["==", "!="];

fn ints(below: &Level) -> Text {
    prop_oneof![
        6 => pair(&below.int, ARITHMETIC, &below.int),
        1 => below.int.clone().prop_map(|int| format!("(-({int}))")),
        1 => apply(&below.text, &["size(_)"]),
        1 => apply(&below.float, &["int(_)"]),
        1 => apply(&below.decimal, &["int(_)"]),
        2 => apply(&below.moment, &["_.getFullYear()", "_.getMonth()", "_.getDate()", "_.getDayOfMonth()", "_.getDayOfWeek()", "_.getDayOfYear()", "_.getHours()", "_.getMinutes()", "_.getSeconds()", "_.getMilliseconds()"]),
        1 => apply(&below.day, &["_.getFullYear()", "_.getDate()"]),
        1 => apply(&below.duration, &["_.getHours()", "_.getSeconds()"]),
        1 => choice(&below.condition, &below.int),
    ]
    .boxed()
}

fn floats(below: &Level) -> Text {
    prop_oneof![
        3 => pair(&below.float, &["+", "-", "*", "/"], &below.float),
        1 => below.float.clone().prop_map(|float| format!("(-({float}))")),
        1 => apply(&below.int, &["double(_)"]),
        1 => apply(&below.decimal, &["double(_)"]),
    ]
    .boxed()
}

fn decimals(below: &Level) -> Text {
    prop_oneof![
        2 => pair(&below.decimal, &["+", "-", "*", "/"], &below.decimal),
        1 => pair(&below.decimal, &["*", "/"], &below.int),
        1 => apply(&below.int, &["decimal(_)"]),
        1 => apply(&below.decimal, &["(-(_))"]),
    ]
    .boxed()
}

fn texts(below: &Level) -> Text {
    prop_oneof![
        2 => pair(&below.text, &["+"], &below.text),
        2 => apply(&below.text, &["_.lowerAscii()", "_.upperAscii()", "_.trim()"]),
        1 => apply(&below.int, &["string(_)"]),
        1 => apply(&below.user, &["string(_)"]),
        1 => apply(&below.status, &["string(_)"]),
        1 => choice(&below.condition, &below.text),
    ]
    .boxed()
}

fn moments(below: &Level) -> Text {
    prop_oneof![
        2 => pair(&below.moment, &["+", "-"], &below.duration),
        1 => apply(&below.day, &["timestamp(_)"]),
    ]
    .boxed()
}

fn durations(below: &Level) -> Text {
    prop_oneof![
        1 => pair(&below.moment, &["-"], &below.moment),
        1 => pair(&below.duration, &["+", "-"], &below.duration),
        1 => apply(&below.duration, &["(-(_))"]),
    ]
    .boxed()
}

fn conditions_of(depth: usize, names: &Names, below: &Level, ground: &Level) -> Text {
    let null = Just("null".to_owned()).boxed();
    let comparisons = prop_oneof![
        4 => pair(&below.int, ORDER, &below.int),
        2 => pair(&below.float, ORDER, &below.float),
        2 => pair(&below.decimal, ORDER, &below.decimal),
        4 => pair(&below.text, ORDER, &below.text),
        2 => pair(&below.moment, ORDER, &below.moment),
        1 => pair(&below.day, ORDER, &below.day),
        1 => pair(&below.duration, ORDER, &below.duration),
        4 => pair(&below.user, EQUALITY, &below.user),
        1 => pair(&below.team, EQUALITY, &below.team),
        1 => pair(&below.status, EQUALITY, &one_of(vec!["'LIVE'".into(), "'DONE'".into()])),
        1 => pair(&below.condition, EQUALITY, &below.condition),
        1 => pair(&prop_oneof![below.int.clone(), below.text.clone(), below.user.clone(), ground.status.clone()].boxed(), EQUALITY, &null),
    ];
    let logic = prop_oneof![
        2 => pair(&below.condition, &["&&", "||"], &below.condition),
        1 => apply(&below.condition, &["!(_)"]),
        1 => choice(&below.condition, &below.condition),
    ];
    let tests = prop_oneof![
        (
            below.text.clone(),
            prop::sample::select(&["startsWith", "endsWith", "contains"][..]),
            below.text.clone()
        )
            .prop_map(|(text, test, needle)| format!("{text}.{test}({needle})")),
        apply(
            &below.text,
            &["_.matches('^a+$')", "_.matches(r'[a-c]|Ä')", "_.matches(r'\\s\\w?')"]
        ),
    ];
    prop_oneof![
        2 => ground.condition.clone(),
        6 => comparisons,
        4 => logic,
        2 => tests,
        3 => memberships(depth, names, below),
        2 => json(names, below),
        4 => iterations(depth, names),
    ]
    .boxed()
}

fn memberships(depth: usize, names: &Names, below: &Level) -> Text {
    let members = |item: &Text, range: &Text| {
        (item.clone(), range.clone())
            .prop_map(|(item, range)| format!("({item} in {range})"))
            .boxed()
    };
    let literal = (below.int.clone(), below.int.clone()).prop_map(|(one, other)| format!("[{one}, {other}, 2]"));
    let constants = Just("['a', 'LIVE', 'x']".to_owned()).boxed();
    let mut choices = vec![
        members(&below.int, &literal.boxed()),
        members(&below.text, &constants),
        members(&below.text, &text_lists(names)),
    ];
    if !names.tasks.is_empty() {
        choices.push(members(&below.user, &users_of(depth, names)));
        choices.push(members(
            &prop_oneof![3 => below.int.clone(), 1 => Just("null".to_owned())].boxed(),
            &one_of(leaves(&names.tasks, &["marks"], &[])),
        ));
        choices.push(members(&below.status, &one_of(leaves(&names.tasks, &["phases"], &[]))));
    }
    prop::strategy::Union::new(choices).boxed()
}

fn json(names: &Names, below: &Level) -> Text {
    let Some(task) = names.tasks.first() else {
        return below.condition.clone();
    };
    let part = one_of(
        ["extra.a", "extra.b", "extra.a.b", "extra"]
            .map(|part| format!("{task}.{part}"))
            .to_vec(),
    );
    prop_oneof![
        pair(&part, ORDER, &below.int),
        pair(&part, ORDER, &below.text),
        pair(&part, EQUALITY, &below.condition),
        pair(&part, EQUALITY, &Just("null".to_owned()).boxed()),
    ]
    .boxed()
}

/// Lists of texts.
fn text_lists(names: &Names) -> Text {
    let mut lists = leaves(
        &names.tasks,
        &["tags", "spot.names", "place.names"],
        &["['a', 'b']", "[]"],
    );
    if names.auth {
        lists.push("auth.roles".into());
    }
    one_of(lists)
}

/// Sets of users.
fn users_of(depth: usize, names: &Names) -> Text {
    let mut sets = leaves(&names.tasks, &["watchers", "team.members", "owner.reports"], &[]);
    sets.extend(leaves(&names.users, &["reports"], &[]));
    sets.extend(leaves(&names.teams, &["members"], &[]));
    if names.auth {
        sets.push("auth.user.reports".into());
    }
    let plain = one_of(sets);
    if depth < 2 || names.variables() >= 2 {
        return plain;
    }
    let body = level(depth - 2, &names.with_user(depth)).condition;
    let name = names.variable(depth);
    let filtered = (plain.clone(), body).prop_map(move |(set, body)| format!("{set}.filter({name}, {body})"));
    prop_oneof![3 => plain, 1 => filtered].boxed()
}

fn sizes(depth: usize, names: &Names) -> Text {
    let mut choices = vec![text_lists(names)];
    if !names.tasks.is_empty() || !names.users.is_empty() {
        choices.push(users_of(depth, names));
    }
    apply(&prop::strategy::Union::new(choices).boxed(), &["size(_)", "_.size()"])
}

const QUANTIFIERS: &[&str] = &["exists", "all", "exists_one"];

fn iterations(depth: usize, names: &Names) -> Text {
    if names.variables() >= 2 {
        return level(0, names).condition;
    }
    let quantified = |range: Text, names: &Names, inner: Names| {
        let name = names.variable(depth);
        let body = level(depth - 1, &inner).condition;
        (range, prop::sample::select(QUANTIFIERS), body)
            .prop_map(move |(range, kind, body)| format!("{range}.{kind}({name}, {body})"))
            .boxed()
    };
    let mut choices = vec![
        quantified(text_lists(names), names, names.with_text(depth)),
        quantified(one_of(vec!["[0, 1, 2]".into()]), names, names.with_int(depth)),
    ];
    if !names.tasks.is_empty() {
        let mapped = users_of(depth, names).prop_flat_map({
            let (name, inner) = (names.variable(depth), names.with_user(depth));
            move |set| {
                let name = name.clone();
                level(0, &inner)
                    .text
                    .prop_map(move |body| format!("('a' in {set}.map({name}, {body}))"))
            }
        });
        choices.push(quantified(users_of(depth, names), names, names.with_user(depth)));
        choices.push(mapped.boxed());
        choices.push(quantified(
            one_of(leaves(&names.tasks, &["marks"], &[])),
            names,
            names.with_int(depth),
        ));
        if names.tasks_reached {
            let tasks = one_of(leaves(&names.tasks, &["team.tasks"], &[]));
            choices.push(quantified(tasks, names, names.with_task(depth)));
        }
    }
    prop::strategy::Union::new(choices).boxed()
}

impl Names {
    /// A name that no level above uses.
    fn variable(&self, depth: usize) -> String {
        format!("v{depth}")
    }

    fn variables(&self) -> usize {
        let all = [&self.tasks, &self.users, &self.teams, &self.texts, &self.ints];
        all.into_iter().flatten().filter(|name| name.starts_with('v')).count()
    }

    fn with_user(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.users.push(self.variable(depth));
        inner
    }

    fn with_task(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.tasks.push(self.variable(depth));
        inner
    }

    fn with_text(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.texts.push(self.variable(depth));
        inner
    }

    fn with_int(&self, depth: usize) -> Self {
        let mut inner = self.clone();
        inner.ints.push(self.variable(depth));
        inner
    }
}
