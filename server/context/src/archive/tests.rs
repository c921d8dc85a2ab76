use proptest::prelude::*;

use super::*;

fn part(kind: &str, name: &str, body: &[u8]) -> Part {
    Part { content_type: kind.parse().unwrap(), name: name.parse().unwrap(), body: body.to_vec() }
}

fn refused(bytes: &[u8]) -> String {
    let begun = std::time::Instant::now();
    let error = read(bytes, &Limits::default()).unwrap_err().to_string();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert!(error.len() < 400, "{error}");
    error
}

const HEAD: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n";

fn with(parts: &str) -> String {
    format!("{HEAD}{parts}--b--\n")
}

#[test]
fn an_archive_in_full() {
    let archive = Archive {
        parts: vec![
            part("text/cloud-boothook", "first", b"#cloud-boothook\n#!/bin/sh\n:\n"),
            part("text/localfs-config", "localfs.yaml", "a: \u{e8}\n".as_bytes()),
        ],
    };
    insta::assert_snapshot!(String::from_utf8(archive.mime()).unwrap());
}

#[test]
fn large_ones_are_compressed_always_alike() {
    let archive = Archive { parts: vec![part("text/x-shellscript", "x", &b"#!/bin/sh\n# words\n".repeat(1000))] };
    let packed = archive.user_data();
    assert!(is_compressed(&packed) && packed.len() < 1000);
    assert_eq!(packed, archive.clone().user_data());
    let read = read(&packed, &Limits::default()).unwrap();
    assert!(read.compressed && read.multipart);
    assert_eq!(read.parts[0].body, archive.parts[0].body);
}

#[test]
fn what_says_what_it_is_by_its_first_line() {
    for (text, kind) in [
        ("#!/bin/sh\n", "text/x-shellscript"),
        ("\n #cloud-config\na: 1\n", "text/cloud-config"),
        ("#CLOUD-CONFIG-archive\n", ""),
        ("#include-once\nhttp://x/\n", "text/x-include-once-url"),
        ("#include http://x/\n", "text/x-include-url"),
        ("## template: jinja\n#cloud-config\n", "text/jinja2"),
        ("hello\n", "text/x-not-multipart"),
    ] {
        let reading = read(text.as_bytes(), &Limits::default()).unwrap();
        let kinds: Vec<_> = reading.parts.iter().map(|part| part.content_type.as_str()).collect();
        assert_eq!(kinds, if kind.is_empty() { vec![] } else { vec![kind] }, "{text}");
    }
    let list =
        "#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/x-own, content: 'a', filename: own.txt}\n- 'a: 1'\n";
    let reading = read(list.as_bytes(), &Limits::default()).unwrap();
    insta::assert_debug_snapshot!(reading.parts, @r"
    [
        text/x-shellscript - (9 bytes),
        text/x-own own.txt (1 bytes),
        text/cloud-config - (4 bytes),
    ]
    ");
}

#[test]
fn what_others_write_is_read() {
    let text = "From nobody Thu Jan  1 00:00:00 1970\r\nContent-Type: multipart/mixed;\r\n boundary=b\r\nMIME-Version: 1.0\r\n\r\nnothing\r\n\
        --b\r\nContent-Type: text/plain; charset=\"us-ascii\"; name=\"own.sh\"\r\n\r\n#!/bin/sh\r\necho\r\n\r\n--b  \r\n\
        Content-Type: multipart/mixed; boundary=\"c d\"\r\n\r\n--c d\r\n\r\n#cloud-config\r\n--c d--\r\n\r\n\
        --b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/x-own\r\n\r\na=3Db=\r\nc=C3=A8\r\n--b--\r\nafter\r\n";
    let reading = read(text.as_bytes(), &Limits::default()).unwrap();
    let parts: Vec<_> = reading
        .parts
        .iter()
        .map(|part| (part.content_type.as_str(), String::from_utf8_lossy(&part.body).into_owned()))
        .collect();
    assert_eq!(
        parts,
        [
            ("text/x-shellscript", "#!/bin/sh\r\necho\r\n".to_owned()),
            ("text/cloud-config", "#cloud-config".to_owned()),
            ("text/x-own", "a=bc\u{e8}".to_owned()),
        ]
    );
    let packed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, compress(b"#!/bin/sh\n"));
    let text = with(&format!("--b\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{packed}\n"));
    assert!(read(text.as_bytes(), &Limits::default()).unwrap().parts[0].content_type.is_script());
}

#[test]
fn hostile_archives_are_refused() {
    // As deep as it goes within the bytes that are taken.
    let mut nested = String::from("MIME-Version: 1.0\n");
    for level in 0..10_000 {
        nested.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"));
    }
    nested.extend((0..10_000).rev().map(|level| format!("\n--b{level}--\n")));
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("nested", nested.into_bytes(), "deeper than 4"),
        ("parts", with(&"--b\n\na\n".repeat(10_000)).into_bytes(), "more than 200 parts"),
        ("bomb", compress(&vec![b'#'; 100 << 20]), "more than 8388608 bytes"),
        ("bytes", vec![b'a'; (1 << 20) + 1], "too many"),
        ("no colon", with("--b\nContent-Type text/plain\n\na\n").into_bytes(), "no colon"),
        ("no name", with("--b\n: text/plain\n\na\n").into_bytes(), "its name is none"),
        ("fold", with("--b\n folded: x\n\na\n").into_bytes(), "begins with a space"),
        ("long header", with(&format!("--b\nX: {}\n\na\n", "a".repeat(100_000))).into_bytes(), "longer than 4096"),
        ("folds", with(&format!("--b\nX: a\n{}\n\na\n", " aaaa\n".repeat(100_000))).into_bytes(), "longer than 4096"),
        ("headers", with(&format!("--b\n{}\n\na\n", "X: a\n".repeat(1000))).into_bytes(), "more than 64"),
        ("twice", with("--b\nContent-Type: text/a\nContent-type: text/b\n\na\n").into_bytes(), "twice"),
        ("quote", with("--b\nContent-Disposition: attachment; filename=\"x\n\na\n").into_bytes(), "does not end"),
        ("line", with(&format!("--b\n\n{}\n", "a".repeat(300_000))).into_bytes(), "longer than 262144"),
        ("return", with("--b\n\n#!/bin/sh\r--b\r\r#!/bin/sh\n").into_bytes(), "carriage return"),
        (
            "path",
            with("--b\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\n\na\n").into_bytes(),
            "leads elsewhere",
        ),
        ("dots", with("--b\nContent-Disposition: attachment; filename=\"..\"\n\na\n").into_bytes(), "leads elsewhere"),
        ("nul", with("--b\nContent-Type: text/x; name=\"a\0b\"\n\na\n").into_bytes(), "leads elsewhere"),
        ("encoded name", with("--b\nContent-Disposition: a; filename*=utf-8''%2e%2e\n\na\n").into_bytes(), "RFC 2231"),
        ("type", with("--b\nContent-Type: nonsense\n\na\n").into_bytes(), "no content type"),
        ("message", with("--b\nContent-Type: message/rfc822\n\na: b\n\n\n").into_bytes(), "within a message"),
        ("encoding", with("--b\nContent-Transfer-Encoding: x-uuencode\n\na\n").into_bytes(), "not read by guests"),
        ("letters", with("--b\n\n#!/bin/sh\n# \u{e8}\n").into_bytes(), "beyond ASCII"),
        ("base64", with("--b\nContent-Transfer-Encoding: base64\n\n!!!!\n").into_bytes(), "is not"),
        ("cut", HEAD.replace("\n\n", "\n\n--b\n\n#!/bin/sh\nrm -rf /tmp").into_bytes(), "cut off"),
        ("no parts", HEAD.as_bytes().to_vec(), "not there"),
        ("no boundary", b"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n".to_vec(), "without a boundary"),
        ("no text", [HEAD.as_bytes(), b"--b\n\n\xff\n--b--\n"].concat(), "UTF-8"),
        ("broken", [&compress(b"#!/bin/sh")[..20], b"zzz"].concat(), "broken"),
        ("behind", [&compress(b"#!/bin/sh")[..], b"MIME-Version: 1.0"].concat(), "behind"),
        ("list path", b"#cloud-config-archive\n- {content: a, filename: ../x}\n".to_vec(), "leads elsewhere"),
        ("list bomb", format!("#cloud-config-archive\n{}", "- a\n".repeat(10_000)).into_bytes(), "more than 200 parts"),
    ];
    for (what, bytes, said) in cases {
        let error = refused(bytes);
        assert!(error.contains(said), "{what}: {error}");
    }
    // A bomb in each of many parts counts as a whole.
    let bomb = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, compress(&vec![b' '; 3 << 20]));
    let part = format!("--b\nContent-Type: application/x-gzip\nContent-Transfer-Encoding: base64\n\n{bomb}\n");
    assert!(refused(with(&part.repeat(100)).as_bytes()).contains("more than 8388608"));
}

#[test]
fn names_lead_nowhere() {
    for name in ["", ".", "..", ".x", "a/b", "a\\b", "a b", "\u{e8}", &"a".repeat(129)] {
        assert!(name.parse::<PartName>().is_err(), "{name}");
        assert!(PartName::nearest(name).as_str().parse::<PartName>().is_ok(), "{name}");
    }
}

fn body_of_any_kind() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~\n]{0,200}".prop_map(String::into_bytes),
        "(--==cascina-[0-9a-f]{32}==\n){0,3}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        bodies in prop::collection::vec((body_of_any_kind(), "[a-zA-Z0-9][a-z0-9._-]{0,12}"), 0..8),
        pack in any::<bool>(),
    ) {
        // A type that nothing in the body changes.
        let parts: Vec<Part> = bodies.iter().map(|(body, name)| part("text/x-own", name, body)).collect();
        let archive = Archive { parts };
        let bytes = if pack { compress(&archive.mime()) } else { archive.mime() };
        let reading = read(&bytes, &Limits::default());
        if archive.parts.is_empty() {
            return Ok(());
        }
        let reading = reading.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let again: Vec<Part> = reading.parts.into_iter().map(|found| Part {
            content_type: found.content_type, name: found.name.unwrap(), body: found.body,
        }).collect();
        prop_assert_eq!(again, archive.parts);
    }

    #[test]
    fn whatever_comes_ends(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[a-zA-Z:;=\"\\-/ \r\n]{0,300}") {
        let _ = read(&bytes, &Limits::default());
        let _ = read(format!("{HEAD}--b\n{text}\n--b--").as_bytes(), &Limits::default());
        let _ = read(format!("mime-version: 1.0\n{text}").as_bytes(), &Limits::default());
    }
}
