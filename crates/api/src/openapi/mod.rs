//! OpenAPI 3.1, generated from the model: `/openapi.json`, and the pages that show it.
//!
//! Made when it is first asked for, and again when the model is another one; between, it is bytes with an `ETag`. It says what the server
//! really does: closed schemas, every refusal by its status, no `default` answer.

mod accounts;
mod components;
mod example;
mod fields;
mod links;
mod operations;
mod pages;
mod parameters;
mod responses;
mod system;
mod value;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use engine::model::Epoch;
use engine::{Limits, Model};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::Shared;
use crate::error::Problem;
use crate::negotiate::{is_unchanged, quoted};
use crate::params::Params;
use crate::surfaces::Routes;

pub(crate) fn routes() -> Routes {
    Routes::default()
        .route("/openapi.json", get(serve))
        .merge(pages::routes())
}

/// The document for the model that is served.
#[derive(Default)]
pub(crate) struct Document(Mutex<Option<Arc<Rendered>>>);

struct Rendered {
    epoch: Epoch,
    body: Bytes,
    etag: String,
}

impl Document {
    fn current(&self, shared: &Shared) -> Arc<Rendered> {
        let model = shared.engine.model();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(rendered) if rendered.epoch == model.epoch => rendered.clone(),
            _ => {
                let rendered = Arc::new(render(&model, shared.engine.limits(), &shared.config.title));
                *kept = Some(rendered.clone());
                rendered
            }
        }
    }
}

fn render(model: &Model, limits: &Limits, title: &str) -> Rendered {
    let body = Bytes::from(describe(model, limits, title).to_string());
    let etag = Sha256::digest(&body)[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Rendered {
        epoch: model.epoch,
        body,
        etag,
    }
}

async fn serve(State(shared): State<Shared>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), &[])?;
    let document = shared.document().current(&shared);
    let mut response = Response::default();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, quoted(&document.etag)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_unchanged(request.headers(), &document.etag)? {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = document.body.clone().into();
    }
    Ok(response)
}

fn describe(model: &Model, limits: &Limits, title: &str) -> Json {
    let mut paths = operations::paths(model);
    paths.extend(accounts::paths(model));
    paths.extend(system::paths());
    let mut schemas = components::schemas(model);
    schemas.extend(accounts::schemas(model));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": system::ABOUT,
        },
        "servers": [{"url": "/"}],
        "tags": tags(model),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses::components(),
            "parameters": parameters::components(limits),
            "headers": responses::headers(),
            "securitySchemes": {"bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The `accessToken` of `/auth/sign-in`.",
            }},
        },
    })
}

fn tags(model: &Model) -> Json {
    let of_collection = |collection: &engine::model::Collection| {
        let mut tag = json!({"name": collection.name});
        if let Some(doc) = &collection.doc {
            tag["description"] = doc.clone().into();
        }
        tag
    };
    let own = [
        ("Batch", "Several writes as one."),
        ("Accounts", "Signing up, in and out."),
        ("System", "For those who run the server."),
    ];
    let own = own.map(|(name, description)| json!({"name": name, "description": description}));
    model.collections.iter().map(of_collection).chain(own).collect()
}

#[cfg(test)]
mod tests;
