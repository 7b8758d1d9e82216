//! A page of a collection: filtered, sorted, keyed by a cursor.

use std::sync::Arc;
use std::time::Instant;

use crate::access::{Grants, Operation, Permit};
use crate::error::Error;
use crate::expr::{Aliases, Before, Decision, Expression, Lowering};
use crate::model::{Collection, FieldKind, Model, Scalar, ValueType};
use crate::operations::cursor::Binding;
use crate::operations::expressions::Role;
use crate::operations::get::SharedShape;
use crate::operations::shape::{askable, shape, unknown_field};
use crate::operations::{Ctx, JsonPage, ListReply, ListRequest, slow};
use crate::pipeline::{Engine, Moment};
use crate::query::json::{RECORD_BYTES, write_rows};
use crate::query::{Alias, Freshness, ListPlan, Page, Pred, Projection, Rows, SortKey, Term};

/// Terms of a sort.
const SORT_KEYS_MAX: usize = 8;

impl Engine {
    pub async fn list(&self, ctx: &Ctx, request: &ListRequest) -> Result<ListReply, Error> {
        self.retrying(|moment| async move { Ok(self.page(ctx, &moment, request).await?.1) })
            .await
    }

    /// The same as JSON, for whom it is the answer as it stands: no value is made of what goes straight from the database
    /// into the text.
    pub async fn list_json(&self, ctx: &Ctx, request: &ListRequest) -> Result<JsonPage, Error> {
        self.retrying(|moment| async move {
            let (_, found) = self.find(ctx, &moment, request, true).await?;
            let items = match found.rows {
                Rows::Json(items) => items,
                Rows::Values(rows) => {
                    let mut items = Vec::with_capacity(RECORD_BYTES * rows.len());
                    write_rows(&mut items, &moment.model, &found.projection, &rows);
                    items
                }
            };
            Ok(JsonPage {
                items,
                next: found.next,
                total: found.total,
            })
        })
        .await
    }

    /// The page, and what it was asked with.
    pub(crate) async fn page(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        request: &ListRequest,
    ) -> Result<(Question, ListReply), Error> {
        let (question, found) = self.find(ctx, moment, request, false).await?;
        let reply = ListReply {
            model: moment.model.clone(),
            projection: found.projection,
            rows: found.rows.into_values(),
            next: found.next,
            total: found.total,
        };
        Ok((question, reply))
    }

    async fn find(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        request: &ListRequest,
        as_json: bool,
    ) -> Result<(Question, Found), Error> {
        let collection = moment.collection(&request.collection)?;
        let grants = moment.grants(ctx, "list");
        if grants.decide(collection, Operation::Read) == Decision::Never && !mutant!(ReadRule) {
            return Err(grants.denied(&format!("list {}", collection.path)));
        }
        let limit = page_limit(request.limit, self.limits().page_default, self.limits().page_max)?;
        let question = self.question(&grants, collection, request)?;
        let binding = Binding {
            key: self.cursor_key(),
            epoch: moment.model.epoch,
            principal: &ctx.principal,
            request,
        };
        let after = request
            .cursor
            .as_deref()
            .map(|cursor| binding.open(cursor, &question.sort_types))
            .transpose()?;
        let shaped = SharedShape::from(shape(&grants, self.limits(), collection, &request.shape)?);
        let plan = ListPlan {
            collection: collection.id,
            guard: question.guard.clone(),
            sort: question.sort.clone(),
            after,
            limit,
            count: request.count,
            projection: shaped.projection.clone(),
            as_json,
            bindings: moment.bindings(ctx),
            freshness: self.freshness(ctx),
            deadline: ctx.deadline,
        };
        let began = Instant::now();
        let page = self.store().list(Permit::seal(plan, moment.model.epoch)).await;
        let took = began.elapsed();
        if self.slow_queries().are_like(took) {
            let (guard, sort) = (question.guard.clone(), question.sort.clone());
            let plan = ListPlan {
                collection: collection.id,
                guard,
                sort,
                after: None,
                limit,
                count: false,
                projection: shaped.projection.clone(),
                as_json,
                bindings: moment.bindings(ctx),
                freshness: Freshness::Latest,
                deadline: Instant::now() + slow::ADVICE_PATIENCE,
            };
            self.tell_slow(moment, request, plan, took).await;
        }
        let Page { rows, next, total } = page.map_err(|error| self.failed(&grants, error))?;
        let found = Found {
            projection: shaped.projection,
            rows,
            next: next.map(|position| binding.seal(&position)),
            total,
        };
        Ok((question, found))
    }

    /// Filter and sort, under the caller's rights.
    pub(crate) fn question(
        &self,
        grants: &Grants<'_>,
        collection: &Collection,
        request: &ListRequest,
    ) -> Result<Question, Error> {
        let filter = request.filter.as_deref().filter(|source| !source.is_empty());
        let filter = filter.map(|source| self.compiled_filter(grants.model, collection, source));
        let filter = filter.transpose()?;
        // Filter, rule and sort end up in one statement: their aliases must not meet.
        let mut aliases = Aliases::default();
        let rule = if mutant!(ReadRule) {
            Pred::Const(true)
        } else {
            grants.predicate(collection, Operation::Read, Alias::ROOT, &mut aliases)?
        };
        let asked = match &filter {
            None => Pred::Const(true),
            Some(filter) => filter
                .predicate(&mut lowering(grants, &mut aliases))
                .map_err(|error| unsayable("filter", &error))?,
        };
        let keys = self.sort_keys(grants, collection, request.sort.as_deref(), &mut aliases)?;
        let (sort, sort_types) = keys.into_iter().unzip();
        Ok(Question {
            guard: Pred::and([rule, asked]),
            sort,
            sort_types,
            filter,
        })
    }

    pub(crate) fn compiled_filter(
        &self,
        model: &Model,
        collection: &Collection,
        source: &str,
    ) -> Result<Arc<Expression>, Error> {
        let limit = self.limits().filter_bytes_max;
        if source.len() > limit {
            return Err(Error::parameter("filter", "too_long", format!("at most {limit} bytes")));
        }
        self.expressions().compile(model, collection, Role::Filter, source)
    }

    /// The order that was asked for, made total by the key, and what each of its values is.
    fn sort_keys(
        &self,
        grants: &Grants<'_>,
        collection: &Collection,
        sort: Option<&str>,
        aliases: &mut Aliases,
    ) -> Result<Vec<(SortKey, Scalar)>, Error> {
        let mut keys: Vec<(SortKey, Scalar)> = Vec::new();
        let sort = sort.map(str::trim).filter(|sort| !sort.is_empty());
        let parts = sort.iter().flat_map(|sort| sort.split(',')).map(str::trim);
        for (index, part) in parts.enumerate() {
            if index == SORT_KEYS_MAX && !unlimited!(SortTerms) {
                return Err(Error::parameter(
                    "sort",
                    "too_many",
                    format!("at most {SORT_KEYS_MAX} fields"),
                ));
            }
            let (descending, path) = match part.strip_prefix('-') {
                Some(path) => (true, path),
                None => (false, part.strip_prefix('+').unwrap_or(part)),
            };
            check_sort_path(collection, path)?;
            let expression = self.expressions().compile(grants.model, collection, Role::Sort, path)?;
            let term = expression
                .term(&mut lowering(grants, aliases))
                .map_err(|error| unsayable("sort", &error))?;
            // What is sorted by twice is decided the first time.
            if !keys.iter().any(|(key, _)| key.term == term) {
                let ty = expression.scalar(grants.model).unwrap_or(Scalar::Json);
                keys.push((SortKey { term, descending }, ty));
            }
        }
        let descending = keys.last().is_some_and(|(last, _)| last.descending);
        for field in &collection.key {
            let term = Term::Field(Alias::ROOT, *field);
            if !keys.iter().any(|(key, _)| key.term == term) {
                keys.push((
                    SortKey { term, descending },
                    stored_as(grants.model, &collection.field(*field).kind),
                ));
            }
        }
        Ok(keys)
    }
}

/// The type of a key's field, which may itself be a reference to a record with a key of any type.
fn stored_as(model: &Model, kind: &FieldKind) -> Scalar {
    match kind {
        FieldKind::Value(ValueType::Scalar(ty)) => *ty,
        FieldKind::Reference { target, .. } => {
            let target = model.collection(*target);
            let key = target.key.first().map(|key| &target.field(*key).kind);
            key.map_or(Scalar::Id, |kind| stored_as(model, kind))
        }
        FieldKind::Value(_) | FieldKind::Links { .. } | FieldKind::Inverse { .. } => Scalar::String,
    }
}

/// What a list request came to.
struct Found {
    projection: Arc<Projection>,
    rows: Rows,
    next: Option<String>,
    total: Option<u64>,
}

/// A list request, settled.
pub(crate) struct Question {
    pub(crate) guard: Pred,
    pub(crate) sort: Vec<SortKey>,
    pub(crate) sort_types: Vec<Scalar>,
    pub(crate) filter: Option<Arc<Expression>>,
}

fn lowering<'a>(grants: &'a Grants<'a>, aliases: &'a mut Aliases) -> Lowering<'a> {
    Lowering {
        model: grants.model,
        facts: grants.facts,
        root: Alias::ROOT,
        aliases,
        visibility: Some(grants),
        before: Before::Record,
    }
}

fn unsayable(parameter: &'static str, error: &crate::expr::ExprError) -> Error {
    Error::parameter(parameter, "bad_expression", error.message.clone())
}

pub(crate) fn page_limit(asked: Option<u32>, default: u32, max: u32) -> Result<u32, Error> {
    match asked {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(_) => Err(Error::parameter(
            "limit",
            "out_of_range",
            format!("a number from 1 to {max}"),
        )),
    }
}

/// A sort names fields, not expressions.
fn check_sort_path(collection: &Collection, path: &str) -> Result<(), Error> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !path.split('.').all(is_name) {
        return Err(Error::parameter(
            "sort",
            "malformed",
            "field names separated by commas, `-` for descending",
        ));
    }
    let first = path.split('.').next().unwrap_or_default();
    if first != "record" && askable(collection, first).is_none() {
        return Err(unknown_field("sort", collection, first));
    }
    Ok(())
}
