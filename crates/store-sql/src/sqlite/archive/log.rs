//! SQLite's write-ahead log as a file: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The checksum's words are little-endian; with the next number they are big-endian.
const MAGIC: u32 = 0x377f_0682;
/// Frames that are read at once.
const FRAMES_PER_READ: usize = 64;

/// A place between two transactions of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) salt: [u32; 2],
    pub(super) frames: u32,
    sum: [u32; 2],
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) page_bytes: u32,
    pub(super) salt: [u32; 2],
    is_big_endian: bool,
    sum: [u32; 2],
}

/// Hears what was committed.
pub(super) trait Sink {
    /// A page of the transaction under way.
    fn page(&mut self, number: u32, content: &[u8]) -> io::Result<()>;

    /// The transaction is whole, and leaves the database so many pages.
    fn commit(&mut self, database_pages: u32);

    /// The transaction is not whole: its pages don't count.
    fn forget(&mut self);
}

impl Header {
    /// `None` while the log is empty.
    pub(super) fn read(log: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_BYTES];
        if read_up_to(log, &mut bytes, 0)? < HEADER_BYTES {
            return Ok(None);
        }
        let magic = word(&bytes, 0);
        let is_big_endian = magic == MAGIC + 1;
        let sum = checksum(is_big_endian, [0; 2], &bytes[..24]);
        if magic & !1 != MAGIC || sum != [word(&bytes, 24), word(&bytes, 28)] {
            return Ok(None);
        }
        Ok(Some(Self {
            page_bytes: word(&bytes, 8),
            salt: [word(&bytes, 16), word(&bytes, 20)],
            is_big_endian,
            sum,
        }))
    }

    pub(super) fn start(&self) -> Position {
        Position {
            salt: self.salt,
            frames: 0,
            sum: self.sum,
        }
    }

    /// Tells all transactions behind `position`, and answers the place behind the last.
    pub(super) fn follow(&self, log: &File, position: Position, sink: &mut dyn Sink) -> io::Result<Position> {
        let page_bytes = self.page_bytes as usize;
        let frame_bytes = FRAME_HEADER_BYTES + page_bytes;
        let mut buffer = vec![0; frame_bytes * FRAMES_PER_READ];
        let (mut committed, mut reached) = (position, position);
        'log: loop {
            let offset = HEADER_BYTES as u64 + u64::from(reached.frames) * frame_bytes as u64;
            let read = read_up_to(log, &mut buffer, offset)?;
            for frame in buffer[..read].chunks_exact(frame_bytes) {
                let sum = checksum(self.is_big_endian, reached.sum, &frame[..8]);
                let sum = checksum(self.is_big_endian, sum, &frame[FRAME_HEADER_BYTES..]);
                if [word(frame, 8), word(frame, 12)] != self.salt || [word(frame, 16), word(frame, 20)] != sum {
                    break 'log;
                }
                reached = Position {
                    frames: reached.frames + 1,
                    sum,
                    ..reached
                };
                sink.page(word(frame, 0), &frame[FRAME_HEADER_BYTES..])?;
                let database_pages = word(frame, 4);
                if database_pages > 0 {
                    sink.commit(database_pages);
                    committed = reached;
                }
            }
            if read < buffer.len() {
                break;
            }
        }
        sink.forget();
        Ok(committed)
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn checksum(is_big_endian: bool, [mut first, mut second]: [u32; 2], bytes: &[u8]) -> [u32; 2] {
    for pair in bytes.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *pair;
        let (one, two) = match is_big_endian {
            true => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
            false => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
        };
        first = first.wrapping_add(one).wrapping_add(second);
        second = second.wrapping_add(two).wrapping_add(first);
    }
    [first, second]
}
