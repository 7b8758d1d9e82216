//! Which rules decide about an operation, what they come to for a caller, and how the store goes about it.
//!
//! For the operator, an administrator like any other, who asks on behalf of somebody: rules are the operator's to see, but
//! what is read is read under the caller's own.

use crate::access::{Grants, Operation, Permit, Principal};
use crate::error::Error;
use crate::expr::{Anatomy, Decision};
use crate::model::{Collection, CollectionId, FieldRule, Key};
use crate::operations::get::SharedShape;
use crate::operations::list::page_limit;
use crate::operations::shape::shape;
use crate::operations::{Ctx, ListRequest};
use crate::pipeline::{Engine, Moment};
use crate::query::{
    Freshness, GetPlan, Item, JudgePlan, Judgement, ListPlan, Pred, Projection, Question, Refusal, Shape, Trace,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Get,
    List,
    Create,
    Update,
    Delete,
}

#[derive(Debug, Clone)]
pub struct ExplainRequest {
    pub asked: Asked,
    /// Whose rights decide.
    pub caller: Principal,
    /// One record, for what is about one.
    pub key: Option<String>,
    /// The collection and what a list may say; of other operations `fields` and `expand`.
    pub list: ListRequest,
}

/// A rule, and what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleExplained {
    /// `read`, `create`, `update`, `delete`.
    pub operation: &'static str,
    /// The type's name.
    pub collection: String,
    /// Where it is a field's own rule.
    pub field: Option<String>,
    /// As written in the schema; none where nothing is written, which grants to administrators alone.
    pub source: Option<String>,
    pub decision: Decision,
    pub anatomy: Option<Anatomy>,
    /// What comes of it where it doesn't hold.
    pub otherwise: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The type's name.
    pub collection: String,
    /// In the order in which they are asked.
    pub rules: Vec<RuleExplained>,
    /// None where the rules alone end it, and for a create: it asks for nothing before it writes.
    pub trace: Option<Trace>,
}

impl Engine {
    /// # Errors
    /// The caller is no administrator, or what is asked can't be.
    pub async fn explain(&self, ctx: &Ctx, request: &ExplainRequest) -> Result<Explanation, Error> {
        let moment = self.moment();
        let collection = moment.collection(&request.list.collection)?;
        if !ctx.principal.is_administrator() {
            return Err(moment.grants(ctx, "list").denied("explain anything"));
        }
        let caller = Ctx {
            principal: request.caller.clone(),
            ..ctx.clone()
        };
        let key = request
            .key
            .as_deref()
            .map(|key| moment.key(collection, key))
            .transpose()?;
        let explainer = Explainer {
            engine: self,
            moment: &moment,
            ctx: &caller,
            grants: moment.grants(&caller, request.asked.name()),
            collection,
            key,
            request,
        };
        let mut rules = explainer.rules()?;
        explainer.judge(&mut rules).await?;
        let trace = match explainer.question()? {
            Some(question) => {
                let traced = self.store().explain(question).await;
                Some(traced.map_err(|error| self.failed(&explainer.grants, error))?)
            }
            None => None,
        };
        Ok(Explanation {
            collection: collection.name.clone(),
            rules,
            trace,
        })
    }
}

impl Asked {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

struct Explainer<'a> {
    engine: &'a Engine,
    moment: &'a Moment,
    /// The one who is asked about.
    ctx: &'a Ctx,
    grants: Grants<'a>,
    collection: &'a Collection,
    key: Option<Key>,
    request: &'a ExplainRequest,
}

impl Explainer<'_> {
    fn rules(&self) -> Result<Vec<RuleExplained>, Error> {
        let denied = if self.grants.facts.principal.is_anonymous() {
            "401: sign in"
        } else {
            "403: not allowed"
        };
        let unread = match self.request.asked {
            Asked::List => "left out of the list",
            Asked::Create => "204: written, but its writer doesn't get to see it",
            Asked::Get | Asked::Update | Asked::Delete => "404: as if it didn't exist",
        };
        let mut rules = Vec::new();
        let write = match self.request.asked {
            Asked::Get | Asked::List => None,
            Asked::Create => Some((Operation::Create, denied.to_owned())),
            Asked::Update => Some((
                Operation::Update,
                format!("{denied}; asked of the record as it is, and as it becomes"),
            )),
            Asked::Delete => Some((Operation::Delete, denied.to_owned())),
        };
        let mut read = self.rule(self.collection, Operation::Read, unread);
        if self.request.asked == Asked::List && read.decision == Decision::Never {
            denied.clone_into(&mut read.otherwise);
        }
        rules.push(read);
        if let Some((operation, otherwise)) = write {
            let place = if operation == Operation::Create { 0 } else { 1 };
            rules.insert(place, self.rule(self.collection, operation, &otherwise));
        }
        let shape = shape(
            &self.grants,
            self.engine.limits(),
            self.collection,
            &self.request.list.shape,
        )?;
        self.of_fields(self.collection, &mut rules);
        self.of_expansions(&shape.projection, &mut rules);
        self.of_hops(&mut rules)?;
        Ok(rules)
    }

    fn rule(&self, collection: &Collection, operation: Operation, otherwise: &str) -> RuleExplained {
        let rule = Grants::rule(collection, operation);
        RuleExplained {
            operation: operation.name(),
            collection: collection.name.clone(),
            field: None,
            source: rule.map(|rule| rule.source().to_owned()),
            decision: self.grants.decide(collection, operation),
            anatomy: rule.map(|rule| rule.anatomy(self.grants.model, self.grants.facts)),
            otherwise: otherwise.to_owned(),
        }
    }

    /// Rules of the fields that an answer holds.
    fn of_fields(&self, collection: &Collection, rules: &mut Vec<RuleExplained>) {
        for field in collection.fields.iter().filter(|field| !field.private) {
            let (source, anatomy) = match &field.read {
                FieldRule::Inherit => continue,
                FieldRule::Administrators => (None, None),
                FieldRule::Rule(rule) => (
                    Some(rule.source().to_owned()),
                    Some(rule.anatomy(self.grants.model, self.grants.facts)),
                ),
            };
            rules.push(RuleExplained {
                operation: Operation::Read.name(),
                collection: collection.name.clone(),
                field: Some(field.name.clone()),
                source,
                decision: self.grants.decide_field(&field.read),
                anatomy,
                otherwise: "the field is left out".to_owned(),
            });
        }
    }

    fn of_expansions(&self, projection: &Projection, rules: &mut Vec<RuleExplained>) {
        let collection = self.grants.model.collection(projection.collection);
        for Item { field, shape, .. } in &projection.items {
            let (Shape::One(nested) | Shape::Many(nested)) = shape else {
                continue;
            };
            let Some(target) = collection.field(*field).target() else {
                continue;
            };
            self.add_related(
                target,
                "the related record is left out, of a to-one field its id stays",
                rules,
            );
            if let Some(projection) = &nested.projection {
                self.of_expansions(projection, rules);
            }
        }
    }

    /// Rules of the collections that the caller's filter passes through.
    fn of_hops(&self, rules: &mut Vec<RuleExplained>) -> Result<(), Error> {
        let Some(filter) = self
            .request
            .list
            .filter
            .as_deref()
            .filter(|_| self.request.asked == Asked::List)
        else {
            return Ok(());
        };
        let compiled = self
            .engine
            .compiled_filter(self.grants.model, self.collection, filter)?;
        for passed in &compiled.reads().collections {
            self.add_related(*passed, "the filter doesn't see it: a field behind it is null", rules);
        }
        Ok(())
    }

    fn add_related(&self, related: CollectionId, otherwise: &str, rules: &mut Vec<RuleExplained>) {
        let related = self.grants.model.collection(related);
        let rule = self.rule(related, Operation::Read, otherwise);
        if !rules
            .iter()
            .any(|known| known.collection == rule.collection && known.field.is_none() && known.operation == "read")
        {
            rules.push(rule);
        }
    }

    /// Says of the record in question which parts of the collection's own rules hold.
    async fn judge(&self, rules: &mut [RuleExplained]) -> Result<(), Error> {
        let Some(key) = &self.key else { return Ok(()) };
        for rule in rules.iter_mut().filter(|rule| rule.collection == self.collection.name) {
            let Some(anatomy) = &mut rule.anatomy else { continue };
            for leaf in anatomy.leaves() {
                leaf.holds = match &leaf.predicate {
                    Some(Pred::Const(truth)) => Some(*truth),
                    Some(predicate) => Some(self.holds(key, predicate).await?),
                    None => None,
                };
            }
            anatomy.conclude();
        }
        Ok(())
    }

    async fn holds(&self, key: &Key, predicate: &Pred) -> Result<bool, Error> {
        let projection = Projection {
            collection: self.collection.id,
            items: Vec::new(),
        };
        let plan = GetPlan {
            collection: self.collection.id,
            key: key.clone(),
            guard: predicate.clone(),
            projection: projection.into(),
            bindings: self.moment.bindings(self.ctx),
            freshness: Freshness::Latest,
            deadline: self.ctx.deadline,
        };
        let found = self
            .engine
            .store()
            .get(Permit::seal(plan, self.moment.model.epoch))
            .await;
        Ok(found
            .map_err(|error| self.engine.failed(&self.grants, error))?
            .is_some())
    }

    /// What the store would be asked, if it came to that.
    fn question(&self) -> Result<Option<Question>, Error> {
        let epoch = self.moment.model.epoch;
        let read = self.grants.decide(self.collection, Operation::Read);
        match (self.request.asked, &self.key) {
            _ if read == Decision::Never && self.request.asked != Asked::Create => Ok(None),
            (Asked::Create, _) => Ok(None),
            (Asked::List, _) => Ok(Some(Question::List(Permit::seal(self.list()?, epoch)))),
            (_, None) => Ok(None),
            (Asked::Get, Some(key)) => {
                let shape = shape(
                    &self.grants,
                    self.engine.limits(),
                    self.collection,
                    &self.request.list.shape,
                )?;
                let plan = GetPlan {
                    collection: self.collection.id,
                    key: key.clone(),
                    guard: self.grants.read_guard(self.collection)?,
                    projection: SharedShape::from(shape).projection,
                    bindings: self.moment.bindings(self.ctx),
                    freshness: Freshness::Latest,
                    deadline: self.ctx.deadline,
                };
                Ok(Some(Question::Get(Permit::seal(plan, epoch))))
            }
            (Asked::Update, Some(key)) => Ok(Some(self.judged(key, Operation::Update)?)),
            (Asked::Delete, Some(key)) => Ok(Some(self.judged(key, Operation::Delete)?)),
        }
    }

    fn list(&self) -> Result<ListPlan, Error> {
        let (request, limits) = (&self.request.list, self.engine.limits());
        let question = self.engine.question(&self.grants, self.collection, request)?;
        let shape = shape(&self.grants, limits, self.collection, &request.shape)?;
        Ok(ListPlan {
            collection: self.collection.id,
            guard: question.guard,
            sort: question.sort,
            after: None,
            limit: page_limit(request.limit, limits.page_default, limits.page_max)?,
            count: request.count,
            projection: SharedShape::from(shape).projection,
            as_json: false,
            bindings: self.moment.bindings(self.ctx),
            freshness: Freshness::Latest,
            deadline: self.ctx.deadline,
        })
    }

    fn judged(&self, key: &Key, operation: Operation) -> Result<Question, Error> {
        let rule = self.grants.predicate(
            self.collection,
            operation,
            crate::query::Alias::ROOT,
            &mut crate::expr::Aliases::default(),
        )?;
        let judgements = [
            (self.grants.read_guard(self.collection)?, Refusal::NotFound),
            (rule, Refusal::Forbidden),
        ];
        let plan = JudgePlan {
            collection: self.collection.id,
            key: key.clone(),
            before: judgements
                .into_iter()
                .filter(|(holds, _)| *holds != Pred::Const(true))
                .map(|(holds, otherwise)| Judgement { holds, otherwise })
                .collect(),
            bindings: self.moment.bindings(self.ctx),
            deadline: self.ctx.deadline,
        };
        Ok(Question::Judge(Permit::seal(plan, self.moment.model.epoch)))
    }
}
