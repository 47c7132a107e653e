//! Reads a whole journal, and says what is in it and whether it is whole. It changes nothing.
//!
//! No write begins before the one before it is on disk. So an interrupted write has no intact entry behind it, and
//! unreadable bytes before an intact entry were confirmed once and are damaged now. A file has its whole length before
//! its first entry, so a shorter file was cut by somebody else.

use std::path::{Path, PathBuf};

use super::{floor::Known, tail};
use crate::{
    journal::{
        TornTail,
        error::{After, Flaw, OpenError},
        format::{EntryHeader, FileHeader},
        read::{
            catalog::Marks,
            walk::{Stop, Walk},
        },
        write::segment,
    },
    machine::disk::FileError,
};

/// A journal as it was read.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) segments: Vec<Marks>,
    /// One less than the first seq of the first segment when there is no entry.
    pub(crate) last_seq: u64,
    /// The chain after the last entry.
    pub(crate) chain: u64,
    pub(crate) last_entry: Option<LastEntry>,
    /// The newest segment; `None` without segments.
    pub(crate) newest: Option<Newest>,
    pub(crate) torn: Option<TornTail>,
}

/// The position of the last intact entry.
pub(crate) struct LastEntry {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) epoch: u64,
}

#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) file: PathBuf,
    pub(crate) header: FileHeader,
    /// The offset where its intact entries end.
    pub(crate) end: u64,
}

/// Reads every entry of the journal in `dir`.
///
/// # Errors
/// When confirmed entries are damaged or missing, or a file can't be read.
pub(crate) fn scan(dir: &Path, known: &Known) -> Result<Scan, OpenError> {
    scan_segments(dir, &segment::list(dir)?, known)
}

/// Reads every entry as if there were only the segments with these first seqs.
pub(crate) fn scan_segments(dir: &Path, first_seqs: &[u64], known: &Known) -> Result<Scan, OpenError> {
    let mut scan = Scan::default();
    let mut end = None;
    for &first_seq in first_seqs {
        end = Some(scan.take_in_segment(dir, first_seq, end, known)?);
    }
    if let (Some((mut walk, flaw)), Some(newest)) = (end, &scan.newest) {
        scan.torn = examine_end(&scan, newest, &mut walk, flaw)?;
    }
    Ok(scan)
}

/// Reads entry after entry until damage of any kind, and returns what it has read up to there.
///
/// # Errors
/// When the file system refuses, or a newer coordinator wrote it.
pub(crate) fn scan_to_damage(dir: &Path, first_seqs: &[u64], known: &Known) -> Result<Scan, OpenError> {
    let mut scan = Scan::default();
    let mut end = None;
    for &first_seq in first_seqs {
        match scan.take_in_segment(dir, first_seq, end, known) {
            Ok(stopped) => end = Some(stopped),
            Err(error) if error.damaged_file().is_some() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(scan)
}

impl Scan {
    /// Takes in the intact entries of one more segment; returns where they end, and why.
    fn take_in_segment(
        &mut self,
        dir: &Path,
        first_seq: u64,
        end: Option<(Walk, Flaw)>,
        known: &Known,
    ) -> Result<(Walk, Flaw), OpenError> {
        let file = segment::path(dir, first_seq);
        let (mut walk, header) = Walk::open(&file).map_err(|stop| unreadable(&file, 0, stop))?;
        if header.first_seq != first_seq {
            return Err(OpenError::Misnamed { file });
        }
        match end {
            None => self.begin(&file, &header, known)?,
            Some((mut walk, flaw)) => self.check_follows(&file, &header, &mut walk, flaw)?,
        }
        self.segments.push(Marks::new(&header, walk.file_bytes()));
        let stopped = self.take_in_entries(&file, &mut walk, known);
        self.newest = Some(Newest {
            file,
            header,
            end: walk.offset(),
        });
        Ok((walk, stopped?))
    }

    /// Refuses a first segment that begins behind everything known without the journal.
    fn begin(&mut self, file: &Path, header: &FileHeader, known: &Known) -> Result<(), OpenError> {
        let expected = known.reconstructible().saturating_add(1);
        let found = header.first_seq;
        if found == 0 || found > expected {
            return Err(OpenError::Gap {
                file: file.to_owned(),
                offset: 0,
                expected,
                found,
            });
        }
        self.last_seq = found - 1;
        self.chain = header.chain;
        self.check_history(file, 0, found - 1, known)
    }

    /// Refuses the entry just taken in, which begins with `first_seq`, if a witness knows another one there.
    fn check_history(
        &self,
        file: &Path,
        offset: u64,
        first_seq: u64,
        known: &Known,
    ) -> Result<(), OpenError> {
        for (position, witness) in known.positions() {
            let holds_it = (first_seq..=self.last_seq).contains(&position.seq);
            if holds_it && (position.seq, position.chain) != (self.last_seq, self.chain) {
                return Err(OpenError::OtherHistory {
                    file: file.to_owned(),
                    offset,
                    seq: position.seq,
                    witness,
                });
            }
        }
        Ok(())
    }

    /// Refuses a segment that does not begin where the one before ended, whose `walk` has stopped at `flaw`.
    fn check_follows(
        &self,
        file: &Path,
        header: &FileHeader,
        walk: &mut Walk,
        flaw: Flaw,
    ) -> Result<(), OpenError> {
        let expected = self.last_seq + 1;
        let found = header.first_seq;
        if found != expected {
            if let Some(newest) = &self.newest
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
        if header.chain != self.chain {
            return Err(OpenError::WrongChain {
                file: file.to_owned(),
                offset: 0,
                seq: found,
            });
        }
        Ok(())
    }

    /// Takes in entry after entry; returns the flaw of the bytes where the next one is due.
    fn take_in_entries(&mut self, file: &Path, walk: &mut Walk, known: &Known) -> Result<Flaw, OpenError> {
        loop {
            let offset = walk.offset();
            match walk
                .header()
                .and_then(|header| Ok((header, walk.check_payload(&header)?)))
            {
                Ok((header, chain)) => {
                    self.take_in(file, offset, &header, chain)?;
                    self.check_history(file, offset, header.first_seq, known)?;
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
    let bytes = u64::from(newest.header.file_bytes);
    if walk.file_bytes() < bytes {
        return Err(OpenError::Damaged {
            file: file.clone(),
            offset: walk.file_bytes(),
            flaw: Flaw::CutShort,
            after: After::Length { bytes },
        });
    }
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

/// The error for a stop that ends the reading for good: the file system's, or an unknown version.
pub(crate) fn unreadable(file: &Path, offset: u64, stop: Stop) -> OpenError {
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
