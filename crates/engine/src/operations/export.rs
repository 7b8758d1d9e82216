//! All records of a collection, in the order of their keys: what [`Engine::import`] takes.
//!
//! For the operator, an administrator like any other: private fields are part of it, and so are to-many fields. It walks
//! by key and holds one page; what is written meanwhile may or may not be in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::access::Permit;
use crate::error::Error;
use crate::model::{Field, FieldKind, Model, Row, Value};
use crate::operations::Ctx;
use crate::pipeline::{Engine, Moment};
use crate::query::{Alias, Freshness, Item, ListPlan, Nested, Pred, Projection, Shape, SortKey, Term};

/// Records of one to-many field that a file can hold.
pub(crate) const LINKS_MAX: usize = 10_000;
/// Records in one page.
const PAGE: u32 = 1000;
/// How long one page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// An export under way. It holds on to the model that it began with: when the schema changes, it fails.
pub struct Export<'e> {
    engine: &'e Engine,
    ctx: Ctx,
    moment: Moment,
    projection: Arc<Projection>,
    /// The last key seen.
    after: Option<Vec<Value>>,
    is_over: bool,
}

impl Engine {
    /// Begins an export of a collection, named by its path or type.
    ///
    /// # Errors
    /// The collection is unknown, or the caller is no administrator.
    pub fn export(&self, ctx: &Ctx, collection: &str) -> Result<Export<'_>, Error> {
        let moment = self.moment();
        let target = moment.collection(collection)?;
        if !ctx.principal.is_administrator() {
            let grants = moment.grants(ctx, "list");
            return Err(grants.denied(&format!("export {}", target.path)));
        }
        let items = target.fields.iter().filter_map(item).collect();
        let projection = Arc::new(Projection {
            collection: target.id,
            items,
        });
        Ok(Export {
            engine: self,
            ctx: ctx.clone(),
            moment,
            projection,
            after: None,
            is_over: false,
        })
    }
}

/// What is in a file of a field; of the other end of a relation nothing.
fn item(field: &Field) -> Option<Item> {
    let shape = match field.kind {
        FieldKind::Value(_) | FieldKind::Reference { .. } => Shape::Value,
        FieldKind::Links { .. } => Shape::Many(Box::new(Nested {
            guard: Pred::Const(true),
            projection: None,
            is_key: false,
            limit: u32::try_from(LINKS_MAX).unwrap_or(u32::MAX - 1),
        })),
        FieldKind::Inverse { .. } => return None,
    };
    Some(Item {
        field: field.id,
        visible: Pred::Const(true),
        shape,
    })
}

impl Export<'_> {
    pub fn model(&self) -> &Model {
        &self.moment.model
    }

    /// What the rows hold.
    pub fn projection(&self) -> &Projection {
        &self.projection
    }

    /// The next records; none after the last.
    ///
    /// # Errors
    /// The database can't be asked, or a record has too many others in one field.
    pub async fn next(&mut self) -> Result<Vec<Row>, Error> {
        if self.is_over {
            return Ok(Vec::new());
        }
        let collection = self.moment.model.collection(self.projection.collection);
        let key = |field: &crate::model::FieldId| SortKey {
            term: Term::Field(Alias::ROOT, *field),
            descending: false,
        };
        let plan = ListPlan {
            collection: collection.id,
            guard: Pred::Const(true),
            sort: collection.key.iter().map(key).collect(),
            after: self.after.take(),
            limit: PAGE,
            count: false,
            projection: self.projection.clone(),
            as_json: false,
            bindings: self.moment.bindings(&self.ctx),
            freshness: Freshness::Latest,
            deadline: Instant::now() + PAGE_TIMEOUT,
        };
        let page = self
            .engine
            .store()
            .list(Permit::seal(plan, self.moment.model.epoch))
            .await;
        let grants = self.moment.grants(&self.ctx, "list");
        let page = page.map_err(|error| self.engine.failed(&grants, error))?;
        self.is_over = page.next.is_none();
        self.after = page.next;
        Ok(page.rows.into_values())
    }
}
