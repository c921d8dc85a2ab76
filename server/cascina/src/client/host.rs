//! `cascina host …`, `cascina class …` and `cascina share …`

use serde_json::json;

use super::http::Done;
use super::show::{Output, at, print};
use super::{Session, below, object, plan};

#[derive(clap::Subcommand)]
pub enum HostVerb {
    List,
    Show {
        host: String,
    },
    Add {
        name: String,
        #[arg(long)]
        class: String,
        /// Share that it belongs to; the site's if left out.
        #[arg(long)]
        share: Option<String>,
        /// Where its hypervisor answers.
        #[arg(long, default_value = "sim:")]
        uri: String,
        /// Real ones. A real host of which nothing is said tells its own capacity.
        #[arg(long, default_value_t = 0)]
        vcpus: u32,
        #[arg(long, default_value_t = 0)]
        memory_mib: u64,
        #[arg(long, default_value_t = 0)]
        disk_gib: u64,
    },
    /// It takes nothing new; what runs there goes on.
    Cordon {
        host: String,
        #[arg(long)]
        note: Option<String>,
    },
    Uncordon {
        host: String,
    },
    Maintenance {
        host: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Let everything on it go elsewhere, and then be in maintenance.
    Drain {
        host: String,
        /// What becomes of workers: wait, stop or migrate.
        #[arg(long, default_value = "wait")]
        workers: String,
        #[arg(long)]
        note: Option<String>,
        /// Show who is affected, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// A lost host is off: what it had is started elsewhere.
    Fence {
        host: String,
        /// You have made sure that nothing runs there any more.
        #[arg(long)]
        confirmed: bool,
    },
    /// Only when nothing runs there.
    Remove {
        host: String,
    },
}

#[derive(clap::Subcommand)]
pub enum ClassVerb {
    List,
    Show {
        class: String,
    },
    /// Make one, or change it.
    Put {
        name: String,
        /// services or workers.
        #[arg(long)]
        kind: String,
        /// vCPUs offered per 1000 real ones.
        #[arg(long, default_value_t = 1000)]
        cpu_overcommit_permille: u32,
        /// GiB of the store of volumes and snapshots that all hosts of the class reach; 0: none.
        #[arg(long, default_value_t = 0)]
        volumes_gib: u64,
    },
}

#[derive(clap::Subcommand)]
pub enum ShareVerb {
    List,
    Show {
        share: String,
    },
    /// Make one, or change it.
    Put {
        name: String,
        /// Tenants of this group are the owner's own.
        #[arg(long)]
        group: String,
        /// Others may use what is idle.
        #[arg(long)]
        lends: bool,
    },
    /// The owner wants its hosts back.
    Recall {
        share: String,
    },
    /// The owner lends them again.
    Return {
        share: String,
    },
}

pub fn host(session: &Session, verb: HostVerb) -> Done {
    const PATH: &str = "/v1/hosts";
    let set = |host: &str, verb: &str, said: &str, note: Option<String>| {
        let answer = session.client.post(&format!("{}/{verb}", below(PATH, host)), &object([("note", json!(note))]))?;
        session.output.said(&format!("host {host} is {said}"), &answer)
    };
    match verb {
        HostVerb::List => {
            let columns = [
                ("name", "name"),
                ("class", "class"),
                ("share", "share"),
                ("state", "state"),
                ("vcpus", "capacity.vcpus"),
                ("used", "used.vcpus"),
                ("memory MiB", "capacity.memory_mib"),
                ("used", "used.memory_mib"),
                ("disk GiB", "capacity.disk_gib"),
                ("used", "used.disk_gib"),
                ("guests", "guests"),
            ];
            session.list(PATH, &columns)
        }
        HostVerb::Show { host } => session.show(&below(PATH, &host)),
        HostVerb::Add { name, class, share, uri, vcpus, memory_mib, disk_gib } => {
            let body = object([
                ("name", json!(name)),
                ("class", json!(class)),
                ("share", json!(share)),
                ("uri", json!(uri)),
                ("vcpus", json!(vcpus)),
                ("memory_mib", json!(memory_mib)),
                ("disk_gib", json!(disk_gib)),
            ]);
            session.output.thing(&session.client.post(PATH, &body)?)
        }
        HostVerb::Cordon { host, note } => set(&host, "cordon", "cordoned", note),
        HostVerb::Uncordon { host } => set(&host, "uncordon", "up", None),
        HostVerb::Maintenance { host, note } => set(&host, "maintenance", "in maintenance", note),
        HostVerb::Drain { host, workers, note, dry_run } => {
            let body = object([("workers", json!(workers)), ("note", json!(note)), ("dry_run", json!(dry_run))]);
            let answer = session.client.post(&format!("{}/drain", below(PATH, &host)), &body)?;
            if !dry_run {
                return session.output.said(&format!("host {host} is being emptied"), &answer);
            }
            match session.output {
                Output::Json => session.output.thing(&answer),
                Output::Table => {
                    let words = |key: &str| {
                        let all = at(&answer, key).as_array().map_or(&[][..], Vec::as_slice);
                        let all: Vec<_> = all.iter().filter_map(serde_json::Value::as_str).collect();
                        if all.is_empty() { "nobody".into() } else { all.join(", ") }
                    };
                    print(&format!(
                        "tenants affected: {}\nwaits for:        {}\n\n",
                        words("tenants"),
                        words("waits_for")
                    ))?;
                    plan::rows(session.output, &answer)
                }
            }
        }
        HostVerb::Fence { host, confirmed } => {
            let answer =
                session.client.post(&format!("{}/fence", below(PATH, &host)), &json!({ "confirmed": confirmed }))?;
            session.output.said(&format!("host {host} is fenced"), &answer)
        }
        HostVerb::Remove { host } => {
            let answer = session.client.delete(&below(PATH, &host))?;
            session.output.said(&format!("host {host} is removed"), &answer)
        }
    }
}

pub fn class(session: &Session, verb: ClassVerb) -> Done {
    const PATH: &str = "/v1/classes";
    match verb {
        ClassVerb::List => session.list(
            PATH,
            &[
                ("name", "name"),
                ("kind", "kind"),
                ("CPU overcommit ‰", "cpu_overcommit_permille"),
                ("volumes GiB", "volumes_gib"),
            ],
        ),
        ClassVerb::Show { class } => session.show(&below(PATH, &class)),
        ClassVerb::Put { name, kind, cpu_overcommit_permille, volumes_gib } => {
            let body = json!({
                "kind": kind,
                "cpu_overcommit_permille": cpu_overcommit_permille,
                "volumes_gib": volumes_gib,
            });
            let answer = session.client.put(&below(PATH, &name), &body)?;
            session.output.said(&format!("class {name} is set"), &answer)
        }
    }
}

pub fn share(session: &Session, verb: ShareVerb) -> Done {
    const PATH: &str = "/v1/shares";
    let act = |share: &str, verb: &str, said: &str| {
        let path = format!("{}/{verb}", below(PATH, share));
        let answer = session.client.post(&path, &json!({}))?;
        session.output.said(&format!("share {share} is {said}"), &answer)
    };
    match verb {
        ShareVerb::List => {
            let columns = [
                ("id", "id"),
                ("name", "name"),
                ("group", "group"),
                ("lends", "lends"),
                ("recalled", "recalled"),
                ("vcpus", "vcpus"),
                ("own", "vcpus_own"),
                ("lent", "vcpus_lent"),
            ];
            session.list(PATH, &columns)
        }
        ShareVerb::Show { share } => session.show(&below(PATH, &share)),
        ShareVerb::Put { name, group, lends } => {
            let answer = session.client.post(PATH, &json!({"name": name, "group": group, "lends": lends}))?;
            session.output.said(&format!("share {name} is set"), &answer)
        }
        ShareVerb::Recall { share } => act(&share, "recall", "recalled"),
        ShareVerb::Return { share } => act(&share, "return", "lent again"),
    }
}
