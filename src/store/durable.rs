//! Durable files: written under a temporary name, synced, renamed, and their directory synced; only then are they there.
//!
//! Files are for their owner alone (0600, directories 0700), whatever the umask (HOSTILE.md 169).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How the name of a file begins that is not committed yet. Readers skip names that begin with a dot.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Read and written by the owner.
const FILE_MODE: u32 = 0o600;

/// Listed and entered by the owner.
const DIRECTORY_MODE: u32 = 0o700;

/// A file that is being written and has not got its name yet. Dropped uncommitted, it is removed.
pub(super) struct Draft {
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Draft {
    /// Opens the temporary file of `target`. What an earlier process left under that name is overwritten.
    pub(super) fn create(target: &Path) -> io::Result<(Self, File)> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temporary = std::ffi::OsString::from(TEMPORARY);
        temporary.push(name);
        let temporary = target.with_file_name(temporary);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&temporary)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        Ok((Self { temporary, target: target.to_owned(), committed: false }, file))
    }

    /// Gives the file its name, once its bytes are on the disk. After an error the draft is gone, and the descriptor is
    /// never synced again: a second fsync would call lost pages written.
    pub(super) fn commit(mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        self.committed = true;
        sync_directory(parent(&self.target))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.committed {
            // Best effort: a temporary file that stays is ignored by readers.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file durably.
pub(super) fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let (draft, mut file) = Draft::create(target)?;
    file.write_all(bytes)?;
    draft.commit(&file)
}

/// Creates a directory that must not exist yet; its parent must.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(DIRECTORY_MODE).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))?;
    sync_directory(parent(path))
}

/// Creates a directory and what is missing above it. What exists is left as it is.
pub(super) fn create_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_directories(parent(path))?;
    match create_directory(path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The directory that a path stands in; for a bare name the current one.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_what_a_dead_process_left_does_not_show() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("scan.json");
        fs::write(home.path().join(".tmp-scan.json"), "left by a process that was killed, and longer").unwrap();
        for text in ["first", "2"] {
            write(&target, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn until_the_commit_the_old_file_stands() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("manifest.json");
        write(&target, b"old").unwrap();
        let (draft, mut file) = Draft::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        drop(draft);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_always_stands_in_a_directory() {
        for (path, expected) in [("a/b/c", "a/b"), ("/a", "/"), ("a", "."), ("a/b/", "a"), ("..", ".")] {
            assert_eq!(parent(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn directories_are_made_as_far_as_they_are_missing() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b/c");
        for _ in 0..2 {
            create_directories(&deep).unwrap();
        }
        assert!(deep.is_dir());
        let existing = create_directory(&deep).map_err(|error| error.kind());
        assert_eq!(existing, Err(io::ErrorKind::AlreadyExists));
    }
}
