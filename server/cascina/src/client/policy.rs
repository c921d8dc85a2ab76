//! `cascina policy …` and `cascina binding …`

use std::path::PathBuf;

use serde_json::{Value, json};

use super::http::{Done, Failure};
use super::{Session, below, json as parse_json, object};
use crate::workbench::oci::{self, Pulled, Reference};

#[derive(clap::Subcommand)]
pub enum PolicyVerb {
    List,
    /// Give its digest, `name@version`, or the name for the newest version.
    Show {
        policy: String,
    },
    /// Upload a component, by its file or the folder that it was built in; the server checks it. Nothing is
    /// bound by that.
    #[command(alias = "push")]
    Upload {
        #[arg(default_value = ".")]
        component: PathBuf,
        /// A file with its signature; the one beside the component if it is there.
        #[arg(long)]
        signature: Option<PathBuf>,
        /// Into a registry instead: `oci://HOST/REPOSITORY:TAG`.
        #[arg(long)]
        to: Option<Reference>,
        /// Out of a registry onto the server.
        #[arg(long, conflicts_with_all = ["component", "signature", "to"])]
        from: Option<Reference>,
    },
    /// What a newer version, or another policy, can do that the first cannot. Each is a component, a folder, or a
    /// policy of the server.
    Diff {
        old: String,
        new: String,
    },
    /// The digests of what is bound on the server, as `[policies] lock` takes them.
    Lock,
    /// Who uploaded, tried, activated and removed what, and when.
    Audit,
    /// Fetch the bytes of a component.
    Pull {
        /// Its digest, `name@version`, or the name for the newest version; or `oci://…` for a registry's.
        policy: String,
        /// NAME-VERSION.wasm if none is given.
        #[arg(short = 'f', long = "file")]
        file: Option<PathBuf>,
    },
    /// Put a case, or a decision of a server, to a component here.
    Run {
        /// A component, or the folder of a policy.
        #[arg(default_value = ".")]
        policy: PathBuf,
        /// A decision of the server: its facts are fetched, as the policy saw them.
        #[arg(long, required_unless_present = "case", conflicts_with = "case")]
        decision: Option<String>,
        /// Which of its policies' places to take; needed if it had several.
        #[arg(long, requires = "decision")]
        binding: Option<String>,
        /// Other settings than the decision's: a JSON object, or `@file`.
        #[arg(long, value_parser = crate::workbench::settings)]
        settings: Option<crate::workbench::Settings>,
        /// A file of cases instead.
        #[arg(long)]
        case: Option<PathBuf>,
        /// Keep the decision as a case, with what was said as what is expected.
        #[arg(long, requires = "decision")]
        save: Option<PathBuf>,
    },
    /// Make recorded decisions again with a policy in place of what is active: what would it change, for whom?
    Replay(super::trial::Replay),
    /// Try a policy in the shadow of what a binding has: asked on live requests, without effect.
    Shadow(super::trial::Shadow),
    /// Let a candidate decide for some tenants.
    Canary(super::trial::Canary),
    /// How a binding's candidate goes, and where it disagrees.
    Trial(super::trial::Follow),
    /// Put a binding's candidate in the place of what is active.
    Promote {
        binding: String,
    },
    /// Take a binding's candidate away.
    Withdraw {
        binding: String,
    },
    /// Make active again what a binding had before.
    Rollback {
        binding: String,
    },
    /// Back to the policies that ship with the program; everything else is switched off.
    Panic,
    /// What policies have used since the server started: questions, failures, fuel, time.
    Usage,
    #[command(flatten)]
    Workbench(crate::workbench::Verb),
    /// Only when no binding uses it.
    Remove {
        policy: String,
    },
}

#[derive(clap::Subcommand)]
pub enum BindingVerb {
    List,
    Show {
        binding: String,
    },
    /// Put a policy to work.
    Add(Box<Add>),
    /// Change what is named; the rest stays.
    Change(Box<Change>),
    Remove {
        binding: String,
    },
}

#[derive(clap::Args)]
pub struct Add {
    name: String,
    /// admission, quota, placement or reallocation.
    #[arg(long)]
    hook: String,
    /// `name`, `name@version` or a digest.
    #[arg(long)]
    policy: String,
    /// Only for the hosts of this share.
    #[arg(long, conflicts_with = "tenant")]
    share: Option<String>,
    /// Only for this tenant's requests.
    #[arg(long)]
    tenant: Option<String>,
    /// A JSON object, or `@file`.
    #[arg(long, value_parser = parse_json, default_value = "{}")]
    settings: Value,
    /// Within a scope, lower comes first.
    #[arg(long, default_value_t = 100)]
    order: u32,
    /// Multiplies scores, 1 to 1000.
    #[arg(long, default_value_t = 100)]
    weight: u32,
    /// enforce, shadow (recorded, without effect) or off.
    #[arg(long, default_value = "enforce")]
    mode: String,
    /// If the policy fails: deny, allow, or next (as if it were not bound).
    #[arg(long, default_value = "deny")]
    on_error: String,
}

#[derive(clap::Args)]
pub struct Change {
    binding: String,
    /// `name`, `name@version` or digest of an uploaded policy.
    #[arg(long)]
    policy: Option<String>,
    /// A JSON object, or `@file`; replaces all settings.
    #[arg(long, value_parser = parse_json)]
    settings: Option<Value>,
    /// Within a scope, lower comes first.
    #[arg(long)]
    order: Option<u32>,
    /// Multiplies scores, 1 to 1000.
    #[arg(long)]
    weight: Option<u32>,
    /// enforce, shadow (recorded, without effect) or off.
    #[arg(long)]
    mode: Option<String>,
    /// If the policy fails: deny, allow, or next (as if it were not bound).
    #[arg(long)]
    on_error: Option<String>,
    /// Let it out of quarantine.
    #[arg(long)]
    release: bool,
}

pub fn policy(session: &Session, verb: PolicyVerb) -> Done {
    const PATH: &str = "/v1/policies";
    match verb {
        PolicyVerb::List => {
            let columns = [
                ("name", "name"),
                ("version", "version"),
                ("hooks", "hooks"),
                ("embedded", "embedded"),
                ("by", "uploaded_by"),
                ("summary", "summary"),
            ];
            session.list(PATH, &columns)
        }
        PolicyVerb::Show { policy } => session.show(&below(PATH, &policy)),
        PolicyVerb::Upload { component, signature, to, from } => push(session, &component, signature, to, from),
        PolicyVerb::Diff { old, new } => {
            let (old, new) = (bytes_of(session, &old)?, bytes_of(session, &new)?);
            crate::workbench::diff(session.output, &old, &new)
        }
        PolicyVerb::Lock => lock(session),
        PolicyVerb::Audit => audit(session),
        PolicyVerb::Pull { policy, file } if policy.starts_with("oci://") => pull(session, &policy, file),
        PolicyVerb::Pull { policy, file } => {
            let row = session.client.get(&below(PATH, &policy))?;
            let digest = row["digest"].as_str().unwrap_or_default();
            let bytes = session.client.download(&format!("{}/component", below(PATH, digest)))?;
            let (name, version) =
                (row["name"].as_str().unwrap_or_default(), row["version"].as_str().unwrap_or_default());
            let file = file.unwrap_or_else(|| format!("{name}-{version}.wasm").into());
            if cascina_policy::digest(&bytes).to_string() != digest {
                return Err(Failure::Fault(format!("what came is not what has the digest {digest}")));
            }
            let written = std::fs::write(&file, bytes);
            written.map_err(|error| Failure::Fault(format!("{}: {error}", file.display())))?;
            session.output.said(&format!("{} is {name}@{version} ({digest})", file.display()), &row)
        }
        PolicyVerb::Run { policy, decision, binding, settings, case, save } => {
            let cases = match (decision, case) {
                (Some(decision), _) => {
                    let mut path = format!("{}/case", below("/v1/decisions", &decision));
                    if let Some(binding) = binding {
                        path += &format!("?binding={}", super::escaped(&binding));
                    }
                    let case = session.client.get(&path)?;
                    let case = serde_json::from_value(case);
                    vec![case.map_err(|error| Failure::Fault(format!("the server's case: {error}")))?]
                }
                (None, Some(path)) => crate::workbench::read_cases(&path)?.case,
                (None, None) => return Err(Failure::Usage("give --decision or --case".into())),
            };
            crate::workbench::run_cases(session.output, &policy, cases, settings, save.as_deref())
        }
        PolicyVerb::Replay(ask) => super::trial::replay(session, &ask),
        PolicyVerb::Shadow(ask) => super::trial::shadow(session, ask),
        PolicyVerb::Canary(ask) => super::trial::canary(session, ask),
        PolicyVerb::Trial(ask) => super::trial::follow(session, &ask),
        PolicyVerb::Promote { binding } => super::trial::step(session, &binding, "promote"),
        PolicyVerb::Rollback { binding } => super::trial::step(session, &binding, "rollback"),
        PolicyVerb::Withdraw { binding } => {
            let answer = session.client.delete(&format!("{}/trial", below("/v1/bindings", &binding)))?;
            session.output.said(&format!("the candidate of {binding} is withdrawn"), &answer)
        }
        PolicyVerb::Panic => {
            let answer = session.client.post("/v1/policy-panic", &json!({}))?;
            session.output.said("back to the policies of the program", &answer)
        }
        PolicyVerb::Usage => {
            let answer = session.client.get("/v1/policy-use")?;
            let columns = [
                ("binding", "binding"),
                ("owner", "owner"),
                ("hook", "hook"),
                ("policy", "policy"),
                ("asked", "asked"),
                ("failed", "failed"),
                ("fuel", "fuel"),
                ("µs", "micros"),
            ];
            session.output.list(answer["items"].as_array().map_or(&[], Vec::as_slice), &columns)
        }
        PolicyVerb::Workbench(verb) => crate::workbench::run(verb, session.output),
        PolicyVerb::Remove { policy } => {
            let answer = session.client.delete(&below(PATH, &policy))?;
            session.output.said(&format!("policy {policy} is removed"), &answer)
        }
    }
}

pub fn binding(session: &Session, verb: BindingVerb) -> Done {
    const PATH: &str = "/v1/bindings";
    match verb {
        BindingVerb::List => {
            let columns = [
                ("name", "name"),
                ("hook", "hook"),
                ("scope", "scope"),
                ("share", "share"),
                ("policy", "policy"),
                ("mode", "mode"),
                ("order", "order"),
                ("weight", "weight"),
                ("on error", "on_error"),
                ("quarantined", "quarantined"),
            ];
            session.list(PATH, &columns)
        }
        BindingVerb::Show { binding } => session.show(&below(PATH, &binding)),
        BindingVerb::Add(add) => self::add(session, *add),
        BindingVerb::Change(change) => {
            let body = object([
                ("policy", json!(change.policy)),
                ("settings", json!(change.settings)),
                ("order", json!(change.order)),
                ("weight", json!(change.weight)),
                ("mode", json!(change.mode)),
                ("on_error", json!(change.on_error)),
                ("release", change.release.then_some(true).into()),
            ]);
            let answer = session.client.patch(&below(PATH, &change.binding), &body)?;
            session.output.said(&format!("binding {} is changed", change.binding), &answer)
        }
        BindingVerb::Remove { binding } => {
            let answer = session.client.delete(&below(PATH, &binding))?;
            session.output.said(&format!("binding {binding} is removed"), &answer)
        }
    }
}

fn add(session: &Session, add: Add) -> Done {
    let body = object([
        ("name", json!(add.name)),
        ("hook", json!(add.hook)),
        ("policy", json!(add.policy)),
        ("share", json!(add.share)),
        ("tenant", json!(add.tenant)),
        ("settings", add.settings),
        ("order", json!(add.order)),
        ("weight", json!(add.weight)),
        ("mode", json!(add.mode)),
        ("on_error", json!(add.on_error)),
    ]);
    session.output.thing(&session.client.post("/v1/bindings", &body)?)
}

fn push(
    session: &Session,
    component: &std::path::Path,
    signature: Option<PathBuf>,
    to: Option<Reference>,
    from: Option<Reference>,
) -> Done {
    if let Some(from) = from {
        let Pulled { bytes, signature, .. } = oci::pull(&from)?;
        return upload(session, &bytes, signature.as_deref());
    }
    let bytes = crate::workbench::component(component)?;
    let wrong = |path: &std::path::Path, error| Failure::Usage(format!("{}: {error}", path.display()));
    let signature = match signature {
        Some(path) => Some(std::fs::read_to_string(&path).map_err(|error| wrong(&path, error))?),
        None => std::fs::read_to_string(crate::workbench::signature_beside(component)?).ok(),
    };
    match to {
        Some(to) => {
            let digest = oci::push(&to, &bytes, signature.as_deref())?;
            session.output.said(&format!("it is in the registry as {digest}"), &json!({"digest": digest}))
        }
        None => upload(session, &bytes, signature.as_deref()),
    }
}

fn upload(session: &Session, bytes: &[u8], signature: Option<&str>) -> Done {
    // Compiling an interpreter takes longer than one request may: it goes on, and asking again finds it done.
    for _ in 0..10 {
        match session.client.upload("/v1/policies", bytes.to_vec(), signature) {
            Err(Failure::Fault(text)) if text.contains("it took too long") => {
                if session.output == super::show::Output::Table {
                    eprintln!("the server is still compiling it");
                }
            }
            answer => return session.output.thing(&answer?),
        }
    }
    Err(Failure::Fault("the server takes too long to compile it; see its log".into()))
}

fn pull(session: &Session, place: &str, file: Option<PathBuf>) -> Done {
    let place: Reference = place.parse().map_err(Failure::Usage)?;
    let Pulled { bytes, signature, digest } = oci::pull(&place)?;
    let file = file.unwrap_or_else(|| "policy.wasm".into());
    let write = |path: &std::path::Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|error| Failure::Fault(format!("{}: {error}", path.display())))
    };
    write(&file, &bytes)?;
    if let Some(signature) = &signature {
        write(&crate::workbench::signature_beside(&file)?, format!("{signature}\n").as_bytes())?;
    }
    let signed = if signature.is_some() { ", with a signature" } else { "" };
    session.output.said(&format!("{} is {digest}{signed}", file.display()), &json!({"file": file, "digest": digest}))
}

/// A component by its file, by its folder, or from the server.
fn bytes_of(session: &Session, policy: &str) -> Done<Vec<u8>> {
    let path = std::path::Path::new(policy);
    if path.exists() {
        return crate::workbench::component(path);
    }
    session.client.download(&format!("{}/component", below("/v1/policies", policy)))
}

fn lock(session: &Session) -> Done {
    let mut rows: Vec<(String, String)> = Vec::new();
    let policies = session.client.list("/v1/policies")?;
    for binding in session.client.list("/v1/bindings")? {
        let digest = binding["digest"].as_str().unwrap_or_default().to_owned();
        let ships = policies.iter().any(|row| row["digest"] == binding["digest"] && row["embedded"] == true);
        let row = (binding["policy"].as_str().unwrap_or_default().to_owned(), digest);
        if !ships && !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.sort();
    if session.output == super::show::Output::Json {
        let rows: Vec<Value> =
            rows.iter().map(|(policy, digest)| json!({"policy": policy, "digest": digest})).collect();
        return session.output.thing(&Value::Array(rows));
    }
    let mut text =
        "# What may decide beside what ships with the program; [policies] lock names this file.\n".to_owned();
    for (policy, digest) in rows {
        let entry =
            toml::Table::from_iter([("policy".to_owned(), policy.into()), ("digest".to_owned(), digest.into())]);
        text += &format!("\n[[policy]]\n{entry}");
    }
    super::show::print(&text)
}

/// Events of policies, bindings and trials, oldest first.
fn audit(session: &Session) -> Done {
    const KINDS: [&str; 14] = [
        "policy.added",
        "policy.signed",
        "policy.removed",
        "policies.panic",
        "binding.created",
        "binding.changed",
        "binding.removed",
        "binding.quarantined",
        "binding.rolled-back",
        "trial.begun",
        "trial.staged",
        "trial.promoted",
        "trial.withdrawn",
        "site.applied",
    ];
    let mut rows = Vec::new();
    for kind in KINDS {
        rows.extend(session.client.list(&format!("/v1/events?kind={kind}"))?);
    }
    rows.sort_by_key(|row| row["seq"].as_u64());
    session.output.list(&rows, &[("seq", "seq"), ("at", "at"), ("who", "actor"), ("kind", "kind"), ("what", "text")])
}
