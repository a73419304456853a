//! A second SQLite library on the database's file, seen by what this process has mapped.
//!
//! POSIX locks belong to the process: when another library in it (Python's `sqlite3`, say) closes the file, the locks of this one are
//! gone, and a close that takes itself for the last removes a log that is in use. <https://sqlite.org/howtocorrupt.html>, section 2.2.1.
//!
//! A library maps the beginning of a wal-index (the `-shm` file) once, however many connections it has, so one more mapping of it is one
//! more library; and nobody but the last to close removes the file, so that a removed one was closed by somebody who did not see our locks.
//! This shows on Linux, for databases in WAL mode, once the other library has read from the file. Where `/proc` cannot be read, nothing
//! shows.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use crate::process;

const MAPS: &str = "/proc/self/maps";
/// What the kernel writes after the name of a file that was removed. The name itself ends in `-shm`.
const REMOVED: &[u8] = b" (deleted)";

/// What was seen of a second library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It has the file open.
    Beside,
    /// It has closed the file: the wal-index in use was removed.
    Removed,
}

/// Looks for another library on the file whose wal-index this library has mapped at `own`.
pub fn beside(own: usize) -> Option<Sight> {
    judge(&mappings(BufReader::new(File::open(MAPS).ok()?)).ok()?, own, is_claimed)
}

/// Looks for another library on the database file at `path`, which this library need not have open.
pub fn before_opening(path: &Path) -> Option<Sight> {
    let mut index = path.canonicalize().ok()?.into_os_string();
    index.push("-shm");
    let identity = identity(&index)?;
    let name = index.as_encoded_bytes();
    let found = mappings(BufReader::new(File::open(MAPS).ok()?)).ok()?;
    // Some file systems tell `stat` another device number than the kernel's own; they are left with the name.
    let foreign = |m: &Mapping| (m.file == identity || m.name == escaped(name)) && !is_claimed(m.start);
    found.iter().any(foreign).then_some(Sight::Beside)
}

fn judge(found: &[Mapping], own: usize, is_ours: impl Fn(usize) -> bool) -> Option<Sight> {
    let own = found.iter().find(|m| m.start == own)?;
    if found.iter().any(|m| m.file == own.file && !is_ours(m.start)) {
        return Some(Sight::Beside);
    }
    own.name.ends_with(REMOVED).then_some(Sight::Removed)
}

/// A file as the kernel tells files apart: device (major, minor) and inode.
type Identity = (u32, u32, u64);

/// A shared mapping that begins at the beginning of a file.
#[derive(Debug)]
struct Mapping {
    start: usize,
    file: Identity,
    name: Vec<u8>,
}

/// The shared mappings of the beginnings of files in the text of `/proc/PID/maps`.
fn mappings(mut maps: impl BufRead) -> io::Result<Vec<Mapping>> {
    let (mut found, mut line) = (Vec::new(), Vec::new());
    while maps.read_until(b'\n', &mut line)? > 0 {
        found.extend(mapping(line.trim_ascii_end()));
        line.clear();
    }
    Ok(found)
}

/// Reads `start-end perms offset major:minor inode   name`. A name may hold anything but a line break, which the kernel escapes.
fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let (range, permissions, offset, device, inode) = (word()?, word()?, word()?, word()?, word()?);
    if !permissions.ends_with('s') || u64::from_str_radix(offset, 16) != Ok(0) {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let hex = |text| u32::from_str_radix(text, 16).ok();
    let start = usize::from_str_radix(range.split_once('-')?.0, 16).ok()?;
    Some(Mapping { start, file: (hex(major)?, hex(minor)?, inode.parse().ok()?), name: words.next()?.trim_ascii_start().to_vec() })
}

/// A name as the kernel writes it into the maps.
fn escaped(name: &[u8]) -> Vec<u8> {
    name.iter().flat_map(|byte| if *byte == b'\n' { b"\\012" } else { std::slice::from_ref(byte) }).copied().collect()
}

#[cfg(target_os = "linux")]
fn identity(path: &OsStr) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((libc::major(file.dev()), libc::minor(file.dev()), file.ino()))
}

#[cfg(not(target_os = "linux"))]
fn identity(_: &OsStr) -> Option<Identity> {
    None
}

/// The word of this library that it has mapped a wal-index at an address: the mapping is no sign of a second one.
///
/// A forked child inherits the claims together with the mappings that they are about, and never unmaps those. What it inherits from
/// another library has no claim, and rightly so: closing that takes the child's locks away as well.
/// Law: a claim ends after its mapping, or else a fork in between would leave the child a mapping without one.
#[derive(Debug)]
pub struct Claim {
    entry: &'static Entry,
    age: u32,
}

/// A list that only grows, of entries that are used again: no lock, because a forked child reads what other threads of its parent wrote.
#[derive(Debug)]
struct Entry {
    /// 0: free.
    address: AtomicUsize,
    next: OnceBox<Entry>,
}

static CLAIMS: Entry = Entry::new();

impl Entry {
    const fn new() -> Self {
        Entry { address: AtomicUsize::new(0), next: OnceBox::new() }
    }
}

impl Claim {
    /// Claims `address`, which other claims may name too: stores on one file share its wal-index.
    pub fn new(address: usize) -> Self {
        let mut entry = &CLAIMS;
        while entry.address.compare_exchange(0, address, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            entry = entry.next.get_or_init(|| Box::new(Entry::new()));
        }
        Claim { entry, age: process::age() }
    }

    pub fn address(&self) -> usize {
        self.entry.address.load(Ordering::Acquire)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.age == process::age() {
            self.entry.address.store(0, Ordering::Release);
        }
    }
}

fn is_claimed(address: usize) -> bool {
    std::iter::successors(Some(&CLAIMS), |entry| entry.next.get()).any(|entry| entry.address.load(Ordering::Acquire) == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6 prints it, with a wal-index at 7f1000 of `/srv/my data/app.db`, the log and the database mapped too.
    const TEXT: &str = "\
55d0c0a00000-55d0c0a28000 r--p 00000000 08:01 1310765                    /usr/bin/python3.12
55d0c0a28000-55d0c0c00000 r-xp 00028000 08:01 1310765                    /usr/bin/python3.12
55d0c1e00000-55d0c2000000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000008000 rw-s 00000000 fe:00 9000                       /srv/my data/app.db
7f1000-7f9000 rw-s 00000000 fe:00 9002                           /srv/my data/app.db-shm
7f9000-801000 rw-s 00008000 fe:00 9002                           /srv/my data/app.db-shm
7fa000000000-7fa000001000 rw-s 00000000 00:01 2077                       /dev/zero (deleted)
7fa000002000-7fa000003000 r--p 00000000 fe:00 9002                       /srv/my data/app.db-shm
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";
    const OWN: usize = 0x7f1000;

    fn look(text: &[u8], ours: &[usize]) -> Option<Sight> {
        judge(&mappings(text).unwrap(), OWN, |address| ours.contains(&address))
    }

    fn with(more: &str) -> Vec<u8> {
        format!("{TEXT}{more}\n").into_bytes()
    }

    #[test]
    fn one_library_is_no_sight() {
        assert_eq!(look(TEXT.as_bytes(), &[OWN]), None);
    }

    #[test]
    fn another_mapping_of_the_first_page_is_a_second_library_whatever_its_name() {
        for name in
            ["/srv/my data/app.db-shm", "/srv/other/app.db-shm", "/srv/moved.db-shm", "/srv/my data/app.db-shm (deleted)", "/a\\012b-shm"]
        {
            let text = with(&format!("7fb000000000-7fb000008000 rw-s 00000000 fe:00 9002                       {name}"));
            assert_eq!(look(&text, &[OWN]), Some(Sight::Beside), "{name}");
            assert_eq!(look(&text, &[OWN, 0x7fb000000000]), None, "{name}: ours, or inherited from ourselves");
        }
        let read_only = with("10000-18000 r--s 00000000 fe:00 9002 /srv/my data/app.db-shm");
        assert_eq!(look(&read_only, &[OWN]), Some(Sight::Beside), "also before our own, and mapped to be read only");
    }

    #[test]
    fn what_is_another_file_or_another_part_is_none() {
        for line in [
            "7fb000000000-7fb000008000 rw-s 00000000 fe:01 9002 /srv/my data/app.db-shm",
            "7fb000000000-7fb000008000 rw-s 00000000 fe:00 9003 /srv/my data/app.db-shm",
            "7fb000000000-7fb000008000 rw-s 00010000 fe:00 9002 /srv/my data/app.db-shm",
            "7fb000000000-7fb000008000 rw-p 00000000 fe:00 9002 /srv/my data/app.db-shm",
        ] {
            assert_eq!(look(&with(line), &[OWN]), None, "{line}");
        }
    }

    #[test]
    fn a_removed_wal_index_was_closed_by_somebody_else() {
        let removed = TEXT.replace("/app.db-shm", "/app.db-shm (deleted)");
        assert_eq!(look(removed.as_bytes(), &[OWN]), Some(Sight::Removed));
        let strange = TEXT.replace("/app.db-shm", "/app.db (deleted)-shm");
        assert_eq!(look(strange.as_bytes(), &[OWN]), None, "a database may be called so");
    }

    #[test]
    fn text_that_is_none_of_the_kernels_shows_nothing() {
        for text in ["", "\n", "no maps\n", "zz-zz rw-s 00000000 fe:00 9002 /a", "7f1000-7f9000 rw-s", "7f1000 rw-s 0 fe:00 1 /a"] {
            assert_eq!(look(text.as_bytes(), &[OWN]), None, "{text:?}");
        }
        let bytes = [TEXT.as_bytes(), b"7fb000000000-7fb000008000 rw-s 00000000 fe:00 9002 /srv/\xff\xfe-shm\n"].concat();
        assert_eq!(look(&bytes, &[OWN]), Some(Sight::Beside), "names need not be UTF-8");
    }

    #[test]
    fn a_claim_holds_until_the_last_one_ends() {
        let (first, second) = (Claim::new(0xabc000), Claim::new(0xabc000));
        let other = Claim::new(0xdef000);
        assert_eq!((first.address(), other.address()), (0xabc000, 0xdef000));
        drop(first);
        assert!(is_claimed(0xabc000) && is_claimed(0xdef000));
        drop(second);
        assert!(!is_claimed(0xabc000) && is_claimed(0xdef000));
        drop(other);
        assert!(!is_claimed(0xdef000));
    }

    #[test]
    fn a_line_break_is_written_as_the_kernel_does() {
        assert_eq!(escaped(b"a\nb c\\d"), b"a\\012b c\\d");
    }
}
