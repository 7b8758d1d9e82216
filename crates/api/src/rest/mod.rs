//! REST: one file per endpoint.
//!
//! An endpoint reads its parameters, headers and body strictly, calls the engine once, and writes the answer from the
//! engine's rows.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, post};
use engine::operations::ShapeRequest;
use serde::de::DeserializeOwned;

use crate::Shared;
use crate::error::Problem;
use crate::params::Params;
use crate::surfaces::Routes;

mod answer;
mod batch;
mod create;
mod delete;
mod get;
mod list;
mod replace;
mod update;
mod write;

pub(crate) use answer::{json, private};

/// Parameters that shape an answer.
const SHAPE: &[&str] = &["fields", "expand"];

pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/api/batch", post(batch::batch))
        .route("/api/{collection}", get(list::list).post(create::create))
        .route(
            "/api/{collection}/{id}",
            get(get::get)
                .patch(update::update)
                .put(replace::replace)
                .delete(delete::delete),
        )
}

fn shape(params: &mut Params) -> ShapeRequest {
    ShapeRequest {
        fields: params.text("fields"),
        expand: params.text("expand"),
    }
}

/// What the path names.
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, shared).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(_) => Err(Problem::bad_request("the path is not UTF-8")),
        }
    }
}
