//! The file of a backup: what the server's program dumps, between a head and a foot, compressed by gzip.
//!
//! Unpacked it is SQL that the server's client takes as it is. The head says what it is of; the foot has the hash of all
//! before it, so that a file that was cut off or changed is known before anything is restored from it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const HEAD: &str = "-- Ninefold backup: ";
const HEAD_BYTES_MAX: u64 = 4096;
const FOOT: &str = "-- Ninefold end: ";
/// With the hash and the end of the line.
const FOOT_BYTES: usize = FOOT.len() + 64 + 1;
const CHUNK_BYTES: usize = 64 * 1024;

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// `MariaDB` or `MySQL`.
    pub(super) server: String,
    /// The server's, as `10.11.19`.
    pub(super) version: String,
    /// That of our own tables.
    pub(super) format: i64,
    /// When, as in RFC 3339.
    pub(super) made: String,
}

/// Why a file can't be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    NotABackup,
    Damaged(&'static str),
    Files(io::Error),
    /// Nobody takes what is read any more.
    Closed(io::Error),
}

/// Fills the file with what `dump` gives.
pub(super) fn write(head: &Head, mut dump: impl Read, to: &Path) -> io::Result<()> {
    let file = BufWriter::new(OpenOptions::new().write(true).truncate(true).open(to)?);
    let mut out = GzEncoder::new(file, Compression::fast());
    let mut hash = Sha256::new();
    let head = format!("{HEAD}{}\n", serde_json::to_string(head)?);
    hash.update(&head);
    out.write_all(head.as_bytes())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match dump.read(&mut chunk)? {
            0 => break,
            length => {
                hash.update(&chunk[..length]);
                out.write_all(&chunk[..length])?;
            }
        }
    }
    out.write_all(&foot(hash))?;
    out.finish()?.flush()
}

fn foot(hash: Sha256) -> Vec<u8> {
    let mut foot = FOOT.as_bytes().to_vec();
    for byte in hash.finalize() {
        write!(foot, "{byte:02x}").expect("memory takes what is written");
    }
    foot.push(b'\n');
    foot
}

/// Hands all of the dump to `to`, and says what it is of.
///
/// # Errors
/// Also at the end, when the foot doesn't fit what came before.
pub(super) fn read(from: &Path, to: &mut dyn Write) -> Result<Head, Unreadable> {
    let file = File::open(from).map_err(Unreadable::Files)?;
    let mut file = BufReader::with_capacity(CHUNK_BYTES, GzDecoder::new(BufReader::new(file)));
    let mut line = Vec::new();
    let begun = file.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line);
    begun.map_err(|error| match is_of_content(&error) {
        true => Unreadable::NotABackup,
        false => Unreadable::Files(error),
    })?;
    let head = line.strip_prefix(HEAD.as_bytes()).ok_or(Unreadable::NotABackup)?;
    let head = serde_json::from_slice(head).map_err(|_| Unreadable::NotABackup)?;
    let mut hash = Sha256::new();
    hash.update(&line);
    // The end may be the foot.
    let (mut chunk, mut kept) = (vec![0; CHUNK_BYTES], Vec::new());
    loop {
        let length = file.read(&mut chunk).map_err(|error| match is_of_content(&error) {
            true => Unreadable::Damaged("it can't be unpacked"),
            false => Unreadable::Files(error),
        })?;
        if length == 0 {
            break;
        }
        kept.extend_from_slice(&chunk[..length]);
        let passed = kept.len().saturating_sub(FOOT_BYTES);
        hash.update(&kept[..passed]);
        to.write_all(&kept[..passed]).map_err(Unreadable::Closed)?;
        kept.drain(..passed);
    }
    to.flush().map_err(Unreadable::Closed)?;
    match kept == foot(hash) {
        true => Ok(head),
        false => Err(Unreadable::Damaged("its hash is another")),
    }
}

/// Whether the file could be read, and holds what it shouldn't.
fn is_of_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    fn head() -> Head {
        Head {
            server: "MariaDB".to_owned(),
            version: "10.11.19".to_owned(),
            format: 2,
            made: "2026-11-26T18:00:00Z".to_owned(),
        }
    }

    fn packed(text: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        write(&head(), text, file.path()).unwrap();
        file
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, FOOT_BYTES, CHUNK_BYTES, 300_000] {
            let text: Vec<u8> = (0..length).map(|byte| (byte % 251) as u8).collect();
            let mut found = Vec::new();
            assert_eq!(read(packed(&text).path(), &mut found).unwrap(), head());
            assert!(found == text, "{length} bytes");
        }
    }

    #[test]
    fn what_was_cut_off_or_changed_is_known() {
        let file = packed(&b"INSERT INTO a VALUES (1);\n".repeat(1000));
        let whole = std::fs::read(file.path()).unwrap();
        for (position, byte) in whole.iter().enumerate() {
            // The time and the system that gzip notes say nothing.
            if (3..10).contains(&position) {
                continue;
            }
            let mut changed = whole.clone();
            changed[position] = byte ^ 1;
            std::fs::write(file.path(), &changed).unwrap();
            assert!(
                read(file.path(), &mut io::sink()).is_err(),
                "byte {position} is another"
            );
            std::fs::write(file.path(), &whole[..position]).unwrap();
            assert!(read(file.path(), &mut io::sink()).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn a_foot_of_another_text_is_no_foot() {
        let texts = [&b"DROP TABLE a;\n"[..], b"DROP TABLE b;\n"].map(|text| {
            let mut unpacked = Vec::new();
            let file = packed(text);
            let mut decoder = GzDecoder::new(BufReader::new(File::open(file.path()).unwrap()));
            decoder.read_to_end(&mut unpacked).unwrap();
            unpacked
        });
        let foot_at = texts[0].len() - FOOT_BYTES;
        let mixed = [&texts[0][..foot_at], &texts[1][foot_at..]].concat();
        let file = NamedTempFile::new().unwrap();
        let mut out = GzEncoder::new(File::create(file.path()).unwrap(), Compression::fast());
        out.write_all(&mixed).unwrap();
        out.finish().unwrap();
        let refused = read(file.path(), &mut io::sink());
        assert!(
            matches!(refused, Err(Unreadable::Damaged("its hash is another"))),
            "{refused:?}"
        );
    }

    #[test]
    fn what_somebody_else_wrote_is_no_backup() {
        let file = NamedTempFile::new().unwrap();
        for text in [&b""[..], b"-- MariaDB dump", &[0x1f, 0x8b, 8, 0], &[b'x'; 100_000]] {
            std::fs::write(file.path(), text).unwrap();
            let refused = read(file.path(), &mut io::sink());
            assert!(matches!(refused, Err(Unreadable::NotABackup)), "{refused:?}");
        }
    }
}
