use super::*;
use crate::archive::{Limits, read};

fn findings(parts: &[(&str, &str, &str)]) -> Vec<String> {
    let parts: Vec<String> = parts
        .iter()
        .map(|(kind, name, body)| format!("--b\nContent-Type: {kind}; name=\"{name}\"\n\n{body}\n"))
        .collect();
    let text = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{}--b--\n", parts.concat());
    check(&read(text.as_bytes(), &Limits::default()).unwrap()).iter().map(ToString::to_string).collect()
}

const HANDLER: (&str, &str, &str) =
    ("text/part-handler", "h.py", "def list_types():\n    return ['text/own-config']\n");
const OWN: (&str, &str, &str) = ("text/own-config", "own.yaml", "own: 1\n");

#[test]
fn order_matters() {
    assert_eq!(findings(&[HANDLER, OWN]), Vec::<String>::new());
    insta::assert_debug_snapshot!(findings(&[OWN, HANDLER, ("text/other-config", "o", "x"), ("text/plain", "n", "hello")]), @r#"
    [
        "error: part 1 (own.yaml): the handler of text/own-config comes after it, and guests pass it over: put the handler first",
        "error: part 3 (o): nothing handles text/other-config, and guests pass it over",
        "error: part 4 (n): nothing handles text/plain, and guests pass it over",
    ]
    "#);
}

#[test]
fn what_is_lost_silently() {
    let first = ("text/cloud-config", "a", "#cloud-config\npackages: [a]\nruncmd: [ls]\n");
    insta::assert_debug_snapshot!(findings(&[
        first,
        ("text/cloud-config", "b", "#cloud-config\npackages: [b]\n"),
        ("text/cloud-config", "c", "#cloud-config\nruncmd: [ls]\nmerge_how: 'dict(recurse_array)+list(append)'\n"),
        ("text/x-shellscript", "s", "#!/bin/sh"),
        ("text/x-shellscript", "s", "#!/bin/sh"),
        ("text/x-shellscript", "t", "echo"),
    ]), @r#"
    [
        "warning: part 2 (b): packages takes the place of the one in part 1, silently: say merge_how, or put them together",
        "warning: part 5 (s): part 4 has the same name, and guests keep the later one only",
        "error: part 6 (t): a script that does not begin with #! cannot be run",
    ]
    "#);
}

#[test]
fn cloud_config_is_as_its_schema_has_it() {
    let kind = "text/cloud-config";
    assert_eq!(
        findings(&[(
            kind,
            "a",
            "#cloud-config\nusers: [default, {name: a, uid: 1000}]\nssh_pwauth: yes\nwrite_files: [{path: /a, permissions: '0644'}]\npower_state: {mode: reboot, delay: now}\n"
        )]),
        Vec::<String>::new()
    );
    insta::assert_debug_snapshot!(findings(&[
        (kind, "a", "#cloud-config\nusrs: [a]\nwrite_files: [{path: /a, permissions: 0644}]\npackages: secret\n"),
        (kind, "b", "- a\n"),
        (kind, "c", "a: [\n"),
        (kind, "d", "hostname: a\n"),
    ]));
    assert!(findings(&[(kind, "a", "#cloud-config\n")]).is_empty());
}
