//! What wit-bindgen makes of the contract, one module a hook.
//!
//! Each hook has a world of its own with nothing but its interface, while the shared types and the
//! log are generated once. So a component may export any combination: [`export!`](crate::export)
//! picks the modules it needs, and only their descriptions end up in the file.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, reason = "generated")]

pub mod base {
    wit_bindgen::generate!({
        path: "../../wit/policy-v1",
        world: "cascina:policy/policy",
        pub_export_macro: true,
        export_macro_name: "export_base",
        additional_derives: [PartialEq],
        generate_all,
    });

    /// The same types without the deep path.
    pub use cascina::policy::{log, types};
}

pub mod admission {
    wit_bindgen::generate!({
        inline: "package cascina:sdk; world admission-hook { export cascina:policy/admission@1.0.0; }",
        path: "../../wit/policy-v1",
        pub_export_macro: true,
        export_macro_name: "export_admission",
        additional_derives: [PartialEq],
        with: { "cascina:policy/types@1.0.0": crate::bindings::base::types },
        generate_all,
    });
}

pub mod quota {
    wit_bindgen::generate!({
        inline: "package cascina:sdk; world quota-hook { export cascina:policy/quota@1.0.0; }",
        path: "../../wit/policy-v1",
        pub_export_macro: true,
        export_macro_name: "export_quota",
        additional_derives: [PartialEq],
        with: { "cascina:policy/types@1.0.0": crate::bindings::base::types },
        generate_all,
    });
}

pub mod placement {
    wit_bindgen::generate!({
        inline: "package cascina:sdk; world placement-hook { export cascina:policy/placement@1.0.0; }",
        path: "../../wit/policy-v1",
        pub_export_macro: true,
        export_macro_name: "export_placement",
        additional_derives: [PartialEq],
        with: { "cascina:policy/types@1.0.0": crate::bindings::base::types },
        generate_all,
    });
}

pub mod reallocation {
    wit_bindgen::generate!({
        inline: "package cascina:sdk; world reallocation-hook { export cascina:policy/reallocation@1.0.0; }",
        path: "../../wit/policy-v1",
        pub_export_macro: true,
        export_macro_name: "export_reallocation",
        additional_derives: [PartialEq],
        with: { "cascina:policy/types@1.0.0": crate::bindings::base::types },
        generate_all,
    });
}

pub mod choose_victims {
    wit_bindgen::generate!({
        inline: "package cascina:sdk; world choose-victims-hook { export cascina:policy/choose-victims@1.0.0; }",
        path: "../../wit/policy-v1",
        pub_export_macro: true,
        export_macro_name: "export_choose_victims",
        additional_derives: [PartialEq],
        with: { "cascina:policy/types@1.0.0": crate::bindings::base::types },
        generate_all,
    });
}
