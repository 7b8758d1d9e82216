//! The application's own pages: `public/` at `/`, or a landing page where it has none.

use std::path::Path;

use axum::Router;
use axum::http::{HeaderValue, Request, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use engine::Model;
use tower_http::services::ServeDir;

/// The folder in an application's folder.
const FOLDER: &str = "public";

/// Browsers ask each time whether a file changed, and load it again only then.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

/// What answers where no surface does.
pub(crate) fn router(dir: &Path, name: &str, model: &Model) -> Router {
    let folder = dir.join(FOLDER);
    let files = ServeDir::new(&folder);
    if folder.join("index.html").is_file() {
        return Router::new()
            .fallback_service(files)
            .layer(middleware::from_fn(revalidated));
    }
    let page = landing_page(name, model);
    Router::new()
        .route("/", get(move || async move { Html(page).into_response() }))
        .fallback_service(files)
        .layer(middleware::from_fn(revalidated))
}

async fn revalidated(request: Request<axum::body::Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}

fn landing_page(name: &str, model: &Model) -> String {
    let items: String = model
        .collections
        .iter()
        .map(|collection| {
            let doc = collection.doc.as_deref().unwrap_or("A collection.");
            format!(
                "<li><a href=\"/api/{path}\"><code>/api/{path}</code></a> <span>{doc}</span></li>\n",
                path = escaped(&collection.path),
                doc = escaped(doc),
            )
        })
        .collect();
    include_str!("pages/landing.html")
        .replace("{{name}}", &escaped(name))
        .replace("{{collections}}", &items)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
