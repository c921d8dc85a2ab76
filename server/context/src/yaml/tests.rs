use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Node {
    parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(text: &str) -> String {
    parse(text, &Limits::default()).unwrap_err().to_string()
}

#[test]
fn what_was_plain_stays_plain() {
    let text =
        "localfs:\n   # a comment\n   parts:\n      cvmfs: 17\n      cvmfs_mount: '/var/lib/cvmfs'\n      swap: 100\n";
    let again = emit(&read(text));
    assert_eq!(again, "localfs:\n  parts:\n    cvmfs: 17\n    cvmfs_mount: \"/var/lib/cvmfs\"\n    swap: 100\n");
    let node = read("a: yes\nb: 'yes'\nc: 0644\nd: 18000\ne:\nf: 2.1.19\ng: yEs\n");
    let get = |key: &str| match &node.get(key).unwrap().value {
        Value::Scalar(scalar) => scalar.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((get("a").boolean(), get("b").boolean(), get("g").boolean()), (Some(true), None, None));
    assert_eq!((get("c").number(), get("d").number(), get("f").number()), (None, Some(18000), None));
    assert!(get("e").is_null());
}

#[test]
fn texts_of_more_lines_are_blocks() {
    let node = read(
        "run: |\n  #!/bin/sh\n  if true; then\n    echo 'x: y'\n  fi\nlist:\n- |-\n  a\n  b\n- {a: 1, b: [x, y]}\n",
    );
    insta::assert_snapshot!(emit(&node), @r##"
    run: |
      #!/bin/sh
      if true; then
        echo 'x: y'
      fi
    list:
      - |-
        a
        b
      - a: 1
        b:
          - x
          - y
    "##);
    assert_eq!(read(&emit(&node)), node);
}

#[test]
fn anchors_and_merges_are_written_out() {
    let node = read("base: &b {x: 1, y: 2}\nother:\n  <<: *b\n  y: 3\n");
    assert_eq!(emit(node.get("other").unwrap()), "y: 3\nx: 1\n");
}

#[test]
fn what_would_win_silently_or_grow_without_end_is_refused() {
    assert_eq!(refused("a: 1\na: 2\n"), "line 2: the key \"a\" is there twice: the later one would silently win");
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(",")));
    }
    assert!(refused(&laughs).contains("more than 50000 values"), "{}", refused(&laughs));
    assert!(refused(&"[".repeat(100_000)).starts_with("line 1: "), "{}", refused(&"[".repeat(100_000)));
    assert!(refused(&"- ".repeat(100_000)).contains("deeper than 32"));
    assert!(refused(&" a:\n".repeat(400_000)).contains("too many"));
    assert!(refused("a: !!python/object/apply:os.system [x]\n").contains("is not known"));
    assert!(refused("? [a]\n: b\n").contains("a key has to be"));
    assert!(refused("a: 1\n---\nb: 1\n").contains("second document"));
    assert!(refused("a: &a [*a]\n").contains("alias"));
    assert!(refused("a: [\n").contains("line"));
}

#[test]
fn huge_lines_take_no_time() {
    let begun = std::time::Instant::now();
    for text in
        ["a".repeat(1 << 20), format!("'{}", "'' ".repeat(300_000)), "a: ".repeat(300_000), "&a ".repeat(300_000)]
    {
        let _ = parse(&text, &Limits::default());
    }
    let _ = parse(&"#".repeat(1 << 20), &Limits::default());
    let _ = parse(&"[a, ".repeat(200_000), &Limits::default());
    let _ = parse(&"a\n".repeat(500_000), &Limits::default());
    let _ = parse(&"? a\n".repeat(200_000), &Limits::default());
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

fn scalar_of_any_kind() -> impl Strategy<Value = Scalar> {
    let texts = prop_oneof![
        any::<String>(),
        "[a-z0-9:/%@ .~<=#'\"\n\t&*!|>{}\\[\\],?-]{0,24}",
        "([ -~]{0,12}\n){1,4}",
        Just("yes".to_owned()),
        Just("---".to_owned()),
        Just("- a".to_owned()),
        Just("<<".to_owned()),
    ];
    texts.prop_map(Scalar::text)
}

fn node_of_any_kind() -> impl Strategy<Value = Node> {
    let plain = prop_oneof!["[a-z0-9][a-z0-9./_-]{0,12}", Just("null".to_owned()), Just("true".to_owned())];
    let leaf = prop_oneof![
        scalar_of_any_kind().prop_map(|scalar| Node::new(Value::Scalar(scalar))),
        plain.prop_map(Node::plain),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| Node::new(Value::List(items))),
            prop::collection::vec((scalar_of_any_kind(), inner), 0..6).prop_map(|mut entries| {
                let mut seen = std::collections::HashSet::new();
                entries.retain(|(key, _)| seen.insert(key.text.clone()));
                Node::new(Value::Map(entries))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(node in node_of_any_kind()) {
        let text = emit(&node);
        let again = parse(&text, &Limits::default());
        prop_assert!(again.as_ref() == Ok(&node), "{text}\n{again:#?}\n{node:#?}");
    }

    #[test]
    fn whatever_comes_is_read_or_refused(text in prop_oneof![any::<String>(), "[a-c:&*!|>?{}\\[\\],'\"# \n\t%@`-]{0,60}"]) {
        if let Ok(node) = parse(&text, &Limits::default()) {
            // What was plain with letters that need quotes is a text by now, which it was to any reader.
            let again = parse(&emit(&node), &Limits::default()).map(|again| emit(&again));
            prop_assert!(again.as_ref() == Ok(&emit(&node)), "{}\n{again:#?}\n{node:#?}", emit(&node));
        }
    }
}
