//! sled's errors as ours.

use std::io;

use crate::store::StoreError;

/// Turns sled's error into ours, for the verb that met it.
pub(crate) fn at_sled(doing: &'static str) -> impl Fn(sled::Error) -> StoreError {
    move |error| match error {
        // What sled expects to be in its file is not there.
        sled::Error::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ) =>
        {
            StoreError::DamagedFile {
                fault: format!("sled cannot {doing} its file: {source}"),
            }
        }
        sled::Error::Io(source) => StoreError::Io {
            doing,
            source: as_the_system_said_it(source),
        },
        sled::Error::Corruption { at: Some(at), .. } => StoreError::DamagedFile {
            fault: format!("sled found corrupted data at offset {}", at.lid()),
        },
        sled::Error::Corruption { at: None, .. } => StoreError::DamagedFile {
            fault: "sled found corrupted data".to_owned(),
        },
        sled::Error::Unsupported(fault) | sled::Error::ReportableBug(fault) => StoreError::DamagedFile {
            fault: format!("sled says: {fault}"),
        },
        sled::Error::CollectionNotFound(_) => StoreError::DamagedFile {
            fault: "sled has lost its tree".to_owned(),
        },
    }
}

/// The error itself, where sled gives a copy: what an earlier write met it keeps, and its copies have the error's debug
/// text instead of its code.
fn as_the_system_said_it(source: io::Error) -> io::Error {
    let text = source.to_string();
    let code = text
        .strip_prefix("Os { code: ")
        .and_then(|rest| rest.split_once(','))
        .and_then(|(code, _)| code.parse().ok());
    code.map_or(source, io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_disk_that_sled_has_kept_is_said_as_the_system_says_it() {
        const ENOSPC: i32 = 28;
        let first = sled::Error::Io(io::Error::from_raw_os_error(ENOSPC));
        let kept = first.clone();
        for error in [first, kept] {
            let StoreError::Io { source, .. } = at_sled("write")(error) else {
                panic!("it is no damage");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            assert_eq!(source.to_string(), "No space left on device (os error 28)");
        }
        let other = sled::Error::Io(io::Error::other("told by nobody"));
        assert!(
            matches!(at_sled("write")(other), StoreError::Io { source, .. } if source.to_string() == "told by nobody")
        );
    }
}
