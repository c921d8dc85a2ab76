//! The engine in virtual time: seeds, faults, crash schedules, traces.
