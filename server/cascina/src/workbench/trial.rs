//! Cases: what a policy is asked, and what it must say.

use std::path::{Path, PathBuf};

use cascina_core::policy::Digest;
use cascina_policy::Sandbox;
use cascina_policy::case::{Answered, Case, Cases, Expect};
use serde_json::{Value, json};

use super::table::{Table, Taken};
use super::{Settings, failed};
use crate::client::http::{Done, Failure};
use crate::client::show::{Output, print};

/// Files of cases below these, in order.
fn files(given: &[PathBuf]) -> Done<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in given {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| path.extension().is_some_and(|kind| kind == "toml" || kind == "json"));
        inside.sort();
        found.extend(inside);
    }
    Ok(found)
}

pub fn read_cases(path: &Path) -> Done<Cases> {
    let wrong = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let json = path.extension().is_some_and(|kind| kind == "json");
    let cases: Cases = match json {
        true => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        false => toml::from_str(&text).map_err(|error| wrong(error.to_string()))?,
    };
    Ok(cases)
}

pub fn write_cases(path: &Path, cases: &Cases) -> Done {
    let wrong = |error: String| Failure::Fault(format!("{}: {error}", path.display()));
    let text = match path.extension().is_some_and(|kind| kind == "json") {
        true => serde_json::to_string_pretty(cases).map_err(|error| wrong(error.to_string()))?,
        false => toml::to_string(cases).map_err(|error| wrong(error.to_string()))?,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
    }
    std::fs::write(path, text + "\n").map_err(|error| wrong(error.to_string()))
}

pub fn ask(sandbox: &Sandbox, digest: &Digest, case: &Case) -> Done<Answered> {
    sandbox.answer(digest, case).map_err(|error| Failure::Usage(format!("case `{}`: {error}", case.name)))
}

pub fn test(output: Output, policy: &Path, given: &[PathBuf], accept: bool) -> Done {
    let Taken { table, found, .. } = Table::take(policy)?;
    let given = match given {
        [] if policy.is_dir() => vec![policy.join("tests")],
        [] => return Err(Failure::Usage("name the files or folders of cases".into())),
        given => given.to_vec(),
    };
    let (mut rows, mut lines, mut wrong, mut count) = (Vec::new(), String::new(), 0, 0);
    for path in files(&given)? {
        let mut cases = read_cases(&path)?;
        for (number, case) in cases.case.iter_mut().enumerate() {
            let name = if case.name.is_empty() { format!("case {}", number + 1) } else { case.name.clone() };
            let answered = ask(&table.sandbox, &found.digest, case)?;
            if accept {
                case.expect = Some(Expect::exactly(&answered.said));
            }
            let differences = match &case.expect {
                Some(expect) => expect.differences(case, &answered.said),
                None => vec!["nothing is expected; write `[case.expect]`, or run with --accept".into()],
            };
            count += 1;
            wrong += usize::from(!differences.is_empty());
            let mark = if differences.is_empty() { "ok    " } else { "FAILED" };
            lines += &format!("{mark}  {}: {name}\n", path.display());
            differences.iter().for_each(|difference| lines += &format!("        {difference}\n"));
            rows.push(json!({
                "file": path, "case": name, "differences": differences,
                "said": said(&answered), "fuel": answered.fuel, "micros": answered.micros,
            }));
        }
        if accept {
            write_cases(&path, &cases)?;
        }
    }
    match output {
        Output::Table => print(&format!("{lines}{count} cases, {wrong} failed\n"))?,
        Output::Json => output.thing(&Value::Array(rows))?,
    }
    if count == 0 {
        return Err(failed("there are no cases; a policy without any is not tested"));
    }
    if wrong > 0 { Err(failed(format!("{wrong} of {count} cases failed"))) } else { Ok(()) }
}

/// An answer as JSON, with what was logged.
fn said(answered: &Answered) -> Value {
    let mut value = serde_json::to_value(&answered.said).unwrap_or_default();
    if !answered.log.is_empty() {
        value["log"] = json!(answered.log);
    }
    value
}

/// Puts cases to a component and shows what it says; where something is expected, whether it is so.
pub fn run_cases(
    output: Output,
    policy: &Path,
    mut cases: Vec<Case>,
    settings: Option<Settings>,
    save: Option<&Path>,
) -> Done {
    let Taken { table, found, .. } = Table::take(policy)?;
    let mut wrong = 0;
    for case in &mut cases {
        if let Some(settings) = &settings {
            case.settings = settings.0.clone();
        }
        let answered = ask(&table.sandbox, &found.digest, case)?;
        let mut shown = said(&answered);
        shown["case"] = json!(case.name);
        shown["fuel"] = json!(answered.fuel);
        if let Some(expect) = &case.expect {
            let differences = expect.differences(case, &answered.said);
            wrong += usize::from(!differences.is_empty());
            shown["same"] = json!(differences.is_empty());
            shown["differences"] = json!(differences);
        }
        if save.is_some() {
            case.expect = Some(Expect::exactly(&answered.said));
        }
        output.thing(&shown)?;
    }
    if let Some(path) = save {
        write_cases(path, &Cases { case: cases })?;
    }
    if wrong > 0 { Err(failed(format!("{wrong} cases came out otherwise"))) } else { Ok(()) }
}
