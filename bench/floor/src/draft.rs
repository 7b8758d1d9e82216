//! What a caller sends, and what each record of an answer comes with.

use anyhow::{Result, ensure};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Draft {
    pub team: Option<Uuid>,
    pub author: Option<Uuid>,
    pub title: String,
    pub category: String,
    pub score: i32,
    pub published: jiff::Timestamp,
    pub body: String,
}

#[derive(Deserialize)]
pub struct Patch {
    pub title: String,
    pub score: i32,
}

/// A record's JSON and its version.
pub type Found = Option<(Vec<u8>, i64)>;

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Draft {
    pub fn check(&self) -> Result<()> {
        check_title(&self.title)?;
        ensure!(self.category.chars().count() <= 40, "category is too long");
        ensure!(self.body.chars().count() <= 4000, "body is too long");
        Ok(())
    }
}

pub fn check_title(title: &str) -> Result<()> {
    let length = title.chars().count();
    ensure!((1..=200).contains(&length), "title must have 1 to 200 characters");
    Ok(())
}
