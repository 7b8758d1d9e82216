//! The application's own pages: `public/` at `/`, or a landing page where it has none. While it is being developed
//! also `/admin`, which takes the administrator's sign-in link.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::middleware::{self, Next};
use axum::response::{Html, Response};
use axum::routing::get;
use engine::Model;
use tower_http::services::ServeDir;

use crate::application::Purpose;

/// The folder in an application's folder.
const FOLDER: &str = "public";

/// Browsers ask each time whether a file changed, and load it again only then.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("no-cache");

/// What answers where no surface does.
pub(crate) fn router(dir: &Path, name: &str, model: &Model, purpose: Purpose) -> Router {
    let folder = dir.join(FOLDER);
    let mut router = Router::new();
    if !folder.join("index.html").is_file() {
        router = router.route("/", page(landing_page(name, model)));
    }
    if purpose == Purpose::Development {
        router = router.route("/admin", page(admin_page(name, model)));
    }
    router
        .fallback_service(ServeDir::new(&folder))
        .layer(middleware::from_fn(revalidated))
}

fn page(html: String) -> axum::routing::MethodRouter {
    get(async move || Html(html))
}

async fn revalidated(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    response
}

fn landing_page(name: &str, model: &Model) -> String {
    let items = model.collections.iter().map(|collection| {
        let doc = collection.doc.as_deref().unwrap_or("A collection.");
        format!(
            "<li><a href=\"/api/{path}\"><code>/api/{path}</code></a> <span>{doc}</span></li>\n",
            path = escaped(&collection.path),
            doc = escaped(doc),
        )
    });
    include_str!("pages/landing.html")
        .replace("{{name}}", &escaped(name))
        .replace("{{collections}}", &items.collect::<String>())
}

fn admin_page(name: &str, model: &Model) -> String {
    let collection = model
        .collections
        .first()
        .map_or("things", |collection| &collection.path);
    include_str!("pages/admin.html")
        .replace("{{name}}", &escaped(name))
        .replace("{{collection}}", &escaped(collection))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
