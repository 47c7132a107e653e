//! Reads a whole journal and says what is in it and whether it is whole. Changes
//! nothing: what to do about the findings is for the caller.
//!
//! One write is in flight at a time, and none begins before the one before is on
//! disk. So what an interrupted write leaves has no intact entry behind it; if
//! something intact stands behind unreadable bytes, these were confirmed once and
//! are damaged now.

use std::path::{Path, PathBuf};

use super::{
    TornTail,
    catalog::Marks,
    error::{After, FileError, Flaw, OpenError},
    format::{EntryHeader, FileHeader},
    segment, tail,
    walk::{Stop, Walk},
};

/// Everything that is known about a journal after reading it.
pub(super) struct Scan {
    pub(super) segments: Vec<Marks>,
    /// 0 when the journal is empty.
    pub(super) last_seq: u64,
    /// The chain after the last entry.
    pub(super) chain: u64,
    pub(super) last_entry: Option<LastEntry>,
    /// The newest segment; None when there is none at all.
    pub(super) newest: Option<Newest>,
    pub(super) torn: Option<TornTail>,
}

/// Where the last intact entry is.
pub(super) struct LastEntry {
    pub(super) file: PathBuf,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) epoch: u64,
}

pub(super) struct Newest {
    pub(super) file: PathBuf,
    pub(super) header: FileHeader,
    /// Where its intact entries end.
    pub(super) end: u64,
}

/// Reads every entry of the journal in `dir`.
///
/// # Errors
/// When confirmed entries are damaged or missing, or a file can't be read.
pub(super) fn scan(dir: &Path) -> Result<Scan, OpenError> {
    let mut scan = Scan {
        segments: Vec::new(),
        last_seq: 0,
        chain: 0,
        last_entry: None,
        newest: None,
        torn: None,
    };
    let mut end: Option<(Walk, Flaw)> = None;
    for first_seq in segment::list(dir)? {
        let file = segment::path(dir, first_seq);
        let (mut walk, header) = Walk::open(&file).map_err(|stop| unreadable(&file, 0, stop))?;
        if header.first_seq != first_seq {
            return Err(OpenError::Misnamed { file });
        }
        scan.check_follows(&file, &header, end.as_mut().map(|(walk, flaw)| (walk, *flaw)))?;
        if scan.segments.is_empty() {
            scan.chain = header.chain;
        }
        scan.segments.push(Marks::new(&header));
        let flaw = scan.take_in_entries(&file, &mut walk)?;
        scan.newest = Some(Newest {
            file,
            header,
            end: walk.offset(),
        });
        end = Some((walk, flaw));
    }
    if let (Some((mut walk, flaw)), Some(newest)) = (end, &scan.newest) {
        scan.torn = examine_end(&scan, newest, &mut walk, flaw)?;
    }
    Ok(scan)
}

impl Scan {
    /// A segment begins where the one before ended.
    fn check_follows(
        &self,
        file: &Path,
        header: &FileHeader,
        before: Option<(&mut Walk, Flaw)>,
    ) -> Result<(), OpenError> {
        let expected = self.last_seq + 1;
        let found = header.first_seq;
        if found != expected {
            if let (Some((walk, flaw)), Some(newest)) = (before, &self.newest)
                && found > expected
                && !tail::is_blank(walk).map_err(|stop| unreadable(&newest.file, walk.offset(), stop))?
            {
                let after = After::Segment { seq: found };
                return Err(OpenError::Damaged {
                    file: newest.file.clone(),
                    offset: walk.offset(),
                    flaw,
                    after,
                });
            }
            return Err(OpenError::Gap {
                file: file.to_owned(),
                offset: 0,
                expected,
                found,
            });
        }
        if !self.segments.is_empty() && header.chain != self.chain {
            return Err(OpenError::WrongChain {
                file: file.to_owned(),
                offset: 0,
                seq: found,
            });
        }
        Ok(())
    }

    /// Takes in entry after entry until something else stands there; returns what.
    fn take_in_entries(&mut self, file: &Path, walk: &mut Walk) -> Result<Flaw, OpenError> {
        loop {
            let offset = walk.offset();
            match walk
                .header()
                .and_then(|header| Ok((header, walk.check_payload(&header)?)))
            {
                Ok((header, chain)) => {
                    self.take_in(file, offset, &header, chain)?;
                    walk.advance(&header);
                }
                Err(Stop::Flaw(flaw)) if !matches!(flaw, Flaw::Version(_)) => return Ok(flaw),
                Err(stop) => return Err(unreadable(file, offset, stop)),
            }
        }
    }

    fn take_in(
        &mut self,
        file: &Path,
        offset: u64,
        header: &EntryHeader,
        chain: u64,
    ) -> Result<(), OpenError> {
        let expected = self.last_seq + 1;
        if header.first_seq != expected {
            let found = header.first_seq;
            return Err(OpenError::Gap {
                file: file.to_owned(),
                offset,
                expected,
                found,
            });
        }
        if header.chain != self.chain {
            return Err(OpenError::WrongChain {
                file: file.to_owned(),
                offset,
                seq: expected,
            });
        }
        self.last_seq = header.last_seq();
        self.chain = chain;
        self.last_entry = Some(LastEntry {
            file: file.to_owned(),
            offset,
            bytes: header.entry_bytes(),
            epoch: header.epoch,
        });
        if let Some(segment) = self.segments.last_mut() {
            segment.record(header.first_seq, offset);
        }
        Ok(())
    }
}

/// Tells a torn write from damage at the end of the newest segment.
fn examine_end(
    scan: &Scan,
    newest: &Newest,
    walk: &mut Walk,
    flaw: Flaw,
) -> Result<Option<TornTail>, OpenError> {
    let file = &newest.file;
    let offset = walk.offset();
    let failed = |stop| unreadable(file, offset, stop);
    if tail::is_blank(walk).map_err(failed)? {
        return Ok(None);
    }
    let first_seq = scan.last_seq + 1;
    let epoch = scan.last_entry.as_ref().map_or(0, |last| last.epoch);
    if let Some(after) = tail::find_entry(walk, first_seq, epoch).map_err(failed)? {
        return Err(OpenError::Damaged {
            file: file.clone(),
            offset,
            flaw,
            after,
        });
    }
    let last_seq = walk.header().ok().map(|header| header.last_seq());
    Ok(Some(TornTail {
        file: file.clone(),
        offset,
        first_seq,
        last_seq,
    }))
}

/// For what stops the reading for good: the file system, or an unknown version.
fn unreadable(file: &Path, offset: u64, stop: Stop) -> OpenError {
    let file = file.to_owned();
    match stop {
        Stop::File(error) => FileError::new("read the journal segment", &file)(error).into(),
        Stop::Flaw(Flaw::Version(version)) => OpenError::UnknownVersion {
            file,
            offset,
            version,
        },
        // Only a file's header comes here with another flaw.
        Stop::Flaw(flaw) => OpenError::Damaged {
            file,
            offset,
            flaw,
            after: After::Header,
        },
    }
}
