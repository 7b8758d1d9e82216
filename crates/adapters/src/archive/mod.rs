//! Archives: a folder, and whatever speaks S3.

mod folder;
mod s3;

pub use folder::FolderArchive;
pub use s3::{S3Archive, S3Options};

#[cfg(test)]
mod tests;
