//! Long jobs of libvirt's on a running domain: copies of disks, moves. The bindings lack what begins a copy,
//! tells how a job has ended, and ends one early.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::time::{Duration, Instant};

use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

use super::driver::Site;
use super::trouble::{Trouble, never};

/// A job that gets no further for so long is ended.
const STALLED: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

/// How the last job of a domain has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) is_backup: bool,
    pub(super) good: bool,
    pub(super) why: Option<String>,
}

/// How far a job is. It counts up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress(u64);

/// Of the job that is under way.
pub(super) fn progress(domain: &Domain) -> Result<Option<Progress>, Error> {
    let job = match domain.get_job_info() {
        Ok(job) => job,
        // It does not run any more.
        Err(error) if matches!(error.code(), ErrorNumber::OperationInvalid | ErrorNumber::NoDomain) => return Ok(None),
        Err(error) => return Err(error),
    };
    let runs = [sys::VIR_DOMAIN_JOB_BOUNDED, sys::VIR_DOMAIN_JOB_UNBOUNDED];
    let runs = runs.iter().any(|kind| i64::from(*kind) == i64::from(job.r#type));
    Ok(runs.then(|| Progress(job.data_processed.unwrap_or_default())))
}

/// Finds out that a job stands still.
pub(super) struct Pace {
    last: Progress,
    since: Instant,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { last: Progress(0), since: Instant::now() }
    }

    pub(super) fn stands_still(&mut self, now: Progress) -> bool {
        if now != self.last {
            *self = Pace { last: now, since: Instant::now() };
        }
        self.since.elapsed() > STALLED
    }
}

pub(super) fn abort(domain: &Domain) -> Result<(), Error> {
    // SAFETY: the domain is a live object of libvirt's.
    match unsafe { sys::virDomainAbortJob(domain.as_ptr()) } {
        -1 => Err(Error::last_error()),
        _ => Ok(()),
    }
}

/// Forgotten by libvirt when it has been told.
pub(super) fn ended(domain: &Domain) -> Result<Option<Ended>, Error> {
    let (mut kind, mut count, mut list): (c_int, c_int, sys::virTypedParameterPtr) = (0, 0, ptr::null_mut());
    // SAFETY: the domain lives; the rest are places for answers.
    let answer = unsafe {
        sys::virDomainGetJobStats(
            domain.as_ptr(),
            &raw mut kind,
            &raw mut list,
            &raw mut count,
            sys::VIR_DOMAIN_JOB_STATS_COMPLETED,
        )
    };
    if answer == -1 {
        return Err(Error::last_error());
    }
    let told = Told { list, count };
    if i64::from(kind) == i64::from(sys::VIR_DOMAIN_JOB_NONE) {
        return Ok(None);
    }
    let operation = told.number(sys::VIR_DOMAIN_JOB_OPERATION).unwrap_or_default();
    let is_backup = i64::from(operation) == i64::from(sys::VIR_DOMAIN_JOB_OPERATION_BACKUP);
    let completed = i64::from(kind) == i64::from(sys::VIR_DOMAIN_JOB_COMPLETED);
    let good = completed && told.truth(sys::VIR_DOMAIN_JOB_SUCCESS) != Some(false);
    Ok(Some(Ended { is_backup, good, why: told.text(sys::VIR_DOMAIN_JOB_ERRMSG) }))
}

/// What libvirt has allocated to tell something.
struct Told {
    list: sys::virTypedParameterPtr,
    count: c_int,
}

impl Told {
    fn number(&self, name: &CStr) -> Option<c_int> {
        let mut value = 0;
        // SAFETY: the list has so many entries, and the name is a literal of libvirt's that ends with 0.
        let found = unsafe { sys::virTypedParamsGetInt(self.list, self.count, name.as_ptr(), &raw mut value) };
        (found == 1).then_some(value)
    }

    fn truth(&self, name: &CStr) -> Option<bool> {
        let mut value = 0;
        // SAFETY: as above.
        let found = unsafe { sys::virTypedParamsGetBoolean(self.list, self.count, name.as_ptr(), &raw mut value) };
        (found == 1).then_some(value != 0)
    }

    fn text(&self, name: &CStr) -> Option<String> {
        let mut value: *const c_char = ptr::null();
        // SAFETY: as above.
        let found = unsafe { sys::virTypedParamsGetString(self.list, self.count, name.as_ptr(), &raw mut value) };
        // SAFETY: a string of the list's, which lives as long as that.
        (found == 1 && !value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // SAFETY: libvirt's own, given back once; nothing is fine too.
        unsafe { sys::virTypedParamsFree(self.list, self.count) };
    }
}

/// Begins to copy disks as they are now to where the document says, into files that are there.
pub(super) fn begin_backup(domain: &Domain, xml: &str) -> Result<(), Trouble> {
    let xml = CString::new(xml).map_err(|error| never(format!("a document has a character of no use: {error}")))?;
    let flags = sys::VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL;
    // SAFETY: the domain lives, the document ends with 0; no checkpoint is wanted.
    match unsafe { sys::virDomainBackupBegin(domain.as_ptr(), xml.as_ptr(), ptr::null(), flags) } {
        -1 => Err(Error::last_error().into()),
        _ => Ok(()),
    }
}

/// The document of the copy that is under way.
pub(super) fn backup(domain: &Domain) -> Result<Option<String>, Trouble> {
    // SAFETY: the domain lives.
    let text = unsafe { sys::virDomainBackupGetXMLDesc(domain.as_ptr(), 0) };
    if text.is_null() {
        let error = Error::last_error();
        return match error.code() {
            ErrorNumber::NoDomainBackup | ErrorNumber::OperationInvalid => Ok(None),
            _ => Err(error.into()),
        };
    }
    // SAFETY: a string that ends with 0, allocated by libvirt for us with `malloc`.
    let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: as above; it is given back once.
    unsafe { free(text.cast()) };
    Ok(Some(copy))
}

unsafe extern "C" {
    fn free(memory: *mut std::ffi::c_void);
}

impl Site {
    /// Until the domain's job has ended, however that is. One that stands still is ended.
    pub(super) fn wait_for_job(&self, domain: &Domain) -> Result<(), Trouble> {
        let mut pace = Pace::new();
        while let Some(now) = progress(domain)? {
            if pace.stands_still(now) {
                abort(domain)?;
            }
            self.pause(LOOK);
        }
        Ok(())
    }
}
