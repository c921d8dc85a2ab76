use proptest::prelude::*;

use super::*;

const FINE: &str = r#"{"version": 1, "instance": "i-1", "result": "degraded", "uptime": 3.5, "scripts": [], "cloud_init": ["a\u001b[2Jb"],
    "handlers": [{"block": "localfs", "result": "ok", "errors": [], "seconds": 1.25, "log": "one\r\ntwo\n\u0007"}]}"#;

#[test]
fn what_a_guest_says() {
    let report = parse(FINE.as_bytes(), Some("i-1")).unwrap();
    insta::assert_debug_snapshot!(report, @r#"
    Report {
        state: Degraded,
        handlers: [
            HandlerReport {
                block: "localfs",
                outcome: Ok,
                errors: [],
                took: Some(
                    1250,
                ),
                log: "one\ntwo\n�",
            },
        ],
        scripts: [],
        warnings: [
            "a�[2Jb",
        ],
    }
    "#);
    assert_eq!(parse(FINE.as_bytes(), Some("i-2")), Err(ReportError::Other));
}

#[test]
fn success_that_is_only_claimed_is_failure() {
    let text = FINE.replace("\"ok\"", "\"missing\"").replace("degraded", "contextualized");
    let report = parse(text.as_bytes(), None).unwrap();
    assert_eq!((report.state, report.failed()), (ContextState::Failed, vec!["localfs".to_owned()]));
}

#[test]
fn what_is_no_report() {
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    for bytes in [
        "",
        "{}",
        "[]",
        "null",
        &deep,
        &FINE.replace("\"version\": 1", "\"version\": 2"),
        &FINE.replace("degraded", "fine"),
    ] {
        assert!(matches!(parse(bytes.as_bytes(), None), Err(ReportError::Form { .. })), "{bytes:.40}");
    }
    assert!(matches!(parse(&vec![b' '; MOST + 1], None), Err(ReportError::TooLong { .. })));
    let many = format!(r#"{{"version":1,"result":"failed","scripts":[{}"a"]}}"#, "\"x\",".repeat(10_000));
    assert_eq!(parse(many.as_bytes(), None).unwrap().scripts.len(), 64);
}

#[test]
fn on_a_console_between_other_lines() {
    let long = FINE.replace("one", &"one ".repeat(200));
    let text = to_console(&long);
    let fine = parse(long.as_bytes(), None);
    assert_eq!(of_console(text.as_bytes(), None), Some(fine.clone()));
    let between = text
        .replace("\r\n", "\r\n[   3.2] random: crng init done\r\n")
        .replace(MARKER, &format!("[ 3.1] ci: {MARKER}"));
    assert_eq!(of_console(between.as_bytes(), None), Some(fine.clone()));
    // The last one counts; what is cut off, or out of order, does not.
    let older = to_console(&long.replace("degraded", "failed"));
    assert_eq!(of_console(format!("{older}{text}{}", &older[..300]).as_bytes(), None), Some(fine));
    let mut lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() > 1);
    lines.reverse();
    assert_eq!(of_console(lines.join("\n").as_bytes(), None), None);
    assert_eq!(
        of_console(format!("{MARKER}1/999999999999 x\n{MARKER}1/1 !!\n{MARKER}0/1 \n{MARKER}").as_bytes(), None),
        None
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..300), log in ".{0,4000}", word in ".{0,600}") {
        let _ = parse(&bytes, None);
        let _ = of_console(&bytes, None);
        let json = serde_json::json!({"version": 1, "result": "failed", "scripts": [word],
            "handlers": [{"block": word, "result": "failed", "errors": [word], "log": log}]}).to_string();
        if json.len() <= MOST {
            let report = parse(json.as_bytes(), None).unwrap();
            prop_assert_eq!(&of_console(to_console(&json).as_bytes(), None), &Some(Ok(report.clone())));
            let handler = &report.handlers[0];
            prop_assert!(handler.log.len() <= MOST_LOG && handler.block.len() <= MOST_WORD && handler.errors[0].len() <= MOST_LINE);
            prop_assert!(!handler.block.chars().any(char::is_control));
        }
    }
}
