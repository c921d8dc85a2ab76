//! Whatever comes is answered.

use proptest::prelude::*;

use super::*;

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "latest",
            "meta-data",
            "user-data",
            "dynamic",
            "public-keys",
            "0",
            "network",
            "interfaces",
            "macs",
            "api",
            "token",
            "..",
            ".",
            "",
            "%2e",
            "%",
            "?",
            "02:00:00:0c:07:05",
            "1.0",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
        any::<String>(),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        proptest::sample::select(vec![TTL_HEADER, TOKEN_HEADER, "X-Forwarded-For", "Host"]).prop_map(str::to_owned),
        any::<String>(),
    ];
    let value = prop_oneof![
        any::<Vec<u8>>(),
        "[0-9]{1,6}".prop_map(String::into_bytes),
        "[A-Za-z0-9_=-]{56}".prop_map(String::into_bytes)
    ];
    proptest::collection::vec((name, value), 0..5)
}

proptest! {
    #[test]
    fn whatever_comes_is_answered(
        method in prop_oneof![proptest::sample::select(vec!["GET", "PUT", "HEAD"]).prop_map(str::to_owned), any::<String>()],
        parts in proptest::collection::vec(part(), 0..7),
        headers in headers(),
        access in proptest::sample::select(vec![Access::Off, Access::TokensOptional, Access::TokensRequired]),
        source in prop_oneof![Just(SOURCE), any::<[u8; 4]>()],
        now in any::<u64>(),
    ) {
        let path = format!("/{}", parts.join("/"));
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let facts = Facts { access, ..facts() };
        let request = MetadataRequest { method: &method, path: &path, headers: &headers, source: source.into() };
        let response = answer(&request, &facts, &tokens(), Timestamp(now));
        prop_assert!([200, 400, 401, 403, 404, 405, 414, 431].contains(&response.status));
        // No token was made up by chance, so nothing but a token is given where tokens are required.
        if response.status == 200 {
            prop_assert!(source == SOURCE && access != Access::Off);
            prop_assert!(access != Access::TokensRequired || path.starts_with("/latest/api/token"));
        }
    }
}
