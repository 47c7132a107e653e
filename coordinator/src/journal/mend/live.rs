//! Copies a journal that a running coordinator may be appending to.
//!
//! All segments but the newest never change. Of the newest, whole entries are copied; an entry that is being written
//! meanwhile may be there in part, and is left out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    journal::{
        error::{Flaw, OpenError, Witness},
        open::{
            high_water::{self, HighWater, Position},
            scan::unreadable,
            tail,
        },
        read::walk::{Stop, Walk},
        write::segment,
    },
    machine::disk::{self, FileError},
};

/// The segments that a journal has at one time.
pub struct Live {
    dir: PathBuf,
    first_seqs: Vec<u64>,
    /// The seq that was on disk before the segments were listed.
    high_water: u64,
}

impl Live {
    /// Lists the segments. Events acknowledged by now will be in the copy.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn look(dir: &Path) -> Result<Live, OpenError> {
        let high_water = match high_water::read(dir)? {
            HighWater::At(position) => position.seq,
            HighWater::Missing | HighWater::Unreadable(_) => 0,
        };
        Ok(Live {
            dir: dir.to_owned(),
            first_seqs: segment::list(dir)?,
            high_water,
        })
    }

    /// Whether segments were removed since.
    pub fn has_been_trimmed(&self) -> bool {
        let oldest = self.first_seqs.first();
        oldest.is_some_and(|&seq| !segment::path(&self.dir, seq).exists())
    }

    /// Copies the segments into `to`, with a high-water file. Returns the last seq; `None` when segments were removed
    /// meanwhile.
    ///
    /// # Errors
    /// When the newest segment is damaged, or the file system refuses. The other segments are copied unread.
    pub fn copy(&self, to: &Path) -> Result<Option<u64>, OpenError> {
        disk::make_directory(to, "make the directory")?;
        let Some((&newest, older)) = self.first_seqs.split_last() else {
            return Ok(Some(0));
        };
        for &first_seq in older {
            let source = segment::path(&self.dir, first_seq);
            match disk::copy_file(&source, &segment::path(to, first_seq)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !source.exists() => return Ok(None),
                copied => copied?,
            }
        }
        let source = segment::path(&self.dir, newest);
        let (end, last) = match find_end(&source) {
            Err(OpenError::File(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        if last.seq < self.high_water {
            return Err(OpenError::EndsEarly {
                file: source,
                offset: end,
                last: last.seq,
                known: self.high_water,
                witness: Witness::HighWater,
            });
        }
        copy_beginning(&source, &segment::path(to, newest), end)?;
        if last.seq > 0 {
            high_water::write(to, last)?;
        }
        disk::sync_directory(to)?;
        Ok(Some(last.seq))
    }
}

/// The offset where the whole entries of a segment end, and the position of the last one.
fn find_end(file: &Path) -> Result<(u64, Position), OpenError> {
    let (mut walk, header) = Walk::open(file).map_err(|stop| unreadable(file, 0, stop))?;
    let mut last = Position {
        seq: header.first_seq - 1,
        chain: header.chain,
    };
    let mut epoch = 0;
    let flaw = loop {
        let offset = walk.offset();
        let entry = walk
            .header()
            .and_then(|header| Ok((header, walk.check_payload(&header)?)));
        match entry {
            Ok((entry, chain)) if entry.first_seq == last.seq + 1 && entry.chain == last.chain => {
                last = Position {
                    seq: entry.last_seq(),
                    chain,
                };
                epoch = entry.epoch;
                walk.advance(&entry);
            }
            Ok(_) => break Flaw::Seq,
            Err(Stop::Flaw(flaw)) if !matches!(flaw, Flaw::Version(_)) => break flaw,
            Err(stop) => return Err(unreadable(file, offset, stop)),
        }
    };
    let end = walk.offset();
    let after = tail::find_entry(&mut walk, last.seq + 1, epoch);
    let after = after.map_err(|stop| unreadable(file, end, stop))?;
    // An entry was whole before the next one was begun, so if one behind it is whole, this one is whole by now or
    // damaged.
    if let Some(after) = after
        && is_damaged(file, header.chain, end)?
    {
        return Err(OpenError::Damaged {
            file: file.to_owned(),
            offset: end,
            flaw,
            after,
        });
    }
    Ok((end, last))
}

fn is_damaged(file: &Path, salt: u64, offset: u64) -> Result<bool, OpenError> {
    let entry = Walk::open_at(file, salt, offset).and_then(|mut walk| {
        let header = walk.header()?;
        walk.check_payload(&header)
    });
    match entry {
        Ok(_) => Ok(false),
        Err(Stop::Flaw(_)) => Ok(true),
        Err(stop) => Err(unreadable(file, offset, stop)),
    }
}

/// Copies the first `end` bytes of a segment, and fills the copy with zeros to the segment's length.
fn copy_beginning(from: &Path, to: &Path, end: u64) -> Result<(), FileError> {
    let source = File::open(from).map_err(FileError::new("read the journal segment", from))?;
    let length = fs::metadata(from)
        .map_err(FileError::new("read the journal segment", from))?
        .len();
    let copied = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .and_then(|mut target| {
            io::copy(&mut source.take(end), &mut target)?;
            segment::fill_with_zeros(&target, end, length)?;
            target.sync_all()
        });
    copied.map_err(FileError::new("write the copy of the journal segment", to))
}
