//! The one thing that a policy may call.

use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Engine, Result, StoreContextMut};

use crate::abi::v1::log::Level;
use crate::error::SandboxError;
use crate::guest::Guest;
use crate::wording;

/// What a log line costs, in fuel: it takes the host far longer than the call instruction alone.
const FUEL_PER_LINE: u64 = 1_000;

pub(crate) fn linker(engine: &Engine) -> Result<Linker<Guest>, SandboxError> {
    let mut linker = Linker::new(engine);
    linker
        .instance("cascina:policy/log@1.0.0")
        .and_then(|mut log| log.func_wrap("write", write))
        .map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
    Ok(linker)
}

fn write(mut store: StoreContextMut<'_, Guest>, (level, message): (Level, WasmStr)) -> Result<()> {
    let fuel = store.get_fuel()?;
    match fuel.checked_sub(FUEL_PER_LINE) {
        Some(rest) => store.set_fuel(rest)?,
        None => return Err(wasmtime::Trap::OutOfFuel.into()),
    }
    let room = store.data().log.room();
    if room == 0 {
        store.data_mut().log.drop_one();
        return Ok(());
    }
    let line = {
        let message = message.to_str(&store)?;
        format!("{level}: {}", wording::printable(wording::cut(&message, room)))
    };
    store.data_mut().log.push(line);
    Ok(())
}
