//! Predicates as expressions of an aggregation.
//!
//! A [`Pred`] is two-valued, and so is what is written here: null is less than every value in BSON's order and equal to itself, so
//! each comparison sees to it that nulls make it false.

use engine::Model;
use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, CollectionId, FieldId, Scalar, Value};
use engine::query::{Alias, Bindings, Comparison, Image, Param, Pred, Set, Term, TextTest};
use mongodb::bson::{Bson, Document, bson, doc};

use super::json;
use super::links::Links;
use super::path::{self, ID};
use super::scope::{ITEM, Level, Scope, Source};
use super::walk;
use crate::system;

/// What a statement is written for.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) model: &'a Model,
    pub(crate) bindings: &'a Bindings,
    /// The row as it was before the change: its collection and image.
    pub(crate) before: Option<(&'a Collection, &'a Image)>,
    /// What `Pred::Captured` means.
    pub(crate) captured: &'a [bool],
}

impl<'a> Frame<'a> {
    pub(crate) fn reading(model: &'a Model, bindings: &'a Bindings) -> Self {
        Self {
            model,
            bindings,
            before: None,
            captured: &[],
        }
    }
}

/// Writes one statement.
pub(super) struct Compiler<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) scope: Scope<'a>,
    /// How what comes of it is read.
    pub(super) columns: Vec<Kind>,
    pub(super) projected: Document,
}

/// An operand that may be written more than once.
pub(super) fn is_simple(expression: &Bson) -> bool {
    match expression {
        Bson::Document(document) => document.len() == 1 && document.contains_key("$literal"),
        Bson::Array(_) => false,
        _ => true,
    }
}

/// True of everything but null and what is missing.
pub(super) fn has_value(expression: &Bson) -> Bson {
    bson!({ "$gt": [expression.clone(), Bson::Null] })
}

/// Binds what is not simple to names, so that it is evaluated once.
pub(super) fn bound<const N: usize>(operands: [(&str, Bson); N], write: impl FnOnce([Bson; N]) -> Bson) -> Bson {
    let mut variables = Document::new();
    let operands = operands.map(|(name, operand)| {
        if is_simple(&operand) {
            return operand;
        }
        variables.insert(name, operand);
        Bson::String(format!("$${name}"))
    });
    let written = write(operands);
    if variables.is_empty() {
        written
    } else {
        bson!({ "$let": { "vars": variables, "in": written } })
    }
}

impl<'a> Compiler<'a> {
    /// For a statement over the rows of `root`.
    pub(super) fn new(frame: Frame<'a>, root: &'a Collection) -> Self {
        let source = Source::Row {
            level: 0,
            collection: root,
        };
        Self::over(frame, source)
    }

    fn over(frame: Frame<'a>, source: Source<'a>) -> Self {
        let mut scope = Scope::default();
        scope.levels.push(Level::default());
        scope.enter(Alias::ROOT, source);
        Self {
            frame,
            scope,
            columns: Vec::new(),
            projected: Document::new(),
        }
    }

    pub(super) fn collection(&self, id: CollectionId) -> &'a Collection {
        self.frame.model.collection(id)
    }

    pub(super) fn stage(&mut self, stage: Document) {
        self.scope.level().stages.push(stage);
    }

    /// Lets only those documents on of which the predicate is true. What needs no other collection is looked at first.
    pub(super) fn filter(&mut self, pred: &'a Pred) {
        let parts = match pred {
            Pred::Const(true) => return,
            Pred::And(parts) => parts.as_slice(),
            pred => std::slice::from_ref(pred),
        };
        let (near, far): (Vec<_>, Vec<_>) = parts.iter().partition(|part| !walk::looks_up(part));
        // One document where it can be: not every planner looks into `$and`.
        let mut conditions = Document::new();
        let mut others = Vec::new();
        let mut rest = Vec::new();
        for part in near {
            match self.plain(part) {
                Some((path, condition)) if conditions.contains_key(&path) => others.push(bson!({ path: condition })),
                Some((path, condition)) => {
                    conditions.insert(path, condition);
                }
                None => rest.push(self.pred(part)),
            }
        }
        if !others.is_empty() {
            conditions.insert("$and", others);
        }
        if !rest.is_empty() {
            conditions.insert("$expr", joined("$and", rest));
        }
        if !conditions.is_empty() {
            self.stage(doc! { "$match": conditions });
        }
        for part in far {
            let condition = self.pred(part);
            self.stage(doc! { "$match": { "$expr": condition } });
        }
    }

    /// A condition in the language of `find`, which indexes serve best: of one field and a value that isn't null.
    fn plain(&mut self, pred: &Pred) -> Option<(String, Document)> {
        let (operator, term, value) = match pred {
            Pred::Compare(Comparison::Ne, ..) => return None,
            Pred::Compare(comparison, field, value) if self.is_known(value) => (*comparison, field, value),
            Pred::Compare(comparison, value, field) if self.is_known(value) => (comparison.mirrored(), field, value),
            Pred::Same(field, value) if self.is_known(value) => (Comparison::Eq, field, value),
            Pred::Same(value, field) if self.is_known(value) => (Comparison::Eq, field, value),
            _ => return None,
        };
        let Term::Field(alias, field) = term else { return None };
        let Source::Row { level, collection } = self.scope.source(*alias) else {
            return None;
        };
        if level != self.scope.depth() {
            return None;
        }
        let value = super::encode(&self.known(value)?);
        if value == Bson::Null {
            return None;
        }
        let path = path::of(collection, collection.field(*field));
        Some((path, doc! { operation(operator): value }))
    }

    fn is_known(&self, term: &Term) -> bool {
        self.known(term).is_some()
    }

    /// A scalar that is known when the statement is written.
    fn known(&self, term: &Term) -> Option<Value> {
        match term {
            Term::Const(Value::List(_) | Value::Json(_)) | Term::Param(Param::AuthRoles) => None,
            Term::Const(value) => Some(value.clone()),
            Term::Param(Param::Before(field)) => Some(self.before(*field)),
            Term::Param(param) => self.frame.bindings.value(*param),
            _ => None,
        }
    }

    pub(super) fn before(&self, field: FieldId) -> Value {
        let (collection, image) = self.frame.before.expect("`before` comes with an update");
        let slot = collection.slot(field).expect("only stored fields have a value before");
        image.0[slot].clone()
    }

    pub(super) fn pred(&mut self, pred: &'a Pred) -> Bson {
        match pred {
            Pred::Const(truth) => Bson::Boolean(*truth),
            Pred::And(parts) => self.all("$and", parts),
            Pred::Or(parts) => self.all("$or", parts),
            Pred::Not(inner) => {
                let inner = self.pred(inner);
                bson!({ "$not": [inner] })
            }
            Pred::Compare(comparison, left, right) => self.compare(*comparison, left, right),
            Pred::Same(left, right) => {
                let operands = [left, right].map(|term| {
                    let is_certain = self.is_certain(term);
                    let operand = self.term(term);
                    // What is missing is not the same as null.
                    if is_certain {
                        operand
                    } else {
                        bson!({ "$ifNull": [operand, Bson::Null] })
                    }
                });
                bson!({ "$eq": operands.to_vec() })
            }
            Pred::IsNull(term) => {
                let operand = self.term(term);
                bson!({ "$lte": [operand, Bson::Null] })
            }
            Pred::InList(item, list) => self.in_list(item, list),
            Pred::Text(test, text, needle) => {
                let (text, needle) = (self.term(text), self.term(needle));
                text_test(*test, text, needle)
            }
            Pred::Truth(term) => {
                let operand = self.term(term);
                bson!({ "$eq": [operand, true] })
            }
            Pred::Any(set, inner) => self.any(set, inner),
            Pred::Captured(index) => {
                let captured = self.frame.captured.get(usize::from(*index)).copied();
                Bson::Boolean(captured.expect("what a plan refers to it has captured"))
            }
        }
    }

    fn all(&mut self, operator: &str, parts: &'a [Pred]) -> Bson {
        let parts = parts.iter().map(|part| self.pred(part)).collect();
        joined(operator, parts)
    }

    /// Whether the term is never null.
    fn is_certain(&self, term: &Term) -> bool {
        match term {
            Term::Field(alias, field) => match self.scope.source(*alias) {
                Source::Row { collection, .. } => collection.field(*field).required || collection.key.contains(field),
                Source::Link { .. } => true,
                Source::Item { .. } | Source::Bound { .. } => false,
            },
            Term::Count(..) | Term::Bool(_) => true,
            other => self.known(other).is_some_and(|value| !value.is_null()),
        }
    }

    fn compare(&mut self, comparison: Comparison, left: &'a Term, right: &'a Term) -> Bson {
        let certain = [self.is_certain(left), self.is_certain(right)];
        let operands = [("a", self.term(left)), ("b", self.term(right))];
        bound(operands, |[left, right]| {
            // A null is less than any value: some comparisons with one are false by themselves.
            let guards = match comparison {
                Comparison::Eq => [!certain[0] && !certain[1], false],
                Comparison::Ne => [!certain[0], !certain[1]],
                Comparison::Lt | Comparison::Le => [!certain[0], false],
                Comparison::Gt | Comparison::Ge => [false, !certain[1]],
            };
            let mut parts = Vec::new();
            if guards[0] {
                parts.push(has_value(&left));
            }
            if guards[1] {
                parts.push(has_value(&right));
            }
            parts.push(bson!({ operation(comparison): [left, right] }));
            joined("$and", parts)
        })
    }

    fn in_list(&mut self, item: &'a Term, list: &'a Term) -> Bson {
        let scalar = self.kind(item).scalar();
        let item = self.term(item);
        if let Some(values) = self.constant_list(list) {
            let values: Vec<Bson> = values
                .iter()
                .filter(|value| !value.is_null())
                .map(super::encode)
                .collect();
            return bson!({ "$in": [item, { "$literal": values }] });
        }
        let list = self.term(list);
        let items = json::items(list, scalar);
        bound([("a", item)], |[item]| {
            let has_value = has_value(&item);
            bson!({ "$and": [has_value, { "$in": [item, items] }] })
        })
    }

    /// The items of a list that is known when the statement is written.
    fn constant_list(&self, list: &'a Term) -> Option<&'a [Value]> {
        match list {
            Term::Const(Value::List(values)) => Some(values),
            Term::Const(Value::Null) => Some(&[]),
            Term::Param(Param::AuthRoles) => match &self.frame.bindings.auth_roles {
                Value::List(roles) => Some(roles),
                _ => Some(&[]),
            },
            _ => None,
        }
    }

    fn any(&mut self, set: &'a Set, inner: &'a Pred) -> Bson {
        if let Set::Items { of, item, alias } = set
            && !walk::looks_up(inner)
        {
            let truths = self.mapped(of, *item, *alias, |compiler| compiler.pred(inner));
            return bson!({ "$anyElementTrue": [truths] });
        }
        let name = self.members(set, inner, doc! { "$limit": 1_i64 });
        bson!({ "$gt": [{ "$size": format!("${name}") }, 0_i64] })
    }

    pub(super) fn count(&mut self, set: &'a Set, inner: &'a Pred) -> Bson {
        if let Set::Items { of, item, alias } = set
            && !walk::looks_up(inner)
        {
            let ones = self.mapped(of, *item, *alias, |compiler| {
                let truth = compiler.pred(inner);
                bson!({ "$cond": [truth, 1_i64, 0_i64] })
            });
            return bson!({ "$sum": ones });
        }
        let name = self.members(
            set,
            inner,
            doc! { "$group": { ID: Bson::Null, "n": { "$sum": 1_i64 } } },
        );
        first(&name, "n", Bson::Int64(0))
    }

    /// An expression of each item of a list.
    fn mapped(&mut self, of: &'a Term, item: Scalar, alias: Alias, write: impl FnOnce(&mut Self) -> Bson) -> Bson {
        let items = self.list(of, item);
        self.scope.enter(alias, Source::Bound { item });
        let written = write(self);
        self.scope.leave();
        bson!({ "$map": { "input": items, "as": format!("i{}", alias.0), "in": written } })
    }

    /// The items as values of their type.
    fn list(&mut self, of: &'a Term, item: Scalar) -> Bson {
        match self.constant_list(of) {
            Some(values) => {
                let values: Vec<Bson> = values.iter().map(super::encode).collect();
                bson!({ "$literal": values })
            }
            None => json::items(self.term(of), item),
        }
    }

    /// The members of a set for which `inner` holds, cut down by `last`: the name under which they are found.
    fn members(&mut self, set: &'a Set, inner: &'a Pred, last: Document) -> String {
        match set {
            Set::Links {
                of,
                collection,
                field,
                alias,
            } => {
                let links = Links::of(self.collection(*collection), *field);
                let member = self.collection(links.target);
                let columns = (links.source_column, links.target_column);
                self.linked(of, links.table, columns, (member, *alias), inner, last)
            }
            Set::LinkedFrom {
                of,
                collection,
                field,
                alias,
            } => {
                let member = self.collection(*collection);
                let links = Links::of(member, *field);
                let columns = (links.target_column, links.source_column);
                self.linked(of, links.table, columns, (member, *alias), inner, last)
            }
            Set::Referencing {
                of,
                collection,
                field,
                alias,
            } => {
                let member = self.collection(*collection);
                let path = path::of(member, member.field(*field));
                let source = |level| Source::Row {
                    level,
                    collection: member,
                };
                self.joined(of, &member.table, &path, (*alias, &source), |compiler| {
                    compiler.filter(inner);
                    compiler.stage(last);
                })
            }
            Set::Items { of, item, alias } => {
                let items = self.list(of, *item);
                self.begin(*alias, |level| Source::Item { level, item: *item });
                self.scope.level().variables.insert("items", items);
                self.stage(doc! { "$project": { ID: 0, ITEM: "$$items" } });
                self.stage(doc! { "$unwind": format!("${ITEM}") });
                self.filter(inner);
                self.stage(last);
                self.end(system::ONE, None)
            }
        }
    }

    /// Members behind links; their own collection is joined only where more than their key is read.
    fn linked(
        &mut self,
        of: &'a Term,
        table: &str,
        (near, far): (&'a str, &'a str),
        (member, alias): (&'a Collection, Alias),
        inner: &'a Pred,
        last: Document,
    ) -> String {
        if walk::reads_beyond_key(inner, alias, key_field(member).id) {
            let source = |level| Source::Row {
                level,
                collection: member,
            };
            return self.joined(of, table, near, (alias, &source), |compiler| {
                compiler.follow(far, member);
                compiler.filter(inner);
                compiler.stage(last);
            });
        }
        let source = |level| Source::Link {
            level,
            collection: member,
            column: far,
        };
        self.joined(of, table, near, (alias, &source), |compiler| {
            compiler.filter(inner);
            compiler.stage(last);
        })
    }

    /// From links to what they lead to.
    pub(super) fn follow(&mut self, far: &str, member: &Collection) {
        self.stage(doc! { "$lookup": { "from": &member.table, "localField": far, "foreignField": ID, "as": "_m" } });
        self.stage(doc! { "$unwind": "$_m" });
        self.stage(doc! { "$replaceWith": "$_m" });
    }

    /// The documents of `from` whose `foreign` is the value of `key`, through the pipeline that `write` writes.
    pub(super) fn joined(
        &mut self,
        key: &'a Term,
        from: &str,
        foreign: &str,
        (alias, source): (Alias, &dyn Fn(usize) -> Source<'a>),
        write: impl FnOnce(&mut Self),
    ) -> String {
        let key = self.term(key);
        let local = match &key {
            Bson::String(path) => path.strip_prefix('$').filter(|path| !path.starts_with('$')),
            _ => None,
        };
        let join = local.map(|local| (local.to_owned(), foreign.to_owned()));
        self.begin(alias, source);
        if join.is_none() {
            self.scope.level().variables.insert("key", key);
            self.stage(doc! { "$match": { "$expr": { "$eq": [format!("${foreign}"), "$$key"] } } });
        }
        if foreign != ID {
            // A null on either side leads nowhere.
            self.stage(doc! { "$match": { foreign: { "$ne": Bson::Null } } });
        }
        write(self);
        self.end(from, join)
    }

    fn begin(&mut self, alias: Alias, source: impl FnOnce(usize) -> Source<'a>) {
        self.scope.levels.push(Level::default());
        let level = self.scope.depth();
        self.scope.enter(alias, source(level));
    }

    fn end(&mut self, from: &str, join: Option<(String, String)>) -> String {
        self.scope.leave();
        self.scope.close(from, join)
    }
}

/// A field of the first of the documents that a `$lookup` has found. A path through an array would do on MongoDB, though not on
/// all that speaks like it.
pub(super) fn first(found: &str, field: &str, otherwise: Bson) -> Bson {
    let first = bson!({ "$first": format!("${found}") });
    let field = bson!({ "$let": { "vars": { "first": first }, "in": format!("$$first.{field}") } });
    bson!({ "$ifNull": [field, otherwise] })
}

/// One by itself needs no operator.
pub(super) fn joined(operator: &str, mut parts: Vec<Bson>) -> Bson {
    if parts.len() == 1 {
        parts.swap_remove(0)
    } else {
        bson!({ operator: parts })
    }
}

pub(super) fn operation(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "$eq",
        Comparison::Ne => "$ne",
        Comparison::Lt => "$lt",
        Comparison::Le => "$lte",
        Comparison::Gt => "$gt",
        Comparison::Ge => "$gte",
    }
}

fn text_test(test: TextTest, text: Bson, needle: Bson) -> Bson {
    if test == TextTest::Matches {
        let needle = match &needle {
            Bson::Document(literal) => literal.get_str("$literal").unwrap_or_default(),
            needle => needle.as_str().unwrap_or_default(),
        };
        let pattern = whole_end(needle);
        return bson!({ "$regexMatch": { "input": text, "regex": { "$literal": pattern } } });
    }
    bound([("a", text), ("b", needle)], |[text, needle]| {
        let there = [has_value(&text), has_value(&needle)];
        let found = match test {
            TextTest::StartsWith => bson!({ "$eq": [{ "$indexOfCP": [text, needle] }, 0] }),
            TextTest::Contains | TextTest::Matches => bson!({ "$gte": [{ "$indexOfCP": [text, needle] }, 0] }),
            TextTest::EndsWith => {
                let length = bson!({ "$strLenCP": needle.clone() });
                let begin = bson!({ "$subtract": [{ "$strLenCP": text.clone() }, length.clone()] });
                // What is longer than the text has no place in it.
                let from = bson!({ "$max": [begin.clone(), 0] });
                bson!({ "$and": [
                    { "$gte": [begin, 0] },
                    { "$eq": [{ "$substrCP": [text, from, length] }, needle] },
                ] })
            }
        };
        let [text, needle] = there;
        bson!({ "$cond": [{ "$and": [text, needle] }, found, false] })
    })
}

/// In MongoDB's patterns `$` stands before a line break at the end, too; here it is the very end.
fn whole_end(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let (mut escaped, mut in_class) = (false, false);
    for letter in pattern.chars() {
        match letter {
            '$' if !escaped && !in_class => written.push_str("(?![\\s\\S])"),
            letter => written.push(letter),
        }
        match letter {
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_anchor_is_written_anew() {
        let check = |pattern: &str, expected: &str| assert_eq!(whole_end(pattern), expected);
        check("^a$", "^a(?![\\s\\S])");
        check(r"\$[$]\\$", r"\$[$]\\(?![\s\S])");
        check("[^\\]$]", "[^\\]$]");
    }
}
