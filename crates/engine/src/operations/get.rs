//! One record by its key.

use std::sync::Arc;

use crate::access::{Grants, Operation, Permit};
use crate::error::Error;
use crate::expr::Decision;
use crate::model::{Collection, Key, Model, Row};
use crate::operations::etag;
use crate::operations::shape::{Shaped, shape};
use crate::operations::{Ctx, GetRequest, Reply, ShapeRequest};
use crate::pipeline::{Engine, Moment};
use crate::query::GetPlan;

impl Engine {
    pub async fn get(&self, ctx: &Ctx, request: &GetRequest) -> Result<Reply, Error> {
        self.retrying(|moment| async move {
            let collection = moment.collection(&request.collection)?;
            let grants = moment.grants(ctx, "get");
            refuse_unreadable(&grants, collection)?;
            let key = moment.key(collection, &request.key)?;
            let (row, shaped) = self
                .read_one(ctx, &moment, &grants, collection, key, &request.shape)
                .await?;
            let row = row.ok_or_else(Error::not_found)?;
            Ok(reply(&moment.model, shaped, row))
        })
        .await
    }

    /// A record as the caller may see it now.
    pub(crate) async fn read_one(
        &self,
        ctx: &Ctx,
        moment: &Moment,
        grants: &Grants<'_>,
        collection: &Collection,
        key: Key,
        request: &ShapeRequest,
    ) -> Result<(Option<Row>, SharedShape), Error> {
        let shaped = SharedShape::from(shape(grants, self.limits(), collection, request)?);
        let plan = GetPlan {
            collection: collection.id,
            key,
            guard: grants.read_guard(collection)?,
            projection: shaped.projection.clone(),
            bindings: moment.bindings(ctx),
            freshness: self.freshness(ctx),
            deadline: ctx.deadline,
        };
        let row = self.store().get(Permit::seal(plan, moment.model.epoch)).await;
        Ok((row.map_err(|error| self.failed(grants, error))?, shaped))
    }
}

/// A projection that the plan and the answer share.
#[derive(Clone)]
pub(crate) struct SharedShape {
    pub(crate) projection: Arc<crate::query::Projection>,
    pub(crate) plain: bool,
}

impl From<Shaped> for SharedShape {
    fn from(shaped: Shaped) -> Self {
        Self {
            projection: Arc::new(shaped.projection),
            plain: shaped.plain,
        }
    }
}

pub(crate) fn reply(model: &Arc<Model>, shape: SharedShape, row: Row) -> Reply {
    let etag = etag::of(model, &shape, &row);
    Reply {
        model: model.clone(),
        projection: shape.projection,
        row,
        etag,
    }
}

/// Where the caller alone decides that nothing of a collection is readable, the database isn't asked: nobody is told to
/// sign in, and somebody finds nothing.
pub(crate) fn refuse_unreadable(grants: &Grants<'_>, collection: &Collection) -> Result<(), Error> {
    let mutated = mutant!(ReadRule);
    match grants.decide(collection, Operation::Read) {
        Decision::Never if mutated => Ok(()),
        Decision::Never if grants.facts.principal.is_anonymous() => Err(grants.denied("read this")),
        Decision::Never => Err(Error::not_found()),
        Decision::Always | Decision::Depends => Ok(()),
    }
}
