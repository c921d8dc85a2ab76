//! The one unsafe step of the crate: compiled code becomes part of this process.

#![allow(unsafe_code)]

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Output of this program's own compiler: made by this process or its compiler child just now, or
/// read back from the cache, which only this user can write, with its checksum verified.
///
/// Its fields are private to the crate and nothing outside can make one, so an upload cannot
/// become one without going through the compiler.
pub(crate) struct Compiled(Vec<u8>);

impl Compiled {
    /// Says that `bytes` are what the type stands for; the callers are `compile` and `cache`.
    pub fn vouch(bytes: Vec<u8>) -> Compiled {
        Compiled(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn load(&self, engine: &Engine) -> Result<Component> {
        // SAFETY: `deserialize` runs what it is given as native code, so the bytes must come from
        // `Engine::precompile_component`, unmodified. `Compiled` stands for just that: see there.
        // A file of another version or configuration is recognised and refused by wasmtime.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}
