//! The predicates that expressions become, written down shortly.

use super::*;
use crate::query::{Param, Set};

/// `r.title = 'x'` and the like: `r` is the root, `a1 a2 …` are aliases in the order of their first mention.
struct Shown {
    /// With the collection whose rows each stands for, or none for items.
    aliases: Vec<(Alias, Option<CollectionId>)>,
}

impl Shown {
    fn bind(&mut self, alias: Alias, collection: Option<CollectionId>) -> String {
        assert!(
            self.aliases.iter().all(|(known, _)| *known != alias),
            "an alias is bound twice"
        );
        self.aliases.push((alias, collection));
        self.alias(alias)
    }

    fn alias(&self, alias: Alias) -> String {
        let place = self.aliases.iter().position(|(known, _)| *known == alias);
        match place {
            Some(0) => "r".into(),
            Some(place) => format!("a{place}"),
            None => panic!("{alias:?} is bound nowhere"),
        }
    }

    fn field(&self, alias: Alias, field: FieldId) -> String {
        let (_, collection) = self.aliases.iter().find(|(known, _)| *known == alias).unwrap();
        MODEL.collection(collection.unwrap()).field(field).name.clone()
    }

    fn pred(&mut self, pred: &Pred) -> String {
        match pred {
            Pred::Const(truth) => truth.to_string(),
            Pred::And(parts) => self.joined(parts, " & "),
            Pred::Or(parts) => self.joined(parts, " | "),
            Pred::Not(inner) => format!("!({})", self.pred(inner)),
            Pred::Compare(comparison, left, right) => {
                let sign = match comparison {
                    crate::query::Comparison::Eq => "=",
                    crate::query::Comparison::Ne => "<>",
                    crate::query::Comparison::Lt => "<",
                    crate::query::Comparison::Le => "<=",
                    crate::query::Comparison::Gt => ">",
                    crate::query::Comparison::Ge => ">=",
                };
                format!("{} {sign} {}", self.term(left), self.term(right))
            }
            Pred::Same(left, right) => format!("{} is {}", self.term(left), self.term(right)),
            Pred::IsNull(term) => format!("null({})", self.term(term)),
            Pred::InList(item, list) => format!("{} in {}", self.term(item), self.term(list)),
            Pred::Text(test, text, needle) => format!("{test:?}({}, {})", self.term(text), self.term(needle)),
            Pred::Truth(term) => format!("true({})", self.term(term)),
            Pred::Any(set, pred) => format!("any {}", self.set(set, pred)),
            Pred::Captured(index) => format!("captured {index}"),
        }
    }

    fn joined(&mut self, parts: &[Pred], sign: &str) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.pred(part)).collect();
        format!("({})", parts.join(sign))
    }

    fn set(&mut self, set: &Set, pred: &Pred) -> String {
        let named = |collection: &CollectionId, field: &FieldId| {
            let collection = MODEL.collection(*collection);
            format!("{}.{}", collection.name, collection.field(*field).name)
        };
        let (text, collection) = match set {
            Set::Links {
                of, collection, field, ..
            } => {
                let target = MODEL.collection(*collection).field(*field).target();
                (format!("{} of {}", named(collection, field), self.term(of)), target)
            }
            Set::LinkedFrom {
                of, collection, field, ..
            } => (
                format!("{} holding {}", named(collection, field), self.term(of)),
                Some(*collection),
            ),
            Set::Referencing {
                of, collection, field, ..
            } => (
                format!("{} being {}", named(collection, field), self.term(of)),
                Some(*collection),
            ),
            Set::Items { of, .. } => (self.term(of), None),
        };
        let alias = self.bind(set.alias(), collection);
        format!("[{alias}: {text}] {}", self.pred(pred))
    }

    fn term(&mut self, term: &Term) -> String {
        match term {
            Term::Const(Value::Text(text)) => format!("'{text}'"),
            Term::Const(Value::Id(id)) => format!("#{:x}", id.as_u128()),
            Term::Const(Value::Int(int)) => int.to_string(),
            Term::Const(Value::Null) => "null".into(),
            Term::Const(other) => format!("{other:?}"),
            Term::Param(Param::Before(field)) => {
                format!("before.{}", MODEL.collection(task()).field(*field).name)
            }
            Term::Param(param) => format!("{param:?}"),
            Term::Field(alias, field) => format!("{}.{}", self.alias(*alias), self.field(*alias, *field)),
            Term::Item(alias) => self.alias(*alias),
            Term::Json { of, path, ty } => format!("{}->{}:{ty:?}", self.term(of), path.join(".")),
            Term::Lookup {
                key,
                collection,
                alias,
                guard,
                then,
            } => {
                let key = self.term(key);
                let alias = self.bind(*alias, Some(*collection));
                let guard = match &**guard {
                    Pred::Const(true) => String::new(),
                    guard => format!(" where {}", self.pred(guard)),
                };
                format!(
                    "{{{alias}: {} {key}{guard}: {}}}",
                    MODEL.collection(*collection).name,
                    self.term(then)
                )
            }
            Term::Arithmetic(operator, scalar, left, right) => {
                format!("{operator:?}:{scalar:?}({}, {})", self.term(left), self.term(right))
            }
            Term::Negate(_, inner) => format!("-({})", self.term(inner)),
            Term::Call(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|argument| self.term(argument)).collect();
                format!("{function:?}({})", arguments.join(", "))
            }
            Term::If(condition, then, otherwise) => {
                format!(
                    "({} ? {} : {})",
                    self.pred(condition),
                    self.term(then),
                    self.term(otherwise)
                )
            }
            Term::Count(set, pred) => format!("count {}", self.set(set, pred)),
            Term::Bool(pred) => format!("bool({})", self.pred(pred)),
        }
    }
}

fn shown(pred: &Pred) -> String {
    Shown {
        aliases: vec![(Alias::ROOT, Some(task()))],
    }
    .pred(pred)
}

fn lowered(source: &str, principal: &Principal, visibility: Option<&dyn Visibility>, before: Before<'_>) -> String {
    let mut aliases = Aliases::default();
    let mut lowering = Lowering {
        model: &MODEL,
        facts: facts(principal),
        root: Alias::ROOT,
        aliases: &mut aliases,
        visibility,
        before,
    };
    match compile(source).predicate(&mut lowering) {
        Ok(pred) => shown(&pred),
        Err(error) => format!("error: {error}"),
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    assert_eq!(lowered(source, &ann(), None, Before::Record), expected, "{source}");
}

#[track_caller]
fn check_as(principal: &Principal, source: &str, expected: &str) {
    assert_eq!(lowered(source, principal, None, Before::Record), expected, "{source}");
}

#[test]
fn equality_is_one_comparison_that_an_index_serves() {
    check("record.title == 'x'", "r.title = 'x'");
    check("'x' == record.title", "r.title = 'x'");
    check("record.note == 'x'", "r.note = 'x'");
    check("record.note != 'x'", "!(r.note = 'x')");
    check("!(record.note == 'x')", "!(r.note = 'x')");
    check("record.note == record.phase", "r.note is r.phase");
    check("record.title != record.note", "!(r.title = r.note)");
    check("record.note == null", "null(r.note)");
    check("record.title == null", "false");
    check(
        "record.owner == auth.id && record.done && (record.priority > 1 && record.flag)",
        "(r.owner = AuthId & true(r.done) & r.priority > 1 & true(r.flag))",
    );
    check("!(record.owner == auth.id)", "!(r.owner = AuthId)");
    check("record.effort > 1", "r.effort > 1");
    check("!(record.effort > 1)", "r.effort <= 1");
    check("!record.flag", "r.flag = Bool(false)");
    check(
        "record.status in ['LIVE', 'DONE']",
        "r.status in List([Text(\"LIVE\"), Text(\"DONE\")])",
    );
    check(
        "!(record.phase in ['LIVE', 'DONE'])",
        "!(r.phase in List([Text(\"LIVE\"), Text(\"DONE\")]))",
    );
    check(
        "record.note in ['x', null]",
        "(r.note in List([Text(\"x\")]) | null(r.note))",
    );
    check(
        "record.done ? record.flag : record.priority == 1",
        "((true(r.done) & true(r.flag)) | (!(true(r.done)) & r.priority = 1))",
    );
}

#[test]
fn what_the_facts_decide_is_folded() {
    check("'editor' in auth.roles", "true");
    check("'x' in auth.roles || record.done", "true(r.done)");
    check("record.title in auth.roles", "r.title in AuthRoles");
    check(
        "record.title in auth.claims.groups",
        "r.title in List([Text(\"a\"), Text(\"b\")])",
    );
    check("auth != null && record.title == auth.claims.tenant", "r.title = 'acme'");
    check("record.due < now", "r.due < Now");
    check(
        "record.due < now - duration('1h')",
        "r.due < DateTime(Timestamp(1714561200000))",
    );
    check("request.operation == 'update'", "true");
    let administrator = Principal::Administrator { id: ANN };
    check_as(&administrator, "record.owner == auth.id", "null(r.owner)");
    check_as(&administrator, "record.watchers.exists(w, w == auth.id)", "false");
    check_as(&Principal::Anonymous, "record.owner == auth.id", "false");
    check_as(&Principal::Anonymous, "!(record.owner == auth.id)", "false");
    check_as(
        &Principal::Anonymous,
        "record.done || record.owner == auth.id",
        "true(r.done)",
    );
    check_as(&Principal::Anonymous, "auth.user.active", "false");
}

#[test]
fn relations_are_lookups_and_sets() {
    check(
        "auth.id in record.watchers",
        "any [a1: Task.watchers of r.id] a1.id = AuthId",
    );
    check(
        "auth.id in record.team.members",
        "any [a1: Team.members of r.team] a1.id = AuthId",
    );
    check(
        "!(auth.id in record.team.members)",
        "!(any [a1: Team.members of r.team] a1.id = AuthId)",
    );
    check(
        "record.owner in record.team.members",
        "any [a1: Team.members of r.team] a1.id = r.owner",
    );
    check("record.team.name == 'x'", "{a1: Team r.team: a1.name} = 'x'");
    check(
        "record.owner.nick != 'x'",
        "(!(null({a1: User r.owner: a1.id})) & !({a2: User r.owner: a2.nick} = 'x'))",
    );
    check(
        "record.owner.nick == null",
        "(!(null({a1: User r.owner: a1.id})) & null({a2: User r.owner: a2.nick}))",
    );
    check(
        "record.owner.manager.name == 'x'",
        "{a2: User {a1: User r.owner: a1.manager}: a2.name} = 'x'",
    );
    check(
        "record.owner.manager == auth.id",
        "{a1: User r.owner: a1.manager} = AuthId",
    );
    check("record.owner.id == auth.id", "r.owner = AuthId");
    check("auth.user.active", "true({a1: User AuthId: a1.active})");
    check(
        "record.owner in auth.user.reports",
        "any [a2: User.manager being {a1: User AuthId: a1.id}] a2.id = r.owner",
    );
    check(
        "record.team in auth.user.teams",
        "any [a2: Team.members holding {a1: User AuthId: a1.id}] a2.id = r.team",
    );
    check(
        "record.watchers.exists(w, w.active && w.manager == record.owner)",
        "any [a1: Task.watchers of r.id] (true(a1.active) & a1.manager is r.owner)",
    );
    check(
        "record.watchers.all(w, w.nick == 'x')",
        "!(any [a1: Task.watchers of r.id] !(a1.nick = 'x'))",
    );
    check(
        "record.watchers.exists_one(w, w.active)",
        "count [a1: Task.watchers of r.id] true(a1.active) = 1",
    );
    check(
        "record.team.tasks.filter(t, t.done).size() > 3",
        "count [a1: Task.team being r.team] true(a1.done) > 3",
    );
    check(
        "record.watchers.map(w, w.name).exists(n, n == record.title)",
        "any [a1: Task.watchers of r.id] a1.name = r.title",
    );
    check("'x' in record.tags", "'x' in r.tags");
    check(
        "record.tags.exists(t, t.startsWith('x'))",
        "any [a1: r.tags] StartsWith(a1, 'x')",
    );
    check("record.marks.size() > 1", "ListLength(r.marks) > 1");
}

#[test]
fn arithmetic_is_guarded_where_it_can_fail() {
    check(
        "record.priority + record.effort > 1",
        "Add:Long(r.priority, r.effort) > 1",
    );
    check(
        "record.big + 1 > 1",
        "(r.big <= 9223372036854775806 ? Add:Long(r.big, 1) : null) > 1",
    );
    check(
        "record.big + record.total > 1",
        "((r.big <= (r.total >= 0 ? Subtract:Long(9223372036854775807, r.total) : 9223372036854775807) & r.big >= (r.total < 0 ? Subtract:Long(-9223372036854775808, r.total) : -9223372036854775808)) ? Add:Long(r.big, r.total) : null) > 1",
    );
    check(
        "record.priority / record.effort > 1",
        "(r.effort <> 0 ? Divide:Long(r.priority, r.effort) : null) > 1",
    );
    check("record.priority % 7 > 1", "Remainder:Long(r.priority, 7) > 1");
    check(
        "record.big % -1 == 0",
        "(r.big <> -9223372036854775808 ? Remainder:Long(r.big, -1) : null) = 0",
    );
    check(
        "record.ratio * 2.0 > 1.0",
        "((r.ratio = Float(0.0) | (r.ratio >= Float(1e-150) & r.ratio <= Float(1e150)) | (r.ratio >= Float(-1e150) & r.ratio <= Float(-1e-150))) ? Multiply:Float(r.ratio, Float(2.0)) : null) > Float(1.0)",
    );
    check(
        "record.price * 2 > 1",
        "Multiply:Decimal(r.price, Decimal(Decimal(2000000))) > Decimal(Decimal(1000000))",
    );
    check(
        "record.due + duration('1h') > now",
        "(Add:DateTime(r.due, 3600000) <= DateTime(Timestamp(253402300799999)) ? Add:DateTime(r.due, 3600000) : null) > Now",
    );
    check(
        "record.due - record.closed > duration('1h')",
        "Subtract:DateTime(r.due, r.closed) > 3600000",
    );
    check(
        "double(record.priority) / 2.0 > 1.0",
        "Divide:Float(IntToFloat(r.priority), Float(2.0)) > Float(1.0)",
    );
}

#[test]
fn parts_of_documents() {
    check("record.spot.city == 'x'", "r.spot->city:String = 'x'");
    check("record.spot.inner.level > 1", "r.spot->inner.level:Long > 1");
    check(
        "record.place.city == null",
        "(!(null(r.place)) & null(r.place->city:String))",
    );
    check("record.extra.a.b == 1", "r.extra->a.b:Float = Float(1.0)");
    check(
        "record.extra.a == record.note",
        "(r.extra->a:String = r.note | (null(r.extra->a:Json) & null(r.note)))",
    );
    check("record.extra.a == null", "null(r.extra->a:Json)");
}

#[test]
fn before_is_the_stored_record() {
    check("before.title == record.title", "r.title = r.title");
    let captured = |source: &str| {
        let mut captures = Vec::new();
        let pred = lowered(source, &ann(), None, Before::Captured(&mut captures));
        let captures: Vec<String> = captures.iter().map(shown).collect();
        format!("{pred} ; {}", captures.join(" ; "))
    };
    assert_eq!(
        captured("before.title == record.title && before != null"),
        "r.title = before.title ; "
    );
    assert_eq!(
        captured("auth.id in before.watchers && auth.id in record.watchers"),
        "(captured 0 & any [a1: Task.watchers of r.id] a1.id = AuthId) ; any [a1: Task.watchers of r.id] a1.id = AuthId"
    );
    assert_eq!(
        captured("!(before.team.name == 'x') || record.done"),
        "(captured 1 | true(r.done)) ; {a1: Team r.team: a1.name} = 'x' ; {a1: Team r.team: a1.name} <> 'x'"
    );
    assert_eq!(
        lowered("before == null || before.title == 'x'", &ann(), None, Before::Absent),
        "true"
    );
    assert_eq!(
        lowered(
            "before != null && before.watchers.size() > 1",
            &ann(),
            None,
            Before::Absent
        ),
        "false"
    );
}

/// Hides what isn't open, everybody's nick, and records of teams but the caller's.
struct Hiding;

impl Visibility for Hiding {
    fn record(&self, collection: CollectionId, alias: Alias, _aliases: &mut Aliases) -> Pred {
        let collection = MODEL.collection(collection);
        match collection.name.as_str() {
            "Team" => Pred::Truth(Term::Field(alias, collection.by_name["open"])),
            _ => Pred::Const(true),
        }
    }

    fn field(&self, collection: CollectionId, field: FieldId, alias: Alias, _aliases: &mut Aliases) -> Pred {
        let collection = MODEL.collection(collection);
        match collection.field(field).name.as_str() {
            "note" | "watchers" | "members" => Pred::Truth(Term::Field(
                alias,
                collection.by_name.get("done").copied().unwrap_or(FieldId(0)),
            )),
            _ => Pred::Const(true),
        }
    }
}

#[test]
fn callers_see_of_each_hop_what_they_may() {
    let seen = |source: &str| lowered(source, &ann(), Some(&Hiding), Before::Record);
    assert_eq!(seen("record.note == 'x'"), "(true(r.done) ? r.note : null) = 'x'");
    assert_eq!(seen("record.note == null"), "null((true(r.done) ? r.note : null))");
    assert_eq!(
        seen("record.team.name == 'x'"),
        "{a1: Team r.team where true(a1.open): a1.name} = 'x'"
    );
    assert_eq!(
        seen("record.team.topic == null"),
        "(!(null({a1: Team r.team where true(a1.open): a1.id})) & null({a2: Team r.team where true(a2.open): a2.topic}))"
    );
    assert_eq!(
        seen("!(record.team.name == 'x')"),
        "{a1: Team r.team where true(a1.open): a1.name} <> 'x'"
    );
    assert_eq!(
        seen("auth.id in record.watchers"),
        "(true(r.done) & any [a1: Task.watchers of r.id] a1.id = AuthId)"
    );
    assert_eq!(
        seen("!(auth.id in record.watchers)"),
        "(true(r.done) & !(any [a1: Task.watchers of r.id] a1.id = AuthId))"
    );
    assert_eq!(
        seen("auth.id in record.team.members"),
        "any [a2: Team.members of {a1: Team r.team where (true(a1.open) & true(a1.id)): a1.id}] a2.id = AuthId"
    );
    assert_eq!(
        seen("record.owner.teams.exists(t, t.name == 'x')"),
        "any [a1: Team.members holding r.owner] (true(a1.open) & a1.name = 'x')"
    );
}

#[test]
fn decisions() {
    let decide = |source: &str, principal: &Principal| compile(source).decide(&MODEL, facts(principal));
    assert_eq!(decide("auth != null", &ann()), Decision::Always);
    assert_eq!(decide("auth != null", &Principal::Anonymous), Decision::Never);
    assert_eq!(
        decide("auth.id == record.owner", &Principal::Anonymous),
        Decision::Never
    );
    assert_eq!(decide("auth.id == record.owner", &ann()), Decision::Depends);
    assert_eq!(
        decide("'editor' in auth.roles || record.done", &ann()),
        Decision::Always
    );
    assert_eq!(decide("'boss' in auth.roles && record.done", &ann()), Decision::Never);
    assert_eq!(decide("before == null", &ann()), Decision::Depends);
    assert_eq!(
        decide("before == null || before.title == record.title", &ann()),
        Decision::Depends
    );
    assert_eq!(decide("auth.user.active", &ann()), Decision::Depends);
    assert_eq!(decide("1 / 0 == 1", &ann()), Decision::Never);
    assert_eq!(decide("1 / 0 == 1 || true", &ann()), Decision::Always);
}

#[test]
fn sort_terms() {
    let term = |source: &str, visibility: Option<&dyn Visibility>| {
        let scope = Scope {
            record: Some(task()),
            before: false,
            bare_fields: true,
        };
        let compiled = Expression::compile(source, scope, Expects::SortTerm, &MODEL).unwrap();
        let (principal, mut aliases) = (ann(), Aliases::default());
        let mut lowering = Lowering {
            model: &MODEL,
            facts: facts(&principal),
            root: Alias::ROOT,
            aliases: &mut aliases,
            visibility,
            before: Before::Record,
        };
        let term = compiled.term(&mut lowering).unwrap();
        shown(&Pred::IsNull(term))
    };
    assert_eq!(term("title", None), "null(r.title)");
    assert_eq!(term("team.name", None), "null({a1: Team r.team: a1.name})");
    assert_eq!(
        term("team.name", Some(&Hiding)),
        "null({a1: Team r.team where true(a1.open): a1.name})"
    );
}

#[test]
fn what_would_grow_without_bounds_is_refused() {
    let mut source = "record.big".to_owned();
    for _ in 0..12 {
        source = format!("({source} + record.total)");
    }
    let refused = lowered(&format!("{source} > 1"), &ann(), None, Before::Record);
    assert_eq!(
        refused,
        "error: this grows too large for a database to ask; write it in a simpler way"
    );
}
