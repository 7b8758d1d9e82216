//! Pages of a database as an object of an archive: a header, the pages compressed, and the hash of it all.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};

use engine::model::Timestamp;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 16] = b"ninefold-pages-1";
const HEADER_BYTES: usize = 16 + 4 + 4 + 4 + 8 + 8 + 8 + 32;
/// SQLite's own bounds.
const PAGE_BYTES_MIN: u32 = 512;
const PAGE_BYTES_MAX: u32 = 65_536;

pub(super) type Hash = [u8; 32];

/// What an object says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) page_bytes: u32,
    /// What the database has behind the last transaction; 0 of a part of a base.
    pub(super) database_pages: u32,
    /// Pages in this object.
    pub(super) count: u32,
    pub(super) sequence: u64,
    /// Everything that was acknowledged before is in this object or a former one.
    pub(super) began: Timestamp,
    /// Nothing that was written later is.
    pub(super) ended: Timestamp,
    /// The hash of the object before.
    pub(super) previous: Hash,
}

impl Header {
    fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = &mut bytes[..];
        let mut put = |part: &[u8]| rest.write_all(part).expect("the header has its length");
        put(MAGIC);
        put(&self.page_bytes.to_le_bytes());
        put(&self.database_pages.to_le_bytes());
        put(&self.count.to_le_bytes());
        put(&self.sequence.to_le_bytes());
        put(&self.began.0.to_le_bytes());
        put(&self.ended.0.to_le_bytes());
        put(&self.previous);
        bytes
    }

    fn of(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
            let (part, others) = rest.split_first_chunk::<N>()?;
            *rest = others;
            Some(*part)
        }
        let rest = &mut bytes.strip_prefix(MAGIC)?;
        let header = Self {
            page_bytes: u32::from_le_bytes(take(rest)?),
            database_pages: u32::from_le_bytes(take(rest)?),
            count: u32::from_le_bytes(take(rest)?),
            sequence: u64::from_le_bytes(take(rest)?),
            began: Timestamp(i64::from_le_bytes(take(rest)?)),
            ended: Timestamp(i64::from_le_bytes(take(rest)?)),
            previous: take(rest)?,
        };
        let is_possible =
            header.page_bytes.is_power_of_two() && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&header.page_bytes);
        is_possible.then_some(header)
    }
}

/// Writes all that passes to a file, and hashes it.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}

/// Writes `header.count` pages, which `next` gives one by one with their numbers, and answers the hash.
pub(super) fn write(
    file: &File,
    header: &Header,
    mut next: impl FnMut(&mut [u8]) -> io::Result<u32>,
) -> io::Result<Hash> {
    let mut out = Hashed::new(BufWriter::new(file));
    out.write_all(&header.bytes())?;
    let mut body = DeflateEncoder::new(&mut out, Compression::fast());
    let mut page = vec![0; header.page_bytes as usize];
    for _ in 0..header.count {
        let number = next(&mut page)?;
        body.write_all(&number.to_le_bytes())?;
        body.write_all(&page)?;
    }
    body.finish()?;
    let Hashed { mut inner, hash } = out;
    let hash: Hash = hash.finalize().into();
    inner.write_all(&hash)?;
    inner.flush()?;
    Ok(hash)
}

/// Reads what [`write`] wrote: tells `each` page, and answers the header and the hash. What was told before an error
/// doesn't count.
///
/// # Errors
/// What is wrong with the object.
pub(super) fn read(
    source: impl Read,
    mut each: impl FnMut(&Header, u32, &[u8]) -> io::Result<()>,
) -> io::Result<(Header, Hash)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut source = Tailed::new(BufReader::new(source))?;
    let mut hashed = Hashed::new(&mut source);
    let mut header = [0; HEADER_BYTES];
    hashed.read_exact(&mut header)?;
    let header = Header::of(&header).ok_or_else(|| wrong("it is no object of pages"))?;
    let mut body = DeflateDecoder::new(&mut hashed);
    let mut page = vec![0; header.page_bytes as usize];
    for _ in 0..header.count {
        let mut number = [0; 4];
        body.read_exact(&mut number)?;
        body.read_exact(&mut page)?;
        let number = u32::from_le_bytes(number);
        if number == 0 {
            return Err(wrong("it has a page without a number"));
        }
        each(&header, number, &page)?;
    }
    io::copy(&mut body, &mut io::sink())?;
    io::copy(&mut hashed, &mut io::sink())?;
    let hash: Hash = hashed.hash.finalize().into();
    if hash != source.tail() {
        return Err(wrong("its hash is another"));
    }
    Ok((header, hash))
}

/// Keeps back the last bytes of what it reads.
struct Tailed<R> {
    inner: R,
    kept: Vec<u8>,
}

impl<R: Read> Tailed<R> {
    fn new(mut inner: R) -> io::Result<Self> {
        let mut kept = vec![0; size_of::<Hash>()];
        inner.read_exact(&mut kept)?;
        Ok(Self { inner, kept })
    }

    /// At the end.
    fn tail(&self) -> Hash {
        self.kept
            .as_slice()
            .try_into()
            .expect("as many bytes as a hash has are kept")
    }
}

impl<R: Read> Read for Tailed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        // What was kept comes first, then what was read; as many bytes are kept again.
        self.kept.extend_from_slice(&bytes[..read]);
        bytes[..read].copy_from_slice(&self.kept[..read]);
        self.kept.drain(..read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    fn header(count: u32) -> Header {
        Header {
            page_bytes: 512,
            database_pages: 9,
            count,
            sequence: 3,
            began: Timestamp(5),
            ended: Timestamp(7),
            previous: [1; 32],
        }
    }

    fn written(count: u32) -> (Vec<u8>, Hash) {
        let mut file = tempfile::tempfile().unwrap();
        let mut number = 0;
        let hash = write(&file, &header(count), |page| {
            number += 1;
            page.fill(u8::try_from(number).unwrap());
            Ok(number * 2)
        });
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (bytes, hash.unwrap())
    }

    #[test]
    fn pages_come_back() {
        for count in [0, 1, 200] {
            let (bytes, hash) = written(count);
            let mut numbers = Vec::new();
            let read = read(&bytes[..], |_, number, page| {
                assert!(page.iter().all(|byte| u32::from(*byte) * 2 == number));
                numbers.push(number);
                Ok(())
            });
            assert_eq!(read.unwrap(), (header(count), hash));
            assert_eq!(numbers, (1..=count).map(|number| number * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_byte_that_is_another_or_missing_is_noticed() {
        let (bytes, _) = written(3);
        let is_read = |bytes: &[u8]| read(bytes, |_, _, _| Ok(())).is_ok();
        assert!(is_read(&bytes));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x10;
            assert!(!is_read(&other), "byte {at}");
            assert!(!is_read(&bytes[..at]), "up to byte {at}");
        }
        assert!(!is_read(&[&bytes[..], b"x"].concat()));
    }
}
