//! Write Cascina policies as plain Rust structs.
//!
//! A policy is a struct that holds its settings. [`Policy`] says what it is called and what may be
//! set; one trait a hook ([`Admission`], [`Quota`], [`Placement`], [`Reallocation`], [`ChooseVictims`]) says what it
//! decides; [`export!`] makes a WebAssembly component of it. The hook traits take and return plain
//! values, so a policy is tested with `cargo test`, without any WebAssembly.
//!
//! The README is a tutorial; `policies/` in the same repository has five complete examples.
#![warn(missing_docs)]

#[doc(hidden)]
#[allow(missing_docs)]
pub mod bindings;

pub mod admission;
mod answer;
pub mod choose_victims;
mod component;
mod limits;
pub mod log;
pub mod placement;
mod policy;
pub mod quota;
pub mod reallocation;
mod reason;
mod resources;
pub mod testing;

/// Keeps the tutorial's code compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use bindings::base::types::{
    Answer, Approver, Attribute, Context, Failure, Reason, Resources, Severity, Subject, Usage, Verdict,
};

pub use admission::Admission;
pub use choose_victims::ChooseVictims;
#[doc(hidden)]
pub use component::Component;
pub use limits::Limits;
pub use placement::Placement;
pub use policy::{NoSettings, Policy, parse_settings, settings_schema};
pub use quota::Quota;
pub use reallocation::Reallocation;

/// Makes a component of a policy: `export!(MyPolicy: placement, quota);`
///
/// Names the hooks that the policy implements: any of `admission`, `quota`, `placement`,
/// `reallocation`, `choose_victims`. The component exports these and nothing else, and the server finds out which.
/// On other targets than wasm32 it only checks that the traits are there.
#[macro_export]
macro_rules! export {
    ($policy:ty : $($hook:ident),+ $(,)?) => {
        $( $crate::__implements!($hook $policy); )+

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "symbols that the component model calls")]
        const _: () = {
            type Exported = $crate::Component<$policy>;
            $crate::bindings::base::export_base!(Exported with_types_in $crate::bindings::base);
            $( $crate::__export_hook!($hook Exported); )+
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __implements {
    (admission $policy:ty) => { $crate::__implements!(@ Admission $policy); };
    (quota $policy:ty) => { $crate::__implements!(@ Quota $policy); };
    (placement $policy:ty) => { $crate::__implements!(@ Placement $policy); };
    (reallocation $policy:ty) => { $crate::__implements!(@ Reallocation $policy); };
    (choose_victims $policy:ty) => { $crate::__implements!(@ ChooseVictims $policy); };
    (@ $hook:ident $policy:ty) => {
        const _: fn() = || {
            fn implements<P: $crate::$hook>() {}
            implements::<$policy>()
        };
    };
    ($other:ident $policy:ty) => {
        compile_error!(concat!(
            "`", stringify!($other),
            "` is no hook; choose from admission, quota, placement, reallocation, choose_victims"
        ));
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_hook {
    (admission $ty:ident) => {
        $crate::bindings::admission::export_admission!(
            $ty with_types_in $crate::bindings::admission
        );
    };
    (quota $ty:ident) => {
        $crate::bindings::quota::export_quota!($ty with_types_in $crate::bindings::quota);
    };
    (placement $ty:ident) => {
        $crate::bindings::placement::export_placement!(
            $ty with_types_in $crate::bindings::placement
        );
    };
    (reallocation $ty:ident) => {
        $crate::bindings::reallocation::export_reallocation!(
            $ty with_types_in $crate::bindings::reallocation
        );
    };
    (choose_victims $ty:ident) => {
        $crate::bindings::choose_victims::export_choose_victims!(
            $ty with_types_in $crate::bindings::choose_victims
        );
    };
}
