//! What libvirt says without being asked.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use cascina_core::id::HostId;
use tokio::sync::broadcast;
use virt::connect::Connect;
use virt::error::Error;
use virt_sys as sys;

use super::trouble::Trouble;
use super::xml::guest_of;
use crate::{HostChange, HostEvent};

/// Starts the thread on which libvirt looks at its sockets. Before the first connection is made, once.
pub(super) fn start_loop() -> Result<(), String> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let start = || {
        // It would write each error to standard error, beside giving it to us.
        virt::error::clear_error_callback();
        virt::event::event_register_default_impl().map_err(|error| error.to_string())?;
        let turn = || {
            loop {
                if let Err(error) = virt::event::event_run_default_impl() {
                    tracing::error!(%error, "libvirt's events are not read");
                    std::thread::park_timeout(std::time::Duration::from_millis(200));
                }
            }
        };
        let thread = std::thread::Builder::new().name("libvirt-events".into()).spawn(turn);
        thread.map(|_| ()).map_err(|error| error.to_string())
    };
    STARTED.get_or_init(start).clone()
}

/// For whom, and of which host. Callbacks own one each.
struct Ear {
    host: HostId,
    events: broadcast::Sender<HostEvent>,
}

impl Ear {
    fn say(&self, what: HostChange) {
        // Nobody may be listening.
        let _ = self.events.send(HostEvent { host: self.host, what });
    }
}

/// That a connection's events are heard, until it is dropped.
pub(super) struct Listening {
    connect: sys::virConnectPtr,
    callbacks: Vec<c_int>,
}

// SAFETY: libvirt's connections may be used from any thread.
unsafe impl Send for Listening {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Listening {}

impl Listening {
    pub(super) fn new(
        connect: &Connect,
        host: HostId,
        events: broadcast::Sender<HostEvent>,
    ) -> Result<Listening, Trouble> {
        let ear = || Box::into_raw(Box::new(Ear { host, events: events.clone() })).cast::<c_void>();
        let raw = connect.as_ptr();
        let mut listening = Listening { connect: raw, callbacks: Vec::new() };
        let lifecycle = on_lifecycle
            as unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
        // SAFETY: libvirt calls it with the arguments that this kind of event has; the general type has less.
        let lifecycle = unsafe {
            std::mem::transmute::<
                unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int,
                unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void),
            >(lifecycle)
        };
        let opaque = ear();
        // SAFETY: the connection is open; `opaque` is libvirt's until it calls `forget`.
        let id = unsafe {
            sys::virConnectDomainEventRegisterAny(
                raw,
                std::ptr::null_mut(),
                sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE as c_int,
                Some(lifecycle),
                opaque,
                Some(forget),
            )
        };
        if id < 0 {
            let error = Error::last_error();
            // SAFETY: it was not taken.
            unsafe { forget(opaque) };
            return Err(error.into());
        }
        listening.callbacks.push(id);
        let opaque = ear();
        // SAFETY: as above.
        let closed = unsafe { sys::virConnectRegisterCloseCallback(raw, Some(on_close), opaque, Some(forget)) };
        if closed < 0 {
            // SAFETY: it was not taken.
            unsafe { forget(opaque) };
            // Connections within this process cannot break.
            tracing::debug!(error = %Error::last_error(), "a broken connection will be noticed by its next use");
        }
        Ok(listening)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for id in &self.callbacks {
            // SAFETY: whoever has this has the connection open.
            unsafe { sys::virConnectDomainEventDeregisterAny(self.connect, *id) };
        }
        // SAFETY: as above; it fails if there is none, which is no harm.
        unsafe { sys::virConnectUnregisterCloseCallback(self.connect, Some(on_close)) };
    }
}

/// Must not call libvirt with the connection, nor take long.
unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    _event: c_int,
    _detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: libvirt gives a domain that lives as long as this call; its name is a field of it.
    let name: *const c_char = unsafe { sys::virDomainGetName(domain) };
    if name.is_null() || opaque.is_null() {
        return 0;
    }
    // SAFETY: a string that ends with 0, and what `new` gave it.
    let (name, ear) = unsafe { (CStr::from_ptr(name), &*opaque.cast::<Ear>()) };
    if let Some(guest) = name.to_str().ok().and_then(|name| guest_of(name).ok()) {
        ear.say(HostChange::Guest(guest));
    }
    0
}

unsafe extern "C" fn on_close(_: sys::virConnectPtr, _reason: c_int, opaque: *mut c_void) {
    if !opaque.is_null() {
        // SAFETY: what `new` gave it.
        unsafe { &*opaque.cast::<Ear>() }.say(HostChange::Lost);
    }
}

unsafe extern "C" fn forget(opaque: *mut c_void) {
    if !opaque.is_null() {
        // SAFETY: made by `Box::into_raw` in `new`, and given back once.
        drop(unsafe { Box::from_raw(opaque.cast::<Ear>()) });
    }
}
