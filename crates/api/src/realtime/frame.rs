//! Server-sent events, as the HTML standard has them (§9.2), one buffer each.

use bytes::Bytes;
use engine::live::{Notification, Watch};
use engine::model::Row;
use engine::query::json::{write_key, write_row, write_rows};

use super::Subject;
use crate::error::Problem;

/// Told to the browser once: how long to wait before it connects again.
const RETRY: &[u8] = b"retry: 2000\n\n";
/// A comment, which clients ignore, and which shows that both ends are there.
const HEARTBEAT: &[u8] = b": alive\n\n";

pub(super) fn retry() -> Bytes {
    Bytes::from_static(RETRY)
}

pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(HEARTBEAT)
}

pub(super) fn snapshot(watch: &Watch, subject: Subject, rows: &[Row]) -> Bytes {
    event("snapshot", Some(watch.position().0), |out| match subject {
        Subject::List => {
            out.extend_from_slice(b"{\"items\":");
            write_rows(out, watch.model(), watch.projection(), rows);
            out.push(b'}');
        }
        Subject::Record => {
            out.extend_from_slice(b"{\"item\":");
            match rows.first() {
                Some(row) => write_row(out, watch.model(), watch.projection(), row),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b'}');
        }
    })
}

pub(super) fn notification(watch: &Watch, subject: Subject, notification: &Notification) -> Bytes {
    let record = |name, row| {
        event(name, Some(watch.position().0), |out| {
            write_row(out, watch.model(), watch.projection(), row)
        })
    };
    match notification {
        Notification::Snapshot(rows) => snapshot(watch, subject, rows),
        Notification::Created(row) => record("created", row),
        Notification::Updated(row) => record("updated", row),
        Notification::Removed(key) => event("removed", Some(watch.position().0), |out| {
            out.extend_from_slice(b"{\"id\":");
            write_key(
                out,
                watch.model(),
                watch.model().collection(watch.projection().collection),
                key,
            );
            out.push(b'}');
        }),
    }
}

/// The last thing that a refused listener hears.
pub(super) fn error(problem: &Problem, request_id: &str, path: &str) -> Bytes {
    event("error", None, |out| {
        out.extend_from_slice(&problem.document(request_id, path))
    })
}

fn event(name: &str, position: Option<u64>, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    if let Some(position) = position {
        out.extend_from_slice(format!("\nid: {position}").as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    write(&mut out);
    // A line break in JSON is white space between tokens; in an event it would end the line.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use engine::{Error, ErrorCode};

    use super::*;

    #[test]
    fn an_event_is_one_line_of_data() {
        let frame = event("created", Some(7), |out| out.extend_from_slice(b"{\n\"a\":\r\n1}"));
        assert_eq!(
            frame,
            Bytes::from_static(b"event: created\nid: 7\ndata: { \"a\":  1}\n\n")
        );
    }

    #[test]
    fn the_last_event_is_a_problem_document() {
        let problem = Problem::from(Error::new(ErrorCode::Unauthenticated, "the token has expired"));
        let frame = String::from_utf8(error(&problem, "r1", "/api/rooms").to_vec()).unwrap();
        let data = frame.strip_prefix("event: error\ndata: ").unwrap();
        let document: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            (&document["status"], &document["requestId"]),
            (&401.into(), &"r1".into())
        );
    }
}
