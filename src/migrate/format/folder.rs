//! A folder: the names below it, and each file's bytes when a layout asks for them, once.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sections;
use crate::error::{Error, Kind, Result};
use crate::migrate::file::File;
use crate::migrate::text::{self, Marks};
use crate::migrate::Script;

/// What is below a folder, sorted by name. Names that begin with a dot are not there.
#[derive(Debug, Default)]
pub(in crate::migrate) struct Folder {
    entries: Vec<Entry>,
    /// Names that the policy leaves alone.
    left_alone: Vec<String>,
    ignore: Vec<String>,
}

/// A file or a folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// The path below the folder, with `/`; a folder's ends with one.
    pub(super) name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Memory(Arc<[u8]>),
    Disk(PathBuf, OnceCell<Arc<[u8]>>),
    /// A subfolder; its path, as long as nobody has looked into it.
    Folder(Option<PathBuf>),
    /// Neither, or not to be read, and why: a pipe, a device, a name that could not be written into the history.
    Odd(PathBuf, &'static str),
}

impl Folder {
    /// The names directly below a folder.
    ///
    /// # Errors
    /// [`Kind::CantOpen`] naming the path, when it is no folder that can be read.
    pub(in crate::migrate) fn open(path: &Path, ignore: &[String]) -> Result<Folder> {
        let mut folder = Folder { ignore: ignore.to_vec(), ..Folder::default() };
        folder.look_into(path, "")?;
        folder.sort();
        Ok(folder)
    }

    /// A folder of files that the program has in memory.
    pub(in crate::migrate) fn of(files: Vec<File>, ignore: &[String]) -> Folder {
        let mut folder = Folder { ignore: ignore.to_vec(), ..Folder::default() };
        for file in files {
            let name = file.name.trim_start_matches("./").trim_start_matches('/').to_string();
            let content = if name.ends_with('/') { Content::Folder(None) } else { Content::Memory(file.bytes) };
            folder.add(Entry { name, content });
        }
        folder.sort();
        folder
    }

    /// Looks into the subfolders that nobody has looked into; says whether there were any.
    ///
    /// # Errors
    /// [`Kind::CantOpen`] naming the subfolder.
    pub(in crate::migrate) fn deepen(&mut self) -> Result<bool> {
        let mut unseen = Vec::new();
        for entry in &mut self.entries {
            if let Content::Folder(path) = &mut entry.content {
                unseen.extend(path.take().map(|path| (path, entry.name.clone())));
            }
        }
        for (path, prefix) in &unseen {
            self.look_into(path, prefix)?;
        }
        self.sort();
        Ok(!unseen.is_empty())
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok().map(|at| &self.entries[at])
    }

    /// What is directly in it; a subfolder's name ends with `/`.
    pub(in crate::migrate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.entries.iter().map(Entry::flat_name).collect();
        names.dedup();
        names
    }

    /// The names that the policy leaves alone, once.
    pub(in crate::migrate) fn take_left_alone(&mut self) -> Vec<String> {
        std::mem::take(&mut self.left_alone)
    }

    fn look_into(&mut self, path: &Path, prefix: &str) -> Result<()> {
        let wrong = |e: std::io::Error| cannot_open(path, e);
        for item in fs::read_dir(path).map_err(wrong)? {
            let item = item.map_err(wrong)?;
            let file_name = item.file_name();
            let mut entry =
                Entry::on_disk(format!("{prefix}{}", file_name.to_string_lossy()), item.path(), item.file_type().map_err(wrong)?);
            if file_name.to_str().is_none() {
                entry.content = Content::Odd(item.path(), "its name is not UTF-8; rename it");
            }
            self.add(entry);
        }
        Ok(())
    }

    fn add(&mut self, entry: Entry) {
        if entry.name.split('/').any(|part| part.starts_with('.')) {
            return;
        }
        if self.ignore.iter().any(|name| entry.is_called(name)) {
            self.left_alone.push(entry.name);
        } else {
            self.entries.push(entry);
        }
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

impl Entry {
    /// A link counts as the file it leads to; a link to a folder is not followed, so that no loop can be walked.
    fn on_disk(name: String, path: PathBuf, kind: fs::FileType) -> Entry {
        let target = if kind.is_symlink() { fs::metadata(&path).map(|data| data.file_type()).unwrap_or(kind) } else { kind };
        if target.is_dir() {
            return Entry { name: name + "/", content: Content::Folder((!kind.is_symlink()).then_some(path)) };
        }
        let plain = target.is_file() || target.is_symlink();
        Entry { name, content: if plain { Content::Disk(path, OnceCell::new()) } else { Content::Odd(path, "it is no regular file") } }
    }

    /// The last part of its path.
    pub(super) fn base(&self) -> &str {
        let name = self.name.trim_end_matches('/');
        name.rsplit('/').next().unwrap_or(name)
    }

    /// The first part of its path.
    pub(super) fn top(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// Its name where subfolders are one name each.
    pub(super) fn flat_name(&self) -> String {
        if self.is_below() {
            format!("{}/", self.top())
        } else {
            self.name.clone()
        }
    }

    /// Whether it is a subfolder or in one.
    pub(super) fn is_below(&self) -> bool {
        self.name.contains('/')
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self.content, Content::Folder(_))
    }

    /// Whether a name of the policy `ignore` means it: its own, its path or a folder that it is in.
    fn is_called(&self, name: &str) -> bool {
        let name = name.trim_end_matches('/');
        self.base() == name || self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// All its bytes.
    ///
    /// # Errors
    /// [`Kind::Io`] naming the path.
    fn bytes(&self) -> Result<Arc<[u8]>> {
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.clone()),
            Content::Disk(path, read) => match read.get() {
                Some(bytes) => Ok(bytes.clone()),
                None => {
                    let bytes = fs::read(path).map_err(|e| cannot_read(path, &e.to_string()).with_source(e))?;
                    Ok(read.get_or_init(|| bytes.into()).clone())
                }
            },
            Content::Folder(_) => Ok(Arc::default()),
            Content::Odd(path, why) => Err(cannot_read(path, why)),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// As [`text::decode`], or [`Kind::Io`] naming the path.
    pub(super) fn text(&self) -> Result<String> {
        text::decode(&self.name, &self.bytes()?)
    }

    /// The whole file as the script of one direction; `tool` is what its tool's own marker asks for.
    ///
    /// # Errors
    /// As [`Entry::text`], and [`Kind::Migration`] when it holds the other direction as well, which would run with this one.
    pub(super) fn script(&self, tool: impl Fn(&str) -> bool) -> Result<Script> {
        let sql = self.text()?;
        sections::refuse_two_directions(&self.name, &sql)?;
        let marks = Marks::of(&sql).or(Marks::outside(tool(&sql)));
        self.part(sql, 1, marks)
    }

    /// A part of the file that begins in `line`.
    pub(super) fn part(&self, sql: String, line: usize, marks: Marks) -> Result<Script> {
        Ok(Script {
            file: self.name.clone(),
            raw: self.bytes()?,
            line,
            outside_transaction: marks.outside_transaction,
            enforces_foreign_keys: marks.enforces_foreign_keys,
            ..Script::inline(sql)
        })
    }
}

fn cannot_open(path: &Path, e: std::io::Error) -> Error {
    let path = path.display();
    let message = match e.kind() {
        std::io::ErrorKind::NotFound => format!("migrations: there is no folder {path}; create it, or give the right path"),
        std::io::ErrorKind::NotADirectory => format!("migrations: {path} is no folder; give the folder that the files are in"),
        _ => format!("migrations: the folder {path} cannot be read: {e}"),
    };
    Error::new(Kind::CantOpen, message).with_source(e)
}

fn cannot_read(path: &Path, why: &str) -> Error {
    Error::new(Kind::Io, format!("the migration {} cannot be read: {why}", path.display()))
}
