//! The pages of the database's own file, read beside whoever writes to it.
//!
//! They are of no one moment, and a page that is being written may be read half old and half new. That does no harm: what
//! changes in the file while it is read comes from the log, so that the segments that are captured meanwhile have it, whole.

use std::ffi::{c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr;

use rusqlite::{Connection, ffi};

use crate::sqlite::connection::{self, Timed};
use crate::sqlite::options::SqliteOptions;

/// A file of the database, as SQLite itself has it open: to close another handle on it would take away SQLite's locks.
pub(super) struct DatabaseFile {
    connection: Timed,
    pub(super) page_bytes: u32,
}

impl DatabaseFile {
    pub(super) fn open(database: &Path, options: &SqliteOptions) -> rusqlite::Result<Self> {
        let options = SqliteOptions {
            mmap_bytes: 0,
            ..options.clone()
        };
        let connection = connection::reading(database, &options)?;
        let page_bytes = connection
            .connection()
            .query_row("PRAGMA page_size", [], |row| row.get(0))?;
        Ok(Self { connection, page_bytes })
    }

    /// Reads whole pages from the one of that number, counted from 1, and answers how many there were.
    pub(super) fn read(&self, first: u32, pages: &mut [u8]) -> io::Result<u32> {
        let page_bytes = self.page_bytes as usize;
        let offset = u64::from(first - 1) * u64::from(self.page_bytes);
        let whole = size(self.connection.connection())?;
        let there = whole.saturating_sub(offset) / u64::from(self.page_bytes);
        let count = usize::try_from(there)
            .unwrap_or(usize::MAX)
            .min(pages.len() / page_bytes);
        read_at(self.connection.connection(), &mut pages[..count * page_bytes], offset)?;
        Ok(u32::try_from(count).expect("a part has few pages"))
    }
}

#[expect(unsafe_code, reason = "rusqlite has no safe way to the file of a connection")]
fn file(connection: &Connection) -> io::Result<(*mut ffi::sqlite3_file, *const ffi::sqlite3_io_methods)> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is alive as long as `connection`; SQLite writes a pointer to where `file` is.
    let code = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            (&raw mut file).cast::<c_void>(),
        )
    };
    if code != ffi::SQLITE_OK || file.is_null() {
        return Err(io::Error::other("SQLite has no file open"));
    }
    // SAFETY: a file that a connection has open stays where it is until the connection is closed.
    let methods = unsafe { (*file).pMethods };
    if methods.is_null() {
        return Err(io::Error::other("SQLite has no file open"));
    }
    Ok((file, methods))
}

#[expect(unsafe_code, reason = "as above")]
fn size(connection: &Connection) -> io::Result<u64> {
    let (file, methods) = file(connection)?;
    let mut bytes = 0;
    // SAFETY: both pointers are valid while the connection is open, which only this thread uses.
    let code = unsafe {
        let size = (*methods).xFileSize.ok_or_else(|| io::Error::other("no size"))?;
        size(file, &raw mut bytes)
    };
    done(code)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[expect(unsafe_code, reason = "as above")]
fn read_at(connection: &Connection, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    let (file, methods) = file(connection)?;
    let length = c_int::try_from(buffer.len()).map_err(io::Error::other)?;
    let offset = i64::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: as in `size`; SQLite writes `length` bytes at most, which the buffer has.
    let code = unsafe {
        let read = (*methods).xRead.ok_or_else(|| io::Error::other("no reading"))?;
        read(file, buffer.as_mut_ptr().cast::<c_void>(), length, offset)
    };
    // A file that has become shorter meanwhile was made so from the log: what is missing there comes as zeros.
    if code == ffi::SQLITE_IOERR_SHORT_READ {
        return Ok(());
    }
    done(code)
}

fn done(code: c_int) -> io::Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(io::Error::other(format!(
            "SQLite can't read the database's file ({code})"
        ))),
    }
}
