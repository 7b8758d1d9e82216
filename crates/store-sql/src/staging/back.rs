//! Taking an import back, in portions from its end: what refers comes out before what it refers to.

use super::layout::Layout;
use super::server::{Done, Range, Server};

const PORTION: u64 = 512;

/// Removes the records that had the first `done` turns. Answers how many stay, because others refer to them by now.
pub(super) async fn remove_all<S: Server>(server: &mut S, layout: &Layout, done: u64) -> Done<u64> {
    if done == 0 {
        return Ok(0);
    }
    let mut unlinked = done;
    while layout.links.iter().any(|links| links.own) && unlinked > 0 {
        let from = unlinked.saturating_sub(PORTION) + 1;
        remove_links(server, layout, (from, unlinked), true).await?;
        unlinked = from - 1;
    }
    let (mut kept, mut left) = (0, done);
    while left > 0 {
        let from = left.saturating_sub(PORTION) + 1;
        if !remove(server, layout, (from, left)).await? {
            for turn in (from..=left).rev() {
                kept += u64::from(!remove(server, layout, (turn, turn)).await?);
            }
        }
        left = from - 1;
    }
    layout.unmark(server).await?;
    Ok(kept)
}

/// Whether it could be done.
async fn remove<S: Server>(server: &mut S, layout: &Layout, range: Range) -> Done<bool> {
    server.command(S::BEGIN).await?;
    match remove_within(server, layout, range).await {
        Ok(()) => server.command("COMMIT").await.map(|()| true),
        Err(failed) => {
            server.command("ROLLBACK").await?;
            if failed.in_the_way { Ok(false) } else { Err(failed) }
        }
    }
}

/// Within a transaction.
async fn remove_within<S: Server>(server: &mut S, layout: &Layout, range: Range) -> Done<()> {
    remove_links(server, layout, range, false).await?;
    if let Some(loosen) = server.loosen(layout, range) {
        server.command(&loosen).await?;
    }
    let removal = server.remove(&layout.table, &layout.key, layout, range);
    server.command(&removal).await?;
    if let Some(settle) = S::SETTLE {
        server.command(settle).await?;
    }
    layout.mark(server, range.0 - 1).await
}

async fn remove_links(server: &mut impl Server, layout: &Layout, range: Range, own: bool) -> Done<()> {
    for links in layout.links.iter().filter(|links| links.own == own) {
        let removal = server.remove(&links.table, &links.source, layout, range);
        server.command(&removal).await?;
    }
    Ok(())
}
