//! `cascina user …`, `cascina key …` and `cascina token …`

use std::path::PathBuf;

use serde_json::json;

use super::http::{Done, Failure};
use super::show::{Output, at, cell, print};
use super::{Session, below, object};

#[derive(clap::Subcommand)]
pub enum UserVerb {
    Create {
        name: String,
        /// site-admin, owner, policy-author; or of a tenant: tenant-admin, member, viewer.
        #[arg(long)]
        role: String,
        /// Needed for the roles of a tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// Group whose shares an owner speaks for; may be repeated.
        #[arg(long = "group")]
        groups: Vec<String>,
        #[arg(long)]
        ssh_key_file: Option<PathBuf>,
    },
    List,
    Show {
        user: String,
    },
    Delete {
        user: String,
    },
}

#[derive(clap::Subcommand)]
pub enum KeyVerb {
    /// Make an access key for a user; its secret is shown this once.
    Create {
        user: String,
        /// For requests to the EC2 API, which act on this farm.
        #[arg(long)]
        farm: Option<String>,
    },
    List {
        user: String,
    },
    /// Refuse a key until it is enabled again.
    Disable {
        key: String,
    },
    Enable {
        key: String,
    },
    Delete {
        key: String,
    },
}

#[derive(clap::Subcommand)]
pub enum TokenVerb {
    /// Trade an access key for a token, which is shown this once.
    Create {
        access_key: String,
        /// File with the key's secret: on the command line, others on the machine could read it.
        #[arg(long)]
        secret_file: PathBuf,
    },
}

const USERS: &str = "/v1/users";
const KEYS: &str = "/v1/access-keys";

pub fn user(session: &Session, verb: UserVerb) -> Done {
    match verb {
        UserVerb::Create { name, role, tenant, groups, ssh_key_file } => {
            let ssh_key = match ssh_key_file {
                None => None,
                Some(path) => Some(
                    std::fs::read_to_string(&path)
                        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?,
                ),
            };
            let body = object([
                ("name", json!(name)),
                ("role", json!(role)),
                ("tenant", json!(tenant)),
                ("groups", json!(groups)),
                ("ssh_key", json!(ssh_key.as_deref().map(str::trim))),
            ]);
            session.output.thing(&session.client.post(USERS, &body)?)
        }
        UserVerb::List => session.list(
            USERS,
            &[("id", "id"), ("name", "name"), ("role", "role"), ("tenant", "tenant"), ("groups", "groups")],
        ),
        UserVerb::Show { user } => session.show(&below(USERS, &user)),
        UserVerb::Delete { user } => {
            let answer = session.client.delete(&below(USERS, &user))?;
            session.output.said(&format!("user {user} is deleted"), &answer)
        }
    }
}

pub fn key(session: &Session, verb: KeyVerb) -> Done {
    let keys_of = |user: &str| format!("{}/access-keys", below(USERS, user));
    match verb {
        KeyVerb::Create { user, farm } => {
            let body = object([("farm", json!(farm))]);
            session.output.thing(&session.client.post(&keys_of(&user), &body)?)
        }
        KeyVerb::Disable { key } => set(session, &key, true),
        KeyVerb::Enable { key } => set(session, &key, false),
        KeyVerb::List { user } => {
            let columns = [
                ("id", "id"),
                ("access key", "access_key"),
                ("farm", "farm"),
                ("disabled", "disabled"),
                ("last used", "last_used"),
                ("created", "created"),
            ];
            session.list(&keys_of(&user), &columns)
        }
        KeyVerb::Delete { key } => {
            let answer = session.client.delete(&below(KEYS, &key))?;
            session.output.said(&format!("access key {key} is deleted"), &answer)
        }
    }
}

fn set(session: &Session, key: &str, disabled: bool) -> Done {
    let answer = session.client.patch(&below(KEYS, key), &json!({"disabled": disabled}))?;
    session.output.said(&format!("access key {key} is {}", if disabled { "disabled" } else { "enabled" }), &answer)
}

pub fn token(session: &Session, TokenVerb::Create { access_key, secret_file }: TokenVerb) -> Done {
    let secret = std::fs::read_to_string(&secret_file)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", secret_file.display())))?;
    let body = json!({"access_key": access_key, "secret": secret.trim()});
    let answer = session.client.post("/v1/tokens", &body)?;
    match session.output {
        Output::Json => session.output.thing(&answer),
        // Alone on its line, so that it can go into a file as it is.
        Output::Table => print(&format!("{}\n", cell(at(&answer, "token")))),
    }
}
