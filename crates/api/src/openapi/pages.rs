//! `/docs`: the document as a page that needs nothing from elsewhere, and `/docs/errors`, where problems' `type` points.

use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};

use crate::error::Code;
use crate::surfaces::Routes;

/// Pages run our own scripts and talk to this server; nothing else, and inside of nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

pub(super) fn routes() -> Routes {
    Routes::default()
        .route("/docs", get(|| page(include_str!("pages/index.html").to_owned())))
        .route("/docs/errors", get(|| page(errors())))
        .route("/docs/app.js", get(|| file(SCRIPT, include_str!("pages/app.js"))))
        .route("/docs/dom.js", get(|| file(SCRIPT, include_str!("pages/dom.js"))))
        .route("/docs/schema.js", get(|| file(SCRIPT, include_str!("pages/schema.js"))))
        .route(
            "/docs/session.js",
            get(|| file(SCRIPT, include_str!("pages/session.js"))),
        )
        .route("/docs/try.js", get(|| file(SCRIPT, include_str!("pages/try.js"))))
        .route("/docs/style.css", get(|| file(STYLE, include_str!("pages/style.css"))))
}

async fn page(html: String) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(html)).into_response()
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

/// Every code, what it means and what to do about it.
fn errors() -> String {
    let rows: String = Code::all().map(row).collect();
    include_str!("pages/errors.html").replace("<!-- codes -->", &rows)
}

fn row(code: Code) -> String {
    let (name, meaning) = (code.name(), code.meaning());
    format!(
        "<section id=\"{name}\"><h2><span class=\"status\">{}</span> <code>{name}</code></h2><p><strong>{}.</strong> {}</p></section>\n",
        meaning.status.as_u16(),
        meaning.title,
        code_spans(meaning.advice),
    )
}

/// Our own texts, where only backticks and quotation marks mean something.
fn code_spans(text: &str) -> String {
    let spans = text.split('`').enumerate();
    spans
        .map(|(index, span)| {
            if index % 2 == 1 {
                format!("<code>{span}</code>")
            } else {
                span.to_owned()
            }
        })
        .collect()
}
