//! What SQLite counts by itself: of a statement, and of a connection.

#![allow(unsafe_code)]

use rusqlite::ffi;

use super::{text, Raw, Statement};
use crate::driver::Scans;

impl Scans {
    /// What was counted after `before`.
    #[inline]
    pub fn since(self, before: Scans) -> Scans {
        Scans {
            steps: self.steps.wrapping_sub(before.steps),
            sorts: self.sorts.wrapping_sub(before.sorts),
            automatic: self.automatic.wrapping_sub(before.automatic),
        }
    }

    /// The sum.
    #[inline]
    pub fn plus(self, more: Scans) -> Scans {
        Scans {
            steps: self.steps.wrapping_add(more.steps),
            sorts: self.sorts.wrapping_add(more.sorts),
            automatic: self.automatic.wrapping_add(more.automatic),
        }
    }
}

impl Statement {
    /// How the statement went through its tables since it was prepared. <https://sqlite.org/c3ref/c_stmtstatus_counter.html>
    #[inline]
    pub fn scans(&self) -> Scans {
        // SAFETY: the pointer is a live statement; the counters are not reset.
        let read = |counter| unsafe { ffi::sqlite3_stmt_status(self.0.as_ptr(), counter, 0) as u32 };
        Scans {
            steps: read(ffi::SQLITE_STMTSTATUS_FULLSCAN_STEP),
            sorts: read(ffi::SQLITE_STMTSTATUS_SORT),
            automatic: read(ffi::SQLITE_STMTSTATUS_AUTOINDEX),
        }
    }

    /// The statement's text with the values of its parameters in it. <https://sqlite.org/c3ref/expanded_sql.html>
    pub fn expanded(&self) -> Option<String> {
        // SAFETY: the pointer is a live statement; the text is copied, and freed as SQLite asks for.
        unsafe {
            let sql = ffi::sqlite3_expanded_sql(self.0.as_ptr());
            let copy = text(sql);
            ffi::sqlite3_free(sql.cast());
            copy
        }
    }

    /// How often SQLite has prepared the statement anew by itself, because the schema had changed.
    pub fn prepared_anew(&self) -> i32 {
        // SAFETY: the pointer is a live statement; the counter is not reset.
        unsafe { ffi::sqlite3_stmt_status(self.0.as_ptr(), ffi::SQLITE_STMTSTATUS_REPREPARE, 0) }
    }
}

impl Raw {
    /// The page cache in numbers since the connection was opened: hits, misses, writes, spills, and the bytes that it holds.
    /// <https://sqlite.org/c3ref/c_dbstatus_options.html>
    pub fn page_cache(&self) -> [u64; 5] {
        let counters = [
            ffi::SQLITE_DBSTATUS_CACHE_HIT,
            ffi::SQLITE_DBSTATUS_CACHE_MISS,
            ffi::SQLITE_DBSTATUS_CACHE_WRITE,
            ffi::SQLITE_DBSTATUS_CACHE_SPILL,
            ffi::SQLITE_DBSTATUS_CACHE_USED,
        ];
        counters.map(|counter| {
            let (mut now, mut highest) = (0, 0);
            // SAFETY: the handle is valid; both answers are written to this frame. Nothing is reset.
            unsafe { ffi::sqlite3_db_status(self.db.as_ptr(), counter, &mut now, &mut highest, 0) };
            now as u32 as u64
        })
    }

    /// How many foreign keys are violated now that may be until COMMIT. <https://sqlite.org/c3ref/c_dbstatus_options.html>
    pub fn deferred_violations(&self) -> i32 {
        let (mut now, mut highest) = (0, 0);
        // SAFETY: the handle is valid; both answers are written to this frame. Nothing is reset.
        unsafe { ffi::sqlite3_db_status(self.db.as_ptr(), ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &mut now, &mut highest, 0) };
        now
    }
}
